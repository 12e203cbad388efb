package hub_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// Activities that run elsewhere than where their instance lives: offered to
// other hosts, or left behind when a partition changed hands.

var (
	longJob  = activity.Declare[time.Duration, string]("long")
	longOne  = orchestration.Declare[time.Duration, string]("long one")
	longTag  = orchestration.Declare[time.Duration, string]("long tagged")
	longStop = orchestration.Declare[time.Duration, string]("long stopped")
	longTwo  = orchestration.Declare[time.Duration, []string]("long two")
	longMany = orchestration.Declare[int, int]("long many")
	longBusy = orchestration.Declare[int, int]("long busy")
	longBoth = orchestration.Declare[int, string]("long both")
	longTags = orchestration.Declare[time.Duration, []string]("long tags")
)

// site is a host with what its activities did.
type site struct {
	name   string
	client *simulated.Client
	store  *hub.Store
	stop   context.CancelFunc
	done   chan error
}

// sites run activities and note it.
type sites struct {
	*bench
	mu        sync.Mutex
	began     []string // "host: activity"
	cancelled []string
}

// starts are the hosts on which activities began, in order.
func (s *sites) starts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.began...)
}

func (s *sites) handlers(host string) []core.Handler {
	return []core.Handler{
		longJob.Func(func(ctx context.Context, d time.Duration) (string, error) {
			s.mu.Lock()
			s.began = append(s.began, host)
			s.mu.Unlock()
			select {
			case <-time.After(d):
				return host, nil
			case <-ctx.Done():
				s.mu.Lock()
				s.cancelled = append(s.cancelled, host)
				s.mu.Unlock()
				return "", ctx.Err()
			}
		}),
		longOne.Func(func(ctx *orchestration.Context, d time.Duration) (string, error) {
			return longJob.Call(ctx, d).Await()
		}),
		travel.Func(runTravel),
		eternal.Func(runEternal),
		longTag.Func(func(ctx *orchestration.Context, d time.Duration) (string, error) {
			return longJob.Call(ctx, d, activity.Options{Tag: "GPU/8 "}).Await()
		}),
		longStop.Func(func(ctx *orchestration.Context, d time.Duration) (string, error) {
			job := longJob.Call(ctx, 10*d, activity.Options{Tag: "GPU/8 "})
			if err := ctx.Sleep(d); err != nil {
				return "", err
			}
			job.Cancel()
			return "stopped", nil
		}),
		longTwo.Func(func(ctx *orchestration.Context, d time.Duration) ([]string, error) {
			first := longJob.Call(ctx, d)
			if err := ctx.Sleep(30 * time.Second); err != nil {
				return nil, err
			}
			return orchestration.All(first, longJob.Call(ctx, d)).Await()
		}),
		longTags.Func(func(ctx *orchestration.Context, d time.Duration) ([]string, error) {
			return orchestration.All(longJob.Call(ctx, d, activity.Options{Tag: "GPU/8 "}), longJob.Call(ctx, d, activity.Options{Tag: "far"})).Await()
		}),
		longMany.Func(func(ctx *orchestration.Context, n int) (int, error) {
			var all []*orchestration.Future[string]
			for range n {
				all = append(all, longJob.Call(ctx, 10*time.Second))
			}
			got, err := orchestration.All(all...).Await()
			return len(got), err
		}),
		longBusy.Func(func(ctx *orchestration.Context, n int) (int, error) {
			long := longJob.Call(ctx, 40*time.Second)
			for range n {
				if _, err := longJob.Call(ctx, 0).Await(); err != nil {
					return 0, err
				}
			}
			_, err := long.Await()
			return n, err
		}),
		longBoth.Func(func(ctx *orchestration.Context, n int) (string, error) {
			tagged := longJob.Call(ctx, 0, activity.Options{Tag: "GPU/8 "})
			for range n {
				if _, err := longJob.Call(ctx, 500*time.Millisecond).Await(); err != nil {
					return "", err
				}
				if tagged.Ready() {
					return tagged.Await()
				}
			}
			return "nowhere", nil
		}),
	}
}

// host runs a host.
func (s *sites) host(name string, cfg core.WorkerConfig) *site {
	s.Helper()
	x := &site{name: name, client: s.account.Client(name), done: make(chan error, 1)}
	var err error
	if x.store, err = hub.Open(s.Context(), x.client, s.cfg); err != nil {
		s.Fatal(err)
	}
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.ShutdownGrace, cfg.Name = time.Minute, name
	ctx, stop := context.WithCancel(context.Background())
	x.stop = stop
	go func() {
		x.done <- core.NewWorker(x.store, cfg).Register(s.handlers(name)...).Register(budgetHandlers()...).Run(ctx)
	}()
	s.stops = append(s.stops, func() { s.leave(x) })
	<-time.After(2 * s.cfg.TTL)
	return x
}

