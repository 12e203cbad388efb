package scenarios

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// declined is an error with a value; errSoldOut one that is registered.
type declined struct{ Code string }

func (d *declined) Error() string { return "declined: " + d.Code }

var errSoldOut = errors.New("sold out")

func TestErrorsKeepTheirTypesThroughActivitiesAndChildrenToTheClient(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		top := orchestration.Declare[none, string]("top")
		middle := orchestration.Declare[none, string]("middle")
		pay := activity.Declare[none, string]("pay")
		check := func(err error) error {
			d, ok := errors.AsType[*declined](err)
			if !ok || d.Code != "limit" || !errors.Is(err, errSoldOut) || errors.Is(err, orchestration.ErrCancelled) {
				return fmt.Errorf("lost the error: %w", err)
			}
			return nil
		}
		w.run(
			top.Func(func(ctx *octx, in none) (string, error) {
				_, err := middle.Call(ctx, in).Await()
				if e, ok := errors.AsType[*orchestration.Error](err); !ok || e.Orchestration != "middle" {
					return "", errors.New("the error does not name the child")
				}
				return "", errors.Join(fmt.Errorf("top: %w", err), check(err))
			}),
			middle.Func(func(ctx *octx, in none) (string, error) {
				_, err := pay.Call(ctx, in).Await()
				if e, ok := errors.AsType[*activity.Error](err); !ok || e.Activity != "pay" || e.Attempt != 1 {
					return "", errors.New("the error does not name the activity")
				}
				if err2 := check(err); err2 != nil {
					return "", err2
				}
				return "", fmt.Errorf("middle: %w", err)
			}),
			pay.Func(func(context.Context, none) (string, error) {
				return "", errors.Join(&declined{Code: "limit"}, fmt.Errorf("shop: %w", errSoldOut))
			}),
		)
		err := fails(w, begun(w, top, none{}, start{ID: "t"}))
		if lost := check(err); lost != nil {
			t.Error(lost)
		}
		for _, text := range []string{"top", "middle", "pay", "declined: limit", "sold out"} {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%q does not say %q", err, text)
			}
		}
		if i := w.instance("t"); i.Status != history.StatusFailed || i.Failure == nil {
			t.Errorf("the row says %+v", i)
		}
	})
}

func TestAFailureThatTheOrchestrationHandlesIsNoFailure(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		pay := activity.Declare[none, string]("pay")
		w.run(f.Func(func(ctx *octx, in none) (string, error) {
			_, err := pay.Call(ctx, in).Await()
			if d, ok := errors.AsType[*declined](err); ok {
				return "declined with " + d.Code, nil
			}
			return "paid", err
		}), pay.Func(func(context.Context, none) (string, error) { return "", &declined{Code: "c1"} }))
		gives(w, begun(w, f, none{}, start{ID: "f"}), "declined with c1")
	})
}

func TestAPanicFailsTheInstanceAndNothingElse(t *testing.T) {
	for name, f := range map[string]func(ctx *octx) (string, error){
		"at once":        func(*octx) (string, error) { panic("boom") },
		"after an await": func(ctx *octx) (string, error) { _ = ctx.Sleep(1); panic(errors.New("boom")) },
		"in a branch": func(ctx *octx) (string, error) {
			return orchestration.Go(ctx, func(*octx) (string, error) { panic("boom") }).Await()
		},
		"in a shield": func(ctx *octx) (string, error) {
			return "", ctx.Shield(func(*octx) error { panic("boom") })
		},
		"in a side effect": func(ctx *octx) (string, error) {
			return orchestration.SideEffect(ctx, func() string { panic("boom") }), nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			everywhere(t, func(t *testing.T, w *world) {
				o := orchestration.Declare[none, string]("o")
				parent := orchestration.Declare[none, string]("parent")
				w.run(hello5.Func(hello), greet.Func(greeting),
					o.Func(func(ctx *octx, _ none) (string, error) { return f(ctx) }),
					parent.Func(func(ctx *octx, in none) (string, error) { return o.Call(ctx, in).Await() }))
				h := begun(w, o, none{}, start{ID: "o"})
				p := begun(w, parent, none{}, start{ID: "p"})
				if err := fails(w, h); !errors.Is(err, orchestration.ErrPanicked) || !strings.Contains(err.Error(), "boom") {
					t.Errorf("the error is %v", err)
				}
				if err := fails(w, p); errors.Is(err, orchestration.ErrPanicked) || !strings.Contains(err.Error(), "boom") {
					t.Errorf("the error of the parent, which did not panic, is %v", err)
				}
				if f := w.instance("o").Failure; f.Kind != history.FailurePanic || !strings.Contains(f.Stack, "errors_test.go") {
					t.Errorf("the failure does not say where: %+v", f)
				}
				gives(w, begun(w, hello5, "x", start{}), "hi x0;hi x1;hi x2;hi x3;hi x4;")
			})
		})
	}
}

