package providertest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// robot does what an engine does with a provider, without any orchestration
// code: it takes turns, decides by plan, commits, runs activities; and treats
// every error as the contract says.
type robot struct {
	host provider.Host

	mu    sync.Mutex
	known map[history.InstanceID]*memory
	stats stats
}

type stats struct {
	Turns, Activities, Replays, Lost, Unknown, Unavailable, Duplicates int
}

func newRobot(h provider.Host) *robot {
	return &robot{host: h, known: map[history.InstanceID]*memory{}}
}

// run works until ctx ends or the host is closed, with that many loops for
// turns and for activities each. An error shows a provider's fault.
func (r *robot) run(ctx context.Context, loops int) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	errs := make([]error, 2*loops)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			work := r.turns
			if i%2 == 1 {
				work = r.activities
			}
			if errs[i] = work(ctx); errs[i] != nil {
				stop()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// settle sorts an error: it reports whether to go on, and the error if it
// shows a fault.
func (r *robot) settle(ctx context.Context, what string, err error) (goOn bool, fault error) {
	switch {
	case ctx.Err() != nil, errors.Is(err, provider.ErrClosed):
		return false, nil //nolint:nilerr // The end, whatever else failed because of it.
	case errors.Is(err, provider.ErrUnavailable):
		r.count(func(s *stats) { s.Unavailable++ })
		return true, nil
	case errors.Is(err, provider.ErrUnknown):
		r.count(func(s *stats) { s.Unknown++ })
		return true, nil
	case errors.Is(err, provider.ErrLockLost):
		r.count(func(s *stats) { s.Lost++ })
		return true, nil
	}
	return false, fmt.Errorf("%w: %s: %w", errUnfit, what, err)
}

func (r *robot) count(f func(*stats)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.stats)
}

func (r *robot) turns(ctx context.Context) error {
	for {
		t, err := r.host.NextTurn(ctx)
		if err == nil {
			err = r.turn(ctx, t)
		}
		if err == nil {
			continue
		}
		if goOn, fault := r.settle(ctx, "a turn", err); !goOn {
			return fault
		}
	}
}

// turn decides and commits. On any error it forgets what it knew and gives the
// turn back.
func (r *robot) turn(ctx context.Context, t *provider.Turn) error {
	id := t.Instance.ID
	m, err := r.recall(ctx, t)
	var c *provider.Commit
	if err == nil {
		c, err = decide(t, m)
	}
	if err == nil {
		err = r.host.CommitTurn(ctx, t, c)
	}
	if errors.Is(err, provider.ErrUnavailable) && c != nil && t.Instance.LastEvent%2 == 0 {
		err = r.host.CommitTurn(ctx, t, c) // the lock is still held: the same commit may be tried again
	}
	if err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stats.Turns++
		r.known[id] = m
		if t.Instance.Status.Final() || c.Status.Final() {
			delete(r.known, id)
		}
		return nil
	}
	if errors.Is(err, errUnfit) {
		return err
	}
	for { // A release that fails is tried again, or the instance stays locked.
		release := r.host.ReleaseTurn(ctx, t, provider.Release{})
		if release == nil || !provider.Retryable(release) || ctx.Err() != nil || errors.Is(release, provider.ErrClosed) {
			return err
		}
	}
}

// recall is what the instance knows before the turn: from the last turn, or
// from its history. What it returns is the caller's alone.
func (r *robot) recall(ctx context.Context, t *provider.Turn) (*memory, error) {
	id, at := t.Instance.ID, t.Instance
	r.mu.Lock()
	m := r.known[id]
	delete(r.known, id) // and not kept if the commit fails
	r.mu.Unlock()
	if m != nil && m.execution == at.Execution && m.last == at.LastEvent {
		return m, nil
	}
	m = newMemory()
	for execution := at.Pruned + 1; execution <= at.Execution; execution++ {
		next := int64(1)
		for e, err := range r.host.History(ctx, id, execution, 0) {
			if err != nil {
				return nil, err
			}
			if e.ID != next || e.Execution != execution {
				return nil, fmt.Errorf("%w: event %d of execution %d of %q came where event %d of %d is due", errUnfit, e.ID, e.Execution, id, next, execution)
			}
			next++
			if err := m.apply(e); err != nil {
				return nil, err
			}
		}
	}
	r.count(func(s *stats) { s.Replays++ })
	if m.execution != at.Execution || m.last != at.LastEvent {
		return nil, fmt.Errorf("%w: the history of %q ends with event %d of execution %d, the held turn says %d of %d", errUnfit, id, m.last, m.execution, at.LastEvent, at.Execution)
	}
	return m, nil
}

func (r *robot) activities(ctx context.Context) error {
	for {
		a, err := r.host.NextActivity(ctx)
		if err == nil {
			err = r.activity(ctx, a)
		}
		if err == nil {
			r.count(func(s *stats) { s.Activities++ })
			continue
		}
		if goOn, fault := r.settle(ctx, "an activity", err); !goOn {
			return fault
		}
	}
}

// activity completes an activity, again and again until the outcome is known.
func (r *robot) activity(ctx context.Context, a *provider.ActivityTask) error {
	d, ok := a.Activity.Scheduled.Data.(*history.ActivityScheduled)
	if !ok || a.Activity.Scheduled.ID != a.ID.Event || string(d.Input) != string(quoted(string(a.ID.Instance))) {
		return fmt.Errorf("%w: activity %v is offered with the event %+v", errUnfit, a.ID, a.Activity.Scheduled)
	}
	if a.ID.Event%3 == 0 {
		if _, err := r.host.ExtendActivity(ctx, a, history.Payload(`"half"`)); err != nil && !provider.Retryable(err) {
			return err
		}
	}
	for {
		err := r.host.CompleteActivity(ctx, a, completion(a))
		if err == nil || !provider.Retryable(err) || ctx.Err() != nil || errors.Is(err, provider.ErrClosed) {
			return err
		}
	}
}

// insist calls f until its outcome is known: the same message sent again is
// the same message.
func insist(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil || !provider.Retryable(err) || ctx.Err() != nil || errors.Is(err, provider.ErrClosed) {
			return err
		}
	}
}
