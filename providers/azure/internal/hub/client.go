package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// Send implements [provider.Store].
func (s *Store) Send(ctx context.Context, m provider.Message) error {
	op := "sending to " + quote(m.To)
	if err := s.check(ctx, op); err != nil {
		return err
	}
	if err := admit.Message(&m, s.cfg.Now()); err != nil {
		return fmt.Errorf("azure: %w", err)
	}
	m = admit.Keep(m)
	if m.Start != nil {
		return failed("starting "+quote(m.To), s.start(ctx, &m))
	}
	return failed(op, s.insert(ctx, &m))
}

// nextSeq numbers the rows of this client, in the order of their sends.
func (s *Store) nextSeq() int64 { return s.sent.Add(1) }

// post is a row for an inbox, and what must be written before it.
type post struct {
	row   storage.Row
	blobs []row.BlobData
	sent  time.Time
}

func (s *Store) encodePost(to history.InstanceID, messages []*provider.Message, envelope row.Envelope) (post, error) {
	return s.encode(to, messages, envelope, nil)
}

// encodeReturned is a row by which an activity of the instance that was born so is
// given back, with its progress.
func (s *Store) encodeReturned(to history.InstanceID, born string, r row.Returned, progress history.Payload) (post, error) {
	return s.encode(to, nil, row.Envelope{Returned: &r, Of: born}, progress)
}

func (s *Store) encode(to history.InstanceID, messages []*provider.Message, envelope row.Envelope, progress history.Payload) (post, error) {
	lines, err := row.Lines(messages)
	if err != nil {
		return post{}, fmt.Errorf("%w: %w", provider.ErrInvalid, err)
	}
	now := s.cfg.Now()
	envelope.Format, envelope.To, envelope.Count, envelope.Sent = row.Format, to, len(messages), wire.Nanos(now)
	envelope.Start = len(messages) > 0 && messages[0].Start != nil
	c := row.Cells{Name: func() string { return s.blobName(to) }}
	c.Set(row.MessagesCell, lines)
	if progress != nil {
		c.Set(row.ProgressCell, progress)
	}
	c.Map[row.EnvelopeCell] = wire.MustJSON(envelope)
	return post{storage.Row{Key: row.Message(to, s.sender, s.nextSeq()), Cells: c.Map}, c.Blobs, now}, nil
}

// insert puts a message into an inbox.
func (s *Store) insert(ctx context.Context, m *provider.Message) error {
	return s.insertOf(ctx, m, "")
}

// insertOf puts the completion of an activity into an inbox. For an instance of its id
// that was born otherwise it is nothing.
func (s *Store) insertOf(ctx context.Context, m *provider.Message, born string) error {
	p, err := s.encodePost(m.To, []*provider.Message{m}, row.Envelope{Of: born})
	if err != nil {
		return err
	}
	return s.insertPost(ctx, m.To, p)
}

func (s *Store) insertPost(ctx context.Context, to history.InstanceID, p post) error {
	if err := s.putBlobs(ctx, p.blobs); err != nil {
		return err
	}
	n := s.Partition(to)
	err := s.inserts.insert(ctx, n, []storage.Op{{Verb: storage.Insert, Row: p.row}})
	if storage.Is(err, storage.Exists) {
		err = nil // an earlier try was applied: the key is ours alone
	}
	if err == nil {
		err = s.stillTheHub(ctx)
	}
	if took := s.cfg.Now().Sub(p.sent); err == nil && took > journal.Late {
		err = fmt.Errorf("%w: it was acknowledged %v after it was sent, and what takes more than %v may go to the dead letters", provider.ErrUnknown, took.Round(time.Second), journal.Late)
	}
	if err == nil || errors.Is(err, provider.ErrUnknown) {
		s.handOver(ctx, n, to, p.row)
	}
	return err
}

// handOver sees to a row that was inserted. If this process owns the partition,
// its hosts can have the messages when it returns (B6).
func (s *Store) handOver(ctx context.Context, n int, to history.InstanceID, r storage.Row) {
	s.arrived(n, []storage.Row{r})
	if q := s.owned(n); q != nil && q.live() && !bug.Planted("sent-before-resolved") {
		q.awaitResolved(ctx, to)
	}
}

// transact sends inserts to a partition, again while the outcome is unknown:
// what was applied before is rejected as being there.
func (s *Store) transact(ctx context.Context, n int, ops []storage.Op) error {
	var unknown error
	for try := 0; ; try++ {
		_, err := s.account.Transact(ctx, s.cfg.Name, s.partitionKey(n), ops)
		switch {
		case !errors.Is(err, storage.ErrUnknown):
			if err != nil && unknown != nil {
				return errors.Join(unknown, err) // the first try may have been applied
			}
			return err
		case try == maxTries || ctx.Err() != nil:
			return err
		}
		unknown = err
		pause(ctx, storage.RetryAfter(err, backoff(try)))
	}
}

