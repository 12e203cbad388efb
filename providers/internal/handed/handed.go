package handed

import (
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// Counts are those of one store. The zero value is ready to use, and all
// methods may be called concurrently.
type Counts struct {
	mu       sync.Mutex
	held     map[history.InstanceID]*broker.Turn
	messages map[history.InstanceID]map[string]int // that were given back, by id
	work     map[history.InstanceID]map[int64]work
}

// work is an activity that was handed out.
type work struct {
	execution  int64
	attempt    int
	deliveries int
}

// Turn says that a turn was handed out.
func (co *Counts) Turn(t *broker.Turn) {
	co.mu.Lock()
	defer co.mu.Unlock()
	if co.held == nil {
		co.held = map[history.InstanceID]*broker.Turn{}
	}
	co.held[t.Instance] = t
}

// Released says that a turn was given back.
func (co *Counts) Released(t *broker.Turn, counted bool) {
	co.mu.Lock()
	defer co.mu.Unlock()
	if co.held[t.Instance] != t {
		return // it was lost before
	}
	delete(co.held, t.Instance)
	if counted {
		co.countLocked(t.Instance, t.Messages)
	}
}

func (co *Counts) countLocked(id history.InstanceID, messages []provider.Message) {
	if len(messages) == 0 {
		return
	}
	if co.messages == nil {
		co.messages = map[history.InstanceID]map[string]int{}
	}
	counts := co.messages[id]
	if counts == nil {
		counts = map[string]int{}
		co.messages[id] = counts
	}
	for i := range messages {
		counts[messages[i].ID]++
	}
}

// Committed says what a turn took in, and closed.
func (co *Counts) Committed(t *broker.Turn, c *provider.Commit) {
	co.mu.Lock()
	defer co.mu.Unlock()
	id, over := t.Instance, c.NewExecution || c.Status.Final()
	delete(co.held, id)
	counts := co.messages[id]
	var rest []provider.Message
	for i := range t.Messages {
		m := &t.Messages[i]
		// What the broker made for an execution it drops with that.
		if i < c.Consumed || over && t.Keys[i] == 0 {
			delete(counts, m.ID)
		} else {
			rest = append(rest, *m)
		}
	}
	if len(counts) == 0 {
		delete(co.messages, id)
	}
	co.countLocked(id, rest)
	if over {
		delete(co.work, id)
		return
	}
	open := co.work[id]
	if open == nil {
		return
	}
	for _, event := range c.CompletedActivities {
		delete(open, event)
	}
	for _, event := range c.CancelActivities {
		delete(open, event)
	}
	if len(open) == 0 {
		delete(co.work, id)
	}
}

// Left says that the host has left with what it held.
func (co *Counts) Left() {
	co.LeftWhere(func(history.InstanceID) bool { return true })
}

// LeftWhere says that the host holds these instances no longer: they belong to
// another host by now.
func (co *Counts) LeftWhere(belongs func(history.InstanceID) bool) {
	co.mu.Lock()
	defer co.mu.Unlock()
	for id, t := range co.held {
		if belongs(id) {
			co.countLocked(id, t.Messages)
			delete(co.held, id)
		}
	}
}

// Gone says that an instance was removed.
func (co *Counts) Gone(id history.InstanceID) {
	co.mu.Lock()
	defer co.mu.Unlock()
	delete(co.held, id)
	delete(co.messages, id)
	delete(co.work, id)
}

// Attempts is how often a message was handed out.
func (co *Counts) Attempts(id history.InstanceID, message string) int {
	co.mu.Lock()
	defer co.mu.Unlock()
	return co.messages[id][message]
}

// Out says that an activity was handed out, and how often by now.
func (co *Counts) Out(id history.ActivityID, attempt, deliveries int) {
	co.mu.Lock()
	defer co.mu.Unlock()
	if co.work == nil {
		co.work = map[history.InstanceID]map[int64]work{}
	}
	events := co.work[id.Instance]
	if events == nil {
		events = map[int64]work{}
		co.work[id.Instance] = events
	}
	events[id.Event] = work{id.Execution, attempt, deliveries}
}

// Deliveries is how often an attempt was handed out.
func (co *Counts) Deliveries(id history.ActivityID, attempt int) int {
	co.mu.Lock()
	defer co.mu.Unlock()
	if w := co.work[id.Instance][id.Event]; w.execution == id.Execution && w.attempt == attempt {
		return w.deliveries
	}
	return 0
}

// Keep forgets all but these instances: the others have nothing outstanding any
// more, for another process worked on them meanwhile.
func (co *Counts) Keep(outstanding map[history.InstanceID]bool) {
	co.mu.Lock()
	defer co.mu.Unlock()
	for id := range co.messages {
		if !outstanding[id] {
			delete(co.messages, id)
		}
	}
	for id := range co.work {
		if !outstanding[id] {
			delete(co.work, id)
		}
	}
}
