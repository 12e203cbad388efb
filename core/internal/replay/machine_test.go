package replay_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

func TestASequenceOfActivitiesTakesOneTurnEach(t *testing.T) {
	w := start(t, func(c *replay.Context, input history.Payload) (history.Payload, error) {
		a := await(activity(c, "a"))
		b := await(activity(c, "b"))
		return text(a + b)
	})
	c := w.deliver(completed(2, "1"))
	if len(c.Activities) != 1 || c.Activities[0].Scheduled.ID != 4 || len(c.CompletedActivities) != 1 {
		t.Fatalf("second turn: %+v", c)
	}
	w.deliver(completed(4, "2"))
	w.wantKinds("ExecutionStarted ActivityScheduled ActivityCompleted ActivityScheduled ActivityCompleted ExecutionCompleted")
	if w.result() != `"12"` {
		t.Fatal(w.result())
	}
}

func TestHistoryOrderDecidesASelectAndTiesGoToTheEarlierArgument(t *testing.T) {
	for _, order := range []struct {
		first, second int64
		want          string
	}{{2, 3, `"0 then 1"`}, {3, 2, `"1 then 0"`}} {
		w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
			a, b := activity(c, "a"), activity(c, "b")
			first, _ := replay.First([]*replay.Task{a, b})
			rest := []*replay.Task{a, b}[1-first]
			await(rest)
			again, _ := replay.First([]*replay.Task{a, b}) // both complete: a
			if again != 0 {
				return nil, errors.New("a tie went to the later argument")
			}
			return text(fmt.Sprintf("%d then %d", first, 1-first))
		})
		w.deliver(completed(order.first, "1"), completed(order.second, "2"))
		if w.result() != order.want {
			t.Errorf("completed %d then %d: %s", order.first, order.second, w.result())
		}
	}
}

func TestARaceCancelsWhatLost(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		inner := replay.Race([]*replay.Task{activity(c, "a"), c.Timer(time.Hour, "")})
		outer := replay.Race([]*replay.Task{inner, c.Wait("go", false, "")})
		await(outer)
		return text(fmt.Sprint(outer.Value))
	})
	c := w.deliver(&history.EventRaised{Name: "go"})
	w.wantKinds("ExecutionStarted ActivityScheduled TimerCreated EventAwaited EventRaised ActivityCancelled TimerCancelled ExecutionCompleted")
	if w.result() != `"1"` || c.Status != history.StatusCompleted {
		t.Fatal(w.result(), c.Status)
	}
}

func TestAnEventThatCameEarlyIsReceivedByTheNextWait(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		await(activity(c, "a"))
		x := await(c.Wait("e", false, ""))
		y := await(c.Wait("e", false, ""))
		return text(x + y)
	})
	w.deliver(&history.EventRaised{Name: "e", Payload: history.Payload(`1`)})
	w.deliver(completed(2, "0"), &history.EventRaised{Name: "e", Payload: history.Payload(`2`)})
	if w.result() != `"12"` {
		t.Fatal(w.result())
	}
}

func TestACancelledWaitGivesUpItsPlaceInLine(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		first, second := c.Wait("e", false, ""), c.Wait("e", false, "")
		first.Cancel()
		return text(await(first) + " " + await(second))
	})
	w.deliver(&history.EventRaised{Name: "e", Payload: history.Payload(`1`)})
	if w.result() != `"cancelled 1"` {
		t.Fatal(w.result())
	}
}

func TestRetriesAreArmedAtTheCall(t *testing.T) {
	policy := &history.RetryPolicy{MaxAttempts: 3, First: 1000, Factor: 2}
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		a := c.Activity(&history.ActivityScheduled{Name: "a", Retry: policy})
		b := c.Activity(&history.ActivityScheduled{Name: "b", Retry: policy})
		return text(await(b) + await(a))
	})
	c := w.deliver(failedActivity(2, 1, "one"), failedActivity(3, 1, "one"))
	if len(c.Timers) != 2 || c.Timers[0].Due.Sub(w.now) != time.Second {
		t.Fatalf("two failures: %+v", c.Timers)
	}
	w.deliver(failedActivity(2, 1, "late")) // counts for nothing
	c = w.deliver(c.Timers[0].Fire, c.Timers[1].Fire)
	if len(c.Activities) != 2 || c.Activities[0].Attempt != 2 || len(c.FiredTimers) != 2 {
		t.Fatalf("second attempts: %+v", c)
	}
	c = w.deliver(failedActivity(2, 2, "two"))
	if due := c.Timers[0].Due.Sub(w.now); due != 2*time.Second {
		t.Fatalf("the second delay is %v", due)
	}
	w.deliver(completed(2, `"late success"`)) // of attempt 2, while 3 is due
	w.deliver(completed(3, "7"))
	if w.result() != `"7\"late success\""` {
		t.Fatal(w.result())
	}
}

