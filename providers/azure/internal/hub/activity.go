package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/scheduled"
)

// workLock is the Lock of the activities that a host hands out.
type workLock struct {
	host *host
	work *broker.Work

	mu   sync.Mutex
	said completed
}

// NextActivity implements [provider.Host].
func (h *host) NextActivity(ctx context.Context) (*provider.ActivityTask, error) {
	for {
		w, err := h.taker.NextActivity(ctx)
		if err != nil {
			return nil, err
		}
		if !h.member.safe() {
			h.giveBackWork(ctx, w, provider.Release{Uncounted: true, Delay: unsafePause})
			continue
		}
		mine, err := h.prepare(ctx, w)
		if err == nil && !mine {
			continue
		}
		if err != nil {
			h.ended(w)
			if w.Detached() && guestOf(w) == nil { // its partition was handed over, and this host has it as far as that says
				h.giveBackDetached(ctx, w, provider.Release{Uncounted: true})
				continue
			}
			if errors.Is(err, errNotOpen) {
				continue
			}
			if errors.Is(err, provider.ErrCorrupt) || errors.Is(err, provider.ErrNotFound) {
				h.store.cfg.Log.Error("an activity is set aside", "activity", w.ID.String(), "error", err)
				h.giveBackWork(ctx, w, provider.Release{Delay: corruptPause, Uncounted: true})
				continue
			}
			h.giveBackWork(ctx, w, provider.Release{Delay: provider.RetryAfter(err, unsafePause), Uncounted: true})
			return nil, err
		}
		if !h.mayWork(ctx, w) {
			continue
		}
		if g := guestOf(w); g != nil {
			g.handedTo(h) // and its message counts that
		} else {
			h.store.handed.Out(w.ID, w.Activity.Attempt, w.Delivery)
		}
		return &provider.ActivityTask{
			ID:            w.ID,
			Activity:      w.Activity,
			Orchestration: w.Orchestration,
			Version:       w.Version,
			Delivery:      w.Delivery,
			Progress:      w.Progress,
			Lease:         leaseOf(w),
			Lock:          &workLock{host: h, work: w},
		}, nil
	}
}

// ended says that work does not run here any more.
func (h *host) ended(w *broker.Work) {
	w.Ended()
	h.member.sessions.end(w)
	if p := h.member.partition(h.store.Partition(w.ID.Instance)); p != nil {
		p.calm(workPiece(w))
	}
}

// prepare looks whether work may begin, and completes it. It is not to if another
// host has its session.
func (h *host) prepare(ctx context.Context, w *broker.Work) (mine bool, err error) {
	if g := guestOf(w); g != nil {
		if err := h.admit(ctx, g); err != nil {
			return false, err
		}
	}
	if mine, err = h.enter(ctx, w); err != nil || !mine {
		return mine, err
	}
	if g := guestOf(w); g != nil {
		if w.Progress, err = g.reached(ctx); err != nil {
			return false, err
		}
	}
	if w.Activity.Scheduled.Data == nil { // left by a former owner
		w.Activity.Scheduled, err = h.member.readScheduled(ctx, w)
	}
	return true, err
}

func (h *host) workOf(t *provider.ActivityTask) (*workLock, error) {
	lock, ok := t.Lock.(*workLock)
	switch {
	case !ok:
		return nil, fmt.Errorf("azure: activity %v: %w", t.ID, errForeign)
	case lock.host != h:
		return nil, fmt.Errorf("azure: activity %v was handed out by another host: %w", t.ID, provider.ErrLockLost)
	}
	return lock, nil
}

// CompleteActivity implements [provider.Host]. While this process owns the
// instance the completion stays in memory: until a commit consumes it, the
// activity is open in storage. Otherwise it goes to the instance's inbox.
func (h *host) CompleteActivity(ctx context.Context, t *provider.ActivityTask, completion provider.Message) error {
	lock, err := h.workOf(t)
	if err != nil {
		return err
	}
	w := lock.work
	op := fmt.Sprintf("completing activity %s", t.ID)
	if err := admit.Message(&completion, h.store.cfg.Now()); err != nil {
		return fmt.Errorf("azure: %s: %w", op, err)
	}
	if completion.To != w.ID.Instance {
		return fmt.Errorf("azure: %s: %w: its completion is for %s", op, provider.ErrInvalid, quote(completion.To))
	}
	kept := admit.Keep(completion)
	err = w.Complete(kept)
	if errors.Is(err, broker.ErrDetached) {
		if err := h.completeDetached(ctx, lock, &kept); err != nil {
			if g := guestOf(w); g != nil && !bug.Planted("over-but-offered") {
				g.keep(ctx)
			}
			return failed(op, err)
		}
		h.ended(w)
		if g := guestOf(w); g != nil {
			g.done(ctx)
		}
		return nil
	}
	h.ended(w)
	if err != nil {
		return fmt.Errorf("azure: %s: %w", op, err)
	}
	return nil
}

