package dispatch

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/provider"
)

const lease = 30 * time.Second

func leased() *provider.ActivityTask {
	t := task("a", 5, history.ActivityScheduled{})
	t.Lease = lease
	return t
}

// runUntil registers an activity that runs until its context ends or for a
// time, and returns a look at the cause.
func (w *world) runUntil(limit time.Duration) (cause func() error) {
	ended := make(chan error, 1)
	w.activity("work", func(ctx context.Context, _ payload) (payload, error) {
		select {
		case <-ctx.Done():
			ended <- context.Cause(ctx)
			return nil, ctx.Err()
		case <-time.After(limit):
			return output("1")
		}
	})
	return func() error {
		select {
		case err := <-ended:
			return err
		default:
			return nil
		}
	}
}

func TestALeaseIsRenewedWhileTheCodeRuns(t *testing.T) {
	inWorld(t, func(w *world) {
		w.runUntil(10 * lease)
		w.start()
		w.host.activities <- leased()
		w.pass(10*lease + time.Second)
		if n := len(w.calls("ExtendActivity")); n < 29 || n > 30 {
			t.Errorf("the lease was renewed %d times in ten of its terms, want three times each", n)
		}
		if n := len(w.calls("CompleteActivity")); n != 1 {
			t.Errorf("%d completions", n)
		}
	})
}

// D6.
func TestARenewalThatFailedIsNoCancellation(t *testing.T) {
	inWorld(t, func(w *world) {
		cause := w.runUntil(3 * lease)
		w.start()
		for range 100 {
			w.host.fail("ExtendActivity", provider.ErrUnavailable)
		}
		w.host.activities <- leased()
		w.pass(4 * lease)
		if n := len(w.calls("CompleteActivity")); n != 1 {
			t.Errorf("%d completions: the activity was ended by an error: %v", n, cause())
		}
		if n := w.log.count("holding on to an activity failed"); n != 1 {
			t.Errorf("the trouble was logged %d times, want once", n)
		}
	})
}

func TestADefiniteAnswerEndsTheContext(t *testing.T) {
	for _, c := range []struct {
		name   string
		script func(*fakeHost)
		want   error
	}{
		{"cancelled", func(h *fakeHost) {
			h.extended = func(payload) provider.Signals { return provider.Signals{Cancelled: true} }
		}, registry.ErrCancelled},
		{"lost", func(h *fakeHost) { h.fail("ExtendActivity", provider.ErrLockLost) }, registry.ErrLost},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				cause := w.runUntil(time.Hour)
				c.script(w.host)
				w.start()
				w.host.activities <- leased()
				w.pass(lease)
				if got := cause(); !errors.Is(got, c.want) {
					t.Errorf("the cause is %v, want %v", got, c.want)
				}
				if calls := w.calls("CompleteActivity", "ReleaseActivity"); len(calls) > 0 {
					t.Errorf("what is another's was handed in: %s", calls)
				}
			})
		})
	}
}

func TestHeartbeatsAreCoalescedAndTheLastOneIsKept(t *testing.T) {
	inWorld(t, func(w *world) {
		var details []string
		w.host.extended = func(detail payload) provider.Signals {
			if detail != nil {
				details = append(details, string(detail))
			}
			return provider.Signals{}
		}
		w.activity("work", func(ctx context.Context, _ payload) (payload, error) {
			beat := registry.InvocationFrom(ctx).Heartbeat
			for i := range 1100 {
				if err := beat(payload(fmt.Sprint(i))); err != nil {
					return nil, err
				}
				<-time.After(5 * time.Millisecond)
			}
			if err := beat(payload(`"last"`)); err != nil {
				return nil, err
			}
			return nil, errWild
		})
		w.start()
		w.host.activities <- leased()
		w.pass(time.Minute)
		if len(details) < 3 || len(details) > 8 {
			t.Errorf("1100 heartbeats in 5.5 s were stored %d times, want about one a second", len(details))
		}
		if len(details) == 0 || details[len(details)-1] != `"last"` {
			t.Errorf("the details stored are %s, want the last one among them", details)
		}
		want := []string{"ExtendActivity a/1/5 \"last\"", "CompleteActivity a/1/5"}
		if calls := w.calls(); len(calls) < 2 || calls[len(calls)-2] != want[0] || calls[len(calls)-1] != want[1] {
			t.Errorf("the last detail must be stored before the failure is handed in: %s", calls)
		}
	})
}

func TestADetailThatWasNotStoredIsStoredLater(t *testing.T) {
	inWorld(t, func(w *world) {
		var details []string
		w.host.extended = func(detail payload) provider.Signals {
			if detail != nil {
				details = append(details, string(detail))
			}
			return provider.Signals{}
		}
		w.activity("work", func(ctx context.Context, _ payload) (payload, error) {
			if err := registry.InvocationFrom(ctx).Heartbeat(payload(`"precious"`)); err != nil {
				return nil, err
			}
			<-time.After(time.Minute)
			return output("1")
		})
		w.start()
		w.host.fail("ExtendActivity", provider.ErrUnavailable)
		w.host.activities <- leased()
		w.pass(time.Minute)
		w.want("details", details, []string{`"precious"`})
	})
}

func TestAHeartbeatTellsWhyTheContextEnded(t *testing.T) {
	inWorld(t, func(w *world) {
		var told error
		w.activity("work", func(ctx context.Context, _ payload) (payload, error) {
			<-ctx.Done()
			told = registry.InvocationFrom(ctx).Heartbeat(payload("1"))
			return nil, told
		})
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{Timeout: 1000})
		w.pass(2 * time.Second)
		if !errors.Is(told, registry.ErrTimeout) || !errors.Is(told, context.DeadlineExceeded) {
			t.Errorf("the heartbeat says %v", told)
		}
	})
}

func TestWithoutALeaseAnActivityAsksNowAndThen(t *testing.T) {
	inWorld(t, func(w *world) {
		cause := w.runUntil(time.Hour)
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{})
		w.settle()
		w.host.mu.Lock()
		w.host.extended = func(payload) provider.Signals { return provider.Signals{Cancelled: true} } // purged elsewhere
		w.host.mu.Unlock()
		w.pass(askEvery)
		if got := cause(); !errors.Is(got, registry.ErrCancelled) {
			t.Errorf("the cause is %v", got)
		}
	})
}
