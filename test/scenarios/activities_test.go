package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

var (
	one  = orchestration.Declare[none, string]("one")
	work = activity.Declare[none, string]("work")
)

// calls is an orchestration that calls one activity.
func calls(options ...activity.Option) orchestration.Implementation {
	return one.Func(func(ctx *octx, in none) (string, error) { return work.Call(ctx, in, options...).Await() })
}

func TestAFailedActivityIsTriedAgainAsItsPolicySays(t *testing.T) {
	quick := activity.Retry{MaxAttempts: 4, First: time.Millisecond}
	for name, c := range map[string]struct {
		retry    activity.Retry
		err      error
		failures int // before it succeeds
		attempts int
		ok       bool
	}{
		"no policy":                   {activity.Retry{}, errors.New("no luck"), 9, 1, false},
		"it succeeds at last":         {quick, errors.New("no luck"), 3, 4, true},
		"it never succeeds":           {quick, errors.New("no luck"), 9, 4, false},
		"the error is not retryable":  {quick, activity.NonRetryable(errors.New("no luck")), 9, 1, false},
		"the type is not retryable":   {activity.Retry{MaxAttempts: 4, First: 1, NonRetryable: []string{"scenarios.declined"}}, &declined{"no luck"}, 9, 1, false},
		"another type is":             {activity.Retry{MaxAttempts: 4, First: 1, NonRetryable: []string{"scenarios.declined"}}, errors.New("no luck"), 1, 2, true},
		"the code is not retryable":   {activity.Retry{MaxAttempts: 4, First: 1, NonRetryable: []string{"shop.sold-out"}}, fmt.Errorf("no luck: %w", errSoldOut), 9, 1, false},
		"linear, with jitter and max": {activity.Retry{MaxAttempts: 4, First: time.Millisecond, Linear: true, Jitter: 1, Max: 2 * time.Millisecond}, errors.New("no luck"), 3, 4, true},
	} {
		for where, local := range map[string]bool{"on a worker": false, "inline": true} {
			t.Run(name+" "+where, func(t *testing.T) {
				everywhere(t, func(t *testing.T, w *world) {
					var attempts, keys = 0, map[string]bool{}
					w.run(calls(c.retry, activity.Options{Local: local}), work.Func(func(ctx context.Context, _ none) (string, error) {
						attempts++
						i := activity.Info(ctx)
						keys[i.IdempotencyKey] = true
						if i.Attempt != attempts || i.Delivery != 1 || i.Activity != "work" || i.Orchestration != "one" || i.Instance != "o" {
							return "", activity.NonRetryable(fmt.Errorf("attempt %d is told %+v", attempts, i))
						}
						if attempts <= c.failures {
							return "", c.err
						}
						return "ok", nil
					}))
					h := begun(w, one, none{}, start{ID: "o"})
					if c.ok {
						gives(w, h, "ok")
					} else {
						failsWith(w, h, "no luck")
					}
					w.halt()
					if attempts != c.attempts || len(keys) != 1 {
						t.Errorf("%d attempts under %d keys, want %d under one", attempts, len(keys), c.attempts)
					}
					if n := w.count("o", 1, history.KindActivityRetried); !local && n != c.attempts-1 {
						t.Errorf("the history shows %d retries", n)
					}
					if n := len(w.events("o", 1)); local && n != 3 {
						t.Errorf("an inline activity left %d events, want the start, the end and its own", n)
					}
				})
			})
		}
	}
}

func TestRetriesRunSideBySideWithoutTheOrchestration(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, int]("f")
		flaky := activity.Declare[int, int]("flaky")
		w.run(f.Func(func(ctx *octx, n int) (int, error) {
			var all []*orchestration.Future[int]
			for i := range n {
				all = append(all, flaky.Call(ctx, i, activity.Retry{MaxAttempts: 20, First: time.Millisecond, Max: time.Millisecond}))
			}
			values, err := orchestration.All(all...).Await()
			return len(values), err
		}), flaky.Func(func(ctx context.Context, n int) (int, error) {
			if a := activity.Info(ctx).Attempt; a < 3 {
				return 0, fmt.Errorf("attempt %d", a)
			}
			return n, nil
		}))
		gives(w, begun(w, f, 20, start{ID: "f"}), 20)
	})
}

