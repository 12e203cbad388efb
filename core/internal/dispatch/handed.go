package dispatch

import (
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// handedIn are the outcomes of activities that the store has taken and no
// commit has consumed yet. A store may keep them in memory alone until then, so
// a worker that leaves first takes the turns that consume them: otherwise the
// activities would run again elsewhere.
type handedIn struct {
	mu      sync.Mutex
	open    map[history.ActivityID]bool
	waiting chan struct{} // closed when open is empty; nil if nobody waits
}

func (h *handedIn) add(id history.ActivityID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.open == nil {
		h.open = map[history.ActivityID]bool{}
	}
	h.open[id] = true
}

// remove forgets an outcome that the store did not take.
func (h *handedIn) remove(id history.ActivityID) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.open, id)
	h.settleLocked()
}

// settleLocked tells who waits that nothing is open any more.
func (h *handedIn) settleLocked() {
	if len(h.open) == 0 && h.waiting != nil {
		close(h.waiting)
		h.waiting = nil
	}
}

// consumed takes note that a turn took in its first messages.
func (h *handedIn) consumed(t *provider.Turn, messages int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, m := range t.Messages[:messages] {
		switch d := m.Data.(type) {
		case *history.ActivityCompleted:
			delete(h.open, history.ActivityID{Instance: m.To, Execution: m.Execution, Event: d.Source})
		case *history.ActivityFailed:
			delete(h.open, history.ActivityID{Instance: m.To, Execution: m.Execution, Event: d.Source})
		}
	}
	h.settleLocked()
}

// none is closed when every outcome is consumed. It is called once.
func (h *handedIn) none() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	done := make(chan struct{})
	if len(h.open) == 0 {
		close(done)
	} else {
		h.waiting = done
	}
	return done
}
