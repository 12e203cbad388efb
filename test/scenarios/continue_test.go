package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

func TestContinueAsNewBeginsAFreshExecutionOfTheSameInstance(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, string]("count")
		w.run(f.Func(func(ctx *octx, n int) (string, error) {
			if n < 3 {
				return f.ContinueAsNew(ctx, n+1)
			}
			return fmt.Sprintf("execution %d with %d", ctx.Info().Execution, n), nil
		}))
		gives(w, begun(w, f, 0, start{ID: "c"}), "execution 4 with 3")
		for execution := range int64(3) {
			if n := w.count("c", execution+1, history.KindContinuedAsNew); n != 1 {
				t.Errorf("execution %d ended %d times by continuing", execution+1, n)
			}
		}
	})
}

func TestContinueAsNewWithActivitiesBetween(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[[]int, int]("sum")
		add := activity.Declare[[2]int, int]("add")
		w.run(
			f.Func(func(ctx *octx, in []int) (int, error) {
				sum, err := add.Call(ctx, [2]int{in[0], in[1]}).Await()
				if err != nil || len(in) == 2 {
					return sum, err
				}
				return f.ContinueAsNew(ctx, append([]int{sum}, in[2:]...))
			}),
			add.Func(func(_ context.Context, in [2]int) (int, error) { return in[0] + in[1], nil }),
		)
		gives(w, begun(w, f, []int{1, 2, 3, 4, 5, 6}, start{ID: "s"}), 21)
		if n := w.instance("s").Execution; n != 5 {
			t.Errorf("it took %d executions, want 5", n)
		}
	})
}

func TestEventsThatNobodyReceivedCarryOverContinueAsNew(t *testing.T) {
	const events = 100 // more than one turn's, whatever else it takes in
	word := orchestration.DeclareEvent[int]("word")
	job := orchestration.DeclareQueue[int]("job")
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		type so struct{ Words, Jobs []int }
		f := orchestration.Declare[so, so]("collect")
		h := begun(w, f, so{}, start{ID: "c"})
		for i := range events { // all are there before the first turn
			raise(w, word, "c", i)
			put(w, job, "c", i)
		}
		w.run(f.Func(func(ctx *octx, s so) (so, error) {
			n, err := word.Wait(ctx).Await()
			if err != nil {
				return s, err
			}
			m, err := job.Receive(ctx).Await()
			if err != nil {
				return s, err
			}
			if s.Words, s.Jobs = append(s.Words, n), append(s.Jobs, m); len(s.Words) < events {
				return f.ContinueAsNew(ctx, s)
			}
			return s, nil
		}))
		got, err := h.Wait(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, all := range [][]int{got.Words, got.Jobs} {
			if !slices.IsSorted(all) || len(all) != events {
				t.Errorf("received %v", all)
			}
		}
	})
}

func TestEventsSentWhileItContinuesAsNewAreAllReceivedInOrder(t *testing.T) {
	const events = 150
	job := orchestration.DeclareQueue[int]("job")
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, int]("actor")
		w.run(f.Func(func(ctx *octx, next int) (int, error) {
			for range 3 {
				n, err := job.Receive(ctx).Await()
				if err != nil {
					return 0, err
				}
				if n != next {
					return 0, fmt.Errorf("received %d, want %d", n, next)
				}
				next++
			}
			if next == events {
				return next, nil
			}
			return f.ContinueAsNew(ctx, next)
		}))
		h := begun(w, f, 0, start{ID: "a"})
		for i := range events {
			put(w, job, "a", i)
		}
		gives(w, h, events)
	})
}

