package scenarios

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

var (
	waiter = orchestration.Declare[none, string]("waiter")
	goOn   = orchestration.DeclareEvent[string]("go on")
)

// waits is an orchestration that waits for one event.
func waits(ctx *octx, _ none) (string, error) { return goOn.Wait(ctx).Await() }

func TestCancellingAnInstanceCancelsItsChildrenAndTheirs(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		parent := orchestration.Declare[none, string]("parent")
		middle := orchestration.Declare[none, string]("middle")
		w.run(
			parent.Func(func(ctx *octx, in none) (string, error) {
				a := middle.Call(ctx, in, orchestration.ChildOptions{ID: "m1"})
				b := middle.Call(ctx, in, orchestration.ChildOptions{ID: "m2"})
				_, err := orchestration.All(a, b).Await()
				return "", err
			}),
			middle.Func(func(ctx *octx, in none) (string, error) {
				return waiter.Call(ctx, in, orchestration.ChildOptions{ID: ctx.Info().ID + "-leaf"}).Await()
			}),
			waiter.Func(waits),
		)
		h := begun(w, parent, none{}, start{ID: "p"})
		for _, leaf := range []history.InstanceID{"m1-leaf", "m2-leaf"} {
			w.until("the leaf waits", func() bool {
				i, err := w.store.Instance(w.ctx, leaf)
				return err == nil && i.Status == history.StatusRunning
			})
		}
		if w.faults == nil { // else the request itself might fail
			w.cancel("p", "enough")
		} else {
			w.until("the request is stored", func() bool { return w.client.Cancel(w.ctx, "p", "enough") == nil })
		}
		if err := fails(w, h); !errors.Is(err, orchestration.ErrCancelled) {
			t.Errorf("the error is %v", err)
		}
		for _, id := range []history.InstanceID{"p", "m1", "m2", "m1-leaf", "m2-leaf"} {
			if i := w.ended(id); i.Status != history.StatusCancelled {
				t.Errorf("%s is %s", id, i.Status)
			}
		}
	})
}

func TestCancellingAChildTellsItsParent(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		parent := orchestration.Declare[none, string]("parent")
		w.run(waiter.Func(waits), parent.Func(func(ctx *octx, in none) (string, error) {
			_, err := waiter.Call(ctx, in, orchestration.ChildOptions{ID: "child"}).Await()
			e, ok := errors.AsType[*orchestration.Error](err)
			if !ok || e.Instance != "child" || e.Orchestration != "waiter" {
				return "", err
			}
			if !errors.Is(err, orchestration.ErrCancelled) || ctx.Cancelled() {
				return "", err
			}
			return "saw it", nil
		}))
		h := begun(w, parent, none{}, start{ID: "p"})
		w.until("the child runs", func() bool { _, err := w.store.Instance(w.ctx, "child"); return err == nil })
		w.cancel("child", "")
		gives(w, h, "saw it")
	})
}

func TestCancellingWhatHasEndedOrNeverWas(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.run(hello5.Func(hello), greet.Func(greeting))
		h := begun(w, hello5, "x", start{ID: "h"})
		gives(w, h, "hi x0;hi x1;hi x2;hi x3;hi x4;")
		w.cancel("h", "too late")
		gives(w, h, "hi x0;hi x1;hi x2;hi x3;hi x4;")
		if n := w.count("h", 1, history.KindCancelRequested); n != 0 {
			t.Error("a request after the end is in the history")
		}
		if err := w.client.Cancel(w.ctx, "nobody", ""); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("cancelling nobody gave %v", err)
		}
	})
}

func TestCancellingTwiceIsCancellingOnce(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.run(waiter.Func(waits))
		h := begun(w, waiter, none{}, start{ID: "w"})
		for range 5 {
			w.cancel("w", "enough")
		}
		_ = fails(w, h)
		if n := w.count("w", 1, history.KindCancelRequested); n != 1 {
			t.Errorf("%d requests in the history", n)
		}
	})
}

func TestCancellingBeforeTheFirstTurn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[string, string]("f")
		h := begun(w, f, "x", start{ID: "h"})
		w.cancel("h", "changed my mind")
		ran := 0
		w.run(f.Func(hello), greet.Func(func(context.Context, string) (string, error) { ran++; return "", nil }))
		if err := fails(w, h); !errors.Is(err, orchestration.ErrCancelled) {
			t.Errorf("the error is %v", err)
		}
		w.halt()
		if ran != 0 {
			t.Errorf("%d activities ran", ran)
		}
	})
}

