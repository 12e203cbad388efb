package hub_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Eternal orchestrations that keep so many executions.

var eternal = orchestration.Declare[rounds, int]("eternal")

// rounds is what an eternal orchestration does.
type rounds struct {
	Left  int `json:"left"`  // executions after this one
	Keep  int `json:"keep"`  // of them
	Steps int `json:"steps"` // activities in each
	Fill  int `json:"fill"`  // bytes in each
}

func runEternal(ctx *orchestration.Context, r rounds) (int, error) {
	for i := range r.Steps {
		if _, err := budgetStep.Call(ctx, i).Await(); err != nil {
			return 0, err
		}
	}
	if r.Fill > 0 {
		orchestration.SideEffect(ctx, func() string { return noise(r.Fill) })
	}
	if r.Left == 0 {
		return 1, nil
	}
	r.Left--
	return eternal.ContinueAsNew(ctx, r, orchestration.ContinueOptions{Keep: r.Keep})
}

// noise is text that does not compress.
func noise(n int) string {
	b, x := make([]byte, n), uint64(88172645463325252)
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[x>>20&63]
	}
	return string(b)
}

// sealed lists the rows of sealed histories that there are.
func (b *bench) sealed() (keys []string) {
	for _, r := range b.account.State().Rows("hub") {
		if row.KindOf(r.Key) == row.KindHistory {
			keys = append(keys, r.Key)
		}
	}
	return keys
}

// ops counts what requests did to rows of sealed histories.
func (b *bench) ops(verb storage.Verb) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.calls {
		for i := range c.Ops {
			if c.Ops[i].Verb == verb && row.KindOf(c.Ops[i].Row.Key) == row.KindHistory {
				n++
			}
		}
	}
	return n
}

// sound audits what is stored: nothing is wrong, nor left for long.
func (b *bench) sound() {
	b.Helper()
	r, err := audit.Run(b.Context(), b.account.Client("auditor"), "hub", audit.Options{})
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range append(r.Findings, r.Notes...) {
		b.Error(f)
	}
}

func TestAnEternalLoopLeavesBoundedRows(t *testing.T) {
	generations := 10_000
	if testing.Short() {
		generations = 1_000
	}
	for _, keep := range []int{1, 5} {
		measured(t, 1, func(b *bench) {
			host, client := b.open("host")
			b.work(host, core.WorkerConfig{}, eternal.Func(runEternal))
			b.reset()
			run(b, eternal, client, rounds{Left: generations - 1, Keep: keep}, "a")
			<-time.After(time.Second)
			if n, most := len(b.sealed()), 16+keep; n > most {
				b.Errorf("keeping %d of %d executions leaves %d rows, want at most %d", keep, generations, n, most)
			}
			if keep == 1 && b.ops(storage.Insert) > 0 {
				b.Errorf("%d rows were inserted that nobody can read", b.ops(storage.Insert))
			}
			i, err := host.Instance(b.Context(), "a")
			if err != nil || i.Execution != int64(generations) || i.Pruned != int64(generations-keep) {
				b.Errorf("the instance is %+v, %v", i, err)
			}
			b.sound()
		})
	}
}

// Looking for rows is one request for 16 executions, and removing them another.
func TestPruningTakesTwoOperationsForSixteenExecutions(t *testing.T) {
	const generations = 160
	cost := map[int]int{}
	for _, keep := range []int{0, 1, 5} {
		measured(t, 1, func(b *bench) {
			host, client := b.open("host")
			b.work(host, core.WorkerConfig{}, eternal.Func(runEternal))
			b.reset()
			run(b, eternal, client, rounds{Left: generations - 1, Keep: keep, Steps: 1}, "a")
			<-time.After(time.Second)
			cost[keep], _ = b.count()
			switch inserted := b.ops(storage.Insert); {
			case keep == 0 && inserted != generations-1:
				b.Errorf("%d segments were sealed, want %d", inserted, generations-1)
			case keep == 1 && inserted > 0:
				b.Errorf("%d segments were sealed that nobody can read", inserted)
			}
		})
	}
	for keep, most := range map[int]int{1: generations / 16, 5: 2 * generations / 16} {
		if more := cost[keep] - cost[0]; more > most {
			t.Errorf("keeping %d of %d executions takes %d operations more than keeping all, want at most %d", keep, generations, more, most)
		}
	}
	t.Logf("operations by what is kept: %v", cost)
}

