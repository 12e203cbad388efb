package replay_test

import (
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

func TestAnInlineActivityOfACancelledScopeNeverWins(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		await(c.Wait("e", false, ""))
		won := -1
		err := c.Shield(func(shielded *replay.Context) error {
			var err error
			won, err = replay.First([]*replay.Task{c.Inline(&history.ActivityScheduled{Name: "a"}), shielded.Timer(time.Hour, "")})
			return err
		})
		if won != 1 || err != nil {
			t.Errorf("First gave %d, %v; want the timer", won, err)
		}
		return text("done")
	})
	w.deliver(&history.CancelRequested{})
	w.deliver(&history.TimerFired{Source: 5})
	if w.result() != `"done"` {
		t.Error(w.kinds(), w.result())
	}
}

func TestNewCodeThatCancelsAChildTellsTheChild(t *testing.T) {
	old := func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		return text(await(c.Child(&history.ChildScheduled{Name: "c", Instance: "kid"})))
	}
	w := start(t, old)
	m, err := w.replay(func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		c.Child(&history.ChildScheduled{Name: "c", Instance: "kid"}).Cancel()
		return text(await(c.Wait("e", false, "")))
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Stop()
	if err := m.Begin(w.now); err != nil {
		t.Fatal(err)
	}
	c, err := m.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Send) != 1 || c.Send[0].To != "kid" || c.Send[0].Data.Kind() != history.KindCancelRequested {
		t.Errorf("the commit sends %+v, want the child asked to cancel", c.Send)
	}
}

func TestAPanicInWhatIsRecordedFailsTheExecutionAndReplays(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		defer func() { _ = recover() }()
		await(c.Wait("e", false, ""))
		c.Record(&history.ValueRecorded{}, func() history.Data { panic("boom") })
		return text("not reached")
	})
	w.deliver(&history.EventRaised{Name: "e"}) // and replays
	w.wantKinds("ExecutionStarted EventAwaited EventRaised ExecutionFailed")
	if got := w.result(); got != "failed: boom" && got != "failed: panic: boom" {
		t.Error(got)
	}
}
