package hub

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// Every host has a queue for wake-ups, named after its incarnation. A wake-up is
// a hint: it may be lost, doubled or late, or go to a host that does not own the
// partition any more, and the sweep of the inbox finds what nobody rang for.

func (s *Store) wakeQueue(incarnation string) string { return s.cfg.Name + "-wake-" + incarnation }

// wakeUp is the body of a message in a wake-up queue.
type wakeUp struct {
	Partitions []int `json:"partitions,omitempty"` // that have new rows in their inboxes
	Look       bool  `json:"look,omitempty"`       // at the host rows: something changes hands
	Work       bool  `json:"work,omitempty"`       // into the work queues: something was offered
}

// waker sends wake-ups. While one to a host is under way, others to the same
// host gather and go together.
type waker struct {
	store *Store

	mu      sync.Mutex
	pending map[string]*wakeUp // by incarnation
	sending map[string]bool
	asking  map[int]bool // partitions of which the owner is being found
}

func newWaker(s *Store) *waker {
	return &waker{store: s, pending: map[string]*wakeUp{}, sending: map[string]bool{}, asking: map[int]bool{}}
}

// wake rings whoever owns the partition, as far as known.
func (w *waker) wake(n int) {
	if l := w.store.life(); l != nil {
		if h, ok := l.owner(n); ok && h.Incarnation != l.incarnation {
			w.ring(h.Incarnation, func(u *wakeUp) { u.add(n) })
		}
		return
	}
	w.mu.Lock()
	asking := w.asking[n]
	w.asking[n] = true
	w.mu.Unlock()
	if asking {
		return
	}
	w.store.background(func(ctx context.Context) {
		h, ok := w.store.observer.Owner(ctx, n)
		w.mu.Lock()
		delete(w.asking, n)
		w.mu.Unlock()
		if ok {
			w.ring(h.Incarnation, func(u *wakeUp) { u.add(n) })
		}
	})
}

// nudge asks a host to look at the host rows.
func (w *waker) nudge(incarnation string) {
	w.ring(incarnation, func(u *wakeUp) { u.Look = true })
}

// work tells other hosts that something was put into a work queue.
func (w *waker) work() {
	l := w.store.life()
	if l == nil {
		return
	}
	for _, h := range l.hosts() {
		if h.Incarnation != l.incarnation {
			w.ring(h.Incarnation, func(u *wakeUp) { u.Work = true })
		}
	}
	l.member.moreWork.Store(true) // this host takes it back when it has a free slot
}

func (u *wakeUp) add(n int) {
	if !slices.Contains(u.Partitions, n) {
		u.Partitions = append(u.Partitions, n)
	}
}

func (w *waker) ring(incarnation string, add func(*wakeUp)) {
	w.mu.Lock()
	u := w.pending[incarnation]
	if u == nil {
		u = &wakeUp{}
		w.pending[incarnation] = u
	}
	add(u)
	begin := !w.sending[incarnation]
	w.sending[incarnation] = true
	w.mu.Unlock()
	if begin {
		w.store.background(func(ctx context.Context) { w.send(ctx, incarnation) })
	}
}

func (w *waker) send(ctx context.Context, incarnation string) {
	for {
		w.mu.Lock()
		u := w.pending[incarnation]
		delete(w.pending, incarnation)
		if u == nil || ctx.Err() != nil {
			delete(w.sending, incarnation)
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		w.put(ctx, incarnation, u)
	}
}

// put puts a wake-up into a host's queue. One whose outcome is unknown is put
// again: it does no harm twice. What is lost nevertheless, the sweep finds.
func (w *waker) put(ctx context.Context, incarnation string, u *wakeUp) {
	body := wire.MustJSON(u)
	for n := range 4 {
		err := w.store.account.Enqueue(ctx, w.store.wakeQueue(incarnation), body, 0)
		if err == nil {
			return
		}
		if !errors.Is(err, storage.ErrUnknown) {
			break
		}
		pause(ctx, storage.RetryAfter(err, backoff(n)))
	}
	w.store.observer.Forget() // its host is gone, perhaps
}

// life is the current one of this process, nil if nobody has joined.
func (s *Store) life() *life {
	s.mu.Lock()
	m := s.member
	s.mu.Unlock()
	if m == nil {
		return nil
	}
	if l := m.current(); l != nil && l.shard != nil {
		return l
	}
	return nil
}

// firstWake is how soon a host looks into its queue again after it found
// something; the pause then doubles up to Config.WakeEvery.
const firstWake = 25 * time.Millisecond

// hideWakes is how long taken wake-ups stay hidden, until they are removed.
const hideWakes = 30 * time.Second

// listen looks into the wake-up queue until the life is over.
func (l *life) listen(ctx context.Context) {
	s := l.member.store
	next := firstWake
	for {
		t := time.NewTimer(next)
		select {
		case <-t.C:
		case <-l.wakes:
			t.Stop()
		case <-l.shard.Done():
			t.Stop()
			return
		case <-ctx.Done():
			t.Stop()
			return
		}
		taken, err := s.account.Take(ctx, s.wakeQueue(l.incarnation), 32, hideWakes)
		if err != nil || len(taken) == 0 {
			next = min(2*next, s.cfg.WakeEvery)
			continue
		}
		next = firstWake
		var all wakeUp
		for _, m := range taken {
			var u wakeUp
			if json.Unmarshal(m.Body, &u) != nil {
				continue // none of ours: dropped
			}
			for _, n := range u.Partitions {
				all.add(n)
			}
			all.Look = all.Look || u.Look
			all.Work = all.Work || u.Work
		}
		l.wakeAll(&all)
		for _, m := range taken {
			_ = s.account.Remove(ctx, s.wakeQueue(l.incarnation), m) // it would come again, without harm
		}
	}
}

func (l *life) wakeAll(u *wakeUp) {
	if u.Look {
		l.shard.Nudge()
	}
	if u.Work {
		l.member.lookForWork()
	}
	for _, n := range u.Partitions {
		if n < 0 || n >= len(l.partitions) {
			continue
		}
		if p := l.member.partition(n); p != nil && p.live() {
			p.begin(func(ctx context.Context) { p.sweep(ctx, row.Inbox()) })
		} else if h, ok := l.owner(n); ok && h.Incarnation != l.incarnation {
			l.member.store.waker.ring(h.Incarnation, func(u *wakeUp) { u.add(n) }) // it went to the former owner
		}
	}
}
