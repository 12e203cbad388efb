package hub

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// buryOrphans moves messages that waited too long for an instance that does not
// exist to the dead letters.
func (m *member) buryOrphans() {
	s := m.store
	now := s.cfg.Now()
	orphans := m.broker.Orphans(now.Add(-s.cfg.OrphanAfter))
	of := map[*letter][]string{}
	var letters []*letter
	for i := range orphans {
		l := m.letter(orphans[i].Key)
		if l == nil {
			continue
		}
		if of[l] == nil {
			letters = append(letters, l)
		}
		of[l] = append(of[l], orphans[i].Message.ID)
	}
	for _, l := range letters {
		p := l.partition
		p.mu.Lock()
		at, which := wire.FromNanos(l.envelope.Sent).Add(s.cfg.OrphanAfter), slices.Clone(l.handed[l.done:])
		p.mu.Unlock()
		// What fails is due again.
		_ = p.bury(m.ctx, l, which, orphaned(l.to, s.cfg.OrphanAfter), at, func() { m.broker.DropOrphans(of[l]...) })
	}
}

// late reports whether the row arrived so long after it was sent that it may be a
// copy of one that was consumed, and forgotten. One that made its instance is
// none, since it was there first. What a host gives back is judged by itself.
func (l *letter) late() bool {
	if _, partition := l.from.Partition(); partition || l.envelope.Born != "" || l.envelope.Returned != nil || bug.Planted("late-copies-count") {
		return false
	}
	return l.envelope.Arrived-l.envelope.Sent > int64(journal.Late)
}

// buryLate moves a letter that is late to the dead letters. An order without a
// message is dropped: whoever gave it was told that its outcome is unknown.
func (p *partition) buryLate(ctx context.Context, l *letter) {
	took := time.Duration(l.envelope.Arrived - l.envelope.Sent).Round(time.Second)
	reason := fmt.Sprintf("it arrived %v after it was sent: it may be a copy of a message that was applied before; send it again if it is not", took)
	p.log().Warn("a message goes to the dead letters", "instance", string(l.to), "reason", reason)
	var all []int
	for n := l.envelope.Done; n < len(l.messages); n++ {
		all = append(all, n)
	}
	for n := 0; ctx.Err() == nil && p.waits(l); n++ {
		if p.bury(ctx, l, all, reason, p.store.cfg.Now(), func() {}) == nil {
			return
		}
		pause(ctx, backoff(n))
	}
}

// bury moves messages of a letter to the dead letters, and ends the letter.
func (p *partition) bury(ctx context.Context, l *letter, which []int, reason string, at time.Time, buried func()) error {
	return p.buryWith(ctx, nil, l, which, reason, at, buried)
}

// buryWith is bury, with other operations in the same transaction.
func (p *partition) buryWith(ctx context.Context, ops []storage.Op, l *letter, which []int, reason string, at time.Time, buried func()) error {
	e := &journal.Entry{Ops: ops, Consumed: []journal.Consumed{{Key: l.key, From: l.from, Seq: l.seq, Hash: rowHashes(l.from, l.key, l.to, l.blobs)}}}
	for _, n := range which {
		line, err := wire.Encode(&l.messages[n])
		if err != nil {
			return err
		}
		c := row.Cells{Name: func() string { return p.store.blobName(l.to) }}
		c.Set(row.MessagesCell, line)
		c.Map[row.LetterCell] = wire.MustJSON(row.Letter{Format: row.Format, Reason: reason, Time: wire.Nanos(at)})
		if err := p.store.putBlobs(ctx, c.Blobs); err != nil {
			return err
		}
		key := row.Dead(wire.Nanos(at), row.Sequence(p.epoch, p.letters.Add(1)))
		e.Ops = append(e.Ops, storage.Op{Verb: storage.Insert, Row: storage.Row{Key: key, Cells: c.Map}})
	}
	e.Applied = func(journal.Applied) {
		buried()
		p.dropped(l)
	}
	return p.commit(ctx, e)
}

func orphaned(id history.InstanceID, after time.Duration) string {
	return fmt.Sprintf("%s does not exist and was not started within %v: start it and send again", quote(id), after)
}

func (s *Store) readDeadLetter(ctx context.Context, r *storage.Row) (provider.DeadLetter, error) {
	var l row.Letter
	if err := row.Parse(r.Cells[row.LetterCell], &l); err != nil {
		return provider.DeadLetter{}, err
	}
	if l.Queue != "" {
		return letterOfQueue(&l), nil
	}
	line, err := row.Value(ctx, r.Cells, row.MessagesCell, s.getBlob)
	if err != nil {
		return provider.DeadLetter{}, err
	}
	m, err := wire.Decode(line)
	if err != nil {
		return provider.DeadLetter{}, fmt.Errorf("%w: %w", row.ErrFormat, err)
	}
	return provider.DeadLetter{Message: m, Reason: l.Reason, Time: wire.FromNanos(l.Time)}, nil
}
