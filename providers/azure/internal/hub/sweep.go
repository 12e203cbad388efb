package hub

import (
	"context"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// sweep reads a range of the inbox and takes in what is new.
func (p *partition) sweep(ctx context.Context, r row.Range) {
	p.mu.Lock()
	if p.swept == nil {
		p.swept = map[string]bool{}
	}
	p.sweeping++
	look := p.lookLocked(r)
	p.mu.Unlock()
	rows, err := p.readInbox(ctx, r)
	if err == nil {
		p.take(p.readLetters(rows)...)
	}
	p.mu.Lock()
	if p.sweeping--; p.sweeping == 0 {
		p.swept = nil
	}
	if err == nil {
		p.lookedLocked(look, rows)
	} else if len(p.behind.of) > 0 {
		p.lookAgainLocked()
	}
	compared := err == nil && len(p.resolving) == 0
	p.mu.Unlock()
	if compared {
		p.journal.Compared()
	}
}

// sweepAgain looks into the inbox of a partition that was just claimed. Until
// they have read the rows of the hosts anew, which they do every third of the
// TTL, senders ring its former owner, or nobody.
func (p *partition) sweepAgain(ctx context.Context) {
	for range 2 { // the second time for rows that were on their way
		if pause(ctx, p.store.cfg.TTL/3); ctx.Err() != nil {
			return
		}
		p.sweep(ctx, row.Inbox())
	}
}

// readInbox reads rows of the inbox such that with every row all earlier ones
// of its sender are there. A page is a snapshot. Several pages are not: a row
// may have come into a page that was read already, before its successor came
// into one that was not. Then the range is read once more, which shows all that
// was there when the first reading ended.
func (p *partition) readInbox(ctx context.Context, r row.Range) ([]storage.Row, error) {
	read := func() (rows []storage.Row, pages int, err error) {
		err = p.store.scan(ctx, p.key, r, nil, func(page []storage.Row) error {
			pages++
			rows = append(rows, page...)
			return nil
		})
		return rows, pages, err
	}
	rows, pages, err := read()
	if err != nil || pages == 1 {
		return rows, err
	}
	type sender struct {
		to, from string
	}
	of := func(key string) (sender, int64) {
		from, seq, err := row.ParseMessage(key)
		if err != nil {
			return sender{}, 0
		}
		return sender{key[:len(key)-len(from)-18], string(from)}, seq
	}
	latest := map[sender]int64{}
	for i := range rows {
		s, seq := of(rows[i].Key)
		latest[s] = max(latest[s], seq)
	}
	again, _, err := read()
	if err != nil {
		return nil, err
	}
	all := again[:0]
	for i := range again {
		if s, seq := of(again[i].Key); seq <= latest[s] {
			all = append(all, again[i])
		}
	}
	return all, nil
}

// sweepNowAndThen looks after what nobody rings for, until the member leaves.
func (m *member) sweepNowAndThen() {
	s := m.store
	sweep := time.NewTicker(s.cfg.SweepEvery)
	defer sweep.Stop()
	bury := time.NewTicker(min(max(s.cfg.OrphanAfter/4, 2*time.Millisecond), time.Minute))
	defer bury.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-bury.C:
			m.buryOrphans()
		case <-sweep.C:
			for _, p := range m.partitions() {
				if p.live() {
					p.sweep(p.ctx, row.Inbox())
				}
			}
		}
	}
}

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
		l.partition.bury(m.ctx, l, of[l])
	}
}

// bury moves a letter to the dead letters.
func (p *partition) bury(ctx context.Context, l *letter, ids []string) {
	at := wire.FromNanos(l.envelope.Sent).Add(p.store.cfg.OrphanAfter)
	e := &journal.Entry{Consumed: []journal.Consumed{{Key: l.key, From: l.from, Seq: l.seq}}}
	for _, n := range l.handed[l.done:] {
		m := &l.messages[n]
		line, err := wire.Encode(m)
		if err != nil {
			return // it was encoded once already
		}
		c := row.Cells{Name: func() string { return p.store.blobName(l.to()) }}
		c.Set(row.MessagesCell, line)
		c.Map[row.LetterCell] = wire.MustJSON(row.Letter{Format: row.Format, Reason: orphaned(l.to(), p.store.cfg.OrphanAfter), Time: wire.Nanos(at)})
		if err := p.store.putBlobs(ctx, c.Blobs); err != nil {
			return
		}
		key := row.Dead(wire.Nanos(at), row.Sequence(p.epoch, p.letters.Add(1)))
		e.Ops = append(e.Ops, storage.Op{Verb: storage.Insert, Row: storage.Row{Key: key, Cells: c.Map}})
	}
	e.Applied = func(journal.Applied) {
		p.member.broker.DropOrphans(ids...)
		p.dropped(l)
	}
	_ = p.commit(ctx, e) // what fails is due again
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