// ExtendActivity implements [provider.Host]. Locks last as long as the host;
// progress is made durable.
func (h *host) ExtendActivity(ctx context.Context, t *provider.ActivityTask, progress history.Payload) (provider.Signals, error) {
	lock, err := h.workOf(t)
	if err != nil {
		return provider.Signals{}, err
	}
	w := lock.work
	op := fmt.Sprintf("extending activity %s", t.ID)
	if err := history.ValidatePayload("progress", len(progress)); err != nil {
		return provider.Signals{}, fmt.Errorf("azure: %s: %w: %w", op, provider.ErrInvalid, err)
	}
	for n := 0; ; n++ {
		signals, err := h.extend(ctx, w, op, progress)
		if !errors.Is(err, errMoved) {
			return signals, err
		}
		if pause(ctx, backoff(n)); ctx.Err() != nil {
			return provider.Signals{}, fmt.Errorf("azure: %s: %w: its partition is changing hands", op, provider.ErrUnavailable)
		}
	}
}

// extend is ExtendActivity, once: errMoved if the progress could not be stored because
// the partition is changing hands. The next owner is told of it a moment later.
func (h *host) extend(ctx context.Context, w *broker.Work, op string, progress history.Payload) (provider.Signals, error) {
	// Of an activity that is open now this was the instance before.
	p := h.member.partition(h.store.Partition(w.ID.Instance))
	var i *instance
	if p != nil && p.live() {
		i = p.get(w.ID.Instance)
	}
	signals, err := w.Extend(progress)
	if errors.Is(err, broker.ErrDetached) {
		signals, err := h.extendDetached(ctx, w, progress)
		if signals.Cancelled || errors.Is(err, provider.ErrLockLost) {
			h.ended(w)
		}
		return signals, failed(op, err)
	}
	if err != nil {
		return signals, fmt.Errorf("azure: %s: %w", op, err)
	}
	switch {
	case signals.Cancelled || progress == nil:
		return signals, nil
	case i == nil:
		return signals, errMoved
	}
	if err = p.storeProgress(ctx, i, w.ID, progress); errors.Is(err, errMoved) {
		return signals, err
	}
	return signals, failed(op, err)
}

// ReleaseActivity implements [provider.Host].
func (h *host) ReleaseActivity(ctx context.Context, t *provider.ActivityTask, r provider.Release) error {
	lock, err := h.workOf(t)
	if errors.Is(err, provider.ErrInvalid) {
		return err
	}
	if err != nil {
		return nil //nolint:nilerr // A lock that is gone is no error.
	}
	h.giveBackWork(ctx, lock.work, r)
	return nil
}

// giveBackWork gives an activity back, to whoever has it to offer.
func (h *host) giveBackWork(ctx context.Context, w *broker.Work, r provider.Release) {
	h.ended(w)
	if w.Detached() {
		h.giveBackDetached(ctx, w, r)
		return
	}
	if r.Uncounted {
		h.store.handed.Out(w.ID, w.Activity.Attempt, w.Delivery-1)
	}
	if w.Release(r); w.Detached() { // just now
		h.giveBackDetached(ctx, w, r)
	}
}

// readScheduled is the event by which a former owner's activity was scheduled. Those of
// one instance are read together, when the first of them is handed out.
func (m *member) readScheduled(ctx context.Context, w *broker.Work) (history.Event, error) {
	id := w.ID
	if g := guestOf(w); g != nil {
		e, err := m.store.readScheduled(ctx, id)
		if !errors.Is(err, provider.ErrNotFound) {
			return e, err
		}
		// Its instance was purged, or its execution pruned.
		if open, failed := m.store.stillOpen(ctx, &g.offer); failed == nil && !open {
			g.done(ctx)
			return e, errNotOpen
		}
		return e, err
	}
	if e, ok := m.scheduled.Take(id); ok {
		return e, nil
	}
	var i *instance
	p := m.partition(m.store.Partition(id.Instance))
	if p != nil {
		i = p.get(id.Instance)
	}
	if i == nil || !i.is(w.Born, id.Execution) || len(i.spans) == 0 {
		return history.Event{}, fmt.Errorf("azure: %w: activity %v is not open any more", provider.ErrNotFound, id)
	}
	still := func() bool {
		now := p.get(id.Instance)
		return now != nil && now.is(w.Born, id.Execution)
	}
	open, err := scheduled.Open(m.store.History(ctx, id.Instance, id.Execution, i.spans[0].First-1), i.spans)
	if err != nil && !still() {
		return history.Event{}, fmt.Errorf("%w: %w", errNotOpen, err) // it may be pruned by now
	}
	if err != nil {
		return history.Event{}, err
	}
	e, ok := open[id.Event]
	if !ok {
		return e, corrupt(id.Instance, "the history", fmt.Errorf("it does not have event %d of execution %d, by which an open activity was scheduled", id.Event, id.Execution))
	}
	delete(open, id.Event)
	m.scheduled.Keep(id.Instance, open, func() bool {
		// What was kept of its partition, or of its instance, may be dropped already.
		return p.live() && (still() || bug.Planted("events-of-the-former"))
	})
	return e, nil
}
