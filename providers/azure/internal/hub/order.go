package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/sharding"
)

// What removes or replaces an instance is an order: only the owner of its
// partition may do it. In the owner's process it is a call; elsewhere it is a
// row of the inbox, whose answer the owner leaves with the instance. While nobody
// owns the partition, and it is not on its way to a host, the client takes it for the
// moment, as a host would.

// Purge implements [provider.Store].
func (s *Store) Purge(ctx context.Context, id history.InstanceID, force bool) error {
	op := "purging " + quote(id)
	if err := s.check(ctx, op); err != nil {
		return err
	}
	return failed(op, s.order(ctx, id, row.Order{Purge: true, Force: force}, nil))
}

// order has an order carried out and returns what came of it. Once it is in the
// inbox it is carried out from there, whoever does: what its sender is told came of
// that row, and nothing comes of it later. A purge of which nothing came, since what it
// was about is gone, begins anew.
func (s *Store) order(ctx context.Context, id history.InstanceID, o row.Order, start *provider.Message) error {
	n := s.Partition(id)
	var waits *posted
	maybe := false // an earlier try may have been applied
	var waiting patience
	for try := 0; ; try++ {
		var err error
		if p := s.owned(n); waits == nil && p != nil && p.live() {
			err = p.called(ctx, id, &o, start)
			maybe = maybe || undecided(err)
		} else if free, owner, ok := s.ownerElsewhere(ctx, n); ok {
			waiting.unowned = time.Time{}
			if waits == nil {
				waits, err = s.post(ctx, id, o, start)
			}
			if err == nil {
				err = s.awaitAnswer(ctx, owner, waits)
			}
		} else if waiting.leaves(&free, s) {
			err = errMoved // to a host, soon, or back from another client
		} else if waits == nil {
			aimed := o // until it is carried out, what it is about may be replaced
			if err = s.aim(ctx, id, &aimed); err == nil {
				err = s.borrow(ctx, n, free, func(p *partition) error { return p.perform(ctx, id, &o, start, nil) })
				maybe = maybe || undecided(err)
			}
		} else if err = s.borrow(ctx, n, free, func(p *partition) error { return p.carryOut(ctx, waits.key) }); err == nil {
			err = s.awaitAnswer(ctx, "", waits)
		} else if transient(err) || undecided(err) {
			err = errMoved // it waits in the inbox for the next try, or whoever comes first
		} else if !errors.Is(err, errMoved) {
			err = fmt.Errorf("%w: it is in the inbox of its partition, and cannot be carried out from there: %w", provider.ErrUnknown, err)
		}
		if gone := o.Purge && errors.Is(err, provider.ErrNotFound); gone && maybe && !bug.Planted("purge-guessed") {
			return fmt.Errorf("%w: it is gone, and this purge or another has done it: %w", provider.ErrUnknown, errMoved)
		} else if gone && waits != nil {
			waits, err = nil, errMoved // what it was about is gone, and another may be there
		}
		if !errors.Is(err, errMoved) {
			if maybe && err != nil && !definite(err) && !errors.Is(err, provider.ErrUnknown) {
				err = fmt.Errorf("%w: its partition changed hands while it was carried out: %w", provider.ErrUnknown, err)
			}
			return err
		}
		if bug.Planted("order-forgotten") {
			waits = nil
		}
		if pause(ctx, backoff(try)); ctx.Err() != nil && (maybe || waits != nil) {
			return fmt.Errorf("%w: its partition changed hands: %w", provider.ErrUnknown, ctx.Err())
		} else if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// called carries out an order of a client of this process. Once it has begun it goes
// on to its end, whether its client waits for that or not. While others are carried
// out for the instance it has not: what it would find then is not what its client saw.
func (p *partition) called(ctx context.Context, id history.InstanceID, o *row.Order, start *provider.Message) error {
	if err := p.reserve(ctx, id); err != nil {
		return err
	}
	mine, done := *o, make(chan error, 1)
	if !p.begin(func(own context.Context) {
		err := p.performReserved(own, id, &mine, start, nil)
		if err != nil && own.Err() != nil && !definite(err) {
			err = moved(journal.ErrStopped)
		}
		done <- err
	}) {
		p.unreserve(id)
		return errMoved
	}
	select {
	case err := <-done:
		o.Born = mine.Born
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: it goes on: %w", provider.ErrUnknown, ctx.Err())
	}
}

// undecided reports whether the partition changed hands while something was sent.
func undecided(err error) bool {
	return errors.Is(err, journal.ErrLost) || errors.Is(err, journal.ErrStopped)
}

// errMoved: the partition changed hands. What was sent last may have been applied,
// so the order was carried out or not, or not to its end; to begin again does no harm.
var errMoved = errors.New("the partition changed hands")

// freeHead is the owner row of a partition that nobody owns, as it was read.
type freeHead struct {
	head   row.Owner
	etag   string
	wanted bool // there are hosts, which ought to take it
}

// patience is how a client leaves a partition that nobody owns to others for a while.
type patience struct {
	unowned time.Time // since when no host owns it, as far as is known
	epoch   int64     // as it was seen last,
	since   time.Time // and since when
}

// borrowLasts is how long a client leaves a partition to another one that borrows it.
// That takes a dozen requests; who takes longer is slow, or gone.
const borrowLasts = time.Second

// leaves reports whether a partition is to be left alone. If there are hosts it is left
// to them until one that lives has looked twice: a client that takes it at the same
// moment makes a host fail, which looks again much later than the client has what it
// wants. And clients that took it from each other would all begin again.
func (w *patience) leaves(free *freeHead, s *Store) bool {
	now := time.Now()
	if w.since.IsZero() || w.epoch != free.head.Epoch {
		w.epoch, w.since = free.head.Epoch, now
	}
	if bug.Planted("reserved-borrowed") {
		return false
	}
	by := free.head.Owner
	if strings.HasPrefix(by, borrower) && by != s.borrower() && now.Sub(w.since) < borrowLasts && !bug.Planted("taken-from-clients") {
		return true
	}
	if !free.wanted || bug.Planted("borrowed-beside-hosts") {
		return false
	}
	if w.unowned.IsZero() {
		w.unowned = now
	}
	return now.Sub(w.unowned) < 2*s.cfg.TTL/3
}

// ownerElsewhere is the incarnation that owns a partition, or that it was released
// for, if that is a host that has a row. Otherwise free is what a claim is to replace.
func (s *Store) ownerElsewhere(ctx context.Context, n int) (free freeHead, owner string, ok bool) {
	head, etag, err := s.readHead(ctx, n)
	free = freeHead{head: head, etag: etag}
	if err != nil {
		return free, "", true // what cannot be read is not for the taking
	}
	owner = head.Owner
	if owner == "" && !bug.Planted("reserved-borrowed") {
		owner = head.For // it claims at once, and others if it does not
	}
	is := func(h sharding.Host) bool { return h.Incarnation == owner }
	if owner != "" {
		hosts, err := s.observer.Hosts(ctx)
		if err != nil || slices.ContainsFunc(hosts, is) {
			return free, owner, true
		}
	}
	// The rows may be from before it joined, or another: nobody takes from the living,
	// or before them.
	s.observer.Forget()
	hosts, err := s.observer.Hosts(ctx)
	free.wanted = err != nil || slices.ContainsFunc(hosts, func(h sharding.Host) bool { return !h.Leaving })
	return free, owner, owner != "" && (err != nil || slices.ContainsFunc(hosts, is))
}

// borrower begins what stands in the owner row for a client.
const borrower = "client-"

func (s *Store) borrower() string { return borrower + string(s.sender) }

// borrow claims a partition that nobody owned when its head was read, calls f
// with it, and releases it. Those who borrow it in this process come one after the
// other: they would take it from each other.
func (s *Store) borrow(ctx context.Context, n int, free freeHead, f func(*partition) error) error {
	select {
	case s.borrows[n] <- struct{}{}:
		defer func() { <-s.borrows[n] }()
		return s.borrowFree(ctx, n, free, f)
	default:
	}
	select {
	case s.borrows[n] <- struct{}{}:
		defer func() { <-s.borrows[n] }()
	case <-ctx.Done():
		return errMoved
	}
	free, by, elsewhere := s.ownerElsewhere(ctx, n) // it has another head by now
	if elsewhere || free.wanted || strings.HasPrefix(by, borrower) && by != s.borrower() && !bug.Planted("taken-from-clients") {
		return errMoved // which is for patience to judge
	}
	return s.borrowFree(ctx, n, free, f)
}

func (s *Store) borrowFree(ctx context.Context, n int, free freeHead, f func(*partition) error) error {
	head := free.head
	head.Format = row.Format
	client := s.borrower()
	head.Crash = s.takenFrom(head, client)
	head.Owner, head.For, head.Epoch, head.Commit = client, "", head.Epoch+1, 0
	etag, err := s.writeHead(ctx, n, head, free.etag)
	if errors.Is(err, sharding.ErrLost) {
		return errMoved
	}
	if err != nil {
		return err
	}
	p := makePartition(s, n, head)
	defer p.stop()
	notices, err := s.readNotices(ctx, p.key)
	if err != nil {
		return err
	}
	p.openJournal(head, etag, notices)
	p.mu.Lock()
	p.loaded = true
	p.mu.Unlock()
	close(p.ready)
	err = f(p)
	// What it gives back in vain, or not in time, hosts find free all the same.
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.TTL/3)
	defer cancel()
	_ = p.release(limited, "")
	return err
}

// posted is an order that is in the inbox of a partition, or was.
type posted struct {
	to    history.InstanceID
	order string // id
	key   string
}

// post leaves an order in the inbox of a partition that another host owns.
func (s *Store) post(ctx context.Context, id history.InstanceID, o row.Order, start *provider.Message) (*posted, error) {
	if err := s.aim(ctx, id, &o); err != nil {
		return nil, err
	}
	o.ID = s.born()
	var messages []*provider.Message
	if start != nil {
		messages = []*provider.Message{start}
	}
	p, err := s.encodePost(id, messages, row.Envelope{Order: &o})
	if err != nil {
		return nil, err
	}
	if err := s.insertPost(ctx, id, p); err != nil {
		return nil, err
	}
	return &posted{id, o.ID, p.row.Key}, nil
}

// aim finds out which instance a purge is about: no other one of its id is purged by a
// copy that comes late, nor when it begins again after it may have been applied. For an id without one no
// partition is borrowed, and nobody is asked. A start reads the row, too: what it
// would replace must be readable.
func (s *Store) aim(ctx context.Context, id history.InstanceID, o *row.Order) error {
	got, err := s.getSeen(ctx, id)
	switch {
	case o.Purge && errors.Is(err, row.ErrFormat):
		return nil // to purge what is damaged is what an operator can do
	case err != nil || !o.Purge:
		return err
	case got == nil || !got.meta.Exists() || o.Born != "" && o.Born != got.meta.Born:
		return provider.ErrNotFound
	}
	o.Born = got.meta.Born
	return nil
}

// awaitAnswer waits for the answer of an order.
func (s *Store) awaitAnswer(ctx context.Context, owner string, o *posted) error {
	watch := newDeathWatch(owner, s.cfg.TTL)
	for try := 0; ; try++ {
		pause(ctx, min(firstLook<<min(try, 8), time.Second, s.cfg.TTL/12))
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%w: the owner of its partition, host %s, has not answered yet: %w", provider.ErrUnknown, owner, err)
		}
		answer, done, err := s.answer(ctx, o)
		if err != nil && !transient(err) && ctx.Err() == nil {
			return fmt.Errorf("%w: what came of it cannot be read: %w", provider.ErrUnknown, err)
		}
		if err != nil {
			continue // reads are repeated while ctx allows
		}
		if done {
			return answer
		}
		if !time.Now().Before(watch.next) && watch.gone(ctx, s) {
			return errMoved // to another host, or nobody is left: then this client carries the order out
		}
		if try%8 == 7 {
			s.arrivedUnread(s.Partition(o.to), o.to) // the ring may have been lost, or the owner changed
		}
	}
}

