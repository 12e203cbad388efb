package hub

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/lograte"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
	"github.com/duroxide/duroxide-go/sharding"
)

// Every host has a queue for wake-ups, named after its incarnation. A wake-up is
// a hint: it may be lost, doubled or late, or go to a host that does not own the
// partition any more, and the sweep of the inbox finds what nobody rang for.

func (s *Store) wakeQueue(incarnation string) string { return s.cfg.Name + wakeSuffix + incarnation }

// wakeUp is the body of a message in a wake-up queue.
type wakeUp struct {
	Partitions []int `json:"partitions,omitempty"` // that have new rows in their inboxes
	// Instances are those that the rows are for, by the index in Partitions:
	// empty for several, or if that is not known.
	Instances []history.InstanceID `json:"instances,omitempty"`
	Look      bool                 `json:"look,omitempty"` // at the host rows: something changes hands
	Work      bool                 `json:"work,omitempty"` // into the work queues: something was offered

	address string        // of the host's doorbell; empty if it has none
	sent    chan struct{} // closed when it was, or could not be
}

// add adds a partition, and the instance that it is about, or "".
func (u *wakeUp) add(n int, id history.InstanceID) {
	i := slices.Index(u.Partitions, n)
	switch {
	case i < 0:
		u.Partitions, u.Instances = append(u.Partitions, n), append(u.Instances, id)
	case u.Instances[i] != id:
		u.Instances[i] = ""
	}
}

// addAll adds what another wake-up says of partitions. One that was written by
// a former program names no instances.
func (u *wakeUp) addAll(other *wakeUp) {
	for i, n := range other.Partitions {
		var id history.InstanceID
		if len(other.Instances) == len(other.Partitions) {
			id = other.Instances[i]
		}
		u.add(n, id)
	}
}

// waker sends wake-ups. While one to a host is under way, others to the same
// host gather and go together.
type waker struct {
	store  *Store
	unsent lograte.Limiter

	mu      sync.Mutex
	pending map[string]*wakeUp // by incarnation
	sending map[string]*wakeUp // the last that went to each, while others follow
	asking  map[int]*asking    // by partition
}

// asking is a wake-up for the owner of a partition, who is being found.
type asking struct {
	wakeUp
	done chan struct{} // closed when it is pending
}

func newWaker(s *Store) *waker {
	return &waker{store: s, pending: map[string]*wakeUp{}, sending: map[string]*wakeUp{}, asking: map[int]*asking{}}
}

// wake rings whoever owns the partition, as far as known, about an instance, or
// several if id is empty.
func (w *waker) wake(n int, id history.InstanceID) {
	if l := w.store.life(); l != nil {
		if h, ok := l.owner(n); ok && h.Incarnation != l.incarnation {
			w.ring(h, func(u *wakeUp) { u.add(n, id) })
		}
		return
	}
	w.mu.Lock()
	a := w.asking[n]
	begin := a == nil
	if begin {
		a = &asking{done: make(chan struct{})}
		w.asking[n] = a
	}
	a.add(n, id)
	w.mu.Unlock()
	if !begin {
		return
	}
	w.store.background(func(ctx context.Context) {
		h, ok := w.store.observer.Owner(ctx, n)
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.asking, n)
		if ok {
			w.ringLocked(h, func(u *wakeUp) { u.addAll(&a.wakeUp) })
		}
		close(a.done)
	})
}

// nudge asks a host to look at the host rows.
func (w *waker) nudge(h sharding.Host) {
	w.ring(h, func(u *wakeUp) { u.Look = true })
}

// work tells other hosts that something was put into a work queue.
func (w *waker) work() {
	l := w.store.life()
	if l == nil {
		return
	}
	for _, h := range l.hosts() {
		if h.Incarnation != l.incarnation {
			w.ring(h, func(u *wakeUp) { u.Work = true })
		}
	}
	l.member.moreWork.Store(true) // this host takes it back when it has a free slot
}

func (w *waker) ring(h sharding.Host, add func(*wakeUp)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ringLocked(h, add)
}

