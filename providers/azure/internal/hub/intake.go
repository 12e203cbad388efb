package hub

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// letter is a row of the inbox that is known and not consumed.
type letter struct {
	partition *partition
	key       string
	number    int64 // by which the broker names its messages
	from      row.Sender
	seq       int64
	envelope  row.Envelope
	messages  []provider.Message
	blobs     []string
	alias     []*letter // rows with the same messages, sent again
	handed    []int     // messages that the broker has or had, by index
	done      int       // how many of those were consumed
}

func (l *letter) to() history.InstanceID { return l.envelope.To }

// special reports whether the letter is for the owner of the partition, rather
// than for the instance.
func (l *letter) special() bool { return l.envelope.Order != nil || l.envelope.Returned != nil }

// consumption is the letter as the journal deletes and notices it. Born is that
// of the instance that consumes it.
func (l *letter) consumption(born string) journal.Consumed {
	c := journal.Consumed{Key: l.key, From: l.from, Seq: l.seq}
	for i := range l.messages {
		c.Hash = append(c.Hash, row.Hash(l.messages[i].ID, l.to(), born))
	}
	return c
}

// readLetter reads a row of the inbox.
func (p *partition) readLetter(ctx context.Context, r *storage.Row) (*letter, error) {
	l := &letter{partition: p, key: r.Key, blobs: row.Blobs(r.Cells)}
	var err error
	if l.from, l.seq, err = row.ParseMessage(r.Key); err != nil {
		return nil, fmt.Errorf("%w: %w", row.ErrFormat, err)
	}
	if l.envelope, err = row.ParseEnvelope(r.Cells); err != nil {
		return nil, err
	}
	lines, err := row.Value(ctx, r.Cells, row.MessagesCell, p.store.getBlob)
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(lines) {
		m, err := wire.Decode(bytes.TrimSuffix(line, []byte{'\n'}))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", row.ErrFormat, err)
		}
		l.messages = append(l.messages, m)
	}
	if len(l.messages) != l.envelope.Count {
		return nil, fmt.Errorf("%w: it has %d messages and should have %d", row.ErrFormat, len(l.messages), l.envelope.Count)
	}
	return l, nil
}

// takeRows takes in rows of the inbox as they were read, in the order of their
// keys. Rows that are known already are left alone.
func (p *partition) takeRows(rows []storage.Row) { p.take(p.readLetters(rows)...) }

// readLetters reads rows of the inbox that are not known. Those of one instance
// come in the order in which they were sent, as far as that is known: each
// sender numbers its own, and between senders the time of sending decides.
func (p *partition) readLetters(rows []storage.Row) []*letter {
	var fresh []*letter
	for i := range rows {
		r := &rows[i]
		if p.known(r.Key) {
			continue
		}
		l, err := p.readLetter(p.ctx, r)
		if err != nil {
			if storage.Is(err, storage.Missing) || p.ctx.Err() != nil {
				continue // consumed meanwhile, and its blob removed
			}
			p.log().Error("a message cannot be read: it stays where it is; upgrade the program if a newer one wrote it", "row", r.Key, "error", err)
			continue
		}
		fresh = append(fresh, l)
	}
	for _, of := range byReceiver(fresh) {
		mergeSenders(of)
	}
	return fresh
}

// byReceiver cuts letters, which are in the order of their keys, into those of
// each instance.
func byReceiver(letters []*letter) (all [][]*letter) {
	for len(letters) > 0 {
		n := 1
		for n < len(letters) && letters[n].to() == letters[0].to() {
			n++
		}
		all = append(all, letters[:n])
		letters = letters[n:]
	}
	return all
}

