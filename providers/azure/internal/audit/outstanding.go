package audit

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// letter is a row of an inbox.
type letter struct {
	key  string
	from row.Sender
	seq  int64
	row.Envelope
}

// timers is a row of timers.
type timers struct {
	key string
	row.TimerSet
}

// work is a row of open activities.
type work struct {
	row.OpenWork
	open  spans.Set
	given spans.Set   // to other hosts
	left  []spans.Set // to one host each
}

// readOutstanding reads what a new owner of the partition would.
func (a *auditor) readOutstanding(ctx context.Context, p *partition) error {
	p.consumed = map[int]row.Numbers{}
	err := a.scan(ctx, p.key, row.Outstanding(), nil, func(r *storage.Row) error {
		if err := a.unlisted(p, r); err != nil {
			return err
		}
		if row.KindOf(r.Key) == row.KindInbox {
			a.r.Messages++
			if sender, seq, err := row.ParseMessage(r.Key); err == nil {
				if from, ok := sender.Partition(); ok {
					f := a.flow(pair{from, p.number})
					f.waiting = append(f.waiting, span{seq, seq})
				}
			}
		}
		err := p.takeOutstanding(ctx, &a.reader, r)
		if row.KindOf(r.Key) == row.KindInbox && err == nil {
			a.checkLetter(p, r)
		}
		if row.KindOf(r.Key) == row.KindWork && err == nil {
			a.blobs.progress.neededBy(r.Key, p.subject(r.Key[prefixLength:]).work, func(blob string) { a.blobs.named[hashed(blob)] = true })
		}
		if err != nil && !storage.Is(err, storage.Missing) { // a blob: Z13 sees to it
			if unavailable(ctx, err) {
				return err
			}
			a.r.found(Finding{Invariant: Recovery, Partition: p.number, Row: r.Key, What: fmt.Sprintf("it cannot be read: %v", err)})
		}
		return a.checkSequence(ctx, p, r.Key)
	})
	for from, numbers := range p.consumed {
		a.flow(pair{from, p.number}).consumed = numbers
	}
	return err
}

// subject is what is known of an instance by its escaped id.
func (p *partition) subject(escaped string) *subject {
	s := p.subjects[escaped]
	if s == nil {
		s = &subject{p: p, escaped: escaped}
		p.subjects[escaped] = s
	}
	return s
}

// takeOutstanding reads one row of what is outstanding.
func (p *partition) takeOutstanding(ctx context.Context, from *reader, r *storage.Row) error {
	switch row.KindOf(r.Key) {
	case row.KindInbox:
		l, err := readLetter(ctx, from, r)
		if err == nil {
			s := p.subject(row.Escape(l.To))
			s.letters = append(s.letters, l)
		}
		return err
	case row.KindNotice:
		return p.takeNotice(r)
	case row.KindProgress:
		var whose row.Whose
		if err := row.Parse(r.Cells[row.WhoseCell], &whose); err != nil {
			return err
		}
		s := p.subject(row.Escape(whose.ID))
		s.progress = append(s.progress, r.Key)
	case row.KindWork:
		w, err := readWork(ctx, from, r)
		if err != nil {
			return err
		}
		p.subject(r.Key[prefixLength:]).work = w
	case row.KindTimers:
		t := timers{key: r.Key}
		if err := readJSON(ctx, from, r, row.TimersCell, &t.TimerSet); err != nil {
			return err
		}
		for i := range t.Timers {
			if _, err := history.UnmarshalData(t.Timers[i].Fire); err != nil {
				return err
			}
		}
		s := p.subject(row.Escape(t.ID))
		s.timers = append(s.timers, t)
	default: // outboxes were read before
	}
	return nil
}

func readWork(ctx context.Context, from *reader, r *storage.Row) (*work, error) {
	var w work
	if err := readJSON(ctx, from, r, row.WorkCell, &w.OpenWork); err != nil {
		return nil, err
	}
	return &w, w.decode()
}