func TestAnActivityThatTakesTooLongTimesOut(t *testing.T) {
	for name, c := range map[string]struct {
		options  activity.Options
		retry    activity.Retry
		attempts int
	}{
		"of each attempt":  {activity.Options{Timeout: 5 * time.Millisecond}, activity.Retry{MaxAttempts: 3, First: 1}, 3},
		"of all attempts":  {activity.Options{Deadline: 20 * time.Millisecond}, activity.Retry{MaxAttempts: 3, First: 1}, 1},
		"without any more": {activity.Options{Timeout: 5 * time.Millisecond}, activity.Retry{}, 1},
	} {
		for how, obeys := range map[string]bool{"and obeys": true, "and ignores it": false} {
			if !obeys && c.attempts > 1 {
				continue // it takes seconds until a worker goes on without an attempt
			}
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				everywhere(t, func(t *testing.T, w *world) {
					var attempts atomic.Int32
					release := make(chan none)
					w.run(calls(c.options, c.retry), work.Func(func(ctx context.Context, _ none) (string, error) {
						attempts.Add(1)
						if obeys {
							<-ctx.Done()
							return "", ctx.Err()
						}
						<-release
						return "too late", nil
					}))
					h := begun(w, one, none{}, start{ID: "o"})
					err := fails(w, h)
					if e := w.instance("o").Failure; e.Kind != history.FailureTimeout && (e.Cause == nil || e.Cause.Kind != history.FailureTimeout) {
						t.Errorf("the failure is %+v", e)
					}
					if !strings.Contains(err.Error(), "took longer") && !strings.Contains(err.Error(), "deadline") && !strings.Contains(err.Error(), "timeout") {
						t.Errorf("the error is %v", err)
					}
					close(release)
					if n := int(attempts.Load()); n > c.attempts { // fewer, if time was up before the code began
						t.Errorf("%d attempts, want %d", n, c.attempts)
					}
				})
			})
		}
	}
}

func TestATimeoutIsFoundWithErrorsIs(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.run(one.Func(func(ctx *octx, in none) (string, error) {
			for _, o := range []activity.Options{
				{Timeout: time.Millisecond}, {Deadline: time.Millisecond}, {Timeout: time.Millisecond, Local: true}, {Deadline: time.Millisecond, Local: true},
			} {
				_, err := work.Call(ctx, in, o, activity.Retry{MaxAttempts: 2, First: 1}).Await()
				e, ok := errors.AsType[*activity.Error](err)
				if !ok || !errors.Is(err, activity.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, activity.ErrPanicked) {
					return "", err
				}
				if want := 2; o.Timeout > 0 && e.Attempt != want {
					return "", fmt.Errorf("attempt %d was the last, want %d", e.Attempt, want)
				}
			}
			return "timed out", nil
		}), work.Func(func(ctx context.Context, _ none) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}))
		gives(w, begun(w, one, none{}, start{}), "timed out")
	})
}

func TestAPanicInAnActivityIsAnErrorWithItsStack(t *testing.T) {
	for where, local := range map[string]bool{"on a worker": false, "inline": true} {
		t.Run(where, func(t *testing.T) {
			everywhere(t, func(t *testing.T, w *world) {
				w.run(one.Func(func(ctx *octx, in none) (string, error) {
					_, err := work.Call(ctx, in, activity.Options{Local: local}).Await()
					e, ok := errors.AsType[*activity.Error](err)
					if !ok || !errors.Is(err, activity.ErrPanicked) || !strings.Contains(e.Stack, "activities_test.go") {
						return "", fmt.Errorf("the error is %w", err)
					}
					return e.Message, nil
				}), work.Func(func(context.Context, none) (string, error) { panic("boom") }))
				h := begun(w, one, none{}, start{})
				if got, err := h.Wait(w.ctx); err != nil || !strings.Contains(got, "boom") {
					t.Errorf("got %q, %v", got, err)
				}
			})
		})
	}
}