// carryOut carries out an order of a client, which waits in the inbox of a
// partition that the client has borrowed.
func (p *partition) carryOut(ctx context.Context, key string) error {
	r, err := p.store.account.Get(ctx, p.store.cfg.Name, p.key, key)
	if storage.Is(err, storage.Missing) {
		return nil // an owner was faster
	}
	if err != nil {
		return err
	}
	l, err := p.readLetter(ctx, &r)
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.inbox[key] = l
	answered := p.consumed(l)
	p.mu.Unlock()
	if answered {
		p.dropAll([]*letter{l})
		return nil
	}
	if p.execute(ctx, l); p.waits(l) {
		return errMoved
	}
	return nil
}

// deathWatch finds out whether an owner died while no other host is there to see
// it. As hosts do, it compares no clocks: a row that stays as it is for the TTL is that
// of a dead host, and is removed in exactly that version. It starts anew after a gap
// between two reads, since whoever stood still may not have been alone, and after a
// removal that failed, since the heartbeats of others may have failed likewise.
type deathWatch struct {
	owner string
	ttl   time.Duration
	etag  string
	since time.Time // the end of the first read that showed this version
	last  time.Time // the end of the last read, or when the watch began
	next  time.Time // when to read again
}

// newDeathWatch begins a watch. Most owners have answered before it reads anything.
func newDeathWatch(owner string, ttl time.Duration) *deathWatch {
	now := time.Now()
	return &deathWatch{owner: owner, ttl: ttl, last: now, next: now.Add(ttl / 12)}
}

