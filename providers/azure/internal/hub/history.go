package hub

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// History implements [provider.Store].
func (s *Store) History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		if err := s.history(ctx, id, execution, after, nil, yield); err != nil {
			yield(history.Event{}, err)
		}
	}
}

// History implements [provider.Host]. The row of an instance that this process owns
// is in memory, as of its last commit, and is not read again.
func (h *host) History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		var known *seen
		if p := h.member.partition(h.store.Partition(id)); p != nil && p.live() {
			if i := p.get(id); i != nil {
				known = i.seen
			}
		}
		if err := h.store.history(ctx, id, execution, after, known, yield); err != nil {
			yield(history.Event{}, err)
		}
	}
}

// errEnough ends a scan whose consumer has enough.
var errEnough = errors.New("enough")

// history yields events. Got is the row of the instance, nil if it is to be read.
func (s *Store) history(ctx context.Context, id history.InstanceID, execution, after int64, got *seen, yield func(history.Event, error) bool) error {
	op := "reading the history of " + quote(id)
	err := s.check(ctx, op)
	if err == nil && got == nil {
		got, err = s.getInstance(ctx, op, id)
	}
	if err != nil {
		return err
	}
	m := &got.meta
	switch {
	case execution == 0:
		execution = m.Execution
	case execution > 0 && execution <= m.Pruned:
		return fmt.Errorf("azure: %s: %w", op, admit.Pruned(execution, m.Pruned))
	case execution < 1 || execution > m.Execution:
		return fmt.Errorf("azure: %s: %w: it has no execution %d; its current one is %d", op, provider.ErrNotFound, execution, m.Execution)
	}
	if execution == 0 {
		return nil // pending: an empty history
	}
	e := &eventStream{id: id, execution: execution, after: after, yield: yield}
	pages, err := s.stream(ctx, op, got, e)
	// What is not whole may have been removed while it was read: its rows go from
	// the first on, so that one page which has any has all the rest.
	if errors.Is(err, provider.ErrCorrupt) || err == nil && execution != m.Execution && (pages > 1 || e.next == 0) {
		now, again := s.getInstance(ctx, op, id)
		switch {
		case again != nil:
			return again
		case now.meta.Born != m.Born:
			return fmt.Errorf("azure: %s: %w: it was replaced meanwhile", op, provider.ErrNotFound)
		case execution <= now.meta.Pruned:
			return fmt.Errorf("azure: %s: %w", op, admit.Pruned(execution, now.meta.Pruned))
		case e.next == 0 && err == nil:
			return e.corrupt(errors.New("it has no events"))
		}
	}
	return err
}

// stream yields the events of an execution of an instance as read. It says how
// many pages of sealed ones it read.
func (s *Store) stream(ctx context.Context, op string, got *seen, e *eventStream) (pages int, err error) {
	m, after := &got.meta, e.after
	current := e.execution == m.Execution
	if !current || m.Tail == 0 && m.Last > after || m.Tail > after+1 {
		err := s.scan(ctx, s.partitionKey(s.Partition(e.id)), row.ExecutionOf(e.id, e.execution), nil, func(rows []storage.Row) error {
			pages++
			for _, r := range rows {
				events, err := row.Value(ctx, r.Cells, row.EventsCell, s.getBlob)
				if err == nil {
					err = e.emit(events)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		switch {
		case errors.Is(err, errEnough):
			return 1, nil
		case storage.Is(err, storage.Missing), errors.Is(err, row.ErrFormat):
			return pages, e.corrupt(err)
		case errors.Is(err, provider.ErrCorrupt):
			return pages, err
		case err != nil:
			return pages, reading(ctx, op, err)
		}
	}
	if current {
		if err := e.emit(got.tail); errors.Is(err, errEnough) {
			return 1, nil
		} else if err != nil {
			return pages, err
		}
		if e.next <= m.Last && m.Last > after {
			return pages, e.corrupt(fmt.Errorf("it ends with event %d, and the last committed one is %d", e.next-1, m.Last))
		}
	}
	return pages, nil
}

// eventStream yields the events of an execution, each once and in order.
type eventStream struct {
	id        history.InstanceID
	execution int64
	after     int64
	next      int64 // event id, 0 before the first
	yield     func(history.Event, error) bool
}

// emit yields the events of a segment. A segment may begin with events that
// another had: the tail was sealed while the history was read.
func (e *eventStream) emit(events []byte) error {
	for ev, err := range wire.DecodeEvents(events) {
		switch {
		case err != nil:
			return e.corrupt(err)
		case ev.Execution != e.execution:
			return e.corrupt(fmt.Errorf("found an event of execution %d", ev.Execution))
		case e.next != 0 && ev.ID < e.next:
			continue
		case e.next != 0 && ev.ID > e.next, e.next == 0 && ev.ID > e.after+1:
			return e.corrupt(fmt.Errorf("found event %d", ev.ID))
		}
		e.next = ev.ID + 1
		if ev.ID > e.after && !e.yield(ev, nil) {
			return errEnough
		}
	}
	return nil
}

func (e *eventStream) corrupt(err error) error {
	return corrupt(e.id, fmt.Sprintf("the history (execution %d, event %d)", e.execution, max(e.next, 1)), err)
}
