package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/provider"
)

// rawSuffix names the scratch store of the raw loop, beside the one measured.
const rawSuffix = ".raw"

// Run measures: first the raw limit, then the engine.
func Run(ctx context.Context, c Config) (*Report, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.Limit, fmt.Errorf("the run did not end within %v: make it smaller, or the limit larger", c.Limit))
	defer cancel()
	prefix := "bench-" + rand.Text()[:10]
	if c.Store.OnAzure() {
		return runOnAzure(ctx, c, prefix)
	}
	raw, err := measureRaw(ctx, c, prefix)
	if err != nil {
		return nil, fmt.Errorf("measuring the raw limit: %w", explain(ctx, err))
	}
	r, err := measure(ctx, c, prefix, newMeter(c.Store))
	if err != nil {
		return nil, explain(ctx, err)
	}
	r.RawLimit = RawLimit{Description: rawDescription, PerSecond: perSecond(c.orchestrations(), raw.WallNanos)}
	if r.RawLimit.PerSecond > 0 {
		r.RatioToRawLimit = round(r.OrchestrationsPerSecond/r.RawLimit.PerSecond, 3)
	}
	return r, nil
}

// explain gives the cause for which ctx ended.
func explain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

func (c Config) orchestrations() int { return c.Instances * c.Workload.orchestration(c.N) }
func (c Config) activities() int     { return c.Instances * c.Workload.activities(c.N) }

// measureRaw runs the bare loop on a store of its own.
func measureRaw(ctx context.Context, c Config, prefix string) (r *LoadResult, err error) {
	ref := c.Store.Sibling(rawSuffix)
	if c.Store.Shared() {
		if _, err := os.Stat(ref.Path); err == nil {
			return nil, fmt.Errorf("%s is in the way: the raw loop makes a scratch store of this name and deletes it afterwards", ref.Path)
		}
	}
	store, err := ref.Open(ctx, stores.Options{})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close(), ref.Remove(context.WithoutCancel(ctx))) }()
	if _, err := rawLoop(ctx, c.warmUp(), prefix+"-warm", store); err != nil {
		return nil, err
	}
	return rawLoop(ctx, c, prefix, store)
}

// warmUp is a small run, so that neither side pays for the first pages of the
// heap and the file; nor, on Azurite, for code that its server has not compiled
// yet, which takes seconds of load.
func (c Config) warmUp() Config {
	instances := min(c.Instances, 8)
	if c.Store.OnAzure() {
		instances = 300
	}
	c.Instances, c.N = instances, min(c.N, 16)
	return c
}

// measure runs the workload on the engine.
func measure(ctx context.Context, c Config, prefix string, m *meter) (r *Report, err error) {
	defer m.close()
	store, err := c.Store.Open(ctx, m.options())
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	if p, ok := store.(interface{ Partitions() int }); ok {
		m.partitions = p.Partitions()
	}
	ready := make(chan struct{})
	worker := core.NewWorker(&joined{store, ready}, core.WorkerConfig{Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))}).Register(handlers()...)
	work, leave := context.WithCancelCause(ctx)
	left := make(chan error, 1)
	go func() {
		err := worker.Run(work)
		leave(err) // a worker that could not start ends the load
		left <- err
	}()
	defer func() {
		leave(nil)
		err = errors.Join(err, <-left)
	}()
	select {
	case <-ready:
	case <-work.Done():
		return nil, context.Cause(ctx) // or what the worker says, which is joined above
	}
	if _, err := runLoad(work, c.warmUp(), prefix+"-warm", newEngine(c.warmUp(), store)); err != nil {
		return nil, err
	}
	forgetPeak()
	warm := worker.Stats()
	cpu, transactions, used, began := cpuTime(), storeTransactions(store), m.usage(), time.Now()
	load := loadHere
	if c.Client == Separate {
		load = loadElsewhere
	}
	loaded, childCPU, err := load(work, c, prefix, store)
	if err != nil {
		return nil, err
	}
	m.used, m.took = m.usage().minus(used), time.Since(began)
	if loaded.Storage != nil {
		m.used = m.used.plus(*loaded.Storage)
	}
	stats := worker.Stats()
	stats.Replays, stats.EventsReplayed = stats.Replays-warm.Replays, stats.EventsReplayed-warm.EventsReplayed
	return &Report{
		Workload: c.Workload.Name, Store: c.Store.String(), Client: c.Client, Instances: c.Instances, N: c.N,
		WallSeconds:             round(float64(loaded.WallNanos)/float64(time.Second), 4),
		OrchestrationsPerSecond: perSecond(c.orchestrations(), loaded.WallNanos),
		ActivitiesPerSecond:     perSecond(c.activities(), loaded.WallNanos),
		LatencyMillis:           latencies(loaded.Latencies),
		CPUSeconds:              round((cpuTime() - cpu + childCPU).Seconds(), 3),
		MaxRSSMiB:               round(float64(peak())/(1<<20), 1),
		Replays:                 stats.Replays,
		EventsReplayed:          stats.EventsReplayed,
		StoreTransactions:       storeTransactions(store) - transactions + loaded.Transactions,
		StorageOperations:       m.used.operations(),
	}, nil
}

