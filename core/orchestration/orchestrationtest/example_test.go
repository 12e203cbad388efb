package orchestrationtest_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
)

type (
	Order    struct{ Cents int }
	Receipt  struct{ Number string }
	Decision struct{ By string }
)

// The contract, as workers and clients know it.
var (
	Fulfil  = orchestration.Declare[Order, string]("fulfil")
	Poll    = orchestration.Declare[int, string]("poll")
	Charge  = activity.Declare[Order, Receipt]("charge")
	Refund  = activity.Declare[Receipt, activity.None]("refund")
	Approve = orchestration.DeclareEvent[Decision]("approve")
)

// fulfil is the code under test: large orders need an approval within three
// days, or the money goes back.
func fulfil(ctx *orchestration.Context, o Order) (string, error) {
	receipt, err := Charge.Call(ctx, o, activity.Retry{MaxAttempts: 3, First: time.Second}, activity.Options{Timeout: time.Minute}).Await()
	if err != nil {
		return "", err
	}
	if o.Cents > 100_00 {
		approve, late := Approve.Wait(ctx), ctx.Timer(72*time.Hour)
		won, err := orchestration.First(approve, late)
		if err != nil {
			return "", err
		}
		if won == late {
			_, err := Refund.Call(ctx, receipt).Await()
			return "refunded " + receipt.Number, err
		}
	}
	return "shipped for " + receipt.Number, nil
}

// poll looks for ever, once an hour.
func poll(ctx *orchestration.Context, seen int) (string, error) {
	if _, err := Charge.Call(ctx, Order{Cents: seen}).Await(); err != nil {
		return "", err
	}
	if err := ctx.Sleep(time.Hour); err != nil {
		return "", err
	}
	return Poll.ContinueAsNew(ctx, seen+1)
}

// The fakes.

func fakeCharge(context.Context, Order) (Receipt, error) { return Receipt{Number: "r-1"}, nil }

func fakeRefund(context.Context, Receipt) (activity.None, error) { return activity.None{}, nil }

// t stands for the *testing.T of a test.
var t outsideOfTests

// world is what each test below begins with.
func world() *orchestrationtest.Env {
	return orchestrationtest.New(t).Register(Fulfil.Func(fulfil), Poll.Func(poll), Charge.Func(fakeCharge), Refund.Func(fakeRefund))
}

// A test registers the code and fakes of its activities, and runs it.
func Example() {
	e := orchestrationtest.New(t)
	e.Register(Fulfil.Func(fulfil), Charge.Func(fakeCharge), Refund.Func(fakeRefund))

	result, err := orchestrationtest.Run(e, Fulfil, Order{Cents: 20_00})
	fmt.Println(result, err)
	// Output: shipped for r-1 <nil>
}

// Nobody answers: three days pass in no time.
func ExampleRun() {
	e := world()
	result, err := orchestrationtest.Run(e, Fulfil, Order{Cents: 500_00})
	fmt.Println(result, err)
	fmt.Println(e.Elapsed(), "later,", len(orchestrationtest.Scheduled(e, Refund)), "refund")
	// Output:
	// refunded r-1 <nil>
	// 72h0m0s later, 1 refund
}

// Somebody answers after two hours.
func ExampleRaiseAt() {
	e := world()
	orchestrationtest.RaiseAt(e, 2*time.Hour, Approve, Decision{By: "ann"})

	result, err := orchestrationtest.Run(e, Fulfil, Order{Cents: 500_00})
	fmt.Println(result, err)
	fmt.Println(e.Elapsed())
	// Output:
	// shipped for r-1 <nil>
	// 2h0m0s
}

// The first two attempts fail; the retry policy waits one second, then two.
func ExampleEnv_Fail() {
	e := world()
	e.Fail(Charge, 2, errors.New("the bank is closed"))

	result, err := orchestrationtest.Run(e, Fulfil, Order{Cents: 20_00})
	fmt.Println(result, err)
	fmt.Println(e.Elapsed(), orchestrationtest.Scheduled(e, Charge)[0].Attempts)
	// Output:
	// shipped for r-1 <nil>
	// 3s 3
}

// Charging takes two minutes; its timeout is one.
func ExampleEnv_Delay() {
	e := world()
	e.Delay(Charge, 2*time.Minute)

	_, err := orchestrationtest.Run(e, Fulfil, Order{Cents: 20_00})
	fmt.Println(err)
	fmt.Println(errors.Is(err, context.DeadlineExceeded), e.Elapsed())
	// Output:
	// orchestration fulfil (instance test-1): activity charge (attempt 3): activity timed out: the attempt took longer than its limit of 1m0s
	// true 3m3s
}

