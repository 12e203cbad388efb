package scenarios

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// children lists the instances of an orchestration.
func children(w *world, name string) []provider.Instance {
	w.t.Helper()
	all, err := w.store.List(w.ctx, provider.Query{Name: name, Limit: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

func TestChildrenInAChainAndSideBySide(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		sum := orchestration.Declare[int, int]("sum of a tree")
		w.run(sum.Func(func(ctx *octx, depth int) (int, error) {
			if depth == 0 {
				return 1, nil
			}
			all, err := orchestration.All(sum.Call(ctx, depth-1), sum.Call(ctx, depth-1), sum.Call(ctx, depth-1)).Await()
			if err != nil {
				return 0, err
			}
			return 1 + all[0] + all[1] + all[2], nil
		}))
		gives(w, begun(w, sum, 3, start{ID: "root"}), 40)
		if n := len(children(w, "sum of a tree")); n != 40 {
			t.Errorf("%d instances", n)
		}
	})
}

func TestDerivedIdsOfChildrenAreUniqueAcrossExecutions(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		parent := orchestration.Declare[int, string]("parent")
		child := orchestration.Declare[int, int]("child")
		w.run(child.Func(func(_ *octx, n int) (int, error) { return n, nil }),
			parent.Func(func(ctx *octx, n int) (string, error) {
				got, err := child.Call(ctx, n).Await()
				if err != nil || got != n {
					return "", fmt.Errorf("child %d gave %d: %w", n, got, err)
				}
				if n == 20 {
					return "done", nil
				}
				return parent.ContinueAsNew(ctx, n+1)
			}))
		gives(w, begun(w, parent, 1, start{ID: "p"}), "done")
		if n := len(children(w, "child")); n != 20 {
			t.Errorf("%d children, want 20", n)
		}
	})
}

func TestAChildWhoseIdIsTakenFailsItsFuture(t *testing.T) {
	for _, taken := range []string{"running", "ended"} {
		t.Run(taken, func(t *testing.T) {
			everywhereAndUnreliable(t, func(t *testing.T, w *world) {
				parent := orchestration.Declare[none, string]("parent")
				w.run(waiter.Func(waits), parent.Func(func(ctx *octx, in none) (string, error) {
					_, err := waiter.Call(ctx, in, orchestration.ChildOptions{ID: "taken"}).Await()
					if e, ok := errors.AsType[*orchestration.Error](err); !ok || e.Instance != "taken" || !errors.Is(err, orchestration.ErrExists) {
						return "", fmt.Errorf("the future gave %w", err)
					}
					return "refused", nil
				}))
				h := begun(w, waiter, none{}, start{ID: "taken"})
				if taken == "ended" {
					raise(w, goOn, "taken", "1")
					gives(w, h, "1")
				}
				gives(w, begun(w, parent, none{}, start{ID: "p"}), "refused")
				if taken == "running" {
					raise(w, goOn, "taken", "2")
					gives(w, h, "2")
				}
			})
		})
	}
}

func TestAChildThatContinuesAsNewStillAnswersItsParent(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		parent := orchestration.Declare[none, int]("parent")
		child := orchestration.Declare[int, int]("child")
		w.run(child.Func(func(ctx *octx, n int) (int, error) {
			if p := ctx.Info().Parent; p == nil || p.Instance != "p" || p.Name != "parent" {
				return 0, fmt.Errorf("execution %d lost its parent", ctx.Info().Execution)
			}
			if n == 12 {
				return n, nil
			}
			return child.ContinueAsNew(ctx, n+1)
		}), parent.Func(func(ctx *octx, _ none) (int, error) { return child.Call(ctx, 0).Await() }))
		gives(w, begun(w, parent, none{}, start{ID: "p"}), 12)
	})
}

func TestAChildOfAnEarlierExecutionDoesNotAnswerTheNext(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		parent := orchestration.Declare[int, string]("parent")
		w.run(waiter.Func(waits), parent.Func(func(ctx *octx, n int) (string, error) {
			c := waiter.Call(ctx, none{}, orchestration.ChildOptions{ID: history.InstanceID(fmt.Sprint("c", n)), ParentClose: orchestration.ParentCloseAbandon})
			if n == 1 {
				if err := ctx.Sleep(0); err != nil {
					return "", err
				}
				return parent.ContinueAsNew(ctx, 2)
			}
			return c.Await()
		}))
		h := begun(w, parent, 1, start{ID: "p"})
		w.until("both run", func() bool { return len(children(w, "waiter")) == 2 })
		raise(w, goOn, "c1", "first")
		w.ended("c1")
		raise(w, goOn, "c2", "second")
		gives(w, h, "second")
	})
}

