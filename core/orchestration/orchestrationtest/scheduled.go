package orchestrationtest

import (
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// Scope is where [Scheduled] and [Children] look: an [Env] for all instances,
// or one instance, [Started] or not.
type Scope interface{ scope() (*Env, []*Instance) }

func (e *Env) scope() (*Env, []*Instance)      { return e, e.order }
func (i *Instance) scope() (*Env, []*Instance) { return i.env, []*Instance{i} }

// Outcome is what became of an activity or a child.
type Outcome string

// The outcomes.
const (
	Open      Outcome = "open"
	Completed Outcome = "completed"
	Failed    Outcome = "failed"
	Cancelled Outcome = "cancelled" // the orchestration gave up on it
	Abandoned Outcome = "abandoned" // its execution ended first
)

// Call is a call of an activity, as the history records it. Of an inline
// activity the history keeps no input, and nothing of a call that failed
// before it was scheduled.
type Call[I any] struct {
	Instance  history.InstanceID
	Execution int64
	Event     int64     // that scheduled it
	At        time.Time // when
	Input     I
	Inline    bool
	Options   history.ActivityScheduled // retry policy, timeouts, tag, …
	Attempts  int                       // begun so far
	Outcome   Outcome
}

// Scheduled is every call of an activity, in the order of the instances and of
// their histories.
func Scheduled[I, O any](in Scope, f activity.Func[I, O]) []Call[I] {
	e, instances := in.scope()
	e.t.Helper()
	var calls []Call[I]
	index := map[int64]int{}
	each(instances, func(i *Instance, event history.Event) {
		if event.ID == 1 {
			clear(index)
		}
		if ran, ok := event.Data.(*history.InlineRan); ok && ran.Name == f.Name() {
			c := Call[I]{Instance: i.id, Execution: event.Execution, Event: event.ID, At: event.Time, Inline: true, Attempts: ran.Attempt, Outcome: Completed}
			if ran.Failure != nil {
				c.Outcome = Failed
			}
			calls = append(calls, c)
			return
		}
		if s, ok := event.Data.(*history.ActivityScheduled); ok && s.Name == f.Name() {
			index[event.ID] = len(calls)
			c := Call[I]{Instance: i.id, Execution: event.Execution, Event: event.ID, At: event.Time, Options: *s, Attempts: 1, Outcome: Open}
			if err := e.config.Codec.Decode(s.Input, &c.Input); err != nil {
				e.fatal("input of activity %q, event %d of instance %q: %v", s.Name, event.ID, i.id, err)
			}
			calls = append(calls, c)
			return
		}
		if retried, ok := event.Data.(*history.ActivityRetried); ok {
			if at, ok := index[retried.Source]; ok {
				calls[at].Attempts = retried.Attempt
			}
			return
		}
		settle(index, event.Data, func(at int, o Outcome) { calls[at].Outcome = o })
	})
	return calls
}

// Child is a call of a child orchestration, or the start of a detached one.
type Child[I any] struct {
	Parent    history.InstanceID
	Execution int64 // of the parent
	Event     int64
	At        time.Time
	ID        history.InstanceID
	Version   string
	Input     I
	Detached  bool
	Outcome   Outcome // of a detached one: Open
}

// Children is every start of an orchestration by another, in the order of the
// instances and of their histories.
func Children[I, O any](in Scope, f orchestration.Func[I, O]) []Child[I] {
	e, instances := in.scope()
	e.t.Helper()
	var children []Child[I]
	index := map[int64]int{}
	each(instances, func(i *Instance, event history.Event) {
		if event.ID == 1 {
			clear(index)
		}
		c := Child[I]{Parent: i.id, Execution: event.Execution, Event: event.ID, At: event.Time, Outcome: Open}
		var input history.Payload
		switch d := event.Data.(type) {
		case *history.ChildScheduled:
			if d.Name != f.Name() {
				return
			}
			c.ID, c.Version, input = d.Instance, d.Version, d.Input
			index[event.ID] = len(children)
		case *history.DetachedStarted:
			if d.Name != f.Name() {
				return
			}
			c.ID, c.Version, input, c.Detached = d.Instance, d.Version, d.Input, true
		default:
			settle(index, event.Data, func(at int, o Outcome) { children[at].Outcome = o })
			return
		}
		if err := e.config.Codec.Decode(input, &c.Input); err != nil {
			e.fatal("input of orchestration %q, event %d of instance %q: %v", f.Name(), event.ID, i.id, err)
		}
		children = append(children, c)
	})
	return children
}

// each goes through the histories of all executions, pruned ones among them.
func each(instances []*Instance, do func(*Instance, history.Event)) {
	for _, i := range instances {
		for _, encoded := range i.executions {
			for _, event := range i.decode(encoded) {
				do(i, event)
			}
		}
	}
}

// settle finds the outcome that an event means for what it answers.
func settle(index map[int64]int, d history.Data, set func(at int, o Outcome)) {
	if history.Ends(d) {
		for _, at := range index {
			set(at, Abandoned)
		}
		return
	}
	source, ok := answers(d)
	at, known := index[source]
	if !ok || !known {
		return
	}
	delete(index, source)
	switch {
	case slices.Contains([]history.Kind{history.KindActivityCompleted, history.KindChildCompleted}, d.Kind()):
		set(at, Completed)
	case slices.Contains([]history.Kind{history.KindActivityFailed, history.KindChildFailed}, d.Kind()):
		set(at, Failed)
	default:
		set(at, Cancelled)
	}
}
