package audit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// subject is an instance, or what is left of one, as it was read.
type subject struct {
	p       *partition
	escaped string

	meta       *row.Meta // nil if there is no row, or it cannot be read
	unreadable error
	unknown    bool   // a blob of its row was not there
	events     []byte // the tail

	letters  []letter
	work     *work
	timers   []timers
	progress []string // keys
	index    []string // keys
	sealed   bool     // there are sealed segments
	oldest   int64    // execution of which there are, although it was pruned
	state    bool     // there is durable state
}

func (s *subject) key() string { return "i:" + s.escaped }

func (s *subject) readRow(ctx context.Context, from *reader, r *storage.Row) error {
	value, err := row.Value(ctx, r.Cells, row.InstanceCell, from.blob)
	var m *row.Meta
	if err == nil {
		m, err = row.ParseMeta(value)
	}
	var events []byte
	if err == nil {
		events, err = row.Value(ctx, r.Cells, row.TailCell, from.blob)
	}
	switch {
	case unavailable(ctx, err):
		return err
	case storage.Is(err, storage.Missing):
		s.unknown = true // Z13 sees to it
	case err != nil:
		s.unreadable = err
	default:
		s.meta, s.events = m, events
	}
	return nil
}

// strays are keys that the row of the instance does not lead to.
func (s *subject) strays() (keys []string) {
	for i := range s.timers {
		keys = append(keys, s.timers[i].key)
	}
	return append(keys, s.index...)
}

// id is the instance's id as far as known.
func (s *subject) id() history.InstanceID {
	switch {
	case s.meta != nil:
		return s.meta.ID
	case len(s.letters) > 0:
		return s.letters[0].To
	case s.work != nil:
		return s.work.ID
	case len(s.timers) > 0:
		return s.timers[0].ID
	}
	return history.InstanceID(s.escaped)
}

// verdict is what a look at an instance found.
type verdict struct {
	s        *subject
	findings []Finding
	notes    []Finding
}

func (v *verdict) find(i Invariant, key, what string, args ...any) {
	v.findings = append(v.findings, Finding{Invariant: i, Partition: v.s.p.number, Instance: v.s.id(), Row: key, What: fmt.Sprintf(what, args...)})
}

func (v *verdict) note(i Invariant, key, what string, args ...any) {
	v.notes = append(v.notes, Finding{Invariant: i, Partition: v.s.p.number, Instance: v.s.id(), Row: key, What: fmt.Sprintf(what, args...)})
}

// judge holds what was read of an instance against each other.
func (a *auditor) judge(ctx context.Context, s *subject) (*verdict, error) {
	v := &verdict{s: s}
	switch m := s.meta; {
	case s.unknown:
	case s.unreadable != nil:
		v.find(Whole, s.key(), "it cannot be read: %v", s.unreadable)
	case m == nil:
		a.checkGone(v, "the instance does not exist")
	case row.Instance(m.ID) != s.key() || a.home(string(m.ID)) != s.p.number:
		v.find(Purges, s.key(), "it is the row of instance %q, which nobody looks for here", m.ID)
	case m.Purged != 0:
		a.checkGone(v, "the instance was purged")
	case m.Purging:
		if s.work == nil || !s.work.Purging {
			v.find(Purges, s.key(), "it is being purged, and no row of work says so to the next owner")
		}
	default:
		return v, a.checkLive(ctx, v)
	}
	return v, nil
}

// checkGone: nothing but messages may be there of what does not exist (Z10).
func (a *auditor) checkGone(v *verdict, why string) {
	s := v.s
	left := func(key string) { v.find(Purges, key, "%s, and this row was left", why) }
	if s.work != nil {
		left("r:" + s.escaped)
	}
	for i := range s.timers {
		left(s.timers[i].key)
	}
	for _, key := range s.progress {
		left(key)
	}
	if s.sealed {
		left("h:" + s.escaped + ":")
	}
	if s.state {
		left("k:" + s.escaped)
	}
	for _, key := range s.index {
		if s.meta == nil || key != indexKey(s.meta) {
			left(key)
		}
	}
	if s.meta != nil && !slices.Contains(s.index, indexKey(s.meta)) {
		v.find(Whole, indexKey(s.meta), "the index does not have the tombstone, which will never be removed")
	}
	a.checkWaiting(v)
}

// late is how long after its time a message may become a dead letter.
const late = 5 * time.Minute

// checkWaiting: messages for what does not exist wait for it, and not for ever.
func (a *auditor) checkWaiting(v *verdict) {
	for i := range v.s.letters {
		l := &v.s.letters[i]
		age := a.now.Sub(time.Unix(0, l.Sent))
		if l.Order != nil || v.s.consumed(l) || age < a.o.OrphanAfter+late {
			continue
		}
		tell := v.note
		if a.o.Served {
			tell = v.find
		}
		tell(Served, l.key, "it waits since %v for an instance that does not exist, and should be a dead letter since %v", age.Round(time.Second), (age - a.o.OrphanAfter).Round(time.Second))
	}
}

// consumed reports whether a letter was consumed before, and is to be dropped.
func (s *subject) consumed(l *letter) bool {
	from, ok := l.from.Partition()
	return ok && s.p.consumed[from].Has(l.seq)
}