func TestInlineActivitiesRunOnceInTheirTurn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		runs := 0
		body := one.Func(func(ctx *octx, in none) (string, error) {
			all := ""
			for range 10 {
				s, err := work.Call(ctx, in, activity.Options{Local: true}).Await()
				if err != nil {
					return "", err
				}
				all += s
			}
			_, err := goOn.Wait(ctx).Await()
			return all, err
		})
		inline := work.Func(func(context.Context, none) (string, error) { runs++; return fmt.Sprint(runs), nil })
		w.run(body, inline)
		h := begun(w, one, none{}, start{ID: "o"})
		w.reaches("o", history.KindEventAwaited, 1)
		w.run(body, inline) // replays without running them
		raise(w, goOn, "o", "")
		gives(w, h, "12345678910")
		if runs != 10 {
			t.Errorf("%d runs", runs)
		}
	})
}

func TestAHeartbeatIsThereForTheNextAttempt(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.run(calls(activity.Retry{MaxAttempts: 10, First: time.Millisecond, Factor: 1}), work.Func(func(ctx context.Context, _ none) (string, error) {
			done := 0
			if found, err := activity.Progress(ctx, &done); err != nil || found != (activity.Info(ctx).Attempt > 1) {
				return "", activity.NonRetryable(fmt.Errorf("progress: %v, %w", found, err))
			}
			if done != activity.Info(ctx).Attempt-1 {
				return "", activity.NonRetryable(fmt.Errorf("attempt %d begins at %d", activity.Info(ctx).Attempt, done))
			}
			if err := activity.Heartbeat(ctx, done+1); err != nil {
				return "", err
			}
			if done+1 < 5 {
				return "", errors.New("tired")
			}
			return fmt.Sprint(done + 1), nil
		}))
		gives(w, begun(w, one, none{}, start{ID: "o"}), "5")
	})
}

func TestActivitiesGoToWorkersThatServeTheirTag(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.config.Name = "plain"
		w.run(calls(activity.Options{Tag: "gpu"}), work.Func(func(context.Context, none) (string, error) { return "ran", nil }))
		h := begun(w, one, none{}, start{ID: "o"})
		w.reaches("o", history.KindActivityScheduled, 1)
		out, err := w.store.Outstanding(w.ctx, "o")
		if err != nil || len(out.Activities) != 1 {
			t.Fatalf("outstanding: %+v, %v", out, err)
		}
		w.config.Tags, w.config.Name = []string{"gpu"}, "with gpu"
		w.run(calls(activity.Options{Tag: "gpu"}), work.Func(func(context.Context, none) (string, error) { return "ran", nil }))
		gives(w, h, "ran")
		for _, e := range w.events("o", 1) {
			if d, ok := e.Data.(*history.ActivityCompleted); ok && d.Worker != "with gpu" {
				t.Errorf("it ran on %q", d.Worker)
			}
		}
	})
}

func TestAnActivityThatIgnoresCancellationHoldsUpNobody(t *testing.T) {
	t.Parallel()
	everywhere(t, func(t *testing.T, w *world) {
		w.config.MaxActivities = 1
		began, release := make(chan none, 1), make(chan none)
		w.run(calls(), hello5.Func(hello), greet.Func(greeting), work.Func(func(context.Context, none) (string, error) {
			began <- none{}
			<-release
			return "", nil
		}))
		h := begun(w, one, none{}, start{ID: "o"})
		signal(w, began)
		w.cancel("o", "")
		if err := fails(w, h); !errors.Is(err, orchestration.ErrCancelled) {
			t.Errorf("the error is %v", err)
		}
		gives(w, begun(w, hello5, "x", start{}), "hi x0;hi x1;hi x2;hi x3;hi x4;") // its slot is free
		close(release)
	})
}
