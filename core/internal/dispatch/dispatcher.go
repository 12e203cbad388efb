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
	Env *registry.Env // required
	// Worker names this worker in the history of what it ran; "" leaves it out.
	Worker string
	// MaxTurns is how many turns are in progress at once, most of them waiting
	// for a commit that they share. 0 means 128.
	MaxTurns int
	// MaxActivities is how many activities run at once. 0 means 64.
	MaxActivities int
	// ShutdownGrace is how long activities may go on after the context of Run
	// has ended, before theirs end too, and how long they may then take to
	// notice. 0 means 10 s.
	ShutdownGrace time.Duration
	// SlowTurn is when a turn whose code still runs is reported. 0 means 5 s.
	SlowTurn time.Duration
	// Now is the hub's clock. nil means time.Now.
	Now func() time.Time
}

func (c Config) withDefaults() Config {
	if c.MaxTurns == 0 {
		c.MaxTurns = 128
	}
	if c.MaxActivities == 0 {
		c.MaxActivities = 64
	}
	if c.ShutdownGrace == 0 {
		c.ShutdownGrace = 10 * time.Second
	}
	if c.SlowTurn == 0 {
		c.SlowTurn = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}

// leaveTimeout bounds the announcement, and what remains when nothing runs any
// more: leaving the host, and the end of storage calls that were cut.
const leaveTimeout = 10 * time.Second

// Dispatcher joins a host to an executor and to the activities of a registry.
type Dispatcher struct {
	host     provider.Host
	executor Executor
	registry *registry.Registry
	config   Config
	log      *slog.Logger

	gate    gate
	running runningActivities

	handedIn handedIn
	// keptByHost says that outcomes need not be recorded before the host leaves.
	keptByHost bool
	missing    missingActivities
	code       sync.WaitGroup // of activities, those included that no slot waits for

	stop   context.CancelCauseFunc // ends the taking of new work
	giveUp chan struct{}           // closed when what still runs is given up

	starved  atomic.Bool // the store does not hand out work
	refused  atomic.Bool // the store does not take commits
	lastDump time.Time   // of the stacks of a slow turn; belongs to keepHouse
}

// New makes a dispatcher. It does nothing until [Dispatcher.Run].
func New(host provider.Host, executor Executor, r *registry.Registry, config Config) *Dispatcher {
	keeper, ok := host.(provider.CompletionKeeper)
	return &Dispatcher{
		host: host, executor: executor, registry: r, config: config.withDefaults(), log: config.Env.Logger,
		keptByHost: ok && keeper.KeepsCompletions(), giveUp: make(chan struct{}),
	}
}

// closer is implemented by executors that hold memory: it is trimmed now and
// then, and closed when no turn runs any more.
type closer interface {
	Trim(now time.Time)
	Close()
}

// Run works until ctx ends, and then until nothing runs any more (D7). It
// leaves the host. Its error says that the host was closed from elsewhere, what
// was given up, or why leaving failed; nil after an ordinary stop. A dispatcher
// runs once.
func (d *Dispatcher) Run(ctx context.Context) error {
	taking, stop := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stop(nil)
	d.stop = stop
	// What has begun outlives ctx.
	work, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cut(nil)

	// Turns go on until the outcomes of activities are recorded.
	turning, stopTurns := context.WithCancelCause(context.WithoutCancel(ctx))
	defer stopTurns(nil)

	var turns, activities sync.WaitGroup
	for range d.config.MaxTurns {
		turns.Go(func() { d.turns(turning, work) })
	}
	for range d.config.MaxActivities {
		activities.Go(func() { d.activities(taking, work) })
	}
	idle, quiet := make(chan struct{}), make(chan struct{}) // no loop runs; no code runs either
	go func() {                                             // ends with what it waits for
		<-taking.Done()
		activities.Wait()
		if !d.keptByHost {
			ends(d.handedIn.none(), d.config.ShutdownGrace)
		}
		stopTurns(context.Cause(taking))
		turns.Wait()
		close(idle)
		d.code.Wait()
		close(quiet)
	}()
	over := make(chan struct{})
	var house sync.WaitGroup
	house.Go(func() { d.keepHouse(over) })

	select {
	case <-ctx.Done():
		d.announce(taking)
		stop(context.Cause(ctx))
	case <-taking.Done():
	}
	err := d.drain(idle, quiet, cut)
	if ctx.Err() == nil {
		err = errors.Join(context.Cause(taking), err)
	}
	close(over)
	house.Wait()
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaveTimeout)
	defer cancel()
	if failed := d.host.Leave(leaving); failed != nil && !errors.Is(failed, provider.ErrClosed) {
		err = errors.Join(err, fmt.Errorf("leaving the host: %w", failed))
	}
	if c, ok := d.executor.(closer); ok && d.gate.empty() {
		c.Close()
	}
	return err
}

