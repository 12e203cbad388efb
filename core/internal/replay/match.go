package replay

import (
	"bytes"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
)

// NonDeterminismError says that code does not do what history says it did. The
// instance parks: a deploy of fitting code heals it.
type NonDeterminismError struct {
	Event   int64  // the event of history that code does not confirm
	History string // what history says
	Code    string // what the code did instead
	Where   string // source line of the code, if known
}

func (e *NonDeterminismError) Error() string {
	s := fmt.Sprintf("non-determinism at event %d: history says %s, but the code %s", e.Event, e.History, e.Code)
	if e.Where != "" {
		s += " (" + e.Where + ")"
	}
	return s + ". The code changed in a way that running instances cannot follow, or it depends on something that replay does not repeat (time.Now, rand, a map's order, a goroutine): restore the old behaviour, or register the new one as a new version"
}

// pending is a decision of replayed code that history has yet to confirm.
type pending struct {
	id    int64
	data  history.Data
	where string
	child history.InstanceID // whom it cancels
}

// confirm matches an event of history with the oldest unconfirmed decision.
func (m *Machine) confirm(e history.Event) {
	if len(m.expected) == 0 {
		code := "decided nothing there"
		if m.ending != nil {
			code = "had returned before"
		}
		m.stopFor(&NonDeterminismError{Event: e.ID, History: describe(e.Data), Code: code, Where: m.parkedAt()})
		return
	}
	p := m.expected[0]
	if failed, ok := e.Data.(*history.ExecutionFailed); ok && len(m.expected) == 1 && m.stalled != nil { // what it asks for panicked
		m.expected, m.stalled = nil, nil
		m.ending = &ending{err: &failedError{failed.Failure}, decided: true}
		return
	}
	why := differ(e.Data, p.data)
	if why == "" && m.cfg.Strict {
		why = differInContents(e.Data, p.data)
	}
	if why != "" {
		m.stopFor(&NonDeterminismError{Event: e.ID, History: describe(e.Data), Code: "decided " + describe(p.data) + why, Where: p.where})
		return
	}
	m.compareInputs(e, p.data)
	m.expected = m.expected[1:]
	m.adopt(e.Data)
	if len(m.expected) == 0 && m.stalled != nil {
		m.recorded = e.Data
		m.unstall()
	}
}

// adopt keeps the state and status that history recorded, where code now sets
// others: what was recorded stays in force.
func (m *Machine) adopt(recorded history.Data) {
	switch d := recorded.(type) {
	case *history.StateSet:
		again := func(p pending) bool { s, ok := p.data.(*history.StateSet); return ok && s.Key == d.Key }
		if !bytes.Equal(m.state[d.Key], d.Value) && !slices.ContainsFunc(m.expected, again) {
			m.setState(d.Key, d.Value)
		}
	case *history.StatusSet:
		again := func(p pending) bool { return p.data.Kind() == history.KindStatusSet }
		if !slices.ContainsFunc(m.expected, again) {
			m.status = d.Status
		}
	}
}

// compareInputs reports an input that changed. That is no non-determinism by
// itself, but often the first sign of it.
func (m *Machine) compareInputs(e history.Event, code history.Data) {
	if m.cfg.InputChanged == nil {
		return
	}
	switch c := code.(type) {
	case *history.ActivityScheduled:
		if h, ok := e.Data.(*history.ActivityScheduled); ok && !bytes.Equal(h.Input, c.Input) {
			m.cfg.InputChanged(e.ID, c.Name)
		}
	case *history.ChildScheduled:
		if h, ok := e.Data.(*history.ChildScheduled); ok && !bytes.Equal(h.Input, c.Input) {
			m.cfg.InputChanged(e.ID, c.Name)
		}
	}
}

// expectNothing checks that code has no unconfirmed decision where history has
// an arrival: the turn before it was committed whole.
func (m *Machine) expectNothing(e history.Event) {
	if len(m.expected) > 0 {
		p := m.expected[0]
		m.stopFor(&NonDeterminismError{Event: e.ID, History: describe(e.Data), Code: "decided " + describe(p.data) + " before it", Where: p.where})
	}
}

// live ends the replay. Decisions that history did not get to confirm are new:
// the code has more to do at this point than it had before.
func (m *Machine) live() {
	expected := m.expected
	m.expected = nil
	if m.stalled != nil { // its last decision is only a question
		expected = expected[:len(expected)-1]
		m.lastEvent--
		m.unstall()
	}
	for _, p := range expected {
		m.record(p.id, p.data)
		if cancelled, ok := p.data.(*history.ChildCancelled); ok { // its task is closed by now
			m.cancelChild(cancelled.Source, p.child, "the parent gave up on it")
		}
	}
}

func (m *Machine) unstall() {
	m.runq = slices.Insert(m.runq, 0, m.stalled)
	m.stalled = nil
}

