package replay

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/failure"
	"github.com/duroxide/duroxide-go/core/provider"
)

// receive decides what a message becomes: an event, or nothing if it answers
// what is no longer open.
func (m *Machine) receive(msg *provider.Message, arrival history.Arrival) {
	if m.lastEvent >= history.MaxHistoryEvents {
		m.fatal(limitFailure(historyLimit(m.lastEvent + 1)))
		return
	}
	t := m.open[arrival.SourceEvent()]
	switch d := arrival.(type) {
	case *history.ActivityCompleted:
		if t.is(taskActivity) {
			m.closeActivity(t)
			m.withdraw(t.id)
			completed := *d // the message stays as it is
			completed.Attempt = cmp.Or(d.Attempt, t.attempt)
			m.arrive(&completed)
		} else {
			m.commit.CompletedActivities = append(m.commit.CompletedActivities, d.Source)
		}
	case *history.ActivityFailed:
		m.receiveFailure(t, d)
	case *history.ActivityRetried:
		m.commit.FiredTimers = append(m.commit.FiredTimers, d.Source)
		if t.is(taskActivity) && t.retrying && d.Attempt == t.attempt+1 {
			m.arrive(d)
			m.reschedule(t)
		}
	case *history.TimerFired:
		m.commit.FiredTimers = append(m.commit.FiredTimers, d.Source)
		if t.is(taskTimer) {
			m.arrive(d)
		}
	case *history.ChildCompleted:
		if t.is(taskChild) && m.meant(d.Seed) {
			m.arrive(&history.ChildCompleted{Source: d.Source, Output: d.Output})
		}
	case *history.ChildFailed:
		if t.is(taskChild) && m.meant(d.Seed) {
			m.arrive(&history.ChildFailed{Source: d.Source, Failure: d.Failure})
		}
	case *history.EventRaised:
		if history.ValidateName("event", d.Name) != nil || history.ValidatePayload("payload", len(d.Payload)) != nil {
			return // no client of ours sent it, and a history with it could not be replayed
		}
		raised := *d // the message stays as it is
		raised.Source, raised.MessageID = 0, msg.ID
		if waits := m.waits[channelKey{d.Name, d.Queue}]; len(waits) > 0 {
			raised.Source = waits[0].id
		}
		m.arrive(&raised)
	case *history.CancelRequested:
		if m.cancel == nil && (d.Parent == nil || m.started.Parent != nil && *d.Parent == *m.started.Parent) {
			requested := *d
			requested.MessageID = msg.ID
			m.arrive(&requested)
		}
	}
}

// meant reports whether the outcome of a child is for this execution, and not for one
// of an instance that was purged and had the same id.
func (m *Machine) meant(seed string) bool { return seed == "" || seed == m.started.Seed }

func limitFailure(limit *history.LimitError) *history.Failure {
	return &history.Failure{Kind: history.FailureLimit, Message: limit.Error(), NonRetryable: true}
}

func (t *Task) is(kind taskKind) bool { return t != nil && t.kind == kind }

// closeActivity says that the store need not keep the activity open any more.
func (m *Machine) closeActivity(t *Task) {
	m.commit.CompletedActivities = append(m.commit.CompletedActivities, t.id)
	if t.retrying {
		m.commit.CancelTimers = append(m.commit.CancelTimers, t.id)
	}
}

// receiveFailure either plans the next attempt or lets the activity fail. Only
// the failure of the attempt that runs counts: a late one of an earlier
// attempt, already retried, does not.
func (m *Machine) receiveFailure(t *Task, d *history.ActivityFailed) {
	if !t.is(taskActivity) {
		m.commit.CompletedActivities = append(m.commit.CompletedActivities, d.Source)
		return
	}
	failed := *d
	failed.Attempt = cmp.Or(d.Attempt, t.attempt)
	d = &failed
	if t.retrying || d.Attempt != t.attempt {
		return
	}
	m.closeActivity(t)
	due, again := m.retryAt(t, d.Failure)
	if !again {
		m.withdraw(t.id)
		m.arrive(d)
		return
	}
	m.arrive(&history.ActivityAttemptFailed{Source: d.Source, Attempt: d.Attempt, Failure: d.Failure, Retry: due, Started: d.Started, Worker: d.Worker})
	retried := &history.ActivityRetried{Source: t.id, Attempt: t.attempt + 1}
	if due.After(m.turnTime) {
		m.commit.Timers = append(m.commit.Timers, provider.Timer{Event: t.id, Due: due, Fire: retried})
		return
	}
	m.arrive(retried)
	m.reschedule(t)
}

