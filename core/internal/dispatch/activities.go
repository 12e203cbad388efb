package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/failure"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/provider"
)

// obeyGrace is how long an activity whose context has ended may take to return,
// before its slot goes on without it.
const obeyGrace = 5 * time.Second

// activities is one slot: it runs activities one after the other.
func (d *Dispatcher) activities(taking, work context.Context) {
	failures := 0
	for {
		t, err := d.host.NextActivity(taking)
		if !d.taken(taking, err, &failures) {
			return
		}
		if err == nil {
			d.activity(taking, work, t)
		}
	}
}

// activity runs one and hands in how it ended, or gives it back.
func (d *Dispatcher) activity(taking, work context.Context, t *provider.ActivityTask) {
	s, ok := t.Activity.Scheduled.Data.(*history.ActivityScheduled)
	if !ok {
		d.log.Error("the store handed over an activity without the event that scheduled it: verify the hub", "instance", string(t.ID.Instance), "activity_id", t.ID.String())
		d.release(work, t, provider.Release{Delay: maxBackoff, Uncounted: true})
		return
	}
	if taking.Err() != nil { // it was on its way when shutdown began
		d.release(work, t, provider.Release{Uncounted: true})
		return
	}
	handler, found := d.registry.Activity(s.Name)
	if !found {
		delay, news := d.missing.again(s.Name)
		if news {
			d.activityLog(t, s).Error("activity is not registered with this worker: what needs it waits; deploy a worker that has it")
		}
		d.release(work, t, provider.Release{Delay: delay, Uncounted: true})
		return
	}
	started := d.config.Now().UTC().Round(0)
	output, f, fate := d.run(work, t, s, handler)
	switch fate {
	case completed:
		d.complete(work, t, s, started, output, f)
	case interrupted:
		d.release(work, t, provider.Release{Uncounted: true})
	case void:
	}
}

// fate is what becomes of a run.
type fate int

const (
	completed   fate = iota // it has an output or a failure
	interrupted             // by shutdown: it runs again elsewhere
	void                    // nobody wants the outcome any more
)

// result is what the code of an activity came to.
type result struct {
	output history.Payload
	f      *history.Failure
}

// run runs the code on a goroutine of its own (D8), and meanwhile keeps the
// lease and passes heartbeats on.
func (d *Dispatcher) run(work context.Context, t *provider.ActivityTask, s *history.ActivityScheduled, handler registry.Activity) (history.Payload, *history.Failure, fate) {
	ctx, cancel := context.WithCancelCause(work)
	defer cancel(nil)
	limited, free := limit(ctx, s, d.config.Now())
	defer free()

	a := &run{id: t.ID, name: s.Name, cancel: cancel}
	d.running.add(a)
	keeper := newKeeper(d, t, cancel)
	if t.Lease == 0 {
		keeper.extend(work) // it may have been cancelled on its way here
	}
	invocation := registry.NewInvocation(t, d.config.Env)
	invocation.Heartbeat = keeper.heartbeat(limited)

	done := make(chan result, 1)
	d.code.Go(func() {
		defer d.running.remove(a)
		call(registry.WithInvocation(limited, invocation), handler, s.Input, done)
	})
	r, returned := d.await(work, limited, done, keeper)
	if !returned {
		d.activityLog(t, s).Warn("an activity does not return although its context has ended: its slot goes on without it", "cause", context.Cause(limited))
	}
	if r.f != nil || !returned {
		keeper.flush(work)
	}
	return outcome(context.Cause(limited), t, s, r, returned)
}

// limit ends the context when the attempt, or all attempts, have taken too
// long, by the hub's clock.
func limit(ctx context.Context, s *history.ActivityScheduled, now time.Time) (context.Context, context.CancelFunc) {
	timeout := s.Timeout.Duration()
	if s.Deadline != nil {
		if left := s.Deadline.Sub(now); timeout == 0 || left < timeout {
			return context.WithTimeoutCause(ctx, left, &deadlineError{*s.Deadline})
		}
	}
	if timeout == 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w: the attempt took longer than its limit of %v", registry.ErrTimeout, timeout))
}

// timedOut is the failure of an activity whose context ended for a limit.
func timedOut(cause error, f *history.Failure) *history.Failure {
	_, final := errors.AsType[*deadlineError](cause)
	return &history.Failure{Kind: history.FailureTimeout, Message: cause.Error(), NonRetryable: final, Cause: f}
}

// deadlineError is the cause when the deadline of all attempts has passed.
type deadlineError struct{ deadline time.Time }

func (e *deadlineError) Error() string {
	return "activity timed out: the deadline of all its attempts passed at " + e.deadline.UTC().Format(time.RFC3339)
}
func (e *deadlineError) Unwrap() error { return registry.ErrTimeout }

// call runs the code and says what came of it, whatever it does: return, panic,
// or end its goroutine.
func call(ctx context.Context, handler registry.Activity, input history.Payload, done chan<- result) {
	r := result{f: &history.Failure{Kind: history.FailurePanic, Message: "the activity ended its goroutine with runtime.Goexit (testing.T.FailNow does): return an error instead"}}
	defer func() {
		if p := recover(); p != nil {
			r = result{f: failure.Panic(p, debug.Stack())}
		}
		done <- r
	}()
	if ctx.Err() != nil {
		r.f = failure.Of(context.Cause(ctx))
		return
	}
	output, err := handler.Run(ctx, input)
	r = result{output: output, f: failure.Of(err)}
}