func TestALateSuccessTakesBackTheRetryOfTheSameTurn(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		a := c.Activity(&history.ActivityScheduled{Name: "a", Retry: &history.RetryPolicy{MaxAttempts: 3}})
		out := await(a)
		await(c.Wait("never", false, ""))
		return text(out)
	})
	c := w.deliver(failedActivity(2, 1, "one"), completed(2, "1"))
	if len(c.Activities)+len(c.Timers) != 0 {
		t.Fatalf("commit: %+v", c)
	}
	w.wantKinds("ExecutionStarted ActivityScheduled ActivityAttemptFailed ActivityRetried ActivityCompleted EventAwaited")
}

func TestCancellationReachesWhatBlocksAndSparesShields(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		if got := await(activity(c, "a")); got != "cancelled" {
			return text(got)
		}
		if err := c.Shield(func(c *replay.Context) error {
			await(activity(c, "cleanup"))
			return nil
		}); err != nil {
			return nil, err
		}
		if got := await(activity(c, "never")); got != "cancelled" {
			return text("scheduled after cancellation: " + got)
		}
		return nil, replay.ErrCancelled
	})
	c := w.deliver(&history.CancelRequested{Reason: "enough"})
	if len(c.CancelActivities) != 1 || len(c.Activities) != 1 {
		t.Fatalf("cancel: %+v", c)
	}
	w.deliver(completed(5, "1"))
	w.wantKinds("ExecutionStarted ActivityScheduled CancelRequested ActivityCancelled ActivityScheduled ActivityCompleted ExecutionCancelled")
}

func TestWhatATurnTakesBackItNeverAsksFor(t *testing.T) {
	w := begin(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		activity(c, "a").Cancel()
		c.Timer(time.Hour, "").Cancel()
		c.Child(&history.ChildScheduled{Name: "child"}).Cancel()
		await(c.Wait("e", false, ""))
		return nil, nil
	})
	c := w.deliver(w.started())
	if len(c.Activities)+len(c.Timers)+len(c.Send)+len(c.CancelActivities)+len(c.CancelTimers) != 0 {
		t.Fatalf("commit: %+v", c)
	}
}

func TestBranchesRunInOrderAndJoin(t *testing.T) {
	var order []string
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		order = nil
		var branches []*replay.Task
		for i := range 3 {
			branches = append(branches, c.Go(func(c *replay.Context) (any, error) {
				await(activity(c, fmt.Sprint(i)))
				order = append(order, fmt.Sprint(i))
				return i, nil
			}))
		}
		join := replay.Join(branches)
		await(join)
		return text(strings.Join(order, ""))
	})
	w.deliver(completed(3, "1"), completed(4, "1"), completed(2, "1"))
	if w.result() != `"120"` {
		t.Fatal(w.result())
	}
}

func TestCodeThatDecidesWithoutEndFailsAtTheLimitOfItsHistory(t *testing.T) {
	w := begin(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		for i := 0; ; i++ {
			c.SetStatus(history.Payload(fmt.Sprint(i)))
		}
	})
	w.keep = true
	w.deliver(w.started())
	if !strings.Contains(w.result(), "limit of 200000") {
		t.Fatal(w.result())
	}
}

func TestRecordedValuesAreMadeOnce(t *testing.T) {
	made := 0
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		d := c.Record(&history.ValueRecorded{}, func() history.Data {
			made++
			return &history.ValueRecorded{Value: history.Payload(fmt.Sprint(made))}
		})
		inline := c.Inline(&history.ActivityScheduled{Name: "step"})
		await(activity(c, "a"))
		return text(string(d.(*history.ValueRecorded).Value) + await(inline))
	})
	w.deliver(completed(4, "1"))
	if made != 1 || w.result() != `"1\"step 1\""` {
		t.Fatal(made, w.result())
	}
}

func TestContinueAsNewCarriesOverWhatNobodyReceived(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		if err := c.SetState("k", history.Payload(`1`)); err != nil {
			return nil, err
		}
		await(c.Wait("e", true, ""))
		return nil, &replay.ContinueAsNew{Input: history.Payload(`2`)}
	})
	w.keep = true
	w.deliver(&history.EventRaised{Name: "x", Payload: history.Payload(`1`)}, &history.EventRaised{Name: "e", Queue: true}, &history.EventRaised{Name: "e", Queue: true, Payload: history.Payload(`3`)})
	next := w.machine.Next()
	if next == nil || string(next.Input) != "2" || len(next.Carried) != 1 || next.Carried[0].Name != "x" || string(next.State["k"]) != "1" {
		t.Fatalf("next = %+v", next)
	}
}