func TestAnActivityLearnsThatNobodyWantsItsResult(t *testing.T) {
	slow := activity.Declare[none, string]("slow")
	child := orchestration.Declare[none, string]("child")
	for name, f := range map[string]func(ctx *octx, h *orchestration.Future[string]) (string, error){
		"because the instance was cancelled": func(ctx *octx, a *orchestration.Future[string]) (string, error) {
			return a.Await()
		},
		"because it lost a race": func(ctx *octx, a *orchestration.Future[string]) (string, error) {
			_, err := orchestration.Race(a, goOn.Wait(ctx)).Await()
			return "", errors.Join(err, ctx.Sleep(time.Hour))
		},
		"because its future was cancelled": func(ctx *octx, a *orchestration.Future[string]) (string, error) {
			_, err := goOn.Wait(ctx).Await()
			a.Cancel()
			if _, gaveUp := a.Await(); !errors.Is(gaveUp, orchestration.ErrCancelled) {
				return "", errors.New("a cancelled future has a result")
			}
			return "", errors.Join(err, ctx.Sleep(time.Hour))
		},
		"because the orchestration completed": func(ctx *octx, _ *orchestration.Future[string]) (string, error) {
			return goOn.Wait(ctx).Await()
		},
		"because the orchestration failed": func(ctx *octx, _ *orchestration.Future[string]) (string, error) {
			_, err := goOn.Wait(ctx).Await()
			return "", errors.Join(err, errors.New("broken"))
		},
		"because the branch that called it was cancelled": func(ctx *octx, a *orchestration.Future[string]) (string, error) {
			a.Cancel() // before it was committed: it must never run
			branch := orchestration.Go(ctx, func(ctx *octx) (string, error) { return slow.Call(ctx, none{}).Await() })
			_, err := goOn.Wait(ctx).Await()
			branch.Cancel()
			if _, gaveUp := branch.Await(); !errors.Is(gaveUp, orchestration.ErrCancelled) {
				return "", errors.New("a cancelled branch has a result")
			}
			return "", errors.Join(err, ctx.Sleep(time.Hour))
		},
		"because a sibling in All failed": func(ctx *octx, a *orchestration.Future[string]) (string, error) {
			_, err := orchestration.All(a, child.Call(ctx, none{}, orchestration.ChildOptions{ID: "child"})).Await()
			if err == nil || !strings.Contains(err.Error(), "child broke") {
				return "", err
			}
			return "", ctx.Sleep(time.Hour)
		},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, w *world) {
				parent := orchestration.Declare[none, string]("parent")
				began, ended := make(chan struct{}, 10), make(chan error, 10)
				w.run(
					parent.Func(func(ctx *octx, _ none) (string, error) { return f(ctx, slow.Call(ctx, none{})) }),
					child.Func(func(ctx *octx, in none) (string, error) {
						_, err := waits(ctx, in)
						return "", errors.Join(err, errors.New("child broke"))
					}),
					slow.Func(func(ctx context.Context, _ none) (string, error) {
						began <- struct{}{}
						<-ctx.Done()
						ended <- context.Cause(ctx)
						return "", ctx.Err()
					}),
				)
				h := begun(w, parent, none{}, start{ID: "p"})
				signal(w, began)
				raise(w, goOn, "p", "")
				if strings.Contains(name, "sibling") {
					raise(w, goOn, "child", "")
				}
				if strings.Contains(name, "instance was") {
					w.cancel("p", "")
				}
				if cause := signal(w, ended); !errors.Is(cause, activity.ErrCancelled) {
					t.Errorf("the cause is %v", cause)
				}
				w.cancel("p", "") // no error if it has ended
				_, _ = h.Wait(w.ctx)
				w.halt()
				if len(began) != 0 {
					t.Error("another activity ran")
				}
			})
		})
	}
}

