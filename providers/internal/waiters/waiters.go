package waiters

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Set are the callers that wait. The zero value is ready to use, and all methods
// may be called concurrently.
type Set struct {
	mu     sync.Mutex
	byID   map[history.InstanceID][]*Waiter
	closed bool
}

// Waiter is one of them.
type Waiter struct {
	until provider.Until
	// woken receives the instance that satisfies the condition, or nil: look
	// for yourself.
	woken chan *provider.Instance
}

// Add makes a waiter for the time when an instance satisfies a condition. Its
// caller then reads the instance, for it may do so already, and calls
// [Set.Remove] in the end. [provider.ErrClosed] once the set is closed.
func (s *Set) Add(id history.InstanceID, until provider.Until) (*Waiter, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, provider.ErrClosed
	}
	if s.byID == nil {
		s.byID = map[history.InstanceID][]*Waiter{}
	}
	w := &Waiter{until, make(chan *provider.Instance, 1)}
	s.byID[id] = append(s.byID[id], w)
	return w, nil
}

// Remove ends a waiter.
func (s *Set) Remove(id history.InstanceID, w *Waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = slices.DeleteFunc(s.byID[id], func(x *Waiter) bool { return x == w })
	if len(s.byID[id]) == 0 {
		delete(s.byID, id)
	}
}

// Changed wakes those whose condition the instance satisfies.
func (s *Set) Changed(i *provider.Instance) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.byID[i.ID] {
		if w.until.Holds(i) {
			w.wake(i)
		}
	}
}

// Look makes those who wait for an instance read it.
func (s *Set) Look(id history.InstanceID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.byID[id] {
		w.wake(nil)
	}
}

// LookAll makes everyone look.
func (s *Set) LookAll() {
	s.LookWhere(func(history.InstanceID) bool { return true })
}

// LookWhere makes those look who wait for instances of which belongs is true. It is
// called under the mutex of the set.
func (s *Set) LookWhere(belongs func(history.InstanceID) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, all := range s.byID {
		if !belongs(id) {
			continue
		}
		for _, w := range all {
			w.wake(nil)
		}
	}
}

// Close lets nobody in any more, and makes everyone look at a store that is
// closed.
func (s *Set) Close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.LookAll()
}

// wake replaces what was not yet received: the newest state is what counts.
func (w *Waiter) wake(i *provider.Instance) {
	select {
	case <-w.woken:
	default:
	}
	w.woken <- i // only ever sent under the mutex of the set
}

// Await waits until the waiter is woken or, unless it is 0, the pause is over.
// It returns a copy of the instance that satisfies the condition, or nil: look
// for yourself.
func (w *Waiter) Await(ctx context.Context, pause time.Duration) (*provider.Instance, error) {
	var over <-chan time.Time
	if pause > 0 {
		t := time.NewTimer(pause)
		defer t.Stop()
		over = t.C
	}
	select {
	case i := <-w.woken:
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
