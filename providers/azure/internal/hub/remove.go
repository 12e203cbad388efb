package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// perform carries out an order: it removes an instance, or replaces it by the
// one that a start makes. By is the letter with which the order came, nil if it
// was called. The outcome is durable when perform returns nil.
func (p *partition) perform(ctx context.Context, id history.InstanceID, o *row.Order, start *provider.Message, by *letter) error {
	if err := p.reserve(ctx, id); err != nil {
		return err
	}
	return p.performReserved(ctx, id, o, start, by)
}

// performReserved is perform, for who has reserved the instance, and ends that.
func (p *partition) performReserved(ctx context.Context, id history.InstanceID, o *row.Order, start *provider.Message, by *letter) error {
	defer p.unreserve(id)
	begun := false
	for n := 0; ; n++ {
		now, err := p.tryPerform(ctx, id, o, start, by)
		begun = begun || now
		if storage.Is(err, storage.Exists) {
			continue // a client has started one since: what becomes of that is for the policy to say
		}
		switch err = moved(err); {
		case err == nil, errors.Is(err, errMoved), definite(err):
			return err
		case begun && ctx.Err() != nil: // what was sent may yet be applied
			return fmt.Errorf("%w: %w", provider.ErrUnknown, err)
		case !begun, errors.Is(err, storage.ErrGone), !provider.Retryable(classify(err)), bug.Planted("removal-given-up"):
			return err
		}
		if unlogged, due := p.complaints.removal.Due(); due {
			p.log().Warn("removing an instance is held up; it is tried again", "instance", string(id), "error", err, "unlogged", unlogged)
		}
		pause(ctx, storage.RetryAfter(err, backoff(n)))
	}
}

// tryPerform is perform, once. When it has begun the instance is not in memory any
// more, and would stand still if its removal were given up.
func (p *partition) tryPerform(ctx context.Context, id history.InstanceID, o *row.Order, start *provider.Message, by *letter) (begun bool, err error) {
	// What makes the instance may be on its way; see create.
	if !bug.Planted("made-beside-orders") {
		if err := p.journal.Settle(ctx); err != nil {
			return false, err
		}
	}
	old, err := p.judge(ctx, id, *o, start)
	if err != nil || old == nil {
		return false, err
	}
	if o.Purge && o.Born == "" {
		o.Born = old.Born // to begin again purges no other
	}
	if old.Exists() {
		// From here on no turn of the instance counts. What was sent before is
		// settled before the rows are looked at.
		begun = true
		p.quit(id)
		if err := p.journal.Settle(ctx); err != nil {
			return begun, err
		}
		if old, err = p.judge(ctx, id, *o, start); err != nil || old == nil {
			return begun, err
		}
	}
	return begun, p.remove(ctx, old, *o, start, by)
}

func moved(err error) error {
	if errors.Is(err, journal.ErrLost) || errors.Is(err, journal.ErrStopped) {
		return fmt.Errorf("%w: %w", errMoved, err)
	}
	return err
}

// reserve keeps others from removing the instance, and letters for it from
// being handed on, until unreserve.
func (p *partition) reserve(ctx context.Context, id history.InstanceID) error {
	for n := 0; ; n++ {
		p.mu.Lock()
		taken := p.removing[id]
		if !taken && !p.gone {
			p.removing[id] = true
		}
		gone := p.gone
		p.mu.Unlock()
		switch {
		case gone:
			return errMoved
		case !taken:
			return nil
		}
		if pause(ctx, backoff(n)); ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

func (p *partition) unreserve(id history.InstanceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.removing, id)
	if len(p.unresolved[id]) == 0 {
		delete(p.unresolved, id)
	}
	p.resolveSoonLocked(id)
}

// decided is errBusy while an instance is being removed: it may yet stay, and what a
// host says of its activities is not to be lost then.
func (p *partition) decided(id history.InstanceID) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.removing[id] {
		return errBusy
	}
	return nil
}

// neverWas is when an instance was purged that never existed.
const neverWas = 1

