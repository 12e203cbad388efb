package replay

import (
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Func is an orchestration as the machine runs it: encoded input to encoded
// output. It ends with an error that is a *[ContinueAsNew] to continue as new.
type Func func(c *Context, input history.Payload) (history.Payload, error)

// Inline runs one attempt of an activity inside the turn, and returns its result
// or failure. An error says that it could not run at all: it stops the machine,
// and the turn with it.
type Inline func(id history.ActivityID, d *history.ActivityScheduled, attempt int) (history.Payload, *history.Failure, error)

// Config says what a machine runs.
type Config struct {
	Instance history.InstanceID
	Func     Func
	// Inline runs inline activities; nil refuses them.
	Inline Inline
	// Env is handed through to the code, see [Context.Env].
	Env any
	// InputChanged is told of a replayed activity or child whose input is not
	// what history recorded: what was recorded stays in force. Nil for nobody.
	InputChanged func(event int64, name string)
	// Trace makes non-determinism errors name the source line. It costs a stack
	// capture per decision, so it is for replaying a second time.
	Trace bool
	// Strict makes a decision that repeats, but with other contents (an input, a
	// due time, an output), an error as well: for tests, which replay unchanged
	// code.
	Strict bool
}

// Machine is one execution of an instance, in memory. It is used by one
// goroutine at a time; which one may change from call to call. Once it has
// returned an error it must only be stopped.
type Machine struct {
	cfg       Config
	execution int64
	started   *history.ExecutionStarted
	validator history.Validator

	lastEvent int64     // id of the newest event, committed or decided
	committed int64     // id of the newest committed event
	now       time.Time // of the newest arrival: the orchestration's clock
	lastTime  time.Time // of the newest event
	size      int       // estimate of the bytes held

	// Coroutines: see fiber.go.
	root    *scope
	main    *fiber
	fibers  []*fiber
	runq    []*fiber
	current *fiber

	// While replaying, decisions that code has made and history has not yet
	// confirmed; and the fiber that awaits a recorded value. See match.go.
	replaying bool
	expected  []pending
	stalled   *fiber
	recorded  history.Data

	// What is outstanding.
	open     map[int64]*Task
	waits    map[channelKey][]*Task
	buffered map[channelKey][]bufferedEvent

	status history.Payload
	state  map[string]history.Payload
	cancel *history.CancelRequested

	turnTime time.Time
	commit   *provider.Commit
	dropped  map[int64]bool // events of this turn that it took back
	stopping bool
	err      error // what stopped the machine for good
	ending   *ending
}

// ending is how the main function returned.
type ending struct {
	output  history.Payload
	err     error
	decided bool // the event that ends the execution
}

// channelKey names a stream of external events.
type channelKey struct {
	name  string
	queue bool
}

// bufferedEvent is an external event that nobody has received.
type bufferedEvent struct {
	id    int64 // of its EventRaised, or -k for the k-th carried one
	event history.CarriedEvent
}

// baseSize is what a parked machine costs with nothing open: two stacks and
// its own maps.
const baseSize = 6 << 10

// New makes a machine that has seen no event.
func New(cfg Config) *Machine {
	m := &Machine{
		cfg:      cfg,
		root:     &scope{},
		open:     map[int64]*Task{},
		waits:    map[channelKey][]*Task{},
		buffered: map[channelKey][]bufferedEvent{},
		state:    map[string]history.Payload{},
		size:     baseSize,
	}
	return m
}

// Execution is the execution that the machine runs, 0 before its first event.
func (m *Machine) Execution() int64 { return m.execution }

// LastEvent is the id of the last event that the machine knows to be
// committed.
func (m *Machine) LastEvent() int64 { return m.committed }

// Size estimates the memory the machine holds, in bytes.
func (m *Machine) Size() int { return m.size }

// Replay feeds a committed event. Its errors are *[history.InvalidError] for a
// history that breaks a rule, and *[NonDeterminismError] for code that does
// not do what history says it did.
func (m *Machine) Replay(e history.Event) error {
	if m.err != nil {
		return m.err
	}
	if err := m.validator.Next(e); err != nil {
		m.stopFor(err)
		return m.err
	}
	m.replaying = true
	switch d := e.Data.(type) {
	case *history.ExecutionStarted:
		m.begin(e, d)
		// Code first runs with what follows event 1: if nothing does, it has
		// not run yet, and its first run is no replay.
	default:
		m.run()
		if m.continues() && len(m.expected) == 0 && d.Kind() != history.KindCancelRequested {
			m.conclude()
		}
		if arrival, ok := d.(history.Arrival); ok {
			m.expectNothing(e)
			if m.err == nil {
				m.lastEvent, m.now = e.ID, e.Time
				m.deliver(e.ID, arrival)
			}
		} else {
			m.confirm(e)
		}
		if m.err == nil {
			m.run()
		}
	}
	m.committed, m.lastTime = e.ID, e.Time
	return m.err
}

// Begin opens a turn at a time. Every event of the turn carries it, or the
// time of the last event if that is later: an orchestration's clock never goes
// back.
func (m *Machine) Begin(now time.Time) error {
	if m.err != nil {
		return m.err
	}
	now = now.UTC().Round(0)
	if now.Before(m.lastTime) {
		now = m.lastTime
	}
	m.turnTime = now
	m.commit = &provider.Commit{}
	m.replaying = false
	m.validator = history.Validator{} // its work is done
	m.live()
	if m.started != nil {
		m.run()
	}
	return m.err
}

// Receive takes a message in: it becomes an event and is delivered, and the
// code runs until it blocks again. Messages that no longer mean anything leave
// no event.
func (m *Machine) Receive(msg *provider.Message) error {
	if m.err != nil {
		return m.err
	}
	if m.ending != nil {
		if m.continues() && msg.Data.Kind() == history.KindCancelRequested {
			m.receive(msg, msg.Data.(history.Arrival))
		}
		return m.err
	}
	if start, ok := msg.Data.(*history.ExecutionStarted); ok {
		if m.started == nil {
			return m.Start(start, 1)
		}
		return m.err
	}
	if m.started == nil || (msg.Execution != 0 && msg.Execution != m.execution) {
		return nil
	}
	if arrival, ok := msg.Data.(history.Arrival); ok {
		m.receive(msg, arrival)
		m.run()
	}
	return m.err
}

// Start begins an execution within a turn: event 1, then its code.
func (m *Machine) Start(start *history.ExecutionStarted, execution int64) error {
	e := history.Event{ID: 1, Execution: execution, Time: m.turnTime, Data: start}
	m.begin(e, start)
	m.commit.Events = append(m.commit.Events, e)
	m.commit.NewExecution = true
	m.commit.Status = history.StatusRunning
	m.run()
	return m.err
}

// Finish closes the turn and returns what it decided. The caller commits that
// and then calls [Machine.Committed], or throws the machine away.
func (m *Machine) Finish() (*provider.Commit, error) {
	if m.err != nil {
		return nil, m.err
	}
	m.run()
	if m.err != nil {
		return nil, m.err
	}
	if m.continues() {
		m.conclude()
	}
	m.tidy()
	return m.commit, nil
}

// Committed says that what Finish returned is durable.
func (m *Machine) Committed() {
	m.committed = m.lastEvent
	m.commit = nil
}

// Ended reports whether the execution has ended.
func (m *Machine) Ended() bool { return m.ending != nil }

// Continues reports whether the execution is about to continue as new. It then
// receives nothing but a request to cancel: other messages are for the next.
func (m *Machine) Continues() bool { return m.continues() }

// Stop ends all coroutines. Their deferred calls run; nothing they do has an
// effect.
func (m *Machine) Stop() {
	m.stopping = true
	for _, f := range m.fibers {
		m.current = f
		f.co.Stop()
	}
	m.current, m.fibers, m.runq = nil, nil, nil
	if m.err == nil {
		m.err = errStopped
	}
}

// Stacks shows where each coroutine is parked.
func (m *Machine) Stacks() [][]byte {
	var stacks [][]byte
	for _, f := range m.fibers {
		if s := f.co.Dump(); s != nil {
			stacks = append(stacks, s)
		}
	}
	return stacks
}

var errStopped = errors.New("replay: the machine was stopped")

func (m *Machine) stopFor(err error) {
	if m.err == nil {
		m.err = err
	}
}

// begin sets the execution up from its first event.
func (m *Machine) begin(e history.Event, start *history.ExecutionStarted) {
	m.started, m.execution = start, e.Execution
	m.lastEvent, m.now, m.lastTime = e.ID, e.Time, e.Time
	m.status = start.Status
	for key, value := range start.State {
		m.state[key] = value
		m.size += len(key) + len(value)
	}
	for i, carried := range start.Carried {
		m.buffer(bufferedEvent{id: int64(-1 - i), event: carried})
	}
	m.main = m.spawn(m.root, func(c *Context) {
		output, err := m.cfg.Func(c, start.Input)
		m.end(output, err)
	})
}

// fatal ends the execution because of what a coroutine panicked with.
func (m *Machine) fatal(f *history.Failure) {
	m.end(nil, &failedError{f})
}

// failedError carries a failure that is already in its stored form.
type failedError struct{ f *history.Failure }

func (e *failedError) Error() string             { return e.f.Message }
func (e *failedError) Failure() *history.Failure { return e.f }

// messageID derives the id of a message from the event that causes it. The seed
// tells it from one of an instance that had the same id before.
func (m *Machine) messageID(event int64, what string) string {
	seed := m.started.Seed
	return fmt.Sprintf("%s/%d/%d/%s~%s", m.cfg.Instance, m.execution, event, what, seed[:min(len(seed), 16)])
}
