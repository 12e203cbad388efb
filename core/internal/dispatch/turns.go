package dispatch

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"runtime/debug"
	"runtime/pprof"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/invariant"
)

// instanceLabel marks, in profiles and in the dumps of slow turns, the
// goroutines that work for an instance.
const instanceLabel = "duroxide_instance"

// turns is one worker: it takes turns one after the other.
func (d *Dispatcher) turns(taking, work context.Context) {
	failures := 0
	for {
		t, err := d.host.NextTurn(taking)
		if !d.taken(taking, err, &failures) {
			return
		}
		if err == nil {
			d.turn(work, t)
		}
	}
}

// turn takes one turn from the lock to the commit or the release.
func (d *Dispatcher) turn(work context.Context, t *provider.Turn) {
	entry := d.gate.enter(t, d.giveUp)
	if entry == nil {
		return // given up: leaving the host gives the lock back
	}
	defer d.gate.leave(entry)

	commit, err := d.execute(work, entry)
	if err == nil {
		err = d.commit(work, t, commit)
	}
	d.executor.Settle(t.Instance.ID, err == nil)
	if err != nil {
		d.handedIn.consumed(t, len(t.Messages)) // or nearly so: shutdown does not wait for trouble
		d.giveBack(work, t, err)
		return
	}
	d.handedIn.consumed(t, commit.Consumed)
	d.running.afterCommit(&t.Instance, commit)
	if d.gate.recovered(t.Instance.ID) {
		d.turnLog(t).Info("the instance proceeds again")
	}
}

// execute runs the code of the turn. What panics here is the engine, not the
// user's code: it stops this instance alone.
func (d *Dispatcher) execute(work context.Context, entry *gateEntry) (commit *provider.Commit, err error) {
	t := entry.turn
	ctx := pprof.WithLabels(work, pprof.Labels(instanceLabel, string(t.Instance.ID)))
	pprof.SetGoroutineLabels(ctx)
	d.gate.executing(entry, time.Now())
	defer func() {
		if p := recover(); p != nil {
			d.turnLog(t).Error("internal error in a turn", "error", p, "stack", string(debug.Stack()))
			commit, err = nil, &ParkError{Reason: internalError(p)}
		}
		if took, slow := d.gate.executed(entry); slow {
			d.turnLog(t).Info("the slow turn has ended", "took", took)
		}
		pprof.SetGoroutineLabels(work)
	}()
	commit, err = d.executor.Execute(ctx, Work{
		Turn: t,
		Now:  d.config.Now(),
		History: func(ctx context.Context, after int64) iter.Seq2[history.Event, error] {
			return d.host.History(ctx, t.Instance.ID, t.Instance.Execution, after)
		},
	})
	if err == nil {
		invariant.Assert(commit != nil && commit.Consumed >= 0 && commit.Consumed <= len(t.Messages),
			"the executor consumed %+v of %d messages", commit, len(t.Messages))
	}
	return commit, err
}

func internalError(p any) string {
	if v, ok := p.(*invariant.Violation); ok {
		return v.Error()
	}
	return fmt.Sprintf("internal error: %v (this is a bug, please report it with the stack from the log)", p)
}

// commitPatience is how long a commit is tried again while the store is
// unavailable. After it the instance shows the trouble as the reason that it
// does not proceed.
const commitPatience = 30 * time.Second

// commit commits, again while the store is unavailable: nothing was applied
// then, and the turn is still held.
func (d *Dispatcher) commit(work context.Context, t *provider.Turn, c *provider.Commit) error {
	begun := time.Now()
	for attempt := 1; ; attempt++ {
		err := d.host.CommitTurn(work, t, c)
		if !errors.Is(err, provider.ErrUnavailable) {
			if err == nil && d.refused.Load() && d.refused.CompareAndSwap(true, false) {
				d.log.Info("the store takes commits again")
			}
			return err
		}
		if d.refused.CompareAndSwap(false, true) {
			d.turnLog(t).Warn("the store is unavailable: commits are tried again until it takes them", "error", err)
		}
		delay := provider.RetryAfter(err, backoff(passing, attempt))
		if time.Since(begun)+delay > commitPatience || !pause(work, delay) {
			return err
		}
	}
}

// verdict is what becomes of a turn that was not committed.
type verdict struct {
	keep    bool // the lock is gone: there is nothing to give back
	release provider.Release
	level   slog.Level
	say     string
}