func (w *work) decode() (err error) {
	if w.open, err = spans.Decode(w.Activities); err != nil {
		return err
	}
	if w.given, err = spans.Decode(w.Queued); err != nil {
		return err
	}
	for _, running := range w.Running {
		set, bad := spans.Decode(running)
		if bad != nil {
			err = bad
		}
		w.left = append(w.left, set)
	}
	return err
}

func readJSON(ctx context.Context, from *reader, r *storage.Row, cell string, into any) error {
	value, err := row.Value(ctx, r.Cells, cell, from.blob)
	if err != nil {
		return err
	}
	return json.Unmarshal(value, into)
}

// readLetter reads a row of an inbox. Messages that stand in a blob are not
// looked at.
func readLetter(ctx context.Context, from *reader, r *storage.Row) (l letter, err error) {
	l.key = r.Key
	if l.from, l.seq, err = row.ParseMessage(r.Key); err != nil {
		return l, err
	}
	if l.Envelope, err = row.ParseEnvelope(r.Cells); err != nil {
		return l, err
	}
	if _, away := row.BlobOf(r.Cells, row.MessagesCell); away {
		return l, nil
	}
	lines, err := row.Value(ctx, r.Cells, row.MessagesCell, from.blob)
	if err != nil {
		return l, err
	}
	n := 0
	for line := range bytes.Lines(lines) {
		if _, err := wire.Decode(bytes.TrimSuffix(line, []byte{'\n'})); err != nil {
			return l, err
		}
		n++
	}
	if n != l.Count {
		return l, fmt.Errorf("it has %d messages and should have %d", n, l.Count)
	}
	return l, nil
}

// takeNotice reads what was consumed.
func (p *partition) takeNotice(r *storage.Row) error {
	if r.Key != row.FromPartitions {
		var ids row.IDs
		return row.Parse(r.Cells[row.IDsCell], &ids)
	}
	consumed := map[int]row.Numbers{}
	if err := row.Parse(r.Cells[row.NumbersCell], &consumed); err != nil {
		return err
	}
	p.consumed = consumed
	return nil
}

// checkSequence: sequences in keys are of epochs that were (Z1).
func (a *auditor) checkSequence(ctx context.Context, p *partition, key string) error {
	epoch, ok := epochOf(key)
	if !ok || p.unknown || p.owned && epoch <= p.head.Epoch {
		return nil
	}
	if err := a.readHead(ctx, p); err != nil {
		return err
	}
	if p.owned && epoch > p.head.Epoch {
		a.r.found(Finding{Invariant: OneOwner, Partition: p.number, Row: key, What: fmt.Sprintf("it was written in epoch %d, and the partition is in epoch %d", epoch, p.head.Epoch)})
	}
	return nil
}

// epochOf is the epoch in the sequence of a key.
func epochOf(key string) (epoch int64, ok bool) {
	for _, sample := range []string{row.Outbox(0), row.RecentIDs(0)} {
		digits := len(sample) - 16
		if len(key) != len(sample) || key[:digits] != sample[:digits] {
			continue
		}
		n, err := strconv.ParseUint(key[digits:], 16, 64)
		return int64(n >> 32), err == nil
	}
	return 0, false
}

// checkLetter judges a row of an inbox by itself: a row is one state.
func (a *auditor) checkLetter(p *partition, r *storage.Row) {
	l, err := row.ParseEnvelope(r.Cells)
	if err != nil {
		return // said already
	}
	tell := func(i Invariant, what string, args ...any) {
		a.r.found(Finding{Invariant: i, Partition: p.number, Instance: l.To, Row: r.Key, What: fmt.Sprintf(what, args...)})
	}
	from, seq, _ := row.ParseMessage(r.Key)
	switch {
	case row.Message(l.To, from, seq) != r.Key:
		tell(ExactlyOnce, "it is for instance %q, which looks for its messages elsewhere", l.To)
	case a.home(string(l.To)) != p.number:
		tell(ExactlyOnce, "its receiver lives in partition %d", a.home(string(l.To)))
	case l.Order == nil && l.Returned == nil && l.Reached == nil && (l.Count < 1 || l.Done < 0 || l.Done >= l.Count):
		tell(Consumption, "%d of its %d messages were consumed: a row is removed with its last message", l.Done, l.Count)
	}
}
