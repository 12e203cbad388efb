package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/failure"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/provider"
)

type payload = history.Payload

func output(text string) (payload, error) { return payload(text), nil }

// outcomes collects what activities come to.
func (w *world) outcomes() func() []provider.Message {
	var mu sync.Mutex
	var all []provider.Message
	w.host.completed = func(m provider.Message) {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, m)
	}
	return func() []provider.Message {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(all)
	}
}

// failed is the only failure among the outcomes.
func failed(t *testing.T, outcomes []provider.Message) *history.Failure {
	t.Helper()
	if len(outcomes) != 1 {
		t.Fatalf("%d outcomes, want one", len(outcomes))
	}
	d, ok := outcomes[0].Data.(*history.ActivityFailed)
	if !ok {
		t.Fatalf("the outcome is %+v, want a failure", outcomes[0].Data)
	}
	return d.Failure
}

func TestAnActivityCompletesWithItsOutput(t *testing.T) {
	inWorld(t, func(w *world) {
		w.activity("work", func(ctx context.Context, input payload) (payload, error) {
			i := registry.InvocationFrom(ctx)
			return output(fmt.Sprintf("[%s,%q]", input, i.IdempotencyKey))
		})
		outcomes := w.outcomes()
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{Input: payload(`"in"`)})
		w.settle()
		if len(outcomes()) != 1 {
			t.Fatalf("%d outcomes, want one", len(outcomes()))
		}
		m := outcomes()[0]
		if m.ID != "a/1/5/attempt/1" || m.To != "a" || m.Execution != 1 {
			t.Errorf("the message is %q to %q of execution %d", m.ID, m.To, m.Execution)
		}
		d := m.Data.(*history.ActivityCompleted)
		if d.Source != 5 || d.Attempt != 1 || string(d.Output) != `["in","hub/a/1/5"]` || d.Worker != "w1" || d.Started == nil {
			t.Errorf("the outcome is %+v with output %s", d, d.Output)
		}
	})
}

// D8: whatever the code does, its failure arrives and the slot goes on.
func TestAnActivityFailsAsItsCodeDoes(t *testing.T) {
	for _, c := range []struct {
		name    string
		run     func(context.Context, payload) (payload, error)
		kind    history.FailureKind
		message string
	}{
		{"error", func(context.Context, payload) (payload, error) { return nil, errWild }, history.FailureError, errWild.Error()},
		{"panic", func(context.Context, payload) (payload, error) { panic("boom") }, history.FailurePanic, "boom"},
		{"nil panic", func(context.Context, payload) (payload, error) { panic(nil) }, history.FailurePanic, "panic called with nil argument"}, //nolint:govet // what users do
		{"goexit", func(context.Context, payload) (payload, error) { runtime.Goexit(); return nil, nil }, history.FailurePanic, "runtime.Goexit"},
		{"no JSON", func(context.Context, payload) (payload, error) { return output("\x00") }, history.FailureInvalid, "not valid JSON"},
		{"too large", func(context.Context, payload) (payload, error) {
			return output(`"` + strings.Repeat("x", history.MaxPayloadBytes) + `"`)
		}, history.FailureLimit, "limit"},
		{"its own timeout", func(context.Context, payload) (payload, error) {
			return nil, fmt.Errorf("asking the bank: %w", context.DeadlineExceeded)
		}, history.FailureTimeout, "asking the bank"},
		{"non-retryable", func(context.Context, payload) (payload, error) { return nil, failure.NonRetryable(errWild) }, history.FailureError, errWild.Error()},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.config.MaxActivities = 1
				w.activity("bad", c.run)
				w.activity("good", func(context.Context, payload) (payload, error) { return output("1") })
				outcomes := w.outcomes()
				w.start()
				w.host.activities <- task("a", 5, history.ActivityScheduled{Name: "bad"})
				w.host.activities <- task("b", 6, history.ActivityScheduled{Name: "good"})
				w.settle()
				if len(outcomes()) != 2 {
					t.Fatalf("%d outcomes, want both", len(outcomes()))
				}
				f := failed(t, outcomes()[:1])
				if f.Kind != c.kind || !strings.Contains(f.Message, c.message) || f.Activity != "bad" || f.Attempt != 1 {
					t.Errorf("the failure is %+v, want kind %q and %q", f, c.kind, c.message)
				}
				if c.name == "panic" && !strings.Contains(f.Stack, "activities_test.go") {
					t.Errorf("the stack does not lead to the code:\n%s", f.Stack)
				}
				if want := c.name == "non-retryable" || c.kind == history.FailureInvalid || c.kind == history.FailureLimit; f.NonRetryable != want {
					t.Errorf("non-retryable is %v, want %v", f.NonRetryable, want)
				}
			})
		})
	}
}