// mergeSenders puts the letters of one instance, which are in the order of their
// keys, into the order in which they were sent.
func mergeSenders(letters []*letter) {
	var senders [][]*letter
	for rest := slices.Clone(letters); len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].from == rest[0].from {
			n++
		}
		senders = append(senders, rest[:n])
		rest = rest[n:]
	}
	if len(senders) == 1 {
		return
	}
	for i := range letters {
		first := -1
		for s, of := range senders {
			if len(of) > 0 && (first < 0 || of[0].envelope.Sent < senders[first][0].envelope.Sent) {
				first = s
			}
		}
		letters[i], senders[first] = senders[first][0], senders[first][1:]
	}
}

func (p *partition) known(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inbox[key] != nil || p.swept[key]
}

// take takes in letters whose rows are durable, in order.
func (p *partition) take(letters ...*letter) {
	var drop []*letter
	p.mu.Lock()
	p.takeLocked(letters, &drop)
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
	p.takeLocked(letters, &drop)
	p.deliverNowLocked(restored...)
	p.mu.Unlock()
	p.dropAll(drop)
}

func (p *partition) takeLocked(letters []*letter, drop *[]*letter) {
	for _, l := range letters {
		if p.gone || !p.loaded {
			break // whoever serves the partition next finds the rows
		}
		if p.inbox[l.key] != nil || p.swept[l.key] {
			continue
		}
		if len(l.messages) == 0 && !l.special() {
			*drop = append(*drop, l)
			continue
		}
		p.addLocked(l)
		if len(p.unresolved[l.to()]) > 0 || p.removing[l.to()] || !p.resolveLocked(l, drop) {
			p.unresolved[l.to()] = append(p.unresolved[l.to()], l)
			p.resolveSoonLocked(l.to())
		}
	}
}

// deliverNowLocked hands on what was gathered, all at once: messages that were
// found together are handed over together.
func (p *partition) deliverNowLocked(restored ...broker.Restored) {
	if len(p.gathered)+len(restored) > 0 {
		p.member.broker.Restore(restored, p.gathered...)
		p.gathered = nil
	}
}

func (p *partition) addLocked(l *letter) {
	l.number = p.member.number(l)
	p.inbox[l.key] = l
	if p.inboxOf[l.to()] == nil {
		p.inboxOf[l.to()] = map[string]*letter{}
	}
	p.inboxOf[l.to()][l.key] = l
}