func TestAChildOfAPurgedInstanceDoesNotAnswerTheNextOfItsID(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.purged = true
		parent := orchestration.Declare[int, string]("parent")
		w.run(waiter.Func(waits), parent.Func(func(ctx *octx, n int) (string, error) {
			return waiter.Call(ctx, none{}, orchestration.ChildOptions{ID: history.InstanceID(fmt.Sprint("c", n))}).Await()
		}))
		begun(w, parent, 1, start{ID: "p"})
		w.until("the first child runs", func() bool { return len(children(w, "waiter")) == 1 })
		if err := w.store.Purge(w.ctx, "p", true); err != nil {
			t.Fatal(err)
		}
		h := begun(w, parent, 2, start{ID: "p"})
		w.until("the second child runs", func() bool { return len(children(w, "waiter")) == 2 })
		raise(w, goOn, "c1", "first")
		w.ended("c1")
		raise(w, goOn, "c2", "second")
		gives(w, h, "second")
	})
}

func TestParentCloseDecidesWhatBecomesOfAChild(t *testing.T) {
	for name, c := range map[string]struct {
		close history.ParentClose
		want  history.Status
	}{
		"cancel":  {history.ParentCloseCancel, history.StatusCancelled},
		"abandon": {orchestration.ParentCloseAbandon, history.StatusCompleted},
	} {
		for _, how := range []string{"completes", "fails", "is cancelled", "continues as new"} {
			t.Run(name+" when the parent "+how, func(t *testing.T) {
				everywhere(t, func(t *testing.T, w *world) {
					parent := orchestration.Declare[int, string]("parent")
					w.run(waiter.Func(waits), parent.Func(func(ctx *octx, n int) (string, error) {
						if n > 0 {
							return "", nil
						}
						waiter.Call(ctx, none{}, orchestration.ChildOptions{ID: "c", ParentClose: c.close})
						_, err := goOn.Wait(ctx).Await()
						switch {
						case err != nil || how == "completes":
							return "", err
						case how == "fails":
							return "", errors.New("broken")
						}
						return parent.ContinueAsNew(ctx, n+1)
					}))
					begun(w, parent, 0, start{ID: "p"})
					w.until("the child runs", func() bool {
						i, err := w.store.Instance(w.ctx, "c")
						return err == nil && i.Status == history.StatusRunning
					})
					if how == "is cancelled" {
						w.cancel("p", "")
					} else {
						raise(w, goOn, "p", "")
					}
					w.ended("p")
					want := c.want
					if how == "is cancelled" { // which reaches all that it waits for
						want = history.StatusCancelled
					} else if want == history.StatusCompleted {
						raise(w, goOn, "c", "")
					}
					if i := w.ended("c"); i.Status != want {
						t.Errorf("the child is %s", i.Status)
					}
				})
			})
		}
	}
}

func TestDetachedOrchestrationsGoTheirOwnWay(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, int]("f")
		w.run(waiter.Func(waits), greet.Func(greeting), f.Func(func(ctx *octx, n int) (int, error) {
			for i := range 3 {
				id, err := waiter.Detach(ctx, none{}, orchestration.DetachOptions{ID: history.InstanceID(fmt.Sprint("d", n, i))})
				if err != nil || id == "" {
					return 0, fmt.Errorf("detached as %q: %w", id, err)
				}
			}
			if id, err := waiter.Detach(ctx, none{}); err != nil || id == "" {
				return 0, err
			}
			if n == 1 { // what was detached before continuing or failing is started all the same
				return f.ContinueAsNew(ctx, 2)
			}
			_, err := greet.Call(ctx, "x").Await()
			return 0, errors.Join(err, errors.New("broken"))
		}))
		failsWith(w, begun(w, f, 1, start{ID: "f"}), "broken")
		// What is sent elsewhere comes a moment later.
		w.until("all that was detached exists", func() bool { return len(children(w, "waiter")) >= 8 })
		for _, c := range children(w, "waiter") {
			raise(w, goOn, c.ID, "")
			if i := w.ended(c.ID); i.Status != history.StatusCompleted || i.Parent != nil {
				t.Errorf("%s is %+v", i.ID, i)
			}
		}
		if n := len(children(w, "waiter")); n != 8 {
			t.Errorf("%d were detached, want 8", n)
		}
	})
}

