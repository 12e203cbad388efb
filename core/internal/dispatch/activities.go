package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/failure"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/provider"
)

// errTimeout and errDeadline are the causes with which the context of an
// activity ends that takes too long. errLost: another worker has it now.
var (
	errTimeout  = errors.New("the attempt took longer than its timeout")
	errDeadline = errors.New("the deadline of all attempts has passed")
	errLost     = errors.New("the worker lost its hold on the activity")
)

// activities runs one activity after another, until ctx ends.
func (d *Dispatcher) activities(ctx, work context.Context) {
	for {
		t, ok := next(ctx, d, "waiting for an activity", d.host.NextActivity)
		if !ok {
			return
		}
		d.activity(work, t)
	}
}

// activity runs one and hands in how it ended.
func (d *Dispatcher) activity(work context.Context, t *provider.ActivityTask) {
	scheduled, ok := t.Activity.Scheduled.Data.(*history.ActivityScheduled)
	if !ok {
		d.log.Error("the store handed over an activity without its schedule", "activity", t.ID)
		d.release(t, provider.Release{Delay: lastParked})
		return
	}
	handler, found := d.registry.Activity(scheduled.Name)
	if !found {
		if _, reported := d.reported.LoadOrStore(scheduled.Name, true); !reported {
			d.log.Error("an activity is not registered with this worker; its instances wait: deploy a worker that has it",
				"activity", scheduled.Name, "instance", t.ID.Instance)
		}
		d.release(t, provider.Release{Delay: backoff(firstParked, lastParked, t.Delivery)})
		return
	}
	started := d.config.Now().UTC().Round(0)
	ctx, cancel := context.WithCancelCause(work)
	defer cancel(nil)
	d.running.add(t.ID, cancel)
	defer d.running.remove(t.ID)

	lease := d.holdLease(ctx, cancel, t)
	output, f, outcome := d.runActivity(ctx, handler, t, scheduled, lease)
	lease.stop()
	switch outcome {
	case gaveBack:
		d.release(t, provider.Release{Uncounted: true})
	case ended:
		d.complete(work, t, scheduled.Name, started, output, f)
	}
}

// outcome is what becomes of a run.
type outcome int

const (
	ended    outcome = iota // with a result or a failure
	gaveBack                // undone by shutdown: somebody else runs it again
	void                    // nobody wants the result any more
)

// runActivity runs the handler on a goroutine of its own, so that a Goexit in
// it, or its refusal to end, costs no slot.
func (d *Dispatcher) runActivity(ctx context.Context, handler registry.Activity, t *provider.ActivityTask, s *history.ActivityScheduled, lease *lease) (history.Payload, *history.Failure, outcome) {
	if s.Timeout > 0 {
		var end context.CancelFunc
		ctx, end = context.WithTimeoutCause(ctx, s.Timeout.Duration(), errTimeout)
		defer end()
	}
	if s.Deadline != nil {
		var end context.CancelFunc
		ctx, end = context.WithTimeoutCause(ctx, s.Deadline.Sub(d.config.Now()), errDeadline)
		defer end()
	}
	invocation := registry.NewInvocation(t, d.config.Env)
	invocation.Heartbeat = lease.heartbeat
	type result struct {
		output history.Payload
		f      *history.Failure
	}
	done := make(chan result, 1)
	go func() {
		r := result{f: &history.Failure{Kind: history.FailurePanic, Message: "the activity called runtime.Goexit (testing.T.FailNow does)"}}
		defer func() {
			if p := recover(); p != nil {
				r.f = failure.Panic(p, debug.Stack())
			}
			done <- r
		}()
		if err := context.Cause(ctx); err != nil {
			r.f = failure.Of(err)
			return
		}
		output, err := handler.Run(registry.WithInvocation(ctx, invocation), s.Input)
		if err != nil {
			r.f = failure.Of(err)
			return
		}
		r = result{output: output}
	}()
	var r result
	select {
	case r = <-done:
	case <-ctx.Done():
		select {
		case r = <-done:
		case <-d.abandoned(ctx):
			invocation.Logger.Warn("an activity does not end although its context has; the worker goes on without it", "cause", context.Cause(ctx))
			r.f = failure.Of(context.Cause(ctx))
		}
	}
	cause := context.Cause(ctx)
	switch {
	case r.f == nil:
		return r.output, nil, ended
	case errors.Is(cause, errTimeout) || errors.Is(cause, errDeadline):
		r.f = &history.Failure{Kind: history.FailureTimeout, Message: cause.Error(), NonRetryable: errors.Is(cause, errDeadline), Cause: r.f}
	case errors.Is(cause, errShutdown):
		return nil, nil, gaveBack
	case cause != nil:
		return nil, nil, void
	}
	r.f.Activity, r.f.Attempt = s.Name, t.Activity.Attempt
	return nil, r.f, ended
}

