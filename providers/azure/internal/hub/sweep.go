package hub

import (
	"context"
	"time"

	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// sweep reads a range of the inbox and takes in what is new.
func (p *partition) sweep(ctx context.Context, r row.Range) {
	_ = p.trySweep(ctx, r) // it is swept again
}

func (p *partition) trySweep(ctx context.Context, r row.Range) error {
	p.mu.Lock()
	if p.swept == nil {
		p.swept = map[string]bool{}
	}
	p.sweeping++
	look, began := p.lookLocked(r), p.store.cfg.Now()
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
	compared := err == nil && r == row.Inbox() && len(p.behind.of) == 0
	if compared {
		began = p.comparedLocked(began)
	}
	p.mu.Unlock()
	if compared {
		p.journal.Compared(began)
	}
	return err
}

// comparedLocked is up to when all that came was compared with what was consumed,
// if the whole inbox was looked into at a time. What waits for its receiver to be
// read was not, yet.
func (p *partition) comparedLocked(at time.Time) time.Time {
	for id, letters := range p.unresolved {
		if p.damaged[row.Escape(id)] != nil {
			continue // it may wait for ever
		}
		for _, l := range letters {
			if came := wire.FromNanos(l.envelope.Arrived); l.envelope.Arrived != 0 && came.Before(at) {
				at = came
			}
		}
	}
	return at
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
			if bug.Planted("no-sweep") {
				continue
			}
			for _, p := range m.partitions() { // all at once: one whose inbox cannot be read holds up no other
				if p.live() {
					p.ring("")
				}
			}
		}
	}
}
