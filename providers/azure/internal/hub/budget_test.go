package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/azure/internal/doorbell/doorbelltest"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// The operation budget: how many storage operations things cost, with a latency
// of 10 ms. Counts are exact here. What hosts do without any work (heartbeats,
// reads of host rows, empty looks into queues, sweeps of inboxes) is counted in
// the test of an idle hub, and left out of the others. A client reads the host rows
// when it sends something and has not read them for a third of the TTL: that counts.

var (
	budgetStep = activity.Declare[int, int]("step")
	budgetSlow = activity.Declare[int, int]("slow")
	budgetFar  = activity.Declare[int, int]("far")

	budgetSequence = orchestration.Declare[int, int]("sequence")
	budgetFanOut   = orchestration.Declare[int, int]("fan out")
	budgetSlowFan  = orchestration.Declare[int, int]("slow fan out")
	budgetRemote   = orchestration.Declare[int, int]("remote")
	budgetWaiting  = orchestration.Declare[int, int]("waiting")
	budgetSleeping = orchestration.Declare[int, int]("sleeping")
	budgetHours    = orchestration.Declare[int, int]("hours")
	budgetStubborn = orchestration.Declare[int, int]("stubborn") // tries again after hours
	budgetHalf     = activity.Declare[int, int]("half")
	budgetParent   = orchestration.Declare[string, int]("parent")
	budgetGo       = orchestration.DeclareEvent[int]("go")
)

func fanOut(ctx *orchestration.Context, of activity.Func[int, int], n int, how ...activity.Option) (sum int, err error) {
	var all []*orchestration.Future[int]
	for i := range n {
		all = append(all, of.Call(ctx, i, how...))
	}
	got, err := orchestration.All(all...).Await()
	for _, v := range got {
		sum += v
	}
	return sum, err
}

func budgetHandlers() []core.Handler {
	one := func(context.Context, int) (int, error) { return 1, nil }
	return []core.Handler{
		budgetStep.Func(one),
		budgetFar.Func(one),
		budgetSlow.Func(func(ctx context.Context, _ int) (int, error) {
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
			return 1, ctx.Err()
		}),
		budgetSequence.Func(func(ctx *orchestration.Context, n int) (sum int, err error) {
			for i := range n {
				v, err := budgetStep.Call(ctx, i).Await()
				if err != nil {
					return 0, err
				}
				sum += v
			}
			return sum, nil
		}),
		budgetFanOut.Func(func(ctx *orchestration.Context, n int) (int, error) { return fanOut(ctx, budgetStep, n) }),
		budgetSlowFan.Func(func(ctx *orchestration.Context, n int) (int, error) { return fanOut(ctx, budgetSlow, n) }),
		budgetRemote.Func(func(ctx *orchestration.Context, n int) (sum int, err error) {
			for i := range n {
				v, err := budgetFar.Call(ctx, i, activity.Options{Tag: "far"}).Await()
				if err != nil {
					return 0, err
				}
				sum += v
			}
			return sum, nil
		}),
		budgetWaiting.Func(func(ctx *orchestration.Context, n int) (sum int, err error) {
			for range n {
				v, err := budgetGo.Wait(ctx).Await()
				if err != nil {
					return 0, err
				}
				sum += v
			}
			return sum, nil
		}),
		budgetSleeping.Func(func(ctx *orchestration.Context, n int) (int, error) {
			for range n {
				if err := ctx.Sleep(time.Minute); err != nil {
					return 0, err
				}
			}
			return n, nil
		}),
		budgetHours.Func(func(ctx *orchestration.Context, hours int) (int, error) {
			called := budgetGo.Wait(ctx)
			won, err := orchestration.First(ctx.Timer(time.Duration(hours)*time.Hour), called)
			if err != nil || won != called {
				return 0, err
			}
			n, err := called.Await()
			if err == nil {
				err = ctx.Sleep(90 * time.Minute)
			}
			return n, err
		}),
		budgetStubborn.Func(func(ctx *orchestration.Context, hours int) (int, error) {
			retry := time.Duration(hours) * time.Hour
			return budgetHalf.Call(ctx, 0, activity.Retry{MaxAttempts: 2, First: retry, Max: retry}).Await()
		}),
		budgetHalf.Func(func(ctx context.Context, _ int) (int, error) {
			var half int
			if there, err := activity.Progress(ctx, &half); err != nil || there {
				return half, err
			}
			return 0, errors.Join(activity.Heartbeat(ctx, 7), errors.New("only half is done"))
		}),
		budgetParent.Func(func(ctx *orchestration.Context, child string) (int, error) {
			return budgetSequence.Call(ctx, 0, orchestration.ChildOptions{ID: history.InstanceID(child)}).Await()
		}),
	}
}

