package dispatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Config configures a dispatcher.
type Config struct {
	Env           *registry.Env
	Worker        string        // name of the worker, recorded with what it ran
	MaxTurns      int           // turns in progress at once
	MaxActivities int           // activities running at once
	ShutdownGrace time.Duration // for running activities, at shutdown
	// SlowTurn is when a turn that still runs is reported; 0 means 5 s.
	SlowTurn time.Duration
	// Now is the hub's clock; nil means time.Now.
	Now func() time.Time
}

// Dispatcher joins a host to an executor: it takes turns, has them executed,
// commits them, and runs activities.
type Dispatcher struct {
	host     provider.Host
	executor Executor
	registry *registry.Registry
	config   Config
	log      *slog.Logger

	running  runningActivities
	abandon  chan struct{} // closed when shutdown waits no longer
	lastLog  atomic.Int64  // of trouble with the store, in Unix nanoseconds
	reported sync.Map      // names of missing activities, reported once
}

// New makes a dispatcher. It does nothing until [Dispatcher.Run].
func New(host provider.Host, executor Executor, r *registry.Registry, config Config) *Dispatcher {
	if config.SlowTurn == 0 {
		config.SlowTurn = 5 * time.Second
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	return &Dispatcher{
		host: host, executor: executor, registry: r, config: config, log: config.Env.Logger,
		running: newRunningActivities(), abandon: make(chan struct{}),
	}
}

// memory is implemented by executors that keep live instances.
type memory interface {
	Trim(now time.Time)
	Close()
}

// errShutdown is the cause with which the contexts of activities end that
// outlast the shutdown grace.
var errShutdown = errors.New("the worker is shutting down")

const (
	trimEvery = time.Second
	// obeyGrace is how long an activity whose context has ended may take to
	// return, before the worker goes on without it.
	obeyGrace = 5 * time.Second
	// leaveTimeout bounds the last call to the store.
	leaveTimeout = 10 * time.Second
)

// Run works until ctx ends, and then until it is quiescent: turns in progress
// are committed, and running activities get the shutdown grace; after it their
// contexts are cancelled, and what does not return even then is given up and
// reported. Run leaves the host and returns as soon as nothing is running.
func (d *Dispatcher) Run(ctx context.Context) error {
	// What is in progress goes on in a context that outlives ctx.
	work, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)

	var loops, helpers sync.WaitGroup
	for range d.config.MaxTurns {
		loops.Go(func() { d.turns(ctx, work) })
	}
	for range d.config.MaxActivities {
		loops.Go(func() { d.activities(ctx, work) })
	}
	quiescent := make(chan struct{})
	helpers.Go(func() { d.trim(quiescent) })
	helpers.Go(func() { d.shutdown(ctx, cut, quiescent) })
	loops.Wait()
	close(quiescent)
	helpers.Wait()

	leave, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	err := d.host.Leave(leave)
	if m, ok := d.executor.(memory); ok {
		m.Close()
	}
	if err != nil {
		return fmt.Errorf("leaving the store: %w", err)
	}
	return nil
}

// shutdown ends what is running, step by step, once ctx has ended.
func (d *Dispatcher) shutdown(ctx context.Context, cut context.CancelCauseFunc, quiescent <-chan struct{}) {
	select {
	case <-ctx.Done():
	case <-quiescent:
		return
	}
	if !pause(quiescent, d.config.ShutdownGrace) {
		return
	}
	cut(errShutdown)
	if pause(quiescent, obeyGrace) {
		close(d.abandon)
	}
}

// trim lets live instances go that have been idle for too long.
func (d *Dispatcher) trim(quiescent <-chan struct{}) {
	m, ok := d.executor.(memory)
	if !ok {
		return
	}
	for pause(quiescent, trimEvery) {
		m.Trim(d.config.Now())
	}
}

// pause waits, and reports whether it did so to the end.
func pause(stop <-chan struct{}, t time.Duration) bool {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-stop:
		return false
	}
}

// Delays between two tries of something that failed.
const (
	firstDelay  = 20 * time.Millisecond
	lastDelay   = 2 * time.Second
	firstParked = time.Second
	lastParked  = time.Minute
)

// backoff doubles from first with each attempt, up to last.
func backoff(first, last time.Duration, attempt int) time.Duration {
	return min(last, first<<min(max(attempt-1, 0), 20))
}

// trouble reports that the store does not do what it should: one record a
// second, however many goroutines meet it.
func (d *Dispatcher) trouble(doing string, err error) {
	now := d.config.Now().UnixNano()
	last := d.lastLog.Load()
	if now-last >= int64(time.Second) && d.lastLog.CompareAndSwap(last, now) {
		d.log.Warn("the store is in trouble; work is delayed, nothing is lost", "doing", doing, "error", err)
	}
}

// next calls fetch until it gives something; false once ctx has ended or the
// host is closed.
func next[T any](ctx context.Context, d *Dispatcher, doing string, fetch func(context.Context) (T, error)) (T, bool) {
	for attempt := 1; ; attempt++ {
		item, err := fetch(ctx)
		switch {
		case err == nil:
			return item, true
		case ctx.Err() != nil || errors.Is(err, provider.ErrClosed):
			return item, false
		}
		d.trouble(doing, err)
		if !pause(ctx.Done(), provider.RetryAfter(err, backoff(firstDelay, lastDelay, attempt))) {
			return item, false
		}
	}
}
