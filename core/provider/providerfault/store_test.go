package providerfault_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/core/provider/providerfault"
	"github.com/duroxide/duroxide-go/providers/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a hub with a running instance "order", which has one activity open
// and a message waiting, behind a store that fails.
type world struct {
	t     *testing.T
	below provider.Store
	host  provider.Host // below
	store *providerfault.Store
	in    *providerfault.Injector
	fails *providerfault.Host
}

func newWorld(t *testing.T, rules string) *world {
	t.Helper()
	w := &world{t: t, below: memory.New(memory.Config{}), in: providerfault.New(1, providerfault.MustParse(rules)...)}
	t.Cleanup(func() {
		if w.host != nil {
			w.must(w.host.Leave(context.Background()))
		}
		w.must(w.below.Close())
	})
	w.store = providerfault.Wrap(w.below, w.in)
	for { // a rule may be about Join
		h, err := w.store.Join(t.Context(), provider.HostInfo{Name: "test"})
		if err == nil {
			w.fails = h.(*providerfault.Host)
			w.host = w.fails.Unwrap()
			break
		}
		if !errors.Is(err, provider.ErrUnavailable) && !errors.Is(err, provider.ErrUnknown) {
			t.Fatal(err)
		}
	}
	w.must(w.below.Send(t.Context(), start()))
	turn, err := w.host.NextTurn(t.Context())
	w.must(err)
	w.must(w.host.CommitTurn(t.Context(), turn, first()))
	w.must(w.below.Send(t.Context(), event("waiting")))
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func start() provider.Message {
	return provider.Message{
		ID: "start", To: "order", Start: &provider.Start{Name: "story", RequestID: "r"},
		Data: &history.ExecutionStarted{Name: "story", Seed: "00112233445566778899aabbccddeeff"},
	}
}

func event(id string) provider.Message {
	return provider.Message{ID: id, To: "order", Data: &history.EventRaised{Name: id}}
}

func first() *provider.Commit {
	scheduled := history.Event{ID: 2, Execution: 1, Time: time.Unix(1, 0).UTC(), Data: &history.ActivityScheduled{Name: "charge"}}
	return &provider.Commit{
		Consumed: 1, NewExecution: true, Status: history.StatusRunning,
		Events:     []history.Event{{ID: 1, Execution: 1, Time: time.Unix(1, 0).UTC(), Data: start().Data}, scheduled},
		Activities: []provider.Activity{{Scheduled: scheduled, Attempt: 1}},
	}
}

// operation is one call through the failing store, and how to see below
// whether it was applied.
type operation struct {
	op      providerfault.Op
	call    func(w *world) error
	applied func(w *world) bool // nil for reads
}

func (w *world) turn() *provider.Turn {
	w.t.Helper()
	t, err := w.host.NextTurn(w.t.Context())
	w.must(err)
	return t
}

func (w *world) task() *provider.ActivityTask {
	w.t.Helper()
	a, err := w.host.NextActivity(w.t.Context())
	w.must(err)
	return a
}

func (w *world) outstanding() *provider.Outstanding {
	w.t.Helper()
	o, err := w.below.Outstanding(w.t.Context(), "order")
	w.must(err)
	return o
}

// free reports whether the instance is not held: a marker that is ready later
// gets its turn after it.
func (w *world) free() bool {
	marker := start()
	marker.ID, marker.To = "marker", "marker"
	w.must(w.below.Send(w.t.Context(), marker))
	return w.turn().Instance.ID == "order"
}

// reader is what a store and a host have in common.
type reader interface {
	History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error]
}

func readAll(ctx context.Context, r reader) (events []int64, err error) {
	for e, err := range r.History(ctx, "order", 0, 0) {
		if err != nil {
			return events, err
		}
		events = append(events, e.ID)
	}
	return events, nil
}

