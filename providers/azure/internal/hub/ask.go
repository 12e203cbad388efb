package hub

import (
	"context"
	"errors"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/doorbell"
	"github.com/duroxide/duroxide-go/sharding"
)

// errNotServed says that this host does not own a partition.
var errNotServed = errors.New("the partition is not served here")

// awaitChange waits for a client until it should read an instance.
func (m *member) awaitChange(ctx context.Context, n int, id history.InstanceID, until doorbell.Until) (bool, error) {
	if n < 0 || n >= m.store.hub.Partitions || n != m.store.Partition(id) {
		return false, errNotServed
	}
	p := m.partition(n)
	if p == nil {
		return false, errNotServed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(p.ctx, cancel)
	defer stop()
	await(ctx, p.ready)
	p.awaitRings(ctx, id) // its start may be on the way
	w, err := m.store.waiters.Add(id, until.Until)
	if err != nil {
		return false, err
	}
	defer m.store.waiters.Remove(id, w)
	i := p.get(id)
	if i == nil || i.seen == nil {
		if !until.Read {
			return true, nil
		}
		if i, err = p.read(ctx, id); err != nil {
			return false, err
		}
	}
	if !p.live() {
		return false, errNotServed
	}
	if i == nil {
		return true, nil
	}
	if now := i.seen.instance(); until.Holds(&now) {
		return true, nil
	}
	if _, err = w.Await(ctx, 0); err == nil {
		return true, nil
	}
	if p.ctx.Err() != nil {
		return false, errNotServed
	}
	return false, nil
}

// asked is what a call of Wait has learnt about asking the owner.
type asked struct {
	read  bool      // the instance was read once
	later time.Time // not to be asked before
}

const (
	askSoon = 500 * time.Millisecond // after the owner has changed
	askSlow = 30 * time.Second       // where the owner has no doorbell
)

// askOwner lets the owner of a partition say when to read an instance, which is
// now when it returns. It reports false if that must be found out by reading
// again and again.
func (s *Store) askOwner(ctx context.Context, n int, id history.InstanceID, until provider.Until, a *asked) bool {
	begin := time.Now()
	if s.bells == nil || begin.Before(a.later) {
		return false
	}
	h, ok := s.ownerOf(ctx, n)
	if !ok || !doorbell.Dialable(h.Address) {
		a.later = begin.Add(askSlow)
		return false
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel)
	defer stop()
	s.waker.sent(ctx, n, h.Incarnation)
	_, err := s.bells.Wait(ctx, h.Address, h.Incarnation, n, id, doorbell.Until{Until: until, Read: a.read})
	switch {
	case errors.Is(err, doorbell.ErrGone):
		s.observer.Forget()
		a.later = time.Now().Add(askSoon)
	case err != nil:
		a.later = time.Now().Add(lastLook)
	}
	// An owner that answers at once and in vain is not asked without pause.
	return err == nil && (!a.read || time.Since(begin) >= firstLook)
}

// ownerOf is the host that owns a partition, as far as known.
func (s *Store) ownerOf(ctx context.Context, n int) (h sharding.Host, ok bool) {
	if l := s.life(); l != nil {
		h, ok = l.owner(n)
		return h, ok && h.Incarnation != l.incarnation
	}
	return s.observer.Owner(ctx, n)
}
