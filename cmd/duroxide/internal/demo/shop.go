package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/internal/ledger"
)

// shop holds what activities need: dependencies are a plain struct.
type shop struct {
	ledger *ledger.Ledger
	pace   time.Duration // how long an activity takes, about
}

// handlers are everything that the worker runs.
func (s *shop) handlers() []core.Handler {
	return []core.Handler{
		Fulfil.Func(fulfil), Invoice.Func(invoice), Reconcile.Func(reconcile),
		charge.Func(s.charge), refund.Func(s.refund), reserve.Func(s.reserve), release.Func(s.release),
		ship.Func(s.ship), write.Func(s.write), count.Func(s.count),
	}
}

var errBank = errors.New("the bank does not answer")

func (s *shop) charge(ctx context.Context, o Order) (string, error) {
	return s.effect(ctx, money(o.Cents), func(attempt int) error {
		switch {
		case attempt <= o.BankFailures:
			return errBank
		case o.Declined:
			return activity.NonRetryable(&DeclinedError{o.Customer})
		}
		return nil
	})
}

func (s *shop) refund(ctx context.Context, payment string) (activity.None, error) {
	_, err := s.effect(ctx, payment, nil)
	return activity.None{}, err
}

func (s *shop) reserve(ctx context.Context, i Item) (string, error) {
	return s.effect(ctx, i.SKU, func(int) error {
		if i.Missing {
			return activity.NonRetryable(&MissingError{i.SKU})
		}
		return nil
	})
}

func (s *shop) release(ctx context.Context, hold string) (activity.None, error) {
	_, err := s.effect(ctx, hold, nil)
	return activity.None{}, err
}

func (s *shop) ship(ctx context.Context, i Item) (string, error) { return s.effect(ctx, i.SKU, nil) }

func (s *shop) write(ctx context.Context, in InvoiceInput) (string, error) {
	return s.effect(ctx, money(in.Cents), nil)
}

func (s *shop) count(ctx context.Context, round int) (int, error) {
	_, err := s.effect(ctx, fmt.Sprintf("round %d", round), nil)
	return 100 + round%7, err
}

// effect does what an activity does in the world, once: it takes a while, it
// may fail before, the effect is a row in the ledger under the idempotency key,
// and the answer takes a while, too. Killed before the row, the activity runs
// again and applies it; killed after it, the activity runs again and finds it.
// It returns a receipt.
func (s *shop) effect(ctx context.Context, what string, fails func(attempt int) error) (string, error) {
	info, log := activity.Info(ctx), activity.Logger(ctx)
	log.Info(noteBegun, "what", what, "delivery", info.Delivery)
	if err := s.work(ctx); err != nil {
		return "", err
	}
	if fails != nil {
		if err := fails(info.Attempt); err != nil {
			log.Info(noteFailed, "what", what, "error", err.Error())
			return "", err
		}
	}
	applied, err := s.ledger.Apply(ledger.Row{
		Key: info.IdempotencyKey, Activity: info.Activity, Instance: string(info.Instance),
		Execution: info.Execution, Event: info.Event, Attempt: info.Attempt,
	})
	if err != nil {
		return "", err
	}
	if !applied {
		log.Info(noteRepeated, "what", what)
	}
	if err := s.work(ctx); err != nil {
		return "", err
	}
	log.Info(noteEnded, "what", what)
	return fmt.Sprintf("%s-%d", info.Activity, info.Event), nil
}

// work takes time.
func (s *shop) work(ctx context.Context) error {
	t := time.NewTimer(s.pace/4 + rand.N(s.pace/2+1))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