// judge reads the instance and decides whether the order may be carried out. It
// returns nothing if there is nothing to do. An instance that does not exist
// and never did is shown as an empty tombstone.
func (p *partition) judge(ctx context.Context, id history.InstanceID, o row.Order, start *provider.Message) (*row.Meta, error) {
	got, err := p.store.getSeen(ctx, id)
	if err != nil {
		if !errors.Is(err, row.ErrFormat) {
			return nil, err
		}
		// It cannot be read, and to purge it is what the operator can do.
		got = &seen{meta: row.Meta{ID: id, Status: history.StatusFailed}}
	}
	if got != nil {
		p.mergeAnswers(id, got.answers)
	}
	exists := got != nil && (got.meta.Exists() || got.meta.Purging)
	switch {
	case o.Purge && (!exists || o.Born != "" && got.meta.Born != "" && got.meta.Born != o.Born):
		return nil, provider.ErrNotFound
	case o.Purge && !o.Force && !got.meta.Status.Final() && !got.meta.Purging:
		return nil, fmt.Errorf("%w: it is %s: wait for its end, cancel it, or force", provider.ErrConflict, got.meta.Status)
	case o.Purge:
		return &got.meta, nil
	case exists && !got.meta.Purging:
		replace, err := reuse(&got.meta, start)
		if !replace {
			return nil, err
		}
		return &got.meta, nil
	case got == nil:
		return &row.Meta{ID: id, Purged: neverWas}, nil
	case requested(&got.meta, start):
		return nil, nil
	}
	return &got.meta, nil
}

// quit takes the instance out of memory: turns of it are lost, its activities
// cancelled.
func (p *partition) quit(id history.InstanceID) {
	p.mu.Lock()
	delete(p.instances, id)
	p.movesLocked(id)
	delete(p.progress, id)
	delete(p.withheld, id)
	delete(p.damaged, row.Escape(id))
	if !bug.Planted("next-instance-pruned") {
		delete(p.pruning, id)
	}
	p.mu.Unlock()
	p.store.handed.Gone(id)
	if p.member != nil {
		p.member.broker.Drop(id)
		p.member.scheduled.Drop(id)
		p.calm(turnPiece(id)) // the turn is lost, and nobody gives it back
	}
}

// maxRemoved bounds the rows that one transaction of a removal deletes.
const maxRemoved = 60

// remnant is what there is of an instance beside its own row.
type remnant struct {
	keys    []string
	letters []journal.Consumed
	order   *journal.Consumed // by which the removal was ordered
	blobs   []string
}

// remove deletes every row of an instance, in several transactions if need be,
// of which the last one leaves a tombstone or makes the new instance. If it is
// interrupted whoever owns the partition next goes on.
func (p *partition) remove(ctx context.Context, old *row.Meta, o row.Order, start *provider.Message, by *letter) error {
	found, err := p.remnants(ctx, old, by)
	if err != nil {
		return err
	}
	if len(found.keys)+len(found.letters) > maxRemoved {
		if err := p.removePartly(ctx, old, &found); err != nil {
			return err
		}
	}
	return p.finishRemoval(ctx, old, o, start, by, &found)
}

// remnants reads which rows there are.
func (p *partition) remnants(ctx context.Context, old *row.Meta, by *letter) (found remnant, err error) {
	id := old.ID
	collect := func(r row.Range) error {
		return p.store.scan(ctx, p.key, r, []string{row.BlobsCell, row.EnvelopeCell}, func(rows []storage.Row) error {
			for i := range rows {
				key := rows[i].Key
				if outlives(old, &rows[i], by) {
					continue
				}
				found.blobs = append(found.blobs, row.Blobs(rows[i].Cells)...)
				if row.KindOf(key) != row.KindInbox {
					found.keys = append(found.keys, key)
					continue
				}
				from, seq, err := row.ParseMessage(key)
				if err != nil {
					return err
				}
				if by != nil && key == by.key {
					c := by.consumption("")
					found.order = &c
				} else {
					found.letters = append(found.letters, journal.Consumed{
						Key: key, From: from, Seq: seq, Hash: rowHashes(from, key, id),
					})
				}
			}
			return nil
		})
	}
	var ranges []row.Range // none if there is no instance: what waits is for the one that is made now
	if old.Exists() || old.Purging {
		ranges = []row.Range{
			row.InboxOf(id), row.HistoryOf(id), row.ProgressOf(id),
			row.Only(row.Work(id)), row.Only(row.State(id)),
		}
		places := []row.Place{row.PlaceOf(old.Status)}
		if old.Created == 0 { // its row cannot be read
			places = row.Places()
		}
		for _, place := range places {
			ranges = append(ranges, row.Only(place.Key(id)))
		}
		if old.Timer != 0 {
			ranges = append(ranges, row.Only(row.Timers(old.Timer, id)))
		}
	} else if old.Purged > neverWas && !bug.Planted("tombstone-index-kept") {
		found.keys = append(found.keys, row.Purged(old.Purged, id))
	}
	var errs []error
	for _, r := range ranges {
		errs = append(errs, collect(r))
	}
	if old.Exists() || old.Purging {
		r, err := p.store.account.Get(ctx, p.store.cfg.Name, p.key, row.Instance(id))
		if err != nil {
			errs = append(errs, err)
		}
		found.blobs = append(found.blobs, row.Blobs(r.Cells)...)
	} else if by != nil {
		c := by.consumption("")
		found.order = &c
	}
	return found, errors.Join(errs...)
}