// The worker dies after charging: the activity runs again, under the same
// idempotency key.
func ExampleEnv_Lose() {
	e := world()
	keys := map[string]int{}
	e.Register(Charge.Func(func(ctx context.Context, _ Order) (Receipt, error) {
		keys[activity.Info(ctx).IdempotencyKey]++
		return Receipt{Number: "r-1"}, nil
	}))
	e.Lose(Charge, 1)

	result, err := orchestrationtest.Run(e, Fulfil, Order{Cents: 20_00})
	fmt.Println(result, err, keys)
	// Output: shipped for r-1 <nil> map[test/test-1/1/2:2]
}

// A request to cancel comes while the order waits for its approval.
func ExampleEnv_CancelAt() {
	e := world()
	e.CancelAt(time.Hour, "the customer called")

	_, err := orchestrationtest.Run(e, Fulfil, Order{Cents: 500_00})
	fmt.Println(err)
	fmt.Println(errors.Is(err, orchestration.ErrCancelled))
	// Output:
	// orchestration fulfil (instance test-1): cancelled: the customer called
	// true
}

// An orchestration that never ends is stopped when the test has seen enough.
func ExampleEnv_StopAfter() {
	e := world().StopAfter(3)

	_, err := orchestrationtest.Run(e, Poll, 1)
	fmt.Println(errors.Is(err, orchestrationtest.ErrStopped))
	for _, call := range orchestrationtest.Scheduled(e, Charge) {
		fmt.Println("execution", call.Execution, "looked for", call.Input.Cents)
	}
	// Output:
	// true
	// execution 1 looked for 1
	// execution 2 looked for 2
	// execution 3 looked for 3
}

// A test may stop on the way, look, and send something.
func ExampleStart() {
	e := world()
	run := orchestrationtest.Start(e, Fulfil, Order{Cents: 500_00}, orchestration.StartOptions{ID: "order-7"})
	e.Advance(24 * time.Hour)
	fmt.Println("after a day it is", run.Status())

	err := Approve.Raise(context.Background(), e.After(time.Hour), "order-7", Decision{By: "ann"})
	fmt.Println(err)
	result, err := run.Result()
	fmt.Println(result, err, e.Elapsed())
	// Output:
	// after a day it is running
	// <nil>
	// shipped for r-1 <nil> 25h0m0s
}

// The handles' own methods work, with the world as their client.
func ExampleEnv_Client() {
	e, ctx := world(), context.Background()
	h, err := Fulfil.Start(ctx, e.Client(), Order{Cents: 500_00}, orchestration.StartOptions{ID: "order-7"})
	if err == nil {
		err = h.Cancel(ctx, "a mistake")
	}
	fmt.Println(err)
	_, err = h.Wait(ctx)
	fmt.Println(err)
	// Output:
	// <nil>
	// orchestration fulfil (instance order-7): cancelled: a mistake
}

// Code that does not repeat itself fails the test that runs it. This one asks a
// variable of the process, which stands for a clock, a random number, or the
// order of a map.
func ExampleNew_forcedReplay() {
	calls := 0
	e := world().Register(Fulfil.Func(func(ctx *orchestration.Context, o Order) (string, error) {
		if calls++; calls > 1 {
			if err := ctx.Sleep(time.Second); err != nil {
				return "", err
			}
		}
		receipt, err := Charge.Call(ctx, o).Await()
		return receipt.Number, err
	}))
	defer printFailure()
	_, _ = orchestrationtest.Run(e, Fulfil, Order{})
	// Output: non-determinism at event 2: history says activity "charge" scheduled, but the code decided a timer created instead
}

// A history of production, exported, is replayed against today's code.
func ExampleReplay() {
	e := world()
	run := orchestrationtest.Start(e, Fulfil, Order{Cents: 500_00})
	e.Advance(time.Hour)
	stored := run.Export(0) // a history from here stands for one from there

	orchestrationtest.Replay(t, Fulfil.Func(fulfil), stored)
	fmt.Println("today's code follows it")

	careless := func(ctx *orchestration.Context, o Order) (string, error) {
		if _, err := Approve.Wait(ctx).Await(); err != nil { // approve first, charge later
			return "", err
		}
		return fulfil(ctx, o)
	}
	defer printFailure()
	orchestrationtest.Replay(t, Fulfil.Func(careless), stored)
	// Output:
	// today's code follows it
	// non-determinism at event 2: history says activity "charge" scheduled, but the code decided event "approve" awaited instead
}

// outsideOfTests fails by panicking, since an example is no test.
type outsideOfTests struct{}

func (outsideOfTests) Helper()                           {}
func (outsideOfTests) Cleanup(func())                    {}
func (outsideOfTests) Logf(string, ...any)               {}
func (outsideOfTests) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// printFailure prints the heart of a failure: what is non-deterministic.
func printFailure() {
	text := fmt.Sprint(recover())
	_, text, _ = strings.Cut(text, "non-determinism")
	text, _, _ = strings.Cut(text, " (")
	fmt.Println("non-determinism" + text)
}