func TestTimeLimitsEndTheContextAndTheAttempt(t *testing.T) {
	obedient := func(ctx context.Context, _ payload) (payload, error) {
		<-ctx.Done()
		return nil, fmt.Errorf("gave up: %w", context.Cause(ctx))
	}
	for _, c := range []struct {
		name              string
		timeout, deadline time.Duration
		after             time.Duration
		final             bool
	}{
		{"timeout alone", time.Minute, 0, time.Minute, false},
		{"timeout first", time.Minute, time.Hour, time.Minute, false},
		{"deadline first", time.Hour, time.Minute, time.Minute, true},
		{"deadline alone", 0, time.Minute, time.Minute, true},
		{"deadline passed before", time.Hour, -time.Minute, 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				ran := false
				w.activity("work", func(ctx context.Context, in payload) (payload, error) {
					ran = true
					return obedient(ctx, in)
				})
				outcomes := w.outcomes()
				s := history.ActivityScheduled{Timeout: history.ToMillis(c.timeout)}
				if c.deadline != 0 {
					d := time.Now().Add(c.deadline)
					s.Deadline = &d
				}
				w.start()
				w.host.activities <- task("a", 5, s)
				w.settle()
				if c.after > 0 {
					w.pass(c.after - 1)
					if len(outcomes()) != 0 {
						t.Fatal("it ended early")
					}
					w.pass(1)
				}
				f := failed(t, outcomes())
				if f.Kind != history.FailureTimeout || f.NonRetryable != c.final || f.Cause == nil {
					t.Errorf("the failure is %+v, want a timeout that keeps what the code said", f)
				}
				if ran != (c.after > 0) {
					t.Errorf("the code ran: %v", ran)
				}
			})
		})
	}
}

func TestAResultAfterTheTimeLimitCounts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.activity("work", func(ctx context.Context, _ payload) (payload, error) {
			<-ctx.Done()
			return output("1")
		})
		outcomes := w.outcomes()
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{Timeout: 1000})
		w.pass(time.Second)
		if len(outcomes()) != 1 || outcomes()[0].Data.Kind() != history.KindActivityCompleted {
			t.Errorf("the outcomes are %+v, want the result", outcomes())
		}
	})
}

func TestCodeThatIgnoresItsContextCostsTheAttemptAndNotTheSlot(t *testing.T) {
	inWorld(t, func(w *world) {
		w.config.MaxActivities = 1
		leave := make(chan struct{})
		w.activity("deaf", func(context.Context, payload) (payload, error) {
			<-leave
			return output("1")
		})
		w.activity("good", func(context.Context, payload) (payload, error) { return output("2") })
		outcomes := w.outcomes()
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{Name: "deaf", Timeout: 1000})
		w.host.activities <- task("b", 6, history.ActivityScheduled{Name: "good"})
		w.pass(time.Second + obeyGrace)
		if len(outcomes()) != 2 {
			t.Fatalf("%d outcomes, want the timeout and the next one", len(outcomes()))
		}
		if f := failed(t, outcomes()[:1]); f.Kind != history.FailureTimeout {
			t.Errorf("the failure is %+v, want a timeout", f)
		}
		if w.log.count("does not return although its context has ended") != 1 {
			t.Error("the deaf activity is not reported")
		}
		close(leave)
		w.settle()
		if len(outcomes()) != 2 {
			t.Error("the late result was handed in, too")
		}
	})
}

// D5: without any time passing, and reaching no other activity.
func TestACommitEndsTheContextsOfWhatItCancels(t *testing.T) {
	for _, c := range []struct {
		name   string
		commit provider.Commit
		want   []string
	}{
		{"one activity", provider.Commit{CancelActivities: []int64{5}}, []string{"a/1/5"}},
		{"the end of the instance", provider.Commit{Status: history.StatusCompleted}, []string{"a/1/5", "a/1/6"}},
		{"continue-as-new", provider.Commit{NewExecution: true, Status: history.StatusRunning}, []string{"a/1/5", "a/1/6"}},
		{"nothing", provider.Commit{}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				var ended []string
				w.activity("work", func(ctx context.Context, _ payload) (payload, error) {
					<-ctx.Done()
					if errors.Is(context.Cause(ctx), registry.ErrCancelled) {
						w.host.mu.Lock()
						ended = append(ended, registry.InvocationFrom(ctx).Task.ID.String())
						w.host.mu.Unlock()
					}
					return nil, ctx.Err()
				})
				w.executor.execute = func(context.Context, Work) (*provider.Commit, error) { return &c.commit, nil }
				w.start()
				w.host.activities <- task("a", 5, history.ActivityScheduled{})
				w.host.activities <- task("a", 6, history.ActivityScheduled{})
				w.host.activities <- task("b", 5, history.ActivityScheduled{})
				w.settle()
				before := w.elapsed()
				w.host.turns <- turn("a")
				w.settle()
				slices.Sort(ended)
				w.want("ended", ended, c.want)
				if w.elapsed() != before {
					t.Error("it took time")
				}
				if calls := w.calls("CompleteActivity", "ReleaseActivity"); len(calls) > 0 {
					t.Errorf("what nobody wants was handed in: %s", calls)
				}
			})
		})
	}
}

func TestACommitThatWasNotAppliedCancelsNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		var cause error
		w.activity("work", func(ctx context.Context, _ payload) (payload, error) {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return nil, cause
		})
		w.executor.execute = func(context.Context, Work) (*provider.Commit, error) {
			return &provider.Commit{CancelActivities: []int64{5}}, nil
		}
		w.host.fail("CommitTurn", provider.ErrUnknown)
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{})
		w.settle()
		w.host.turns <- turn("a")
		w.settle()
		if cause != nil {
			t.Errorf("the context ended: %v", cause)
		}
	})
}

func TestAnActivityCancelledOnItsWayHereDoesNotBegin(t *testing.T) {
	inWorld(t, func(w *world) {
		ran := false
		w.activity("work", func(context.Context, payload) (payload, error) {
			ran = true
			return output("1")
		})
		w.host.extended = func(payload) provider.Signals { return provider.Signals{Cancelled: true} }
		w.start()
		w.host.activities <- task("a", 5, history.ActivityScheduled{})
		w.settle()
		if ran || len(w.calls("CompleteActivity", "ReleaseActivity")) != 0 {
			t.Errorf("it ran: %v; the calls are %s", ran, w.calls())
		}
	})
}

func TestAnActivityThisWorkerLacksWaits(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		for range 8 {
			w.host.activities <- task("a", 5, history.ActivityScheduled{Name: "unknown"})
			w.settle()
		}
		var delays []string
		for _, c := range w.calls("ReleaseActivity") {
			delays = append(delays, strings.Join(strings.Fields(c)[3:], " "))
		}
		w.want("delays", delays, []string{"1s uncounted", "2s uncounted", "4s uncounted", "8s uncounted", "16s uncounted", "32s uncounted", "1m0s uncounted", "1m0s uncounted"})
		if n := w.log.count("activity=unknown"); n != 1 {
			t.Errorf("it was logged %d times, want once", n)
		}
		if calls := w.calls("CompleteActivity"); len(calls) > 0 {
			t.Errorf("it was failed: %s", calls)
		}
	})
}

func TestATaskWithoutItsScheduleIsLeftToTheOperator(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start()
		broken := task("a", 5, history.ActivityScheduled{})
		broken.Activity.Scheduled.Data = &history.TimerFired{}
		w.host.activities <- broken
		w.settle()
		w.want("calls", w.calls(), []string{"ReleaseActivity a/1/5 after 1m0s uncounted"})
	})
}

// D10.
func TestAnOutcomeIsHandedInUntilTheStoreTakesIt(t *testing.T) {
	runs := 0
	for _, c := range []struct {
		name string
		errs []error
		want []string
	}{
		{"trouble that passes", []error{provider.ErrUnavailable, provider.ErrUnknown}, []string{"CompleteActivity a/1/5", "CompleteActivity a/1/5", "CompleteActivity a/1/5"}},
		{"it no longer counts", []error{provider.ErrLockLost}, []string{"CompleteActivity a/1/5"}},
		{"its instance is gone", []error{provider.ErrNotFound}, []string{"CompleteActivity a/1/5"}},
		{"refused for what it is", []error{provider.ErrInvalid}, []string{"CompleteActivity a/1/5", "CompleteActivity a/1/5"}},
		{"refused altogether", []error{provider.ErrInvalid, provider.ErrInvalid}, []string{"CompleteActivity a/1/5", "CompleteActivity a/1/5", "ReleaseActivity a/1/5 after 1s"}},
		{"anything else", []error{errWild}, []string{"CompleteActivity a/1/5", "ReleaseActivity a/1/5 after 1s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				runs = 0
				w.activity("work", func(context.Context, payload) (payload, error) { runs++; return output("1") })
				outcomes := w.outcomes()
				w.host.fail("CompleteActivity", c.errs...)
				w.start()
				w.host.activities <- task("a", 5, history.ActivityScheduled{})
				w.pass(time.Minute)
				w.want("calls", w.calls("CompleteActivity", "ReleaseActivity"), c.want)
				if runs != 1 {
					t.Errorf("the code ran %d times", runs)
				}
				if c.name == "refused for what it is" {
					if f := failed(t, outcomes()); f.Kind != history.FailureLimit {
						t.Errorf("the failure is %+v", f)
					}
				}
			})
		})
	}
}
