package orchestrationtest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
)

func TestTimeSkipsToTheNextTimer(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, _ string) (string, error) {
		begun := ctx.Now()
		for range 52 {
			if err := ctx.Sleep(7 * 24 * time.Hour); err != nil {
				return "", err
			}
		}
		return ctx.Now().Sub(begun).String(), nil
	})
	got, err := orchestrationtest.Run(e, Story, "")
	must(t, got, err, (364 * 24 * time.Hour).String())
	if e.Elapsed() != 364*24*time.Hour {
		t.Errorf("%v have passed", e.Elapsed())
	}
}

func TestTimeBeginsWhereTheConfigurationSays(t *testing.T) {
	start := time.Date(2030, 5, 6, 7, 8, 9, 10, time.UTC)
	e := orchestrationtest.New(t, orchestrationtest.Config{Start: start}).
		Register(Story.Func(func(ctx *orchestration.Context, _ string) (string, error) { return ctx.Now().String(), nil }))
	got, err := orchestrationtest.Run(e, Story, "")
	must(t, got, err, start.String())
}

func TestTheFasterActivityWins(t *testing.T) {
	for _, delay := range []time.Duration{time.Second, 3 * time.Second} {
		e := story(t, func(ctx *orchestration.Context, _ string) (string, error) {
			a, b := Echo.Call(ctx, "a"), Other.Call(ctx, "b")
			if won, err := orchestration.First(a, b); err != nil || won == a {
				return "a", err
			}
			return "b", nil
		})
		e.Delay(Echo, delay).Delay(Other, 2*time.Second)
		got, err := orchestrationtest.Run(e, Story, "")
		must(t, got, err, map[bool]string{true: "a", false: "b"}[delay < 2*time.Second])
		if e.Elapsed() != min(delay, 2*time.Second) {
			t.Errorf("%v have passed", e.Elapsed())
		}
	}
}

func TestRetriesWaitAsThePolicySays(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, _ string) (string, error) {
		return Echo.Call(ctx, "x", activity.Retry{MaxAttempts: 5, First: time.Second, Factor: 2}).Await()
	})
	e.Fail(Echo, 1, errors.New("first")).Fail(Echo, 2, errors.New("later"))
	got, err := orchestrationtest.Run(e, Story, "")
	must(t, got, err, "x")
	if e.Elapsed() != 7*time.Second { // 1 + 2 + 4
		t.Errorf("%v have passed", e.Elapsed())
	}
	calls := orchestrationtest.Scheduled(e, Echo)
	if len(calls) != 1 || calls[0].Attempts != 4 || calls[0].Outcome != orchestrationtest.Completed || calls[0].Input != "x" {
		t.Errorf("the calls are %+v", calls)
	}
}

func TestTheLastFailureIsTheActivitys(t *testing.T) {
	sentinel := &shortage{Item: "lamp"}
	e := story(t, func(ctx *orchestration.Context, _ string) (string, error) {
		_, err := Echo.Call(ctx, "x", activity.Retry{MaxAttempts: 3}).Await()
		s, ok := errors.AsType[*shortage](err)
		return fmt.Sprint(ok, s), nil
	})
	e.Fail(Echo, 3, sentinel)
	got, err := orchestrationtest.Run(e, Story, "")
	must(t, got, err, fmt.Sprint(true, sentinel))
}

type shortage struct{ Item string }

func (s *shortage) Error() string { return "no " + s.Item }

func TestAnActivityThatTakesTooLongTimesOut(t *testing.T) {
	for name, c := range map[string]struct {
		delay   time.Duration
		options []activity.Option
		timeout bool
		elapsed time.Duration
	}{
		"within the timeout":           {time.Minute, []activity.Option{activity.Options{Timeout: time.Minute}}, false, time.Minute},
		"beyond the timeout":           {61 * time.Second, []activity.Option{activity.Options{Timeout: time.Minute}}, true, time.Minute},
		"each attempt anew":            {2 * time.Minute, []activity.Option{activity.Options{Timeout: time.Minute}, activity.Retry{MaxAttempts: 3, First: time.Second, Factor: 1}}, true, 3*time.Minute + 2*time.Second},
		"all attempts by the deadline": {2 * time.Minute, []activity.Option{activity.Options{Timeout: time.Minute, Deadline: 90 * time.Second}, activity.Retry{MaxAttempts: 9, First: time.Second}}, true, 90 * time.Second},
		"within the deadline":          {time.Hour, []activity.Option{activity.Options{Deadline: 2 * time.Hour}}, false, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			e := story(t, func(ctx *orchestration.Context, _ string) (string, error) {
				_, err := Echo.Call(ctx, "x", c.options...).Await()
				if err != nil && !errors.Is(err, activity.ErrTimeout) {
					return "", err
				}
				return fmt.Sprint(err != nil), nil
			})
			e.Delay(Echo, c.delay)
			got, err := orchestrationtest.Run(e, Story, "")
			must(t, got, err, fmt.Sprint(c.timeout))
			if e.Elapsed() != c.elapsed {
				t.Errorf("%v have passed, want %v", e.Elapsed(), c.elapsed)
			}
		})
	}
}

