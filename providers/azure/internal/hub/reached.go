package hub

import (
	"bytes"
	"context"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// Where the progress of an activity stands. Its owner keeps it in a row, see
// progress.go; a host that took it from a work queue in the queue's message, or if it
// does not fit in there in a blob that the message names. It goes along: an offer has
// it or says that the row does, and the letter has it by which an activity is given
// back to its owner, or has failed.
//
// No row names the blob. It is removed when the message names another one, or is
// removed; and what that misses is collected, unless its activity is with others.

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
	if g.inBlob = nil; with.Blob != "" {
		g.inBlob = progress
	}
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
	o, value := g.offer, g.inBlob
	g.mu.Unlock()
	var err error
	switch {
	case value != nil:
		return value, nil
	case o.Blob != "":
		value, err = row.Value(ctx, map[string][]byte{row.ProgressCell: row.InBlob(o.Blob)}, row.ProgressCell, s.getBlob)
	case o.Stored:
		value, err = s.getProgress(ctx, g.key().id)
	default:
		return o.Progress, nil
	}
	if err == nil && o.Blob != "" {
		g.mu.Lock()
		g.inBlob = value
		g.mu.Unlock()
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

// news is what the guest has reached; nil if its owner has that in a row.
func (g *guest) news(ctx context.Context) (history.Payload, error) {
	g.mu.Lock()
	stored := g.offer.Stored
	g.mu.Unlock()
	if stored {
		return nil, nil
	}
	return g.reached(ctx)
}

// giveToOwner gives a guest to the owner of its instance, with what it has reached.
func (g *guest) giveToOwner(ctx context.Context) error {
	progress, err := g.news(ctx)
	if err != nil {
		return err
	}
	s, o := g.member.store, &g.offer
	post, err := s.encodeReturned(o.ID, o.Born, row.Returned{
		Execution: o.Execution, Event: o.Event, Attempt: o.Attempt, Host: o.Host, Queued: o.Host == "",
		Deliveries: g.delivery() - 1,
	}, progress)
	if err == nil {
		err = s.insertPost(ctx, o.ID, post)
	}
	if err == nil {
		if bug.Planted("returned-progress-kept") {
			g.blobs = nil
		}
		g.done(ctx)
	}
	return err
}

// completeDetached sends the completion of an activity to the owner of its instance.
func (h *host) completeDetached(ctx context.Context, lock *workLock, m *provider.Message) error {
	post, err := lock.completion(ctx, m)
	if err != nil {
		return err
	}
	return h.store.insertPost(ctx, m.To, post)
}

// completed is the letter with a completion that was sent, perhaps.
type completed struct {
	lines []byte // of the completion
	post  post
}

// sameLetter is how long a completion is sent again as the same letter: what takes
// longer may count as late.
const sameLetter = journal.Late / 3

// completion is the letter with a completion, and with what was reached unless it cannot
// be tried again. Sent again it is the same one, which is in the inbox once only.
func (lock *workLock) completion(ctx context.Context, m *provider.Message) (post, error) {
	s, w := lock.host.store, lock.work
	lines, err := row.Lines([]*provider.Message{m})
	if err != nil {
		return post{}, fmt.Errorf("%w: %w", provider.ErrInvalid, err)
	}
	lock.mu.Lock()
	said := lock.said
	lock.mu.Unlock()
	if bytes.Equal(said.lines, lines) && s.cfg.Now().Sub(said.post.sent) < sameLetter {
		return said.post, nil
	}
	var progress history.Payload
	if f, failed := m.Data.(*history.ActivityFailed); failed && (f.Failure == nil || !f.Failure.NonRetryable) {
		progress = w.Reached()
		if g := guestOf(w); g != nil {
			progress, err = g.news(ctx)
		}
	}
	if err != nil {
		return post{}, err
	}
	p, err := s.encode(m.To, []*provider.Message{m}, row.Envelope{Of: w.Born}, progress)
	if err == nil {
		lock.mu.Lock()
		lock.said = completed{lines, p}
		lock.mu.Unlock()
	}
	return p, err
}

// reachDetached tells the new owner of an instance what an activity has reached that
// goes on here.
func (h *host) reachDetached(ctx context.Context, w *broker.Work, progress history.Payload) error {
	if progress == nil || bug.Planted("former-owner-silent") {
		return nil
	}
	s, id := h.store, w.ID
	r := &row.Returned{Execution: id.Execution, Event: id.Event, Attempt: w.Activity.Attempt}
	post, err := s.encode(id.Instance, nil, row.Envelope{Reached: r, Of: w.Born}, progress)
	if err != nil {
		return err
	}
	return s.insertPost(ctx, id.Instance, post)
}

// tryReached takes in what an activity has reached that a former owner runs, unless
// something came of that, or it said more since.
func (p *partition) tryReached(ctx context.Context, l *letter) error {
	r := l.envelope.Reached
	id := history.ActivityID{Instance: l.to, Execution: r.Execution, Event: r.Event}
	e := &journal.Entry{
		Consumed: []journal.Consumed{l.consumption("")},
		Valid:    func() error { return p.decided(l.to) },
		Applied:  func(journal.Applied) { p.dropped(l) },
	}
	i := p.get(l.to)
	if !p.isNews(i, id, l) {
		return p.commit(ctx, e)
	}
	w := p.progressRow(id, l.progress, l)
	if err := p.store.putBlobs(ctx, w.blobs); err != nil {
		return err
	}
	e.Ops = []storage.Op{w.op}
	e.Valid = func() error {
		if !p.isNews(p.get(l.to), id, l) {
			return errBusy // it is to be consumed alone
		}
		return p.unchanged(i)
	}
	e.Applied = func(journal.Applied) {
		p.wrote(i, w)
		p.dropped(l)
	}
	return p.commit(ctx, e)
}

// isNews reports whether a letter says what a former owner has reached last with an
// activity that it still has.
func (p *partition) isNews(i *instance, id history.ActivityID, l *letter) bool {
	if !i.has(l.envelope.Reached) || l.foreign(i) {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.progress[id.Instance][id.Event]
	return p.withheld[id.Instance][id.Event] && (s.Execution != id.Execution || s.From != l.from || s.Seq < l.seq)
}