func (w *waker) ringLocked(h sharding.Host, add func(*wakeUp)) {
	u := w.pending[h.Incarnation]
	if u == nil {
		u = &wakeUp{sent: make(chan struct{})}
		w.pending[h.Incarnation] = u
	}
	u.address = h.Address
	add(u)
	if w.sending[h.Incarnation] == nil {
		w.sending[h.Incarnation] = u
		w.store.background(func(ctx context.Context) { w.send(ctx, h.Incarnation) })
	}
}

func (w *waker) send(ctx context.Context, incarnation string) {
	for {
		w.mu.Lock()
		u := w.pending[incarnation]
		delete(w.pending, incarnation)
		if u == nil {
			delete(w.sending, incarnation)
			w.mu.Unlock()
			return
		}
		w.sending[incarnation] = u
		w.mu.Unlock()
		if ctx.Err() == nil && !w.ringDoorbell(ctx, incarnation, u) {
			w.put(ctx, incarnation, u)
		}
		close(u.sent)
	}
}

// put puts a wake-up into a host's queue. One whose outcome is unknown is put
// again: it does no harm twice. What is lost nevertheless, the sweep finds.
func (w *waker) put(ctx context.Context, incarnation string, u *wakeUp) {
	body := wire.MustJSON(u)
	var err error
	for n := range 4 {
		err = w.store.account.Enqueue(ctx, w.store.wakeQueue(incarnation), body, 0)
		if err == nil {
			return
		}
		if !errors.Is(err, storage.ErrUnknown) {
			break
		}
		pause(ctx, storage.RetryAfter(err, backoff(n)))
	}
	w.store.observer.Forget() // its host is gone, perhaps
	if unusable(ctx, err) {
		if unlogged, due := w.unsent.Due(); due {
			w.store.cfg.Log.Warn("wake-ups do not reach hosts: what is sent to them is found by sweeps", "within", w.store.cfg.SweepEvery.String(), "host", incarnation, "error", err, "unlogged", unlogged)
		}
	}
}

// unusable reports whether an error says that a queue cannot be used. That there is
// none is no such error: it goes with its host, or comes with the first offer.
func unusable(ctx context.Context, err error) bool {
	return err != nil && ctx.Err() == nil && !errors.Is(err, storage.ErrGone)
}

// life is the current one of this process, nil if nobody has joined.
func (s *Store) life() *life {
	s.mu.Lock()
	m := s.member
	s.mu.Unlock()
	if m == nil {
		return nil
	}
	if l := m.current(); l != nil && l.sharded() != nil {
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
		if errors.Is(err, storage.ErrGone) { // somebody deleted it
			err = s.account.CreateQueue(ctx, s.wakeQueue(l.incarnation)) // or else at the next look
		}
		if unusable(ctx, err) {
			if unlogged, due := l.deaf.Due(); due {
				s.cfg.Log.Warn("this host cannot look into its wake-up queue: what is sent to it is found by sweeps", "within", s.cfg.SweepEvery.String(), "error", err, "unlogged", unlogged)
			}
		}
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
			all.addAll(&u)
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
	if shard := l.sharded(); u.Look && shard != nil { // a life that just begins looks anyway
		shard.Nudge()
	}
	if u.Work {
		l.member.lookForWork()
	}
	for i, n := range u.Partitions {
		l.rung(n, u.Instances[i])
	}
}

// workFor tells a host that something was put into its own work queue.
func (w *waker) workFor(incarnation string) {
	l := w.store.life()
	switch {
	case l == nil:
	case l.incarnation == incarnation:
		l.member.lookForWork()
	default:
		h, ok := l.host(incarnation)
		if !ok {
			h = sharding.Host{Incarnation: incarnation} // it has just joined
		}
		w.ring(h, func(u *wakeUp) { u.Work = true })
	}
}

// lookForWorkOfDead has hosts look into the work queues when what a host had from there
// is visible again that was just found dead. Nobody else rings for that. It was silent
// for a TTL, and would have beaten a third of one after its last heartbeat: it has been
// dead for two thirds of a TTL, or longer.
func (s *Store) lookForWorkOfDead(ctx context.Context) {
	pause(ctx, workLease-s.cfg.TTL*2/3)
	if l := s.life(); l != nil && ctx.Err() == nil {
		l.member.lookForWork()
		s.waker.work()
	}
}
