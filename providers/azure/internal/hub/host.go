package hub

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

const (
	// corruptPause is how long an instance that cannot be read is set aside.
	corruptPause = time.Minute
	// unsafePause is how long work waits while this host is out of touch.
	unsafePause = 100 * time.Millisecond
)

// host is a worker that joined. It implements [provider.Host].
type host struct {
	store  *Store
	member *member
	info   provider.HostInfo
	taker  *broker.Host
	leaves sync.Once
	err    error // of Leave

	announced bool // that it leaves; guarded by Store.joining
}

var (
	_ provider.Host             = (*host)(nil)
	_ provider.CompletionKeeper = (*host)(nil)
	_ provider.LeaveAnnouncer   = (*host)(nil)
	_ provider.SessionKeeper    = (*host)(nil)
)

// KeepsCompletions implements [provider.CompletionKeeper]: a partition that is
// released takes the completions that wait with it, into its inbox.
func (h *host) KeepsCompletions() bool { return true }

// KeepsSessions implements [provider.SessionKeeper].
func (h *host) KeepsSessions() time.Duration { return SessionIdle }

// turnLock is the Lock of the turns that a host hands out.
type turnLock struct {
	host      *host
	partition *partition
	turn      *broker.Turn
	instance  *instance
	busy      atomic.Bool // a commit is under way
}

var errForeign = fmt.Errorf("%w: it was not handed out by this store: pass on what NextTurn or NextActivity returned", provider.ErrInvalid)

// NextTurn implements [provider.Host].
func (h *host) NextTurn(ctx context.Context) (*provider.Turn, error) {
	for {
		t, err := h.taker.NextTurn(ctx)
		if err != nil {
			return nil, err
		}
		p := h.member.partition(h.store.Partition(t.Instance))
		if p == nil || !h.member.safe() {
			t.Release(provider.Release{Uncounted: true, Delay: unsafePause})
			continue
		}
		i, err := p.read(ctx, t.Instance)
		if err != nil {
			if h.setAside(ctx, p, t, err) {
				continue
			}
			return nil, reading(ctx, "reading "+quote(t.Instance), err)
		}
		if !t.Held() {
			continue // it was purged, replaced or lost meanwhile
		}
		h.store.handed.Turn(t)
		if i == nil { // it was purged, and the broker is about to hear of it
			h.giveBack(t, provider.Release{Delay: time.Millisecond, Uncounted: true})
			continue
		}
		lock := &turnLock{host: h, partition: p, turn: t, instance: i}
		if !h.mayRun(ctx, lock) {
			continue
		}
		return &provider.Turn{
			Instance: i.seen.instance(),
			Messages: t.Messages,
			Behind:   t.Behind,
			Attempt:  t.Attempt,
			Lock:     lock,
		}, nil
	}
}

// setAside gives back a turn of an instance that could not be read. It reports
// whether others can be taken.
func (h *host) setAside(ctx context.Context, p *partition, t *broker.Turn, err error) bool {
	if errors.Is(err, row.ErrFormat) || errors.Is(err, storage.ErrDamaged) {
		reason := corrupt(t.Instance, "the row", err).Error()
		h.store.cfg.Log.Error("an instance is set aside", "instance", string(t.Instance), "reason", reason)
		t.Release(provider.Release{Delay: corruptPause, Park: reason})
		return true
	}
	t.Release(provider.Release{Uncounted: true, Delay: storage.RetryAfter(err, unsafePause)})
	return p.ctx.Err() != nil && ctx.Err() == nil
}

// giveBack releases a turn that is held.
func (h *host) giveBack(t *broker.Turn, r provider.Release) {
	h.store.handed.Released(t, !r.Uncounted)
	t.Release(r)
}

// ReleaseTurn implements [provider.Host].
func (h *host) ReleaseTurn(ctx context.Context, t *provider.Turn, r provider.Release) error {
	lock, err := h.lockOf(t)
	if err != nil && errors.Is(err, provider.ErrInvalid) {
		return err
	}
	if err != nil || !lock.turn.Held() {
		return nil //nolint:nilerr // A lock that is gone is no error.
	}
	if r.Park != "" {
		// Shown is not as important as given back.
		err = h.park(ctx, lock, r.Park)
	}
	lock.partition.calm(turnPiece(lock.instance.id))
	h.giveBack(lock.turn, r)
	return err
}

