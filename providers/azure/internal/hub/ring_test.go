package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/doorbell/doorbelltest"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// street is a hub with one partition, in a bubble, on a network in memory.
type street struct {
	t       *testing.T
	account *simulated.Account
	network doorbelltest.Network

	mu      sync.Mutex
	counted []string // requests, but for those of a host at rest
}

func newStreet(t *testing.T) *street {
	s := &street{t: t}
	s.account = simulated.New(simulated.Config{
		Seed: 1, Latency: simulated.Fixed(10 * time.Millisecond), WholePages: true,
		Observe: func(a simulated.Applied) { s.count(a.Call, len(a.Messages)) },
		Decide: func(c simulated.Call) simulated.Fault {
			if c.Kind.Reads() {
				s.count(c, 0)
			}
			return simulated.Fault{}
		},
	})
	return s
}

func (s *street) count(c simulated.Call, messages int) {
	if c.Partition == row.Management && c.Client != "client" || c.Kind == simulated.Take && messages == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted = append(s.counted, c.Client+": "+c.String())
}

func (s *street) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counted = nil
}

// since are the requests since forget.
func (s *street) since() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counted
}

func (s *street) open(name, listen string) *hub.Store {
	s.t.Helper()
	store, err := hub.Open(s.t.Context(), s.account.Client(name), hub.Config{
		Name: "hub", Partitions: 1, SweepEvery: 24 * time.Hour,
		Doorbell: hub.Doorbell{Listen: listen, Network: &s.network},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return store
}

var (
	steps = orchestration.Declare[int, int]("steps")
	step  = activity.Declare[int, int]("step")
)

// work runs a worker on a store until the returned function is called.
func (s *street) work(store *hub.Store) (stop func()) {
	w := core.NewWorker(store, core.WorkerConfig{Logger: slog.New(slog.DiscardHandler)}).Register(
		steps.Func(func(ctx *orchestration.Context, n int) (int, error) {
			sum := 0
			for i := range n {
				one, err := step.Call(ctx, i).Await()
				if err != nil {
					return 0, err
				}
				sum += one
			}
			return sum, nil
		}),
		step.Func(func(context.Context, int) (int, error) { return 1, nil }))
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			s.t.Error(err)
		}
		if err := store.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

// settle lets the hub come to rest: a new owner looks again at first.
func (s *street) settle(clients ...*hub.Store) {
	<-time.After(time.Minute)
	for _, c := range clients { // they know the host rows
		if _, err := c.Wait(s.t.Context(), "nobody", provider.Until{}); !errors.Is(err, provider.ErrNotFound) {
			s.t.Error(err)
		}
	}
	synctest.Wait()
	s.forget()
}

// lonely runs one instance from another process, and returns what it cost.
func lonely(t *testing.T, listen string, n int) (requests []string, took time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet(t)
		defer s.account.Close()
		owner, client := s.open("owner", listen), s.open("client", "")
		defer s.work(owner)()
		s.settle(client)
		begin := time.Now()
		h, err := steps.Start(t.Context(), core.NewClient(client, core.ClientConfig{}), n, orchestration.StartOptions{ID: "lonely"})
		if err != nil {
			t.Fatal(err)
		}
		if sum, err := h.Wait(t.Context()); err != nil || sum != n {
			t.Errorf("%d steps gave %d, %v", n, sum, err)
		}
		took = time.Since(begin)
		<-time.After(time.Minute) // what comes late counts too
		requests = s.since()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return requests, took
}

func TestALonelyInstanceCostsFourRequestsMoreThanItHasActivities(t *testing.T) {
	for _, n := range []int{1, 5} {
		requests, took := lonely(t, "10.0.0.1:7071", n)
		if len(requests) > n+4 || took > time.Duration(n+4)*10*time.Millisecond+time.Millisecond {
			t.Errorf("%d activities cost %d requests and %v:\n%s", n, len(requests), took, strings.Join(requests, "\n"))
		}
	}
}

func TestWithoutADoorbellALonelyInstanceIsFoundByTheQueue(t *testing.T) {
	const n = 5
	requests, _ := lonely(t, "", n)
	reads := 0
	for _, r := range requests {
		if strings.HasPrefix(r, "client: get") {
			reads++
		}
	}
	if len(requests)-reads+1 > n+7 {
		t.Errorf("%d activities cost %d requests beside one of the client's %d reads:\n%s", n, len(requests)-reads+1, reads, strings.Join(requests, "\n"))
	}
}

func TestARingMakesTheOwnerReadTheInboxOfOneInstance(t *testing.T) {
	requests, _ := lonely(t, "10.0.0.1:7071", 1)
	for _, r := range requests {
		if strings.HasPrefix(r, "owner: scan") && !strings.Contains(r, "m:lonely:") {
			t.Errorf("the owner read more: %s", r)
		}
	}
}

func TestADoorbellThatDoesNotAnswerIsReplacedByTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet(t)
		defer s.account.Close()
		owner, client := s.open("owner", "10.0.0.1:7071"), s.open("client", "")
		defer s.work(owner)()
		s.settle(client)
		s.network.Cut("10.0.0.1:7071")
		for _, id := range []history.InstanceID{"a", "b", "c"} {
			begin := time.Now()
			h, err := steps.Start(t.Context(), core.NewClient(client, core.ClientConfig{}), 1, orchestration.StartOptions{ID: id})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.Wait(t.Context()); err != nil || time.Since(begin) > 8*time.Second {
				t.Errorf("it took %v: %v", time.Since(begin), err)
			}
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestWhoeverWaitsIsToldOfChangesAndWhatDoesNotExistIsNotFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet(t)
		defer s.account.Close()
		owner, client := s.open("owner", "10.0.0.1:7071"), s.open("client", "")
		h, err := owner.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		s.settle(client)
		start := provider.Message{ID: "s", To: "i", Start: &provider.Start{Name: "o"}, Data: &history.ExecutionStarted{Name: "o"}}
		if err := client.Send(t.Context(), start); err != nil {
			t.Fatal(err)
		}
		// A wait of ten minutes costs a read at its beginning, and one every 25 s, each
		// after a look at who serves what.
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		s.forget()
		if _, err := client.Wait(ctx, "i", provider.Until{Final: true}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if got := s.since(); len(got) > 2*27 {
			t.Errorf("waiting for ten minutes cost %d requests:\n%s", len(got), strings.Join(got, "\n"))
		}
		// The end of the owner's store ends the waits at its doorbell.
		ended := make(chan error, 1)
		go func() {
			_, err := client.Wait(t.Context(), "i", provider.Until{Final: true})
			ended <- err
		}()
		<-time.After(time.Second)
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		if err := owner.Close(); err != nil {
			t.Error(err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, provider.ErrClosed) {
			t.Error(err)
		}
	})
}

func TestADoorbellThatCannotBeHeardIsRefusedAtJoin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet(t)
		defer s.account.Close()
		for _, listen := range []string{"7071", "0.0.0.0:7071"} {
			store := s.open("owner", listen)
			if _, err := store.Join(t.Context(), provider.HostInfo{}); !errors.Is(err, provider.ErrInvalid) {
				t.Errorf("listening on %s: %v", listen, err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestPartitionsChangeHandsAtOnceWithADoorbell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &street{t: t}
		freed, longest, moved := map[string]time.Time{}, time.Duration(0), 0
		s.account = simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(10 * time.Millisecond), Observe: func(a simulated.Applied) {
			for _, op := range a.Call.Ops {
				head, err := row.ParseOwner(op.Row.Cells)
				if op.Row.Key != row.Head || err != nil {
					continue
				}
				if at, ok := freed[a.Call.Partition]; ok {
					longest, moved = max(longest, a.At.Sub(at)), moved+1
					delete(freed, a.Call.Partition)
				}
				if head.Owner == "" {
					freed[a.Call.Partition] = a.At
				}
			}
		}})
		defer s.account.Close()
		first, second := s.open("first", "10.0.0.1:7071"), s.open("second", "10.0.0.2:7071")
		h, err := first.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		other, err := second.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		begin := time.Now()
		if err := h.Leave(t.Context()); err != nil || time.Since(begin) > 500*time.Millisecond {
			t.Errorf("leaving took %v: %v", time.Since(begin), err)
		}
		<-time.After(time.Minute)
		if moved == 0 || len(freed) > 0 || longest > 100*time.Millisecond {
			t.Errorf("%d hand-overs, the longest took %v, and %d were not taken", moved, longest, len(freed))
		}
		for _, err := range []error{other.Leave(t.Context()), first.Close(), second.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// TestWhoWaitsIsNotHeldUpByWhatOthersSend: a busy client, which cannot dial its
// owner, always has a wake-up to send.
func TestWhoWaitsIsNotHeldUpByWhatOthersSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStreet(t)
		defer s.account.Close()
		owner := s.open("owner", "10.0.0.1:7071")
		defer s.work(owner)()
		client, err := hub.Open(t.Context(), s.account.Client("client"), hub.Config{
			Name: "hub", Doorbell: hub.Doorbell{Network: &doorbelltest.Network{}},
		})
		if err != nil {
			t.Fatal(err)
		}
		s.settle(client)
		h, err := steps.Start(t.Context(), core.NewClient(client, core.ClientConfig{}), 1, orchestration.StartOptions{ID: "short"})
		if err != nil {
			t.Fatal(err)
		}
		s.account.Decide(simulated.When(func(c simulated.Call) bool { return c.Kind == simulated.Enqueue && c.Client == "client" },
			simulated.Fault{Kind: simulated.Slow, Delay: 30 * time.Millisecond}))
		var enough atomic.Bool
		var senders sync.WaitGroup
		for sender := range 3 {
			senders.Go(func() {
				for n := 0; n < 300 && !enough.Load(); n++ {
					to := history.InstanceID(fmt.Sprint("nobody ", sender, " ", n))
					if err := client.Send(t.Context(), provider.Message{ID: string(to), To: to, Data: &history.EventRaised{Name: "go"}}); err != nil {
						t.Error(err)
					}
				}
				enough.Store(true)
			})
		}
		<-time.After(time.Second)
		if _, err := h.Wait(t.Context()); err != nil || enough.Load() {
			t.Errorf("waiting for what has ended: %v; it took until nothing was sent any more: %v", err, enough.Load())
		}
		enough.Store(true)
		senders.Wait()
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}
