package hub_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/doorbell/doorbelltest"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
)

// The rows of the operation budget that are about instances out of memory.

const lateBy = 2 * time.Hour

var (
	budgetLate = orchestration.Declare[int, int]("late")

	// lateHandler sleeps for lateBy after so many steps.
	lateHandler = budgetLate.Func(func(ctx *orchestration.Context, n int) (int, error) {
		for i := range n {
			if _, err := budgetStep.Call(ctx, i).Await(); err != nil {
				return 0, err
			}
		}
		return n, ctx.Sleep(lateBy)
	})
)

// atRest lets instances come to rest. In a worker with this cache nothing of them
// but their rows, and what their partition remembers of those, is left then.
func (b *bench) atRest() { <-time.After(10 * time.Minute) }

// knowsHosts has a client read who serves what, as it does when it sends something
// and has not for a while.
func knowsHosts(b *bench, client *hub.Store) {
	b.Helper()
	if _, err := client.Wait(b.Context(), "nobody", provider.Until{}); !errors.Is(err, provider.ErrNotFound) {
		b.Error(err)
	}
}

var shortMemory = core.WorkerConfig{Cache: core.CacheConfig{Idle: time.Second}}

// crowd makes a partition with hub.Config.Cold of 1 forget what was there before.
func (b *bench) crowd(c *core.Client) {
	b.Helper()
	for i := range 3 {
		if _, err := budgetWaiting.Start(b.Context(), c, 1, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprint("crowd-", i))}); err != nil {
			b.Fatal(err)
		}
	}
	b.atRest()
}

func TestAnExternalEventByTheDoorbellTakesThreeOperationsAndFourAtAColdInstance(t *testing.T) {
	for cold, budget := range map[bool]int{false: 3, true: 4} {
		measured(t, 1, func(b *bench) {
			b.cfg.Doorbell = hub.Doorbell{Listen: "10.0.0.1:80", Network: &doorbelltest.Network{}}
			cfg := core.WorkerConfig{}
			if cold {
				b.cfg.Cold, cfg = 1, shortMemory
			}
			host, client := b.open("host")
			b.work(host, cfg)
			b.cfg.Doorbell.Listen = ""
			store, elsewhere := b.open("client")
			if _, err := budgetWaiting.Start(b.Context(), client, 2, orchestration.StartOptions{ID: "a"}); err != nil {
				b.Fatal(err)
			}
			if <-time.After(time.Second); cold {
				b.crowd(client)
			}
			knowsHosts(b, store)
			b.reset()
			if err := budgetGo.Raise(b.Context(), elsewhere, "a", 1); err != nil {
				b.Fatal(err)
			}
			<-time.After(10 * time.Second)
			b.within(budget, fmt.Sprintf("an event, raised elsewhere, by the doorbell (cold: %t)", cold))
			if i, err := host.Instance(b.Context(), "a"); err != nil || i.LastEvent < 3 {
				b.Errorf("it was not applied: %+v, %v", i, err)
			}
		})
	}
}

func TestATimerOfAColdInstanceWithASealedHistoryTakesThreeOperations(t *testing.T) {
	for forgotten, budget := range map[bool]int{
		false: 2, // its segments, and the commit; the commit that scheduled it is the third
		true:  3, // its row as well
	} {
		measured(t, 1, func(b *bench) {
			if forgotten {
				b.cfg.Cold = 1
			}
			host, client := b.open("host")
			b.work(host, shortMemory, lateHandler)
			began := time.Now()
			h, err := budgetLate.Start(b.Context(), client, 40, orchestration.StartOptions{ID: "a"})
			if err != nil {
				b.Fatal(err)
			}
			<-time.After(time.Minute)
			b.crowd(client)
			sealed := 0
			for _, r := range b.account.State().Rows(b.cfg.Name) {
				if row.KindOf(r.Key) == row.KindHistory {
					sealed++
				}
			}
			if sealed == 0 {
				b.Fatal("no segment of its history was sealed")
			}
			<-time.After(lateBy - 10*time.Second - time.Since(began)) // it was read for the timer by then
			b.reset()
			<-time.After(20 * time.Second)
			b.within(budget, fmt.Sprintf("a timer of a cold instance (its row is out of memory: %t)", forgotten))
			if i, err := h.Status(b.Context()); err != nil || i.Status != history.StatusCompleted {
				b.Errorf("it did not fire: %+v, %v", i, err)
			}
		})
	}
}
