package sqlite

import (
	"context"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// Without a host in this process, Wait looks at the file now and then: often
// at first, and seldom where the worker has promised to ring.
const (
	firstLook  = 5 * time.Millisecond
	lastLook   = 250 * time.Millisecond
	backupLook = 2 * time.Second
)

// Wait implements [provider.Store].
func (s *Store) Wait(ctx context.Context, id history.InstanceID, until provider.Until) (*provider.Instance, error) {
	w, err := s.waiters.Add(id, until)
	if err != nil {
		return nil, fmt.Errorf("sqlite: waiting for %s: %w", wire.Quote(id), err)
	}
	defer s.waiters.Remove(id, w)
	if h := s.host(); h != nil {
		// What is in the cache is as of the last commit: later ones wake us.
		if r := h.cache.get(id); r != nil && !until.Holds(&r.instance) {
			i, err := w.Await(ctx, 0)
			if i != nil || err != nil {
				return i, err
			}
		}
	}
	var subscribed *subscription
	defer func() { subscribed.cancel() }()
	for next := firstLook; ; next = min(next*2, lastLook) {
		i, err := s.Instance(ctx, id)
		if err != nil || until.Holds(i) {
			return i, err
		}
		pause := next
		if s.host() != nil {
			pause = 0 // it wakes us
		} else if subscribed = s.remote.subscribe(ctx, subscribed, id, until); subscribed != nil {
			pause = backupLook
		}
		i, err = w.Await(ctx, pause)
		if i != nil || err != nil {
			return i, err
		}
	}
}
