package dispatch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime/debug"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// turns takes one turn after another, until ctx ends. A turn in progress is
// finished in work.
func (d *Dispatcher) turns(ctx, work context.Context) {
	for {
		t, ok := next(ctx, d, "waiting for a turn", d.host.NextTurn)
		if !ok {
			return
		}
		d.turn(work, t)
	}
}

func (d *Dispatcher) turn(ctx context.Context, t *provider.Turn) {
	c, err := d.execute(ctx, t)
	if err != nil {
		d.giveBack(ctx, t, err)
		return
	}
	err = d.commit(ctx, t, c)
	d.executor.Settle(t.Instance.ID, err == nil)
	if err != nil {
		d.giveBack(ctx, t, err)
		return
	}
	d.cancelRunning(t, c)
}

// execute has the turn's decisions made. Trouble inside the executor stops this
// instance, not the process.
func (d *Dispatcher) execute(ctx context.Context, t *provider.Turn) (c *provider.Commit, err error) {
	slow := time.AfterFunc(d.config.SlowTurn, func() {
		d.log.Warn("a turn takes long: orchestration code must not block; move the work to an activity",
			"instance", t.Instance.ID, "orchestration", t.Instance.Name, "running", d.config.SlowTurn)
	})
	defer slow.Stop()
	defer func() {
		if p := recover(); p != nil {
			err = &ParkError{Reason: fmt.Sprintf("internal error in a turn: %v\n%s", p, debug.Stack())}
		}
	}()
	return d.executor.Execute(ctx, Work{
		Turn: t, Now: d.config.Now(),
		History: func(ctx context.Context, after int64) iter.Seq2[history.Event, error] {
			return d.host.History(ctx, t.Instance.ID, t.Instance.Execution, after)
		},
	})
}

// commit commits, again while the store is unavailable: nothing was applied
// then, and the turn is still held. It gives up when the worker must end.
func (d *Dispatcher) commit(ctx context.Context, t *provider.Turn, c *provider.Commit) error {
	for attempt := 1; ; attempt++ {
		err := d.host.CommitTurn(ctx, t, c)
		if err == nil || !errors.Is(err, provider.ErrUnavailable) {
			return err
		}
		d.trouble("committing a turn", err)
		if !pause(ctx.Done(), provider.RetryAfter(err, backoff(firstDelay, lastDelay, attempt))) {
			return err
		}
	}
}

// giveBack returns a turn that came to nothing. This is the one place that
// tells classes of errors apart: what others can heal parks the instance, what
// time heals delays it, and what is nobody's fault is tried again at once.
func (d *Dispatcher) giveBack(ctx context.Context, t *provider.Turn, err error) {
	log := d.log.With("instance", t.Instance.ID, "orchestration", t.Instance.Name, "execution", t.Instance.Execution, "attempt", t.Attempt)
	release := provider.Release{Delay: backoff(firstDelay, lastDelay, t.Attempt)}
	_, park := errors.AsType[*ParkError](err)
	switch {
	case park, errors.Is(err, provider.ErrInvalid), errors.Is(err, provider.ErrCorrupt):
		release.Delay, release.Park = backoff(firstParked, lastParked, t.Attempt), err.Error()
		log.Error("instance parked", "reason", err, "next_try", release.Delay)
	case errors.Is(err, provider.ErrLockLost), errors.Is(err, provider.ErrConflict):
		release.Delay, release.Uncounted = 0, true
		log.Debug("turn lost", "error", err)
	case provider.Retryable(err), ctx.Err() != nil:
		release.Uncounted = true
		d.trouble("running a turn", err)
	default:
		log.Error("turn failed", "error", err, "next_try", release.Delay)
	}
	if err := d.host.ReleaseTurn(context.WithoutCancel(ctx), t, release); err != nil && !errors.Is(err, provider.ErrLockLost) {
		d.trouble("giving a turn back", err)
	}
}

// cancelRunning ends the contexts of activities that no longer count, on this
// host: at once, without waiting for any poll.
func (d *Dispatcher) cancelRunning(t *provider.Turn, c *provider.Commit) {
	id, execution := t.Instance.ID, t.Instance.Execution
	for _, event := range c.CancelActivities {
		d.running.cancel(history.ActivityID{Instance: id, Execution: execution, Event: event})
	}
	if c.Status.Final() {
		d.running.cancelInstance(id, execution+1)
	} else if c.NewExecution {
		d.running.cancelInstance(id, execution)
	}
}
