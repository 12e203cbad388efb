package sqlite

import (
	"context"
	"fmt"
	"slices"
	"sync"
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

// waiters are the calls of Wait in this process.
type waiters struct {
	mu     sync.Mutex
	byID   map[history.InstanceID][]*waiter
	closed bool
}

type waiter struct {
	until provider.Until
	// woken receives the instance that satisfies the condition, or nil: look
	// for yourself.
	woken chan *provider.Instance
}

func (w *waiters) add(id history.InstanceID, until provider.Until) (*waiter, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return nil, provider.ErrClosed
	}
	if w.byID == nil {
		w.byID = map[history.InstanceID][]*waiter{}
	}
	one := &waiter{until, make(chan *provider.Instance, 1)}
	w.byID[id] = append(w.byID[id], one)
	return one, nil
}

func (w *waiters) remove(id history.InstanceID, one *waiter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.byID[id] = slices.DeleteFunc(w.byID[id], func(x *waiter) bool { return x == one })
	if len(w.byID[id]) == 0 {
		delete(w.byID, id)
	}
}

// changed wakes those whose condition the instance satisfies.
func (w *waiters) changed(i *provider.Instance) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.byID[i.ID] {
		if one.until.Holds(i) {
			one.wake(i)
		}
	}
}

// look makes those who wait for an instance read it.
func (w *waiters) look(id history.InstanceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, one := range w.byID[id] {
		one.wake(nil)
	}
}

func (w *waiters) lookAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, all := range w.byID {
		for _, one := range all {
			one.wake(nil)
		}
	}
}

// close ends every wait: the store is closed.
func (w *waiters) close() {
	w.mu.Lock()
	w.closed = true
	w.mu.Unlock()
	w.lookAll()
}

// wake replaces what was not yet received: the newest state is what counts.
func (o *waiter) wake(i *provider.Instance) {
	select {
	case <-o.woken:
	default:
	}
	o.woken <- i // only ever sent under the mutex of waiters
}

// Wait implements [provider.Store].
func (s *Store) Wait(ctx context.Context, id history.InstanceID, until provider.Until) (*provider.Instance, error) {
	one, err := s.waiters.add(id, until)
	if err != nil {
		return nil, fmt.Errorf("sqlite: waiting for %s: %w", wire.Quote(id), err)
	}
	defer s.waiters.remove(id, one)
	if h := s.host(); h != nil {
		// What is in the cache is as of the last commit: later ones wake us.
		if r := h.cache.get(id); r != nil && !until.Holds(&r.instance) {
			i, err := awaitWake(ctx, one, 0)
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
		i, err = awaitWake(ctx, one, pause)
		if i != nil || err != nil {
			return i, err
		}
	}
}

// awaitWake waits until the waiter is woken or, unless it is 0, the pause is
// over. It returns nil for: look.
func awaitWake(ctx context.Context, one *waiter, pause time.Duration) (*provider.Instance, error) {
	var over <-chan time.Time
	if pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		over = t.C
	}
	select {
	case i := <-one.woken:
		if i == nil {
			return nil, nil
		}
		copied := *i
		return &copied, nil
	case <-over:
		return nil, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
