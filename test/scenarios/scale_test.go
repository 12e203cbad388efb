package scenarios

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

func TestAFanOutOfTenThousand(t *testing.T) {
	const n = 10_000
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, int]("fan")
		double := activity.Declare[int, int]("double")
		w.run(double.Func(func(_ context.Context, n int) (int, error) { return 2 * n, nil }),
			f.Func(func(ctx *octx, n int) (int, error) {
				all := make([]*orchestration.Future[int], n)
				for i := range all {
					all[i] = double.Call(ctx, i)
				}
				values, err := orchestration.All(all...).Await()
				sum := 0
				for _, v := range values {
					sum += v
				}
				return sum, err
			}))
		gives(w, begun(w, f, n, start{ID: "f"}), n*(n-1))
		if got := len(w.events("f", 1)); got != 2*n+2 {
			t.Errorf("%d events, want two for each activity, the start and the end", got)
		}
		if s := w.worker.Stats(); s.Replays != 0 {
			t.Errorf("%d replays in steady state", s.Replays)
		}
	})
}

func TestAThousandTimersAndTwoHundredChildrenInOneTurn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		child := orchestration.Declare[int, int]("child")
		w.run(child.Func(func(_ *octx, n int) (int, error) { return n, nil }), f.Func(func(ctx *octx, _ none) (string, error) {
			var all []orchestration.Awaitable
			for range 1_000 {
				all = append(all, ctx.Timer(20*time.Millisecond))
			}
			for range 1_000 { // which are given up in the same turn
				ctx.Timer(time.Hour).Cancel()
			}
			for i := range 200 {
				all = append(all, child.Call(ctx, i))
			}
			_, err := orchestration.Join(all...).Await()
			return "done", err
		}))
		gives(w, begun(w, f, none{}, start{ID: "f"}), "done")
		if n := len(children(w, "child")); n != 200 {
			t.Errorf("%d children", n)
		}
		if n := w.count("f", 1, history.KindTimerFired); n != 1_000 {
			t.Errorf("%d timers fired", n)
		}
		if s := w.worker.Stats(); s.Replays != 0 {
			t.Errorf("%d replays in steady state", s.Replays)
		}
	})
}

func TestAFloodOfEventsIsTakenInStepsAndNeighboursGetTheirTurns(t *testing.T) {
	const events = 3_000 // more than a turn takes in
	everywhere(t, func(t *testing.T, w *world) {
		job := orchestration.DeclareQueue[int]("job")
		f := orchestration.Declare[none, int]("f")
		h := begun(w, f, none{}, start{ID: "f"})
		for i := range events {
			put(w, job, "f", i)
		}
		w.run(hello5.Func(hello), greet.Func(greeting), f.Func(func(ctx *octx, _ none) (int, error) {
			next := 0
			for n, err := range job.All(ctx) {
				if err != nil || n != next {
					return 0, fmt.Errorf("received %d, want %d: %w", n, next, err)
				}
				if next++; next == events {
					break
				}
			}
			return next, nil
		}))
		gives(w, begun(w, hello5, "x", start{}), "hi x0;hi x1;hi x2;hi x3;hi x4;")
		gives(w, h, events)
	})
}

func TestALongHistoryIsNeverReplayedWhileItIsLive(t *testing.T) {
	const steps = 500
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, int]("f")
		ran := 0
		w.run(greet.Func(greeting), f.Func(func(ctx *octx, _ none) (int, error) {
			ran++
			for i := range steps {
				if _, err := greet.Call(ctx, "x").Await(); err != nil {
					return i, err
				}
			}
			return steps, nil
		}))
		gives(w, begun(w, f, none{}, start{ID: "f"}), steps)
		if s := w.worker.Stats(); s.Replays != 0 || ran != 1 {
			t.Errorf("%d replays, and the code ran %d times from the top", s.Replays, ran)
		}
	})
}

func TestWithoutMemoryEverythingStillWorks(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.config.Cache.Count, w.config.Cache.Bytes = 1, 1 // nothing stays live
		w.run(hello5.Func(hello), greet.Func(greeting))
		var all []*orchestration.Handle[string]
		for range 20 {
			all = append(all, begun(w, hello5, "x", start{}))
		}
		for _, h := range all {
			gives(w, h, "hi x0;hi x1;hi x2;hi x3;hi x4;")
		}
		if s := w.worker.Stats(); s.Replays == 0 {
			t.Error("nothing was replayed: the scenario shows nothing")
		}
	})
}
