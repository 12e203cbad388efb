package verify_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/internal/ledger"
	"github.com/duroxide/duroxide-go/internal/verify"
	"github.com/duroxide/duroxide-go/providers/memory"
)

var (
	orderFunc     = orchestration.Declare[int, string]("order")
	shipFunc      = orchestration.Declare[int, string]("ship")
	invoiceFunc   = orchestration.Declare[int, string]("invoice")
	warehouseFunc = orchestration.Declare[int, string]("warehouse")
	charge        = activity.Declare[int, string]("charge")
	pack          = activity.Declare[int, string]("pack")
	approve       = orchestration.DeclareEvent[string]("approve")
	pick          = orchestration.DeclareQueue[int]("pick")
	cents         = orchestration.DeclareState[int]("cents")
)

// runOrder does a little of everything.
func runOrder(c *orchestration.Context, n int) (string, error) {
	if _, err := charge.Call(c, n, activity.Retry{MaxAttempts: 3, First: time.Second}).Await(); err != nil {
		return "", err
	}
	var packed []*orchestration.Future[string]
	for i := range 10 {
		packed = append(packed, pack.Call(c, i))
	}
	if _, err := orchestration.All(packed...).Await(); err != nil {
		return "", err
	}
	if err := errors.Join(cents.Set(c, n), c.SetStatus("packed"), pick.Send(c, "warehouse", n)); err != nil {
		return "", err
	}
	yes, late := approve.Wait(c), c.Timer(time.Minute)
	if won, err := orchestration.First(yes, late); err != nil || won == late {
		return "late", errors.Join(err, c.Shield(func(c *orchestration.Context) error {
			_, err := pack.Call(c, -1).Await()
			return err
		}))
	}
	late.Cancel()
	first := shipFunc.Call(c, n)
	second := shipFunc.Call(c, -n) // goes on until it is asked to cancel
	if n%2 == 0 {
		second.Cancel()
	}
	if _, err := invoiceFunc.Detach(c, n, orchestration.DetachOptions{ID: history.InstanceID(fmt.Sprint("invoice-", n)), At: c.Now().Add(time.Hour)}); err != nil {
		return "", err
	}
	taken := shipFunc.Call(c, 0, orchestration.ChildOptions{ID: "warehouse"})
	if _, err := taken.Await(); err == nil {
		return "", errors.New("the id was taken, and a child started under it")
	}
	return first.Await()
}

func runShip(c *orchestration.Context, n int) (string, error) {
	if n < 0 {
		return "", c.Sleep(1000 * time.Hour)
	}
	if n%3 == 0 {
		return "", fmt.Errorf("cannot ship %d", n)
	}
	return fmt.Sprint("shipped ", n), c.Sleep(time.Second)
}

// runWarehouse receives so many messages, then continues as new.
func runWarehouse(c *orchestration.Context, each int) (string, error) {
	for range each {
		n, err := pick.Receive(c).Await()
		if err != nil {
			return "", err
		}
		if err := cents.Set(c, n); err != nil {
			return "", err
		}
	}
	return warehouseFunc.ContinueAsNew(c, each)
}

// What the real engine leaves in a store passes the audit, while it works and
// after.
func TestTheEngineLeavesAStoreThatPasses(t *testing.T) {
	for name, each := range map[string]int{"an endless execution": 1_000, "continuing as new between messages": 3, "continuing as new after each": 1} {
		t.Run(name, func(t *testing.T) {
			file, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) { runEngine(t, file, each) })
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func runEngine(t *testing.T, file *ledger.Ledger, each int) {
	store := memory.New(memory.Config{})
	apply := func(ctx context.Context, n int) (string, error) {
		info := activity.Info(ctx)
		_, err := file.Apply(ledger.Row{
			Key: info.IdempotencyKey, Activity: info.Activity, Instance: string(info.Instance),
			Execution: info.Execution, Event: info.Event, Attempt: info.Attempt,
		})
		if err == nil && info.Activity == charge.Name() && info.Attempt == 1 {
			err = errors.New("the first attempt fails after its effect")
		}
		return fmt.Sprint(n), err
	}
	worker := core.NewWorker(store, core.WorkerConfig{Logger: slog.New(slog.DiscardHandler)}).Register(
		orderFunc.Func(runOrder), shipFunc.Func(runShip), warehouseFunc.Func(runWarehouse),
		invoiceFunc.Func(func(*orchestration.Context, int) (string, error) { return "sent", nil }),
		charge.Func(apply), pack.Func(apply),
	)
	ctx, stop := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- worker.Run(ctx) }()
	client := core.NewClient(store, core.ClientConfig{})

	const orders = 12
	if _, err := warehouseFunc.Start(ctx, client, each, orchestration.StartOptions{ID: "warehouse"}); err != nil {
		t.Fatal(err)
	}
	var handles []*orchestration.Handle[string]
	for n := range orders {
		h, err := orderFunc.Start(ctx, client, n, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprint("order-", n))})
		if err != nil {
			t.Fatal(err)
		}
		handles = append(handles, h)
	}
	var seen *verify.Report
	passes := func(when string) {
		t.Helper()
		o := verify.Options{Complete: true, Effects: []string{"charge", "pack"}, Settle: time.Millisecond}
		report, err := verify.Store(t.Context(), store, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := verify.Effects(report, verify.Ledger(file.Path())); err != nil {
			t.Fatal(err)
		}
		for _, f := range report.Findings {
			t.Errorf("%s: %s", when, f)
		}
		seen = report
	}
	for i := range 20 {
		passes(fmt.Sprint("at work ", i))
	}
	for n, h := range handles {
		if n%4 != 3 { // the others run late
			if err := approve.Raise(ctx, client, h.ID(), "yes"); err != nil {
				t.Fatal(err)
			}
		}
		if n == 5 {
			if err := h.Cancel(ctx, "enough"); err != nil {
				t.Fatal(err)
			}
		}
	}
	for i := range 20 {
		passes(fmt.Sprint("going on ", i))
	}
	for _, h := range handles {
		if _, err := h.Wait(ctx); err != nil && ctx.Err() != nil { // every third cannot be shipped, one is cancelled
			t.Error(err)
		}
		passes("after " + string(h.ID()))
	}
	synctest.Wait()
	passes("at rest")
	stop()
	if err := <-ran; err != nil {
		t.Error(err)
	}
	passes("without a worker")
	if c := seen.Counts; c.Activities.Retried < orders-1 || c.Activities.Open != 0 || seen.Effects.Repeats < orders-1 || c.Children < orders || c.Raised < orders {
		t.Errorf("too little has happened to judge: %+v, effects %+v", c, *seen.Effects)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}
