package sqlite

import (
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// handed remembers which turns and activities were handed out and are not
// decided, so that the next host of the same store counts on from there, and
// which instances stored progress. A process that crashes takes it along.
type handed struct {
	mu       sync.Mutex
	turns    map[history.InstanceID]handedTurn
	work     map[history.InstanceID]map[int64]handedWork
	progress map[history.InstanceID]bool
}

type handedTurn struct {
	messages int
	attempt  int
}

type handedWork struct {
	execution  int64
	attempt    int
	deliveries int
}

func (ho *handed) turn(t *broker.Turn) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	if ho.turns == nil {
		ho.turns = map[history.InstanceID]handedTurn{}
	}
	ho.turns[t.Instance] = handedTurn{len(t.Messages), t.Attempt}
}

// uncount says that a turn is given back as if it had not been handed out.
func (ho *handed) uncount(t *broker.Turn) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	ho.turns[t.Instance] = handedTurn{len(t.Messages), t.Attempt - 1}
}

// decided says that the turn of an instance was committed, or that the instance
// is gone.
func (ho *handed) decided(id history.InstanceID) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	delete(ho.turns, id)
}

// attempts is how often the nth waiting message of an instance was handed out.
func (ho *handed) attempts(id history.InstanceID, n int) int {
	if ho == nil {
		return 0
	}
	ho.mu.Lock()
	defer ho.mu.Unlock()
	if t := ho.turns[id]; n < t.messages {
		return t.attempt
	}
	return 0
}

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

func (ho *handed) back(id history.ActivityID) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	delete(ho.work[id.Instance], id.Event)
	if len(ho.work[id.Instance]) == 0 {
		delete(ho.work, id.Instance)
	}
}

// deliveries is how often an attempt was handed out and not completed.
func (ho *handed) deliveries(id history.ActivityID, attempt int) int {
	if ho == nil {
		return 0
	}
	ho.mu.Lock()
	defer ho.mu.Unlock()
	if w := ho.work[id.Instance][id.Event]; w.execution == id.Execution && w.attempt == attempt {
		return w.deliveries
	}
	return 0
}

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

func (ho *handed) drop(id history.InstanceID) {
	ho.mu.Lock()
	defer ho.mu.Unlock()
	delete(ho.work, id)
	delete(ho.progress, id)
}
