package core

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/internal/dispatch"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Handler is an orchestration or an activity with its code, made by Func or
// Version of its declaration.
type Handler = registry.Handler

// Executor runs orchestrations: events and messages in, decisions out. Native
// Go code is one; workers elsewhere, in other languages, are others. All see
// the same events and return the same decisions; the host that owns the
// instance alone commits.
type Executor = dispatch.Executor

// Work is one turn, as an [Executor] gets it.
type Work = dispatch.Work

// ParkError is what an [Executor] returns when an instance cannot proceed until
// somebody does something; its reason is for the operator.
type ParkError = dispatch.ParkError

// WorkerConfig configures a worker. The zero value is good for production on
// one machine.
type WorkerConfig struct {
	// Name tells operators which worker this is. Default: host name and pid.
	Name string
	// Logger receives the worker's own records and those of handlers. Default:
	// slog.Default().
	Logger *slog.Logger
	// Codec must be that of every worker and client of the hub. Default:
	// codec.JSON.
	Codec codec.Codec
	// MaxTurns is how many turns may be in progress at once; most of that time
	// they wait for a commit that they share. Default 256, at least 1.
	MaxTurns int
	// MaxActivities is how many activities run at once. Default 100, at least 1.
	// Where workers share a hub each gets instances in proportion to it.
	MaxActivities int
	// Tags are the activity tags that this worker serves besides untagged
	// activities.
	Tags []string
	// Cache bounds the live instances kept in memory. More memory means fewer
	// replays; correctness does not depend on it.
	Cache CacheConfig
	// ShutdownGrace is how long running activities may go on after the context
	// of Run has ended, before theirs are cancelled. Default 10 s; the worker
	// leaves as soon as all are done.
	ShutdownGrace time.Duration
	// Joined is called once, when the worker has joined the store and begins to
	// work: for readiness probes. The worker waits for it to return. Default: none.
	Joined func()
	// Executor runs the orchestrations that are not registered with this worker
	// as Go code: those of workers in other languages, or on other hosts. Default:
	// none, and their instances park.
	Executor Executor
	// OrchestrationInterceptors and ActivityInterceptors wrap what runs, the
	// first outermost.
	OrchestrationInterceptors []orchestration.Interceptor
	ActivityInterceptors      []activity.Interceptor
}

// CacheConfig bounds the live instances of a worker; see its fields.
type CacheConfig = dispatch.CacheConfig

func (c WorkerConfig) withDefaults() (WorkerConfig, error) {
	if c.MaxTurns < 0 || c.MaxActivities < 0 || c.ShutdownGrace < 0 {
		return c, fmt.Errorf("WorkerConfig: MaxTurns is %d, MaxActivities is %d, ShutdownGrace is %v: none may be negative", c.MaxTurns, c.MaxActivities, c.ShutdownGrace)
	}
	if c.Cache.Bytes < 0 || c.Cache.Count < 0 || c.Cache.Idle < 0 {
		return c, fmt.Errorf("WorkerConfig.Cache is %+v: nothing in it may be negative", c.Cache)
	}
	if c.Name == "" {
		host, _ := os.Hostname()
		c.Name = fmt.Sprintf("%s pid %d", host, os.Getpid())
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Codec == nil {
		c.Codec = codec.JSON
	}
	if c.MaxTurns == 0 {
		c.MaxTurns = 256
	}
	if c.MaxActivities == 0 {
		c.MaxActivities = 100
	}
	if c.ShutdownGrace == 0 {
		c.ShutdownGrace = 10 * time.Second
	}
	return c, nil
}

// Worker runs orchestrations and activities for a store.
type Worker struct {
	store    provider.Store
	config   WorkerConfig
	registry *registry.Registry
	problem  error

	mu     sync.Mutex
	ran    bool
	native *dispatch.Native
}

// NewWorker makes a worker. It touches nothing; [Worker.Run] reports what is
// wrong with the configuration.
func NewWorker(store provider.Store, config WorkerConfig) *Worker {
	config, err := config.withDefaults()
	return &Worker{store: store, config: config, problem: err, registry: registry.New()}
}

// Register adds handlers, before Run. Problems with them are reported by Run,
// all at once.
func (w *Worker) Register(handlers ...Handler) *Worker {
	for _, h := range handlers {
		h.Register(w.registry)
	}
	return w
}

// Run joins the store and works until ctx ends; then it finishes what is
// running, within the shutdown grace, and leaves. Where other hosts take its
// instances over it goes on working first until they know of it, for ten seconds
// at most. It returns nil after such a stop. All problems of configuration and
// registration are returned, joined, before the store is touched; an error of
// joining, such as provider.ErrHostTaken, at once. A worker runs once.
func (w *Worker) Run(ctx context.Context) error {
	if err := errors.Join(w.problem, w.registry.Err()); err != nil {
		return fmt.Errorf("worker not started: %w", err)
	}
	hub := "default"
	if named, ok := w.store.(provider.Named); ok {
		hub = named.Hub()
	}
	env := &registry.Env{
		Hub: hub, Codec: w.config.Codec, Logger: w.config.Logger,
		OrchestrationInterceptors: w.config.OrchestrationInterceptors,
		ActivityInterceptors:      w.config.ActivityInterceptors,
	}
	native := dispatch.NewNative(w.registry, env, w.config.Cache, time.Now)
	w.mu.Lock()
	again := w.ran
	w.ran, w.native = true, native
	w.mu.Unlock()
	if again {
		return errors.New("worker not started: it has run before: make a new one")
	}
	host, err := w.store.Join(ctx, provider.HostInfo{Name: w.config.Name, Tags: w.config.Tags, Slots: w.config.MaxActivities})
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return nil // stopped before it began
		}
		return fmt.Errorf("worker not started: %w", err)
	}
	if w.config.Joined != nil {
		w.config.Joined()
	}
	executor := Executor(native)
	if w.config.Executor != nil {
		executor = native.WithOther(w.config.Executor)
	}
	d := dispatch.New(host, executor, w.registry, dispatch.Config{
		Env: env, Worker: w.config.Name, MaxTurns: w.config.MaxTurns, MaxActivities: w.config.MaxActivities, ShutdownGrace: w.config.ShutdownGrace,
	})
	return d.Run(ctx)
}

// Stats counts what a worker has done since it started.
type Stats struct {
	Replays        int64 // histories replayed, because an instance was not live
	EventsReplayed int64
	LiveInstances  int // in memory now
	LiveBytes      int // estimate
}

// Stats reads the counters. It may be called at any time.
func (w *Worker) Stats() Stats {
	w.mu.Lock()
	native := w.native
	w.mu.Unlock()
	if native == nil {
		return Stats{}
	}
	var s Stats
	s.Replays, s.EventsReplayed = native.Replays()
	s.LiveInstances, s.LiveBytes = native.Live()
	return s
}
