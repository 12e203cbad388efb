package scenarios

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

var app = orchestration.Declare[int, string]("app")

// version is a version of app that says which it is, after an event.
func version(v string) orchestration.Implementation {
	return app.Version(v, func(ctx *octx, _ int) (string, error) {
		if _, err := goOn.Wait(ctx).Await(); err != nil {
			return "", err
		}
		if got := ctx.Info().Version; got != v {
			return "", fmt.Errorf("%s is told it is %s", v, got)
		}
		return v, nil
	})
}

func TestTheNewestVersionRunsUnlessAnotherIsNamed(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		parent := orchestration.Declare[string, string]("parent")
		w.run(version("1.0.0"), version("10.0.0"), version("2.0.0"), version("10.0.0-beta"), parent.Func(func(ctx *octx, v string) (string, error) {
			return app.Call(ctx, 0, orchestration.ChildOptions{Version: v, ID: ctx.Info().ID + "-child"}).Await()
		}))
		for named, want := range map[string]string{"": "10.0.0", "2.0.0": "2.0.0", "1.0.0": "1.0.0", "10.0.0-beta": "10.0.0-beta"} {
			id := history.InstanceID("i" + named)
			h := begun(w, app, 0, start{ID: id, Version: named})
			p := begun(w, parent, named, start{ID: "p" + id})
			raise(w, goOn, id, "")
			raise(w, goOn, "p"+id+"-child", "")
			gives(w, h, want)
			gives(w, p, want)
			if got := w.instance(id).Version; got != want {
				t.Errorf("the row says %s", got)
			}
		}
	})
}

func TestAnInstanceKeepsItsVersionThroughADeploy(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.run(version("1.0.0"))
		old := begun(w, app, 0, start{ID: "old"})
		w.reaches("old", history.KindEventAwaited, 1)
		w.run(version("1.0.0"), version("2.0.0"))
		young := begun(w, app, 0, start{ID: "young"})
		raise(w, goOn, "old", "")
		raise(w, goOn, "young", "")
		gives(w, old, "1.0.0")
		gives(w, young, "2.0.0")
	})
}

func TestContinueAsNewTakesTheNewestVersion(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		v1 := app.Version("1.0.0", func(ctx *octx, n int) (string, error) {
			if _, err := goOn.Wait(ctx).Await(); err != nil {
				return "", err
			}
			return app.ContinueAsNew(ctx, n+1)
		})
		w.run(v1)
		h := begun(w, app, 1, start{ID: "a"})
		w.reaches("a", history.KindEventAwaited, 1)
		w.run(v1, app.Version("2.0.0", func(ctx *octx, n int) (string, error) {
			return fmt.Sprint(ctx.Info().Version, " with ", n), nil
		}))
		raise(w, goOn, "a", "")
		gives(w, h, "2.0.0 with 2")
	})
}

func TestBadRegistrationsAreAllReportedBeforeTheStoreIsTouched(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		bad := activity.Declare[chan int, none]("bad input")
		unnamed := activity.Declare[none, none]("")
		reserved := orchestration.Declare[none, none]("duroxide:mine")
		body := func(*octx, none) (n none, err error) { return n, err }
		err := core.NewWorker(w.store, core.WorkerConfig{}).Register(
			version("1.0.0"), version("1.0.0"), version("one"),
			bad.Func(func(context.Context, chan int) (n none, err error) { return n, err }),
			unnamed.Func(func(context.Context, none) (n none, err error) { return n, err }),
			work.Func(nil), reserved.Func(body),
		).Run(w.ctx)
		if err == nil || w.host != nil {
			t.Fatal("the worker ran")
		}
		for _, text := range []string{"1.0.0 is registered twice", `"one" is not semantic`, "bad input", "name is empty", `"work": its function is nil`, "reserved"} {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%v does not say %q", err, text)
			}
		}
	})
}

