package memory

import (
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// record is an instance: what clients see of it, its histories, its state.
type record struct {
	provider.Instance
	incarnation uint64
	startedBy   string            // id of the message that created it
	executions  [][]history.Event // the first that is not pruned, and those after it (M3)
	state       map[string]history.Payload
}

// create makes the record of a start that was accepted.
func (s *Store) create(m *provider.Message, now time.Time) *record {
	s.incarnation++
	rec := &record{
		incarnation: s.incarnation,
		startedBy:   m.ID,
		Instance: provider.Instance{
			ID:        m.To,
			Name:      m.Start.Name,
			Version:   m.Start.Version,
			Status:    history.StatusPending,
			RequestID: m.Start.RequestID,
			Parent:    m.Start.Parent,
			Tags:      m.Start.Tags,
			Created:   now,
			Updated:   now,
		},
	}
	s.records[m.To] = rec
	s.ids.add(m.To)
	return rec
}

// events is the history of an execution so far; 0 means the current one. Not
// nil means found.
func (r *record) events(execution int64) ([]history.Event, bool) {
	if execution == 0 {
		execution = r.Execution
	}
	switch {
	case execution == 0:
		return nil, true // pending: an empty history
	case execution <= r.Pruned || execution > r.Pruned+int64(len(r.executions)):
		return nil, false
	}
	return slices.Clip(r.executions[execution-r.Pruned-1]), true
}

// index lists the ids of instances in ascending order. New ones are sorted in
// when somebody lists; removed ones stay until then, and are skipped by who
// finds no record.
type index struct {
	sorted []history.InstanceID
	fresh  []history.InstanceID
}

func (x *index) add(id history.InstanceID) { x.fresh = append(x.fresh, id) }

// from returns the ids that are not below first, in order.
func (x *index) from(first history.InstanceID, exists func(history.InstanceID) bool) []history.InstanceID {
	if len(x.fresh) > 0 {
		x.sorted = append(x.sorted, x.fresh...)
		x.sorted = slices.DeleteFunc(x.sorted, func(id history.InstanceID) bool { return !exists(id) })
		slices.Sort(x.sorted)
		x.sorted, x.fresh = slices.Compact(x.sorted), nil
	}
	at, _ := slices.BinarySearch(x.sorted, first)
	return x.sorted[at:]
}