// meter counts the requests that belong to work.
type meter struct {
	account *simulated.Account

	mu    sync.Mutex
	calls []simulated.Call
	empty int // takes that found nothing, at the last reset
}

func (m *meter) decide(c simulated.Call) simulated.Fault {
	m.mu.Lock()
	defer m.mu.Unlock()
	if (c.Partition != row.Management || c.Client == "client") && c.Kind != simulated.CreateQueue {
		m.calls = append(m.calls, c)
	}
	return simulated.Fault{}
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls, m.empty = nil, m.account.Counts().EmptyTakes
}

// count is how many requests there were since reset, and which.
func (m *meter) count() (n int, which string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all strings.Builder
	for _, c := range m.calls {
		fmt.Fprintf(&all, "\n\t%v", c)
	}
	return len(m.calls) - (m.account.Counts().EmptyTakes - m.empty), all.String()
}

// bench is a hub with a meter, in a bubble.
type bench struct {
	*testing.T
	*meter
	cfg   hub.Config
	stops []func()
}

func measured(t *testing.T, partitions int, test func(b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, meter: &meter{}}
		b.account = simulated.New(simulated.Config{Latency: simulated.Fixed(10 * time.Millisecond), WholePages: true, Decide: b.decide})
		defer b.account.Close()
		b.cfg = hub.Config{Name: "hub", Partitions: partitions, SweepEvery: 24 * time.Hour}
		defer func() {
			for _, stop := range slices.Backward(b.stops) {
				stop()
			}
		}()
		test(b)
	})
}

// open opens the hub as another process would.
func (b *bench) open(name string) (*hub.Store, *core.Client) {
	b.Helper()
	s, err := hub.Open(b.Context(), b.account.Client(name), b.cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.stops = append(b.stops, func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s, core.NewClient(s, core.ClientConfig{})
}

// work runs a worker in the store, and waits until nothing goes on any more.
func (b *bench) work(s *hub.Store, cfg core.WorkerConfig, more ...core.Handler) {
	b.Helper()
	cfg.Logger = slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- core.NewWorker(s, cfg).Register(budgetHandlers()...).Register(more...).Run(ctx) }()
	b.stops = append(b.stops, func() {
		stop()
		if err := <-done; err != nil {
			b.Errorf("the worker: %v", err)
		}
	})
	<-time.After(time.Minute) // claims and the sweeps after them are over
}

func run[I, O any](b *bench, of orchestration.Func[I, O], c *core.Client, in I, id history.InstanceID) {
	b.Helper()
	h, err := of.Start(b.Context(), c, in, orchestration.StartOptions{ID: id})
	if err == nil {
		_, err = h.Wait(b.Context())
	}
	if err != nil {
		b.Fatal(err)
	}
}

// within fails the test if more was used than the budget has.
func (b *bench) within(budget int, what string) {
	b.Helper()
	n, calls := b.count()
	if n > budget {
		b.Errorf("%s: %d operations, the budget is %d:%s", what, n, budget, calls)
	} else {
		b.Logf("%s: %d operations, the budget is %d", what, n, budget)
	}
}

// TestStartingANewIDTakesAtMostTwoOperations: the client's own are an insert, and the
// wake-up that follows it; and a look at the hosts, if it does not know them.
func TestStartingANewIDTakesAtMostTwoOperations(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, _ := b.open("host")
		b.work(host, core.WorkerConfig{})
		_, client := b.open("client")
		for id, want := range []int{3, 2} {
			b.reset()
			if _, err := budgetSleeping.Start(b.Context(), client, 1, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprint(id))}); err != nil {
				b.Fatal(err)
			}
			<-time.After(time.Second) // the wake-up is sent after the answer
			n := 0
			b.mu.Lock()
			for _, c := range b.calls {
				if c.Client == "client" {
					n++
				}
			}
			b.mu.Unlock()
			if n != want {
				_, calls := b.count()
				b.Errorf("start %d took the client %d requests, want %d:%s", id, n, want, calls)
			}
		}
	})
}

