package history

// FailureKind tells what sort of trouble a Failure is. The orchestration can
// tell them apart without reading messages.
type FailureKind string

// The kinds of failure.
const (
	FailureError     FailureKind = "error"     // user code returned an error
	FailurePanic     FailureKind = "panic"     // user code panicked; Stack says where
	FailureTimeout   FailureKind = "timeout"   // an attempt ran out of time, or the deadline of all passed
	FailureCancelled FailureKind = "cancelled" // the work was cancelled
	FailureLost      FailureKind = "lost"      // the worker that ran it was lost, and no attempt was left
	FailureExists    FailureKind = "exists"    // a child could not start: its id is taken
	FailureLimit     FailureKind = "limit"     // a limit was exceeded
	FailureInvalid   FailureKind = "invalid"   // a value could not be encoded or decoded
)

// Failure is an error on its way through storage.
type Failure struct {
	Kind    FailureKind `json:"kind"`
	Type    string      `json:"type,omitempty"` // Go type, or the code it is registered by
	Message string      `json:"message"`
	// Details is the error value itself, encoded, if its type has exported
	// fields.
	Details      Payload  `json:"details,omitempty"`
	NonRetryable bool     `json:"nonRetryable,omitempty"`
	Stack        string   `json:"stack,omitempty"`
	Cause        *Failure `json:"cause,omitempty"`
	// Activity, Child and Attempt say what failed, where it was scheduled.
	Activity string     `json:"activity,omitempty"`
	Child    InstanceID `json:"child,omitempty"`
	Attempt  int        `json:"attempt,omitempty"`
	// Properties are for workers in other languages.
	Properties map[string]Payload `json:"properties,omitempty"`
}

func (f *Failure) String() string {
	if f == nil {
		return "no failure"
	}
	return string(f.Kind) + ": " + f.Message
}
