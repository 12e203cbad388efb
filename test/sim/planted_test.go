//go:build simbugs

package sim

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// layers are the tests that may catch a planted bug, with their flags.
var layers = map[string]struct{ run, flags string }{
	"seeds":       {"TestSeeds$", "-sim.stop -sim.seeds=200"},
	"http":        {"TestSeedsThroughTheSDK$", "-sim.stop -sim.sdk=60"},
	"tours":       {"TestSeeds$", "-sim.stop -sim.errand=tour -sim.seeds=60"},
	"enumeration": {"TestEveryFaultAtEveryRequest/fan-out", "-sim.stop -sim.every"},
	"prunes":      {"TestEveryFaultWhereHistoriesArePruned", "-sim.stop -sim.every=false"},
}

// packages have tests of their own that may catch one.
var packages = map[string]string{
	"hub":      "../../providers/azure/internal/hub",
	"journal":  "../../providers/azure/internal/journal",
	"sdk":      "../../providers/azure/internal/sdk",
	"sharding": "../../sharding",
}

// caughtBy names what catches each planted bug: a layer, a test, or a test of another
// package.
var caughtBy = map[string]string{
	"no-fence":             "seeds",
	"unknown-is-success":   "seeds",
	"unknown-is-failure":   "seeds",
	"etag-reread":          "seeds",
	"delete-before-commit": "seeds",
	"no-dedupe-by-id":      "TestBoundsOfLateCopies",
	"notices-not-written":  "seeds",
	"orders-repeated":      "TestBoundsOfLateOrders",
	"order-forgotten":      "hub.TestAnOrderThatItsClientCarriesOut",
	"purge-guessed":        "hub.TestAPurgeOfWhichTheOutcomeWasLost",
	"outbox-deleted-early": "enumeration",
	"outbox-forgotten":     "enumeration",
	"fifo-broken":          "seeds",
	"nonsense-passed-over": "hub.TestAnswersThatAreNotTheServices",
	"arrival-overtakes":    "hub.TestWhatArrivesDoesNotOvertake",
	"tombstone-dropped":    "seeds",
	"purge-takes-starts":   "seeds",
	"claim-without-epoch":  "seeds",
	"index-not-moved":      "seeds",
	"replaced-put-back":    "seeds",
	"lost-work-forgotten":  "hub.TestWorkThatIsLostWith",
	"next-instance-pruned": "prunes",
	"kept-pruned":          "seeds",
	"sleepers-forgotten":   "hub.TestWhoSleepsForHours",
	"sleepers-half-awake":  "hub.TestWhoSleeps",
	"session-stolen":       "TestBoundsOfSession",
	"taken-before-joining": "hub.TestASessionIsNotTakenByWhoHasNotJoined",
	"deadly-diverted":      "hub.TestWhatHostsDiedWithStaysWithItsBusyOwner",
	"guests-left-behind":   "hub.TestWhatALeavingWorkerHolds",
	"own-copies-refused":   "hub.TestAHostThatTakesItsOwnMessageAgain",
	"adopted-but-lost":     "hub.TestAHostThatTakesItsOwnMessageWhileItExtends",
	"sessions-come-back":   "hub.TestAWorkerThatComesBackDoesNotBring",
	"cancelled-begins":     "hub.TestWhatWasCancelledInItsQueue",
	"tags-held-up":         "hub.TestWhatNeedsATagDoesNotWaitForALeaver",
	"over-but-offered":     "hub.TestWhatIsOverDoesNotBeginAgain",
	"delay-not-passed":     "hub.TestADelayIsKeptBySomebodyElse",
	"rung-when-gone":       "hub.TestWhatALeaverGivesBackToAWorkQueue",
	"session-not-checked":  "seeds",
	"session-not-recorded": "tours",
	"deaths-not-counted":   "TestBoundsOfQuarantine",
	"borrow-hides-deaths":  "TestBoundsOfQuarantineWhereClientsBorrow",
	"burial-after-gap":     "TestBoundsOfSleep",
	"reserved-borrowed":    "TestBoundsOfHandOverWhileClientsPurge",
	"not-named":            "hub.TestHeadNames",
	"self-fencing-off":     "TestBoundsOfPause",
	"running-forgotten":    "seeds",
	"running-not-noted":    "seeds",
	"done-offered":         "hub.TestACompletionOutlives",
	"tombstone-index-kept": "seeds",
	"outbox-overtaken":     "seeds",
	"late-copies-count":    "TestBoundsOfLateCopies",
	"late-starts-count":    "TestBoundsOfLateStarts",

	"large-progress-dropped": "TestBoundsOfProgress",

	"told-before-commit":  "seeds",
	"decision-split":      "seeds",
	"numbers-begin-anew":  "seeds",
	"no-dedupe-by-number": "journal.TestWhatIsConsumedIsNoticed",
	"no-sweep":            "TestBoundsOfSweep",
	"timers-early":        "seeds",
	"blob-after-row":      "seeds",
	"blob-before-row":     "seeds",
	"dead-not-succeeded":  "seeds",
	"completions-dropped": "hub.TestACompletionOutlives",
	"not-settled":         "hub.TestAHandOverLosesNoActivityOfACommit",
	"freed-unread":        "hub.TestTheLastWordsOfAHost",
	"host-overwritten":    "hub.TestOwnersThatFollowEachOther",
	"return-not-recorded": "hub.TestWhatASessionsFormerHostGaveBack",
	"lease-ended-blindly": "hub.TestALateEndOfALease",
	"end-not-written":     "hub.TestHeadNames",
	"taken-is-delivered":  "seeds",
	"requests-forgotten":  "seeds",

	"packed-again":            "journal.TestAfterAnUnknownOutcomeTheIdentical",
	"rows-twice":              "journal.TestEntriesOnOneRow",
	"rejected-again":          "seeds",
	"notices-by-age":          "journal.TestIDsAreForgotten",
	"trials-crowded":          "TestBoundsOfQuarantine",
	"purge-not-recorded":      "hub.TestAPurgeThatItsOwnerDidNot",
	"dead-come-back":          "hub.TestTheRowOfAHostThatWasBuried",
	"removal-given-up":        "hub.TestAPurgeThatIsHeldUp",
	"next-instance-ended":     "hub.TestAnActivityThatRunsElsewhere",
	"borrowed-beside-hosts":   "TestBoundsOfJoiningWhileClientsPurge",
	"taken-from-clients":      "hub.TestOrdersWithoutHosts",
	"progress-not-passed":     "TestBoundsOfProgressOfAFailure",
	"former-owner-silent":     "TestBoundsOfProgressOfAFormerOwner",
	"lease-for-progress":      "hub.TestAHostWithoutBlobsKeepsWhatItRuns",
	"former-progress-kept":    "hub.TestProgressThatIsReplacedLeavesNoBlob",
	"returned-progress-kept":  "hub.TestProgressGoesAlongToAnotherHost",
	"next-instance-runs":      "hub.TestAnActivityThatLeavesForItsSession",
	"events-of-the-former":    "hub.TestScheduledEventsGoWithTheirInstance",
	"buried-although-started": "hub.TestAMessageIsNotBuriedBesideATurn",
	"lost-but-held":           "hub.TestATurnThatLostARowIsOver",
	"start-forgotten":         "hub.TestAMessageForAPendingInstance",
	"copies-count-as-done":    "hub.TestACopyOfACompletionIsNotTaken",
	"copies-for-the-next":     "hub.TestACopyOfAMessageIsNotForTheNextInstance",
	"made-beside-orders":      "hub.TestAStartDoesNotReplace",
	"freed-half-read":         "hub.TestProgressThatIsTakenIn",

	"loss-while-claiming":  "sharding.TestAPartitionLostWhileItIsClaimedIsServedAgain",
	"reads-counted":        "sharding.TestWhoLooksOftenDeclaresNobodyDead",
	"buried-by-name":       "sharding.TestAHeartbeatInTheLastMomentSavesAHost",
	"buried-perhaps":       "sharding.TestAHostWhoseRowIsThereIsNotSucceeded",
	"gone-joins-again":     "sharding.TestARowThatIsGoneEndsTheIncarnation",
	"unsafe-judges":        "sharding.TestAHostThatIsUnsafeRemovesAndClaimsNothing",
	"unsafe-claims":        "sharding.TestAHostThatIsUnsafeRemovesAndClaimsNothing",
	"strangers-are-dead":   "sharding.TestAHostThatHasJustJoinedIsNotTakenForDead",
	"announced-is-free":    "sharding.TestWhatIsAnnouncedIsItsOwnersUntilItIsReleased",
	"heads-read-at-rest":   "sharding.TestAtRestAHostDoesTwoOperationsABeat",
	"announced-anew":       "sharding.TestWhoHasAnnouncedLeavesInHalfASecond",
	"leavers-hold-up":      "sharding.TestOthersAreBalancedWhileOneIsAboutToLeave",
	"leavers-watched":      "sharding.TestWaitingForALeaverCostsNothing",
	"released-twice":       "sharding.TestALeaverHandsOverBesideAReleaseThatIsSlow",
	"load-under-mutex":     "sharding.TestNoMutexIsHeldAcrossACall",
	"leave-does-not-wait":  "sharding.TestLeaveWaitsForAllThatWasBegun",
	"all-read":             "hub.TestATakeoverReadsOnlyWhatIsBusy",
	"sleepers-read":        "hub.TestIdleInstancesCostAHostNothing",
	"told-aside":           "journal.TestWhatIsAppliedIsToldInOrder",
	"taken-in-twice":       "hub.TestARowThatIsFoundTwiceIsTakenInOnce",
	"log-under-mutex":      "hub.TestALogThatIsSlowHoldsNobodyUp",
	"given-up-goes-on":     "seeds",
	"copies-in-the-turn":   "hub.TestATurnConsumesHoweverManyCopies",
	"parts-not-noticed":    "hub.TestAMessageOfALetterThatWaits",
	"buried-in-parts":      "hub.TestWhatIsBuriedInPartsIsNot",
	"copies-not-buried":    "hub.TestWhatWasBuriedIsNotAppliedToo",
	"delayed-in-a-bundle":  "hub.TestADelayedMessageIsNeitherLostNorDoubled",
	"page-of-any-size":     "journal.TestABatchConsumesNoMore",
	"sent-before-resolved": "hub.TestWhatWasSentIsThereWhenSendReturns",
	"writes-repeated":      "sdk.TestWhatTheSDKSaysOfAWriteIsTrue",
	"lost-is-refused":      "http",
	"accepted-is-applied":  "http",
	"continuation-ignored": "http",
}