func TestAChildThatNobodyWantsIsCancelled(t *testing.T) {
	for name, f := range map[string]func(ctx *octx, c *orchestration.Future[string]) error{
		"because it lost a race": func(ctx *octx, c *orchestration.Future[string]) error {
			won, err := orchestration.Race(goOn.Wait(ctx), c).Await()
			if won == c {
				return errors.New("the child won")
			}
			return err
		},
		"because its future was cancelled": func(ctx *octx, c *orchestration.Future[string]) error {
			_, err := goOn.Wait(ctx).Await()
			c.Cancel()
			return err
		},
		"because its parent ended": func(ctx *octx, c *orchestration.Future[string]) error {
			_, err := goOn.Wait(ctx).Await()
			return err
		},
		"because its parent's future was cancelled and then its parent": func(ctx *octx, c *orchestration.Future[string]) error {
			_, err := goOn.Wait(ctx).Await()
			c.Cancel()
			return errors.Join(err, ctx.Sleep(time.Hour))
		},
	} {
		for _, id := range []history.InstanceID{"", "chosen"} {
			t.Run(name+", id "+string(id), func(t *testing.T) {
				everywhere(t, func(t *testing.T, w *world) {
					parent := orchestration.Declare[none, string]("parent")
					w.run(waiter.Func(func(ctx *octx, in none) (string, error) {
						return orchestration.DeclareEvent[string]("never").Wait(ctx).Await()
					}), parent.Func(func(ctx *octx, in none) (string, error) {
						c := waiter.Call(ctx, in, orchestration.ChildOptions{ID: id})
						return "done", f(ctx, c)
					}))
					h := begun(w, parent, none{}, start{ID: "p"})
					child := id
					w.until("the child runs", func() bool {
						all, err := w.store.List(w.ctx, provider.Query{Name: "waiter", Statuses: []history.Status{history.StatusRunning}})
						if err == nil && len(all) == 1 {
							child = all[0].ID
						}
						return child != "" && len(all) == 1
					})
					raise(w, goOn, "p", "")
					if strings.Contains(name, "and then") {
						w.reaches("p", history.KindChildCancelled, 1)
						w.cancel("p", "")
						_ = fails(w, h)
					} else {
						gives(w, h, "done")
					}
					if i := w.ended(child); i.Status != history.StatusCancelled {
						t.Errorf("the child is %s", i.Status)
					}
				})
			})
		}
	}
}

func TestCleanupRunsInAShield(t *testing.T) {
	undo := activity.Declare[string, none]("undo")
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		undone := make(chan string, 100)
		w.run(undo.Func(func(_ context.Context, what string) (none, error) {
			undone <- what
			return none{}, nil
		}), f.Func(func(ctx *octx, _ none) (_ string, err error) {
			defer func() {
				err = errors.Join(err, ctx.Shield(func(ctx *octx) error {
					if ctx.Cancelled() {
						return errors.New("cancellation reached the shield")
					}
					if err := ctx.Sleep(time.Millisecond); err != nil {
						return err
					}
					_, err := undo.Call(ctx, "it").Await()
					return err
				}))
			}()
			_, err = goOn.Wait(ctx).Await()
			if !ctx.Cancelled() || ctx.Info().CancelReason != "enough" {
				return "", errors.New("it does not know that it was cancelled")
			}
			if _, err := undo.Call(ctx, "outside").Await(); !errors.Is(err, orchestration.ErrCancelled) {
				return "", errors.New("an activity ran in a cancelled scope")
			}
			return "", err
		}))
		h := begun(w, f, none{}, start{ID: "f"})
		w.until("the request is stored", func() bool { return w.client.Cancel(w.ctx, "f", "enough") == nil })
		if err := fails(w, h); !errors.Is(err, orchestration.ErrCancelled) {
			t.Errorf("the error is %v", err)
		}
		if what := signal(w, undone); what != "it" {
			t.Errorf("%q was undone", what)
		}
	})
}

func TestAnOrchestrationMayDeclineToBeCancelled(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			if _, err := goOn.Wait(ctx).Await(); errors.Is(err, orchestration.ErrCancelled) {
				return "done all the same", nil
			}
			return "not cancelled", nil
		}))
		h := begun(w, f, none{}, start{ID: "f"})
		w.cancel("f", "")
		gives(w, h, "done all the same")
		if i := w.instance("f"); i.Status != history.StatusCompleted {
			t.Errorf("it is %s", i.Status)
		}
	})
}

func TestWaitsInACancelledScopeAllReturn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, int]("f")
		w.run(waiter.Func(waits), greet.Func(greeting), f.Func(func(ctx *octx, in none) (int, error) {
			_ = ctx.Sleep(time.Hour)
			calls := []func() error{
				func() error { return ctx.Sleep(0) },
				func() error { _, err := ctx.Timer(0).Await(); return err },
				func() error { _, err := goOn.Wait(ctx).Await(); return err },
				func() error { _, err := greet.Call(ctx, "x").Await(); return err },
				func() error { _, err := greet.Call(ctx, "x", activity.Options{Local: true}).Await(); return err },
				func() error { _, err := waiter.Call(ctx, in).Await(); return err },
				func() error { _, err := orchestration.First(ctx.Timer(0)); return err },
				func() error { _, err := orchestration.Race(ctx.Timer(0), goOn.Wait(ctx)).Await(); return err },
				func() error { _, err := orchestration.All(goOn.Wait(ctx)).Await(); return err },
			}
			n := 0
			for _, call := range calls {
				if errors.Is(call(), orchestration.ErrCancelled) {
					n++
				}
			}
			return n - len(calls), nil
		}))
		h := begun(w, f, none{}, start{ID: "f"})
		w.cancel("f", "")
		gives(w, h, 0)
	})
}