func operations() []operation {
	return []operation{
		{providerfault.Send, func(w *world) error { return w.store.Send(w.t.Context(), event("new")) },
			func(w *world) bool { return len(w.outstanding().Messages) == 2 }},
		{providerfault.Purge, func(w *world) error { return w.store.Purge(w.t.Context(), "order", true) },
			func(w *world) bool { _, err := w.below.Instance(w.t.Context(), "order"); return err != nil }},
		{providerfault.CommitTurn, func(w *world) error {
			return w.fails.CommitTurn(w.t.Context(), w.turn(), &provider.Commit{Consumed: 1})
		}, func(w *world) bool { return len(w.outstanding().Messages) == 0 }},
		{providerfault.ReleaseTurn, func(w *world) error { return w.fails.ReleaseTurn(w.t.Context(), w.turn(), provider.Release{}) },
			(*world).free},
		{providerfault.CompleteActivity, func(w *world) error {
			a := w.task()
			return w.fails.CompleteActivity(w.t.Context(), a, provider.Message{ID: "done", To: "order", Execution: 1, Data: &history.ActivityCompleted{Source: 2}})
		}, func(w *world) bool { return len(w.outstanding().Messages) == 2 }},
		{providerfault.ReleaseActivity, func(w *world) error {
			return w.fails.ReleaseActivity(w.t.Context(), w.task(), provider.Release{})
		}, nil},
		{providerfault.ExtendActivity, func(w *world) error {
			_, err := w.fails.ExtendActivity(w.t.Context(), w.task(), nil)
			return err
		}, nil},
		{providerfault.NextTurn, func(w *world) error { _, err := w.fails.NextTurn(w.t.Context()); return err }, nil},
		{providerfault.NextActivity, func(w *world) error { _, err := w.fails.NextActivity(w.t.Context()); return err }, nil},
		{providerfault.ReadInstance, func(w *world) error { _, err := w.store.Instance(w.t.Context(), "order"); return err }, nil},
		{providerfault.Wait, func(w *world) error {
			_, err := w.store.Wait(w.t.Context(), "order", provider.Until{Started: true})
			return err
		}, nil},
		{providerfault.ReadHistory, func(w *world) error { _, err := readAll(w.t.Context(), w.store); return err }, nil},
		{providerfault.ReadHistory, func(w *world) error { _, err := readAll(w.t.Context(), w.fails); return err }, nil},
		{providerfault.ReadState, func(w *world) error { _, err := w.store.State(w.t.Context(), "order", "a"); return err }, nil},
		{providerfault.List, func(w *world) error { _, err := w.store.List(w.t.Context(), provider.Query{}); return err }, nil},
		{providerfault.ReadOutstanding, func(w *world) error { _, err := w.store.Outstanding(w.t.Context(), "order"); return err }, nil},
		{providerfault.ReadDeadLetters, func(w *world) error { _, err := w.store.DeadLetters(w.t.Context(), 1); return err }, nil},
	}
}

func TestWithoutRulesEveryCallGoesThrough(t *testing.T) {
	for _, o := range operations() {
		w := newWorld(t, "")
		if err := o.call(w); err != nil {
			t.Errorf("%v: %v", o.op, err)
		}
		if o.applied != nil && !o.applied(w) {
			t.Errorf("%v was not applied", o.op)
		}
		if w.in.Calls(o.op) != 1 || w.in.Total() != 0 {
			t.Errorf("%v was counted %d times, with %d faults, want 1 and 0", o.op, w.in.Calls(o.op), w.in.Total())
		}
	}
}

func TestEveryOutcomeSaysTruthfullyWhatWasApplied(t *testing.T) {
	for _, o := range operations() {
		for _, outcome := range []struct {
			name     string
			applied  bool
			sentinel error
		}{
			{"before", false, provider.ErrUnavailable},
			{"unknown", false, provider.ErrUnknown},
			{"after", true, provider.ErrUnknown},
			{"crash", false, provider.ErrClosed},
			{"crash-after", true, provider.ErrClosed},
		} {
			t.Run(fmt.Sprintf("%v %s", o.op, outcome.name), func(t *testing.T) {
				want := outcome.sentinel
				if o.op.Reads() && errors.Is(want, provider.ErrUnknown) {
					want = provider.ErrUnavailable
				}
				w := newWorld(t, o.op.String()+" nth=1 "+outcome.name)
				err := o.call(w)
				if !errors.Is(err, want) {
					t.Errorf("the error is %v, want one that wraps %q", err, want)
				}
				honest := outcome.applied && !o.op.Reads()
				if errors.Is(err, provider.ErrUnknown) != (honest || outcome.name == "unknown" && !o.op.Reads()) {
					t.Errorf("the error is %v: it must say that the outcome is unknown if something may have been applied, and only then", err)
				}
				if o.applied != nil && o.applied(w) != outcome.applied {
					t.Errorf("applied: %v, want %v", o.applied(w), outcome.applied)
				}
				if w.in.Fired(0) != 1 {
					t.Errorf("the rule was applied %d times, want once", w.in.Fired(0))
				}
			})
		}
	}
}

