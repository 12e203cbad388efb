package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// past is what the history of one execution comes to.
type past struct {
	execution int64
	last      int64 // event
	end       history.Data
	open      map[int64]open
	validator history.Validator
	early     string // a timer that fired before its time
}

// open is an event that awaits another one.
type open struct {
	kind    history.Kind
	due     time.Time // of a timer, or of the next attempt of an activity
	attempt int       // of an activity
	waiting bool      // an activity waits for its next attempt
}

func newPast(execution int64) *past {
	return &past{execution: execution, open: map[int64]open{}}
}

// take takes in the next event.
func (h *past) take(e history.Event) error {
	if err := h.validator.Next(e); err != nil {
		return err
	}
	if e.Execution != h.execution {
		return fmt.Errorf("event %d belongs to execution %d", e.ID, e.Execution)
	}
	h.last, h.end = e.ID, nil
	if history.Ends(e.Data) {
		h.end = e.Data
	}
	h.follow(e)
	return nil
}

// follow keeps what is open.
func (h *past) follow(e history.Event) {
	switch d := e.Data.(type) {
	case *history.ActivityScheduled:
		h.open[e.ID] = open{kind: d.Kind(), attempt: 1}
	case *history.ActivityAttemptFailed:
		o := h.open[d.Source]
		o.waiting, o.due = true, d.Retry
		h.open[d.Source] = o
	case *history.ActivityRetried:
		o := h.open[d.Source]
		h.notBefore(e, o.due)
		o.waiting, o.attempt = false, d.Attempt
		h.open[d.Source] = o
	case *history.TimerCreated:
		h.open[e.ID] = open{kind: d.Kind(), due: d.Due}
	case *history.TimerFired:
		h.notBefore(e, h.open[d.Source].due)
		delete(h.open, d.Source)
	case *history.EventAwaited:
		if d.Received == 0 {
			h.open[e.ID] = open{kind: d.Kind()}
		}
	case *history.ChildScheduled:
		h.open[e.ID] = open{kind: d.Kind()}
	case *history.EventRaised:
		delete(h.open, d.Source)
	case *history.ActivityCompleted:
		delete(h.open, d.Source)
	case *history.ActivityFailed:
		delete(h.open, d.Source)
	case *history.ActivityCancelled:
		delete(h.open, d.Source)
	case *history.TimerCancelled:
		delete(h.open, d.Source)
	case *history.WaitCancelled:
		delete(h.open, d.Source)
	case *history.ChildCompleted:
		delete(h.open, d.Source)
	case *history.ChildFailed:
		delete(h.open, d.Source)
	case *history.ChildCancelled:
		delete(h.open, d.Source)
	}
}