func TestManyGenerationsLeaveBoundedWork(t *testing.T) {
	const generations = 10_000
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, int]("eternal")
		ran := 0
		w.run(f.Func(func(ctx *octx, n int) (int, error) {
			ran++
			if n == generations {
				return n, nil
			}
			return f.ContinueAsNew(ctx, n+1)
		}))
		gives(w, begun(w, f, 1, start{ID: "e"}), generations)
		if n := w.instance("e").Execution; n != generations {
			t.Errorf("execution %d", n)
		}
		if n := len(w.events("e", 0)); n > 3 {
			t.Errorf("the last history has %d events", n)
		}
		if s := w.worker.Stats(); s.EventsReplayed > generations || s.LiveInstances > 1 {
			t.Errorf("more than the work of a generation each: %+v", s)
		}
		if ran < generations || ran > generations+int(w.worker.Stats().Replays) {
			t.Errorf("the code ran %d times", ran)
		}
	})
}

func TestAnEternalLoopKeepsAsManyHistoriesAsItSays(t *testing.T) {
	const generations, keep = 10_000, 3
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, int]("eternal")
		state := orchestration.DeclareState[int]("reached")
		w.run(f.Func(func(ctx *octx, n int) (int, error) {
			if n%1_000 == 0 {
				if err := state.Set(ctx, n); err != nil {
					return 0, err
				}
			}
			if n == generations {
				return n, nil
			}
			return f.ContinueAsNew(ctx, n+1, orchestration.ContinueOptions{Keep: keep})
		}))
		gives(w, begun(w, f, 1, start{ID: "e"}), generations)
		if i := w.instance("e"); i.Execution != generations || i.Pruned != generations-keep {
			t.Errorf("execution %d, pruned up to %d", i.Execution, i.Pruned)
		}
		for _, n := range []int64{1, generations / 2, generations - keep} {
			for _, err := range w.store.History(w.ctx, "e", n, 0) {
				if !errors.Is(err, provider.ErrNotFound) || !strings.Contains(err.Error(), "the oldest one kept is 9998") {
					t.Errorf("reading execution %d: %v", n, err)
				}
			}
		}
		for n := int64(generations - keep + 1); n <= generations; n++ {
			if len(w.events("e", n)) == 0 {
				t.Errorf("execution %d has no history", n)
			}
		}
		if v, err := state.Read(w.ctx, w.client, "e"); err != nil || v != generations {
			t.Errorf("the state is %d, %v", v, err)
		}
	})
}

func TestWorkOfAnEarlierExecutionDoesNotReachTheNext(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, string]("again")
		slow := activity.Declare[int, string]("slow")
		began, stopped := make(chan struct{}), make(chan error, 1)
		release := make(chan struct{})
		w.run(
			f.Func(func(ctx *octx, n int) (string, error) {
				if n == 1 {
					slow.Call(ctx, 1)
					if err := ctx.Sleep(1); err != nil {
						return "", err
					}
					raised := orchestration.DeclareEvent[none]("go").Wait(ctx)
					if _, err := raised.Await(); err != nil {
						return "", err
					}
					return f.ContinueAsNew(ctx, 2)
				}
				return slow.Call(ctx, 2).Await()
			}),
			slow.Func(func(ctx context.Context, n int) (string, error) {
				if n == 2 {
					<-release
					return "second", nil
				}
				close(began)
				<-ctx.Done()
				stopped <- context.Cause(ctx)
				return "first", nil
			}),
		)
		h := begun(w, f, 1, start{ID: "a"})
		signal(w, began)
		raise(w, orchestration.DeclareEvent[none]("go"), "a", none{})
		if cause := signal(w, stopped); cause == nil {
			t.Error("the first activity was not cancelled")
		}
		close(release)
		gives(w, h, "second")
	})
}