func storeTransactions(s provider.Store) int64 { return stores.Transactions(s) }

// loadHere runs the load in this process.
func loadHere(ctx context.Context, c Config, prefix string, store provider.Store) (*LoadResult, time.Duration, error) {
	r, err := runLoad(ctx, c, prefix, newEngine(c, store))
	return r, 0, err
}

// loadElsewhere runs the load in a process of its own, and adds up the
// processor time that it used.
func loadElsewhere(ctx context.Context, c Config, prefix string, _ provider.Store) (*LoadResult, time.Duration, error) {
	args := append([]string{}, c.Load[1:]...)
	args = append(args, c.Store.Args()...)
	args = append(args, "--workload", c.Workload.Name, "--instances", strconv.Itoa(c.Instances), "--concurrency", strconv.Itoa(c.Concurrency),
		"--n", strconv.Itoa(c.N), "--payload", strconv.Itoa(c.Payload), "--prefix", prefix)
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, c.Load[0], args...) // killed and reaped when ctx ends
	cmd.Env = append(os.Environ(), c.Store.Environment()...)
	cmd.Stdout, cmd.Stderr = &out, &said
	life, err := cmd.StdinPipe() // its end tells the load that this process is gone
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = life.Close() }() // the process is gone by then
	if err := cmd.Run(); err != nil {
		return nil, 0, fmt.Errorf("the client process failed: %w: %s", err, strings.TrimSpace(said.String()))
	}
	var r LoadResult
	if err := json.Unmarshal(out.Bytes(), &r); err != nil {
		return nil, 0, fmt.Errorf("the client process answered with something else than its figures: %w", err)
	}
	if len(r.Latencies) != c.Instances {
		return nil, 0, fmt.Errorf("the client process ran %d instances, want %d", len(r.Latencies), c.Instances)
	}
	return &r, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// WithLife is a context that ends when a reader does: the parent process holds
// the other end.
func WithLife(ctx context.Context, life io.Reader) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	go func() { // ends with the process at the latest: a read cannot be interrupted
		_, _ = io.Copy(io.Discard, life)
		cancel()
	}()
	return ctx, cancel
}

// joined is a store that tells when the worker has joined it.
type joined struct {
	provider.Store
	ready chan struct{}
}

func (j *joined) Join(ctx context.Context, info provider.HostInfo) (provider.Host, error) {
	h, err := j.Store.Join(ctx, info)
	if err == nil {
		close(j.ready)
	}
	return h, err
}

// Hub keeps the name of the hub visible through the wrapper.
func (j *joined) Hub() string {
	if named, ok := j.Store.(provider.Named); ok {
		return named.Hub()
	}
	return "default"
}