func TestALonelySequenceInTheOwnersProcessTakesNPlusTwo(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		b.reset()
		began := time.Now()
		run(b, budgetSequence, client, 5, "a")
		took := time.Since(began)
		b.within(5+2, "a sequence of 5")
		if most := 84 * time.Millisecond; took > most {
			b.Errorf("it took %v, want at most %v: 7 commits and a fifth", took, most)
		}
	})
}

func TestManySequencesAtOnceShareTheirStartsAndCommits(t *testing.T) {
	const instances, steps = 400, 5
	measured(t, 4, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		b.reset()
		var all sync.WaitGroup
		for i := range instances {
			all.Go(func() { run(b, budgetSequence, client, steps, history.InstanceID(fmt.Sprint("order-", i))) })
		}
		all.Wait()
		n, calls := b.count()
		if per := float64(n) / (instances * steps); per > 0.1 { // the design's budget is 0.15, and without the starts
			b.Errorf("%.3f operations per activity, the budget is 0.10:%.3000s", per, calls)
		} else {
			b.Logf("%.3f operations per activity", per)
		}
	})
}

func TestAFanOutOfAThousandTakesFewOperations(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{MaxActivities: 64})
		b.reset()
		run(b, budgetSlowFan, client, 1_000, "slow")
		b.within(300, "1,000 activities of 100 ms on 64 slots")
		b.reset()
		run(b, budgetFanOut, client, 1_000, "instant")
		b.within(30, "1,000 instant activities")
	})
}

func TestTheBytesOfAFanInGrowWithItsWidth(t *testing.T) {
	sent := func(width int) (bytes int64) {
		measured(t, 1, func(b *bench) {
			host, client := b.open("host")
			b.work(host, core.WorkerConfig{MaxActivities: 64})
			before := b.account.Counts().Sent
			run(b, budgetSlowFan, client, width, "fan")
			bytes = b.account.Counts().Sent - before
		})
		return bytes
	}
	narrow, wide := sent(250), sent(1_000)
	t.Logf("250 wide: %d bytes, 1,000 wide: %d bytes", narrow, wide)
	if wide > 6*narrow {
		t.Errorf("four times the width took %d times the bytes: %d after %d", wide/narrow, wide, narrow)
	}
}

func TestARemoteActivityTakesAtMostSevenOperations(t *testing.T) {
	for what, test := range map[string]struct {
		rings  bool
		budget float64
	}{
		"with a doorbell":   {true, 7},
		"by queue wake-ups": {false, 12}, // each of the two takes three operations
	} {
		t.Run(what, func(t *testing.T) {
			measured(t, 1, func(b *bench) {
				if test.rings {
					b.cfg.Doorbell = hub.Doorbell{Listen: "10.0.0.1:80", Network: &doorbelltest.Network{}}
				}
				host, client := b.open("host")
				b.work(host, core.WorkerConfig{})
				if test.rings {
					b.cfg.Doorbell.Listen = "10.0.0.2:80"
				}
				other, _ := b.open("other")
				b.work(other, core.WorkerConfig{Tags: []string{"far"}})
				cost := func(n int, id history.InstanceID) (int, string) {
					b.reset()
					run(b, budgetRemote, client, n, id)
					<-time.After(2 * time.Minute) // what is removed later belongs to it
					return b.count()
				}
				cost(1, "first") // makes the queue
				two, _ := cost(2, "two")
				six, calls := cost(6, "six")
				if per := float64(six-two) / 4; per > test.budget {
					b.Errorf("a remote activity more takes %.1f operations, the budget is %.0f%s", per, test.budget, calls)
				} else {
					b.Logf("a remote activity more takes %.1f operations", per)
				}
			})
		})
	}
}

