package azurite

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// What is large: fan-outs, turns, payloads. What they may cost is asserted on
// simulated storage, in the tests of package hub.

func TestAFanOutOfTenThousand(t *testing.T) {
	t.Parallel()
	n := 10_000
	if testing.Short() {
		n = 1_000
	}
	fan := orchestration.Declare[int, int]("fan")
	double := activity.Declare[int, int]("double")
	e := newEngine(t, newPlace(t), 1)
	e.work(e.open(), core.WorkerConfig{MaxActivities: 256},
		double.Func(func(_ context.Context, n int) (int, error) { return 2 * n, nil }),
		fan.Func(func(ctx *orchestration.Context, n int) (int, error) {
			all := make([]*orchestration.Future[int], n)
			for i := range all {
				all[i] = double.Call(ctx, i)
			}
			values, err := orchestration.All(all...).Await()
			sum := 0
			for _, v := range values {
				sum += v
			}
			return sum, err
		}))
	h := must(fan.Start(e.ctx, e.client, n, orchestration.StartOptions{ID: "fan"}))(t)
	if got, err := h.Wait(e.ctx); err != nil || got != n*(n-1) {
		t.Fatalf("it gave %d, %v, want %d", got, err, n*(n-1))
	}
	if events := e.kinds("fan"); events[history.KindActivityScheduled] != n || events[history.KindActivityCompleted] != n {
		t.Errorf("events: %v", events)
	}
	e.audit(true)
}

func TestATurnWithAThousandTimersAndTwoHundredChildren(t *testing.T) {
	t.Parallel()
	const timers, children = 1_000, 200
	turn := orchestration.Declare[int, int]("turn")
	child := orchestration.Declare[int, int]("child")
	e := newEngine(t, newPlace(t), 2)
	e.work(e.open(), core.WorkerConfig{},
		child.Func(func(_ *orchestration.Context, n int) (int, error) { return n, nil }),
		turn.Func(func(ctx *orchestration.Context, _ int) (int, error) {
			var due []orchestration.Awaitable
			for range timers {
				due = append(due, ctx.Timer(20*time.Millisecond))
				ctx.Timer(time.Hour).Cancel()
			}
			var all []*orchestration.Future[int]
			for i := range children {
				id := history.InstanceID(fmt.Sprint("child-", i)) // in either partition
				all = append(all, child.Call(ctx, i, orchestration.ChildOptions{ID: id}))
			}
			if _, err := orchestration.Join(due...).Await(); err != nil {
				return 0, err
			}
			values, err := orchestration.All(all...).Await()
			sum := 0
			for _, v := range values {
				sum += v
			}
			return sum, err
		}))
	h := must(turn.Start(e.ctx, e.client, 0, orchestration.StartOptions{ID: "turn"}))(t)
	if got, err := h.Wait(e.ctx); err != nil || got != children*(children-1)/2 {
		t.Fatalf("it gave %d, %v", got, err)
	}
	if events := e.kinds("turn"); events[history.KindTimerFired] != timers || events[history.KindChildCompleted] != children {
		t.Errorf("events: %v", events)
	}
	e.audit(true)
}

// TestPayloadsOfEightMiBGoThereAndBack: as input, event, input and output of an
// activity, and output.
func TestPayloadsOfEightMiBGoThereAndBack(t *testing.T) {
	t.Parallel()
	const size = 8 << 20
	big := func(seed uint64) []byte { // as JSON it is a third longer
		b, r := make([]byte, size/4*3), rand.New(rand.NewPCG(seed, 0)) // nothing to be compressed
		for i := 0; i < len(b); i += 8 {
			binary.LittleEndian.PutUint64(b[i:], r.Uint64())
		}
		return b
	}
	first, second := big(1), big(2)
	echo := orchestration.Declare[[]byte, []byte]("echo")
	same := activity.Declare[[]byte, []byte]("same")
	more := orchestration.DeclareEvent[[]byte]("more")
	e := newEngine(t, newPlace(t), 1)
	e.work(e.open(), core.WorkerConfig{},
		same.Func(func(_ context.Context, b []byte) ([]byte, error) { return b, nil }),
		echo.Func(func(ctx *orchestration.Context, in []byte) ([]byte, error) {
			if !bytes.Equal(in, first) {
				return nil, fmt.Errorf("the input came with %d bytes that are others", len(in))
			}
			event, err := more.Wait(ctx).Await()
			if err != nil {
				return nil, err
			}
			return same.Call(ctx, event).Await()
		}))
	h := must(echo.Start(e.ctx, e.client, first, orchestration.StartOptions{ID: "echo"}))(t)
	if err := more.Raise(e.ctx, e.client, "echo", second); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Wait(e.ctx); err != nil || !bytes.Equal(got, second) {
		t.Fatalf("%d bytes came back, %.300v", len(got), err)
	}
	var sizes []int
	for event, err := range e.user.History(e.ctx, "echo", 0, 0) {
		if err != nil {
			t.Fatal(err)
		}
		switch d := event.Data.(type) {
		case *history.ExecutionStarted:
			sizes = append(sizes, len(d.Input))
		case *history.EventRaised:
			sizes = append(sizes, len(d.Payload))
		case *history.ActivityScheduled:
			sizes = append(sizes, len(d.Input))
		case *history.ActivityCompleted:
			sizes = append(sizes, len(d.Output))
		case *history.ExecutionCompleted:
			sizes = append(sizes, len(d.Output))
		default:
		}
	}
	for _, n := range sizes {
		if len(sizes) != 5 || n < size {
			t.Fatalf("the payloads in the history have %d bytes", sizes)
		}
	}
	e.audit(true)
}

// kinds counts the events in the history of an instance.
func (e *engine) kinds(id history.InstanceID) map[history.Kind]int {
	e.t.Helper()
	all := map[history.Kind]int{}
	for event, err := range e.user.History(e.ctx, id, 0, 0) {
		if err != nil {
			e.t.Fatal(err)
		}
		all[event.Data.Kind()]++
	}
	return all
}
