package hub

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// instance is what the owner of a partition remembers of an instance: its row
// as of the last commit, and its open work. It is never changed: a commit makes
// a new one.
type instance struct {
	id history.InstanceID
	// seen is the row; nil if only the open work was read so far.
	seen *seen
	// started says that the broker has, or had, the start of an instance that
	// is still pending: it comes before everything else.
	started bool
	open
}

// begun reports whether messages can be handed on: the start was.
func (i *instance) begun() bool {
	return i.started || i.seen == nil || i.seen.meta.Execution > 0
}

// is tells the instance, in an execution, from others of its id, whose activities have
// the same event ids.
func (i *instance) is(born string, execution int64) bool {
	return i.born == born && i.execution == execution
}

// owns reports whether an activity that was taken out is the instance's.
func (i *instance) owns(d *broker.Diverted) bool {
	return i.is(d.Born, d.ID.Execution) || bug.Planted("next-instance-runs") && i.execution == d.ID.Execution
}

// seen is an instance's row, read.
type seen struct {
	meta    row.Meta
	custom  history.Payload
	output  history.Payload
	failure *history.Failure
	tail    []byte
	answers []byte            // the cell of answers
	blobs   map[string]string // that the row names, by cell
}

// open is the open work of an instance, as its rows r: and t: say.
type open struct {
	born      string
	execution int64
	name      string
	version   string
	again     bool
	spans     spans.Set
	queued    spans.Set   // of spans: offered to other hosts
	running   left        // of spans: what former owners still run
	timers    []row.Timer // in order of event
	due       int64       // in the key of the timers' row, 0 if there is none
	timed     bool        // timers and due are known: it is not so if only its work was read
	work      bool        // there is a row of work
}

// place is where the instance stands, for the broker.
func (o *open) place() broker.Place {
	return broker.Place{Born: o.born, Execution: o.execution, Name: o.name, Version: o.version}
}

// left are activities that former owners still ran when they handed the partition
// over, by incarnation. It is a value: changes make a new one.
type left map[string]spans.Set

// find tells who runs the activity.
func (l left) find(event int64) (host string, ok bool) {
	for host, set := range l {
		if _, ok := set.Find(event); ok {
			return host, true
		}
	}
	return "", false
}

// change applies f to the activities of every host, and leaves out hosts that
// have none.
func (l left) change(f func(host string, set spans.Set) spans.Set) left {
	changed := left{}
	for host, set := range l {
		if set := f(host, set); len(set) > 0 {
			changed[host] = set
		}
	}
	return changed
}

// with is the activities with one more, which that host runs, and no other any
// more.
func (l left) with(host string, a spans.Span) left {
	changed := l.without(a.First)
	changed[host] = changed[host].With(a)
	return changed
}

// without is the activities without one.
func (l left) without(event int64) left {
	return l.change(func(_ string, set spans.Set) spans.Set { return set.Without(event) })
}

func (l left) encode() map[string]string {
	if len(l) == 0 {
		return nil
	}
	text := map[string]string{}
	for host, set := range l {
		text[host] = set.Encode()
	}
	return text
}

func decodeLeft(text map[string]string) (left, error) {
	l := left{}
	for host, t := range text {
		set, err := spans.Decode(t)
		if err != nil {
			return nil, err
		}
		l[host] = set
	}
	return l, nil
}

// instance as clients see it.
func (s *seen) instance() provider.Instance {
	i := s.meta.Instance()
	i.CustomStatus, i.Output, i.Failure = s.custom, s.output, s.failure
	return i
}

// final reports whether the instance has ended.
func (s *seen) final() bool { return s.meta.Status.Final() }

// cellsSeen are the cells of an instance's row that clients see.
var cellsSeen = []string{row.InstanceCell, row.CustomCell, row.OutputCell, row.FailureCell, row.BlobsCell}

// readMeta reads what an instance's row is.
func readMeta(ctx context.Context, cells map[string][]byte, get row.GetBlob) (*row.Meta, error) {
	value, err := row.Value(ctx, cells, row.InstanceCell, get)
	if err != nil {
		return nil, err
	}
	return row.ParseMeta(value)
}