func TestARuleIsAppliedToTheCallsItNames(t *testing.T) {
	w := newWorld(t, `send nth=2 before`+"\n"+`send instance="other" before`)
	var failed []int
	for n := range 5 {
		if w.store.Send(t.Context(), event(fmt.Sprint(n))) != nil {
			failed = append(failed, n)
		}
	}
	if !slices.Equal(failed, []int{1}) {
		t.Errorf("sends %v failed, want the second", failed)
	}
	other := event("x")
	other.To = "other"
	if err := w.store.Send(t.Context(), other); !errors.Is(err, provider.ErrUnavailable) || !strings.Contains(err.Error(), `instance="other"`) {
		t.Errorf("sending to other: %v, want the fault, with its rule", err)
	}
}

func TestTheSameSeedMakesTheSameChoices(t *testing.T) {
	choices := func(seed uint64) string {
		s := providerfault.Wrap(memory.New(memory.Config{}), providerfault.New(seed, providerfault.MustParse("send p=0.5 before")...))
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		var b strings.Builder
		for n := range 200 {
			fmt.Fprint(&b, s.Send(t.Context(), event(fmt.Sprint(n))) == nil, " ")
		}
		return b.String()
	}
	if first, second := choices(1), choices(1); first != second {
		t.Error("two runs with one seed differ")
	}
	if choices(1) == choices(2) {
		t.Error("two seeds make the same 200 choices")
	}
	if n := strings.Count(choices(1), "true"); n < 60 || n > 140 {
		t.Errorf("%d of 200 calls went through at p=0.5", n)
	}
}

func TestATurnThatIsLostOnItsWayIsGivenBack(t *testing.T) {
	w := newWorld(t, `turn instance="order" nth=1 after`+"\n"+"activity nth=1 after")
	if _, err := w.fails.NextTurn(t.Context()); !errors.Is(err, provider.ErrUnknown) {
		t.Fatalf("NextTurn: %v, want the fault", err)
	}
	turn, err := w.fails.NextTurn(t.Context())
	w.must(err)
	if turn.Attempt != 2 {
		t.Errorf("attempt is %d, want 2: the turn was handed out and lost", turn.Attempt)
	}
	if _, err := w.fails.NextActivity(t.Context()); !errors.Is(err, provider.ErrUnknown) {
		t.Fatalf("NextActivity: %v, want the fault", err)
	}
	a, err := w.fails.NextActivity(t.Context())
	w.must(err)
	if a.Delivery != 2 {
		t.Errorf("delivery is %d, want 2: the activity was handed out and lost", a.Delivery)
	}
}

func TestAHistoryThatFailsLateFailsInPlaceOfItsLastEvent(t *testing.T) {
	w := newWorld(t, "history nth=1 after\nhistory nth=2 before")
	events, err := readAll(t.Context(), w.store)
	if !slices.Equal(events, []int64{1}) || !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("read %v, %v, want event 1 and the fault", events, err)
	}
	events, err = readAll(t.Context(), w.fails)
	if len(events) != 0 || !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("read %v, %v, want nothing and the fault", events, err)
	}
	events, err = readAll(t.Context(), w.store)
	if !slices.Equal(events, []int64{1, 2}) || err != nil {
		t.Errorf("read %v, %v, want both events", events, err)
	}
}

func TestAfterACrashNothingReachesTheStore(t *testing.T) {
	for _, o := range operations() {
		w := newWorld(t, "list nth=1 crash")
		if _, err := w.store.List(t.Context(), provider.Query{}); !errors.Is(err, provider.ErrClosed) {
			t.Fatalf("the crash: %v", err)
		}
		<-w.store.Crashed()
		before := w.in.Calls(o.op)
		if err := o.call(w); !errors.Is(err, provider.ErrClosed) || errors.Is(err, provider.ErrUnknown) {
			t.Errorf("%v after the crash: %v, want %q, and not that the outcome is unknown", o.op, err, provider.ErrClosed)
		}
		if o.applied != nil && o.applied(w) {
			t.Errorf("%v was applied after the crash", o.op)
		}
		if w.in.Calls(o.op) != before {
			t.Errorf("%v was counted after the crash", o.op)
		}
		if err := w.fails.Leave(t.Context()); !errors.Is(err, provider.ErrClosed) {
			t.Errorf("Leave after the crash: %v", err)
		}
		if err := w.store.Close(); !errors.Is(err, provider.ErrClosed) {
			t.Errorf("Close after the crash: %v", err)
		}
		if _, err := w.below.Instance(t.Context(), "order"); err != nil && o.op != providerfault.Purge {
			t.Errorf("the store below is no longer usable: %v", err)
		}
	}
}

func TestACrashEndsBlockedCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "list nth=1 crash")
		w.must(w.host.CommitTurn(t.Context(), w.turn(), &provider.Commit{Consumed: 1}))
		w.task()
		ended := make(chan error, 3)
		go func() { _, err := w.fails.NextTurn(t.Context()); ended <- err }()
		go func() { _, err := w.fails.NextActivity(t.Context()); ended <- err }()
		go func() {
			_, err := w.store.Wait(t.Context(), "order", provider.Until{Final: true})
			ended <- err
		}()
		synctest.Wait()
		if len(ended) != 0 {
			t.Fatalf("a call ended before the crash: %v", <-ended)
		}
		_, _ = w.store.List(t.Context(), provider.Query{})
		for range 3 {
			if err := <-ended; !errors.Is(err, provider.ErrClosed) {
				t.Errorf("a blocked call ended with %v, want %q", err, provider.ErrClosed)
			}
		}
	})
}

func TestADelayIsServedBeforeTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, "send delay=3s\nsend delay=4s\nsend nth=2 before")
		begun := time.Now()
		w.must(w.store.Send(t.Context(), event("a")))
		if took := time.Since(begun); took != 7*time.Second {
			t.Errorf("the call took %v, want both delays, 7s", took)
		}
		if err := w.store.Send(t.Context(), event("b")); !errors.Is(err, provider.ErrUnavailable) {
			t.Errorf("a delayed call that fails: %v", err)
		}
		if took := time.Since(begun); took != 14*time.Second {
			t.Errorf("both calls took %v, want 14s", took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.store.Send(ctx, event("c")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, provider.ErrUnknown) {
			t.Errorf("a call whose context ends in its delay: %v, want its error: nothing was applied", err)
		}
		if n := len(w.outstanding().Messages); n != 2 {
			t.Errorf("%d messages wait, want the one before and the one that was sent", n)
		}
	})
}

func TestAHostLeavesAndAStoreClosesWhateverFails(t *testing.T) {
	for _, outcome := range []string{"before", "unknown", "after"} {
		below := memory.New(memory.Config{})
		s := providerfault.Wrap(below, providerfault.New(1, providerfault.MustParse("leave "+outcome+"\nclose "+outcome)...))
		h, err := s.Join(t.Context(), provider.HostInfo{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		if err := h.Leave(t.Context()); err == nil {
			t.Errorf("leave %s: no error", outcome)
		}
		if _, err := h.NextTurn(t.Context()); !errors.Is(err, provider.ErrClosed) {
			t.Errorf("the host did not leave: %v", err)
		}
		if err := s.Close(); err == nil {
			t.Errorf("close %s: no error", outcome)
		}
		if _, err := below.List(t.Context(), provider.Query{}); !errors.Is(err, provider.ErrClosed) {
			t.Errorf("the store was not closed: %v", err)
		}
	}
}

// named is a store that knows the name of its hub.
type named struct{ provider.Store }

func (named) Hub() string { return "orders" }

func TestAHubKeepsItsName(t *testing.T) {
	for want, below := range map[string]provider.Store{"orders": named{}, "default": struct{ provider.Store }{}} {
		if got := providerfault.Wrap(below, providerfault.New(1)).Hub(); got != want {
			t.Errorf("the hub is called %q, want %q", got, want)
		}
	}
}

func TestAJoinThatNobodyLearnsOfLeavesAgain(t *testing.T) {
	w := newWorld(t, "join nth=1 after")
	if w.in.Calls(providerfault.Join) != 2 {
		t.Fatalf("%d calls of Join, want the lost one and the next", w.in.Calls(providerfault.Join))
	}
	w.turn() // The lost host holds nothing up.
}