func TestAnExternalEventTakesAtMostThreeOperations(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		h, err := budgetWaiting.Start(b.Context(), client, 3, orchestration.StartOptions{ID: "a"})
		if err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Second)
		b.reset()
		if err := budgetGo.Raise(b.Context(), client, "a", 1); err != nil {
			b.Fatal(err)
		}
		<-time.After(time.Second)
		b.within(3, "an event, raised in the owner's process")
		store, elsewhere := b.open("client")
		knowsHosts(b, store)
		b.reset()
		if err := budgetGo.Raise(b.Context(), elsewhere, "a", 1); err != nil {
			b.Fatal(err)
		}
		<-time.After(10 * time.Second)
		b.within(6, "an event, raised elsewhere, by queue wake-up")
		if err := budgetGo.Raise(b.Context(), client, "a", 1); err != nil {
			b.Fatal(err)
		}
		if _, err := h.Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	})
}

func TestATimerTakesTwoOperations(t *testing.T) {
	measured(t, 1, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		cost := func(n int, id history.InstanceID) int {
			b.reset()
			run(b, budgetSleeping, client, n, id)
			used, _ := b.count()
			return used
		}
		one, five := cost(1, "one"), cost(5, "five")
		if per := float64(five-one) / 4; per > 2 {
			b.Errorf("a timer more takes %.2f operations, the budget is 2", per)
		}
	})
}

func TestAChildTakesTwoOperationsInItsPartitionAndEightInAnother(t *testing.T) {
	measured(t, 4, func(b *bench) {
		host, client := b.open("host")
		b.work(host, core.WorkerConfig{})
		childOf := func(parent string, near bool) string {
			for n := 0; ; n++ {
				id := fmt.Sprint("child-", near, n)
				if (host.Partition(history.InstanceID(id)) == host.Partition(history.InstanceID(parent))) == near {
					return id
				}
			}
		}
		b.reset()
		run(b, budgetSequence, client, 0, "childless")
		alone, _ := b.count()
		for near, budget := range map[bool]int{true: 2, false: 8} {
			parent := fmt.Sprint("parent-", near)
			b.reset()
			run(b, budgetParent, client, childOf(parent, near), history.InstanceID(parent))
			<-time.After(2 * time.Minute) // what is removed later belongs to it
			b.within(alone+budget, fmt.Sprintf("a parent with a child (in the same partition: %t), which takes %d without one", near, alone))
		}
	})
}

func TestAnIdleHubTakesFewOperations(t *testing.T) {
	for _, hosts := range []int{1, 3} {
		t.Run(fmt.Sprint(hosts), func(t *testing.T) {
			measured(t, 16, func(b *bench) {
				b.cfg.SweepEvery = 0 // as it is by default
				for i := range hosts {
					host, _ := b.open(fmt.Sprint("host-", i))
					b.work(host, core.WorkerConfig{})
				}
				<-time.After(5 * time.Minute)
				before := b.account.Counts()
				<-time.After(10 * time.Minute)
				used := b.account.Counts().Sub(before)
				perMinute := float64(used.Total()) / 10
				budget := map[int]float64{1: 100, 3: 180}[hosts]
				b.Logf("%d hosts: %.1f operations a minute, the budget is %.0f: %v", hosts, perMinute, budget, used)
				if perMinute > budget {
					b.Errorf("%d hosts: %.1f operations a minute, the budget is %.0f: %v", hosts, perMinute, budget, used)
				}
			})
		})
	}
}

// idIn is the end of an id with which "b" and it live in a partition.
func idIn(s *hub.Store, partition int) string {
	for n := 0; ; n++ {
		if end := fmt.Sprint("-", n); s.Partition(history.InstanceID("b"+end)) == partition {
			return end
		}
	}
}