// readSeen reads an instance's row. A tombstone has no values.
func readSeen(ctx context.Context, cells map[string][]byte, get row.GetBlob) (*seen, error) {
	m, err := readMeta(ctx, cells, get)
	if err != nil {
		return nil, err
	}
	s := &seen{meta: *m, blobs: map[string]string{}}
	for cell, into := range map[string]*history.Payload{row.CustomCell: &s.custom, row.OutputCell: &s.output} {
		value, err := row.Value(ctx, cells, cell, get)
		if err != nil {
			return nil, err
		}
		if len(value) > 0 { // a payload is never empty: it was cleared
			*into = value
		}
	}
	failure, err := row.Value(ctx, cells, row.FailureCell, get)
	if err == nil && len(failure) > 0 {
		err = json.Unmarshal(failure, &s.failure)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: cell %s: %w", row.ErrFormat, row.FailureCell, err)
	}
	if s.tail, err = row.Value(ctx, cells, row.TailCell, get); err != nil {
		return nil, err
	}
	s.answers = cells[row.AnswersCell]
	for cell := range cells {
		if name, ok := row.BlobOf(cells, cell); ok {
			s.blobs[cell] = name
		}
	}
	return s, nil
}

// getSeen reads an instance's row from storage; nil if there is none.
func (s *Store) getSeen(ctx context.Context, id history.InstanceID) (*seen, error) {
	for etag := ""; ; {
		r, err := s.account.Get(ctx, s.cfg.Name, s.partitionKey(s.Partition(id)), row.Instance(id))
		if storage.Is(err, storage.Missing) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		got, err := readSeen(ctx, r.Cells, s.getBlob)
		if !storage.Is(err, storage.Missing) {
			return got, err
		}
		if r.ETag == etag {
			return nil, fmt.Errorf("%w: a blob that it names is gone: %w", row.ErrFormat, err)
		}
		etag = r.ETag // the row was replaced meanwhile, and its blob removed: once more
	}
}

// applyTimers is what a commit makes of the open timers.
func applyTimers(timers []row.Timer, c *provider.Commit, fires []json.RawMessage) []row.Timer {
	switch {
	case c.Status.Final():
		return nil
	case c.NewExecution:
		timers = nil
	case len(c.FiredTimers)+len(c.Timers)+len(c.CancelTimers) == 0:
		return timers
	}
	timers = slices.Clone(timers)
	remove := func(event int64) {
		if i, ok := findTimer(timers, event); ok {
			timers = slices.Delete(timers, i, i+1)
		}
	}
	for _, event := range c.FiredTimers {
		remove(event)
	}
	for n := range c.Timers {
		t := row.Timer{Event: c.Timers[n].Event, Due: wire.Nanos(c.Timers[n].Due), Fire: fires[n]}
		i, ok := findTimer(timers, t.Event)
		if ok {
			timers[i] = t
		} else {
			timers = slices.Insert(timers, i, t)
		}
	}
	for _, event := range c.CancelTimers {
		remove(event)
	}
	return timers
}

func findTimer(timers []row.Timer, event int64) (int, bool) {
	return slices.BinarySearchFunc(timers, event, func(t row.Timer, e int64) int { return cmp.Compare(t.Event, e) })
}

// earliest is when the first timer is due, 0 if there is none. No timer is due
// at 0.
func earliest(timers []row.Timer) (due int64) {
	for i := range timers {
		if at := max(timers[i].Due, 1); due == 0 || at < due {
			due = at
		}
	}
	return due
}

// providerTimers are the timers as the broker takes them.
func providerTimers(timers []row.Timer) ([]provider.Timer, error) {
	all := make([]provider.Timer, len(timers))
	for i := range timers {
		fire, err := history.UnmarshalData(timers[i].Fire)
		if err != nil {
			return nil, fmt.Errorf("%w: the timer of event %d: %w", row.ErrFormat, timers[i].Event, err)
		}
		all[i] = provider.Timer{Event: timers[i].Event, Due: wire.FromNanos(timers[i].Due), Fire: fire}
		if bug.Planted("timers-early") {
			all[i].Due = all[i].Due.Add(-time.Second)
		}
	}
	return all, nil
}