// leave ends a host in an orderly way.
func (s *sites) leave(x *site) {
	if x.stop == nil {
		return
	}
	x.stop()
	if err := <-x.done; err != nil {
		s.Errorf("%s: %v", x.name, err)
	}
	if err := x.store.Close(); err != nil {
		s.Error(err)
	}
	x.stop = nil
}

// kill ends a host as kill -9 does. Its goroutines end with the test.
func (s *sites) kill(x *site) {
	x.client.Kill()
	stop := x.stop
	x.stop = nil
	s.stops = append([]func(){func() {
		stop()
		go func() { _ = x.store.Close() }()
		s.account.Close() // lets go of all its calls
		if err := <-x.done; err != nil {
			s.Logf("%s, killed: %v", x.name, err)
		}
		<-time.After(10 * time.Minute) // what its worker gives up on, which waits for the grace
	}}, s.stops...)
}

func apart(t *testing.T, partitions int, test func(s *sites)) {
	t.Helper()
	measured(t, partitions, func(b *bench) {
		b.cfg.TTL, b.cfg.SweepEvery = 3*time.Second, 30*time.Second
		test(&sites{bench: b})
	})
}

// begin starts an instance; the returned function waits for its result.
func begin[I, O any](s *sites, x *site, of orchestration.Func[I, O], in I, id history.InstanceID) func() O {
	s.Helper()
	client := core.NewClient(x.store, core.ClientConfig{})
	h, err := of.Start(s.Context(), client, in, orchestration.StartOptions{ID: id})
	if err != nil {
		s.Fatal(err)
	}
	return func() O {
		s.Helper()
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Minute)
		defer cancel()
		out, err := h.Wait(ctx)
		if err != nil {
			s.Fatalf("%s: %v", id, err)
		}
		return out
	}
}

func TestATaggedActivityRunsOnTheHostThatServesItsTag(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		s.host("gpu", core.WorkerConfig{Tags: []string{"GPU/8 "}})
		if got := begin(s, owner, longTag, time.Second, "a")(); got != "gpu" {
			s.Errorf("it ran on %q, want gpu", got)
		}
	})
}

func TestATaggedActivityWaitsForAHostThatServesItsTag(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		result := begin(s, owner, longTag, time.Second, "a")
		<-time.After(10 * time.Minute)
		s.host("late", core.WorkerConfig{Tags: []string{"GPU/8 "}})
		if got := result(); got != "late" {
			s.Errorf("it ran on %q, want late", got)
		}
	})
}

func TestAnActivityOfAHostThatDiesRunsAgainElsewhereAndCountsOnce(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		first := s.host("first", core.WorkerConfig{Tags: []string{"GPU/8 "}})
		result := begin(s, owner, longTag, 20*time.Second, "a")
		<-time.After(10 * time.Second)
		s.kill(first)
		s.host("second", core.WorkerConfig{Tags: []string{"GPU/8 "}})
		if got := result(); got != "second" {
			s.Errorf("the result is from %q, want second", got)
		}
		if got := s.starts(); fmt.Sprint(got) != "[first second]" {
			s.Errorf("it began on %v", got)
		}
	})
}

// TestWhatADeadHostHadOfAWorkQueueBeginsElsewhereWhenItIsVisible: the lease of 30 seconds
// ends then, and nobody rings but who found it dead, a TTL and a third later at most: with
// the time until a wake-up is found that is 40 seconds.
func TestWhatADeadHostHadOfAWorkQueueBeginsElsewhereWhenItIsVisible(t *testing.T) {
	for _, after := range []time.Duration{0, 15 * time.Second, 30 * time.Second, 45 * time.Second} {
		t.Run(after.String(), func(t *testing.T) {
			apart(t, 1, func(s *sites) {
				owner := s.host("owner", core.WorkerConfig{})
				first := s.host("first", core.WorkerConfig{Tags: []string{"GPU/8 "}})
				result := begin(s, owner, longTag, time.Minute, "a")
				<-time.After(5 * time.Second) // it has begun
				s.host("second", core.WorkerConfig{Tags: []string{"GPU/8 "}})
				<-time.After(after)
				s.kill(first)
				killed := time.Now()
				if got := result(); got != "second" {
					s.Errorf("the result is from %q, want second", got)
				}
				if stood := time.Since(killed) - time.Minute; stood > 40*time.Second {
					s.Errorf("it began again %v after its host was killed", stood)
				}
			})
		})
	}
}

