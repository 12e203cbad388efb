package admit

import (
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Commit checks a commit of a turn that handed over messages, against the
// instance as last committed. The limits on the whole state of an instance are
// left to the caller, who knows the state.
func Commit(at *provider.Instance, messages int, c *provider.Commit, now time.Time) error {
	if err := follows(at, c); err != nil {
		return fmt.Errorf("committing a turn of instance %s: %w", quote(string(at.ID)), err)
	}
	if err := commit(messages, c, now); err != nil {
		return fmt.Errorf("%w: committing a turn of instance %s: %w", provider.ErrInvalid, quote(string(at.ID)), err)
	}
	return nil
}

// follows checks that the events continue the history without a gap (P7).
func follows(at *provider.Instance, c *provider.Commit) error {
	execution, last := at.Execution, at.LastEvent
	for i, e := range c.Events {
		switch {
		case e.Execution == execution && e.ID == last+1 && execution > 0:
		case e.Execution == execution+1 && e.ID == 1:
		case i == 0:
			return fmt.Errorf("%w: its first event is %d of execution %d, and the last committed one is %d of execution %d: drop what is in memory and read the history",
				provider.ErrConflict, e.ID, e.Execution, last, execution)
		default:
			return fmt.Errorf("%w: event %d of execution %d follows event %d of execution %d (rules H1, H2)",
				provider.ErrInvalid, e.ID, e.Execution, last, execution)
		}
		execution, last = e.Execution, e.ID
	}
	if c.PruneThrough < 0 || c.PruneThrough > 0 && c.PruneThrough >= execution {
		return fmt.Errorf("%w: PruneThrough is %d, and the commit leads to execution %d: only those before it can be pruned",
			provider.ErrInvalid, c.PruneThrough, execution)
	}
	if at.Execution == 0 && (len(c.Events) == 0 || c.Consumed == 0) {
		return fmt.Errorf("%w: the first commit of an instance begins it and consumes its start, and this one has %d events and consumes %d messages",
			provider.ErrInvalid, len(c.Events), c.Consumed)
	}
	if begins := execution != at.Execution; begins != c.NewExecution {
		return fmt.Errorf("%w: NewExecution is %t, but its events lead from execution %d to %d",
			provider.ErrInvalid, c.NewExecution, at.Execution, execution)
	}
	return nil
}

// Pruned says why an execution cannot be read of which the history was pruned,
// with all those up to through.
func Pruned(execution, through int64) error {
	return fmt.Errorf("%w: execution %d was pruned, with all up to %d: the oldest one kept is %d", provider.ErrNotFound, execution, through, through+1)
}

func commit(messages int, c *provider.Commit, now time.Time) error {
	if c.Consumed < 0 || c.Consumed > messages {
		return fmt.Errorf("it consumes %d messages, and the turn had %d", c.Consumed, messages)
	}
	if err := firstError(
		short("the orchestration's name", c.Name),
		short("the version", c.Version),
		history.ValidatePayload("the output", len(c.Output)),
	); err != nil {
		return err
	}
	switch c.Status {
	case "", history.StatusPending, history.StatusRunning, history.StatusSuspended:
	default:
		if !c.Status.Final() {
			return fmt.Errorf("status %s is none that this program knows", quote(string(c.Status)))
		}
	}
	if s := c.CustomStatus; s != nil && len(*s) > history.MaxStatusBytes {
		return &history.LimitError{What: "the custom status", Size: len(*s), Limit: history.MaxStatusBytes, Unit: "bytes"}
	}
	for _, e := range c.Events {
		if err := data(e.Data); err != nil {
			return fmt.Errorf("event %d: %w", e.ID, err)
		}
	}
	for _, s := range c.State {
		if err := history.ValidateName("state", s.Key); err != nil {
			return err
		}
		if len(s.Value) > history.MaxStateValueBytes {
			return &history.LimitError{What: "the state " + quote(s.Key), Size: len(s.Value), Limit: history.MaxStateValueBytes, Unit: "bytes"}
		}
	}
	return opens(c, now)
}

// opens checks what the commit opens and sends.
func opens(c *provider.Commit, now time.Time) error {
	for _, a := range c.Activities {
		event := a.Scheduled.ID
		if event < 1 || a.Attempt < 1 {
			return fmt.Errorf("activity: attempt %d of event %d: both count from 1", a.Attempt, event)
		}
		if event > history.MaxHistoryEvents {
			return &history.LimitError{What: "the event of an activity", Size: int(event), Limit: history.MaxHistoryEvents, Unit: "events", Hint: "continue as new before the history grows so long"}
		}
		if err := firstError(short("the tag", a.Tag), short("the session", a.Session)); err != nil {
			return fmt.Errorf("activity of event %d: %w", event, err)
		}
	}
	for _, t := range c.Timers {
		if t.Event < 1 {
			return fmt.Errorf("timer of event %d: events count from 1", t.Event)
		}
		if err := firstError(due(t.Due, now), data(t.Fire)); err != nil {
			return fmt.Errorf("timer of event %d: %w", t.Event, err)
		}
	}
	for i := range c.Send {
		if err := message(&c.Send[i], now); err != nil {
			return fmt.Errorf("message %s to instance %s: %w", quote(c.Send[i].ID), quote(string(c.Send[i].To)), err)
		}
	}
	return nil
}

// State checks the limits on the whole durable state of an instance, as it
// would be after the changes.
func State(state map[string]history.Payload, changes []provider.StateChange) error {
	if len(changes) == 0 {
		return nil
	}
	values := make(map[string]int, len(changes))
	keys, size := len(state), 0
	for key, value := range state {
		size += len(value)
		values[key] = len(value)
	}
	for _, c := range changes {
		before, set := values[c.Key]
		if set {
			size -= before
			keys--
			delete(values, c.Key)
		}
		if c.Value != nil {
			size += len(c.Value)
			keys++
			values[c.Key] = len(c.Value)
		}
	}
	var limit *history.LimitError
	switch {
	case keys > history.MaxStateKeys:
		limit = &history.LimitError{What: "the durable state", Size: keys, Limit: history.MaxStateKeys, Unit: "keys"}
	case size > history.MaxStateBytes:
		limit = &history.LimitError{What: "the durable state", Size: size, Limit: history.MaxStateBytes, Unit: "bytes",
			Hint: "keep the data in a store of its own and set a reference"}
	default:
		return nil
	}
	return fmt.Errorf("%w: %w", provider.ErrInvalid, limit)
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