// differ says how a decision differs from history in what must be the same:
// kind, name and the attributes that decide what happens. Inputs, values, and how
// long a timer runs may change: what was recorded stays in force. So may what a
// codec makes of them.
func differ(h, code history.Data) string {
	if h.Kind() != code.Kind() {
		return " instead"
	}
	diff := func(what string, a, b any) string {
		if a != b {
			return fmt.Sprintf(" (%s was %v, is %v)", what, a, b)
		}
		return ""
	}
	switch c := code.(type) {
	case *history.ActivityScheduled:
		h := h.(*history.ActivityScheduled)
		return diff("name", h.Name, c.Name) + diff("version", h.Version, c.Version) + diff("tag", h.Tag, c.Tag) + diff("session", h.Session, c.Session)
	case *history.InlineRan:
		return diff("name", h.(*history.InlineRan).Name, c.Name)
	case *history.EventAwaited:
		h := h.(*history.EventAwaited)
		return diff("name", h.Name, c.Name) + diff("queue", h.Queue, c.Queue) + diff("received", h.Received, c.Received)
	case *history.ChildScheduled:
		h := h.(*history.ChildScheduled)
		return diff("name", h.Name, c.Name) + diff("version", h.Version, c.Version) + diff("instance", h.Instance, c.Instance)
	case *history.DetachedStarted:
		h := h.(*history.DetachedStarted)
		return diff("name", h.Name, c.Name) + diff("version", h.Version, c.Version) + diff("instance", h.Instance, c.Instance)
	case *history.EventSent:
		h := h.(*history.EventSent)
		return diff("receiver", h.To, c.To) + diff("name", h.Name, c.Name)
	case *history.StateSet:
		return diff("key", h.(*history.StateSet).Key, c.Key)
	case *history.Patched:
		return diff("id", h.(*history.Patched).ID, c.ID)
	case *history.ActivityCancelled:
		return diff("source", h.(*history.ActivityCancelled).Source, c.Source)
	case *history.TimerCancelled:
		return diff("source", h.(*history.TimerCancelled).Source, c.Source)
	case *history.WaitCancelled:
		return diff("source", h.(*history.WaitCancelled).Source, c.Source)
	case *history.ChildCancelled:
		return diff("source", h.(*history.ChildCancelled).Source, c.Source)
	}
	return ""
}

// differInContents says how a decision that repeats differs from history in
// what may change from one version of the code to the next.
func differInContents(h, code history.Data) string {
	switch d := code.(type) {
	case *history.InlineRan, *history.ValueRecorded:
		return "" // history alone knows what they hold
	case *history.ExecutionFailed: // no two stacks are the same
		f := *d.Failure
		f.Stack = h.(*history.ExecutionFailed).Failure.Stack
		code = &history.ExecutionFailed{Failure: &f}
	}
	a, errA := history.MarshalData(h)
	b, errB := history.MarshalData(code)
	if errA != nil || errB != nil || bytes.Equal(a, b) {
		return ""
	}
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	return fmt.Sprintf(" with other contents (was %s, is %s)", excerpt(a, same), excerpt(b, same))
}

// excerpt is the part of a text around a place.
func excerpt(text []byte, around int) string {
	const before, most = 80, 240
	s := string(text)
	if around > before {
		s = "…" + s[around-before:]
	}
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strings.ToValidUTF8(s, "?")
}

// describe tells an event in a few words.
func describe(d history.Data) string {
	switch d := d.(type) {
	case *history.ActivityScheduled:
		return fmt.Sprintf("activity %q scheduled", d.Name)
	case *history.InlineRan:
		return fmt.Sprintf("inline activity %q", d.Name)
	case *history.TimerCreated:
		return "a timer created"
	case *history.EventAwaited:
		return fmt.Sprintf("event %q awaited", d.Name)
	case *history.ChildScheduled:
		return fmt.Sprintf("child %q scheduled", d.Name)
	case *history.DetachedStarted:
		return fmt.Sprintf("orchestration %q started detached", d.Name)
	case *history.EventSent:
		return fmt.Sprintf("event %q sent", d.Name)
	case *history.EventRaised:
		return fmt.Sprintf("event %q raised", d.Name)
	case *history.StateSet:
		return fmt.Sprintf("state %q set", d.Key)
	case *history.Patched:
		return fmt.Sprintf("patch %q passed", d.ID)
	}
	return string(d.Kind())
}

// where is the line of user code that is deciding, when tracing.
func (m *Machine) where() string {
	if !m.cfg.Trace {
		return ""
	}
	pcs := make([]uintptr, 32)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs)])
	for {
		frame, more := frames.Next()
		if userFrame(frame.Function) {
			return fmt.Sprintf("%s:%d", frame.File, frame.Line)
		}
		if !more {
			return ""
		}
	}
}

// parkedAt is the line of user code where the main function waits, when
// tracing.
func (m *Machine) parkedAt() string {
	if !m.cfg.Trace || m.ending != nil || m.main == nil || m.current != nil {
		return ""
	}
	lines := strings.Split(string(m.main.co.Dump()), "\n")
	for i := 1; i+1 < len(lines); i += 2 {
		if function, _, ok := strings.Cut(lines[i], "("); ok && userFrame(function) {
			place, _, _ := strings.Cut(strings.TrimSpace(lines[i+1]), " ")
			return place
		}
	}
	return ""
}

// userFrame reports whether a function is neither ours nor the runtime's.
func userFrame(function string) bool {
	for _, ours := range []string{
		"github.com/duroxide/duroxide-go/core/internal/",
		"github.com/duroxide/duroxide-go/core/orchestration.",
		"github.com/duroxide/duroxide-go/core/activity.",
		"runtime.", "runtime/debug.", "iter.",
	} {
		if strings.HasPrefix(function, ours) && !strings.HasPrefix(function, "github.com/duroxide/duroxide-go/core/internal/replay_test.") {
			return false
		}
	}
	return function != ""
}
