package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// getInstance reads an instance that exists.
func (s *Store) getInstance(ctx context.Context, operation string, id history.InstanceID) (*seen, error) {
	if err := s.check(ctx, operation); err != nil {
		return nil, err
	}
	got, err := s.getSeen(ctx, id)
	for n := 0; err != nil && n < maxTries && ctx.Err() == nil && errors.Is(err, storage.ErrBusy); n++ {
		pause(ctx, storage.RetryAfter(err, backoff(n)))
		got, err = s.getSeen(ctx, id)
	}
	switch {
	case errors.Is(err, row.ErrFormat):
		return nil, corrupt(id, "the row", err)
	case err != nil:
		return nil, reading(ctx, operation, err)
	case got == nil || !got.meta.Exists():
		return nil, notFound(operation, id)
	}
	return got, nil
}

// Instance implements [provider.Store].
func (s *Store) Instance(ctx context.Context, id history.InstanceID) (*provider.Instance, error) {
	got, err := s.getInstance(ctx, "reading "+quote(id), id)
	if err != nil {
		return nil, err
	}
	i := got.instance()
	return &i, nil
}

// Without an owner that can be asked, Wait looks now and then: often at first,
// then more and more seldom. In the owner's process commits wake it, and so does the
// loss of the partition; a look now and then is for what nobody thought of.
const (
	firstLook = 20 * time.Millisecond
	lastLook  = 2 * time.Second
	ownLook   = time.Minute
)

// Wait implements [provider.Store].
func (s *Store) Wait(ctx context.Context, id history.InstanceID, until provider.Until) (*provider.Instance, error) {
	op := "waiting for " + quote(id)
	if err := s.check(ctx, op); err != nil {
		return nil, err
	}
	w, err := s.waiters.Add(id, until)
	if err != nil {
		return nil, fmt.Errorf("azure: %s: %w", op, err)
	}
	defer s.waiters.Remove(id, w)
	n := s.Partition(id)
	var asked asked
	for next := firstLook; ; next = min(next*3/2, lastLook) {
		pause := next
		p := s.owned(n)
		owner := p != nil && p.live()
		if owner {
			if i := p.get(id); i != nil && i.seen != nil {
				now := i.seen.instance()
				if until.Holds(&now) {
					return &now, nil
				}
				if i, err := w.Await(ctx, ownLook); i != nil || err != nil {
					return i, err
				}
				continue
			}
		}
		answered := s.askOwner(ctx, n, id, until, &asked)
		i, err := s.Instance(ctx, id)
		if err != nil || until.Holds(i) {
			return i, err
		}
		if asked.read = true; answered {
			next = firstLook
			continue
		}
		if owner && p.live() {
			pause = ownLook
		}
		if i, err = w.Await(ctx, pause); i != nil || err != nil {
			return i, err
		}
	}
}

// State implements [provider.Store].
func (s *Store) State(ctx context.Context, id history.InstanceID, key string) (history.Payload, error) {
	op := "reading the state of " + quote(id)
	got, err := s.getInstance(ctx, op, id)
	if err != nil || !got.meta.State {
		return nil, err
	}
	r, err := s.account.Get(ctx, s.cfg.Name, s.partitionKey(s.Partition(id)), row.State(id))
	if storage.Is(err, storage.Missing) {
		return nil, nil // it was removed since
	}
	if err != nil {
		return nil, reading(ctx, op, err)
	}
	state, err := readState(ctx, r.Cells, s.getBlob)
	if err != nil {
		return nil, reading(ctx, op, err)
	}
	return state[key], nil
}

// Outstanding implements [provider.Store].
func (s *Store) Outstanding(ctx context.Context, id history.InstanceID) (*provider.Outstanding, error) {
	op := "reading what is outstanding for " + quote(id)
	got, err := s.getInstance(ctx, op, id)
	if err != nil {
		return nil, err
	}
	n := s.Partition(id)
	if p := s.owned(n); p != nil && p.live() {
		if out, ok := p.outstandingOf(id, got.meta.Timer != 0); ok {
			return out, nil
		}
	}
	out, err := s.readOutstanding(ctx, n, id)
	return out, reading(ctx, op, err)
}

// outstandingOf is what the owner knows. It is false while letters wait to be
// handed to the broker, or to be found, and if the instance has timers and sleeps.
func (p *partition) outstandingOf(id history.InstanceID, timers bool) (*provider.Outstanding, bool) {
	p.mu.Lock()
	waits := len(p.unresolved[id]) > 0 || p.removing[id] || p.behind.of[id] > 0
	i := p.instances[id]
	p.mu.Unlock()
	if waits || timers && (i == nil || !i.timed) || p.relays.busy(p.number) {
		return nil, false
	}
	out := p.member.broker.Outstanding(id)
	if i != nil { // the broker knows what runs here, and which timers are due soon
		out.Activities = i.spans.Refs()
		out.Timers = p.withFar(i, out.Timers)
	}
	return out, p.live() // given up meanwhile, the broker may have forgotten it
}