func TestStateStatusTagsAndHeadersCarryOverContinueAsNew(t *testing.T) {
	total := orchestration.DeclareState[int]("total")
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, int]("acc")
		w.run(f.Func(func(ctx *octx, n int) (int, error) {
			sum, err := total.Get(ctx)
			if err != nil {
				return 0, err
			}
			if err := total.Set(ctx, sum+n); err != nil {
				return 0, err
			}
			if n == 1 {
				if err := ctx.SetStatus("begun"); err != nil {
					return 0, err
				}
			}
			if i := ctx.Info(); i.Tags["team"] != "red" || i.Headers["trace"] != "t1" {
				return 0, fmt.Errorf("it lost its tags or headers: %+v", i)
			}
			if n == 10 {
				return total.Get(ctx)
			}
			return f.ContinueAsNew(ctx, n+1)
		}))
		h := begun(w, f, 1, start{ID: "a", Tags: map[string]string{"team": "red"}, Headers: map[string]string{"trace": "t1"}})
		gives(w, h, 55)
		if got, err := total.Read(w.ctx, w.client, "a"); err != nil || got != 55 {
			t.Errorf("clients read %d, %v", got, err)
		}
		var status string
		if err := w.client.CustomStatus(w.ctx, "a", &status); err != nil || status != "begun" {
			t.Errorf("the status is %q, %v", status, err)
		}
	})
}

func TestAnEternalOrchestrationStopsWhenItIsCancelled(t *testing.T) {
	for name, body := range map[string]func(ctx *octx){
		"that ignores it":    func(ctx *octx) { _ = ctx.Sleep(1) },
		"that never waits":   func(*octx) {},
		"that leaves things": func(ctx *octx) { ctx.Timer(1); greet.Call(ctx, "x") },
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, w *world) {
				f := orchestration.Declare[int, int]("eternal")
				w.run(f.Func(func(ctx *octx, n int) (int, error) {
					body(ctx)
					return f.ContinueAsNew(ctx, n+1)
				}), greet.Func(greeting))
				h := begun(w, f, 1, start{ID: "e"})
				w.until("the third execution", func() bool { return w.instance("e").Execution > 2 })
				raise(w, orchestration.DeclareEvent[int]("nobody receives"), "e", 1)
				w.cancel("e", "enough")
				if err := fails(w, h); !errors.Is(err, orchestration.ErrCancelled) || !strings.Contains(err.Error(), "cancelled: enough") {
					t.Errorf("it ended with %v", err)
				}
				if i := w.instance("e"); i.Status != history.StatusCancelled {
					t.Errorf("it ended as %+v", i)
				}
				w.halt()
				if n := len(w.events("e", 0)); n > 20 {
					t.Errorf("the last history has %d events", n)
				}
			})
		})
	}
}

// TestAnInstanceThatNeverWaitsIsCancelledWhateverWaitsBefore: it receives nothing, so
// that a request to cancel stays behind all that was sent before it.
func TestAnInstanceThatNeverWaitsIsCancelledWhateverWaitsBefore(t *testing.T) {
	for _, before := range []int{0, 10, 70, 3_000} {
		t.Run(strconv.Itoa(before), func(t *testing.T) {
			everywhere(t, func(t *testing.T, w *world) {
				f := orchestration.Declare[int, int]("eternal")
				eternal := f.Func(func(ctx *octx, n int) (int, error) {
					return f.ContinueAsNew(ctx, n+1, orchestration.ContinueOptions{Keep: 1})
				})
				w.run(eternal)
				h := begun(w, f, 1, start{ID: "e"})
				w.until("the third execution", func() bool { return w.instance("e").Execution > 2 })
				w.halt()
				for n := range before {
					raise(w, orchestration.DeclareEvent[int]("nobody receives"), "e", n)
				}
				w.cancel("e", "enough")
				from := w.instance("e").Execution
				w.run(eternal)
				if err := fails(w, h); !errors.Is(err, orchestration.ErrCancelled) {
					t.Errorf("it ended with %v", err)
				}
				if i := w.instance("e"); i.Status != history.StatusCancelled || i.Execution > from+1 {
					t.Errorf("it was in execution %d when it was cancelled, and ended in %d as %s", from, i.Execution, i.Status)
				}
			})
		})
	}
}
