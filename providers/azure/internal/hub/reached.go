package hub

import (
	"context"
	"errors"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// Where the progress of an activity stands. Its owner keeps it in a row; a host that
// took it from a work queue in the queue's message, or if it does not fit in there in
// a blob that the message names. It goes along: an offer has it or says that the row
// does, and what is given back to the owner has it in its letter.
//
// No row names the blob. It is removed when the message names another one, or is
// removed; and what that misses is collected, as long as its activity is not open.

// maxOffer is the largest message for a work queue, in bytes: base64 makes it a
// third larger.
const maxOffer = 47 << 10

// reach notes in the guest's offer what it has reached.
func (g *guest) reach(ctx context.Context, progress history.Payload) error {
	s := g.member.store
	g.mu.Lock()
	with := g.offer
	g.mu.Unlock()
	with.Progress, with.Blob, with.Stored = progress, "", false
	if len(wire.MustJSON(&with)) > maxOffer {
		if bug.Planted("large-progress-dropped") {
			return nil
		}
		with.Progress, with.Blob = nil, row.ProgressBlob(with.ID, with.Execution, with.Event, s.uniqueName())
		if err := s.putBlobs(ctx, []row.BlobData{{Name: with.Blob, Data: row.Pack(progress)}}); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if with.Blob != "" {
		g.blobs = append(g.blobs, with.Blob)
	}
	g.offer.Progress, g.offer.Blob, g.offer.Stored, g.changed = with.Progress, with.Blob, with.Stored, true
	return nil
}

// apart is a list with that name alone, if it is in it, and the others.
func apart(names []string, name string) (kept, others []string) {
	for _, n := range names {
		if n == name {
			kept = append(kept, n)
		} else {
			others = append(others, n)
		}
	}
	return kept, others
}

// reached reads the progress that the guest's offer leads to.
func (g *guest) reached(ctx context.Context) (history.Payload, error) {
	s := g.member.store
	g.mu.Lock()
	o := g.offer
	g.mu.Unlock()
	var value []byte
	var err error
	switch {
	case o.Blob != "":
		value, err = row.Value(ctx, map[string][]byte{row.ProgressCell: row.InBlob(o.Blob)}, row.ProgressCell, s.getBlob)
	case o.Stored:
		value, err = s.readProgress(ctx, &o)
	default:
		return o.Progress, nil
	}
	if !storage.Is(err, storage.Missing) {
		return value, err
	}
	// Another host may have taken the message, and got further.
	if err := g.extend(ctx, workLease, nil); isTaken(err) {
		g.member.farewell(g)
		return nil, errNotOpen
	}
	if open, failed := s.stillOpen(ctx, &o); failed == nil && !open {
		g.done(ctx)
		return nil, errNotOpen
	}
	return nil, corrupt(o.ID, "its progress", fmt.Errorf("of activity %d of execution %d: %w", o.Event, o.Execution, err))
}

// readProgress reads the row of progress of an offered activity. Without the row
// there is none: it goes with the execution.
func (s *Store) readProgress(ctx context.Context, o *row.Offer) (history.Payload, error) {
	r, err := s.account.Get(ctx, s.cfg.Name, s.partitionKey(o.Partition), row.Progress(o.ID, o.Event))
	if storage.Is(err, storage.Missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return row.Value(ctx, r.Cells, row.ProgressCell, s.getBlob)
}

// giveToOwner gives a guest to the owner of its instance, with what it has reached.
func (g *guest) giveToOwner(ctx context.Context) error {
	progress, err := g.reached(ctx)
	if err != nil {
		return err
	}
	s, o := g.member.store, &g.offer
	post, err := s.encodeReturned(o.ID, o.Born, row.Returned{
		Execution: o.Execution, Event: o.Event, Attempt: o.Attempt, Host: o.Host, Queued: o.Host == "",
	}, progress)
	if err == nil {
		err = s.insertPost(ctx, o.ID, post)
	}
	if err == nil {
		g.done(ctx)
	}
	return err
}

// storedProgress is the row of progress of an activity, and what must be written
// before it.
func (p *partition) storedProgress(id history.InstanceID, event int64, progress history.Payload) (storage.Op, []row.BlobData) {
	c := row.Cells{Name: func() string { return p.store.blobName(id) }}
	c.Set(row.ProgressCell, progress)
	c.Map[row.WhoseCell] = wire.MustJSON(row.Whose{ID: id, Event: event})
	return storage.Op{Verb: storage.Put, Row: storage.Row{Key: row.Progress(id, event), Cells: c.Map}}, c.Blobs
}

// storeProgress writes what an activity of an instance that runs here has reached.
func (p *partition) storeProgress(ctx context.Context, i *instance, id history.ActivityID, progress history.Payload) error {
	op, blobs := p.storedProgress(id.Instance, id.Event, progress)
	if err := p.store.putBlobs(ctx, blobs); err != nil {
		return err
	}
	err := p.commit(ctx, &journal.Entry{
		Ops:   []storage.Op{op},
		Valid: func() error { return p.unchanged(i) },
		Applied: func(journal.Applied) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.hasProgressLocked(id.Instance, id.Event)
		},
	})
	if errors.Is(err, errNotOpen) || errors.Is(err, errBusy) || errors.Is(err, journal.ErrLost) || errors.Is(err, journal.ErrStopped) {
		return nil // the next signal tells
	}
	return err
}

// hasProgressLocked notes that an activity has a row of progress.
func (p *partition) hasProgressLocked(id history.InstanceID, event int64) {
	if p.progress[id] == nil {
		p.progress[id] = map[int64]bool{}
	}
	p.progress[id][event] = true
}

// hasProgress reports whether an activity has a row of progress.
func (p *partition) hasProgress(id history.InstanceID, event int64) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.progress[id][event]
}