func TestAPanicFailsTheOrchestrationWithItsStack(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		c.Go(func(*replay.Context) (any, error) { panic("boom") })
		await(c.Wait("never", false, ""))
		return nil, nil
	})
	d, ok := w.events[len(w.events)-1].Data.(*history.ExecutionFailed)
	if !ok || d.Failure.Kind != history.FailurePanic || !strings.Contains(d.Failure.Stack, "machine_test.go") {
		t.Fatalf("%s: %+v", w.kinds(), d)
	}
}

func TestCodeThatDiffersFromHistoryIsToldWhereAndWhat(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		await(activity(c, "charge"))
		await(activity(c, "ship"))
		return nil, nil
	})
	w.deliver(completed(2, "1"))
	for name, test := range map[string]struct {
		fn   replay.Func
		want []string
	}{
		"another name": {func(c *replay.Context, _ history.Payload) (history.Payload, error) {
			await(activity(c, "refund"))
			return nil, nil
		}, []string{"event 2", `activity "charge" scheduled`, `decided activity "refund" scheduled`, "world_test.go:"}},
		"another kind": {func(c *replay.Context, _ history.Payload) (history.Payload, error) {
			await(c.Timer(time.Hour, ""))
			return nil, nil
		}, []string{"event 2", "a timer created", "machine_test.go:"}},
		"one more": {func(c *replay.Context, _ history.Payload) (history.Payload, error) {
			a := activity(c, "charge")
			activity(c, "audit")
			await(a)
			return nil, nil
		}, []string{"event 3", "ActivityCompleted", `decided activity "audit" scheduled before it`}},
		"one less": {func(c *replay.Context, _ history.Payload) (history.Payload, error) {
			await(activity(c, "charge"))
			await(c.Wait("x", false, "")) // replaces ship
			return nil, nil
		}, []string{"event 4", `event "x" awaited`}},
		"returned": {func(c *replay.Context, _ history.Payload) (history.Payload, error) {
			await(activity(c, "charge"))
			return nil, nil
		}, []string{"event 4", "ExecutionCompleted"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := w.replay(test.fn)
			if m != nil {
				m.Stop()
			}
			nd, ok := errors.AsType[*replay.NonDeterminismError](err)
			if !ok {
				t.Fatalf("error = %v", err)
			}
			for _, want := range test.want {
				if !strings.Contains(nd.Error(), want) {
					t.Errorf("%q does not say %q", nd, want)
				}
			}
		})
	}
}

func TestAnInputThatChangedIsToldAndDoesNotFail(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		await(activity(c, "charge"))
		return nil, nil
	})
	var told []string
	m := replay.New(replay.Config{Instance: "i", Func: func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		await(c.Activity(&history.ActivityScheduled{Name: "charge", Input: history.Payload(`2`)}))
		return nil, nil
	}, InputChanged: func(event int64, name string) { told = append(told, fmt.Sprint(name, " at ", event)) }})
	defer m.Stop()
	for _, e := range w.events {
		if err := m.Replay(e); err != nil {
			t.Fatal(err)
		}
	}
	if len(told) != 1 || told[0] != "charge at 2" {
		t.Fatalf("told: %q", told)
	}
}

func TestCodeMayDoMoreWhereItsHistoryEnds(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		await(activity(c, "a"))
		return nil, nil
	})
	w.machine.Stop()
	w.fn = func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		a := activity(c, "a")
		b := activity(c, "b")
		return text(await(a) + await(b))
	}
	m, err := w.replay(w.fn)
	if err != nil {
		t.Fatal(err)
	}
	w.machine = m
	c := w.deliver(completed(2, "1"))
	if len(c.Activities) != 1 || c.Activities[0].Scheduled.ID != 3 {
		t.Fatalf("commit: %+v", c)
	}
	w.deliver(completed(3, "2"))
	if w.result() != `"12"` {
		t.Fatal(w.result())
	}
}

func TestStoppedCodeHasNoEffect(t *testing.T) {
	ran := []string{}
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		defer func() {
			ran = append(ran, "deferred")
			activity(c, "compensate")
			ran = append(ran, "decided while stopping")
		}()
		await(c.Wait("never", false, ""))
		return nil, nil
	})
	ran = nil
	w.machine.Stop()
	if len(ran) != 1 || ran[0] != "deferred" {
		t.Fatalf("stopping ran %q", ran)
	}
}
