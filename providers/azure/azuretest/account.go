package azuretest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/sdk"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated/overhttp"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Config of an [Account]. Every zero is a default.
type Config struct {
	// Seed determines everything that is drawn by lot.
	Seed uint64
	// Latency is the mean time of a request; each takes from half of it to one
	// and a half. 0 means no time at all.
	Latency time.Duration
	// Hub is the hub's name. Default "hub".
	Hub string
	// Partitions is the number of the hub's partitions. Default 4.
	Partitions int
	// TTL is how long a host may be silent before it counts as dead. Default
	// 15 s.
	TTL time.Duration
	// SweepEvery and WakeEvery are the longest pauses between two looks of a
	// host into an inbox that nobody rang for, and into its wake-up queue.
	// Defaults 1 min and 2.5 s.
	SweepEvery, WakeEvery time.Duration
	// Forgetful processes keep nothing in memory that they need not: three
	// instances at rest for each partition, and timers from two seconds before they
	// are due. Otherwise that is 4,000, and an hour.
	Forgetful bool
	// OrphanAfter is how long a message waits for an instance that does not
	// exist. Default 24 h.
	OrphanAfter time.Duration
	// TraceLines is how many requests [Account.Trace] remembers. Default 200.
	TraceLines int
	// HTTP writes requests and answers out, as between azure.Open and the service,
	// and takes them through the client of the Azure SDK. Faults look as they do on a
	// network, and time-outs are the client's. The clocks of hosts are right then.
	HTTP bool
}

// What compresses is made before any bubble begins: it has a channel of its own.
var _ = row.Pack(make([]byte, 16<<10))

// Account is a storage account with one hub. Make it with [New].
type Account struct {
	cfg     Config
	inner   *simulated.Account
	checker *simulated.Checker

	mu    sync.Mutex
	hosts map[string]int // opened under a name
}

// New makes an account. [Account.Close] ends it.
func New(cfg Config) *Account {
	if cfg.Hub == "" {
		cfg.Hub = "hub"
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = 4
	}
	a := &Account{cfg: cfg, checker: simulated.NewChecker(simulated.Layout{}, nil), hosts: map[string]int{}}
	inner := simulated.Config{Seed: cfg.Seed, Observe: a.checker.Observe, TraceLines: cfg.TraceLines}
	if cfg.Latency > 0 {
		inner.Latency = simulated.Between(cfg.Latency/2, cfg.Latency*3/2)
		if cfg.HTTP {
			inner.TryTimeout = time.Hour // the client's own ends first
		}
	}
	a.inner = simulated.New(inner)
	return a
}

// Open opens the hub for one process, which has a name; the first one creates
// it.
func (a *Account) Open(ctx context.Context, name string) (*Host, error) {
	a.mu.Lock()
	a.hosts[name]++
	source := rand.New(rand.NewPCG(a.cfg.Seed, hash(fmt.Sprint(name, " ", a.hosts[name]))))
	a.mu.Unlock()
	client := a.inner.Client(name)
	account, err := a.reach(client)
	if err != nil {
		return nil, err
	}
	var drawing sync.Mutex
	cfg := hub.Config{
		Name: a.cfg.Hub, Partitions: a.cfg.Partitions, TTL: a.cfg.TTL,
		OrphanAfter: a.cfg.OrphanAfter, WakeEvery: a.cfg.WakeEvery, SweepEvery: a.cfg.SweepEvery,
		Unique: func() string {
			drawing.Lock()
			defer drawing.Unlock()
			return fmt.Sprintf("%016x", source.Uint64())
		},
	}
	if a.cfg.Forgetful {
		cfg.Sleep, cfg.Cold = 2*time.Second, 3
	}
	store, err := hub.Open(ctx, account, cfg)
	if err != nil {
		return nil, err
	}
	return &Host{Store: store, store: store, client: client, reached: account, account: a.inner}, nil
}

// reach is the account as a client reaches it.
func (a *Account) reach(client *simulated.Client) (storage.Account, error) {
	if !a.cfg.HTTP {
		return client, nil
	}
	return sdk.Open(sdk.Config{Account: overhttp.Account, Transport: overhttp.New(a.inner, client)})
}

// Partitions is the number of the hub's partitions.
func (a *Account) Partitions() int { return a.cfg.Partitions }

// Violations are the invariants of the provider that writes broke, at most a
// hundred.
func (a *Account) Violations() (all []string) {
	for _, v := range a.checker.Violations() {
		all = append(all, v.String())
	}
	return all
}

// Requests is how many requests were sent so far.
func (a *Account) Requests() int { return a.inner.Calls() }

// Trace is the latest requests, oldest first, one a line.
func (a *Account) Trace() []string { return a.inner.Trace() }

// Hash is over all requests so far, with their times and outcomes: two runs in
// bubbles with equal hashes are the same run.
func (a *Account) Hash() uint64 { return a.inner.Hash() }

// Bill is how many transactions the service would bill so far, by kind.
func (a *Account) Bill() string { return a.inner.Counts().String() }

// Close ends the account: calls that wait return. Close hosts before.
func (a *Account) Close() { a.inner.Close() }
