package history

import (
	"fmt"
	"time"
)

// InvalidError says which event of a history breaks which rule of the package
// comment.
type InvalidError struct {
	Event int64  // id of the offending event
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
	carried   int
	open      map[int64]openSource
}

// openSource is an event that another one may still answer.
type openSource struct {
	kind    Kind
	queue   bool   // of a wait, or of a raised event
	waiting bool   // of an activity: for its next attempt
	attempt int    // of an activity: the newest
	name    string // of a wait, or of a raised event
}

// Next checks the next event. After an error the Validator must not be used.
func (v *Validator) Next(e Event) error {
	if v.open == nil {
		v.open, v.next = map[int64]openSource{}, 1
	}
	if e.ID != v.next {
		return invalid(e, "H1", "event %d is expected", v.next)
	}
	if e.Data == nil {
		return invalid(e, "H10", "it has no data")
	}
	kind := e.Data.Kind()
	if e.ID == 1 {
		if v.execution = e.Execution; v.execution < 1 {
			return invalid(e, "H2", "it belongs to execution %d: executions count from 1", e.Execution)
		}
	} else if e.Execution != v.execution {
		return invalid(e, "H2", "it belongs to execution %d, the history to %d", e.Execution, v.execution)
	}
	if (kind == KindExecutionStarted) != (e.ID == 1) {
		return invalid(e, "H3", "it is %s: event 1, and no other, is ExecutionStarted", kind)
	}
	if v.ended != "" {
		return invalid(e, "H4", "%s follows %s, which ended the execution", kind, v.ended)
	}
	if e.ID > 1 && e.Time.Before(v.time) {
		return invalid(e, "H8", "its time %s is before %s, that of the event before it", e.Time.Format(time.RFC3339Nano), v.time.Format(time.RFC3339Nano))
	}
	if err := v.references(e); err != nil {
		return err
	}
	if err := contents(e.Data); err != nil {
		return invalid(e, "H9", "%s: %v", kind, err)
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

func invalid(e Event, rule, format string, args ...any) error {
	return &InvalidError{Event: e.ID, Rule: rule, Why: fmt.Sprintf(format, args...)}
}

// references checks what the event says of earlier ones (H5, H6, H7), and
// notes what it opens and closes.
func (v *Validator) references(e Event) error {
	switch d := e.Data.(type) {
	case *ExecutionStarted:
		v.carried = len(d.Carried)
		for i, c := range d.Carried {
			v.open[int64(-1-i)] = openSource{kind: KindEventRaised, name: c.Name, queue: c.Queue}
		}
	case *ActivityScheduled:
		v.open[e.ID] = openSource{kind: KindActivityScheduled, attempt: 1}
	case *TimerCreated, *ChildScheduled:
		v.open[e.ID] = openSource{kind: d.Kind()}
	case *EventRaised:
		if d.Source != 0 {
			return v.meet(e, d.Source, KindEventAwaited, d.Name, d.Queue)
		}
		v.open[e.ID] = openSource{kind: KindEventRaised, name: d.Name, queue: d.Queue}
	case *EventAwaited:
		if d.Received != 0 {
			return v.meet(e, d.Received, KindEventRaised, d.Name, d.Queue)
		}
		v.open[e.ID] = openSource{kind: KindEventAwaited, name: d.Name, queue: d.Queue}
	case *ActivityCompleted:
		return v.attempt(e, d.Source, d.Attempt, true)
	case *ActivityFailed:
		return v.attempt(e, d.Source, d.Attempt, false)
	case *ActivityCancelled:
		return v.answer(e, d.Source, KindActivityScheduled)
	case *TimerFired:
		return v.answer(e, d.Source, KindTimerCreated)
	case *TimerCancelled:
		return v.answer(e, d.Source, KindTimerCreated)
	case *ChildCompleted:
		return v.answer(e, d.Source, KindChildScheduled)
	case *ChildFailed:
		return v.answer(e, d.Source, KindChildScheduled)
	case *ChildCancelled:
		return v.answer(e, d.Source, KindChildScheduled)
	case *WaitCancelled:
		return v.answer(e, d.Source, KindEventAwaited)
	case *ActivityAttemptFailed:
		s, err := v.source(e, d.Source, KindActivityScheduled)
		if err != nil {
			return err
		}
		if s.waiting || d.Attempt != s.attempt {
			return invalid(e, "H7", "attempt %d of activity %d failed, while %s", d.Attempt, d.Source, s.standing())
		}
		s.waiting = true
		v.open[d.Source] = s
	case *ActivityRetried:
		s, err := v.source(e, d.Source, KindActivityScheduled)
		if err != nil {
			return err
		}
		if !s.waiting || d.Attempt != s.attempt+1 {
			return invalid(e, "H7", "attempt %d of activity %d began, while %s", d.Attempt, d.Source, s.standing())
		}
		s.waiting, s.attempt = false, d.Attempt
		v.open[d.Source] = s
	}
	return nil
}

// source finds the open event that e answers.
func (v *Validator) source(e Event, id int64, want Kind) (openSource, error) {
	s, open := v.open[id]
	carried := want == KindEventRaised && id < 0 && -id <= int64(v.carried)
	switch {
	case !carried && (id < 1 || id >= e.ID):
		return s, invalid(e, "H5", "%s names event %d as its source, which is not before it", e.Data.Kind(), id)
	case !open:
		return s, invalid(e, "H6", "%s names event %d as its source, which is not an open %s: it never was one, or it has been answered", e.Data.Kind(), id, want)
	case s.kind != want:
		return s, invalid(e, "H5", "%s names event %d as its source, which is %s, not %s", e.Data.Kind(), id, s.kind, want)
	}
	return s, nil
}

// answer closes the event that e answers.
func (v *Validator) answer(e Event, id int64, want Kind) error {
	_, err := v.source(e, id, want)
	if err == nil {
		delete(v.open, id)
	}
	return err
}

// meet closes the other side of the meeting of a wait and an external event.
func (v *Validator) meet(e Event, id int64, want Kind, name string, queue bool) error {
	s, err := v.source(e, id, want)
	if err != nil {
		return err
	}
	if s.name != name || s.queue != queue {
		return invalid(e, "H5", "%s is of %s, and the event %d it names of %s", e.Data.Kind(), channel(name, queue), id, channel(s.name, s.queue))
	}
	delete(v.open, id)
	return nil
}

// attempt closes an activity with the outcome of an attempt, 0 if the outcome
// does not say of which. A completion counts even if it is late and the next
// attempt is due; a failure is that of the newest attempt.
func (v *Validator) attempt(e Event, id int64, attempt int, completed bool) error {
	s, err := v.source(e, id, KindActivityScheduled)
	if err != nil {
		return err
	}
	late := completed && 0 < attempt && attempt < s.attempt
	if attempt != 0 && attempt != s.attempt && !late {
		return invalid(e, "H7", "%s is of attempt %d of activity %d, while %s", e.Data.Kind(), attempt, id, s.standing())
	}
	delete(v.open, id)
	return nil
}

// standing says where an activity's attempts stand.
func (s openSource) standing() string {
	if s.waiting {
		return fmt.Sprintf("attempt %d has failed and attempt %d is due", s.attempt, s.attempt+1)
	}
	return fmt.Sprintf("attempt %d is running", s.attempt)
}

func channel(name string, queue bool) string {
	if queue {
		return "queue " + quote(name)
	}
	return "event " + quote(name)
}