// gone reads the rows, and removes the owner's if it has been silent. It reports
// whether the owner has none any more.
func (w *deathWatch) gone(ctx context.Context, s *Store) bool {
	d := &directory{store: s}
	start := time.Now()
	w.next = start.Add(w.ttl / 3)
	hosts, err := d.Hosts(ctx)
	if err != nil {
		return false
	}
	gap := time.Since(w.last) > w.ttl/2 && !bug.Planted("burial-after-gap")
	w.last = time.Now()
	etag := ""
	for _, h := range hosts {
		if h.Host.Incarnation == w.owner {
			etag = h.ETag
		}
	}
	switch {
	case etag == "": // it left, or another buried it
		return true
	case gap || etag != w.etag:
		w.etag, w.since = etag, w.last
		return false
	case start.Sub(w.since) >= w.ttl:
		if d.Remove(ctx, w.owner, etag) == nil {
			return true
		}
		w.etag = ""
		return false
	}
	if end := w.since.Add(w.ttl); end.Before(w.next) {
		w.next = end
	}
	return false
}

// answer looks for what came of an order.
func (s *Store) answer(ctx context.Context, o *posted) (answer error, done bool, err error) {
	n := s.Partition(o.to)
	_, err = s.account.Get(ctx, s.cfg.Name, s.partitionKey(n), o.key)
	if err != nil && !storage.Is(err, storage.Missing) || err == nil {
		return nil, false, err
	}
	r, err := s.account.Get(ctx, s.cfg.Name, s.partitionKey(n), row.Instance(o.to))
	if storage.Is(err, storage.Missing) {
		return provider.ErrNotFound, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	answers, err := readAnswers(r.Cells)
	if err != nil {
		return nil, false, err
	}
	a, ok := answers[o.order]
	if !ok {
		return fmt.Errorf("%w: its answer is not kept any more", provider.ErrUnknown), true, nil
	}
	return answerError(a), true, nil
}

// execute carries out an order that came by the inbox. Its row goes with the
// transaction that carries it out or answers it.
func (p *partition) execute(ctx context.Context, l *letter) {
	var start *provider.Message
	if len(l.messages) > 0 {
		start = &l.messages[0]
	}
	for n := 0; ctx.Err() == nil && p.waits(l); n++ { // unless a removal took it along
		err := p.perform(ctx, l.to, l.envelope.Order, start, l)
		if err == nil && p.waits(l) {
			err = p.answerWith(ctx, l, nil) // there was nothing to do, as of a start that came twice
		}
		if err == nil || errors.Is(err, errMoved) || errors.Is(err, journal.ErrLost) || errors.Is(err, journal.ErrStopped) {
			return
		}
		if p.refuse(ctx, l, err) == nil {
			return
		}
		pause(ctx, backoff(n))
	}
}

// waits reports whether the letter is still in the inbox.
func (p *partition) waits(l *letter) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.inbox[l.key] == l
}

// refuse answers an order that is not carried out.
func (p *partition) refuse(ctx context.Context, l *letter, why error) error {
	if class := classify(why); !definite(why) && (class == nil || provider.Retryable(class)) {
		return why // to be tried again
	}
	return p.answerWith(ctx, l, why)
}

func definite(err error) bool {
	for _, class := range answerClasses {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}
