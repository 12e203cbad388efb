package history

import (
	"fmt"
	"time"
)

// InvalidError says which event of a history breaks which rule of the package
// comment.
type InvalidError struct {
	Event int64  // id of the offending event, or of the one expected
	Rule  string // "H1" … "H10"
	Why   string
}

func (e *InvalidError) Error() string {
	return fmt.Sprintf("invalid history: event %d breaks rule %s: %s", e.Event, e.Rule, e.Why)
}

// Validator checks one execution's history while it streams by. The zero
// value awaits event 1. It keeps only what is open, so its size does not grow
// with the history.
type Validator struct {
	next      int64
	execution int64
	time      time.Time
	ended     Kind
	open      map[int64]openSource
}

type openSource struct {
	kind    Kind
	attempt int  // of an activity
	waiting bool // for its retry
}

// Next checks the next event. After an error the Validator must not be used.
func (v *Validator) Next(e Event) error {
	if v.open == nil {
		v.open, v.next = map[int64]openSource{}, 1
	}
	fail := func(rule, format string, args ...any) error {
		return &InvalidError{Event: e.ID, Rule: rule, Why: fmt.Sprintf(format, args...)}
	}
	if e.ID != v.next {
		return fail("H1", "expected event %d", v.next)
	}
	if e.Data == nil {
		return fail("H10", "it has no data")
	}
	kind := e.Data.Kind()
	if e.ID == 1 {
		if v.execution = e.Execution; v.execution < 1 {
			return fail("H2", "execution %d: executions count from 1", e.Execution)
		}
	} else if e.Execution != v.execution {
		return fail("H2", "it belongs to execution %d, the history to %d", e.Execution, v.execution)
	}
	if (kind == KindExecutionStarted) != (e.ID == 1) {
		return fail("H3", "it is %s: event 1, and no other, is ExecutionStarted", kind)
	}
	if v.ended != "" {
		return fail("H4", "%s follows %s, which ended the execution", kind, v.ended)
	}
	if e.Time.Before(v.time) {
		return fail("H8", "its time %s is before %s, that of the event before it", e.Time.Format(time.RFC3339Nano), v.time.Format(time.RFC3339Nano))
	}
	if err := v.references(e, fail); err != nil {
		return err
	}
	if err := contents(e.Data); err != nil {
		return fail("H9", "%s: %v", kind, err)
	}
	if Ends(e.Data) {
		v.ended = kind
	}
	v.time = e.Time
	v.next++
	return nil
}

// Ends reports whether an event with this data ends its execution.
func Ends(d Data) bool {
	switch d.(type) {
	case *ExecutionCompleted, *ExecutionFailed, *ExecutionCancelled, *ExecutionTerminated, *ContinuedAsNew:
		return true
	}
	return false
}

// Open returns how many events await an answer: activities, timers, children
// and waits that are outstanding, and raised events that nobody received yet.
func (v *Validator) Open() int { return len(v.open) }

func (v *Validator) references(e Event, fail func(rule, format string, args ...any) error) error {
	// take finds the open source that an event answers.
	take := func(source int64, want Kind) (openSource, error) {
		s, ok := v.open[source]
		switch {
		case source == 0 || source >= e.ID:
			return s, fail("H5", "%s names event %d as its source, which is not before it", e.Data.Kind(), source)
		case !ok:
			return s, fail("H6", "%s names event %d as its source, which is not an open %s", e.Data.Kind(), source, want)
		case s.kind != want:
			return s, fail("H5", "%s names event %d as its source, which is %s, not %s", e.Data.Kind(), source, s.kind, want)
		}
		return s, nil
	}
	answer := func(source int64, want Kind) error {
		_, err := take(source, want)
		delete(v.open, source)
		return err
	}
	switch d := e.Data.(type) {
	case *ActivityScheduled:
		v.open[e.ID] = openSource{kind: KindActivityScheduled, attempt: 1}
	case *TimerCreated, *ChildScheduled:
		v.open[e.ID] = openSource{kind: d.Kind()}
	case *ExecutionStarted:
		for i := range d.Carried {
			v.open[int64(-1-i)] = openSource{kind: KindEventRaised}
		}
	case *EventRaised:
		if d.Source != 0 {
			return answer(d.Source, KindEventAwaited)
		}
		v.open[e.ID] = openSource{kind: KindEventRaised}
	case *EventAwaited:
		if d.Received != 0 {
			return answer(d.Received, KindEventRaised)
		}
		v.open[e.ID] = openSource{kind: KindEventAwaited}
	case *ActivityCompleted:
		return answer(d.Source, KindActivityScheduled)
	case *ActivityFailed:
		return answer(d.Source, KindActivityScheduled)
	case *ActivityCancelled:
		return answer(d.Source, KindActivityScheduled)
	case *TimerFired:
		return answer(d.Source, KindTimerCreated)
	case *TimerCancelled:
		return answer(d.Source, KindTimerCreated)
	case *ChildCompleted:
		return answer(d.Source, KindChildScheduled)
	case *ChildFailed:
		return answer(d.Source, KindChildScheduled)
	case *ChildCancelled:
		return answer(d.Source, KindChildScheduled)
	case *WaitCancelled:
		return answer(d.Source, KindEventAwaited)
	case *ActivityAttemptFailed:
		s, err := take(d.Source, KindActivityScheduled)
		if err == nil && (s.waiting || d.Attempt != s.attempt) {
			err = fail("H7", "attempt %d failed, while attempt %d is due", d.Attempt, s.attempt)
		}
		s.waiting = true
		v.open[d.Source] = s
		return err
	case *ActivityRetried:
		s, err := take(d.Source, KindActivityScheduled)
		if err == nil && (!s.waiting || d.Attempt != s.attempt+1) {
			err = fail("H7", "attempt %d began, while attempt %d had not failed", d.Attempt, d.Attempt-1)
		}
		s.waiting, s.attempt = false, s.attempt+1
		v.open[d.Source] = s
		return err
	}
	return nil
}

// contents checks the names and payloads of an event against the limits.
func contents(d Data) error {
	switch d := d.(type) {
	case *ExecutionStarted:
		return firstError(ValidateName("orchestration", d.Name), ValidatePayload("input", len(d.Input)))
	case *ActivityScheduled:
		return firstError(ValidateName("activity", d.Name), ValidatePayload("input", len(d.Input)))
	case *ChildScheduled:
		return firstError(ValidateName("orchestration", d.Name), ValidatePayload("input", len(d.Input)))
	case *DetachedStarted:
		return firstError(ValidateName("orchestration", d.Name), ValidatePayload("input", len(d.Input)))
	case *InlineRan:
		return firstError(ValidateName("activity", d.Name), ValidatePayload("output", len(d.Output)))
	case *EventAwaited:
		return ValidateName("event", d.Name)
	case *EventRaised:
		return firstError(ValidateName("event", d.Name), ValidatePayload("payload", len(d.Payload)))
	case *EventSent:
		return firstError(ValidateName("event", d.Name), ValidatePayload("payload", len(d.Payload)))
	case *StateSet:
		return ValidateName("state", d.Key)
	case *ActivityCompleted:
		return ValidatePayload("output", len(d.Output))
	case *ChildCompleted:
		return ValidatePayload("output", len(d.Output))
	case *ExecutionCompleted:
		return ValidatePayload("output", len(d.Output))
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