// maxTries bounds how often a client repeats a write by itself.
const maxTries = 4

// start starts an instance. Where the id is free that is one transaction, which
// only inserts; otherwise it is for the partition's owner to decide.
func (s *Store) start(ctx context.Context, m *provider.Message) error {
	id, n := m.To, s.Partition(m.To)
	created := row.Pending(m, s.born(), s.cfg.Now())
	c := row.Cells{Name: func() string { return s.blobName(id) }}
	c.Set(row.InstanceCell, wire.MustJSON(created))
	p, err := s.encodePost(id, []*provider.Message{m}, row.Envelope{Born: created.Born, Created: created.Created})
	if err != nil {
		return err
	}
	if err := s.putBlobs(ctx, append(slices.Clone(p.blobs), c.Blobs...)); err != nil {
		return err
	}
	ops := append(startOps(created, c.Map), storage.Op{Verb: storage.Insert, Row: p.row})
	err = s.inserts.insert(ctx, n, ops)
	if err == nil {
		err = s.stillTheHub(ctx)
	}
	if took := s.cfg.Now().Sub(p.sent); err == nil && took > lateStart {
		err = fmt.Errorf("%w: it was acknowledged %v after it was sent, and a start that takes more than %v may not count", provider.ErrUnknown, took.Round(time.Second), lateStart)
	}
	if err == nil || errors.Is(err, provider.ErrUnknown) {
		s.waiters.Look(id)
		s.handOver(ctx, n, id, p.row)
		return err
	}
	if !storage.Is(err, storage.Exists) {
		return err
	}
	if err := s.startTaken(ctx, m, created.Born, blobNames(p.blobs, c.Blobs)); err != nil {
		return err
	}
	return s.stillTheHub(ctx) // what has the id may be of one that is gone
}

func blobNames(lists ...[]row.BlobData) (names []string) {
	for _, l := range lists {
		for _, b := range l {
			names = append(names, b.Name)
		}
	}
	return names
}

// startTaken goes on with a start whose id is taken. Blobs are those that it
// wrote: who has the id may name them.
func (s *Store) startTaken(ctx context.Context, m *provider.Message, born string, blobs []string) error {
	old, err := s.getSeen(ctx, m.To)
	if err != nil {
		return err
	}
	if old != nil && old.meta.Exists() && old.meta.Born == born { // our own first try was applied
		s.arrivedUnread(s.Partition(m.To), m.To)
		return nil
	}
	s.dropBlobs(blobs)
	switch {
	case old != nil && old.meta.Exists():
		if replace, err := reuse(&old.meta, m); !replace {
			return err
		}
	case old != nil && requested(&old.meta, m):
		return nil // it ran, and was purged: nothing comes back
	}
	return s.order(ctx, m.To, row.Order{}, m)
}

func requested(m *row.Meta, start *provider.Message) bool {
	return slices.Contains(m.Requests, row.RequestOf(start.Start.RequestID, start.ID))
}

// reuse decides what a start does whose id is taken: replace, fail, or nothing since
// it is the start that made the instance, or one that was there before it: whoever
// sends that again may not have heard that it was applied, and was replaced since.
func reuse(old *row.Meta, m *provider.Message) (replace bool, err error) {
	start := m.Start
	if m.ID == old.Origin || start.RequestID != "" && start.RequestID == old.Request || requested(old, m) {
		return false, nil
	}
	switch {
	case start.Reuse == provider.ReuseIgnore:
		return false, nil
	case start.Reuse == provider.ReuseReplace,
		start.Reuse == provider.ReuseFinal && old.Status.Final():
		return true, nil
	}
	hint := "choose another id or a reuse policy"
	if start.Reuse == provider.ReuseFinal {
		hint = "it can be replaced once it has ended"
	}
	return false, fmt.Errorf("%w: it is %s since %s, started by another request: %s",
		provider.ErrExists, old.Status, wire.FromNanos(old.Updated).UTC().Format(time.RFC3339), hint)
}

// arrivedUnread sees to rows in an instance's inbox of which this process does
// not know what they are.
func (s *Store) arrivedUnread(n int, id history.InstanceID) {
	if p := s.owned(n); p != nil {
		p.ring(id)
		return
	}
	s.waker.wake(n, id)
}