func TestWhatNoWorkerHasParksAndResumesAfterADeploy(t *testing.T) {
	for _, kind := range []string{"orchestration", "version", "activity", "inline activity", "continued"} {
		t.Run(kind, func(t *testing.T) {
			everywhere(t, func(t *testing.T, w *world) {
				w.run(hello5.Func(hello), greet.Func(greeting), version("1.0.0"), one.Func(func(ctx *octx, in none) (string, error) {
					return work.Call(ctx, in, activity.Options{Local: kind == "inline activity"}).Await()
				}))
				ready := work.Func(func(context.Context, none) (string, error) { return "ran", nil })
				switch kind {
				case "orchestration":
					h := begun(w, waiter, none{}, start{ID: "x"})
					raise(w, goOn, "x", "ran")
					w.parked("x", "orchestration waiter is not registered with this worker: deploy a worker that has it")
					w.run(waiter.Func(waits))
					gives(w, h, "ran")
				case "version":
					h := begun(w, app, 0, start{ID: "x", Version: "3.0.0"})
					raise(w, goOn, "x", "")
					w.parked("x", "app 3.0.0 is not registered")
					w.run(version("3.0.0"))
					gives(w, h, "3.0.0")
				case "activity":
					h := begun(w, one, none{}, start{ID: "x"})
					w.reaches("x", history.KindActivityScheduled, 1)
					w.run(calls(), ready)
					gives(w, h, "ran")
				case "inline activity":
					h := begun(w, one, none{}, start{ID: "x"})
					w.parked("x", "work")
					w.run(calls(activity.Options{Local: true}), ready)
					gives(w, h, "ran")
				case "continued":
					other := orchestration.Declare[none, string]("hello5") // another worker's
					h := begun(w, other, none{}, start{ID: "x", Version: "2.0.0"})
					w.parked("x", "hello5 2.0.0")
					w.run(other.Version("2.0.0", func(*octx, none) (string, error) { return "ran", nil }))
					gives(w, h, "ran")
				}
				if p := w.instance("x").Parked; p != nil {
					t.Errorf("it is still parked: %+v", p)
				}
				// Meanwhile and after, others run.
				w.run(hello5.Func(hello), greet.Func(greeting))
				gives(w, begun(w, hello5, "x", start{}), "hi x0;hi x1;hi x2;hi x3;hi x4;")
			})
		})
	}
}

func TestNonDeterminismParksWithAnErrorThatTeachesAndHeals(t *testing.T) {
	good := func(ctx *octx, _ int) (string, error) {
		a, err := work.Call(ctx, none{}).Await()
		if err != nil {
			return "", err
		}
		_, err = goOn.Wait(ctx).Await()
		return a, err
	}
	for name, c := range map[string]struct {
		says string
		code func(ctx *octx, _ int) (string, error)
	}{
		"another activity": {`history says activity "work" scheduled, but the code decided activity "greet" scheduled`, func(ctx *octx, _ int) (string, error) {
			return greet.Call(ctx, "x").Await()
		}},
		"a timer instead": {`history says activity "work" scheduled, but the code decided a timer created`, func(ctx *octx, _ int) (string, error) {
			return "", ctx.Sleep(time.Hour)
		}},
		"it returned before": {`history says activity "work" scheduled`, func(*octx, int) (string, error) { return "", nil }},
		"another tag": {`tag was , is gpu`, func(ctx *octx, _ int) (string, error) {
			return work.Call(ctx, none{}, activity.Options{Tag: "gpu"}).Await()
		}},
		"more before": {"before it", func(ctx *octx, _ int) (string, error) {
			a := work.Call(ctx, none{})
			ctx.Timer(time.Hour)
			return a.Await()
		}},
		"another event": {`history says event "go on" awaited, but the code decided event "other" awaited`, func(ctx *octx, _ int) (string, error) {
			if _, err := work.Call(ctx, none{}).Await(); err != nil {
				return "", err
			}
			return orchestration.DeclareEvent[string]("other").Wait(ctx).Await()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, w *world) {
				done := work.Func(func(context.Context, none) (string, error) { return "ran", nil })
				w.run(app.Func(good), done)
				h := begun(w, app, 0, start{ID: "a"})
				w.reaches("a", history.KindEventAwaited, 1)
				before := len(w.events("a", 1))
				w.run(app.Func(c.code), done, greet.Func(greeting), hello5.Func(hello))
				raise(w, goOn, "a", "")
				w.parked("a", c.says)
				if reason := w.instance("a").Parked.Reason; !strings.Contains(reason, "restore the old behaviour") || !strings.Contains(reason, "versions_test.go:") && name != "it returned before" {
					t.Errorf("the reason does not teach: %s", reason)
				}
				if n := len(w.events("a", 1)); n != before {
					t.Errorf("the wrong code left %d events", n-before)
				}
				gives(w, begun(w, hello5, "x", start{}), "hi x0;hi x1;hi x2;hi x3;hi x4;") // others run
				w.run(app.Func(good), done)
				gives(w, h, "ran")
			})
		})
	}
}

func TestAnInputThatChangedIsNoNonDeterminism(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		greets := func(name string, d time.Duration) orchestration.Implementation {
			return app.Func(func(ctx *octx, _ int) (string, error) {
				g, err := greet.Call(ctx, name).Await()
				if err != nil {
					return "", err
				}
				if err := ctx.Sleep(d); err != nil {
					return "", err
				}
				_, err = goOn.Wait(ctx).Await()
				return g, err
			})
		}
		w.run(greets("old", 1), greet.Func(greeting))
		h := begun(w, app, 0, start{ID: "a"})
		w.reaches("a", history.KindEventAwaited, 1)
		w.run(greets("new", 2), greet.Func(greeting))
		raise(w, goOn, "a", "")
		gives(w, h, "hi old;") // what was recorded stays in force
	})
}
