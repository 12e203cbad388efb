package scheduled

import (
	"iter"
	"maps"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
)

// Open are those events of a history by which activities were scheduled that are open.
func Open(events iter.Seq2[history.Event, error], open spans.Set) (map[int64]history.Event, error) {
	found := map[int64]history.Event{}
	for e, err := range events {
		if err != nil {
			return nil, err
		}
		if _, ok := open.Find(e.ID); ok {
			found[e.ID] = e
		}
	}
	return found, nil
}

// Events are those that are kept, of the current execution of each instance. The zero
// value is ready to use, and all methods may be called concurrently.
type Events struct {
	mu   sync.Mutex
	kept map[history.InstanceID]map[int64]history.Event
}

// Keep keeps events of an instance unless these are of no use any more, which is asked
// with the mutex held: whoever drops them afterwards finds them.
func (es *Events) Keep(id history.InstanceID, events map[int64]history.Event, useful func() bool) {
	es.mu.Lock()
	defer es.mu.Unlock()
	if !useful() {
		return
	}
	if es.kept == nil {
		es.kept = map[history.InstanceID]map[int64]history.Event{}
	}
	es.kept[id] = events
}

// Take is the event that scheduled an activity, if it is kept. It is kept no longer.
func (es *Events) Take(id history.ActivityID) (history.Event, bool) {
	es.mu.Lock()
	defer es.mu.Unlock()
	e, ok := es.kept[id.Instance][id.Event]
	if ok = ok && e.Execution == id.Execution; ok {
		delete(es.kept[id.Instance], id.Event)
	}
	return e, ok
}

// Drop forgets those of an instance.
func (es *Events) Drop(id history.InstanceID) {
	es.mu.Lock()
	defer es.mu.Unlock()
	delete(es.kept, id)
}

// DropWhere forgets those of the instances that belong.
func (es *Events) DropWhere(belongs func(history.InstanceID) bool) {
	es.mu.Lock()
	defer es.mu.Unlock()
	maps.DeleteFunc(es.kept, func(id history.InstanceID, _ map[int64]history.Event) bool { return belongs(id) })
}
