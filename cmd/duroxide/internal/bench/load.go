package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// driver is what a load needs of whoever runs the instances: the engine through
// its client, or the bare store.
type driver interface {
	start(ctx context.Context, id history.InstanceID) error
	raise(ctx context.Context, id history.InstanceID) error
	wait(ctx context.Context, id history.InstanceID) error
}

// LoadResult is what a load saw.
type LoadResult struct {
	WallNanos    int64   `json:"wall_nanos"` // from the first start to the last completion
	Latencies    []int64 `json:"latencies"`  // in nanoseconds, ascending
	Transactions int64   `json:"transactions"`
	// Storage is what it asked of Azure Storage, from a process of its own.
	Storage *usage `json:"storage,omitempty"`
}

// runLoad starts instances, some at a time, and waits for each.
func runLoad(ctx context.Context, c Config, prefix string, d driver) (*LoadResult, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &LoadResult{Latencies: make([]int64, c.Instances)}
	var next atomic.Int64
	var group sync.WaitGroup
	began := time.Now()
	for range min(c.Concurrency, c.Instances) {
		group.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= c.Instances || ctx.Err() != nil {
					return
				}
				id := history.InstanceID(fmt.Sprintf("%s-%07d", prefix, i+1))
				latency, err := runOne(ctx, c, d, id)
				if err != nil {
					cancel(err) // the first error is the cause
					return
				}
				r.Latencies[i] = latency.Nanoseconds()
			}
		})
	}
	group.Wait()
	r.WallNanos = time.Since(began).Nanoseconds()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	slices.Sort(r.Latencies)
	return r, nil
}

func runOne(ctx context.Context, c Config, d driver, id history.InstanceID) (time.Duration, error) {
	if err := d.start(ctx, id); err != nil {
		return 0, err
	}
	accepted := time.Now()
	if c.Workload.events {
		for range c.N {
			if err := d.raise(ctx, id); err != nil {
				return 0, err
			}
		}
	}
	err := d.wait(ctx, id)
	return time.Since(accepted), err
}

// engine is a driver through the product's client.
type engine struct {
	config Config
	client *core.Client
	text   string
}

func newEngine(c Config, store provider.Store) *engine {
	return &engine{c, core.NewClient(store, core.ClientConfig{}), payload(c.Payload)}
}

func (e *engine) start(ctx context.Context, id history.InstanceID) error {
	_, err := e.config.Workload.function.Start(ctx, e.client, input{N: e.config.N, Bytes: e.config.Payload}, orchestration.StartOptions{ID: id})
	return err
}

func (e *engine) raise(ctx context.Context, id history.InstanceID) error {
	return tick.Raise(ctx, e.client, id, e.text)
}

func (e *engine) wait(ctx context.Context, id history.InstanceID) error {
	steps, err := e.config.Workload.function.Handle(e.client, id).Wait(ctx)
	if err == nil && steps != e.config.N {
		err = fmt.Errorf("instance %s made %d steps, want %d", id, steps, e.config.N)
	}
	return err
}

// Load runs the load against a store that another process works for.
func Load(ctx context.Context, c Config, prefix string) (r *LoadResult, err error) {
	m := newMeter(c.Store)
	defer m.close()
	store, err := c.Store.Open(ctx, m.options())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	before, m0 := storeTransactions(store), m.usage()
	if r, err = runLoad(ctx, c, prefix, newEngine(c, store)); err == nil {
		r.Transactions = storeTransactions(store) - before
		if c.Store.OnAzure() {
			used := m.usage().minus(m0)
			r.Storage = &used
		}
	}
	return r, err
}
