package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// limited says whether an error names a limit.
func limited(err error) bool {
	_, ok := errors.AsType[*history.LimitError](err)
	return ok
}

func TestCallsThatExceedALimitFailWhereTheyAreMadeAndTheInstanceGoesOn(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		big := strings.Repeat("x", history.MaxPayloadBytes)
		name := strings.Repeat("n", history.MaxNameLength+1)
		tags := map[string]string{}
		for i := range history.MaxTags + 1 {
			tags[fmt.Sprint(i)] = ""
		}
		takesAny := activity.Declare[string, none]("takes any")
		takes := orchestration.Declare[string, none]("child")
		f := orchestration.Declare[none, string]("f")
		w.run(takesAny.Func(func(context.Context, string) (n none, err error) { return n, err }),
			f.Func(func(ctx *octx, in none) (string, error) {
				state := orchestration.DeclareState[string]("state")
				tooMany := func() (err error) {
					for i := range history.MaxStateKeys + 1 {
						err = errors.Join(err, orchestration.DeclareState[int](fmt.Sprint("key", i)).Set(ctx, i))
					}
					return err
				}
				child := func(o orchestration.ChildOptions) func() error {
					return func() error { _, err := takes.Call(ctx, "", o).Await(); return err }
				}
				detached := func(o orchestration.DetachOptions) func() error {
					return func() error { _, err := takes.Detach(ctx, "", o); return err }
				}
				tooLong := history.InstanceID(strings.Repeat("i", history.MaxInstanceIDLength+1))
				for what, try := range map[string]func() error{
					"an input":                 func() error { _, err := takesAny.Call(ctx, big).Await(); return err },
					"a child's input":          func() error { _, err := takes.Call(ctx, big).Await(); return err },
					"detached input":           func() error { _, err := takes.Detach(ctx, big); return err },
					"a status":                 func() error { return ctx.SetStatus(big[:history.MaxStatusBytes]) },
					"a state value":            func() error { return state.Set(ctx, big[:history.MaxStateValueBytes]) },
					"keys of state":            tooMany,
					"an event":                 func() error { return goOn.Send(ctx, "other", big) },
					"an activity name":         func() error { _, err := activity.Declare[none, none](name).Call(ctx, in).Await(); return err },
					"a child's name":           func() error { _, err := orchestration.Declare[none, none](name).Call(ctx, in).Await(); return err },
					"an event name":            func() error { _, err := orchestration.DeclareEvent[none](name).Wait(ctx).Await(); return err },
					"a tag":                    func() error { _, err := work.Call(ctx, in, activity.Options{Tag: name}).Await(); return err },
					"a state key":              func() error { return orchestration.DeclareState[int](name).Set(ctx, 1) },
					"a child's id":             child(orchestration.ChildOptions{ID: tooLong}),
					"a child's version":        child(orchestration.ChildOptions{Version: name}),
					"a child's tags":           child(orchestration.ChildOptions{Tags: tags}),
					"a child's tag":            child(orchestration.ChildOptions{Tags: map[string]string{name: ""}}),
					"a child's value of a tag": child(orchestration.ChildOptions{Tags: map[string]string{"a": name}}),
					"a detached id":            detached(orchestration.DetachOptions{ID: tooLong}),
					"a detached version":       detached(orchestration.DetachOptions{Version: name}),
					"detached tags":            detached(orchestration.DetachOptions{Tags: tags}),
					"a detached delay":         detached(orchestration.DetachOptions{At: ctx.Now().Add(history.MaxTimerDelay + 48*time.Hour)}),
					"a receiver's id":          func() error { return goOn.Send(ctx, tooLong, "") },
				} {
					if err := try(); !limited(err) {
						return "", fmt.Errorf("%s beyond its limit gave: %w", what, err)
					}
				}
				return "still here", nil
			}))
		gives(w, begun(w, f, none{}, start{ID: "f"}), "still here")
	})
}

