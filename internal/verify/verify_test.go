package verify_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/verify"
)

// audit runs an audit in a bubble, so that its pauses take no time.
func audit(t *testing.T, f *fake, o verify.Options) (report *verify.Report) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var err error
		if report, err = verify.Store(t.Context(), f, o); err != nil {
			t.Fatal(err)
		}
	})
	return report
}

func TestAHealthyStorePasses(t *testing.T) {
	report := audit(t, healthy(), verify.Options{Complete: true})
	for _, f := range append(report.Findings, report.Notes...) {
		t.Error(f)
	}
	if !report.OK() {
		t.Error("the audit failed")
	}
	if report.Instances != 12 || report.Busy != 0 {
		t.Errorf("%d instances, %d busy", report.Instances, report.Busy)
	}
	c := report.Counts
	want := verify.Counts{
		Executions: 12, Events: c.Events, Inline: 1, Timers: 3, Raised: 4, Children: 7,
		Activities: verify.ActivityCounts{Scheduled: 5, Completed: 2, Closed: 1, Open: 2, Retried: 1},
	}
	if c != want {
		t.Errorf("counts %+v, want %+v", c, want)
	}
}

func TestAnEmptyStorePasses(t *testing.T) {
	if report := audit(t, newFake(), verify.Options{}); !report.OK() || report.Instances != 0 {
		t.Errorf("%+v", report)
	}
}

// breaks is a store that is healthy but for one thing.
type breaks struct {
	name   string
	change func(f *fake)
	rule   verify.Rule
	place  string
	what   string
}

func (b breaks) run(t *testing.T) {
	f := healthy()
	b.change(f)
	report := audit(t, f, verify.Options{Complete: true})
	if report.OK() {
		t.Fatal("nothing was found")
	}
	found := false
	for _, finding := range report.Findings {
		if finding.Rule != b.rule {
			t.Errorf("beside %s: %s", b.rule, finding)
		}
		if finding.Rule == b.rule && finding.Place() == b.place && strings.Contains(finding.What, b.what) {
			found = true
		}
		if finding.Next == "" {
			t.Errorf("there is no next step: %s", finding)
		}
	}
	if !found {
		t.Errorf("want %s %s: …%s…, found %v", b.rule, b.place, b.what, report.Findings)
	}
}

func TestEachRuleIsFoundBroken(t *testing.T) {
	seen := map[verify.Rule]bool{}
	for _, b := range slices.Concat(historyBreaks, instanceBreaks, familyBreaks, pruneBreaks) {
		seen[b.rule] = true
		t.Run(string(b.rule)+" "+b.name, b.run)
	}
	all := []verify.Rule{
		verify.Order, verify.Time, verify.Answers, verify.Attempts, verify.Events, verify.Contents,
		verify.Chain, verify.Row, verify.State, verify.OpenWork, verify.FinalWork, verify.Stuck,
		verify.Children, verify.Parents, verify.Sent, verify.DeadLetters, verify.Readable,
	}
	for _, rule := range all {
		if !seen[rule] {
			t.Errorf("no store breaks %s", rule)
		}
	}
}