// handAgain has letters handed on once more that were handed to an instance
// which is gone, and are not its own.
func (p *partition) handAgain(id history.InstanceID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var again []*letter
	for _, l := range p.inboxOf[id] {
		if !slices.Contains(p.unresolved[id], l) {
			again = append(again, l)
		}
	}
	slices.SortFunc(again, func(a, b *letter) int { return cmp.Compare(a.number, b.number) })
	p.unresolved[id] = append(again, p.unresolved[id]...)
}

// removePartly deletes rows until few enough are left for the last transaction.
// The instance is gone for clients with the first.
func (p *partition) removePartly(ctx context.Context, old *row.Meta, found *remnant) error {
	id := old.ID
	meta := *old
	meta.Purging, meta.Format = true, row.Format
	mark := row.Cells{Name: func() string { return p.store.blobName(id) }}
	mark.Set(row.InstanceCell, wire.MustJSON(&meta))
	work := row.Cells{}
	work.Set(row.WorkCell, wire.MustJSON(row.OpenWork{Format: row.Format, ID: id, Purging: !bug.Planted("purge-not-recorded")}))
	key := row.Work(id)
	found.keys = slices.DeleteFunc(found.keys, func(k string) bool { return k == key })
	ops := []storage.Op{
		{Verb: storage.Merge, Row: storage.Row{Key: row.Instance(id), Cells: mark.Map}},
		{Verb: storage.Put, Row: storage.Row{Key: key, Cells: work.Map}},
	}
	for len(found.keys)+len(found.letters) > maxRemoved {
		e := &journal.Entry{Ops: ops}
		n := min(maxRemoved, len(found.keys))
		for _, k := range found.keys[:n] {
			e.Ops = append(e.Ops, deletion(k))
		}
		found.keys = found.keys[n:]
		n = min(maxRemoved-n, len(found.letters))
		e.Consumed = found.letters[:n]
		found.letters = found.letters[n:]
		lenient(e)
		if err := p.commit(ctx, e); err != nil {
			return err
		}
		p.droppedKeys(e.Consumed)
		if ops != nil {
			p.store.waiters.Look(id) // it is gone for those who wait for it, too
		}
		ops = nil
	}
	found.keys = append(found.keys, key)
	return nil
}

// lenient has an entry go on without what is gone by now of the rows that it deletes
// or consumes.
func lenient(e *journal.Entry) {
	e.Rejected = func(op int, r *storage.Rejection) *journal.Entry {
		again := *e
		switch n := len(e.Ops); {
		case r.Reason != storage.Missing:
			return nil
		case op >= n:
			again.Consumed = slices.Delete(slices.Clone(e.Consumed), op-n, op-n+1)
		case e.Ops[op].Verb == storage.Delete:
			again.Ops = slices.Delete(slices.Clone(e.Ops), op, op+1)
		default:
			return nil
		}
		e.Ops, e.Consumed = again.Ops, again.Consumed
		return &again
	}
}

func deletion(key string) storage.Op {
	return storage.Op{Verb: storage.Delete, Row: storage.Row{Key: key}}
}

// droppedKeys forgets rows of the inbox that a removal deleted.
func (p *partition) droppedKeys(gone []journal.Consumed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range gone {
		if l := p.inbox[c.Key]; l != nil {
			waiting := p.unresolved[l.to]
			p.unresolved[l.to] = slices.DeleteFunc(slices.Clone(waiting), func(w *letter) bool { return w == l })
			p.removeLocked(l)
		} else if p.sweeping > 0 {
			p.swept[c.Key] = true
		}
	}
}

// maxRequests bounds the requests that a tombstone remembers.
const maxRequests = 16

