package orchestrationtest

import (
	"errors"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

// everyTurn is how long a history may be to be replayed after each message.
// Above it the work is kept linear: a longer one is replayed each time it has
// grown by the growth-th part.
const (
	everyTurn = 256
	growth    = 32
)

// replay replays the history of an instance, from its stored form, beginning
// with the execution that the last turn began in, and reports whether it did.
// The error says that the code does not repeat what it did.
func (e *Env) replay(i *Instance, first int64) (replayed bool, err error) {
	length := len(i.encoded(0))
	switch {
	case e.config.NoForcedReplay:
		return false, nil
	case i.row.Execution == first && !i.row.Status.Final() && length > everyTurn && length-i.replayed < length/growth:
		return false, nil
	}
	for execution := first; execution <= i.row.Execution; execution++ {
		m, err := e.rebuild(i, execution)
		m.Stop()
		if err != nil {
			return true, fmt.Errorf("instance %q of orchestration %q does not repeat itself: replaying its own history, execution %d, finds %w", i.id, i.row.Name, execution, err)
		}
	}
	i.replayed = length
	return true, nil
}

var errRanAgain = errors.New("an inline activity ran again")

// rebuild makes a machine that stands where the history of an execution ends.
// The caller stops it.
func (e *Env) rebuild(i *Instance, execution int64) (*replay.Machine, error) {
	m, last, err := feed(e.registry, e.env, i.id, i.History(execution), e.strict)
	if err != nil || last == 1 && i.again {
		return m, err // at event 1 its code has not run
	}
	// What code decides beyond its history, right after it has been there, it
	// did not decide then.
	if err := m.Begin(e.now); err != nil {
		return m, err
	}
	c, err := m.Finish()
	if err == nil && len(c.Events) > 0 {
		extra := c.Events[0]
		data, _ := history.MarshalData(extra.Data)
		err = &replay.NonDeterminismError{Event: extra.ID, History: "nothing", Code: "decided " + string(data)}
	}
	return m, err
}

// feed replays events with a machine of the code that they name. The caller
// stops it.
func feed(r *registry.Registry, env *registry.Env, id history.InstanceID, events []history.Event, strict bool) (m *replay.Machine, last int64, err error) {
	config := replay.Config{
		Instance: id, Env: env, Trace: true, Strict: strict,
		Inline: func(history.ActivityID, *history.ActivityScheduled, int) (history.Payload, *history.Failure, error) {
			return nil, nil, errRanAgain
		},
	}
	started, ok := events[0].Data.(*history.ExecutionStarted)
	if !ok {
		return replay.New(config), 0, fmt.Errorf("the history begins with %s: it must begin with %s", events[0].Data.Kind(), history.KindExecutionStarted)
	}
	o, found := r.Orchestration(started.Name, started.Version)
	if !found {
		orchestrations, _ := r.Names()
		return replay.New(config), 0, fmt.Errorf("the history is of orchestration %s@%s, which is not among %v", started.Name, started.Version, orchestrations)
	}
	config.Func = o.Run
	m = replay.New(config)
	for _, event := range events {
		if err := m.Replay(event); err != nil {
			return m, last, err
		}
		last = event.ID
	}
	return m, last, nil
}
