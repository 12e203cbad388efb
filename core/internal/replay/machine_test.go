package replay_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
	"github.com/duroxide/duroxide-go/core/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world drives one instance: its machine, the history it has committed, and
// what it sent. After every turn a second machine replays the whole history
// and takes the place of the first.
type world struct {
	t       *testing.T
	fn      replay.Func
	machine *replay.Machine
	now     time.Time
	events  []history.Event
	commits []*provider.Commit
	keep    bool // keep the live machine
}

func start(t *testing.T, fn replay.Func) *world {
	t.Helper()
	w := begin(t, fn)
	w.deliver(w.started())
	return w
}

func begin(t *testing.T, fn replay.Func) *world {
	w := &world{t: t, fn: fn, now: epoch}
	w.machine = w.fresh()
	t.Cleanup(func() { w.machine.Stop() })
	return w
}

func (w *world) fresh() *replay.Machine {
	return replay.New(replay.Config{Instance: "i", Func: w.fn, Trace: true, Inline: func(_ history.ActivityID, name string, input history.Payload, attempt int) (history.Payload, *history.Failure) {
		return history.Payload(fmt.Sprintf(`"%s %d"`, name, attempt)), nil
	}})
}

func (w *world) started() history.Data {
	return &history.ExecutionStarted{Name: "test", Seed: strings.Repeat("0", 32), Input: history.Payload(`"in"`)}
}

// deliver takes messages in as one turn, a second after the last.
func (w *world) deliver(data ...history.Data) *provider.Commit {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	c, err := w.try(data...)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) try(data ...history.Data) (*provider.Commit, error) {
	m := w.machine
	if err := m.Begin(w.now); err != nil {
		return nil, err
	}
	for i, d := range data {
		if err := m.Receive(&provider.Message{ID: fmt.Sprintf("m%d.%d", len(w.commits), i), To: "i", Data: d}); err != nil {
			return nil, err
		}
	}
	c, err := m.Finish()
	if err != nil {
		return nil, err
	}
	m.Committed()
	w.commits = append(w.commits, c)
	w.events = append(w.events, c.Events...)
	if !w.keep {
		replayed, err := w.replay(w.fn)
		if err != nil {
			return nil, err
		}
		m.Stop()
		w.machine = replayed
	}
	return c, nil
}

// replay feeds the history, after a trip through JSON, to a machine that runs
// fn.
func (w *world) replay(fn replay.Func) (*replay.Machine, error) {
	m := replay.New(replay.Config{Instance: "i", Func: fn, Trace: true, Inline: func(history.ActivityID, string, history.Payload, int) (history.Payload, *history.Failure) {
		w.t.Error("a replay ran an inline activity")
		return nil, nil
	}})
	for _, e := range w.events {
		b, err := history.Marshal(e)
		if err != nil {
			w.t.Fatal(err)
		}
		if e, err = history.Unmarshal(b); err != nil {
			w.t.Fatal(err)
		}
		if err := m.Replay(e); err != nil {
			m.Stop()
			return nil, err
		}
	}
	return m, nil
}

// kinds prints the kinds of all events, for comparison.
func (w *world) kinds() string {
	var kinds []string
	for _, e := range w.events {
		kinds = append(kinds, string(e.Data.Kind()))
	}
	return strings.Join(kinds, " ")
}

func (w *world) wantKinds(want string) {
	w.t.Helper()
	if got := w.kinds(); got != want {
		w.t.Fatalf("history is\n  %s\nwant\n  %s", got, want)
	}
}

// result is the output or the failure of a finished execution.
func (w *world) result() string {
	w.t.Helper()
	switch d := w.events[len(w.events)-1].Data.(type) {
	case *history.ExecutionCompleted:
		return string(d.Output)
	case *history.ExecutionFailed:
		return "failed: " + d.Failure.Message
	case *history.ExecutionCancelled:
		return "cancelled: " + d.Reason
	}
	w.t.Fatalf("the execution has not ended: %s", w.kinds())
	return ""
}

func activity(c *replay.Context, name string) *replay.Task {
	return c.Activity(&history.ActivityScheduled{Name: name, Input: history.Payload(`1`)})
}

// await returns what a task ended with, as text.
func await(t *replay.Task) string {
	if err := t.Await(); err != nil {
		return err.Error()
	}
	output, failure, err := t.Result()
	switch {
	case err != nil:
		return err.Error()
	case failure != nil:
		return failure.Message
	}
	return string(output)
}

