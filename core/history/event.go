package history

import (
	"encoding/json"
	"time"
)

// Event is one entry of an execution's history. Events are values; whoever
// holds one must not change what its Data points to.
type Event struct {
	// ID is the position in the execution, from 1.
	ID int64
	// Execution is the generation of the instance, from 1.
	Execution int64
	// Time is the hub's time when the turn that recorded the event took it in,
	// in UTC. Events of one turn may share it.
	Time time.Time
	// Remote is the id that a worker in another language gave the action, nil
	// for native code.
	Remote *int32
	// Data is what happened.
	Data Data
}

// Data is the part of an event that depends on its kind. Its implementations
// are the pointer types of this package, one for each [Kind].
type Data interface {
	// Kind names the kind. It is stored, so it never changes.
	Kind() Kind
}

// Kind is the name of a kind of event.
type Kind string

// Arrival is the data of an event that came from outside the orchestration's
// code. Messages carry arrivals, or [ExecutionStarted].
type Arrival interface {
	Data
	// SourceEvent is the id of the event that this one answers, 0 for none.
	SourceEvent() int64
}

// Payload is an encoded value: valid JSON, or nil for none.
type Payload = json.RawMessage

// Trace is a W3C trace context.
type Trace struct {
	Parent string `json:"parent"`
	State  string `json:"state,omitempty"`
}
