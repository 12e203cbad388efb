package hub

import (
	"maps"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// A sender in this process hands rows over as soon as they are durable. That
// would break the order of what was sent (B3) where an earlier row of the same
// sender is not known yet: it came while what is outstanding was being read, or
// another process inserted it and nobody rang, or its blob cannot be read now.
// Its receiver is behind then. What arrives for an instance that is behind is
// left where it is, and a look into the inbox takes it in, together with what
// comes before it. For partitions as senders that an earlier row is missing shows
// in the numbers, which have no gaps.

// behind are the instances that are behind.
type behind struct {
	marks   int64                        // made so far
	of      map[history.InstanceID]int64 // the last mark of each
	found   map[int]row.Numbers          // numbers of rows that were found, by the sending partition
	waiting bool                         // for another look, since one did not succeed
	tries   int                          // looks that did not succeed, until all is well
}

// fallBehindLocked has the inbox of an instance looked into before anything
// more is taken in that arrives for it.
func (p *partition) fallBehindLocked(id history.InstanceID) {
	p.markLocked(id)
	p.ringLocked(id)
}

func (p *partition) markLocked(id history.InstanceID) {
	p.behind.marks++
	p.behind.of[id] = p.behind.marks
}

// arrivesLocked reports whether a letter that arrived may be taken in. If not,
// its receiver is behind.
func (p *partition) arrivesLocked(l *letter) bool {
	gap := p.gapLocked(l)
	p.foundLocked(l.from, l.seq)
	if bug.Planted("arrival-overtakes") {
		return p.loaded
	}
	if p.behind.of[l.to] > 0 || gap || !p.loaded {
		p.fallBehindLocked(l.to)
		return false
	}
	return true
}

// gapLocked reports whether another partition sent something before the letter
// that was not found yet. What the own one sends arrives in order.
func (p *partition) gapLocked(l *letter) bool {
	from, ok := l.from.Partition()
	if !ok || from == p.number || l.seq == 1 {
		return false
	}
	found := p.behind.found[from]
	return len(found) == 0 || found[0][0] > 1 || found[0][1] < l.seq-1
}

func (p *partition) foundLocked(from row.Sender, seq int64) {
	if n, ok := from.Partition(); ok {
		p.behind.found[n] = p.behind.found[n].With(seq)
	}
}

// unread says that a blob of a message to an instance cannot be read now.
func (p *partition) unread(id history.InstanceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.markLocked(id)
	p.lookAgainLocked()
}

// look is a reading of the inbox, from before it begins.
type look struct {
	over   row.Range
	marks  int64         // those made before
	latest map[int]int64 // the highest number of each partition that was found before
}

func (p *partition) lookLocked(over row.Range) look {
	l := look{over, p.behind.marks, map[int]int64{}}
	for n, found := range p.behind.found {
		l.latest[n] = found.Latest()
	}
	return l
}

// lookedLocked says that a look showed these rows. Its receivers are behind no
// more, except those for whom something came meanwhile or could not be read.
func (p *partition) lookedLocked(l look, rows []storage.Row) {
	for i := range rows {
		if from, seq, err := row.ParseMessage(rows[i].Key); err == nil {
			p.foundLocked(from, seq)
		}
	}
	if l.over == row.Inbox() {
		// What a partition sent before something that was found is either among
		// the rows or was consumed.
		for n, latest := range l.latest {
			p.behind.found[n] = p.behind.found[n].UpTo(latest)
		}
	}
	maps.DeleteFunc(p.behind.of, func(id history.InstanceID, mark int64) bool { return mark <= l.marks && l.covers(id) })
	if len(p.behind.of) == 0 {
		p.behind.tries = 0
	}
}

func (l look) covers(id history.InstanceID) bool {
	return l.over == row.Inbox() || l.over == row.InboxOf(id)
}

// lookAgainLocked has the inboxes of those that are behind looked into again,
// after a while.
func (p *partition) lookAgainLocked() {
	if p.behind.waiting || p.gone {
		return
	}
	p.behind.waiting = true
	wait := backoff(p.behind.tries)
	p.behind.tries++
	p.work.Go(func() {
		pause(p.ctx, wait)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.behind.waiting = false
		for _, id := range slices.Sorted(maps.Keys(p.behind.of)) {
			p.ringLocked(id)
		}
	})
}
