package dispatch

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/provider"
)

const grace = 10 * time.Second

func TestShutdownOfAnIdleWorkerTakesNoTime(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		if err := w.shutDown(); err != nil {
			t.Error(err)
		}
		if w.elapsed() != 0 {
			t.Errorf("it took %v", w.elapsed())
		}
		w.want("calls", w.calls(), []string{"Leave"})
	})
}

// TestEverythingGoesOnUntilOthersKnow: turns and activities begin while the host
// announces that it leaves, and no activity after that.
func TestEverythingGoesOnUntilOthersKnow(t *testing.T) {
	inWorld(t, func(w *world) {
		w.activity("work", func(context.Context, payload) (payload, error) { return output("1") })
		w.host.announce = func(context.Context) {
			w.host.activities <- task("a", 5, history.ActivityScheduled{})
			<-time.After(3 * time.Second)
			w.host.turns <- turn("b")
			w.settle()
			w.want("calls while others do not know", w.calls("CommitTurn", "CompleteActivity"), []string{"CompleteActivity a/1/5", "CommitTurn a", "CommitTurn b"})
			<-time.After(4 * time.Second)
		}
		w.recordsOutcomes()
		w.start()
		if err := w.shutDown(); err != nil {
			t.Error(err)
		}
		if w.elapsed() != 7*time.Second {
			t.Errorf("it took %v, want the time of the announcement", w.elapsed())
		}
		w.host.activities <- task("c", 6, history.ActivityScheduled{})
		w.want("calls", w.calls("CompleteActivity", "Leave"), []string{"CompleteActivity a/1/5", "Leave"})
	})
}

// TestAnAnnouncementIsNotWaitedForForEver: nobody answers.
func TestAnAnnouncementIsNotWaitedForForEver(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.announce = func(ctx context.Context) { <-ctx.Done() }
		w.start()
		if err := w.shutDown(); err != nil {
			t.Error(err)
		}
		if w.elapsed() != leaveTimeout {
			t.Errorf("it took %v, want %v", w.elapsed(), leaveTimeout)
		}
	})
}

// recordsOutcomes has the store hand out a turn for each outcome of an activity.
func (w *world) recordsOutcomes() {
	w.host.completed = func(m provider.Message) {
		t := turn(m.To)
		t.Messages = []provider.Message{m}
		w.host.turns <- t
	}
}

func TestShutdownWaitsForWhatEndsByItselfAndNoLonger(t *testing.T) {
	inWorld(t, func(w *world) {
		w.activity("work", func(context.Context, payload) (payload, error) {
			<-time.After(4 * time.Second)
			return output("1")
		})
		w.executor.execute = func(_ context.Context, work Work) (*provider.Commit, error) {
			if work.Turn.Instance.ID == "b" {
				<-time.After(3 * time.Second)
			}
			return &provider.Commit{Consumed: len(work.Turn.Messages)}, nil
		}
		w.recordsOutcomes()
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{})
		w.host.turns <- turn("b")
		w.settle()
		if err := w.shutDown(); err != nil {
			t.Error(err)
		}
		if w.elapsed() != 4*time.Second {
			t.Errorf("it took %v, want the time of the activity", w.elapsed())
		}
		w.want("calls", w.calls("CommitTurn", "Settle", "CompleteActivity", "Leave"),
			[]string{"CommitTurn b", "Settle b true", "CompleteActivity a/1/5", "CommitTurn a", "Settle a true", "Leave"})
	})
}

func TestShutdownInterruptsActivitiesAfterTheGraceAndGivesThemBack(t *testing.T) {
	inWorld(t, func(w *world) {
		var cause error
		w.activity("work", func(ctx context.Context, _ payload) (payload, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil, errors.New("signal: killed") // whatever a library makes of it
		})
		w.activity("quick", func(ctx context.Context, _ payload) (payload, error) {
			<-ctx.Done()
			return output("1") // it made it
		})
		w.recordsOutcomes()
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{})
		w.settle()
		w.host.activities <- task("a", 6, history.ActivityScheduled{Name: "quick"})
		w.settle()
		if err := w.shutDown(); err != nil {
			t.Error(err)
		}
		if w.elapsed() != grace || !errors.Is(cause, registry.ErrShutdown) {
			t.Errorf("after %v the cause is %v", w.elapsed(), cause)
		}
		if got := w.calls("ReleaseActivity"); len(got) != 1 || got[0] != "ReleaseActivity a/1/5 after 0s uncounted" {
			t.Errorf("given back: %s", got)
		}
		if got := w.calls("CompleteActivity"); len(got) != 1 || got[0] != "CompleteActivity a/1/6" {
			t.Errorf("completed: %s", got)
		}
	})
}

func TestShutdownWaitsForCodeThatCleansUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.activity("tidy", func(ctx context.Context, _ payload) (payload, error) {
			<-ctx.Done()
			<-time.After(obeyGrace + time.Second)
			return nil, ctx.Err()
		})
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{Name: "tidy"})
		w.settle()
		if err := w.shutDown(); err != nil {
			t.Error(err)
		}
		if w.elapsed() != grace+obeyGrace+time.Second {
			t.Errorf("it took %v", w.elapsed())
		}
		w.want("calls", w.calls("ReleaseActivity", "Leave"), []string{"ReleaseActivity a/1/5 after 0s uncounted", "Leave"})
	})
}

func TestShutdownWaitsForCodeThatNoSlotWaitsFor(t *testing.T) {
	inWorld(t, func(w *world) {
		ended := false
		w.activity("deaf", func(context.Context, payload) (payload, error) {
			<-time.After(10 * time.Second)
			ended = true
			return output("1")
		})
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{Name: "deaf", Timeout: 1000})
		w.pass(time.Second + obeyGrace)
		if n := len(w.calls("CompleteActivity")); n != 1 {
			t.Fatalf("%d outcomes, want the timeout", n)
		}
		if err := w.shutDown(); err != nil || !ended {
			t.Errorf("the error is %v; the code has ended: %v", err, ended)
		}
	})
}

func TestAnActivityThatBeginsAfterTheGraceIsInterruptedAtOnce(t *testing.T) {
	var running runningActivities
	running.shutDown()
	ctx, cancel := context.WithCancelCause(t.Context())
	running.add(&run{id: history.ActivityID{Instance: "a", Execution: 1, Event: 5}, cancel: cancel})
	if cause := context.Cause(ctx); !errors.Is(cause, registry.ErrShutdown) {
		t.Errorf("the cause is %v", cause)
	}
}

func TestShutdownNamesWhatItGaveUp(t *testing.T) {
	inWorld(t, func(w *world) {
		leave := make(chan struct{})
		w.activity("deaf", func(context.Context, payload) (payload, error) {
			<-leave
			return output("1")
		})
		w.executor.execute = func(context.Context, Work) (*provider.Commit, error) {
			<-leave
			return &provider.Commit{Consumed: 1}, nil
		}
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{Name: "deaf"})
		w.host.turns <- turn("b")
		w.settle()
		err := w.shutDown()
		if err == nil || !strings.Contains(err.Error(), "activity deaf (a/1/5)") || !strings.Contains(err.Error(), "instance b") {
			t.Errorf("the error is %v, want one that names both", err)
		}
		if w.elapsed() != 2*grace+leaveTimeout {
			t.Errorf("it took %v", w.elapsed())
		}
		w.want("calls", w.calls("ReleaseActivity", "CompleteActivity", "Leave"), []string{"Leave"})
		close(leave)
		w.settle()
	})
}

func TestNothingNewBeginsAtShutdown(t *testing.T) {
	inWorld(t, func(w *world) {
		ran := 0
		w.activity("work", func(context.Context, payload) (payload, error) { ran++; return output("1") })
		d := New(w.host, w.executor, w.registry, w.config)
		taking, stop := context.WithCancel(w.t.Context())
		stop()
		d.activity(taking, w.t.Context(), task("a", 5, history.ActivityScheduled{})) // it was on its way
		w.want("calls", w.calls(), []string{"ReleaseActivity a/1/5 after 0s uncounted"})
		if ran > 0 {
			t.Error("it ran")
		}
	})
}

func TestAStoreThatHangsIsCutAtShutdown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.activity("work", func(context.Context, payload) (payload, error) { return output("1") })
		for range 1000 {
			w.host.fail("CompleteActivity", provider.ErrUnavailable)
			w.host.fail("CommitTurn", provider.ErrUnknown)
			w.host.fail("ReleaseTurn", provider.ErrUnavailable)
		}
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{})
		w.host.turns <- turn("b")
		w.settle()
		if err := w.shutDown(); err != nil {
			t.Errorf("the error is %v: nothing of the user's hung", err)
		}
		if w.elapsed() != 2*grace {
			t.Errorf("it took %v", w.elapsed())
		}
	})
}

func TestAHostClosedFromElsewhereEndsTheWorkerWithAnError(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		close(w.host.closed)
		if err := <-w.result; !errors.Is(err, provider.ErrClosed) {
			t.Errorf("the error is %v, want one that wraps ErrClosed", err)
		}
		w.result = nil
		w.stop()
	})
}

func TestLeavingThatFailsIsReported(t *testing.T) {
	inWorld(t, func(w *world) {
		w.host.fail("Leave", errWild)
		w.start()
		if err := w.shutDown(); !errors.Is(err, errWild) {
			t.Errorf("the error is %v", err)
		}
	})
}
