package hub

import (
	"context"
	"errors"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// takeSaid takes in what a letter says of an activity.
func (p *partition) takeSaid(ctx context.Context, l *letter, try func(context.Context, *letter) error) {
	for n := 0; ctx.Err() == nil && p.waits(l); n++ {
		err := try(ctx, l)
		if err == nil || errors.Is(err, journal.ErrLost) || errors.Is(err, journal.ErrStopped) {
			return
		}
		pause(ctx, backoff(n))
	}
}

// tryReturn takes back an activity that a host gave back unfinished. That the host
// does not run it any more is noted in the same commit.
func (p *partition) tryReturn(ctx context.Context, l *letter) error {
	r := l.envelope.Returned
	if r.Due != 0 {
		pause(ctx, wire.FromNanos(r.Due).Sub(p.store.cfg.Now())) // whoever owns it then reads the letter again
	}
	e := &journal.Entry{Consumed: []journal.Consumed{l.consumption("")}}
	i := p.get(l.to)
	if !i.has(r) || l.foreign(i) {
		e.Applied = func(journal.Applied) { p.dropped(l) }
		e.Valid = func() error { return p.decided(l.to) }
		return p.commit(ctx, e)
	}
	if id := (history.ActivityID{Instance: l.to, Execution: r.Execution, Event: r.Event}); r.Deliveries > p.store.handed.Deliveries(id, r.Attempt) {
		p.store.handed.Out(id, r.Attempt, r.Deliveries)
	}
	return p.reoffer(ctx, e, i, []row.Returned{*r}, l, func() { p.dropped(l) })
}

var errBusy = errors.New("a turn of the instance is under way, or an order for it")

// reoffer commits that activities of an instance are with nobody else any more, and
// offers them: here, or where their sessions are. By is the letter by which the only one
// came back, and what it has reached with it. A turn of the instance would change the
// same row: then it is tried again.
func (p *partition) reoffer(ctx context.Context, e *journal.Entry, i *instance, all []row.Returned, by *letter, applied func()) error {
	end, ok := p.member.broker.Reserve(i.id)
	if !ok {
		return errBusy
	}
	defer end()
	if p.get(i.id) != i {
		return errBusy
	}
	reached, err := p.progressNow(ctx, i.id, i.execution)
	if err != nil {
		return err
	}
	var came progressRow
	news := by != nil && by.progress != nil
	if news {
		came = p.progressRow(history.ActivityID{Instance: i.id, Execution: i.execution, Event: all[0].Event}, by.progress, by)
		reached = map[int64]history.Payload{all[0].Event: by.progress}
		e.Ops = append(e.Ops, came.op)
	}
	after := *i
	sent := map[int64]bool{}
	for k := range all {
		r := &all[k]
		after.running, after.queued = after.running.without(r.Event), after.queued.Without(r.Event)
		if sent[r.Event], err = p.resend(ctx, e, &after, r, reached[r.Event]); err != nil {
			return err
		}
	}
	stored := after.open
	if bug.Planted("return-not-recorded") {
		stored.running = i.running
	}
	c := row.Cells{Name: func() string { return p.store.blobName(i.id) }}
	c.Set(row.WorkCell, wire.MustJSON(stored.row(i.id)))
	if err := p.store.putBlobs(ctx, append(came.blobs, c.Blobs...)); err != nil {
		return err
	}
	e.Ops = append(e.Ops, storage.Op{Verb: storage.Put, Row: storage.Row{Key: row.Work(i.id), Cells: c.Map}})
	e.Valid = func() error { return p.unchanged(i) }
	e.Applied = func(a journal.Applied) {
		applied()
		if a.Outbox != "" {
			p.relays.add(a.Outbox, a.Send)
		}
		var former []string
		p.mu.Lock()
		p.putLocked(&after)
		if news {
			former = p.wroteLocked(&came)
		}
		for k := range all {
			r := &all[k]
			if p.withholdLocked(i.id, r.Event); !sent[r.Event] {
				p.reopenLocked(&after, r.Event, r.Attempt, reached[r.Event])
			}
		}
		p.mu.Unlock()
		p.store.dropBlobs(former)
	}
	return p.commit(ctx, e)
}