// announce says that the host is about to leave, while everything goes on.
func (d *Dispatcher) announce(taking context.Context) {
	host, ok := d.host.(provider.LeaveAnnouncer)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(taking, leaveTimeout)
	defer cancel()
	host.AnnounceLeave(ctx)
}

// drain waits until nothing runs, and names what it gave up waiting for.
func (d *Dispatcher) drain(idle, quiet <-chan struct{}, cut context.CancelCauseFunc) error {
	if ends(quiet, d.config.ShutdownGrace) {
		return nil
	}
	d.running.shutDown()
	if ends(quiet, d.config.ShutdownGrace) {
		return nil
	}
	close(d.giveUp)
	cut(registry.ErrShutdown) // storage calls end
	ends(idle, leaveTimeout)
	names := append(d.running.names(), d.gate.names()...)
	if len(names) == 0 {
		return nil
	}
	err := fmt.Errorf("gave up after %v on what ignores the end of its context: %q", 2*d.config.ShutdownGrace, names)
	d.log.Error("shutdown is not clean: code ignores the end of its context", "running", names)
	return err
}

// ends reports whether the channel is closed within a time.
func ends(c <-chan struct{}, within time.Duration) bool {
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-c:
		return true
	case <-timer.C:
		return false
	}
}

// keepHouse does what is due from time to time: it reports slow turns, and has
// the executor drop what has been idle.
func (d *Dispatcher) keepHouse(over <-chan struct{}) {
	c, _ := d.executor.(closer)
	for !ends(over, min(time.Second, d.config.SlowTurn/2)) {
		d.reportSlowTurns()
		if c != nil {
			c.Trim(d.config.Now())
		}
	}
}

// taken judges the error of a call that waits for work, and reports whether to
// go on. The attempt counts failures in a row; it delays the next call.
func (d *Dispatcher) taken(taking context.Context, err error, failures *int) bool {
	switch {
	case err == nil:
		*failures = 0
		if d.starved.CompareAndSwap(true, false) {
			d.log.Info("the store hands out work again")
		}
		return true
	case taking.Err() != nil:
		return false
	case errors.Is(err, provider.ErrClosed):
		d.stop(fmt.Errorf("the host was closed while the worker was running: %w", err))
		return false
	}
	*failures++
	if d.starved.CompareAndSwap(false, true) {
		d.log.Warn("the store does not hand out work: trying again until it does", "error", err)
	}
	return pause(taking, provider.RetryAfter(err, backoff(100*time.Millisecond, *failures)))
}

// backoff doubles the first delay with each attempt after the first, up to
// [maxBackoff].
func backoff(first time.Duration, attempt int) time.Duration {
	for range min(max(attempt, 1)-1, 20) {
		first *= 2
	}
	return min(first, maxBackoff)
}

// maxBackoff bounds the delay between two tries of anything: how long a healed
// cause may go unnoticed.
const maxBackoff = time.Minute

// pause waits, and reports whether the context still lives.
func pause(ctx context.Context, delay time.Duration) bool {
	return !ends(ctx.Done(), delay)
}
