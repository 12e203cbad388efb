package orchestration_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/memory"
)

type (
	Order struct {
		ID    string
		Cents int
		Items []string
	}
	Receipt  struct{ Number string }
	Parcel   struct{ Item, Label string }
	Decision struct{ By string }
	Result   struct {
		Status  string
		Parcels []Parcel
	}
	// Declined is an error of the payment service. It survives storage, since
	// its field is exported.
	Declined struct{ Code string }
)

func (d *Declined) Error() string { return "declined: " + d.Code }

// The contract: names and types in one place, shared by workers, clients,
// orchestrations and tests.
var (
	Fulfil  = orchestration.Declare[Order, Result]("fulfil")
	Charge  = activity.Declare[Order, Receipt]("charge")
	Refund  = activity.Declare[Receipt, activity.None]("refund")
	Ship    = activity.Declare[string, Parcel]("ship")
	Approve = orchestration.DeclareEvent[Decision]("approve")
	Reject  = orchestration.DeclareEvent[Decision]("reject")
)

func fulfil(ctx *orchestration.Context, o Order) (Result, error) {
	receipt, err := Charge.Call(ctx, o, activity.Retry{MaxAttempts: 5, First: time.Second}).Await()
	if declined, ok := errors.AsType[*Declined](err); ok { // the user's own error type, after a trip through storage
		return Result{Status: "declined " + declined.Code}, nil
	} else if err != nil {
		return Result{}, err
	}
	if o.Cents > 100_00 {
		approve, reject, late := Approve.Wait(ctx), Reject.Wait(ctx), ctx.Timer(72*time.Hour)
		won, err := orchestration.First(approve, reject, late) // blocks; an error means this scope was cancelled
		if err != nil {
			return Result{}, err
		}
		switch won { // a select that is an ordinary switch
		case approve:
			decision, err := approve.Await()
			if err != nil {
				return Result{}, err
			}
			ctx.Logger().Info("approved", "by", decision.By) // silent while replaying
		case reject, late:
			_, err := Refund.Call(ctx, receipt).Await()
			return Result{Status: "refused"}, err
		}
	}
	var parcels []*orchestration.Future[Parcel]
	for _, item := range o.Items {
		parcels = append(parcels, Ship.Call(ctx, item)) // fan-out: scheduled at the call
	}
	shipped, err := orchestration.All(parcels...).Await() // first failure cancels the rest
	return Result{Status: "ok", Parcels: shipped}, err
}

// The activities: plain functions that do the work.

func charge(_ context.Context, o Order) (Receipt, error) {
	if o.Cents > 1_000_00 {
		return Receipt{}, activity.NonRetryable(&Declined{Code: "limit"})
	}
	return Receipt{Number: "r-" + o.ID}, nil
}

func refund(context.Context, Receipt) (activity.None, error) { return activity.None{}, nil }

func ship(_ context.Context, item string) (Parcel, error) {
	return Parcel{Item: item, Label: "label of " + item}, nil
}

func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := memory.New(memory.Config{})

	worker := core.NewWorker(store, core.WorkerConfig{Logger: slog.New(slog.DiscardHandler)}).
		Register(Fulfil.Func(fulfil), Charge.Func(charge), Refund.Func(refund), Ship.Func(ship))
	stopped := make(chan error, 1)
	go func() { stopped <- worker.Run(ctx) }()

	client := core.NewClient(store, core.ClientConfig{})
	for _, o := range []Order{
		{ID: "small", Cents: 20_00, Items: []string{"book", "pen"}},
		{ID: "large", Cents: 500_00, Items: []string{"lamp"}},
		{ID: "vast", Cents: 5_000_00},
	} {
		h, err := Fulfil.Start(ctx, client, o, orchestration.StartOptions{ID: orchestration.InstanceID("order-" + o.ID)})
		if err != nil {
			fmt.Println(err)
			return
		}
		if o.ID == "large" { // it may come before the orchestration waits for it
			if err := Approve.Raise(ctx, client, h.ID(), Decision{By: "ann"}); err != nil {
				fmt.Println(err)
				return
			}
		}
		result, err := h.Wait(ctx)
		fmt.Println(h.ID(), result.Status, len(result.Parcels), err)
	}
	cancel()
	fmt.Println(<-stopped, store.Close())
	// Output:
	// order-small ok 2 <nil>
	// order-large ok 1 <nil>
	// order-vast declined limit 0 <nil>
	// <nil> <nil>
}

func ExampleRace() {
	poll := activity.Declare[string, bool]("poll")
	watch := orchestration.Declare[string, string]("watch")
	stop := orchestration.DeclareEvent[string]("stop")

	_ = watch.Func(func(ctx *orchestration.Context, resource string) (string, error) {
		for {
			ready, err := poll.Call(ctx, resource).Await()
			if err != nil || ready {
				return "ready", err
			}
			// Races nest, and cancel what loses: no timer and no wait is left over.
			stopped, pause := stop.Wait(ctx), ctx.Timer(time.Minute)
			won, err := orchestration.Race(stopped, pause).Await()
			if err != nil {
				return "", err
			}
			if won == stopped {
				return stopped.Await()
			}
		}
	})
}

func ExampleGo() {
	type city = string
	flight := activity.Declare[city, string]("book-flight")
	hotel := activity.Declare[city, string]("book-hotel")
	trip := orchestration.Declare[city, []string]("trip")

	_ = trip.Func(func(ctx *orchestration.Context, to city) ([]string, error) {
		// Two branches, each a sequence of its own, side by side.
		out := orchestration.Go(ctx, func(ctx *orchestration.Context) (string, error) {
			return flight.Call(ctx, to).Await()
		})
		stay := orchestration.Go(ctx, func(ctx *orchestration.Context) (string, error) {
			return hotel.Call(ctx, to, activity.Options{Timeout: time.Minute}).Await()
		})
		return orchestration.All(out, stay).Await()
	})
}

func ExampleContext_Shield() {
	reserve := activity.Declare[string, string]("reserve")
	release := activity.Declare[string, activity.None]("release")
	booking := orchestration.Declare[string, string]("booking")

	_ = booking.Func(func(ctx *orchestration.Context, room string) (string, error) {
		hold, err := reserve.Call(ctx, room).Await()
		if err != nil {
			return "", err
		}
		if err := ctx.Sleep(24 * time.Hour); err != nil { // cancelled meanwhile
			cleanup := ctx.Shield(func(ctx *orchestration.Context) error {
				_, err := release.Call(ctx, hold).Await()
				return err
			})
			return "", errors.Join(err, cleanup)
		}
		return hold, nil
	})
}

func ExampleQueue() {
	type command struct{ Add int }
	commands := orchestration.DeclareQueue[command]("commands")
	total := orchestration.DeclareState[int]("total")
	counter := orchestration.Declare[int, int]("counter")

	// An actor: it receives for ever, and starts afresh before its history
	// grows long. Messages that wait are carried over.
	_ = counter.Func(func(ctx *orchestration.Context, received int) (int, error) {
		for c, err := range commands.All(ctx) {
			if err != nil {
				return 0, err
			}
			sum, err := total.Get(ctx)
			if err != nil {
				return 0, err
			}
			if err := total.Set(ctx, sum+c.Add); err != nil {
				return 0, err
			}
			received++
			if ctx.Info().HistoryLength > 1_000 {
				break
			}
		}
		return counter.ContinueAsNew(ctx, received)
	})
}
