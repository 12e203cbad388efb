package sqlite

import (
	"context"
	"errors"
	"fmt"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/scheduled"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// workLock is the Lock of the activities that a host hands out.
type workLock struct {
	host *host
	work *broker.Work
}

// NextActivity implements [provider.Host].
func (h *host) NextActivity(ctx context.Context) (*provider.ActivityTask, error) {
	for {
		w, err := h.taker.NextActivity(ctx)
		if err != nil {
			return nil, err
		}
		if w.Activity.Scheduled.Data == nil { // left by an earlier process
			w.Activity.Scheduled, err = h.readScheduled(ctx, w.ID)
		}
		if err != nil {
			corrupt := errors.Is(err, provider.ErrCorrupt)
			if corrupt {
				_ = h.park(ctx, w.ID.Instance, err.Error()) // whoever reads the instance meets the same error
			}
			if corrupt || errors.Is(err, provider.ErrNotFound) { // it was closed, and the broker is about to hear of it
				w.Release(provider.Release{Delay: corruptPause, Uncounted: true})
				continue
			}
			w.Release(provider.Release{Delay: provider.RetryAfter(err, 0), Uncounted: true})
			return nil, err
		}
		h.store.handed.Out(w.ID, w.Activity.Attempt, w.Delivery)
		return &provider.ActivityTask{
			ID:            w.ID,
			Activity:      w.Activity,
			Orchestration: w.Orchestration,
			Version:       w.Version,
			Delivery:      w.Delivery,
			Progress:      w.Progress,
			Lock:          &workLock{h, w},
		}, nil
	}
}

func (h *host) workOf(t *provider.ActivityTask) (*broker.Work, error) {
	lock, ok := t.Lock.(*workLock)
	switch {
	case !ok:
		return nil, fmt.Errorf("sqlite: activity %v: %w", t.ID, errForeign)
	case lock.host != h:
		return nil, fmt.Errorf("sqlite: activity %v was handed out by another host: %w", t.ID, provider.ErrLockLost)
	}
	return lock.work, nil
}

// CompleteActivity implements [provider.Host]. The completion stays in memory:
// until a commit consumes it, the activity is open in the file.
func (h *host) CompleteActivity(_ context.Context, t *provider.ActivityTask, completion provider.Message) error {
	w, err := h.workOf(t)
	if err != nil {
		return err
	}
	if err := admit.Message(&completion, h.store.cfg.Now()); err != nil {
		return fmt.Errorf("sqlite: completing activity %s: %w", t.ID, err)
	}
	if completion.To != w.ID.Instance {
		return fmt.Errorf("sqlite: completing activity %s: %w: its completion is for %s", t.ID, provider.ErrInvalid, wire.Quote(completion.To))
	}
	if err := w.Complete(admit.Keep(completion)); err != nil {
		return fmt.Errorf("sqlite: completing activity %s: %w", t.ID, err)
	}
	return nil
}

// ExtendActivity implements [provider.Host]. Locks last as long as the host;
// progress is made durable.
func (h *host) ExtendActivity(ctx context.Context, t *provider.ActivityTask, progress history.Payload) (provider.Signals, error) {
	w, err := h.workOf(t)
	if err != nil {
		return provider.Signals{}, err
	}
	if err := history.ValidatePayload("progress", len(progress)); err != nil {
		return provider.Signals{}, fmt.Errorf("sqlite: extending activity %s: %w: %w", t.ID, provider.ErrInvalid, err)
	}
	signals, err := w.Extend(progress)
	if err != nil {
		return signals, fmt.Errorf("sqlite: extending activity %s: %w", t.ID, err)
	}
	if signals.Cancelled || progress == nil {
		return signals, nil
	}
	return signals, h.storeProgress(ctx, w, progress)
}

// storeProgress writes what an activity has reached, if it is open still: what was
// purged since may have made way for another instance of its id, which has the same
// activity. Of both the broker hears on the writer's goroutine.
func (h *host) storeProgress(ctx context.Context, w *broker.Work, progress history.Payload) error {
	h.store.progress.store(w.ID.Instance)
	return h.store.write(ctx, &request{
		op:   fmt.Sprintf("storing the progress of activity %v", w.ID),
		size: len(progress),
		write: func(c *conn) error {
			if signals, err := w.Extend(nil); err != nil || signals.Cancelled {
				return nil //nolint:nilerr // The next signal tells.
			}
			return c.run(`INSERT INTO progress (instance, event, detail)
				SELECT key, ?, ? FROM instances WHERE id = ? AND execution = ? AND outstanding
				ON CONFLICT DO UPDATE SET detail = excluded.detail`, func(s *sqlite.Stmt) {
				s.BindInt64(1, w.ID.Event)
				s.BindBytes(2, progress)
				s.BindText(3, string(w.ID.Instance))
				s.BindInt64(4, w.ID.Execution)
			})
		},
	})
}

// ReleaseActivity implements [provider.Host].
func (h *host) ReleaseActivity(_ context.Context, t *provider.ActivityTask, r provider.Release) error {
	w, err := h.workOf(t)
	if errors.Is(err, provider.ErrInvalid) {
		return err
	}
	if err != nil {
		return nil //nolint:nilerr // A lock that is gone is no error.
	}
	if r.Uncounted {
		h.store.handed.Out(w.ID, w.Activity.Attempt, w.Delivery-1)
	}
	w.Release(r)
	return nil
}

// readScheduled is the event by which an earlier process's activity was scheduled. Those
// of one instance are read together, when the first of them is handed out.
func (h *host) readScheduled(ctx context.Context, id history.ActivityID) (history.Event, error) {
	if e, ok := h.scheduled.Take(id); ok {
		return e, nil
	}
	r, err := h.store.findRow(ctx, id.Instance)
	if err != nil {
		return history.Event{}, err
	}
	if r == nil || r.instance.Execution != id.Execution {
		return history.Event{}, fmt.Errorf("sqlite: %w: activity %v belongs to an execution that is over", provider.ErrNotFound, id)
	}
	if len(r.activities) == 0 {
		return history.Event{}, fmt.Errorf("sqlite: %w: activity %v is not open", provider.ErrNotFound, id)
	}
	open, err := scheduled.Open(h.store.History(ctx, id.Instance, id.Execution, r.activities[0].First-1), r.activities)
	if err != nil {
		return history.Event{}, err
	}
	e, ok := open[id.Event]
	if !ok {
		return e, fmt.Errorf("sqlite: %w: the history of %s, execution %d, does not have event %d, by which an open activity was scheduled: restore the file from a backup, or purge the instance", provider.ErrCorrupt, wire.Quote(id.Instance), id.Execution, id.Event)
	}
	delete(open, id.Event)
	h.scheduled.Keep(id.Instance, open, func() bool { return true })
	return e, nil
}
