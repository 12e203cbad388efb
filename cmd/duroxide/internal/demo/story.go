package demo

import (
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// The contract between worker and director: names and types.
var (
	Fulfil    = orchestration.Declare[Order, Outcome]("fulfil")
	Invoice   = orchestration.Declare[InvoiceInput, string]("invoice")
	Reconcile = orchestration.Declare[Round, Round]("reconcile")

	Decide  = orchestration.DeclareEvent[Decision]("decision")
	Closing = orchestration.DeclareEvent[orchestration.None]("closing")
	Counted = orchestration.DeclareState[int]("counted")

	charge  = activity.Declare[Order, string]("charge")
	refund  = activity.Declare[string, activity.None]("refund")
	reserve = activity.Declare[Item, string]("reserve")
	release = activity.Declare[string, activity.None]("release")
	ship    = activity.Declare[Item, string]("ship")
	write   = activity.Declare[InvoiceInput, string]("write-invoice")
	count   = activity.Declare[int, int]("count-shelf")
)

// Outcome is how an order ended.
type Outcome struct {
	Ending  Ending   `json:"ending"`
	Parcels []string `json:"parcels,omitempty"`
	Invoice string   `json:"invoice,omitempty"`
	Missing []string `json:"missing,omitempty"`
}

// Decision is the approver's.
type Decision struct {
	Granted bool   `json:"granted"`
	By      string `json:"by"`
}

// InvoiceInput is what an invoice needs.
type InvoiceInput struct {
	Order string `json:"order"`
	Cents int    `json:"cents"`
}

// Round is where the inventory stands.
type Round struct {
	Number int `json:"number"`
	Items  int `json:"items"`
}

// DeclinedError is the bank's refusal.
type DeclinedError struct{ Customer string }

func (e *DeclinedError) Error() string { return "the card of " + e.Customer + " is declined" }

// MissingError is the warehouse's.
type MissingError struct{ SKU string }

func (e *MissingError) Error() string { return "no " + e.SKU + " in stock" }

// awaitingApproval is the custom status that tells the approver.
const awaitingApproval = "awaiting approval"

// roundPause is how long the inventory rests between two rounds.
const roundPause = 400 * time.Millisecond

// fulfil takes an order from approval to invoice.
func fulfil(ctx *orchestration.Context, o Order) (Outcome, error) {
	if o.Approval != nil {
		ending, err := approval(ctx, o)
		if err != nil || ending != "" {
			return Outcome{Ending: ending}, err
		}
	}
	payment, err := charge.Call(ctx, o, activity.Retry{MaxAttempts: 4, First: 150 * time.Millisecond, Factor: 2, Jitter: 0.2}).Await()
	if declined, ok := errors.AsType[*DeclinedError](err); ok {
		ctx.Logger().Info("payment refused:", "detail", declined.Error())
		return Outcome{Ending: CardDeclined}, nil
	}
	if failed, ok := errors.AsType[*activity.Error](err); ok {
		ctx.Logger().Info("gave up on the bank", "detail", fmt.Sprintf("after %d attempts", failed.Attempt))
		return Outcome{Ending: PaymentFailed}, nil
	}
	if err != nil {
		return Outcome{}, err
	}
	ctx.Logger().Info("paid", "detail", money(o.Cents))

	missing, err := reserveAll(ctx, o, payment)
	if err != nil || len(missing) > 0 {
		return Outcome{Ending: OutOfStock, Missing: missing}, err
	}

	var parcels []*orchestration.Future[string]
	for _, item := range o.Items {
		parcels = append(parcels, ship.Call(ctx, item)) // fan-out: all of them run side by side
	}
	shipped, err := orchestration.All(parcels...).Await()
	if err != nil {
		return Outcome{}, err
	}
	ctx.Logger().Info("shipped", "detail", plural(len(shipped), "parcel"))

	invoice, err := Invoice.Call(ctx, InvoiceInput{Order: o.ID, Cents: o.Cents}).Await()
	return Outcome{Ending: Shipped, Parcels: shipped, Invoice: invoice}, err
}

// approval is the race of the approver against the deadline. It returns how the
// order ends, or "" if it may go on.
func approval(ctx *orchestration.Context, o Order) (Ending, error) {
	if err := ctx.SetStatus(awaitingApproval); err != nil {
		return "", err
	}
	deadline := time.Duration(o.Approval.DeadlineSeconds) * time.Second
	ctx.Logger().Info("needs an approval", "detail", fmt.Sprintf("of %s within %v", money(o.Cents), deadline))
	decision, late := Decide.Wait(ctx), ctx.Timer(deadline)
	won, err := orchestration.First(decision, late)
	if err != nil {
		return "", err
	}
	if won == late {
		ctx.Logger().Info("nobody approved", "detail", fmt.Sprintf("within %v", deadline))
		return Expired, ctx.SetStatus(nil)
	}
	d, err := decision.Await()
	if err != nil {
		return "", err
	}
	if err := ctx.SetStatus(nil); err != nil {
		return "", err
	}
	if !d.Granted {
		ctx.Logger().Info("refused by", "detail", d.By)
		return NotApproved, nil
	}
	ctx.Logger().Info("approved by", "detail", d.By)
	return "", nil
}

// reserveAll reserves the items side by side. If any is missing it undoes the
// others and the payment, and returns what was missing.
func reserveAll(ctx *orchestration.Context, o Order, payment string) (missing []string, err error) {
	var reservations []*orchestration.Future[string]
	for _, item := range o.Items {
		reservations = append(reservations, reserve.Call(ctx, item))
	}
	var held []string
	for _, r := range reservations {
		hold, err := r.Await()
		if gone, ok := errors.AsType[*MissingError](err); ok {
			missing = append(missing, gone.SKU)
		} else if err != nil {
			return nil, err
		} else {
			held = append(held, hold)
		}
	}
	if len(missing) == 0 {
		ctx.Logger().Info("reserved", "detail", plural(len(held), "item"))
		return nil, nil
	}
	ctx.Logger().Info("out of stock: undoing the payment and", "detail", plural(len(held), "reservation"))
	return missing, ctx.Shield(func(ctx *orchestration.Context) error { // compensation is out of reach of cancellation
		undone := []*orchestration.Future[activity.None]{refund.Call(ctx, payment)}
		for _, hold := range held {
			undone = append(undone, release.Call(ctx, hold))
		}
		_, err := orchestration.All(undone...).Await()
		return err
	})
}

// invoice is the child.
func invoice(ctx *orchestration.Context, in InvoiceInput) (string, error) {
	return write.Call(ctx, in).Await()
}

// reconcile counts for ever, one round an execution, until the shop closes.
func reconcile(ctx *orchestration.Context, r Round) (Round, error) {
	items, err := count.Call(ctx, r.Number).Await()
	if err != nil {
		return r, err
	}
	r.Items += items
	if err := Counted.Set(ctx, r.Items); err != nil {
		return r, err
	}
	closing, next := Closing.Wait(ctx), ctx.Timer(roundPause)
	switch won, err := orchestration.First(closing, next); {
	case err != nil:
		return r, err
	case won == closing:
		ctx.Logger().Info("the shop closes:", "detail", fmt.Sprintf("%s counted in %s", plural(r.Items, "item"), plural(r.Number, "round")))
		return r, nil
	}
	return Reconcile.ContinueAsNew(ctx, Round{Number: r.Number + 1, Items: r.Items})
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