func (p *partition) removeLocked(l *letter) {
	p.member.forgetNumber(l)
	delete(p.inbox, l.key)
	if of := p.inboxOf[l.to()]; of != nil {
		if delete(of, l.key); len(of) == 0 {
			delete(p.inboxOf, l.to())
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
	if p.journal.Numbered(l.from, l.seq) {
		*drop = append(*drop, l)
		return true
	}
	if l.special() {
		return false
	}
	if l.envelope.Born != "" { // its start made the instance
		return p.deliverCreatedLocked(l, drop)
	}
	if i := p.instances[l.to()]; i != nil && i.begun() {
		return p.deliverLocked(l, broker.Exists, i, drop)
	}
	return false
}

// deliverCreatedLocked hands on the letter whose start made the instance.
func (p *partition) deliverCreatedLocked(l *letter, drop *[]*letter) bool {
	i := p.instances[l.to()]
	if i == nil && l.envelope.Done == 0 {
		if p.journal.Noticed(row.Hash(l.messages[0].ID, l.to(), l.envelope.Born)) {
			*drop = append(*drop, l)
			return true
		}
		m := row.Pending(&l.messages[0], l.envelope.Born, wire.FromNanos(l.envelope.Created))
		m.Parked, m.ParkedAt = l.envelope.Parked, l.envelope.ParkedAt
		i = &instance{id: l.to(), seen: &seen{meta: *m}, open: open{born: m.Born, name: m.Name, version: m.Version}}
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
	l.handed = nil
	var ds []broker.Delivery
	var waits *letter // one that has messages of this one
	for n := range l.messages {
		m := &l.messages[n]
		hash := row.Hash(m.ID, l.to(), born)
		if n < l.envelope.Done || i != nil && p.journal.Noticed(hash) {
			continue
		}
		if doubled(ds, m.ID) || doubled(p.gathered, m.ID) || p.member.broker.Waits(m.ID) {
			waits = p.waitingLocked(l, m.ID)
			continue
		}
		d := broker.Delivery{Message: *m, Key: l.number, Receiver: receiver, Attempts: p.store.handed.Attempts(l.to(), m.ID)}
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
		ds = append(ds, d)
	}
	switch {
	case len(ds) > 0:
		p.gathered = append(p.gathered, ds...)
	case waits != nil:
		waits.alias = append(waits.alias, l)
	default:
		*drop = append(*drop, l)
	}
	return true
}

func doubled(ds []broker.Delivery, id string) bool {
	return slices.ContainsFunc(ds, func(d broker.Delivery) bool { return d.Message.ID == id })
}

// waitingLocked finds the letter with a message that waits.
func (p *partition) waitingLocked(l *letter, id string) *letter {
	for _, other := range p.inboxOf[l.to()] {
		if other != l && slices.ContainsFunc(other.handed, func(n int) bool { return other.messages[n].ID == id }) {
			return other
		}
	}
	return nil
}

// dropAll deletes rows whose messages were consumed before.
func (p *partition) dropAll(letters []*letter) {
	for _, l := range letters {
		p.journal.Submit(&journal.Entry{
			Ops:     []storage.Op{{Verb: storage.Delete, Row: storage.Row{Key: l.key}}},
			Applied: func(journal.Applied) { p.dropped(l) },
			Failed: func(err error) {
				if storage.Is(err, storage.Missing) {
					p.dropped(l)
				}
			},
		})
	}
}

func (p *partition) dropped(l *letter) {
	p.mu.Lock()
	p.removeLocked(l)
	p.mu.Unlock()
	p.store.dropBlobs(l.blobs)
}

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
	for n := 0; ; n++ {
		got, err := p.read(ctx, id)
		if err == nil {
			if p.hand(ctx, id, got) {
				return
			}
			continue
		}
		if ctx.Err() != nil {
			return
		}
		p.log().Warn("the receiver of messages cannot be read; it is tried again", "instance", string(id), "error", err)
		pause(ctx, backoff(n))
	}
}

// hand hands letters on whose receiver was read. It reports whether that is
// done; otherwise the receiver is to be read again.
func (p *partition) hand(ctx context.Context, id history.InstanceID, i *instance) bool {
	var drop []*letter
	p.mu.Lock()
	next := p.handLocked(id, i, &drop)
	p.deliverNowLocked()
	p.mu.Unlock()
	p.dropAll(drop)
	if next == nil {
		return true
	}
	next(ctx)
	return false
}

// handLocked hands on letters until something must be done without the mutex,
// which it returns; nil if none are left.
func (p *partition) handLocked(id history.InstanceID, i *instance, drop *[]*letter) func(context.Context) {
	again := func(context.Context) {}
	for {
		waiting := p.unresolved[id]
		if p.gone || p.removing[id] || len(waiting) == 0 {
			if len(waiting) == 0 {
				delete(p.unresolved, id)
			}
			close(p.resolving[id])
			delete(p.resolving, id)
			return nil
		}
		l := waiting[0]
		if now := p.instances[id]; now != nil && now.seen != nil {
			i = now
		}
		switch {
		case p.journal.Numbered(l.from, l.seq):
			*drop = append(*drop, l)
		case l.envelope.Order != nil:
			p.popLocked(id, l)
			return func(ctx context.Context) { p.execute(ctx, l) }
		case l.envelope.Returned != nil:
			p.popLocked(id, l)
			return func(ctx context.Context) { p.takeReturned(ctx, l) }
		case i == nil && len(l.messages) > 0 && l.envelope.Done == 0 && l.messages[0].Start != nil:
			return func(ctx context.Context) {
				if err := p.create(ctx, l); err != nil {
					pause(ctx, backoff(2))
				}
			}
		case i == nil:
			p.deliverLocked(l, broker.Missing, nil, drop)
		case l.envelope.Born == "" && !i.begun():
			// Its start comes first, and is in the inbox.
			first := p.startLocked(id, i.seen.meta.Born)
			if first == nil {
				return func(ctx context.Context) { p.sweep(ctx, row.InboxOf(id)) }
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

// resolved waits until letters that were sent directly were handed on, so that
// what a commit sends is there when it returns.
func (p *partition) resolved(ctx context.Context, sent []*direct) {
	for _, d := range sent {
		p.awaitResolved(ctx, d.letter.to())
	}
}

func (p *partition) awaitResolved(ctx context.Context, id history.InstanceID) {
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

func (p *partition) popLocked(id history.InstanceID, l *letter) {
	p.unresolved[id] = slices.DeleteFunc(slices.Clone(p.unresolved[id]), func(w *letter) bool { return w == l })
}

// create makes the instance that a start asks for, where no transaction of the
// sender did: the id was taken when it was sent, by what was purged since.
func (p *partition) create(ctx context.Context, l *letter) error {
	start := &l.messages[0]
	m := row.Pending(start, p.store.born(), p.store.cfg.Now())
	c := row.Cells{Name: func() string { return p.store.blobName(l.to()) }}
	c.Set(row.InstanceCell, wire.MustJSON(m))
	op := storage.Op{Verb: storage.Insert, Row: storage.Row{Key: row.Instance(l.to()), Cells: c.Map}}
	r, err := p.store.account.Get(ctx, p.store.cfg.Name, p.key, op.Row.Key)
	switch {
	case err == nil:
		old, err := readMeta(ctx, r.Cells, p.store.getBlob)
		if err != nil || old.Exists() {
			return err
		}
		if start.Start.RequestID != "" && slices.Contains(old.Requests, start.Start.RequestID) {
			p.mu.Lock()
			p.popLocked(l.to(), l)
			p.mu.Unlock()
			p.dropAll([]*letter{l}) // it ran, and was purged: nothing comes back
			return nil
		}
		op.Verb, op.IfMatch = storage.Replace, r.ETag
	case !storage.Is(err, storage.Missing):
		return err
	}
	if err := p.store.putBlobs(ctx, c.Blobs); err != nil {
		return err
	}
	envelope := l.envelope
	envelope.Born, envelope.Created = m.Born, m.Created
	err = p.commit(ctx, &journal.Entry{
		Ops: []storage.Op{
			op,
			{Verb: storage.Put, Row: storage.Row{Key: row.Open(l.to()), Cells: row.IndexCells(m)}},
			{Verb: storage.Merge, Row: storage.Row{Key: l.key, Cells: map[string][]byte{row.EnvelopeCell: wire.MustJSON(envelope)}}},
		},
		Applied: func(journal.Applied) {
			p.mu.Lock()
			l.envelope = envelope
			p.putLocked(&instance{id: l.to(), seen: &seen{meta: *m}, open: open{born: m.Born, name: m.Name, version: m.Version}})
			p.mu.Unlock()
			p.store.waiters.Look(l.to())
		},
	})
	if storage.Is(err, storage.Exists) || storage.Is(err, storage.Precondition) {
		return nil // a client was faster: the receiver is read again
	}
	return err
}

// commit submits an entry and waits until it is settled.
func (p *partition) commit(ctx context.Context, e *journal.Entry) error {
	done := make(chan error, 1)
	applied, failed := e.Applied, e.Failed
	e.Applied = func(a journal.Applied) {
		if applied != nil {
			applied(a)
		}
		done <- nil
	}
	e.Failed = func(err error) {
		if failed != nil {
			failed(err)
		}
		done <- err
	}
	p.journal.Submit(e)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// born tells an instance from others of its id.
func (s *Store) born() string {
	return fmt.Sprintf("%s.%d", s.sender, s.uniques.Add(1))
}

const minTimeout = 200 * time.Millisecond
