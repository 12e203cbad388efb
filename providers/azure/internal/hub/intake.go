package hub

import (
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// take takes in letters that a look into the inbox found, in order.
func (p *partition) take(letters ...*letter) {
	p.takeIf(func(*letter) bool { return true }, letters)
}

// arrive takes in letters that just became durable, in order.
func (p *partition) arrive(letters ...*letter) {
	p.takeIf(p.arrivesLocked, letters)
}

func (p *partition) takeIf(mayLocked func(*letter) bool, letters []*letter) {
	var drop []*letter
	p.mu.Lock()
	for _, l := range letters {
		if mayLocked(l) {
			p.takeLocked(l, &drop)
		}
	}
	p.deliverNowLocked()
	p.mu.Unlock()
	p.dropAll(drop)
}

// takeOver takes in all that was outstanding when the partition was claimed. From
// now on the partition is served.
func (p *partition) takeOver(restored []broker.Restored, letters []*letter) {
	var drop []*letter
	p.mu.Lock()
	p.loaded = true
	for _, l := range letters {
		p.takeLocked(l, &drop)
	}
	p.deliverNowLocked(restored...)
	p.mu.Unlock()
	p.dropAll(drop)
}

func (p *partition) takeLocked(l *letter, drop *[]*letter) {
	known := (p.inbox[l.key] != nil || p.swept[l.key]) && !bug.Planted("taken-in-twice")
	if p.gone || !p.loaded || known {
		return // it is known, or for whoever serves the partition next
	}
	if len(l.messages) == 0 && !l.special() {
		*drop = append(*drop, l)
		return
	}
	p.addLocked(l)
	if l.late() {
		p.work.Go(func() { p.buryLate(p.ctx, l) })
		return
	}
	if p.posthumous(l) {
		p.work.Go(func() { p.undo(p.ctx, l) })
		return
	}
	if len(p.unresolved[l.to]) > 0 || p.removing[l.to] && !l.made || !p.resolveLocked(l, drop) {
		p.unresolved[l.to] = append(p.unresolved[l.to], l)
		p.resolveSoonLocked(l.to)
	}
}

// deliverNowLocked hands on what was gathered, all at once: messages that were
// found together are handed over together.
func (p *partition) deliverNowLocked(restored ...broker.Restored) {
	if len(p.gathered)+len(restored) > 0 {
		p.member.broker.Restore(restored, p.gathered...)
		p.gathered, p.gathering = nil, nil
	}
}

func (p *partition) addLocked(l *letter) {
	l.number = p.member.number(l)
	p.inbox[l.key] = l
	if p.inboxOf[l.to] == nil {
		p.inboxOf[l.to] = map[string]*letter{}
	}
	p.inboxOf[l.to][l.key] = l
}

func (p *partition) removeLocked(l *letter) {
	p.member.forgetNumber(l)
	delete(p.inbox, l.key)
	if of := p.inboxOf[l.to]; of != nil {
		if delete(of, l.key); len(of) == 0 {
			delete(p.inboxOf, l.to)
		}
	}
	if p.sweeping > 0 {
		p.swept[l.key] = true
	}
}

// resolveLocked hands a letter to the broker if what must be known of its
// receiver is in memory; otherwise it reports false. Letters that were consumed
// before are added to drop.
func (p *partition) resolveLocked(l *letter, drop *[]*letter) bool {
	if p.consumed(l) {
		*drop = append(*drop, l)
		return true
	}
	if l.special() {
		return false
	}
	if l.envelope.Born != "" { // its start made the instance
		return p.deliverCreatedLocked(l, drop)
	}
	if i := p.instances[l.to]; i != nil && i.begun() {
		if l.foreign(i) {
			*drop = append(*drop, l)
			return true
		}
		return p.deliverLocked(l, broker.Exists, i, drop)
	}
	return false
}

// deliverCreatedLocked hands on the letter whose start made the instance.
func (p *partition) deliverCreatedLocked(l *letter, drop *[]*letter) bool {
	i := p.instances[l.to]
	if i == nil && l.envelope.Done == 0 {
		if p.journal.Noticed(row.Hash(l.messages[0].ID, l.to, l.envelope.Born)) {
			*drop = append(*drop, l)
			return true
		}
		m := row.Pending(&l.messages[0], l.envelope.Born, wire.FromNanos(l.envelope.Created))
		m.Parked, m.ParkedAt, m.Requests = l.envelope.Parked, l.envelope.ParkedAt, l.envelope.Requests
		i = &instance{id: l.to, seen: &seen{meta: *m}, open: open{born: m.Born, name: m.Name, version: m.Version}}
		p.store.waiters.Look(i.id)
	}
	if i == nil || i.seen == nil {
		return false
	}
	if i.seen.meta.Born != l.envelope.Born { // it is gone, and another has its id
		*drop = append(*drop, l)
		return true
	}
	started := *i
	started.started = true
	p.putLocked(&started)
	return p.deliverLocked(l, broker.Created, &started, drop)
}

// deliverLocked hands those messages of a letter to the broker that were not
// consumed before and do not wait already.
func (p *partition) deliverLocked(l *letter, receiver broker.Receiver, i *instance, drop *[]*letter) bool {
	born := ""
	if i != nil {
		born = i.born
	}
	l.handed, l.done, l.copies, l.orphan = nil, 0, nil, receiver == broker.Missing
	var waits *letter // one that has messages of this one
	for n := range l.messages {
		m := &l.messages[n]
		hash := row.Hash(m.ID, l.to, born)
		if n < l.envelope.Done || i != nil && p.journal.Noticed(hash) {
			continue
		}
		if other, there := p.waitingLocked(m.ID); there {
			waits = other
			continue
		}
		d := broker.Delivery{Message: *m, Key: l.number, Receiver: receiver, Attempts: p.store.handed.Attempts(l.to, m.ID)}
		switch {
		case receiver == broker.Missing:
			d.Since = wire.FromNanos(l.envelope.Sent)
		case receiver == broker.Created && n > 0:
			d.Receiver = broker.Exists
		}
		if i != nil {
			d.Name, d.Version = i.name, i.version
		}
		l.handed = append(l.handed, n)
		p.gathered = append(p.gathered, d)
		if p.gathering == nil {
			p.gathering = map[string]*letter{}
		}
		p.gathering[m.ID] = l
	}
	switch {
	case len(l.handed) > 0:
	case waits != nil:
		waits.copies = append(waits.copies, l)
	default:
		*drop = append(*drop, l)
	}
	return true
}

// waitingLocked reports whether a message waits, and the letter that has it; nil if no
// row does.
func (p *partition) waitingLocked(id string) (has *letter, waits bool) {
	if l := p.gathering[id]; l != nil {
		return l, true
	}
	number, waits := p.member.broker.Waits(id)
	if number == 0 {
		return nil, waits
	}
	return p.member.letter(number), true
}

// dropCopiesOf deletes the copies of a letter.
func (p *partition) dropCopiesOf(l *letter) {
	if bug.Planted("copies-not-buried") {
		return
	}
	p.mu.Lock()
	copies := l.copies
	l.copies = nil
	p.mu.Unlock()
	p.dropAll(copies)
}

// dropAll deletes rows that mean nothing: their messages were consumed before, or
// another row has them, which was consumed or is about to be buried. A copy of such a
// row means nothing either. Each is an entry of its own: one transaction may not hold
// them all.
func (p *partition) dropAll(letters []*letter) {
	for _, l := range letters {
		p.journal.Submit(&journal.Entry{
			Consumed: []journal.Consumed{l.withoutMessages()},
			Applied:  func(journal.Applied) { p.dropped(l) },
			Failed: func(err error) {
				if storage.Is(err, storage.Missing) { // it is gone already
					p.dropped(l)
				}
			},
		})
	}
}

// dropped says that the row of a letter is gone. Copies that came by then go, too.
func (p *partition) dropped(l *letter) {
	p.mu.Lock()
	p.removeLocked(l)
	p.mu.Unlock()
	p.store.dropBlobs(l.blobs)
	p.dropCopiesOf(l)
}
