package scenarios

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

var (
	left  = orchestration.DeclareEvent[string]("left")
	right = orchestration.DeclareEvent[string]("right")
)

func TestTheEventThatCameFirstWinsOnEveryReplay(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		race := func(ctx *octx, _ none) (string, error) {
			l, r := left.Wait(ctx), right.Wait(ctx)
			won, err := orchestration.First(l, r)
			if err != nil {
				return "", err
			}
			if _, err := goOn.Wait(ctx).Await(); err != nil { // meanwhile both are there
				return "", err
			}
			again, err := orchestration.First(l, r) // both are ready: argument order
			if err != nil {
				return "", err
			}
			name := map[orchestration.Winner]string{l: "left", r: "right"}
			a, _ := l.Await()
			b, err := r.Await()
			return fmt.Sprint(name[won], " ", name[again], " ", a, b), err
		}
		w.run(f.Func(race))
		h := begun(w, f, none{}, start{ID: "f"})
		raise(w, right, "f", "R")
		raise(w, left, "f", "L")
		w.until("both arrived", func() bool { return w.instance("f").LastEvent >= 6 })
		w.run(f.Func(race)) // replays
		raise(w, goOn, "f", "")
		gives(w, h, "right left LR")
	})
}

func TestRacesJoinsAndBranchesNest(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		w.run(greet.Func(greeting), waiter.Func(waits), f.Func(func(ctx *octx, in none) (string, error) {
			never := func() *orchestration.Future[none] { return ctx.Timer(time.Hour) }
			greets := orchestration.All(greet.Call(ctx, "a"), greet.Call(ctx, "b"))
			branch := orchestration.Go(ctx, func(ctx *octx) (string, error) {
				a, err := greet.Call(ctx, "c").Await()
				if err != nil {
					return "", err
				}
				b, err := greet.Call(ctx, "d").Await()
				return a + b, err
			})
			both := orchestration.Join(greets, branch)
			inner := orchestration.Race(both, never())
			outer := orchestration.Race(orchestration.Race(never(), never()), waiter.Call(ctx, in), orchestration.All(inner), never())
			if _, err := outer.Await(); err != nil {
				return "", err
			}
			won, err := inner.Await()
			if err != nil || won != both {
				return "", fmt.Errorf("the wrong one won: %w", err)
			}
			all, err := greets.Await()
			if err != nil {
				return "", err
			}
			rest, err := branch.Await()
			return strings.Join(all, "") + rest, err
		}))
		gives(w, begun(w, f, none{}, start{ID: "f"}), "hi a;hi b;hi c;hi d;")
		w.until("the child is cancelled", func() bool {
			i, err := w.store.Instance(w.ctx, "f::1.8")
			return err != nil || i.Status.Final()
		})
	})
}

func TestRaceOfAnActivityAgainstATimer(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[time.Duration, string]("f")
		slow := activity.Declare[none, string]("slow")
		release := make(chan struct{})
		w.run(f.Func(func(ctx *octx, limit time.Duration) (string, error) {
			work, late := slow.Call(ctx, none{}), ctx.Timer(limit)
			won, err := orchestration.Race(work, late).Await()
			if err != nil {
				return "", err
			}
			if won == late {
				return "late", nil
			}
			return work.Await()
		}), slow.Func(func(ctx context.Context, _ none) (string, error) {
			select {
			case <-release:
				return "in time", nil
			case <-ctx.Done():
				return "", ctx.Err()
			}
		}))
		gives(w, begun(w, f, time.Millisecond, start{ID: "late"}), "late")
		close(release)
		gives(w, begun(w, f, time.Hour, start{ID: "in time"}), "in time")
	})
}

func TestAllGivesResultsInTheOrderOfItsArguments(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, string]("f")
		gates := make([]chan struct{}, 5)
		for i := range gates {
			gates[i] = make(chan struct{})
		}
		number := activity.Declare[int, int]("number")
		w.run(f.Func(func(ctx *octx, n int) (string, error) {
			var all []*orchestration.Future[int]
			for i := range n {
				all = append(all, number.Call(ctx, i))
			}
			var order []int
			for i, future := range orchestration.AsCompleted(all...) {
				if v, err := future.Await(); err != nil || v != i {
					return "", fmt.Errorf("the wrong future: %d %w", v, err)
				}
				order = append(order, i)
			}
			values, err := orchestration.All(all...).Await()
			return fmt.Sprint(order, values), err
		}), number.Func(func(ctx context.Context, n int) (int, error) {
			<-gates[n]
			if n > 0 { // each ends after the one with the next higher number
				defer close(gates[n-1])
			}
			return n, nil
		}))
		h := begun(w, f, len(gates), start{ID: "f"})
		close(gates[len(gates)-1])
		got, err := h.Wait(w.ctx)
		if err != nil || !strings.HasSuffix(got, "[0 1 2 3 4]") {
			t.Errorf("got %s, %v", got, err)
		}
	})
}