func TestValuesThatDoNotDecodeAreErrorsThatNameThem(t *testing.T) {
	type numbers struct{ A, B int }
	everywhere(t, func(t *testing.T, w *world) {
		text := orchestration.Declare[string, string]("number")
		number := orchestration.Declare[numbers, numbers]("number")
		asText := activity.Declare[none, string]("text")
		asNumber := activity.Declare[none, int]("text")
		wrongInput := activity.Declare[string, none]("takes a number")
		takes := activity.Declare[int, none]("takes a number")
		n := orchestration.DeclareEvent[int]("go on")
		f := orchestration.Declare[none, string]("f")
		w.run(
			number.Func(func(_ *octx, n numbers) (numbers, error) { return n, nil }),
			asText.Func(func(context.Context, none) (string, error) { return "text", nil }),
			takes.Func(func(context.Context, int) (none, error) { return none{}, nil }),
			f.Func(func(ctx *octx, in none) (string, error) {
				_, err1 := asNumber.Call(ctx, in).Await()
				_, err2 := wrongInput.Call(ctx, "x", activity.Retry{MaxAttempts: 5}).Await()
				_, err3 := n.Wait(ctx).Await()
				_, err4 := text.Call(ctx, "x").Await()
				for i, err := range []error{err1, err2, err3, err4} {
					if err == nil {
						return "", fmt.Errorf("value %d was decoded", i+1)
					}
				}
				return errors.Join(err1, err2, err3, err4).Error(), nil
			}),
		)
		failsWith(w, begun(w, text, "no number", start{}), `input of orchestration "number"`)
		h := begun(w, f, none{}, start{ID: "f"})
		raise(w, goOn, "f", "text")
		got, err := h.Wait(w.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{`output of activity "text"`, `input of activity "takes a number"`, `event "go on"`, `input of orchestration "number"`} {
			if !strings.Contains(got, want) {
				t.Errorf("%s does not say %q", got, want)
			}
		}
		if n := w.count("f", 1, history.KindActivityAttemptFailed); n != 0 {
			t.Error("an input that does not decode was tried again")
		}
	})
}

func TestDynamicCallsTakeAnythingAndGiveJSON(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		double := activity.Declare[int, int]("double")
		anything := activity.Declare[any, history.Payload]("double")
		w.run(double.Func(func(_ context.Context, n int) (int, error) { return 2 * n, nil }),
			f.Func(func(ctx *octx, _ none) (string, error) {
				raw, err := anything.Call(ctx, 21).Await()
				return string(raw), err
			}))
		gives(w, begun(w, f, none{}, start{}), "42")
	})
}

func TestASagaUndoesWhatItDidInReverse(t *testing.T) {
	saga := orchestration.Declare[[]string, string]("saga")
	do := activity.Declare[string, none]("do")
	undo := activity.Declare[string, none]("undo")
	for _, c := range []struct {
		steps, log, err string
	}{
		{"flight hotel car", "+flight +hotel +car", ""},
		{"flight hotel broken", "+flight +hotel -hotel -flight", "broken"},
		{"broken", "", "broken"},
	} {
		t.Run(c.steps, func(t *testing.T) {
			everywhere(t, func(t *testing.T, w *world) {
				var log []string // activities of one instance, one after another
				w.run(
					saga.Func(func(ctx *octx, steps []string) (_ string, err error) {
						var done []string
						defer func() {
							if err != nil {
								err = errors.Join(err, ctx.Shield(func(ctx *octx) (err error) {
									for i := len(done) - 1; i >= 0 && err == nil; i-- {
										_, err = undo.Call(ctx, done[i]).Await()
									}
									return err
								}))
							}
						}()
						for _, step := range steps {
							if _, err := do.Call(ctx, step).Await(); err != nil {
								return "", err
							}
							done = append(done, step)
						}
						return "booked", nil
					}),
					do.Func(func(_ context.Context, step string) (none, error) {
						if step == "broken" {
							return none{}, errors.New("broken")
						}
						log = append(log, "+"+step)
						return none{}, nil
					}),
					undo.Func(func(_ context.Context, step string) (none, error) {
						log = append(log, "-"+step)
						return none{}, nil
					}),
				)
				h := begun(w, saga, strings.Fields(c.steps), start{})
				if c.err == "" {
					gives(w, h, "booked")
				} else {
					failsWith(w, h, c.err)
				}
				w.halt()
				if got := strings.Join(log, " "); got != c.log {
					t.Errorf("it did %q, want %q", got, c.log)
				}
			})
		})
	}
}
