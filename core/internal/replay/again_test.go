package replay_test

import (
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

func TestOnlyARequestToCancelReachesWhatContinuesAsNew(t *testing.T) {
	again := func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		c.Timer(time.Hour, "")
		return nil, &replay.ContinueAsNew{}
	}
	w := begin(t, again)
	w.deliver(w.started(), &history.EventRaised{Name: "e"})
	w.wantKinds("ExecutionStarted TimerCreated ContinuedAsNew")

	w = begin(t, again)
	c := w.deliver(w.started(), &history.CancelRequested{Reason: "enough"})
	w.wantKinds("ExecutionStarted TimerCreated CancelRequested TimerCancelled ExecutionCancelled")
	if c.Status != history.StatusCancelled || len(c.Timers) > 0 {
		t.Errorf("the commit is %+v", c)
	}
}

func TestStoppingRunsNoDeferredEffects(t *testing.T) {
	w := begin(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		defer c.Record(&history.ValueRecorded{}, func() history.Data {
			t.Error("a side effect ran")
			return &history.ValueRecorded{}
		})
		return nil, c.Wait("never", false, "").Await()
	})
	w.deliver(w.started())
	w.machine.Stop()
}

func TestRecordedStateStaysInForce(t *testing.T) {
	sets := func(value string, got *string) replay.Func {
		return func(c *replay.Context, _ history.Payload) (history.Payload, error) {
			for _, v := range []string{`"first"`, value} {
				if err := c.SetState("k", history.Payload(v)); err != nil {
					return nil, err
				}
				c.SetStatus(history.Payload(v))
			}
			err := c.Wait("e", false, "").Await()
			*got = string(c.State("k")) + string(c.Status())
			return nil, err
		}
	}
	var got string
	w := begin(t, sets(`"old"`, &got))
	w.deliver(w.started())
	w.fn = sets(`"new"`, &got)
	replayed, err := w.replay(w.fn)
	if err != nil {
		t.Fatal(err)
	}
	w.machine.Stop()
	w.machine = replayed
	w.deliver(&history.EventRaised{Name: "e"})
	if got != `"old""old"` {
		t.Errorf("after a replay the state and the status are %s", got)
	}
}
