package history

import "time"

// ExecutionStarted begins every execution.
type ExecutionStarted struct {
	Name    string  `json:"name"`
	Version string  `json:"version,omitempty"`
	Input   Payload `json:"input,omitempty"`
	// RequestID is the starter's key: the same start sent twice carries the
	// same one.
	RequestID string `json:"requestId,omitempty"`
	// Seed is 32 hexadecimal digits, fresh per execution, from which
	// deterministic ids and random numbers are derived.
	Seed      string            `json:"seed"`
	Parent    *ParentRef        `json:"parent,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	Scheduled *time.Time        `json:"scheduled,omitempty"` // not before
	Deadline  *time.Time        `json:"deadline,omitempty"`
	Trace     *Trace            `json:"trace,omitempty"`
	// Carried are the events that the previous execution received and did not
	// consume, in order.
	Carried []CarriedEvent `json:"carried,omitempty"`
	// State and Status are the durable state and the custom status as the
	// previous execution left them.
	State  map[string]Payload `json:"state,omitempty"`
	Status Payload            `json:"status,omitempty"`
	// Headers are set by interceptors, for what travels along with a call.
	Headers map[string]string `json:"headers,omitempty"`
}

// CarriedEvent is an external event on its way into the next execution.
type CarriedEvent struct {
	Name      string  `json:"name"`
	Queue     bool    `json:"queue,omitempty"`
	Payload   Payload `json:"payload,omitempty"`
	MessageID string  `json:"messageId,omitempty"`
}

// ExecutionCompleted ends an execution with its result.
type ExecutionCompleted struct {
	Output Payload `json:"output,omitempty"`
}

// ExecutionFailed ends an execution with the error that its code returned.
type ExecutionFailed struct {
	Failure *Failure `json:"failure"`
}

// ExecutionCancelled ends an execution that was asked to cancel and did.
type ExecutionCancelled struct {
	Reason string `json:"reason,omitempty"`
}

// ExecutionTerminated ends an execution without asking its code.
type ExecutionTerminated struct {
	Reason string  `json:"reason,omitempty"`
	Output Payload `json:"output,omitempty"`
}

// ContinuedAsNew ends an execution in favour of the next one, whose first
// event says everything about it.
type ContinuedAsNew struct {
	Input   Payload `json:"input,omitempty"`
	Version string  `json:"version,omitempty"`
}

// CancelRequested asks the orchestration to cancel.
type CancelRequested struct {
	// Parent is set when a parent asks its child: an instance that is not this
	// child, and only has the id that the parent chose, takes no notice.
	Parent    *ParentRef `json:"parent,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	MessageID string     `json:"messageId,omitempty"`
}

// ActivityScheduled is the decision to run an activity.
type ActivityScheduled struct {
	Name        string       `json:"name"`
	Version     string       `json:"version,omitempty"`
	Input       Payload      `json:"input,omitempty"`
	Retry       *RetryPolicy `json:"retry,omitempty"`
	Timeout     Millis       `json:"timeoutMs,omitempty"` // of each attempt
	Deadline    *time.Time   `json:"deadline,omitempty"`  // of all attempts
	Tag         string       `json:"tag,omitempty"`
	Session     string       `json:"session,omitempty"`
	Description string       `json:"description,omitempty"`
	// InputHash stands for the input where a remote worker keeps it elsewhere.
	InputHash string            `json:"inputHash,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	Trace     *Trace            `json:"trace,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
}

// ActivityCompleted is the result of a scheduled activity.
type ActivityCompleted struct {
	Source  int64   `json:"source"`
	Attempt int     `json:"attempt,omitempty"`
	Output  Payload `json:"output,omitempty"`
	// Started and Worker say when and where the attempt that counted ran.
	Started *time.Time `json:"started,omitempty"`
	Worker  string     `json:"worker,omitempty"`
}

// ActivityFailed is the failure of the last attempt of a scheduled activity.
type ActivityFailed struct {
	Source  int64      `json:"source"`
	Attempt int        `json:"attempt,omitempty"`
	Failure *Failure   `json:"failure"`
	Started *time.Time `json:"started,omitempty"`
	Worker  string     `json:"worker,omitempty"`
}

// ActivityAttemptFailed is the failure of an attempt that another one follows,
// not before Retry.
type ActivityAttemptFailed struct {
	Source  int64      `json:"source"`
	Attempt int        `json:"attempt"`
	Failure *Failure   `json:"failure"`
	Retry   time.Time  `json:"retry"`
	Started *time.Time `json:"started,omitempty"`
	Worker  string     `json:"worker,omitempty"`
}

// ActivityRetried is the begin of attempt 2, 3, …: the time to retry has come.
type ActivityRetried struct {
	Source  int64 `json:"source"`
	Attempt int   `json:"attempt"`
}

// ActivityCancelled is the decision to give up on a scheduled activity. Its
// outcome no longer counts.
type ActivityCancelled struct {
	Source int64 `json:"source"`
}

// InlineRan records an activity that ran inside the turn: its result or its
// failure, and how many attempts it took.
type InlineRan struct {
	Name    string   `json:"name"`
	Attempt int      `json:"attempt,omitempty"`
	Output  Payload  `json:"output,omitempty"`
	Failure *Failure `json:"failure,omitempty"`
}