// checkLive judges an instance that exists.
func (a *auditor) checkLive(ctx context.Context, v *verdict) error {
	s, m := v.s, v.s.meta
	final := m.Status.Final()
	if final == (m.Finished == 0) {
		v.find(Whole, s.key(), "its status is %s, and it finished at %d", m.Status, m.Finished)
	}
	if m.State != s.state {
		v.find(Whole, row.State(m.ID), "the instance has durable state: %v; there is a row of it: %v", m.State, s.state)
	}
	want := indexKey(m)
	for _, key := range s.index {
		if key != want {
			v.find(Whole, key, "the index has the instance here, and it belongs under %s", want)
		}
	}
	if !slices.Contains(s.index, want) {
		v.find(Whole, want, "the index does not have the instance, which is %s", m.Status)
	}
	if w := s.work; w != nil && (w.ID != m.ID || w.Born != m.Born || w.Execution != m.Execution) {
		v.find(Whole, row.Work(m.ID), "it is of execution %d of instance %q born as %s, and the instance is in execution %d, born as %s", w.Execution, w.ID, w.Born, m.Execution, m.Born)
		return nil
	}
	for i := range s.timers {
		if t := &s.timers[i]; t.ID != m.ID || t.Born != m.Born || t.Execution != m.Execution {
			v.find(Whole, t.key, "it is of execution %d of instance %q born as %s, and the instance is in execution %d, born as %s", t.Execution, t.ID, t.Born, m.Execution, m.Born)
			return nil
		}
	}
	if m.Execution == 0 {
		checkPending(v)
		return nil
	}
	if m.Pruned >= m.Execution {
		v.find(Histories, s.key(), "executions up to %d are pruned, and execution %d is the current one", m.Pruned, m.Execution)
		return nil
	}
	now, early, broken, err := a.pasts(ctx, s)
	switch {
	case storage.Is(err, storage.Missing):
		return nil // Z13 sees to it
	case err != nil:
		return err
	case early != "":
		v.find(Timers, s.key(), "%s", early)
	}
	if broken != nil {
		v.find(Histories, broken.row, "%s", broken.what)
		return nil
	}
	if s.oldest > 0 && m.Pruned-s.oldest >= longPruned {
		v.note(Histories, row.ExecutionsTo(m.ID, 0).From, "executions up to %d are pruned, and rows of the history of execution %d are there still", m.Pruned, s.oldest)
	}
	checkEnd(v, now)
	if final {
		checkOver(v)
		return nil
	}
	checkActivities(v, now)
	checkTimers(v, now)
	if len(now.open) == 0 && !v.awake() {
		v.find(WakeUps, s.key(), "it is %s, and nothing is open or on the way that could wake it", m.Status)
	}
	return nil
}

// longPruned is how many executions may have been pruned since one of which rows
// are there. Owners remove them for every 16 that are pruned; the next one makes
// up for what one did not live to do, so more is not wrong.
const longPruned = 32

// awake reports whether a turn is due, or will be, whatever is open.
func (v *verdict) awake() bool {
	s := v.s
	return s.work != nil && s.work.Again || slices.ContainsFunc(s.letters, func(l letter) bool {
		return l.Returned == nil && l.Reached == nil && !s.consumed(&l) && (l.Born == "" || l.Born == s.meta.Born)
	})
}

// checkPending: what will start an instance is there (Z9).
func checkPending(v *verdict) {
	s, m := v.s, v.s.meta
	if m.Status != history.StatusPending || m.Last != 0 || len(s.events) > 0 || s.sealed {
		v.find(Whole, s.key(), "it has no execution, but the status %s and the last event %d", m.Status, m.Last)
		return
	}
	if !slices.ContainsFunc(s.letters, func(l letter) bool { return l.Born == m.Born && !s.consumed(&l) }) {
		v.find(WakeUps, s.key(), "it is pending, and the message that starts it is not in the inbox")
	}
}

// checkEnd: the status is what the last event says (Z2).
func checkEnd(v *verdict, now *past) {
	want := history.StatusRunning
	switch now.end.(type) {
	case *history.ExecutionCompleted:
		want = history.StatusCompleted
	case *history.ExecutionFailed:
		want = history.StatusFailed
	case *history.ExecutionCancelled:
		want = history.StatusCancelled
	case *history.ExecutionTerminated:
		want = history.StatusTerminated
	case *history.ContinuedAsNew:
		v.find(Whole, v.s.key(), "execution %d continues as new, and there is no execution after it", now.execution)
		return
	}
	if v.s.meta.Status != want {
		v.find(Whole, v.s.key(), "by its last event it is %s, and the row says %s", want, v.s.meta.Status)
	}
}

// checkOver: a final instance has nothing that a new owner would go on with.
func checkOver(v *verdict) {
	s := v.s
	if s.work != nil {
		v.find(Recovery, row.Work(s.meta.ID), "the instance is %s, and has open work", s.meta.Status)
	}
	for i := range s.timers {
		v.find(Timers, s.timers[i].key, "the instance is %s, and has a row of timers", s.meta.Status)
	}
	if len(s.progress) > 0 {
		v.note(Recovery, s.progress[0], "the instance is %s, and has %d rows of progress", s.meta.Status, len(s.progress))
	}
}
