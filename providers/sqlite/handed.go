package sqlite

import (
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// handed remembers how often what is not decided yet was handed out, so that a
// host that joins the same store later counts on from there, and which
// instances stored progress. The counts are a help for whoever sees the same
// work again and again: they are not in the file, and a process that ends takes
// them along.
type handed struct {
	mu       sync.Mutex
	held     map[history.InstanceID]*broker.Turn
	messages map[history.InstanceID]map[string]int // that were given back, by id
	work     map[history.InstanceID]map[int64]handedWork
	progress map[history.InstanceID]bool
}

type handedWork struct {
	execution  int64
	attempt    int
	deliveries int
}

// turn says that a turn was handed out.
func (ho *handed) turn(t *broker.Turn) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	if ho.held == nil {
		ho.held = map[history.InstanceID]*broker.Turn{}
	}
	ho.held[t.Instance] = t
}

// released says that a turn was given back.
func (ho *handed) released(t *broker.Turn, counted bool) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	if ho.held[t.Instance] != t {
		return // it was lost before
	}
	delete(ho.held, t.Instance)
	if counted {
		ho.countLocked(t.Instance, t.Messages)
	}
}

func (ho *handed) countLocked(id history.InstanceID, messages []provider.Message) {
	if len(messages) == 0 {
		return
	}
	if ho.messages == nil {
		ho.messages = map[history.InstanceID]map[string]int{}
	}
	counts := ho.messages[id]
	if counts == nil {
		counts = map[string]int{}
		ho.messages[id] = counts
	}
	for i := range messages {
		counts[messages[i].ID]++
	}
}

// committed says what a turn took in, and closed.
func (ho *handed) committed(t *broker.Turn, c *provider.Commit) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	id := t.Instance
	delete(ho.held, id)
	if counts := ho.messages[id]; counts != nil {
		for i := range t.Messages[:c.Consumed] {
			delete(counts, t.Messages[i].ID)
		}
		if len(counts) == 0 {
			delete(ho.messages, id)
		}
	}
	ho.countLocked(id, t.Messages[c.Consumed:])
	if c.NewExecution || c.Status.Final() {
		delete(ho.work, id)
		delete(ho.progress, id)
		return
	}
	work := ho.work[id]
	if work == nil {
		return
	}
	for _, event := range c.CompletedActivities {
		delete(work, event)
	}
	for _, event := range c.CancelActivities {
		delete(work, event)
	}
	if len(work) == 0 {
		delete(ho.work, id)
	}
}

// left says that the host has left with what it held.
func (ho *handed) left() {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	for id, t := range ho.held {
		ho.countLocked(id, t.Messages)
	}
	clear(ho.held)
}

// gone says that an instance was removed.
func (ho *handed) gone(id history.InstanceID) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	delete(ho.held, id)
	delete(ho.messages, id)
	delete(ho.work, id)
	delete(ho.progress, id)
}

// attempts is how often a message was handed out.
func (ho *handed) attempts(id history.InstanceID, message string) int {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	return ho.messages[id][message]
}

// out says that an activity was handed out, and how often by now.
func (ho *handed) out(id history.ActivityID, attempt, deliveries int) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	if ho.work == nil {
		ho.work = map[history.InstanceID]map[int64]handedWork{}
	}
	events := ho.work[id.Instance]
	if events == nil {
		events = map[int64]handedWork{}
		ho.work[id.Instance] = events
	}
	events[id.Event] = handedWork{id.Execution, attempt, deliveries}
}

// deliveries is how often an attempt was handed out.
func (ho *handed) deliveries(id history.ActivityID, attempt int) int {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	if w := ho.work[id.Instance][id.Event]; w.execution == id.Execution && w.attempt == attempt {
		return w.deliveries
	}
	return 0
}

// store says that an activity of the instance stored progress.
func (ho *handed) store(id history.InstanceID) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	if ho.progress == nil {
		ho.progress = map[history.InstanceID]bool{}
	}
	ho.progress[id] = true
}

func (ho *handed) stored(id history.InstanceID) bool {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	return ho.progress[id]
}

// keep forgets all but these: the others have nothing outstanding any more,
// for another process was the worker meanwhile.
func (ho *handed) keep(outstanding map[history.InstanceID]bool) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	for id := range ho.messages {
		if !outstanding[id] {
			delete(ho.messages, id)
		}
	}
	for id := range ho.work {
		if !outstanding[id] {
			delete(ho.work, id)
		}
	}
	clear(ho.progress) // the file says which
}
