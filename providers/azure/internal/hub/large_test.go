package hub_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Turns that decide much at once, and instances that have much open at once.

var (
	largeTurn  = orchestration.Declare[int, int]("large turn")
	largeChild = orchestration.Declare[int, int]("large child")
)

const timersAtOnce, childrenAtOnce = 1_000, 200

// largeHandlers run a turn that opens many timers, gives as many up at once, and
// begins many children.
func largeHandlers() []core.Handler {
	return []core.Handler{
		largeTurn.Func(func(ctx *orchestration.Context, n int) (int, error) {
			var all []orchestration.Awaitable
			for range timersAtOnce {
				all = append(all, ctx.Timer(time.Second))
				ctx.Timer(time.Hour).Cancel()
			}
			var children []*orchestration.Future[int]
			for i := range childrenAtOnce {
				id := history.InstanceID(fmt.Sprintf("%s-%d", ctx.Info().ID, i)) // somewhere else
				children = append(children, largeChild.Call(ctx, n+i, orchestration.ChildOptions{ID: id}))
			}
			if _, err := orchestration.Join(all...).Await(); err != nil {
				return 0, err
			}
			got, err := orchestration.All(children...).Await()
			sum := 0
			for _, v := range got {
				sum += v
			}
			return sum, err
		}),
		largeChild.Func(func(_ *orchestration.Context, n int) (int, error) { return n, nil }),
	}
}

// decisions counts transactions that give an instance its timers together with
// rows of the outbox.
func (b *bench) decisions(id history.InstanceID) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		timers, sent := false, false
		for _, op := range c.Ops {
			timers = timers || op.Verb != storage.Delete && row.KindOf(op.Row.Key) == row.KindTimers && strings.HasSuffix(op.Row.Key, ":"+string(id))
			sent = sent || op.Verb == storage.Insert && row.KindOf(op.Row.Key) == row.KindOutbox
		}
		if timers && sent {
			n++
		}
	}
	return n
}

func TestAFanOutOfTenThousandTakesNoMorePerActivityThanOneOfAThousand(t *testing.T) {
	const width = 10_000
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{MaxActivities: 64})
		cost := func(n int, id history.InstanceID) (operations int, bytes int64) {
			b.reset()
			before := b.account.Counts()
			h, err := budgetFanOut.Start(b.Context(), client, n, orchestration.StartOptions{ID: id})
			if err != nil {
				b.Fatal(err)
			}
			if got, err := h.Wait(b.Context()); err != nil || got != n {
				b.Fatalf("%d activities gave %d, %v", n, got, err)
			}
			operations, _ = b.count()
			return operations, b.account.Counts().Sub(before).Sent
		}
		operations, bytes := cost(width/10, "thousand")
		more, sent := cost(width, "ten thousand")
		b.Logf("1,000: %d operations, %d bytes sent; 10,000: %d operations, %d bytes sent", operations, bytes, more, sent)
		if more > 300 { // ten times the budget of a tenth
			b.Errorf("%d instant activities took %d operations, the budget is 300", width, more)
		}
		if sent > 20*bytes { // linear, give or take what is sent of open work
			b.Errorf("ten times the width took %d times the bytes", sent/bytes)
		}
		events := 0
		for _, err := range host.History(context.WithoutCancel(b.Context()), "ten thousand", 1, 0) {
			if err != nil {
				b.Fatal(err)
			}
			events++
		}
		if events != 2*width+2 {
			b.Errorf("%d events, want two of each activity, the start and the end", events)
		}
	})
}

func TestATurnWithAThousandTimersAndTwoHundredChildrenIsOneDecision(t *testing.T) {
	for _, partitions := range []int{1, 4} {
		t.Run(fmt.Sprint(partitions, " partitions"), func(t *testing.T) {
			measured(t, partitions, func(b *bench) {
				host, client := b.open("host")
				b.work(host, core.WorkerConfig{}, largeHandlers()...)
				b.reset()
				h, err := largeTurn.Start(b.Context(), client, 1, orchestration.StartOptions{ID: "large"})
				if err != nil {
					b.Fatal(err)
				}
				want := childrenAtOnce * (childrenAtOnce + 1) / 2
				if got, err := h.Wait(b.Context()); err != nil || got != want {
					b.Fatalf("it gave %d, %v, want %d", got, err, want)
				}
				<-time.After(2 * time.Minute) // what is removed later belongs to it
				// A child may take 2 operations in the same partition, and 8 in another.
				budget := map[int]int{1: 2, 4: 8}[partitions]*childrenAtOnce + 50
				b.within(budget, "1,000 timers, 1,000 that are given up, and 200 children")
				if n := b.decisions("large"); n != 1 {
					b.Errorf("%d transactions opened the timers and sent the starts, want one", n)
				}
				list, err := host.List(b.Context(), provider.Query{Prefix: "large-", Limit: 2 * childrenAtOnce})
				if err != nil || len(list) != childrenAtOnce {
					b.Errorf("%d children, %v", len(list), err)
				}
				kinds := map[history.Kind]int{}
				for e, err := range host.History(b.Context(), "large", 1, 0) {
					if err != nil {
						b.Fatal(err)
					}
					kinds[e.Data.Kind()]++
				}
				if kinds[history.KindTimerFired] != timersAtOnce {
					b.Errorf("events: %v", kinds)
				}
			})
		})
	}
}