// finishRemoval is the last transaction of a removal.
func (p *partition) finishRemoval(ctx context.Context, old *row.Meta, o row.Order, start *provider.Message, by *letter, found *remnant) error {
	s, id := p.store, old.ID
	now := s.cfg.Now()
	requests := old.Requests
	if old.Origin != "" {
		requests = append(slices.Clone(requests), row.RequestOf(old.Request, old.Origin))
	}
	requests = requests[max(0, len(requests)-maxRequests):]
	if bug.Planted("requests-forgotten") {
		requests = nil
	}
	var blobs []row.BlobData
	var fresh *storage.Row
	e := &journal.Entry{Consumed: found.letters, Applied: func(journal.Applied) {
		// A commit that was under way when the removal began has put it back, and what
		// was taken out of the broker may have come back with it.
		if !bug.Planted("replaced-put-back") {
			p.quit(id)
		}
	}}
	lenient(e)
	for _, k := range found.keys {
		e.Ops = append(e.Ops, deletion(k))
	}
	meta := &row.Meta{Format: row.Format, ID: id, Purged: wire.Nanos(now), Requests: requests}
	if start != nil {
		meta = row.Pending(start, s.born(), now)
		meta.Requests = requests
		post, err := s.encodePost(id, []*provider.Message{start}, row.Envelope{Born: meta.Born, Created: meta.Created, Requests: requests})
		if err != nil {
			return err
		}
		fresh, blobs = &post.row, post.blobs
		open := row.Open(id)
		e.Ops = slices.DeleteFunc(e.Ops, func(op storage.Op) bool { return op.Row.Key == open })
		e.Ops = append(e.Ops,
			storage.Op{Verb: storage.Put, Row: storage.Row{Key: open, Cells: row.IndexCells(meta)}},
			storage.Op{Verb: storage.Insert, Row: post.row})
	} else {
		e.Ops = append(e.Ops, storage.Op{Verb: storage.Put, Row: storage.Row{Key: row.Purged(meta.Purged, id), Cells: row.IndexCells(meta)}})
	}
	c := row.Cells{Name: func() string { return s.blobName(id) }}
	c.Set(row.InstanceCell, wire.MustJSON(meta))
	if cell := p.answersWith(id, o.ID, nil); cell != nil {
		c.Map[row.AnswersCell] = cell
	}
	if by != nil && found.order != nil {
		e.Consumed = append(slices.Clone(e.Consumed), *found.order)
	}
	verb := storage.Replace
	if old.Purged == neverWas {
		verb = storage.Insert
	}
	if bug.Planted("tombstone-dropped") && start == nil {
		e.Ops = append(e.Ops, deletion(row.Instance(id)))
	} else {
		e.Ops = append(e.Ops, storage.Op{Verb: verb, Row: storage.Row{Key: row.Instance(id), Cells: c.Map}})
	}
	if err := s.putBlobs(ctx, append(blobs, c.Blobs...)); err != nil {
		return err
	}
	if err := p.commit(ctx, e); err != nil {
		return err
	}
	p.droppedKeys(e.Consumed)
	if old.Exists() || old.Purging {
		p.handAgain(id)
	}
	s.dropBlobs(found.blobs)
	s.waiters.Look(id)
	if fresh != nil && p.member != nil {
		letters := p.readLetters([]storage.Row{*fresh})
		for _, l := range letters {
			l.made = true
		}
		p.arrive(letters...)
	}
	return nil
}

// resumePurge goes on with a removal that a former owner began.
func (p *partition) resumePurge(ctx context.Context, id history.InstanceID) {
	defer p.unreserve(id)
	select {
	case <-p.ready:
	case <-ctx.Done():
		return
	}
	p.quit(id)
	for n := 0; ctx.Err() == nil; n++ {
		got, err := p.store.getSeen(ctx, id)
		if err == nil && (got == nil || got.meta.Purged != 0) {
			return
		}
		if err == nil {
			p.mergeAnswers(id, got.answers)
			if err = p.remove(ctx, &got.meta, row.Order{Purge: true, Force: true}, nil, nil); err == nil {
				return
			}
		}
		if unlogged, due := p.complaints.removal.Due(); due {
			p.log().Warn("removing an instance is held up; it is tried again", "instance", string(id), "error", err, "unlogged", unlogged)
		}
		pause(ctx, backoff(n))
	}
}
