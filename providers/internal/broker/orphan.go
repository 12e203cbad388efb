package broker

import (
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// orphans are messages for instances that do not exist (yet).
type orphans struct {
	all list[orphan] // the longest waiting first
	of  map[history.InstanceID]*list[orphan]
}

type orphan struct {
	message *message
	since   time.Time
	among   link[orphan] // all
	sibling link[orphan] // those for the same instance
}

func (b *Broker) orphanLocked(m *message, since time.Time) {
	if since.IsZero() {
		since = b.now()
	}
	o := &orphan{message: m, since: since}
	o.among.value, o.sibling.value = o, o
	m.orphan = o
	siblings := b.orphans.of[m.To]
	if siblings == nil {
		siblings = &list[orphan]{}
		b.orphans.of[m.To] = siblings
	}
	siblings.pushBack(&o.sibling)
	// Usually the newest is the last; only restored ones walk.
	at := b.orphans.all.last
	for at != nil && at.value.since.After(since) {
		at = at.prev
	}
	b.orphans.all.insertAfter(at, &o.among)
}

// adoptLocked hands the orphans that wait for an instance over to it.
func (b *Broker) adoptLocked(inst *instance) {
	siblings := b.orphans.of[inst.id]
	if siblings == nil {
		return
	}
	for o := range siblings.all {
		m := o.message
		b.unorphanLocked(o)
		b.enqueueLocked(inst, m, false)
	}
}

func (b *Broker) unorphanLocked(o *orphan) {
	o.message.orphan = nil
	o.among.unlink()
	siblings := o.sibling.in
	o.sibling.unlink()
	if siblings.len == 0 {
		delete(b.orphans.of, o.message.To)
	}
}

// Orphans lists messages that wait since before that time for an instance that
// does not exist, oldest first. They keep waiting.
func (b *Broker) Orphans(before time.Time) []Delivery {
	b.mu.Lock()
	defer b.mu.Unlock()
	var found []Delivery
	for o := range b.orphans.all.all {
		if !o.since.Before(before) {
			break
		}
		found = append(found, Delivery{Message: o.message.Message, Key: o.message.key, Since: o.since, Attempts: o.message.handed})
	}
	return found
}

// TakeOrphans is DropOrphans for all or none: it reports false, and does nothing, if
// one of them is no orphan (any more).
func (b *Broker) TakeOrphans(ids ...string) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range ids {
		if m := b.waiting[id]; m == nil || m.orphan == nil {
			return false
		}
	}
	b.dropOrphansLocked(ids)
	return true
}

// DropOrphans forgets orphans by message id. Those that are no orphans (any
// more) are left alone.
func (b *Broker) DropOrphans(ids ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dropOrphansLocked(ids)
}

func (b *Broker) dropOrphansLocked(ids []string) {
	for _, id := range ids {
		if m := b.waiting[id]; m != nil && m.orphan != nil {
			b.unorphanLocked(m.orphan)
			b.discardLocked(m)
		}
	}
}
