package broker

import (
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
)

// Watchers tells callers of Store.Wait that an instance changed. It has a mutex
// of its own. The zero value is ready to use. The pattern:
//
//	for {
//		changed, stop := watchers.Watch(id)
//		// read the instance; return if the condition holds, after stop()
//		select {
//		case <-changed:
//		case <-ctx.Done():
//			stop()
//			return nil, ctx.Err()
//		}
//	}
type Watchers struct {
	mu      sync.Mutex
	watched map[history.InstanceID]*watched
}

// watched is shared by all who watch one instance.
type watched struct {
	changed  chan struct{}
	watchers int
}

// Watch returns a channel that is closed at the next change of the instance.
// Who does not wait for it any longer calls stop, at most once.
func (w *Watchers) Watch(id history.InstanceID) (changed <-chan struct{}, stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := w.watched[id]
	if e == nil {
		if w.watched == nil {
			w.watched = map[history.InstanceID]*watched{}
		}
		e = &watched{changed: make(chan struct{})}
		w.watched[id] = e
	}
	e.watchers++
	return e.changed, func() { w.leave(id, e) }
}

func (w *Watchers) leave(id history.InstanceID, e *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.watchers--; e.watchers == 0 && w.watched[id] == e {
		delete(w.watched, id)
	}
}

// Notify tells that the instance changed. It costs one map lookup if nobody
// watches.
func (w *Watchers) Notify(id history.InstanceID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if e := w.watched[id]; e != nil {
		delete(w.watched, id)
		close(e.changed)
	}
}

// NotifyAll tells everyone: something changed, nobody knows where.
func (w *Watchers) NotifyAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.watched {
		close(e.changed)
	}
	clear(w.watched)
}