// await waits for the code to return, and keeps the lease meanwhile. It waits
// no longer than obeyGrace once the context has ended, or at shutdown until it
// is given up.
func (d *Dispatcher) await(work, limited context.Context, done <-chan result, k *keeper) (r result, returned bool) {
	defer k.timer.Stop()
	ended := limited.Done()
	var late <-chan time.Time
	for {
		select {
		case r = <-done:
			return r, true
		case <-k.beat:
			k.soon()
		case <-k.timer.C:
			k.extend(work)
		case <-ended:
			ended = nil
			if !errors.Is(context.Cause(limited), registry.ErrShutdown) {
				late = time.After(obeyGrace)
			}
		case <-late:
			return r, false
		case <-d.giveUp:
			return r, false
		}
	}
}

// outcome decides what becomes of a run by why its context ended, nil if it did
// not.
func outcome(cause error, t *provider.ActivityTask, s *history.ActivityScheduled, r result, returned bool) (history.Payload, *history.Failure, fate) {
	succeeded := returned && r.f == nil
	switch {
	case errors.Is(cause, registry.ErrTimeout):
		if !succeeded {
			r.f = timedOut(cause, r.f)
		}
	case errors.Is(cause, registry.ErrShutdown):
		if !returned {
			return nil, nil, void // leaving the host gives it back
		}
		if !succeeded {
			return nil, nil, interrupted // whatever it says, it may be for this
		}
	case cause != nil:
		return nil, nil, void
	}
	if r.f == nil {
		r.f = unfit(s, r.output)
	}
	if r.f != nil {
		r.output, r.f.Activity, r.f.Attempt = nil, s.Name, t.Activity.Attempt
	}
	return r.output, r.f, completed
}

// unfit is the failure of an activity whose output cannot be stored.
func unfit(s *history.ActivityScheduled, output history.Payload) *history.Failure {
	what := fmt.Sprintf("output of activity %q", s.Name)
	if err := history.ValidatePayload(what, len(output)); err != nil {
		return &history.Failure{Kind: history.FailureLimit, Message: err.Error(), NonRetryable: true}
	}
	if output != nil && !json.Valid(output) {
		return &history.Failure{Kind: history.FailureInvalid, Message: what + " is not valid JSON: a codec must encode to JSON, for example to a string of base64", NonRetryable: true}
	}
	return nil
}

// complete hands in the outcome until the store takes it (D10).
func (d *Dispatcher) complete(work context.Context, t *provider.ActivityTask, s *history.ActivityScheduled, started time.Time, output history.Payload, f *history.Failure) {
	m := provider.Message{
		ID: fmt.Sprintf("%s/attempt/%d", t.ID, t.Activity.Attempt), To: t.ID.Instance, Execution: t.ID.Execution, Sent: d.config.Now().UTC().Round(0),
		Data: &history.ActivityCompleted{Source: t.ID.Event, Attempt: t.Activity.Attempt, Output: output, Started: &started, Worker: d.config.Worker},
	}
	if f != nil {
		m.Data = &history.ActivityFailed{Source: t.ID.Event, Attempt: t.Activity.Attempt, Failure: f, Started: &started, Worker: d.config.Worker}
	}
	log := func() *slog.Logger { return d.activityLog(t, s) }
	if !d.keptByHost {
		d.handedIn.add(t.ID) // before it is: its turn may be the first to know
	}
	err := d.insist(work, log, "handing in what an activity came to", func() error { return d.host.CompleteActivity(work, t, m) })
	if err == nil {
		return
	}
	d.handedIn.remove(t.ID)
	switch {
	case gone(work, err):
		return
	case errors.Is(err, provider.ErrInvalid) && f == nil: // the store cannot take the output
		d.complete(work, t, s, started, nil, &history.Failure{
			Kind: history.FailureLimit, Message: err.Error(), NonRetryable: true, Activity: s.Name, Attempt: t.Activity.Attempt,
		})
	default:
		d.release(work, t, provider.Release{Delay: backoff(parking, t.Delivery)})
	}
}

func (d *Dispatcher) release(work context.Context, t *provider.ActivityTask, r provider.Release) {
	log := func() *slog.Logger { return d.log.With("activity_id", t.ID.String()) }
	_ = d.insist(work, log, "giving an activity back", func() error { return d.host.ReleaseActivity(work, t, r) }) // logged there
}

func (d *Dispatcher) activityLog(t *provider.ActivityTask, s *history.ActivityScheduled) *slog.Logger {
	return d.log.With("instance", string(t.ID.Instance), "execution", t.ID.Execution, "orchestration", t.Orchestration,
		"activity", s.Name, "event", t.ID.Event, "attempt", t.Activity.Attempt, "delivery", t.Delivery)
}

// missingActivities counts how often activities were offered that this worker
// does not have.
type missingActivities struct {
	mu    sync.Mutex
	times map[string]int
}

// again is the delay before an activity of a missing name is offered again, and
// whether the name is news.
func (m *missingActivities) again(name string) (delay time.Duration, news bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.times == nil {
		m.times = map[string]int{}
	}
	m.times[name]++
	return backoff(parking, m.times[name]), m.times[name] == 1
}
