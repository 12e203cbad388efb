package hub_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/core/provider/providertest"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// lab opens hubs on simulated accounts, one account a hub.
type lab struct {
	partitions int
	stores     sync.Map // *hub.Store -> *setup
	count      atomic.Int64

	mu    sync.Mutex
	ended []func(testing.TB) // called when the suite is done
}

// done closes the accounts and reports what their checkers found.
func (l *lab) done(t testing.TB) {
	t.Helper()
	for _, f := range l.ended {
		f(t)
	}
}

type setup struct {
	account *simulated.Account
	client  *simulated.Client
	cfg     hub.Config
	spoiled *atomic.Bool // the suite changed rows by itself
}

func (l *lab) open(t testing.TB, change func(*hub.Config)) provider.Store {
	t.Helper()
	checker := simulated.NewChecker(simulated.Layout{}, nil)
	account := simulated.New(simulated.Config{Seed: 1, Observe: checker.Observe})
	cfg := hub.Config{Name: "hub", Partitions: l.partitions, TTL: 600 * time.Millisecond, SweepEvery: 50 * time.Millisecond}
	if change != nil {
		change(&cfg)
	}
	spoiled := &atomic.Bool{}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = append(l.ended, func(tb testing.TB) {
		account.Close()
		for _, v := range checker.Violations() {
			if spoiled.Load() {
				break
			}
			tb.Errorf("%s: %v", t.Name(), v)
		}
	})
	return l.on(t, &setup{account: account, cfg: cfg, spoiled: spoiled})
}

func (l *lab) on(t testing.TB, s *setup) provider.Store {
	t.Helper()
	again := *s
	again.client = s.account.Client(fmt.Sprint("client-", l.count.Add(1)))
	store, err := hub.Open(context.WithoutCancel(t.Context()), again.client, s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	l.stores.Store(store, &again)
	return &settling{store}
}

// settling is a store that the suite can use, which looks at once for what a
// commit sent. What goes to another partition arrives a moment after the commit:
// here CommitTurn waits for that moment.
type settling struct{ *hub.Store }

func (s *settling) Join(ctx context.Context, info provider.HostInfo) (provider.Host, error) {
	h, err := s.Store.Join(ctx, info)
	if err != nil {
		return nil, err
	}
	return &settlingHost{h, s.Store}, s.Quiesce(ctx)
}

type settlingHost struct {
	provider.Host
	store *hub.Store
}

func (h *settlingHost) CommitTurn(ctx context.Context, t *provider.Turn, c *provider.Commit) error {
	err := h.Host.CommitTurn(ctx, t, c)
	if err == nil && len(c.Send) > 0 {
		_ = h.store.Quiesce(ctx) // the commit is applied whatever comes of it
	}
	return err
}

func (h *settlingHost) KeepsSessions() time.Duration {
	return h.Host.(provider.SessionKeeper).KeepsSessions()
}

func (l *lab) of(s provider.Store) *setup {
	found, _ := l.stores.Load(s.(*settling).Store)
	return found.(*setup)
}

func (l *lab) harness() providertest.Harness {
	return providertest.Harness{
		Open:     func(t testing.TB) provider.Store { return l.open(t, nil) },
		Persists: providertest.Yes,
		Reopen: func(t testing.TB, s provider.Store) provider.Store {
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			return l.on(t, l.of(s))
		},
		Crash: func(t testing.TB, s provider.Store) provider.Store {
			set := l.of(s)
			set.client.Kill()
			go s.Close() //nolint:errcheck // Its process is dead: this ends its goroutines.
			return l.on(t, set)
		},
		ManyHosts:     providertest.Yes,
		SharedClients: providertest.Yes,
		Attach:        func(t testing.TB, s provider.Store) provider.Store { return l.on(t, l.of(s)) },
		OpenImpatient: func(t testing.TB) provider.Store {
			return l.open(t, func(c *hub.Config) { c.OrphanAfter = time.Millisecond })
		},
		OpenWithClock: func(t testing.TB, now func() time.Time) provider.Store {
			return l.open(t, func(c *hub.Config) { c.Now = now })
		},
		Corrupt: func(t testing.TB, s provider.Store, id history.InstanceID) {
			set := l.of(s)
			store := s.(*settling).Store
			set.spoiled.Store(true)
			pk := store.PartitionKey(store.Partition(id))
			r, err := set.client.Get(t.Context(), "hub", pk, row.Instance(id))
			if err != nil {
				t.Fatal(err)
			}
			r.Cells[row.TailCell] = []byte(`j{"format":1,"id":`)
			_, err = set.client.Transact(t.Context(), "hub", pk, []storage.Op{{Verb: storage.Merge, Row: storage.Row{Key: r.Key, Cells: map[string][]byte{row.TailCell: r.Cells[row.TailCell]}}}})
			if err != nil {
				t.Fatal(err)
			}
		},
	}
}

func conforms(t *testing.T, partitions int, run func(*testing.T, providertest.Harness)) {
	t.Helper()
	t.Parallel() // it waits more than it works: for hosts to be found dead
	l := &lab{partitions: partitions}
	run(t, l.harness())
	l.done(t)
}

func TestOnePartitionConforms(t *testing.T) { conforms(t, 1, providertest.Run) }

func TestFourPartitionsConform(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite runs with one partition under -short: run it without")
	}
	conforms(t, 4, providertest.Run)
}

func TestConformsUnderFaults(t *testing.T) { conforms(t, 2, providertest.RunUnderFaults) }