// TestEachBugThatCanBePlantedHasALayer: none is left out.
func TestEachBugThatCanBePlantedHasALayer(t *testing.T) {
	names, err := os.ReadFile("../../internal/bug/names.go")
	if err != nil {
		t.Fatal(err)
	}
	all := regexp.MustCompile(`(?m)^\t"([a-z-]+)",`).FindAllSubmatch(names, -1)
	for _, name := range all {
		if caughtBy[string(name[1])] == "" {
			t.Errorf("no layer is said to catch %s", name[1])
		}
	}
	if len(all) != len(caughtBy) {
		t.Errorf("%d bugs can be planted, and %d are caught", len(all), len(caughtBy))
	}
}

// TestPlantedBugsAreCaught runs the tests with each bug in turn, in a process of
// its own: they must fail.
func TestPlantedBugsAreCaught(t *testing.T) {
	dir := t.TempDir()
	for pkg, folder := range packages {
		if out, err := exec.Command("go", "test", "-tags", "simbugs", "-c", "-o", filepath.Join(dir, pkg), folder).CombinedOutput(); err != nil {
			t.Fatalf("building the tests of %s: %v\n%s", pkg, err, out)
		}
	}
	var escaped []string // told again at the end, where the eye falls
	for name, by := range caughtBy {
		l, program := layers[by], os.Args[0]
		if pkg, test, of := strings.Cut(by, "."); of {
			l.run, program = test, filepath.Join(dir, pkg)
		} else if l.run == "" {
			l.run, l.flags = by+"$", "-sim.stop -sim.every=false"
		}
		began := time.Now()
		run := exec.Command(program, append([]string{"-test.run=^" + l.run, "-test.timeout=5m"}, strings.Fields(l.flags)...)...)
		run.Env = append(os.Environ(), "DUROXIDE_BUG="+name)
		out, err := run.CombinedOutput()
		if took := time.Since(began).Round(100 * time.Millisecond); err == nil || bytes.Contains(out, []byte("panic: test timed out")) {
			t.Errorf("%s is not caught by the %s, in %v", name, by, took)
			escaped = append(escaped, name)
		} else {
			how := regexp.MustCompile(`(?m)^.*(seed [0-9]+: .*|_test.go:[0-9]+: .*|panic: .*|fatal error: .*)$`).FindString(string(out))
			t.Logf("%-21s caught by the %s in %v: %.200s", name, by, took, how)
		}
	}
	if escaped != nil {
		t.Errorf("not caught: %q", escaped)
	}
}