func TestBlobsGoWithTheExecutionsThatArePruned(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{}, eternal.Func(runEternal))
		run(b, eternal, client, rounds{Left: 65, Keep: 2, Fill: 900_000}, "a")
		<-time.After(time.Second)
		blobs := 0
		for range b.account.State().Blobs("hub") {
			blobs++
		}
		if blobs == 0 || blobs > 18 {
			b.Errorf("%d blobs are left, want some and at most 18", blobs)
		}
		b.sound()
		if err := host.Purge(b.Context(), "a", false); err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Second)
		for name := range b.account.State().Blobs("hub") {
			b.Errorf("blob %s is left after the purge", name)
		}
	})
}

// histories reads every execution of an instance from one on.
func (b *bench) histories(s provider.Store, id history.InstanceID, from int64) {
	b.Helper()
	i, err := s.Instance(b.Context(), id)
	if err != nil {
		b.Fatal(err)
	}
	for n := from; n <= i.Execution; n++ {
		events := 0
		for _, err := range s.History(b.Context(), id, n, 0) {
			if err != nil {
				b.Fatalf("execution %d of %d: %v", n, i.Execution, err)
			}
			events++
		}
		if events == 0 {
			b.Errorf("execution %d of %d has no history", n, i.Execution)
		}
	}
}

// removing matches the request that looks for the rows of pruned executions.
func removing(c simulated.Call) bool {
	return c.Kind == simulated.Scan && c.Range == storage.Range(row.ExecutionsTo("a", 16))
}

// The next instance of an id has rows under the same keys as the one before: what
// still looks for those of the old one must not remove them.
func TestRowsOfTheNextInstanceAreNotPruned(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		measured(t, 1, func(b *bench) {
			slow := simulated.Nth(1, removing, simulated.Fault{Kind: simulated.Slow, Delay: 2 * time.Second})
			b.account.Decide(simulated.First(b.decide, slow))
			host, client := b.open("host")
			b.work(host, core.WorkerConfig{}, eternal.Func(runEternal))
			run(b, eternal, client, rounds{Left: 18, Keep: 3}, "a") // 16 are pruned
			again := orchestration.StartOptions{ID: "a", RequestID: "again"}
			if replaced {
				again.Reuse = provider.ReuseFinal
			} else if err := host.Purge(b.Context(), "a", false); err != nil {
				b.Fatal(err)
			}
			h, err := eternal.Start(b.Context(), client, rounds{Left: 20}, again)
			if err == nil {
				_, err = h.Wait(b.Context())
			}
			if err != nil {
				b.Fatal(err)
			}
			if b.account.Faults().Of(simulated.Slow) != 1 || len(b.sealed()) != 20 {
				b.Fatalf("the request was not slow, or rows are %v", b.sealed())
			}
			<-time.After(5 * time.Second)
			b.histories(host, "a", 1)
			b.sound()
		})
	}
}

// Rows go while the store fails for a while: nobody has to wait for the next 16.
func TestRowsArePrunedAlthoughTheStoreIsBusy(t *testing.T) {
	measured(t, 1, func(b *bench) {
		failures := 0
		busy := simulated.When(func(c simulated.Call) bool {
			if removing(c) {
				failures++
			}
			return removing(c) && failures <= 10
		}, simulated.Fault{Kind: simulated.Busy})
		b.account.Decide(simulated.First(b.decide, busy))
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{}, eternal.Func(runEternal))
		run(b, eternal, client, rounds{Left: 18, Keep: 3}, "a")
		<-time.After(time.Minute)
		if keys := b.sealed(); len(keys) != 2 || failures < 10 {
			b.Errorf("after %d failures the rows are %v, want those of executions 17 and 18", failures, keys)
		}
		b.histories(host, "a", 17)
	})
}