func TestClientsAreToldOfALimitBeforeAnythingIsStored(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		big := strings.Repeat("x", history.MaxPayloadBytes)
		f := orchestration.Declare[string, string]("f")
		tags := map[string]string{}
		for i := range history.MaxTags + 1 {
			tags[fmt.Sprint(i)] = ""
		}
		startWith := func(in string, o start) error { _, err := f.Start(w.ctx, w.client, in, o); return err }
		for what, err := range map[string]error{
			"input":    startWith(big, start{}),
			"id":       startWith("", start{ID: history.InstanceID(big[:history.MaxInstanceIDLength+1])}),
			"tags":     startWith("", start{Tags: tags}),
			"event":    goOn.Raise(w.ctx, w.client, "nobody", big),
			"reason":   w.client.Cancel(w.ctx, "nobody", big),
			"the name": orchestration.DeclareEvent[none](big[:history.MaxNameLength+1]).Raise(w.ctx, w.client, "nobody", none{}),
		} {
			if !limited(err) {
				t.Errorf("%s beyond its limit gave %v", what, err)
			}
		}
		for _, id := range []history.InstanceID{"a::b", "line\nbreak", "\xff"} {
			if err := startWith("", start{ID: id}); err == nil {
				t.Errorf("the id %q was accepted", id)
			}
		}
		for _, name := range []string{"", "line\nbreak", "\xff"} {
			if err := w.client.Raise(w.ctx, "nobody", name, false, none{}); err == nil {
				t.Errorf("the event name %q was accepted", name)
			}
		}
		if err := w.client.Raise(w.ctx, "\xff", "event", false, none{}); err == nil {
			t.Error("an instance id that is no text was accepted")
		}
		if all := children(w, "f"); len(all) != 0 {
			t.Errorf("%d instances were stored", len(all))
		}
	})
}

// TestAnEventThatHistoryCannotHoldHasNoEffect: a program without our client sent it.
func TestAnEventThatHistoryCannotHoldHasNoEffect(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		code := f.Func(func(ctx *octx, _ none) (string, error) { return goOn.Wait(ctx).Await() })
		w.run(code)
		h := begun(w, f, none{}, start{ID: "f"})
		w.reaches("f", history.KindEventAwaited, 1)
		for i, name := range []string{"", "line\nbreak"} {
			m := provider.Message{ID: fmt.Sprint("foreign ", i), To: "f", Data: &history.EventRaised{Name: name}}
			if err := w.store.Send(w.ctx, m); err != nil {
				t.Fatal(err)
			}
		}
		w.halt()
		w.run(code) // which replays
		raise(w, goOn, "f", "done")
		gives(w, h, "done")
	})
}

func TestAnOutputBeyondTheLimitFailsWithTheLimit(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		big := strings.Repeat("x", history.MaxPayloadBytes)
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, in none) (string, error) {
			_, err := work.Call(ctx, in, activity.Retry{MaxAttempts: 3, First: 1}).Await()
			e, ok := errors.AsType[*activity.Error](err)
			if !ok || !strings.Contains(e.Message, "more than the limit") || !strings.Contains(e.Message, `output of activity "work"`) {
				return "", fmt.Errorf("the activity gave %w", err)
			}
			return big, nil
		}), work.Func(func(context.Context, none) (string, error) { return big, nil }))
		failsWith(w, begun(w, f, none{}, start{ID: "f"}), `output of orchestration "f"`)
		if f := w.instance("f").Failure; f.Kind != history.FailureLimit {
			t.Errorf("the failure is of kind %s", f.Kind)
		}
	})
}

func TestTooManyOpenTasksFailTheInstanceAndLoseNothingElse(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		w.run(waiter.Func(waits), hello5.Func(hello), greet.Func(greeting), f.Func(func(ctx *octx, in none) (string, error) {
			waiter.Call(ctx, in, orchestration.ChildOptions{ID: "c"})
			if err := ctx.Sleep(0); err != nil {
				return "", err
			}
			for range history.MaxOpenTasks {
				ctx.Timer(time.Hour)
			}
			return "", nil
		}))
		failsWith(w, begun(w, f, none{}, start{ID: "f"}), "open at once")
		if f := w.instance("f").Failure; f.Kind != history.FailureLimit || !strings.Contains(f.Message, "batches") {
			t.Errorf("the failure is %+v", f)
		}
		if i := w.ended("c"); i.Status != history.StatusCancelled {
			t.Errorf("the child is %s", i.Status)
		}
		gives(w, begun(w, hello5, "x", start{}), "hi x0;hi x1;hi x2;hi x3;hi x4;")
	})
}

func TestCarryingTooMuchOverFailsWithTheLimit(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, string]("f")
		big := strings.Repeat("x", history.MaxCarriedBytes/4)
		w.run(f.Func(func(ctx *octx, n int) (string, error) {
			if n > 0 {
				return "continued", nil
			}
			if _, err := goOn.Wait(ctx).Await(); err != nil {
				return "", err
			}
			return f.ContinueAsNew(ctx, 1)
		}))
		h := begun(w, f, 0, start{ID: "f"})
		for range 5 {
			raise(w, left, "f", big)
		}
		raise(w, goOn, "f", "")
		failsWith(w, h, "what continue-as-new would carry over")
	})
}

func TestASideEffectBeyondTheLimitFailsAndIsNotStored(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, none]("f")
		w.run(f.Func(func(ctx *octx, in none) (none, error) {
			orchestration.SideEffect(ctx, func() string { return strings.Repeat("x", history.MaxPayloadBytes) })
			return in, nil
		}))
		failsWith(w, begun(w, f, none{}, start{}), "value of a side effect")
	})
}