func (h *past) notBefore(e history.Event, due time.Time) {
	if e.Time.Before(due) && h.early == "" {
		h.early = fmt.Sprintf("event %d says at %s that the timer was due, which was to be at %s", e.ID, stamp(e.Time), stamp(due))
	}
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// dueNanos is when an open event is due, as stored.
func (o *open) dueNanos() int64 { return max(wire.Nanos(o.due), 1) }

// never is later than every timer.
const never = math.MaxInt64

// problem is something wrong with a history; the error of a read is not one.
type problem struct {
	row  string
	what string
}

func wrong(key, format string, args ...any) *problem {
	return &problem{key, fmt.Sprintf(format, args...)}
}

// errProblem ends a scan early.
type errProblem struct{ *problem }

func (e errProblem) Error() string { return e.what }

// pasts reads the histories of an instance and returns the current one. The
// problem, if there is one, is where they break off.
func (a *auditor) pasts(ctx context.Context, s *subject) (now *past, early string, broken *problem, err error) {
	m := s.meta
	if s.sealed {
		err = a.scan(ctx, s.p.key, row.HistoryOf(m.ID), nil, func(r *storage.Row) error {
			if err := a.unlisted(s.p, r); err != nil {
				return err
			}
			if execution, _, ok := placeOf(r.Key, m.ID); ok && execution <= m.Pruned {
				s.oldest = cmp.Or(s.oldest, execution)
				return nil
			}
			if now, broken, err = a.segment(ctx, r, now, m); err != nil || broken != nil {
				return cmpError(err, broken)
			}
			if early == "" {
				early = now.early
			}
			return nil
		})
		if p, ok := errors.AsType[errProblem](err); ok {
			return now, early, p.problem, nil
		}
		if err != nil {
			return now, early, nil, err
		}
	}
	if now, broken = succeed(now, m.Execution, m.Pruned, s.key()); broken != nil {
		return now, early, broken, nil
	}
	if broken = s.tail(now); broken == nil && now.last != m.Last {
		broken = wrong(s.key(), "its history ends with event %d of execution %d, and it names event %d as the last one", now.last, now.execution, m.Last)
	}
	if early == "" {
		early = now.early
	}
	return now, early, broken, nil
}

func cmpError(err error, p *problem) error {
	if err != nil {
		return err
	}
	return errProblem{p}
}

// succeed goes on to an execution, if it is not the one already. The first one is
// that after those which were pruned.
func succeed(now *past, execution, pruned int64, key string) (*past, *problem) {
	switch {
	case now == nil && execution == pruned+1:
		return newPast(execution), nil
	case now == nil:
		return nil, wrong(key, "execution %d has no predecessor", execution)
	case now.execution == execution:
		return now, nil
	case now.execution+1 != execution:
		return now, wrong(key, "execution %d is followed by execution %d", now.execution, execution)
	}
	if _, again := now.end.(*history.ContinuedAsNew); !again {
		return now, wrong(key, "execution %d follows one that did not continue as new", execution)
	}
	return newPast(execution), nil
}

// placeOf tells the execution and the first event of a sealed segment.
func placeOf(key string, id history.InstanceID) (execution, first int64, ok bool) {
	rest := key[prefixLength+len(escapedIn(key)):]
	n, _ := fmt.Sscanf(rest, ":%08x:%08x", &execution, &first)
	return execution, first, n == 2 && row.Segment(id, execution, first) == key
}

// segment takes in a sealed segment.
func (a *auditor) segment(ctx context.Context, r *storage.Row, now *past, m *row.Meta) (*past, *problem, error) {
	execution, first, ok := placeOf(r.Key, m.ID)
	if !ok {
		return now, wrong(r.Key, "the key names no execution and event"), nil
	}
	if execution > m.Execution {
		return now, wrong(r.Key, "it is of execution %d, and the instance is in execution %d", execution, m.Execution), nil
	}
	now, broken := succeed(now, execution, m.Pruned, r.Key)
	if broken != nil {
		return now, broken, nil
	}
	if first != now.last+1 {
		return now, wrong(r.Key, "it begins with event %d, and the one before ends with event %d", first, now.last), nil
	}
	events, err := row.Value(ctx, r.Cells, row.EventsCell, a.blob)
	if storage.Is(err, storage.Missing) || unavailable(ctx, err) {
		return now, nil, err
	}
	if err == nil {
		err = now.takeAll(events)
	}
	if err != nil {
		return now, wrong(r.Key, "%v", err), nil
	}
	return now, nil, nil
}

func (h *past) takeAll(events []byte) error {
	for e, err := range wire.DecodeEvents(events) {
		if err == nil {
			err = h.take(e)
		}
		if err != nil {
			return fmt.Errorf("after event %d of execution %d: %w", h.last, h.execution, err)
		}
	}
	return nil
}

// tail takes in the unsealed tail.
func (s *subject) tail(now *past) *problem {
	first := now.last + 1
	switch {
	case s.meta.Tail == 0 && len(s.events) > 0:
		return wrong(s.key(), "it names no first event of its tail, which has one")
	case s.meta.Tail != 0 && len(s.events) == 0:
		return wrong(s.key(), "it names event %d as the first one of its tail, which is empty", s.meta.Tail)
	case s.meta.Tail != 0 && s.meta.Tail != first:
		return wrong(s.key(), "its tail begins with event %d, and what is sealed ends with event %d", s.meta.Tail, now.last)
	}
	if err := now.takeAll(s.events); err != nil {
		return wrong(s.key(), "its tail: %v", err)
	}
	return nil
}