// abandoned is closed when a run whose context has ended is waited for no
// longer. One that was merely given up on is waited for until shutdown: nobody
// needs its slot's answer.
func (d *Dispatcher) abandoned(ctx context.Context) <-chan struct{} {
	cause := context.Cause(ctx)
	if !errors.Is(cause, errTimeout) && !errors.Is(cause, errDeadline) {
		return d.abandon
	}
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), obeyGrace)
	context.AfterFunc(late, cancel)
	return late.Done()
}

// complete hands in the completion, again while the store is in trouble. Should
// that fail for good, the store offers the activity again.
func (d *Dispatcher) complete(ctx context.Context, t *provider.ActivityTask, name string, started time.Time, output history.Payload, f *history.Failure) {
	msg := provider.Message{
		ID: fmt.Sprintf("%s/completed/%d.%d", t.ID, t.Activity.Attempt, t.Delivery), To: t.ID.Instance, Execution: t.ID.Execution, Sent: started,
		Data: &history.ActivityCompleted{Source: t.ID.Event, Attempt: t.Activity.Attempt, Output: output, Started: &started, Worker: d.config.Worker},
	}
	if f != nil {
		msg.Data = &history.ActivityFailed{Source: t.ID.Event, Attempt: t.Activity.Attempt, Failure: f, Started: &started, Worker: d.config.Worker}
	}
	for attempt := 1; ; attempt++ {
		err := d.host.CompleteActivity(ctx, t, msg)
		switch {
		case err == nil, errors.Is(err, provider.ErrLockLost), errors.Is(err, provider.ErrClosed):
			return
		case !provider.Retryable(err):
			d.log.Error("an activity's completion was refused; it will be offered again", "activity", name, "instance", t.ID.Instance, "error", err)
			d.release(t, provider.Release{Delay: backoff(firstParked, lastParked, t.Delivery)})
			return
		}
		d.trouble("completing an activity", err)
		if !pause(ctx.Done(), provider.RetryAfter(err, backoff(firstDelay, lastDelay, attempt))) {
			return
		}
	}
}

func (d *Dispatcher) release(t *provider.ActivityTask, r provider.Release) {
	ctx, cancel := context.WithTimeout(context.Background(), leaveTimeout)
	defer cancel()
	if err := d.host.ReleaseActivity(ctx, t, r); err != nil && !errors.Is(err, provider.ErrLockLost) && !errors.Is(err, provider.ErrClosed) {
		d.trouble("giving an activity back", err)
	}
}

// lease holds on to an activity while it runs, and passes on its heartbeats.
type lease struct {
	extend func(history.Payload)
	every  time.Duration
	done   chan struct{}
	loop   sync.WaitGroup

	mu      sync.Mutex
	pending history.Payload
	wake    chan struct{}
}

// heartbeatEvery is how often details of heartbeats are stored at most.
const heartbeatEvery = 200 * time.Millisecond

// holdLease extends the lock in time, if it has an end, and stores details.
func (d *Dispatcher) holdLease(ctx context.Context, cancel context.CancelCauseFunc, t *provider.ActivityTask) *lease {
	l := &lease{every: t.Lease / 3, done: make(chan struct{}), wake: make(chan struct{}, 1)}
	l.extend = func(progress history.Payload) {
		signals, err := d.host.ExtendActivity(context.WithoutCancel(ctx), t, progress)
		switch {
		case errors.Is(err, provider.ErrLockLost):
			cancel(errLost)
		case err != nil && !errors.Is(err, provider.ErrClosed):
			d.trouble("extending an activity", err) // no cancellation: only an answer is
		case signals.Cancelled:
			cancel(errGivenUp)
		}
	}
	if t.Lease > 0 {
		l.loop.Go(l.run)
		return l
	}
	l.extend(nil) // it may have been given up before it was entered as running
	return l
}

// run extends the lock until stop.
func (l *lease) run() {
	timer := time.NewTimer(l.every)
	defer timer.Stop()
	for {
		select {
		case <-l.done:
			return
		case <-l.wake:
			l.flush()
			if !pause(l.done, heartbeatEvery) {
				return
			}
		case <-timer.C:
			l.extend(nil)
			timer.Reset(l.every)
		}
	}
}

func (l *lease) flush() {
	l.mu.Lock()
	p := l.pending
	l.pending = nil
	l.mu.Unlock()
	if p != nil {
		l.extend(p)
	}
}

// heartbeat keeps a detail to be stored soon; a newer one replaces it.
func (l *lease) heartbeat(p history.Payload) error {
	l.mu.Lock()
	l.pending = p
	begin := l.every == 0
	if begin { // a lock without an end needs the loop for heartbeats only
		l.every = time.Hour
	}
	l.mu.Unlock()
	if begin {
		l.loop.Go(l.run)
	}
	select {
	case l.wake <- struct{}{}:
	default:
	}
	return nil
}

// stop ends the loop and stores the last detail.
func (l *lease) stop() {
	close(l.done)
	l.loop.Wait()
	l.flush()
}
