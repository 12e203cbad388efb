package scenarios

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider/providerfault"
)

// journey is an orchestration that does a bit of everything.
var journey = orchestration.Declare[int, string]("journey")

// travel implements journey, and says how often each of its effects happened,
// by idempotency key.
func travel() (handlers []core.Handler, effects func() map[string]int) {
	var mu sync.Mutex
	seen := map[string]int{}
	total := orchestration.DeclareState[int]("total")
	leg := orchestration.Declare[int, int]("leg")
	step := activity.Declare[int, int]("step")
	note := orchestration.DeclareEvent[string]("note")
	return []core.Handler{
			journey.Func(func(ctx *octx, n int) (string, error) {
				if n == 1 {
					return fmt.Sprint("arrived in execution ", ctx.Info().Execution), nil
				}
				first, err := step.Call(ctx, 1).Await()
				if err != nil {
					return "", err
				}
				id := ctx.NewGUID()
				if err := total.Set(ctx, first); err != nil {
					return "", err
				}
				all, err := orchestration.All(step.Call(ctx, 2), leg.Call(ctx, 3), step.Call(ctx, 4, activity.Retry{MaxAttempts: 5, First: time.Millisecond})).Await()
				if err != nil || fmt.Sprint(all) != "[2 3 4]" {
					return "", fmt.Errorf("%v: %w", all, err)
				}
				lost := left.Wait(ctx)
				if won, err := orchestration.Race(lost, ctx.Timer(time.Millisecond)).Await(); err != nil || won == lost {
					return "", fmt.Errorf("the wrong one won: %w", err)
				}
				if err := note.Send(ctx, ctx.Info().ID, id); err != nil {
					return "", err
				}
				got, err := note.Wait(ctx).Await()
				if err != nil || got != id {
					return "", fmt.Errorf("sent %q and received %q: %w", id, got, err)
				}
				if kept, err := total.Get(ctx); err != nil || kept != 1 {
					return "", fmt.Errorf("the state is %d: %w", kept, err)
				}
				return journey.ContinueAsNew(ctx, 1)
			}),
			leg.Func(func(ctx *octx, n int) (int, error) { return step.Call(ctx, n).Await() }),
			step.Func(func(ctx context.Context, n int) (int, error) {
				i := activity.Info(ctx)
				if n == 4 && i.Attempt < 2 {
					return 0, fmt.Errorf("attempt %d", i.Attempt)
				}
				mu.Lock()
				defer mu.Unlock()
				seen[i.IdempotencyKey]++
				return n, nil
			}),
		}, func() map[string]int {
			mu.Lock()
			defer mu.Unlock()
			return seen
		}
}

func TestAWorkerThatIsRestartedAtEveryPointFinishesTheJourney(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		handlers, effects := travel()
		for point := 1; ; point++ {
			id := history.InstanceID(fmt.Sprint("j", point))
			h := begun(w, journey, 0, start{ID: id})
			w.run(handlers...)
			var last int64
			w.until("the point", func() bool {
				i := w.instance(id)
				last = i.Execution*100 + i.LastEvent
				return i.Status.Final() || last >= int64(100+point)
			})
			w.run(handlers...) // gracefully
			gives(w, h, "arrived in execution 2")
			if point > len(w.events(id, 1)) {
				break
			}
		}
		for key, n := range effects() {
			if n != 1 {
				t.Errorf("%s happened %d times although each worker left gracefully", key, n)
			}
		}
	})
}

func TestAWorkerThatDiesAtAnyCallIsReplacedByOneThatFinishesTheJourney(t *testing.T) {
	type point struct {
		op      string
		outcome string
	}
	for _, p := range []point{
		{"commit", "crash"}, {"commit", "crash-after"},
		{"complete", "crash"}, {"complete", "crash-after"},
		{"turn", "crash-after"}, {"activity", "crash-after"}, {"extend", "crash"}, {"leave", "crash"},
	} {
		t.Run(p.op+" "+p.outcome, func(t *testing.T) {
			everywhere(t, func(t *testing.T, w *world) {
				handlers, effects := travel()
				var hurt bool
				for nth := 1; ; nth++ {
					id := history.InstanceID(fmt.Sprint("j", nth))
					h := begun(w, journey, 0, start{ID: id})
					if hurt = w.dies(fmt.Sprintf("%s nth=%d %s", p.op, nth, p.outcome), id, handlers); !hurt && nth > 1 || nth > 25 {
						gives(w, h, "arrived in execution 2")
						break
					}
					w.run(handlers...)
					gives(w, h, "arrived in execution 2")
					w.halt()
				}
				if hurt {
					t.Log("it died at each of the first calls; there are more")
				}
				for key, n := range effects() {
					if n > 2 {
						t.Errorf("%s happened %d times: more than once for each worker", key, n)
					}
				}
			})
		})
	}
}