// ValueRecorded records what a side effect returned.
type ValueRecorded struct {
	Value Payload `json:"value,omitempty"`
}

// TimerCreated is the decision to wait until Due.
type TimerCreated struct {
	Due         time.Time `json:"due"`
	Description string    `json:"description,omitempty"`
}

// TimerFired says that a timer is due.
type TimerFired struct {
	Source int64 `json:"source"`
}

// TimerCancelled is the decision not to wait for a timer any longer.
type TimerCancelled struct {
	Source int64 `json:"source"`
}

// EventAwaited is the decision to wait for an external event of a name, or for
// the next message of a queue.
type EventAwaited struct {
	Name        string `json:"name"`
	Queue       bool   `json:"queue,omitempty"`
	Description string `json:"description,omitempty"`
	// Received is the id of the EventRaised that was waiting for this wait
	// already; -1, -2, … for the first, second, … carried event; 0 if none was.
	Received int64 `json:"received,omitempty"`
}

// EventRaised is an external event. The oldest open wait of its name, Source,
// receives it; with none open (Source 0) it is kept for the next one made.
type EventRaised struct {
	Source    int64   `json:"source,omitempty"`
	Name      string  `json:"name"`
	Queue     bool    `json:"queue,omitempty"`
	Payload   Payload `json:"payload,omitempty"`
	MessageID string  `json:"messageId,omitempty"`
}

// WaitCancelled is the decision not to wait for an event any longer.
type WaitCancelled struct {
	Source int64 `json:"source"`
}

// EventSent is the decision to raise an event for another instance.
type EventSent struct {
	To      InstanceID `json:"to"`
	Name    string     `json:"name"`
	Queue   bool       `json:"queue,omitempty"`
	Payload Payload    `json:"payload,omitempty"`
}

// ParentClose says what becomes of a child when its parent ends first.
type ParentClose string

// The choices of ParentClose. The zero value is ParentCloseCancel.
const (
	ParentCloseCancel  ParentClose = ""        // the child is asked to cancel
	ParentCloseAbandon ParentClose = "abandon" // the child goes on
)

// ChildScheduled is the decision to run an orchestration and use its outcome.
type ChildScheduled struct {
	Name        string            `json:"name"`
	Version     string            `json:"version,omitempty"`
	Instance    InstanceID        `json:"instance"`
	Input       Payload           `json:"input,omitempty"`
	ParentClose ParentClose       `json:"parentClose,omitempty"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	Trace       *Trace            `json:"trace,omitempty"`
	Headers     map[string]string `json:"headers,omitempty"`
}

// ChildCompleted is the result of a child.
type ChildCompleted struct {
	Source int64   `json:"source"`
	Output Payload `json:"output,omitempty"`
	// Seed is that of the parent's execution while this is a message, and empty in a
	// history: what comes for an instance that was purged is nothing to the next one
	// of its id.
	Seed string `json:"seed,omitempty"`
}

// ChildFailed says that a child failed, was cancelled, or could not start.
type ChildFailed struct {
	Source  int64    `json:"source"`
	Failure *Failure `json:"failure"`
	Seed    string   `json:"seed,omitempty"` // as that of ChildCompleted
}

// ChildCancelled is the decision to give up on a child and ask it to cancel.
type ChildCancelled struct {
	Source int64 `json:"source"`
}

// DetachedStarted is the decision to start an orchestration and leave it.
type DetachedStarted struct {
	Name      string            `json:"name"`
	Version   string            `json:"version,omitempty"`
	Instance  InstanceID        `json:"instance"`
	Input     Payload           `json:"input,omitempty"`
	Scheduled *time.Time        `json:"scheduled,omitempty"`
	Tags      map[string]string `json:"tags,omitempty"`
	Trace     *Trace            `json:"trace,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
}

// StatusSet is a change of the custom status; nil clears it.
type StatusSet struct {
	Status Payload `json:"status,omitempty"`
}

// StateSet is a change of one key of the durable state; nil removes it.
type StateSet struct {
	Key   string  `json:"key"`
	Value Payload `json:"value,omitempty"`
}

// Patched records that code passed a patch marker with the new behaviour.
type Patched struct {
	ID string `json:"id"`
}

// RetryPolicy is how often and when an activity is tried again.
type RetryPolicy struct {
	MaxAttempts  int      `json:"maxAttempts"`
	First        Millis   `json:"firstMs,omitempty"` // before the second attempt
	Factor       float64  `json:"factor,omitempty"`  // of each later interval
	Max          Millis   `json:"maxMs,omitempty"`   // of any interval
	Linear       bool     `json:"linear,omitempty"`  // grow by First, not by Factor
	Jitter       float64  `json:"jitter,omitempty"`  // share of the interval, 0 to 1
	NonRetryable []string `json:"nonRetryable,omitempty"`
}

// Millis is a duration in whole milliseconds, as stored.
type Millis int64

// ToMillis rounds up, so that nothing is ever early.
func ToMillis(d time.Duration) Millis {
	return Millis((d + time.Millisecond - 1) / time.Millisecond)
}

// Duration is the stored duration.
func (m Millis) Duration() time.Duration { return time.Duration(m) * time.Millisecond }