// What is missing may have been purged: without Complete that is a note.
func TestMissingInstancesAreNotesUnlessNothingWasPurged(t *testing.T) {
	for name, change := range map[string]func(f *fake){
		"a child whose outcome is known": func(f *fake) { f.purge("order-7::1.10") },
		"a child that was to go on":      func(f *fake) { f.purge("parent-1::1.3") },
		"what was started and left":      func(f *fake) { f.purge("invoice-7") },
		"a parent":                       func(f *fake) { f.purge("parent-1") },
		"a parent that was replaced":     func(f *fake) { f.rows["parent-1"].Created = at(1) },
		"a child that was replaced": func(f *fake) {
			f.purge("order-7::1.10")
			f.put("order-7::1.10", []history.Data{started("x"), &history.ExecutionCompleted{}})
		},
		"a receiver that was replaced": func(f *fake) {
			f.purge("warehouse-1")
			f.put("warehouse-1", []history.Data{started("warehouse"), &history.EventAwaited{Name: "x"}}).Created = at(500)
		},
		"a sender that was replaced": func(f *fake) {
			f.rows["order-7"].Created = at(100)
			f.purge("order-7::1.10") // of the former one
			f.add("warehouse-1", &history.EventRaised{Source: 3, Name: "pick", Queue: true, MessageID: "order-7/1/12/event"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := healthy()
			change(f)
			report := audit(t, f, verify.Options{})
			if !report.OK() {
				t.Errorf("findings: %v", report.Findings)
			}
			if len(report.Notes) == 0 {
				t.Error("there is no note")
			}
			f = healthy()
			change(f)
			if audit(t, f, verify.Options{Complete: true}).OK() {
				t.Error("nothing is found although nothing was purged")
			}
		})
	}
}

func TestWhatAnOperatorMayWantToKnowIsANote(t *testing.T) {
	f := healthy()
	f.rows["slow-1"].Parked = &provider.Parked{Reason: "no handler for slow", Since: at(1)}
	f.out["order-7"] = &provider.Outstanding{Messages: []provider.Message{{ID: "late", To: "order-7", Data: &history.EventRaised{Name: "late"}}}}
	f.dead = []provider.DeadLetter{{Message: provider.Message{ID: "lost", To: "nobody"}, Reason: "no such instance"}}
	report := audit(t, f, verify.Options{Complete: true})
	if !report.OK() {
		t.Errorf("findings: %v", report.Findings)
	}
	for _, want := range []string{"no handler for slow", "1 messages wait to be dropped", `"lost" is a dead letter: no such instance`} {
		if !slices.ContainsFunc(report.Notes, func(n verify.Finding) bool { return strings.Contains(n.What, want) }) {
			t.Errorf("no note says %q: %v", want, report.Notes)
		}
	}
}

func TestAnAuditIsRestrictedToAPrefix(t *testing.T) {
	f := healthy()
	f.rows["slow-1"].Name = "wrong"
	if report := audit(t, f, verify.Options{Prefix: "order-"}); !report.OK() || report.Instances != 2 {
		t.Errorf("%d instances, findings %v", report.Instances, report.Findings)
	}
	if report := audit(t, f, verify.Options{Prefix: "slow-"}); report.OK() || report.Instances != 4 {
		t.Errorf("%d instances, findings %v", report.Instances, report.Findings)
	}
}

func TestFindingsBeyondTheLimitAreCounted(t *testing.T) {
	f := healthy()
	for _, row := range f.rows {
		row.Name = "wrong"
	}
	report := audit(t, f, verify.Options{Complete: true, MaxFindings: 2})
	if len(report.Findings) != 2 || report.Omitted < 5 || report.OK() {
		t.Errorf("%d findings, %d omitted", len(report.Findings), report.Omitted)
	}
}

// A store in use may look wrong between two reads.
func TestWhatHealsWhileTheStoreIsReadIsNotReported(t *testing.T) {
	f := healthy()
	lost := f.out["slow-1"].Messages
	f.out["slow-1"].Messages = nil // a timer and an outcome are not there yet
	reads := 0
	f.onRead = func(f *fake, id history.InstanceID) {
		if id != "slow-1" {
			return
		}
		if reads++; reads == 6 { // by itself twice, by three children once each
			f.out["slow-1"].Messages = lost
		}
	}
	if report := audit(t, f, verify.Options{Complete: true}); !report.OK() {
		t.Errorf("findings: %v", report.Findings)
	}
	if reads < 6 {
		t.Errorf("what looked wrong was not read again: %d reads", reads)
	}
}

func TestAnInstanceThatNeverHoldsStillIsJudgedByItsHistoryAlone(t *testing.T) {
	f := healthy()
	f.out["slow-1"] = nil // would be found, were it not busy
	f.onRead = func(f *fake, id history.InstanceID) {
		if id == "slow-1" {
			f.rows[id].Updated = f.rows[id].Updated.Add(1)
		}
	}
	report := audit(t, f, verify.Options{Complete: true})
	if !report.OK() || report.Busy != 1 {
		t.Errorf("%d busy, findings %v", report.Busy, report.Findings)
	}
	f.at("slow-1", 5).Time = epoch
	if report := audit(t, f, verify.Options{Complete: true}); report.OK() {
		t.Error("a history that is wrong was not found")
	}
}

func TestAnInstanceThatIsPurgedMeanwhileIsPassedOver(t *testing.T) {
	f := healthy()
	f.rows["slow-1"].Name = "wrong"
	seen := 0
	f.onRead = func(f *fake, id history.InstanceID) {
		if id == "taken" { // the last one: slow-1 has been found to be wrong
			if seen++; seen == 2 {
				for _, id := range []history.InstanceID{"slow-1", "slow-1::1.7", "slow-1::1.8", "slow-1::1.10"} {
					f.purge(id)
				}
			}
		}
	}
	if report := audit(t, f, verify.Options{}); !report.OK() {
		t.Errorf("findings: %v", report.Findings)
	}
}

func TestAStoreThatCannotBeReadIsAnErrorOfTheAudit(t *testing.T) {
	f := healthy()
	f.down = provider.ErrUnavailable
	if _, err := verify.Store(t.Context(), f, verify.Options{}); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("error %v", err)
	}
	f = healthy()
	f.unreadable["order-7"] = provider.ErrUnavailable
	if _, err := verify.Store(t.Context(), f, verify.Options{}); !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), "order-7") {
		t.Errorf("error %v", err)
	}
}

func TestAnAuditEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := healthy()
		f.rows["slow-1"].Name = "wrong" // so that it pauses
		ctx, cancel := context.WithTimeout(t.Context(), 1)
		defer cancel()
		if _, err := verify.Store(ctx, f, verify.Options{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}