// dies runs a worker until a rule lets its process die, and reports whether it
// did before the instance ended. What the kernel does for a process that died,
// it does for the host.
func (w *world) dies(rule string, id history.InstanceID, handlers []core.Handler) bool {
	store := providerfault.Wrap(hostKeeper{w.store, w}, providerfault.New(1, providerfault.MustParse(rule)...))
	config := w.config
	config.ShutdownGrace = time.Millisecond
	_, stop := begin(store, config, handlers...)
	died := false
	w.until("the end of the worker or of the journey", func() bool {
		select {
		case <-store.Crashed():
			died = true
		default:
		}
		return died || w.instance(id).Status.Final()
	})
	err := stop()
	select {
	case <-store.Crashed(): // when it left
		died = true
	default:
	}
	if !died && err != nil {
		w.t.Error("worker:", err)
	}
	if died && w.host != nil {
		if err := w.host.Leave(w.ctx); err != nil {
			w.t.Error("leaving:", err)
		}
	}
	return died
}

func TestOneWorkerAfterAnotherLosesNothing(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		const instances = 30
		handlers, _ := travel()
		var all []*orchestration.Handle[string]
		for i := range instances {
			all = append(all, begun(w, journey, 0, start{ID: history.InstanceID(fmt.Sprint("j", i))}))
		}
		for nth := range 12 { // most die in the middle of something
			w.dies(fmt.Sprintf("commit nth=%d crash\ncomplete nth=%d crash-after", 10+nth, 8+nth), "j0", handlers)
		}
		w.run(handlers...)
		for _, h := range all {
			gives(w, h, "arrived in execution 2")
		}
	})
}

func TestTimersAreKeptWhileNoWorkerRuns(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		body := f.Func(func(ctx *octx, _ none) (string, error) {
			short, long := ctx.Timer(time.Millisecond), ctx.Timer(30*time.Millisecond)
			gaveUp := ctx.Timer(time.Hour)
			gaveUp.Cancel()
			begin := ctx.Now()
			if _, err := orchestration.Join(short, long).Await(); err != nil {
				return "", err
			}
			if passed := ctx.Now().Sub(begin); passed < 30*time.Millisecond {
				return "", fmt.Errorf("they fired after %v", passed)
			}
			return "fired", nil
		})
		w.run(body)
		h := begun(w, f, none{}, start{ID: "f"})
		w.reaches("f", history.KindTimerCreated, 2)
		w.halt()
		due := time.NewTimer(5 * time.Millisecond) // the first is due meanwhile
		<-due.C
		w.run(body)
		gives(w, h, "fired")
	})
}

func TestAnActivityThatIsInterruptedByShutdownRunsAgain(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.config.ShutdownGrace = 50 * time.Millisecond // it ends when it is told, but not in no time
		began := make(chan none, 1)
		var causes []string
		w.run(calls(), work.Func(func(ctx context.Context, _ none) (string, error) {
			began <- none{}
			<-ctx.Done()
			causes = append(causes, context.Cause(ctx).Error())
			return "", ctx.Err()
		}))
		h := begun(w, one, none{}, start{ID: "o"})
		signal(w, began)
		w.run(calls(), work.Func(func(ctx context.Context, _ none) (string, error) {
			return fmt.Sprint("attempt ", activity.Info(ctx).Attempt), nil
		}))
		gives(w, h, "attempt 1")
		if len(causes) != 1 || !strings.Contains(causes[0], "shutting down") {
			t.Errorf("it was told %q", causes)
		}
	})
}

func TestAnActivityThatFinishesWithinTheGraceRunsOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		began, release := make(chan none), make(chan none)
		runs := 0
		slow := work.Func(func(context.Context, none) (string, error) {
			runs++
			began <- none{}
			<-release
			return "once", nil
		})
		w.run(calls(), slow)
		h := begun(w, one, none{}, start{ID: "o"})
		signal(w, began)
		stopped := make(chan none)
		stop := w.stop
		w.stop = nil
		go func() { stop(); close(stopped) }()
		close(release)
		signal(w, stopped)
		w.run(calls(), slow)
		gives(w, h, "once")
		if runs != 1 {
			t.Errorf("it ran %d times", runs)
		}
	})
}
