package audit_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

var (
	orderFunc   = orchestration.Declare[int, string]("order")
	shipFunc    = orchestration.Declare[string, string]("ship")
	stuckFunc   = orchestration.Declare[int, string]("stuck")
	loopFunc    = orchestration.Declare[int, string]("loop")
	counterFunc = orchestration.Declare[int, string]("counter")
	charge      = activity.Declare[int, string]("charge")
	hang        = activity.Declare[int, string]("hang")
	approve     = orchestration.DeclareEvent[string]("approve")
	tick        = orchestration.DeclareQueue[int]("tick")
	cents       = orchestration.DeclareState[string]("cents")
)

// largeText does not fit into a row, compressed or not.
func largeText(n int) string {
	b := make([]byte, 150_000)
	_, _ = rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return hex.EncodeToString(b)
}

// runOrder does a little of everything.
func runOrder(c *orchestration.Context, n int) (string, error) {
	if _, err := charge.Call(c, n, activity.Retry{MaxAttempts: 3, First: time.Second}).Await(); err != nil {
		return "", err
	}
	var all []*orchestration.Future[string]
	for i := range 12 {
		all = append(all, charge.Call(c, -i))
	}
	for i := range 12 { // with ids of their own they live anywhere
		all = append(all, shipFunc.Call(c, fmt.Sprint("part-", i), orchestration.ChildOptions{ID: history.InstanceID(fmt.Sprintf("ship/%d_%d", n, i))}))
	}
	large := largeText(n)
	all = append(all, shipFunc.Call(c, large, orchestration.ChildOptions{ID: history.InstanceID(fmt.Sprintf("large-%d", n))}))
	if _, err := orchestration.All(all...).Await(); err != nil {
		return "", err
	}
	if err := errors.Join(cents.Set(c, large[:10_000]), c.SetStatus("packed"), tick.Send(c, "counter", n)); err != nil {
		return "", err
	}
	yes, late := approve.Wait(c), c.Timer(time.Hour)
	if won, err := orchestration.First(yes, late); err != nil || won == late {
		return "late", err
	}
	late.Cancel()
	given := shipFunc.Call(c, "slow", orchestration.ChildOptions{ID: history.InstanceID(fmt.Sprintf("slow-%d", n))})
	given.Cancel()
	return large, nil
}

func runShip(c *orchestration.Context, what string) (string, error) {
	if what == "slow" {
		return "", c.Sleep(1000 * time.Hour)
	}
	return what, c.Sleep(time.Second)
}

// runStuck waits for an activity that ends with its worker.
func runStuck(c *orchestration.Context, n int) (string, error) { return hang.Call(c, n).Await() }

// runCounter receives so many messages, then continues as new.
func runCounter(c *orchestration.Context, each int) (string, error) {
	for range each {
		if _, err := tick.Receive(c).Await(); err != nil {
			return "", err
		}
	}
	return counterFunc.ContinueAsNew(c, each)
}

// runLoop has so many executions, of which it keeps three.
func runLoop(c *orchestration.Context, left int) (string, error) {
	if _, err := charge.Call(c, 0).Await(); err != nil || left == 0 {
		return "", err
	}
	return loopFunc.ContinueAsNew(c, left-1, orchestration.ContinueOptions{Keep: 3})
}

// lab is a hub on a simulated account, in a bubble.
type lab struct {
	*testing.T
	account *simulated.Account
	auditor *simulated.Client
}

const partitions = 4

func newLab(t *testing.T) *lab {
	account := simulated.New(simulated.Config{Seed: 7, Latency: simulated.Between(time.Millisecond, 9*time.Millisecond)})
	t.Cleanup(account.Close)
	return &lab{t, account, account.Client("auditor")}
}

func (l *lab) open(client *simulated.Client) *hub.Store {
	l.Helper()
	s, err := hub.Open(l.Context(), client, hub.Config{Name: "hub", Partitions: partitions, OrphanAfter: 20 * time.Minute})
	if err != nil {
		l.Fatal(err)
	}
	return s
}

// work runs a worker until the function it returns is called.
func (l *lab) work(s *hub.Store, name string) (stop func() error) {
	do := func(ctx context.Context, n int) (string, error) {
		if info := activity.Info(ctx); n > 0 && info.Attempt == 1 {
			return "", errors.New("the first attempt fails")
		}
		return fmt.Sprint(n), nil
	}
	worker := core.NewWorker(s, core.WorkerConfig{Name: name, Logger: slog.New(slog.DiscardHandler)}).Register(
		orderFunc.Func(runOrder), shipFunc.Func(runShip), counterFunc.Func(runCounter), loopFunc.Func(runLoop), charge.Func(do), stuckFunc.Func(runStuck),
		hang.Func(func(ctx context.Context, _ int) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}),
	)
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- worker.Run(ctx) }()
	return func() error {
		cancel()
		return <-ran
	}
}

// start starts orders, and the counter that they send to.
func (l *lab) start(s *hub.Store, orders ...int) (handles []*orchestration.Handle[string]) {
	l.Helper()
	client := core.NewClient(s, core.ClientConfig{})
	if _, err := counterFunc.Start(l.Context(), client, 2, orchestration.StartOptions{ID: "counter", Reuse: orchestration.ReuseIgnore}); err != nil {
		l.Fatal(err)
	}
	if _, err := loopFunc.Start(l.Context(), client, 50, orchestration.StartOptions{ID: "loop", Reuse: orchestration.ReuseIgnore}); err != nil {
		l.Fatal(err)
	}
	for _, n := range orders {
		h, err := orderFunc.Start(l.Context(), client, n, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprint("order-", n))})
		if err != nil {
			l.Fatal(err)
		}
		handles = append(handles, h)
	}
	return handles
}

func (l *lab) approve(s *hub.Store, all []*orchestration.Handle[string]) {
	l.Helper()
	client := core.NewClient(s, core.ClientConfig{})
	for _, h := range all {
		if err := approve.Raise(l.Context(), client, h.ID(), "yes"); err != nil {
			l.Fatal(err)
		}
	}
}

func (l *lab) audit(o audit.Options) *audit.Report {
	l.Helper()
	r, err := audit.Run(l.Context(), l.auditor, "hub", o)
	if err != nil {
		l.Fatal(err)
	}
	return r
}

// clean audits the hub and wants nothing found.
func (l *lab) clean(when string, o audit.Options) *audit.Report {
	l.Helper()
	r := l.audit(o)
	for _, f := range r.Findings {
		l.Errorf("%s: %s", when, f)
	}
	return r
}