// readOutstanding reads from storage what an instance waits for.
func (s *Store) readOutstanding(ctx context.Context, n int, id history.InstanceID) (*provider.Outstanding, error) {
	out := &provider.Outstanding{}
	reader := &partition{store: s, number: n, key: s.partitionKey(n), ctx: ctx, removing: map[history.InstanceID]bool{}}
	got, err := s.getSeen(ctx, id)
	if err != nil || got == nil {
		return out, err
	}
	var letters []*letter
	err = s.scan(ctx, reader.key, row.InboxOf(id), nil, func(rows []storage.Row) error {
		for i := range rows {
			l, err := reader.readLetter(ctx, &rows[i])
			if err != nil {
				return err
			}
			letters = append(letters, l)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if out.Messages, err = s.unconsumed(ctx, reader.key, got.meta.Born, letters); err != nil {
		return nil, err
	}
	r, err := s.account.Get(ctx, s.cfg.Name, reader.key, row.Work(id))
	switch {
	case storage.Is(err, storage.Missing):
	case err != nil:
		return nil, err
	default:
		i := &instance{id: id}
		if err := reader.readWork(func(history.InstanceID) *instance { return i }, r); err != nil {
			return nil, err
		}
		out.Again, out.Activities = i.again, i.spans.Refs()
	}
	out.Timers, err = s.readTimers(ctx, n, id)
	return out, err
}

// unconsumed are the messages of letters that wait: what was sent again may
// still have a row.
func (s *Store) unconsumed(ctx context.Context, key, born string, letters []*letter) (all []provider.Message, err error) {
	if len(letters) == 0 {
		return nil, nil
	}
	consumed, err := s.readNotices(ctx, key)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for _, l := range letters {
		if consumed.Numbered(l.from, l.seq) {
			continue
		}
		for _, m := range l.messages[min(l.envelope.Done, len(l.messages)):] {
			if hash := row.Hash(m.ID, l.to, born); !consumed.Noticed(hash) && !seen[hash] {
				seen[hash] = true
				all = append(all, m)
			}
		}
	}
	return all, nil
}

func (s *Store) readNotices(ctx context.Context, key string) (*journal.Notices, error) {
	var rows []storage.Row
	err := s.scan(ctx, key, row.Notices(), nil, func(page []storage.Row) error {
		rows = append(rows, page...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return journal.ReadNotices(rows)
}

func (s *Store) readTimers(ctx context.Context, n int, id history.InstanceID) ([]provider.Timer, error) {
	got, err := s.getSeen(ctx, id)
	if err != nil || got == nil || got.meta.Timer == 0 {
		return nil, err
	}
	r, err := s.account.Get(ctx, s.cfg.Name, s.partitionKey(n), row.Timers(got.meta.Timer, id))
	if storage.Is(err, storage.Missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	set, err := readTimerSet(ctx, r.Cells, s.getBlob)
	if err != nil {
		return nil, err
	}
	return providerTimers(set.Timers)
}

// DeadLetters implements [provider.Store].
func (s *Store) DeadLetters(ctx context.Context, limit int) ([]provider.DeadLetter, error) {
	const op = "reading the dead letters"
	if err := s.check(ctx, op); err != nil {
		return nil, err
	}
	var all []provider.DeadLetter
	keys := []string{row.Management}
	for n := range s.hub.Partitions {
		keys = append(keys, s.partitionKey(n))
	}
	for _, key := range keys {
		if err := s.deadLetters(ctx, key, limit, &all); err != nil {
			return nil, reading(ctx, op, err)
		}
	}
	slices.SortStableFunc(all, func(a, b provider.DeadLetter) int { return a.Time.Compare(b.Time) })
	return all[:max(0, min(limit, len(all)))], nil
}

func (s *Store) deadLetters(ctx context.Context, key string, limit int, all *[]provider.DeadLetter) error {
	count := 0
	err := s.scan(ctx, key, row.DeadLetters(), nil, func(rows []storage.Row) error {
		for i := range rows {
			letter, err := s.readDeadLetter(ctx, &rows[i])
			if err != nil {
				return fmt.Errorf("row %s: %w", rows[i].Key, err)
			}
			*all = append(*all, letter)
			if count++; count >= limit {
				return errEnough
			}
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return err
}