func TestAllFailsWithTheFirstFailureAndCancelsTheRest(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		broken := activity.Declare[none, string]("broken")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			rest := goOn.Wait(ctx)
			_, err := orchestration.All(rest, broken.Call(ctx, none{})).Await()
			if err == nil || !strings.Contains(err.Error(), "no luck") {
				return "", fmt.Errorf("All gave %w", err)
			}
			if _, err := rest.Await(); !errors.Is(err, orchestration.ErrCancelled) {
				return "", fmt.Errorf("the rest gave %w", err)
			}
			return "ok", nil
		}), broken.Func(func(context.Context, none) (string, error) { return "", errors.New("no luck") }))
		gives(w, begun(w, f, none{}, start{ID: "f"}), "ok")
	})
}

func TestJoinCollectsFailuresAndResults(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, int]("f")
		odd := activity.Declare[int, int]("odd")
		w.run(f.Func(func(ctx *octx, _ none) (int, error) {
			var all []*orchestration.Future[int]
			var each []orchestration.Awaitable
			for i := range 10 {
				all = append(all, odd.Call(ctx, i))
				each = append(each, all[i])
			}
			if _, err := orchestration.Join(each...).Await(); err != nil {
				return 0, err
			}
			sum := 0
			for _, future := range all {
				if v, err := future.Await(); err == nil {
					sum += v
				} else {
					sum += 100
				}
			}
			return sum, nil
		}), odd.Func(func(_ context.Context, n int) (int, error) {
			if n%2 == 0 {
				return 0, errors.New("even")
			}
			return n, nil
		}))
		gives(w, begun(w, f, none{}, start{ID: "f"}), 525)
	})
}

func TestFirstOfNothingIsAnErrorAndAllOfNothingIsThere(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			_, err1 := orchestration.First()
			_, err2 := orchestration.Race().Await()
			all, err3 := orchestration.All[int]().Await()
			_, err4 := orchestration.Join().Await()
			nothing := orchestration.Join(orchestration.Join(), orchestration.All[int]())
			won, err5 := orchestration.First(nothing)
			if won != nothing || err5 != nil {
				return "", fmt.Errorf("the first of nothings: %w", err5)
			}
			for range orchestration.AsCompleted(orchestration.All[int](), orchestration.All[int]()) {
				all = append(all, 1)
			}
			for range orchestration.AsCompleted[int]() {
				all = append(all, 1)
			}
			if err1 == nil || err2 == nil || err3 != nil || err4 != nil || len(all) != 2 {
				return "", errors.Join(errors.New("the wrong ones failed"), err1, err2, err3, err4)
			}
			return "ok", nil
		}))
		gives(w, begun(w, f, none{}, start{ID: "f"}), "ok")
	})
}

func TestTheRaceOfChildren(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		quick := orchestration.Declare[none, string]("quick")
		w.run(waiter.Func(waits), quick.Func(func(*octx, none) (string, error) { return "quick", nil }),
			f.Func(func(ctx *octx, in none) (string, error) {
				slow := waiter.Call(ctx, in, orchestration.ChildOptions{ID: "slow"})
				fast := quick.Call(ctx, in)
				won, err := orchestration.Race(slow, fast).Await()
				if err != nil || won != fast {
					return "", fmt.Errorf("the wrong child won: %w", err)
				}
				return fast.Await()
			}))
		gives(w, begun(w, f, none{}, start{ID: "f"}), "quick")
		w.until("the loser ended", func() bool {
			i, err := w.store.Instance(w.ctx, "slow")
			return err != nil || i.Status == history.StatusCancelled // or it never began
		})
	})
}

func TestTimersFireInOrderAndNeverEarly(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			begin := ctx.Now()
			var order []int
			var timers []*orchestration.Future[none]
			delays := []time.Duration{30 * time.Millisecond, 10 * time.Millisecond, 0, 20 * time.Millisecond, -time.Second}
			for _, d := range delays {
				timers = append(timers, ctx.Timer(d))
			}
			for i := range orchestration.AsCompleted(timers...) {
				order = append(order, i)
				if passed := ctx.Now().Sub(begin); passed < delays[i] {
					return "", fmt.Errorf("a timer of %v fired after %v", delays[i], passed)
				}
			}
			slices.Sort(order[:2]) // both were due at once
			return fmt.Sprint(order), nil
		}))
		gives(w, begun(w, f, none{}, start{ID: "f"}), "[2 4 1 3 0]")
	})
}

func TestManyInstancesOfManyKindsAtOnce(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		const kinds, each = 4, 25
		var handlers []core.Handler
		var all []orchestration.Func[int, int]
		for k := range kinds {
			f := orchestration.Declare[int, int](fmt.Sprint("kind", k))
			a := activity.Declare[int, int](fmt.Sprint("add", k))
			all = append(all, f)
			handlers = append(handlers, a.Func(func(_ context.Context, n int) (int, error) { return n + k, nil }),
				f.Func(func(ctx *octx, n int) (int, error) {
					first, err := a.Call(ctx, n).Await()
					if err != nil {
						return 0, err
					}
					return a.Call(ctx, first).Await()
				}))
		}
		w.run(handlers...)
		var started []*orchestration.Handle[int]
		for i := range kinds * each {
			started = append(started, begun(w, all[i%kinds], i, start{}))
		}
		for i, h := range started {
			gives(w, h, i+2*(i%kinds))
		}
	})
}
