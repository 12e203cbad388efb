package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// resolveSoonLocked sees to the letters that wait for their receiver to be
// read. One goroutine does that for an instance, so that their order is kept.
func (p *partition) resolveSoonLocked(id history.InstanceID) {
	if p.resolving[id] != nil || p.removing[id] || len(p.unresolved[id]) == 0 || p.gone {
		return
	}
	p.resolving[id] = make(chan struct{})
	p.work.Go(func() { p.resolve(p.ctx, id) })
}

// resolve reads the receiver of letters that wait for that, and hands them on.
func (p *partition) resolve(ctx context.Context, id history.InstanceID) {
	for n := 0; ; {
		got, err := p.read(ctx, id)
		if err == nil {
			var done bool
			if done, err = p.hand(ctx, id, got); done {
				return
			}
		}
		if ctx.Err() != nil || undecided(err) {
			return // it was given up
		}
		if err == nil {
			continue
		}
		if !transient(err) {
			p.mu.Lock()
			close(p.resolving[id]) // it may be so for ever: senders do not wait for that
			p.resolving[id] = make(chan struct{})
			p.mu.Unlock()
		}
		if unlogged, due := p.complaints.receiver.Due(); due {
			p.log().Warn("the receiver of messages cannot be read; it is tried again", "instance", string(id), "error", err, "unlogged", unlogged)
		}
		pause(ctx, backoff(n))
		n++
	}
}

// hand hands letters on whose receiver was read. It reports whether that is
// done; otherwise the receiver is to be read again, after an error after a while.
func (p *partition) hand(ctx context.Context, id history.InstanceID, i *instance) (done bool, err error) {
	var drop []*letter
	p.mu.Lock()
	next := p.handLocked(id, i, &drop)
	p.deliverNowLocked()
	if next == nil { // not before the broker has them: who waits for this looks there
		close(p.resolving[id])
		delete(p.resolving, id)
	}
	p.mu.Unlock()
	p.dropAll(drop)
	if next == nil {
		return true, nil
	}
	return false, next(ctx)
}

// handLocked hands on letters until something must be done without the mutex,
// which it returns; nil if none are left.
func (p *partition) handLocked(id history.InstanceID, i *instance, drop *[]*letter) func(context.Context) error {
	again := func(context.Context) error { return nil }
	for {
		waiting := p.unresolved[id]
		if p.gone || p.removing[id] || len(waiting) == 0 {
			if len(waiting) == 0 {
				delete(p.unresolved, id)
			}
			return nil
		}
		l := waiting[0]
		if now := p.instances[id]; now != nil && now.seen != nil {
			i = now
		}
		switch {
		case p.consumed(l):
			*drop = append(*drop, l)
		case l.foreign(i):
			*drop = append(*drop, l)
		case l.envelope.Order != nil:
			p.popLocked(id, l)
			return func(ctx context.Context) error {
				p.execute(ctx, l)
				return nil
			}
		case l.envelope.Returned != nil:
			// It may take until the instance has no turn: what comes after it does
			// not wait for that.
			p.work.Go(func() { p.takeSaid(p.ctx, l, p.tryReturn) })
		case l.envelope.Reached != nil:
			p.work.Go(func() { p.takeSaid(p.ctx, l, p.tryReached) })
		case i == nil && len(l.messages) > 0 && l.envelope.Done == 0 && l.messages[0].Start != nil:
			return func(ctx context.Context) error { return p.create(ctx, l) }
		case i == nil:
			p.deliverLocked(l, broker.Missing, nil, drop)
		case l.envelope.Born == "" && !i.begun():
			// Its start comes first, and is in the inbox.
			first := p.startLocked(id, i.seen.meta.Born)
			if first == nil {
				return func(ctx context.Context) error { return p.findStart(ctx, id, i.seen.meta.Born) }
			}
			p.popLocked(id, first)
			if !p.deliverCreatedLocked(first, drop) {
				return again
			}
			continue
		case l.envelope.Born != "":
			if !p.deliverCreatedLocked(l, drop) {
				return again
			}
		case !p.deliverLocked(l, broker.Exists, i, drop):
			return again
		}
		p.popLocked(id, l)
	}
}

// startLocked finds the letter that started an instance, among those that wait.
func (p *partition) startLocked(id history.InstanceID, born string) *letter {
	for _, l := range p.unresolved[id] {
		if l.envelope.Born == born {
			return l
		}
	}
	return nil
}