// reschedule offers the next attempt to workers.
func (m *Machine) reschedule(t *Task) {
	m.commit.Activities = append(m.commit.Activities, provider.Activity{
		Scheduled: history.Event{ID: t.id, Execution: m.execution, Time: m.turnTime, Data: t.scheduled},
		Attempt:   t.attempt, Tag: t.scheduled.Tag, Session: t.scheduled.Session,
	})
}

// retryAt is when the attempt after the failed one is due, if there is one.
func (m *Machine) retryAt(t *Task, f *history.Failure) (time.Time, bool) {
	policy := t.scheduled.Retry
	if !mayRetry(f, policy, t.attempt) {
		return time.Time{}, false
	}
	due := m.turnTime.Add(m.retryDelay(policy, t))
	if deadline := t.scheduled.Deadline; deadline != nil && !due.Before(*deadline) {
		return time.Time{}, false
	}
	return due, true
}

func mayRetry(f *history.Failure, policy *history.RetryPolicy, attempt int) bool {
	return policy != nil && attempt < policy.MaxAttempts && failure.Retryable(f, policy)
}

// retryDelay grows the first interval with each attempt, up to the maximum,
// and spreads it by a jitter that is a function of the event alone.
func (m *Machine) retryDelay(policy *history.RetryPolicy, t *Task) time.Duration {
	first, n := float64(policy.First), float64(t.attempt)
	delay := first * math.Pow(policy.Factor, n-1)
	if policy.Linear {
		delay = first * n
	}
	if policy.Max > 0 {
		delay = min(delay, float64(policy.Max))
	}
	if policy.Jitter > 0 {
		delay *= 1 - policy.Jitter*unit(m.started.Seed, t.id, t.attempt)
	}
	delay = min(delay, float64(history.MaxTimerDelay/time.Millisecond))
	return history.Millis(math.Ceil(delay)).Duration()
}

// arrive records an arrival and delivers it.
func (m *Machine) arrive(arrival history.Arrival) {
	m.lastEvent++
	m.now, m.lastTime = m.turnTime, m.turnTime
	m.commit.Events = append(m.commit.Events, history.Event{ID: m.lastEvent, Execution: m.execution, Time: m.turnTime, Data: arrival})
	m.deliver(m.lastEvent, arrival)
}

// deliver gives an arrival to what it answers. It makes fibers runnable and
// runs none.
func (m *Machine) deliver(id int64, arrival history.Arrival) {
	t := m.open[arrival.SourceEvent()]
	if t == nil && arrival.SourceEvent() != 0 {
		m.stopFor(&NonDeterminismError{Event: id, History: describe(arrival), Code: "has nothing open that this answers"})
		return
	}
	switch d := arrival.(type) {
	case *history.ActivityCompleted:
		t.finish(d.Output, nil, nil)
	case *history.ActivityFailed:
		t.finish(nil, d.Failure, nil)
	case *history.ActivityAttemptFailed:
		t.retrying = true
	case *history.ActivityRetried:
		t.retrying, t.attempt = false, d.Attempt
	case *history.TimerFired:
		t.finish(nil, nil, nil)
	case *history.ChildCompleted:
		t.finish(d.Output, nil, nil)
	case *history.ChildFailed:
		t.finish(nil, d.Failure, nil)
	case *history.EventRaised:
		if t != nil {
			m.unwait(t)
			t.finish(d.Payload, nil, nil)
			return
		}
		m.buffer(bufferedEvent{id: id, event: history.CarriedEvent{Name: d.Name, Queue: d.Queue, Payload: d.Payload, MessageID: d.MessageID}})
	case *history.CancelRequested:
		m.cancel = d
		m.cancelScope(m.root)
	}
}

func (m *Machine) buffer(b bufferedEvent) {
	key := channelKey{b.event.Name, b.event.Queue}
	m.buffered[key] = append(m.buffered[key], b)
	m.size += 128 + len(b.event.Payload)
}

// unbuffer removes the oldest event of a stream.
func (m *Machine) unbuffer(key channelKey) {
	m.size -= 128 + len(m.buffered[key][0].event.Payload)
	m.buffered[key] = m.buffered[key][1:]
	if len(m.buffered[key]) == 0 {
		delete(m.buffered, key)
	}
}

// unwait removes a wait from its line.
func (m *Machine) unwait(t *Task) {
	line := m.waits[t.key]
	if i := slices.Index(line, t); i >= 0 {
		line = slices.Delete(line, i, i+1)
	}
	if len(line) == 0 {
		delete(m.waits, t.key)
	} else {
		m.waits[t.key] = line
	}
}