func text(s string) (history.Payload, error) {
	b, err := json.Marshal(s)
	return b, err
}

func completed(source int64, output string) history.Data {
	return &history.ActivityCompleted{Source: source, Output: history.Payload(output)}
}

func failedActivity(source int64, attempt int, message string) history.Data {
	return &history.ActivityFailed{Source: source, Attempt: attempt, Failure: &history.Failure{Kind: history.FailureError, Message: message}}
}

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

func TestCancellationReachesWhatBlocksAndSparesShields(t *testing.T) {
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		if got := await(activity(c, "a")); got != "cancelled" {
			return text(got)
		}
		c.Shield(func(c *replay.Context) error {
			await(activity(c, "cleanup"))
			return nil
		})
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

func TestRecordedValuesAreMadeOnce(t *testing.T) {
	made := 0
	w := start(t, func(c *replay.Context, _ history.Payload) (history.Payload, error) {
		d := c.Record(&history.ValueRecorded{}, func() history.Data {
			made++
			return &history.ValueRecorded{Value: history.Payload(fmt.Sprint(made))}
		})
		inline := c.Inline("step", nil, nil)
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
		}, []string{"event 2", `activity "charge" scheduled`, `decided activity "refund" scheduled`, "machine_test.go:"}},
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

func BenchmarkReplay(b *testing.B) {
	for _, n := range []int{10, 1_000} {
		b.Run(fmt.Sprintf("activities=%d", n), func(b *testing.B) {
			fn := func(c *replay.Context, _ history.Payload) (history.Payload, error) {
				for range n {
					activity(c, "a").Await()
				}
				c.Wait("never", false, "").Await()
				return nil, nil
			}
			events := trivialHistory(n)
			b.ReportAllocs()
			for b.Loop() {
				m := replay.New(replay.Config{Instance: "i", Func: fn})
				for _, e := range events {
					if err := m.Replay(e); err != nil {
						b.Fatal(err)
					}
				}
				m.Stop()
			}
			b.ReportMetric(float64(len(events)*b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

func trivialHistory(n int) []history.Event {
	events := []history.Event{{ID: 1, Execution: 1, Time: epoch, Data: &history.ExecutionStarted{Name: "t", Seed: strings.Repeat("0", 32)}}}
	for i := range n {
		id := int64(2 + 2*i)
		events = append(events,
			history.Event{ID: id, Execution: 1, Time: epoch, Data: &history.ActivityScheduled{Name: "a"}},
			history.Event{ID: id + 1, Execution: 1, Time: epoch, Data: &history.ActivityCompleted{Source: id}})
	}
	return events
}

// BenchmarkNextEvent shows that a live instance answers its next event as fast
// with a long history as with a short one.
func BenchmarkNextEvent(b *testing.B) {
	for _, n := range []int{5, 5_000} {
		b.Run(fmt.Sprintf("history=%d", 2*n), func(b *testing.B) {
			var m *replay.Machine
			var next int64
			renew := func() { // histories are bounded
				if m != nil {
					m.Stop()
				}
				m, next = replay.New(replay.Config{Instance: "i", Func: func(c *replay.Context, _ history.Payload) (history.Payload, error) {
					for {
						activity(c, "a").Await()
					}
				}}), int64(2+2*n)
				for _, e := range trivialHistory(n) {
					if err := m.Replay(e); err != nil {
						b.Fatal(err)
					}
				}
				if err := m.Begin(epoch); err != nil {
					b.Fatal(err)
				}
				if _, err := m.Finish(); err != nil {
					b.Fatal(err)
				}
				m.Committed()
			}
			renew()
			defer func() { m.Stop() }()
			b.ReportAllocs()
			for b.Loop() {
				if next > int64(2+2*n+1_000) {
					b.StopTimer()
					renew()
					b.StartTimer()
				}
				if err := m.Begin(epoch); err != nil {
					b.Fatal(err)
				}
				if err := m.Receive(&provider.Message{Data: &history.ActivityCompleted{Source: next}}); err != nil {
					b.Fatal(err)
				}
				c, err := m.Finish()
				if err != nil || len(c.Events) != 2 {
					b.Fatal(err, len(c.Events))
				}
				m.Committed()
				next += 2
			}
		})
	}
}
