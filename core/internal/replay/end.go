package replay

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/failure"
	"github.com/duroxide/duroxide-go/core/provider"
)

// ContinueAsNew is the error by which an orchestration ends one execution and
// begins the next.
type ContinueAsNew struct {
	Input   history.Payload
	Version string // "" for the newest registered
	// Keep is how many executions keep their history, the new one among them;
	// 0 for all.
	Keep int
}

func (c *ContinueAsNew) Error() string {
	return "continue as new (return this error from the orchestration itself)"
}

// end takes note of how the main function returned, and decides how the
// execution ends. Continuing as new is decided when the turn closes: until then
// a request to cancel still wins.
func (m *Machine) end(output history.Payload, err error) {
	if m.stopping {
		return
	}
	m.ending = &ending{output: output, err: err}
	if !m.continues() {
		m.conclude()
	}
}

// continues reports whether the main function returned in order to continue as
// new, and that is not yet decided.
func (m *Machine) continues() bool {
	if m.ending == nil || m.ending.decided {
		return false
	}
	_, again := errors.AsType[*ContinueAsNew](m.ending.err)
	return again
}

// conclude decides how the execution ends. The request to cancel wins over
// continuing as new, so that an eternal orchestration that ignores it still
// stops; but not over a result.
func (m *Machine) conclude() {
	m.ending.decided = true
	err := m.ending.err
	next, again := errors.AsType[*ContinueAsNew](err)
	if again && m.cancel == nil {
		if limit := m.carryLimit(); limit != nil {
			m.decide(&history.ExecutionFailed{Failure: limitFailure(limit)})
			return
		}
		m.decide(&history.ContinuedAsNew{Input: next.Input, Version: next.Version})
		return
	}
	switch {
	case err == nil:
		m.decide(&history.ExecutionCompleted{Output: m.ending.output})
	case m.cancel != nil && (again || errors.Is(err, ErrCancelled)):
		m.decide(&history.ExecutionCancelled{Reason: m.cancel.Reason})
	default:
		m.decide(&history.ExecutionFailed{Failure: failure.Of(err)})
	}
}

// close adds to the commit what follows from the end of the execution: the new
// status, word to the parent, and to the children that end with it.
func (m *Machine) close(final history.Data) {
	c := m.commit
	switch d := final.(type) {
	case *history.ExecutionCompleted:
		c.Status, c.Output = history.StatusCompleted, d.Output
		m.tellParent(func(p *history.ParentRef) history.Data {
			return &history.ChildCompleted{Source: p.Event, Output: d.Output, Seed: p.Seed}
		})
	case *history.ExecutionFailed:
		c.Status, c.Failure = history.StatusFailed, d.Failure
		m.tellParentFailed(d.Failure)
	case *history.ExecutionCancelled:
		f := &history.Failure{Kind: history.FailureCancelled, Message: cancelMessage(d.Reason)}
		c.Status, c.Failure = history.StatusCancelled, f
		m.tellParentFailed(f)
	case *history.ContinuedAsNew:
		if next, ok := errors.AsType[*ContinueAsNew](m.ending.err); ok && next.Keep > 0 {
			c.PruneThrough = max(0, m.execution+1-int64(next.Keep))
		}
	}
	var ids []int64
	for id, t := range m.open {
		if t.kind == taskChild && t.close == history.ParentCloseCancel {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		m.cancelChild(id, m.open[id].child, "its parent ended")
	}
}

func cancelMessage(reason string) string {
	if reason == "" {
		return "cancelled"
	}
	return "cancelled: " + reason
}

func (m *Machine) tellParentFailed(f *history.Failure) {
	child := *f
	child.Child = m.cfg.Instance
	m.tellParent(func(p *history.ParentRef) history.Data {
		return &history.ChildFailed{Source: p.Event, Failure: &child, Seed: p.Seed}
	})
}

func (m *Machine) tellParent(outcome func(*history.ParentRef) history.Data) {
	if p := m.started.Parent; p != nil {
		m.send(provider.Message{
			ID: m.messageID(m.lastEvent, "outcome"), To: p.Instance, Execution: p.Execution, Data: outcome(p),
		})
	}
}

// Next is how the next execution starts, nil unless this one continued as new.
// It carries over the external events that nobody received, the state, the
// custom status, and everything that stays the same.
func (m *Machine) Next() *history.ExecutionStarted {
	if m.ending == nil || m.cancel != nil {
		return nil
	}
	next, again := errors.AsType[*ContinueAsNew](m.ending.err)
	if !again || m.carryLimit() != nil {
		return nil
	}
	start := *m.started
	start.Input, start.Version = next.Input, next.Version
	start.Seed = derive(m.started.Seed, "next")
	start.Scheduled = nil
	start.Carried = m.unreceived()
	start.Status = m.status
	start.State = nil
	if len(m.state) > 0 {
		start.State = m.state
	}
	return &start
}

// unreceived are the external events that nobody received, in the order in
// which they came.
func (m *Machine) unreceived() []history.CarriedEvent {
	var all []bufferedEvent
	for _, events := range m.buffered {
		all = append(all, events...)
	}
	slices.SortFunc(all, func(a, b bufferedEvent) int {
		switch { // carried ones, -1, -2, …, came before all others
		case a.id < 0 && b.id < 0:
			return int(b.id - a.id)
		default:
			return int(a.id - b.id)
		}
	})
	var carried []history.CarriedEvent
	for _, b := range all {
		carried = append(carried, b.event)
	}
	return carried
}

func (m *Machine) carryLimit() *history.LimitError {
	count, bytes := 0, 0
	for _, events := range m.buffered {
		for _, b := range events {
			count++
			bytes += len(b.event.Name) + len(b.event.Payload)
		}
	}
	const hint = "receive the events before continuing as new"
	switch {
	case count > history.MaxCarriedEvents:
		return &history.LimitError{What: "what continue-as-new would carry over", Size: count, Limit: history.MaxCarriedEvents, Unit: "events", Hint: hint}
	case bytes > history.MaxCarriedBytes:
		return &history.LimitError{What: "what continue-as-new would carry over", Size: bytes, Limit: history.MaxCarriedBytes, Unit: "bytes", Hint: hint}
	}
	return nil
}

// Refusal answers a start that met an existing instance: the parent learns
// that its child could not start. It is nil for a start without a parent.
func Refusal(id history.InstanceID, start *history.ExecutionStarted, now time.Time) *provider.Message {
	p := start.Parent
	if p == nil {
		return nil
	}
	return &provider.Message{
		ID: start.RequestID + "/refused", To: p.Instance, Execution: p.Execution, Sent: now,
		Data: &history.ChildFailed{Source: p.Event, Failure: &history.Failure{
			Kind: history.FailureExists, Child: id, NonRetryable: true,
			Message: fmt.Sprintf("instance %q exists already: give the child another id", id),
		}, Seed: p.Seed},
	}
}