func TestDetachingUnderATakenIdLeavesWhoHasIt(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		w.run(waiter.Func(waits), f.Func(func(ctx *octx, in none) (string, error) {
			_, err := waiter.Detach(ctx, in, orchestration.DetachOptions{ID: "taken"})
			return "ok", err
		}))
		h := begun(w, waiter, none{}, start{ID: "taken"})
		gives(w, begun(w, f, none{}, start{ID: "f"}), "ok")
		raise(w, goOn, "taken", "mine")
		gives(w, h, "mine")
		if n := w.instance("taken").Execution; n != 1 {
			t.Errorf("it was started again: execution %d", n)
		}
	})
}

func TestDetachedForLater(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, time.Time]("f")
		later := orchestration.Declare[time.Time, string]("later")
		w.run(later.Func(func(ctx *octx, at time.Time) (string, error) {
			if ctx.Now().Before(at) {
				return "early", nil
			}
			return "in time", nil
		}), f.Func(func(ctx *octx, in none) (time.Time, error) {
			at := ctx.Now().Add(20 * time.Millisecond)
			_, err := later.Detach(ctx, at, orchestration.DetachOptions{ID: "later", At: at})
			return at, err
		}))
		if _, err := begun(w, f, none{}, start{ID: "f"}).Wait(w.ctx); err != nil {
			t.Fatal(err)
		}
		w.until("the detached instance exists", func() bool { // what is sent elsewhere comes a moment later
			_, err := w.store.Instance(w.ctx, "later")
			return err == nil
		})
		if i := w.ended("later"); string(i.Output) != `"in time"` {
			t.Errorf("it ran %s", i.Output)
		}
	})
}

func TestTheEndOfAnOrchestrationClosesWhatItDidNotAwait(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		slow := activity.Declare[none, none]("slow")
		ran := make(chan none, 100)
		w.run(waiter.Func(waits), slow.Func(func(context.Context, none) (none, error) {
			ran <- none{}
			return none{}, nil
		}), f.Func(func(ctx *octx, in none) (string, error) {
			for range 10 {
				slow.Call(ctx, in)
				ctx.Timer(time.Hour)
				goOn.Wait(ctx)
				waiter.Call(ctx, in)
				orchestration.Go(ctx, func(ctx *octx) (none, error) { return slow.Call(ctx, in).Await() })
			}
			return "done", nil
		}))
		gives(w, begun(w, f, none{}, start{ID: "f"}), "done")
		out, err := w.store.Outstanding(w.ctx, "f")
		if err != nil || len(out.Activities)+len(out.Timers)+len(out.Messages) > 0 {
			t.Errorf("left over: %+v, %v", out, err)
		}
		w.halt()
		if len(ran) > 0 {
			t.Errorf("%d activities ran for nobody", len(ran))
		}
	})
}

func TestAParentCancelsItsOwnChildAndNobodyElse(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		stranger := orchestration.Declare[string, string]("stranger")
		parent := orchestration.Declare[string, string]("parent")
		w.run(stranger.Func(func(ctx *octx, _ string) (string, error) {
			return goOn.Wait(ctx).Await()
		}), parent.Func(func(ctx *octx, _ string) (string, error) {
			// The id is taken, and the parent gives up before it learns that.
			taken := stranger.Call(ctx, "", orchestration.ChildOptions{ID: "stranger"})
			_, err := orchestration.Race(taken, ctx.Timer(0)).Await()
			return "done", err
		}))
		h := begun(w, stranger, "", start{ID: "stranger"})
		for n := range 20 {
			gives(w, begun(w, parent, "", start{ID: orchestration.InstanceID(fmt.Sprint("parent-", n))}), "done")
		}
		raise(w, goOn, "stranger", "fine")
		gives(w, h, "fine")
	})
}
