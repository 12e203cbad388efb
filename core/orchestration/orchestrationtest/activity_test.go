package orchestrationtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
)

func callEcho(ctx *orchestration.Context, in string) (string, error) {
	return Echo.Call(ctx, in, activity.Retry{MaxAttempts: 3}).Await()
}

func TestTheFakeTakesThePlaceOfTheRealOne(t *testing.T) {
	e := story(t, callEcho)
	e.Register(Echo.Func(func(context.Context, string) (string, error) { return "fake", nil }))
	got, err := orchestrationtest.Run(e, Story, "real")
	must(t, got, err, "fake")
}

func TestALostWorkerRunsTheAttemptAgainUnderItsKey(t *testing.T) {
	e := story(t, callEcho)
	var seen []string
	e.Register(Echo.Func(func(ctx context.Context, in string) (string, error) {
		i := activity.Info(ctx)
		var progress int
		if _, err := activity.Progress(ctx, &progress); err != nil {
			return "", err
		}
		seen = append(seen, fmt.Sprintf("%s attempt %d delivery %d progress %d", i.IdempotencyKey, i.Attempt, i.Delivery, progress))
		return in, activity.Heartbeat(ctx, progress+1)
	}))
	e.Lose(Echo, 2).Delay(Echo, time.Minute)
	got, err := orchestrationtest.Run(e, Story, "x", orchestration.StartOptions{ID: "i"})
	must(t, got, err, "x")
	want := []string{
		"test/i/1/2 attempt 1 delivery 1 progress 0",
		"test/i/1/2 attempt 1 delivery 2 progress 1",
		"test/i/1/2 attempt 1 delivery 3 progress 2",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("it ran as\n%s\nwant\n%s", strings.Join(seen, "\n"), strings.Join(want, "\n"))
	}
	if e.Elapsed() != 3*time.Minute {
		t.Errorf("%v have passed", e.Elapsed())
	}
}

func TestAPanicOfAnActivityIsItsFailure(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, in string) (string, error) {
		_, err := Echo.Call(ctx, in).Await()
		return fmt.Sprint(errors.Is(err, activity.ErrPanicked), " ", err), nil
	})
	e.Register(Echo.Func(func(context.Context, string) (string, error) { panic("out of paper") }))
	got, err := orchestrationtest.Run(e, Story, "")
	must(t, got, err, "true activity echo: out of paper")
}

func TestNonRetryableErrorsAreNotRetried(t *testing.T) {
	e := story(t, callEcho)
	e.Fail(Echo, 1, activity.NonRetryable(errors.New("no such account")))
	_, err := orchestrationtest.Run(e, Story, "")
	if o, ok := errors.AsType[*orchestration.Error](err); !ok || !strings.Contains(o.Error(), "no such account") {
		t.Errorf("the error is %v", err)
	}
	if calls := orchestrationtest.Scheduled(e, Echo); len(calls) != 1 || calls[0].Attempts != 1 || calls[0].Outcome != orchestrationtest.Failed {
		t.Errorf("the calls are %+v", calls)
	}
}

func TestInlineActivitiesAndSideEffectsRunOnce(t *testing.T) {
	ran, drawn := 0, 0
	e := story(t, func(ctx *orchestration.Context, in string) (string, error) {
		n := orchestration.SideEffect(ctx, func() int { drawn++; return drawn })
		out, err := Echo.Call(ctx, in, activity.Options{Local: true}, activity.Retry{MaxAttempts: 3}).Await()
		if err != nil {
			return "", err
		}
		err = ctx.Sleep(time.Hour)
		return fmt.Sprint(n, out), err
	})
	e.Register(Echo.Func(func(ctx context.Context, s string) (string, error) {
		ran++
		return s, orchestrationtest.Elapse(ctx, time.Hour) // no time passes inline
	}))
	e.Fail(Echo, 1, errors.New("once"))
	got, err := orchestrationtest.Run(e, Story, "x")
	must(t, got, err, "1x")
	if ran != 1 || drawn != 1 {
		t.Errorf("the activity ran %d times, the side effect %d times", ran, drawn)
	}
	if e.Elapsed() != time.Hour {
		t.Errorf("%v have passed", e.Elapsed())
	}
	if c := orchestrationtest.Scheduled(e, Echo); len(c) != 1 || !c[0].Inline || c[0].Attempts != 2 {
		t.Errorf("the calls are %+v", c)
	}
}

