package orchestrationtest

import (
	"iter"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Instance is an instance of the world: one that the test started, a child, or
// a detached one.
type Instance struct {
	env *Env
	id  history.InstanceID
	row provider.Instance

	executions [][][]byte // events as they are stored, by execution
	inbox      []provider.Message
	state      map[string]history.Payload
	again      bool // another turn is wanted, even without messages
	expected   bool // its start is on the way
	idle       bool // nobody has its code: it was started detached
	stopped    bool // by StopAfter
	replayed   int  // length of the current history when it was last replayed

	activities map[int64]*coming // open ones: their next step
	timers     map[int64]*coming
	progress   map[int64]history.Payload // of activities: the last heartbeat
}

// Instance finds an instance by its id, nil if there is none.
func (e *Env) Instance(id history.InstanceID) *Instance { return e.instances[id] }

// Instances are all instances, in the order in which they were created.
func (e *Env) Instances() []*Instance { return append([]*Instance(nil), e.order...) }

// create makes an instance whose start is on the way.
func (e *Env) create(id history.InstanceID, s *provider.Start) *Instance {
	i := &Instance{
		env: e, id: id, expected: true,
		row: provider.Instance{
			ID: id, Name: s.Name, Version: s.Version, Status: history.StatusPending, RequestID: s.RequestID,
			Parent: s.Parent, Tags: s.Tags, Created: e.now, Updated: e.now,
		},
		state: map[string]history.Payload{},
	}
	i.closeAll()
	e.instances[id] = i
	e.order = append(e.order, i)
	return i
}

// forget removes an instance, for another to take its id.
func (e *Env) forget(i *Instance) {
	i.closeAll()
	i.stopped = true
	delete(e.instances, i.id)
	for n, other := range e.order {
		if other == i {
			e.order = append(e.order[:n], e.order[n+1:]...)
			break
		}
	}
	e.ready()
	// A machine of the old one must not meet the history of the new one.
	e.native.Close()
}

// closeAll closes every open activity and timer.
func (i *Instance) closeAll() {
	for _, c := range i.activities {
		c.cancel()
	}
	for _, c := range i.timers {
		c.cancel()
	}
	i.activities, i.timers, i.progress = map[int64]*coming{}, map[int64]*coming{}, map[int64]history.Payload{}
}

// ID is the id of the instance.
func (i *Instance) ID() history.InstanceID { return i.id }

// Status is where the instance stands.
func (i *Instance) Status() history.Status { return i.row.Status }

// Execution is the number of the current execution: 1, and one more for each
// time it continued as new.
func (i *Instance) Execution() int64 { return i.row.Execution }

// Info is everything that a client can read of the instance.
func (i *Instance) Info() provider.Instance { return i.row }

// CustomStatus decodes the custom status into what v points to, which stays as
// it is if none is set.
func (i *Instance) CustomStatus(v any) error {
	return i.env.config.Codec.Decode(i.row.CustomStatus, v)
}

// History is the history of an execution, 0 for the current one. It is read
// back from its stored form. It is nil if there is no such execution, or if it was
// pruned, with all up to Info().Pruned; [Scheduled] and [Children] see it still.
func (i *Instance) History(execution int64) []history.Event {
	i.env.t.Helper()
	return i.decode(i.encoded(execution))
}

func (i *Instance) decode(encoded [][]byte) []history.Event {
	i.env.t.Helper()
	var events []history.Event
	for event, err := range stored(encoded, 0) {
		if err != nil {
			i.env.fatal("reading the history of instance %q: %v", i.id, err)
		}
		events = append(events, event)
	}
	return events
}

// Export is the history of an execution, 0 for the current one, as JSON lines:
// the form that [Replay] takes. There is none of an execution that was pruned.
func (i *Instance) Export(execution int64) []byte {
	var lines []byte
	for _, event := range i.encoded(execution) {
		lines = append(append(lines, event...), '\n')
	}
	return lines
}

func (i *Instance) encoded(execution int64) [][]byte {
	if execution == 0 {
		execution = i.row.Execution
	}
	if execution <= i.row.Pruned || execution > int64(len(i.executions)) {
		return nil
	}
	return i.executions[execution-1]
}

// stored streams a history, decoded anew.
func stored(events [][]byte, after int64) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		for n := int(after); n < len(events); n++ {
			if !yield(history.Unmarshal(events[n])) {
				return
			}
		}
	}
}