// A history that is pruned between two pages of it is not found, and never ends
// early.
func TestAHistoryThatGoesWhileItIsReadIsNotFound(t *testing.T) {
	for _, lost := range []string{"page", "rest"} {
		measured(t, 1, func(b *bench) {
			host, client := b.open("host")
			b.work(host, core.WorkerConfig{}, eternal.Func(runEternal))
			run(b, eternal, client, rounds{Left: 1, Fill: 20_000, Steps: 40}, "a")
			keys := b.sealed()
			if len(keys) < 3 {
				b.Fatalf("rows are %v, want some of execution 1", keys)
			}
			gone := keys[:len(keys)-1] // what is left begins late
			if lost == "rest" {
				gone = keys
			}
			first := true
			b.account.Decide(func(c simulated.Call) simulated.Fault {
				if c.Kind == simulated.Scan && strings.HasPrefix(c.Range.From, "h:") && first {
					first = false
					return simulated.Fault{Kind: simulated.Slow, Delay: time.Second}
				}
				return simulated.Fault{}
			})
			went := make(chan struct{})
			go func() {
				defer close(went)
				<-time.After(500 * time.Millisecond)
				b.prunedByHand("a", gone)
			}()
			var err error
			for _, e := range host.History(b.Context(), "a", 1, 0) {
				err = e
			}
			<-went
			if !errors.Is(err, provider.ErrNotFound) || !strings.Contains(err.Error(), "pruned") {
				b.Errorf("losing the %s gives %v", lost, err)
			}
		})
	}
}

// prunedByHand does what a commit and the removal of rows do.
func (b *bench) prunedByHand(id history.InstanceID, keys []string) {
	c := b.account.Client("hand")
	for partition, r := range b.account.State().Rows("hub") {
		if r.Key != row.Instance(id) {
			continue
		}
		text := strings.Replace(string(r.Cells[row.InstanceCell]), `"execution":2`, `"execution":2,"pruned":1`, 1)
		cells := map[string][]byte{row.InstanceCell: []byte(text)}
		ops := []storage.Op{{Verb: storage.Merge, Row: storage.Row{Key: r.Key, Cells: cells}}}
		for _, key := range keys {
			ops = append(ops, storage.Op{Verb: storage.Delete, Row: storage.Row{Key: key}})
		}
		if _, err := c.Transact(b.Context(), "hub", partition, ops); err != nil {
			b.Error(err)
		}
	}
}

var (
	far  = orchestration.Declare[int, int]("far and pruned")
	wide = activity.Declare[string, int]("wide")
)

// A host that is offered an activity may come to read its event when the execution
// is pruned: then the offer is void, and goes.
func TestAnOfferOfAPrunedExecutionIsVoid(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		ran := 0
		handlers := []core.Handler{
			far.Func(func(ctx *orchestration.Context, n int) (int, error) {
				if n == 2 {
					return n, nil
				}
				wide.Call(ctx, noise(100_000), activity.Options{Tag: "far"}) // its event is read from the history
				if _, err := budgetGo.Wait(ctx).Await(); err != nil {
					return 0, err
				}
				return far.ContinueAsNew(ctx, n+1, orchestration.ContinueOptions{Keep: 1})
			}),
			wide.Func(func(context.Context, string) (int, error) { ran++; return 1, nil }),
		}
		b.work(host, core.WorkerConfig{}, handlers...)
		slow := simulated.Nth(1, func(c simulated.Call) bool {
			return c.Client == "guest" && c.Kind == simulated.Get && c.Key == row.Instance("a")
		}, simulated.Fault{Kind: simulated.Slow, Delay: 2 * time.Second})
		b.account.Decide(simulated.First(b.decide, slow))
		guest, _ := b.open("guest")
		b.work(guest, core.WorkerConfig{Tags: []string{"far"}}, handlers...)
		h, err := far.Start(b.Context(), client, 1, orchestration.StartOptions{ID: "a"})
		if err != nil {
			b.Fatal(err)
		}
		for b.account.Faults().Of(simulated.Slow) == 0 {
			<-time.After(10 * time.Millisecond)
		}
		if err := budgetGo.Raise(b.Context(), client, "a", 1); err != nil {
			b.Fatal(err)
		}
		if _, err := h.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
		<-time.After(10 * time.Second)
		if left := b.account.State().Messages("hub-wt-far"); len(left) > 0 || ran > 0 {
			b.Errorf("the activity ran %d times, and its queue has %d messages", ran, len(left))
		}
	})
}