func TestWhatIsNotRegisteredIsNamed(t *testing.T) {
	for name, run := range map[string]func(orchestrationtest.T){
		`activity "echo", which is not registered`: func(t orchestrationtest.T) {
			e := orchestrationtest.New(t).Register(Story.Func(callEcho))
			_, _ = orchestrationtest.Run(e, Story, "")
		},
		`inline activity "echo" is not registered`: func(t orchestrationtest.T) {
			e := orchestrationtest.New(t).Register(Story.Func(func(ctx *orchestration.Context, in string) (string, error) {
				return Echo.Call(ctx, in, activity.Options{Local: true}).Await()
			}))
			_, _ = orchestrationtest.Run(e, Story, "")
		},
		`orchestration story is not registered`: func(t orchestrationtest.T) {
			_, _ = orchestrationtest.Run(orchestrationtest.New(t), Story, "")
		},
		`child orchestration tale, which is not registered`: func(t orchestrationtest.T) {
			_, _ = orchestrationtest.Run(story(t, func(ctx *orchestration.Context, in string) (string, error) {
				return Tale.Call(ctx, in).Await()
			}), Story, "")
		},
		`activity "other" is scripted (Delay, Fail or Lose) and not registered`: func(t orchestrationtest.T) {
			e := orchestrationtest.New(t).Register(Story.Func(callEcho), Echo.Func(echo)).Delay(Other, time.Second)
			_, _ = orchestrationtest.Run(e, Story, "")
		},
		`its function is nil`: func(t orchestrationtest.T) {
			orchestrationtest.New(t).Register(Echo.Func(nil))
		},
	} {
		says(t, fails(t, run), name)
	}
}

func TestAnActivityMayFailTheTest(t *testing.T) {
	got := fails(t, func(t orchestrationtest.T) {
		e := story(t, callEcho)
		e.Register(Echo.Func(func(context.Context, string) (string, error) {
			t.Fatalf("an order without a customer")
			return "", nil
		}))
		_, _ = orchestrationtest.Run(e, Story, "")
	})
	says(t, got, "an order without a customer")
}

func TestAnActivityMaySendButNotWait(t *testing.T) {
	wait := func(ctx *orchestration.Context, in string) (string, error) {
		answer := Go.Wait(ctx)
		if _, err := Echo.Call(ctx, in).Await(); err != nil {
			return "", err
		}
		return answer.Await()
	}
	e := story(t, wait)
	e.Register(Echo.Func(func(ctx context.Context, in string) (string, error) {
		return "", Go.Raise(ctx, e.After(time.Hour), activity.Info(ctx).Instance, "answer to "+in)
	}))
	got, err := orchestrationtest.Run(e, Story, "mail")
	must(t, got, err, "answer to mail")

	says(t, fails(t, func(t orchestrationtest.T) {
		e := story(t, wait)
		e.Register(Echo.Func(func(context.Context, string) (string, error) { return orchestrationtest.Run(e, Story, "again") }))
		_, _ = orchestrationtest.Run(e, Story, "")
	}), "it runs already")
}

func TestLogsAreTakenOnce(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, in string) (string, error) {
		ctx.Logger().WithGroup("order").Info("begun", "number", 7)
		if err := ctx.Sleep(time.Hour); err != nil {
			return "", err
		}
		return Echo.Call(ctx, in).Await()
	})
	e.Register(Echo.Func(func(ctx context.Context, in string) (string, error) {
		activity.Logger(ctx).Warn("echoing")
		return in, nil
	}))
	run := orchestrationtest.Start(e, Story, "")
	if _, err := run.Result(); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, l := range run.Logs() {
		got = append(got, fmt.Sprint(l.Level, " ", l.Message, " ", l.Attrs["order.number"], " ", l.Attrs["activity"], " ", l.Time.Sub(e.Now())))
	}
	if want := []string{"INFO begun 7 <nil> -1h0m0s", "WARN echoing <nil> echo 0s"}; !slices.Equal(got, want) {
		t.Errorf("the records are %q, want %q", got, want)
	}
	if all := e.Logs(); len(all) != 2 || all[0].String() != "begun" {
		t.Errorf("all records are %v", all)
	}
}