// park shows an instance as parked until its next commit.
func (h *host) park(ctx context.Context, lock *turnLock, reason string) error {
	p, s := lock.partition, *lock.instance.seen
	s.meta.Parked, s.meta.ParkedAt = reason, wire.Nanos(h.store.cfg.Now())
	c := row.Cells{Name: func() string { return h.store.blobName(s.meta.ID) }}
	c.Set(row.InstanceCell, wire.MustJSON(&s.meta))
	ops := []storage.Op{{Verb: storage.Merge, Row: storage.Row{Key: row.Instance(s.meta.ID), Cells: c.Map}}}
	if start := p.startOf(s.meta.ID, s.meta.Born); start != nil && s.meta.Execution == 0 {
		// Who takes over knows a pending instance by its start.
		envelope := start.envelope
		envelope.Parked, envelope.ParkedAt = s.meta.Parked, s.meta.ParkedAt
		ops = append(ops, storage.Op{Verb: storage.Merge, Row: storage.Row{
			Key: start.key, Cells: map[string][]byte{row.EnvelopeCell: wire.MustJSON(envelope)},
		}})
	}
	err := p.commit(ctx, &journal.Entry{
		Ops: ops,
		Valid: func() error {
			if lock.turn.Held() {
				return nil
			}
			return provider.ErrLockLost
		},
		Applied: func(journal.Applied) {
			p.mu.Lock()
			if i := p.instances[s.meta.ID]; i != nil {
				after := *i
				after.seen = &s
				p.instances[s.meta.ID] = &after
			}
			p.mu.Unlock()
			seen := s.instance()
			h.store.waiters.Changed(&seen)
		},
	})
	if errors.Is(err, provider.ErrLockLost) || errors.Is(err, journal.ErrLost) {
		return nil // somebody else will see what is the matter
	}
	return failed("parking "+quote(s.meta.ID), err)
}

// startOf finds the letter that started an instance, while it waits.
func (p *partition) startOf(id history.InstanceID, born string) *letter {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range p.inboxOf[id] {
		if l.envelope.Born == born {
			return l
		}
	}
	return nil
}

func (h *host) lockOf(t *provider.Turn) (*turnLock, error) {
	lock, ok := t.Lock.(*turnLock)
	switch {
	case !ok:
		return nil, fmt.Errorf("azure: the turn of %s: %w", quote(t.Instance.ID), errForeign)
	case lock.host != h:
		return nil, fmt.Errorf("azure: the turn of %s was handed out by another host: %w", quote(t.Instance.ID), provider.ErrLockLost)
	}
	return lock, nil
}

// Leave implements [provider.Host]. When the last host of the process leaves its
// partitions are handed over.
func (h *host) Leave(ctx context.Context) error {
	h.leaves.Do(func() { h.err = h.leave(ctx) })
	return h.err
}

// AnnounceLeave implements [provider.LeaveAnnouncer]. Others learn of it from the last
// host of this process. What needs a tag goes to others afterwards, who begin it sooner.
func (h *host) AnnounceLeave(ctx context.Context) {
	select {
	case h.store.joining <- struct{}{}:
	case <-ctx.Done():
		return
	}
	h.announced = true
	h.member.announced++
	last := h.member.announced == h.member.joined
	<-h.store.joining
	// While it joins again there is nothing that others could take over.
	if shard := h.member.current().sharded(); last && shard != nil {
		shard.Announce(ctx)
	}
	if !bug.Planted("tags-held-up") {
		h.taker.Retire() // its instances stay for as long as what runs here takes
	}
}

func (h *host) leave(ctx context.Context) error {
	s, m := h.store, h.member
	s.joining <- struct{}{}
	m.joined--
	if h.announced {
		m.announced--
	}
	m.slots.Add(-int64(h.info.Slots))
	m.serveTags(h.info.Tags, -1)
	if m.joined > 0 {
		h.taker.Leave()
		<-s.joining
		m.dismiss(ctx, h) // which takes its time
		return nil
	}
	defer func() { <-s.joining }()
	h.taker.Leave() // blocked calls end; commits under way go on
	s.handed.Left()
	s.mu.Lock()
	if s.member == m {
		s.member = nil
	}
	s.mu.Unlock()
	err := m.leave(ctx)
	s.waiters.LookAll()
	return failed("leaving", err)
}
