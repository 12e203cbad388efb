package azurite

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/ledger"
	"github.com/duroxide/duroxide-go/internal/verify"
)

var (
	order   = orchestration.Declare[int, int]("order")
	invoice = orchestration.Declare[int, int]("invoice")
	counter = orchestration.Declare[int, int]("counter")
	confirm = orchestration.DeclareEvent[int]("confirm")
	effect  = activity.Declare[int, int]("effect")
)

// runOrder does a bit of everything: a fan-out, an event that meets a timer,
// children, one of which continues as new.
func runOrder(ctx *orchestration.Context, n int) (int, error) {
	var effects []*orchestration.Future[int]
	for i := range n%3 + 1 {
		effects = append(effects, effect.Call(ctx, i))
	}
	done, err := orchestration.All(effects...).Await()
	if err != nil {
		return 0, err
	}
	confirmed, late := confirm.Wait(ctx), ctx.Timer(time.Hour)
	won, err := orchestration.Race(confirmed, late).Await()
	if err != nil || won != confirmed {
		return 0, fmt.Errorf("the confirmation was lost: %w", err)
	}
	loops := counter.Call(ctx, n%3)
	invoiced, err := invoice.Call(ctx, n).Await()
	if err != nil {
		return 0, err
	}
	counted, err := loops.Await()
	return len(done)*10_000 + invoiced*100 + counted, err
}

// want is what an order comes to.
func want(n int) int { return (n%3+1)*10_000 + n%7*100 }

func runInvoice(ctx *orchestration.Context, n int) (int, error) {
	if err := ctx.Sleep(20 * time.Millisecond); err != nil {
		return 0, err
	}
	_, err := effect.Call(ctx, n).Await()
	return n % 7, err
}

func runCounter(ctx *orchestration.Context, left int) (int, error) {
	if _, err := effect.Call(ctx, left).Await(); err != nil || left == 0 {
		return 0, err
	}
	return counter.ContinueAsNew(ctx, left-1)
}

// shop is two workers and a client, each a process as far as the account can
// tell, on one hub of two partitions.
type shop struct {
	t       *testing.T
	client  *process
	effects *ledger.Ledger
	begun   atomic.Int64 // activities
	path    string
	stop    context.CancelFunc
	workers sync.WaitGroup
}

func openShop(t *testing.T, client *process, workers ...*process) *shop {
	t.Helper()
	s := &shop{t: t, client: client, path: filepath.Join(t.TempDir(), "ledger")}
	var err error
	if s.effects, err = ledger.Open(s.path); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s.stop = stop
	apply := func(ctx context.Context, n int) (int, error) {
		s.begun.Add(1)
		i := activity.Info(ctx)
		_, err := s.effects.Apply(ledger.Row{Key: i.IdempotencyKey, Activity: i.Activity, Instance: string(i.Instance), Execution: i.Execution, Event: i.Event, Attempt: i.Attempt})
		return n, err
	}
	for n, w := range workers {
		s.workers.Go(func() {
			for { // as whatever starts processes does
				err := core.NewWorker(w.Store, core.WorkerConfig{Name: fmt.Sprint("worker-", n), Logger: slog.New(slog.DiscardHandler)}).Register(
					order.Func(runOrder), invoice.Func(runInvoice), counter.Func(runCounter), effect.Func(apply)).Run(ctx)
				if ctx.Err() != nil {
					return
				}
				if err != nil && !provider.Retryable(err) {
					t.Errorf("worker %d: %v", n, err)
					return
				}
			}
		})
	}
	return s
}

// close lets the workers end, and closes the stores.
func (s *shop) close(stores ...*process) {
	s.stop()
	s.workers.Wait()
	for _, p := range append(stores, s.client) {
		if err := p.Close(); err != nil {
			s.t.Error(err)
		}
	}
	if err := s.effects.Close(); err != nil {
		s.t.Error(err)
	}
}

// insist tries again for as long as that may help.
func insist(ctx context.Context, do func() error) error {
	for {
		err := do()
		if err == nil || !provider.Retryable(err) || ctx.Err() != nil {
			return err
		}
		select {
		case <-time.After(provider.RetryAfter(err, 20*time.Millisecond)):
		case <-ctx.Done():
		}
	}
}

// serve runs so many orders to their end, whatever it takes.
func (s *shop) serve(ctx context.Context, first, orders int) {
	s.t.Helper()
	client := core.NewClient(s.client.Store, core.ClientConfig{})
	var all sync.WaitGroup
	for n := first; n < first+orders; n++ {
		all.Go(func() {
			id := orchestration.InstanceID(fmt.Sprint("order-", n))
			err := insist(ctx, func() error {
				_, err := order.Start(ctx, client, n, orchestration.StartOptions{ID: id, RequestID: fmt.Sprint("request-", n)})
				return err
			})
			if err != nil {
				s.t.Errorf("starting %s: %v", id, err)
				return
			}
			if err := insist(ctx, func() error { return confirm.Raise(ctx, client, id, 1) }); err != nil {
				s.t.Errorf("confirming %s: %v", id, err)
			}
			var got int
			err = insist(ctx, func() (err error) {
				got, err = order.Handle(client, id).Wait(ctx)
				return err
			})
			if err != nil || got != want(n) {
				s.t.Errorf("%s came to %d, %v, want %d", id, got, err, want(n))
			}
		})
	}
	all.Wait()
}

// audit demands that nothing was lost and nothing doubled.
func (s *shop) audit(ctx context.Context) {
	s.t.Helper()
	report, err := verify.Store(ctx, s.client.Store, verify.Options{Complete: true, Effects: []string{"effect"}, Rereads: 20})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := verify.Effects(report, verify.Ledger(s.path)); err != nil {
		s.t.Fatal(err)
	}
	for _, f := range report.Findings {
		s.t.Error(f)
	}
	s.t.Logf("%d instances, %d activities completed, %d effects, %d of them repeated",
		report.Instances, report.Counts.Activities.Completed, report.Effects.Effects, report.Effects.Repeats)
	if report.Effects.Effects == 0 {
		s.t.Error("the workload had no effects")
	}
}
