package verify_test

import (
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/verify"
)

// prune removes executions of an instance.
func (f *fake) prune(id history.InstanceID, through int64) {
	f.rows[id].Pruned = through
	for n := range through {
		f.events[id][n] = nil
	}
}

// gone is an execution to be pruned.
var gone = []history.Data{started("parent"), &history.ContinuedAsNew{}}

func TestAStoreOfWhichExecutionsWerePrunedPasses(t *testing.T) {
	f := healthy()
	f.prune(warehouse, 1)
	// Its parent scheduled it, received its outcome, and goes on.
	again := started("parent")
	f.put("looper", gone, []history.Data{again, &history.EventAwaited{Name: "never"}})
	f.prune("looper", 1)
	f.put("looper::1.2", []history.Data{childStarted("sub", "looper", 1, 2), &history.ExecutionCompleted{}})
	// Whether the event arrived that was sent to it before, nobody can tell.
	f.put("sender", []history.Data{started("sender"), &history.EventSent{To: "looper", Name: "e"}, &history.EventAwaited{Name: "never"}})
	report := audit(t, f, verify.Options{Complete: true})
	for _, f := range append(report.Findings, report.Notes...) {
		t.Error(f)
	}
	if report.Counts.Pruned != 2 {
		t.Errorf("%d executions were pruned, want 2", report.Counts.Pruned)
	}
}

var pruneBreaks = []breaks{
	{"a pruned execution can be read", func(f *fake) { f.rows[warehouse].Pruned = 1 }, verify.Chain, "warehouse-1/1/1", "while all up to 1 were pruned"},
	{"an execution is gone that was not pruned", func(f *fake) {
		f.put("looper", gone, []history.Data{started("parent"), &history.EventAwaited{Name: "never"}})
		f.prune("looper", 1)
		f.rows["looper"].Pruned = 0
	}, verify.Chain, "looper/1", "execution 1 has no history"},
	{"the current execution is pruned", func(f *fake) {
		f.put("looper", gone, []history.Data{started("parent"), &history.EventAwaited{Name: "never"}})
		f.rows["looper"].Pruned = 2
	}, verify.Row, "looper", "execution 2 is the current one"},
	{"an event does not arrive after what was pruned", func(f *fake) {
		f.prune(warehouse, 1)
		f.put("sender", []history.Data{started("sender"), &history.EventSent{To: warehouse, Name: "pick"}, &history.EventAwaited{Name: "never"}})
		f.events["sender"][0][1].Time, f.events["sender"][0][2].Time = at(1_000), at(1_001)
	}, verify.Sent, "sender/1/2", "neither received there nor is on the way"},
	{"a child of what was not pruned has no parent", func(f *fake) {
		f.put("looper", gone, []history.Data{started("parent"), &history.EventAwaited{Name: "never"}})
		f.prune("looper", 1)
		f.put("looper::2.2", []history.Data{childStarted("sub", "looper", 2, 2), &history.EventAwaited{Name: "never"}})
	}, verify.Parents, "looper::2.2", "did not schedule it"},
}

func TestEffectsOfWhatWasPrunedAreNotJudged(t *testing.T) {
	for pruned, ok := range map[int64]bool{0: false, 1: true} {
		f := healthy()
		f.prune(warehouse, pruned)
		report := audit(t, f, verify.Options{Complete: true, Effects: []string{"charge", "pack"}})
		if err := verify.Effects(report, rows(charged, packed, effect("k3", "charge", "warehouse-1", 1, 99))); err != nil {
			t.Fatal(err)
		}
		if report.OK() != ok {
			t.Errorf("with %d executions pruned: findings %v", pruned, report.Findings)
		}
	}
}