// The first delays of the back-off: after trouble that passes by itself, and
// after trouble that somebody must heal.
const (
	passing = 50 * time.Millisecond
	parking = time.Second
)

// patience is how many turns in a row may meet passing trouble before the
// instance shows it as the reason that it does not proceed.
const patience = 6

// judge decides by the class of the error (D3). The failures are those in a
// row of turns of the instance, this one included.
func judge(work context.Context, err error, failures int) verdict {
	later := verdict{level: slog.LevelWarn, release: provider.Release{Delay: provider.RetryAfter(err, backoff(passing, failures)), Uncounted: true}}
	if failures >= patience || errors.Is(err, provider.ErrUnavailable) {
		later.release.Park = err.Error()
	}
	parked := verdict{level: slog.LevelError, say: "the instance is parked: it proceeds when the reason is gone",
		release: provider.Release{Delay: backoff(parking, failures), Park: err.Error()}}
	park, isPark := errors.AsType[*ParkError](err)
	switch {
	case isPark:
		parked.release.Park = park.Reason
		return parked
	case errors.Is(err, provider.ErrClosed), work.Err() != nil:
		return verdict{keep: true, level: slog.LevelDebug, say: "the host is closing: the turn is left to the next one"}
	case errors.Is(err, provider.ErrLockLost):
		return verdict{keep: true, level: slog.LevelInfo, say: "the lock of the instance was lost: another host has it, or it was replaced or purged"}
	case errors.Is(err, provider.ErrConflict):
		later.say = "the memory of the instance was stale: the turn is taken again from what is stored"
		if failures == 1 {
			later.release.Delay = 0
		}
	case errors.Is(err, provider.ErrUnknown):
		later.say = "the outcome of a commit is unknown: the turn is taken again from what is stored"
	case errors.Is(err, provider.ErrUnavailable):
		later.say = "the store is unavailable: the turn is taken again later"
	case errors.Is(err, provider.ErrInvalid):
		parked.release.Park = "the store can never take what this turn decided: " + err.Error() + ". Change what the orchestration does in one turn, or purge the instance"
		return parked
	case errors.Is(err, provider.ErrCorrupt):
		return parked
	default:
		later.level, later.say = slog.LevelError, "a turn failed: it is taken again later"
		later.release.Uncounted = false
	}
	return later
}

// giveBack gives a turn back as the error demands. A lock that is not given
// back would hold the instance for as long as this host lives.
func (d *Dispatcher) giveBack(work context.Context, t *provider.Turn, err error) {
	failures := d.gate.failed(t.Instance.ID)
	v := judge(work, err, failures)
	if d.gate.news(t.Instance.ID, v.say, v.release.Park) {
		d.turnLog(t).Log(work, v.level, "a turn was not committed", "what_next", v.say, "error", err, "again_in", v.release.Delay)
	}
	if v.keep {
		d.gate.recovered(t.Instance.ID) // it is another's
		return
	}
	log := func() *slog.Logger { return d.turnLog(t) }
	_ = d.insist(work, log, "giving a turn back", func() error { return d.host.ReleaseTurn(work, t, v.release) }) // logged there
}

// insist repeats a storage call while its error may pass, until the context
// ends. It logs the error that it returns, unless that only says that the thing
// is no longer ours.
func (d *Dispatcher) insist(work context.Context, log func() *slog.Logger, what string, call func() error) error {
	for attempt := 1; ; attempt++ {
		err := call()
		switch {
		case err == nil || gone(work, err):
			return err
		case !provider.Retryable(err):
			log().Error("a call to the store failed", "call", what, "error", err)
			return err
		case attempt == 1:
			log().Warn("a call to the store failed: trying again until it succeeds", "call", what, "error", err)
		}
		if !pause(work, provider.RetryAfter(err, backoff(passing, attempt))) {
			return err
		}
	}
}

// gone reports whether an error says that what the call was about is no longer
// this host's.
func gone(work context.Context, err error) bool {
	return work.Err() != nil || errors.Is(err, provider.ErrLockLost) || errors.Is(err, provider.ErrNotFound) || errors.Is(err, provider.ErrClosed)
}

func (d *Dispatcher) turnLog(t *provider.Turn) *slog.Logger {
	i := &t.Instance
	return d.log.With("instance", string(i.ID), "execution", i.Execution, "orchestration", i.Name, "version", i.Version, "attempt", t.Attempt)
}