func TestAFakeMaySayHowLongItTakes(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, _ string) (string, error) {
		quick, err := Echo.Call(ctx, "1m", activity.Options{Timeout: time.Hour}).Await()
		if err != nil {
			return "", err
		}
		_, err = Echo.Call(ctx, "2h", activity.Options{Timeout: time.Hour}).Await()
		return fmt.Sprint(quick, " ", errors.Is(err, context.DeadlineExceeded)), nil
	})
	var told []string
	e.Register(Echo.Func(func(ctx context.Context, s string) (string, error) {
		d, err := time.ParseDuration(s)
		if err != nil {
			return "", err
		}
		err = orchestrationtest.Elapse(ctx, d)
		told = append(told, fmt.Sprint(err, ctx.Err()))
		return s, err
	}))
	got, err := orchestrationtest.Run(e, Story, "")
	must(t, got, err, "1m true")
	if e.Elapsed() != time.Hour+time.Minute {
		t.Errorf("%v have passed", e.Elapsed())
	}
	if len(told) != 2 || told[0] != "<nil><nil>" && told[0] != "<nil> <nil>" {
		t.Errorf("the fake was told %q", told)
	}
	says(t, told[1], "timed out", "context canceled")
}

func TestACancelledActivityLeavesNothingBehind(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, _ string) (string, error) {
		slow := Echo.Call(ctx, "slow")
		won, err := orchestration.Race(slow, ctx.Timer(time.Minute)).Await()
		return fmt.Sprint(won == slow), err
	})
	e.Delay(Echo, time.Hour)
	run := orchestrationtest.Start(e, Story, "")
	got, err := run.Result()
	must(t, got, err, "false")
	e.Settle()
	if e.Elapsed() != time.Minute {
		t.Errorf("something happened %v after the beginning", e.Elapsed())
	}
	if want := "Started ActivityScheduled TimerCreated TimerFired ActivityCancelled Completed"; kinds(run.Instance) != want {
		t.Errorf("the history is\n%s, want\n%s", kinds(run.Instance), want)
	}
	if c := orchestrationtest.Scheduled(run, Echo); len(c) != 1 || c[0].Outcome != orchestrationtest.Cancelled {
		t.Errorf("the calls are %+v", c)
	}
}

func TestACancelledActivityNeverArrives(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, _ string) (string, error) {
		if _, err := orchestration.Race(Echo.Call(ctx, "slow"), ctx.Timer(time.Minute), ctx.Timer(2*time.Hour)).Await(); err != nil {
			return "", err
		}
		return Go.Wait(ctx).Await()
	})
	e.Delay(Echo, time.Hour)
	run := orchestrationtest.Start(e, Story, "")
	e.Settle()
	if e.Elapsed() != time.Minute || run.Status() != history.StatusRunning {
		t.Errorf("something happened %v after the beginning; the instance is %s", e.Elapsed(), run.Status())
	}
}

func TestATestMayStepThroughTime(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, _ string) (string, error) {
		for day := 1; ; day++ {
			if err := ctx.SetStatus(day); err != nil {
				return "", err
			}
			woken := Go.Wait(ctx)
			won, err := orchestration.First(woken, ctx.Timer(24*time.Hour))
			if err != nil || won == woken {
				return fmt.Sprint("woken on day ", day), err
			}
			woken.Cancel()
		}
	})
	run := orchestrationtest.Start(e, Story, "")
	if run.Status() != history.StatusPending {
		t.Errorf("the status is %s before time passes", run.Status())
	}
	for _, step := range []struct {
		pass time.Duration
		day  int
	}{{0, 1}, {24*time.Hour - 1, 1}, {1, 2}, {48 * time.Hour, 4}} {
		e.Advance(step.pass)
		var day int
		if err := run.CustomStatus(&day); err != nil || day != step.day || run.Status() != history.StatusRunning {
			t.Errorf("after %v it is day %d, %v, want %d; %s", e.Elapsed(), day, err, step.day, run.Status())
		}
	}
	if err := Go.Raise(t.Context(), e.After(time.Hour), run.ID(), "now"); err != nil {
		t.Fatal(err)
	}
	got, err := run.Result()
	must(t, got, err, "woken on day 4")
	if want := 73 * time.Hour; e.Elapsed() != want {
		t.Errorf("%v have passed, want %v", e.Elapsed(), want)
	}
}