func TestACancelledActivityElsewhereLearnsOfItAtItsNextRenewal(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		s.host("gpu", core.WorkerConfig{Tags: []string{"GPU/8 "}})
		if got := begin(s, owner, longStop, 20*time.Second, "a")(); got != "stopped" {
			s.Errorf("it ended with %q", got)
		}
		<-time.After(11 * time.Second) // a third of the lease, and a little
		s.mu.Lock()
		defer s.mu.Unlock()
		if fmt.Sprint(s.cancelled) != "[gpu]" {
			s.Errorf("cancelled were %v, want the one on gpu", s.cancelled)
		}
	})
}

func TestWhatWaitsHereRunsWhereOthersAreIdle(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{MaxActivities: 4})
		s.host("idle", core.WorkerConfig{MaxActivities: 16})
		began := time.Now()
		if got := begin(s, owner, longMany, 40, "a")(); got != 40 {
			s.Errorf("%d results, want 40", got)
		}
		took := time.Since(began)
		by := map[string]int{}
		for _, host := range s.starts() {
			by[host]++
		}
		s.Logf("40 activities of 10 s on 4 and 16 slots: %v, %v", took, by)
		if by["owner"]+by["idle"] != 40 || by["idle"] < 20 {
			s.Errorf("they ran on %v, want each once, and most where there are slots", by)
		}
		if took > 50*time.Second {
			s.Errorf("it took %v; 4 slots alone would take 100 s, 20 slots 20 s", took)
		}
	})
}

// TestAnOrderThatIsRefusedLosesNoActivity: while it is judged, activities that wait for
// a slot are offered to another host.
func TestAnOrderThatIsRefusedLosesNoActivity(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{MaxActivities: 4})
		s.host("idle", core.WorkerConfig{MaxActivities: 4})
		const n = 12
		var results []func() string
		judging, stop := context.WithCancel(s.Context())
		var judged sync.WaitGroup
		for k := range n {
			id := history.InstanceID(fmt.Sprint("order-", k))
			results = append(results, begin(s, owner, longOne, 20*time.Second, id))
			judged.Go(func() {
				for judging.Err() == nil {
					if err := owner.store.Purge(judging, id, false); err == nil {
						s.Errorf("%s was purged, which ran", id)
					}
				}
			})
		}
		<-time.After(5 * time.Second)
		stop()
		judged.Wait()
		for _, result := range results {
			result()
		}
		if got := s.starts(); len(got) != n {
			s.Errorf("%d activities began %d times: %v", n, len(got), got)
		}
	})
}

// TestWhatWaitedForASlotForTooLongRunsOnceOnly: a host takes an activity for a
// slot that is gone when it comes, and has a slot again when another host runs it.
func TestWhatWaitedForASlotForTooLongRunsOnceOnly(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		first, second := s.raw("first"), s.raw("second")
		slot, gone := context.WithCancel(s.Context())
		defer gone()
		queue, offered := s.cfg.Name+"-wt-"+row.QueuePart("GPU/8 "), time.Time{}
		s.account.Decide(func(c simulated.Call) simulated.Fault {
			switch {
			case c.Kind == simulated.Enqueue && c.Resource == queue:
				offered = time.Now()
			case c.Kind == simulated.Take && c.Client == "first" && c.Resource == queue && !offered.IsZero() && time.Since(offered) > 100*time.Millisecond:
				gone()
			}
			return simulated.Fault{}
		})
		begin(s, owner, longTag, time.Second, "a")
		if _, err := first.NextActivity(slot); !errors.Is(err, context.Canceled) {
			s.Fatalf("the first host: %v, want its slot to be gone", err)
		}
		task, err := second.NextActivity(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		short, stop := context.WithTimeout(s.Context(), 10*time.Second)
		defer stop()
		if again, err := first.NextActivity(short); err == nil {
			s.Errorf("both hosts run %v", again.ID)
		}
		if _, err := second.ExtendActivity(s.Context(), task, nil); err != nil {
			s.Errorf("the second host lost it: %v", err)
		}
	})
}

// raw joins a host without an engine, which serves the tag.
func (s *sites) raw(name string) provider.Host {
	s.Helper()
	store, err := hub.Open(s.Context(), s.account.Client(name), s.cfg)
	if err != nil {
		s.Fatal(err)
	}
	host, err := store.Join(s.Context(), provider.HostInfo{Name: name, Tags: []string{"GPU/8 "}})
	if err != nil {
		s.Fatal(err)
	}
	s.stops = append(s.stops, func() {
		if err := errors.Join(host.Leave(context.WithoutCancel(s.Context())), store.Close()); err != nil {
			s.Error(err)
		}
	})
	return host
}