// findStart looks into the inbox for the start of an instance that is pending.
func (p *partition) findStart(ctx context.Context, id history.InstanceID, born string) error {
	if err := p.trySweep(ctx, row.InboxOf(id)); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := p.instances[id]; (i == nil || !i.begun()) && p.startLocked(id, born) == nil {
		return fmt.Errorf("%w: its start, which comes before them, is not in the inbox, or cannot be read", row.ErrFormat)
	}
	return nil
}

// resolved waits until letters that were sent directly were handed on, so that
// what a commit sends is there when it returns (B6).
func (p *partition) resolved(ctx context.Context, sent []*direct) {
	for _, d := range sent {
		p.awaitResolved(ctx, d.letter.to)
	}
}

func (p *partition) awaitResolved(ctx context.Context, id history.InstanceID) {
	p.mu.Lock()
	late := p.behind.of[id] > 0
	p.mu.Unlock()
	if late {
		p.awaitRings(ctx, id)
	}
	p.mu.Lock()
	done := p.resolving[id]
	p.mu.Unlock()
	if done == nil {
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	case <-p.ctx.Done():
	}
}

// popLocked takes a letter out of those that wait. Mostly it is the first of them, and
// there may be a great many.
func (p *partition) popLocked(id history.InstanceID, l *letter) {
	waiting := p.unresolved[id]
	if len(waiting) > 0 && waiting[0] == l {
		p.unresolved[id] = waiting[1:]
		return
	}
	p.unresolved[id] = slices.DeleteFunc(slices.Clone(waiting), func(w *letter) bool { return w == l })
}

// create makes the instance that a start asks for, where no transaction of the
// sender did: the id was taken when it was sent, by what was purged since.
func (p *partition) create(ctx context.Context, l *letter) error {
	start := &l.messages[0]
	m := row.Pending(start, p.store.born(), p.store.cfg.Now())
	op := storage.Op{Verb: storage.Insert, Row: storage.Row{Key: row.Instance(l.to)}}
	var tombstone []storage.Op // its row in the index goes with it
	r, err := p.store.account.Get(ctx, p.store.cfg.Name, p.key, op.Row.Key)
	switch {
	case err == nil:
		old, err := readMeta(ctx, r.Cells, p.store.getBlob)
		if err != nil || old.Exists() {
			return err
		}
		if requested(old, start) {
			p.mu.Lock()
			p.popLocked(l.to, l)
			p.mu.Unlock()
			p.dropAll([]*letter{l}) // it ran, and was purged: nothing comes back
			return nil
		}
		m.Requests = old.Requests
		op.Verb, op.IfMatch = storage.Replace, r.ETag
		if !bug.Planted("tombstone-index-kept") {
			tombstone = append(tombstone, deletion(row.Purged(old.Purged, l.to)))
		}
	case !storage.Is(err, storage.Missing):
		return err
	}
	c := row.Cells{Name: func() string { return p.store.blobName(l.to) }}
	c.Set(row.InstanceCell, wire.MustJSON(m))
	if answers := r.Cells[row.AnswersCell]; len(answers) > 0 {
		c.Map[row.AnswersCell] = answers // who purged what was there may wait still
	}
	op.Row.Cells = c.Map
	if err := p.store.putBlobs(ctx, c.Blobs); err != nil {
		return err
	}
	envelope := l.envelope
	envelope.Born, envelope.Created, envelope.Requests = m.Born, m.Created, m.Requests
	err = p.commit(ctx, &journal.Entry{
		Ops: append(tombstone,
			op,
			storage.Op{Verb: storage.Put, Row: storage.Row{Key: row.Open(l.to), Cells: row.IndexCells(m)}},
			storage.Op{Verb: storage.Merge, Row: storage.Row{Key: l.key, Cells: map[string][]byte{row.EnvelopeCell: wire.MustJSON(envelope)}}},
		),
		Valid: func() error { return p.decided(l.to) },
		Applied: func(journal.Applied) {
			p.mu.Lock()
			l.envelope = envelope
			p.putLocked(&instance{id: l.to, seen: &seen{meta: *m}, open: open{born: m.Born, name: m.Name, version: m.Version}})
			p.mu.Unlock()
			p.store.waiters.Look(l.to)
		},
	})
	if storage.Is(err, storage.Exists) || storage.Is(err, storage.Precondition) || errors.Is(err, errBusy) {
		return nil // a client was faster: the receiver is read again
	}
	return err
}
