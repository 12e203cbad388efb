package replay

import (
	"fmt"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/coro"
	"github.com/duroxide/duroxide-go/core/provider"
)

// decide records a decision of code: while replaying as one that history must
// confirm next, otherwise as a new event with its effects. It returns the id
// of the event, which is the same either way.
func (m *Machine) decide(d history.Data) int64 {
	if m.stopping {
		m.current.co.Park() // does not return
	}
	m.lastEvent++
	if m.replaying {
		p := pending{id: m.lastEvent, data: d, where: m.where()}
		if cancelled, ok := d.(*history.ChildCancelled); ok {
			p.child = m.open[cancelled.Source].child
		}
		m.expected = append(m.expected, p)
	} else {
		m.record(m.lastEvent, d)
	}
	return m.lastEvent
}

// record appends a new event to the turn's commit, with what follows from it.
func (m *Machine) record(id int64, data history.Data) {
	m.lastTime = m.turnTime
	e := history.Event{ID: id, Execution: m.execution, Time: m.turnTime, Data: data}
	c := m.commit
	c.Events = append(c.Events, e)
	switch d := data.(type) {
	case *history.ActivityScheduled:
		c.Activities = append(c.Activities, provider.Activity{Scheduled: e, Attempt: 1, Tag: d.Tag, Session: d.Session})
	case *history.ActivityCancelled:
		m.drop(d.Source, &c.CancelActivities)
		if t := m.open[d.Source]; t == nil || t.retrying {
			c.CancelTimers = append(c.CancelTimers, d.Source)
		}
	case *history.TimerCreated:
		c.Timers = append(c.Timers, provider.Timer{Event: id, Due: d.Due, Fire: &history.TimerFired{Source: id}})
	case *history.TimerCancelled:
		m.drop(d.Source, &c.CancelTimers)
	case *history.ChildScheduled:
		m.sendChild(id, d)
	case *history.ChildCancelled:
		if t := m.open[d.Source]; t != nil {
			m.cancelChild(d.Source, t.child, "the parent gave up on it")
		}
	case *history.DetachedStarted:
		m.sendDetached(id, d)
	case *history.EventSent:
		msgID := m.messageID(id, "event")
		m.send(provider.Message{ID: msgID, To: d.To, Data: &history.EventRaised{Name: d.Name, Queue: d.Queue, Payload: d.Payload, MessageID: msgID}})
	case *history.StatusSet:
		c.CustomStatus = &d.Status
	case *history.StateSet:
		c.State = append(c.State, provider.StateChange{Key: d.Key, Value: d.Value})
	case *history.ExecutionCompleted, *history.ExecutionFailed, *history.ExecutionCancelled, *history.ContinuedAsNew:
		m.close(data)
	}
}

// drop takes back what an event asked for: wholly, if it was decided in this
// same turn, or by cancelling it in the store.
func (m *Machine) drop(source int64, cancel *[]int64) {
	m.withdraw(source)
	if source <= m.committed {
		*cancel = append(*cancel, source)
	}
}

// withdraw takes back what this turn has asked for on behalf of an event: a
// child, a timer, an attempt of an activity.
func (m *Machine) withdraw(source int64) {
	if m.dropped == nil {
		m.dropped = map[int64]bool{}
	}
	m.dropped[source] = true
}

// tidy removes from the commit what the same turn took back.
func (m *Machine) tidy() {
	c := m.commit
	if m.ending != nil { // the end of an execution closes everything
		c.Activities, c.Timers, c.CancelActivities, c.CancelTimers = nil, nil, nil, nil
	}
	if len(m.dropped) > 0 {
		c.Activities = remove(c.Activities, func(a provider.Activity) bool { return m.dropped[a.Scheduled.ID] })
		c.Timers = remove(c.Timers, func(t provider.Timer) bool { return m.dropped[t.Event] })
		c.Send = remove(c.Send, func(msg provider.Message) bool { return msg.Start != nil && m.dropped[startEvent(msg)] })
		m.dropped = nil
	}
	if len(c.State) > 1 {
		last := map[string]int{}
		for i, s := range c.State {
			last[s.Key] = i
		}
		i := -1
		c.State = remove(c.State, func(s provider.StateChange) bool { i++; return last[s.Key] != i })
	}
}

// remove filters in place, keeping the order.
func remove[T any](items []T, drop func(T) bool) []T {
	kept := items[:0]
	for _, item := range items {
		if !drop(item) {
			kept = append(kept, item)
		}
	}
	return kept
}

func startEvent(msg provider.Message) int64 {
	if p := msg.Start.Parent; p != nil {
		return p.Event
	}
	return 0
}

func (m *Machine) send(msg provider.Message) {
	msg.Sent = m.turnTime
	m.commit.Send = append(m.commit.Send, msg)
}

// ref names an event of this execution, as the parent of what it schedules.
func (m *Machine) ref(event int64) *history.ParentRef {
	return &history.ParentRef{Instance: m.cfg.Instance, Execution: m.execution, Event: event, Name: m.started.Name, Version: m.started.Version, Seed: m.started.Seed}
}

func (m *Machine) sendChild(id int64, d *history.ChildScheduled) {
	parent := m.ref(id)
	m.sendStart(id, d.Instance, time.Time{}, &history.ExecutionStarted{
		Name: d.Name, Version: d.Version, Input: d.Input, Parent: parent, Tags: d.Tags, Trace: d.Trace, Headers: d.Headers,
	})
}

func (m *Machine) sendDetached(id int64, d *history.DetachedStarted) {
	start := &history.ExecutionStarted{Name: d.Name, Version: d.Version, Input: d.Input, Tags: d.Tags, Trace: d.Trace, Headers: d.Headers}
	var due time.Time
	if d.Scheduled != nil {
		due, start.Scheduled = *d.Scheduled, d.Scheduled
	}
	m.sendStart(id, d.Instance, due, start)
}

func (m *Machine) sendStart(id int64, to history.InstanceID, due time.Time, start *history.ExecutionStarted) {
	start.RequestID = m.messageID(id, "start")
	start.Seed = derive(m.started.Seed, "start "+strconv.FormatInt(id, 10))
	m.send(provider.Message{ID: start.RequestID, To: to, Due: due, Data: start, Start: &provider.Start{
		Name: start.Name, Version: start.Version, RequestID: start.RequestID, Parent: start.Parent, Tags: start.Tags,
	}})
}

// cancelChild asks a child to cancel, or never starts one that was scheduled
// in this same turn.
func (m *Machine) cancelChild(source int64, child history.InstanceID, reason string) {
	var already []int64
	m.drop(source, &already)
	if len(already) > 0 {
		msgID := m.messageID(source, "cancel")
		m.send(provider.Message{ID: msgID, To: child, Data: &history.CancelRequested{Parent: m.ref(source), Reason: reason, MessageID: msgID}})
	}
}

// schedule makes an open task of a decision, unless the scope is cancelled.
func (c *Context) schedule(t *Task, d history.Data) *Task {
	m := c.m
	m.inside()
	t.m, t.scope = m, c.scope
	if c.scope.isCancelled() {
		t.done, t.cancelled, t.err = true, true, ErrCancelled
		return t
	}
	if len(m.open) >= history.MaxOpenTasks {
		// panic: limits end the orchestration from wherever its code is; the fiber recovers it
		panic(&history.LimitError{What: "the number of activities, timers, children and waits open at once", Size: len(m.open) + 1, Limit: history.MaxOpenTasks, Unit: "tasks", Hint: "work in batches, or spread the work over children"})
	}
	m.bound()
	t.id = m.decide(d)
	m.open[t.id] = t
	m.size += t.weight()
	return t
}

// bound ends an orchestration whose history grows beyond its limit, also one
// that decides without ever waiting.
func (m *Machine) bound() {
	if m.lastEvent >= history.MaxHistoryEvents {
		// panic: limits end the orchestration from wherever its code is; the fiber recovers it
		panic(historyLimit(m.lastEvent + 1))
	}
}

func historyLimit(size int64) *history.LimitError {
	return &history.LimitError{What: "the history of the execution", Size: int(size), Limit: history.MaxHistoryEvents, Unit: "events", Hint: "continue as new before it grows so long"}
}

// Activity schedules an activity.
func (c *Context) Activity(d *history.ActivityScheduled) *Task {
	return c.schedule(&Task{kind: taskActivity, scheduled: d, attempt: 1}, d)
}

// Timer schedules a timer, due after a delay from the orchestration's clock.
func (c *Context) Timer(delay time.Duration, description string) *Task {
	if delay > history.MaxTimerDelay {
		// panic: limits end the orchestration; the fiber recovers it
		panic(&history.LimitError{What: "the delay of a timer", Size: int(delay / time.Hour), Limit: int(history.MaxTimerDelay / time.Hour), Unit: "hours"})
	}
	return c.schedule(&Task{kind: taskTimer}, &history.TimerCreated{Due: c.m.now.Add(max(delay, 0)), Description: description})
}

// Wait waits for the next external event of a name, or message of a queue.
func (c *Context) Wait(name string, queue bool, description string) *Task {
	m := c.m
	key := channelKey{name, queue}
	d := &history.EventAwaited{Name: name, Queue: queue, Description: description}
	waiting := m.buffered[key]
	if len(waiting) > 0 && !c.scope.isCancelled() {
		d.Received = waiting[0].id
	}
	t := c.schedule(&Task{kind: taskWait, key: key}, d)
	switch {
	case t.done:
	case d.Received != 0:
		m.unbuffer(key)
		t.finish(waiting[0].event.Payload, nil, nil)
	default:
		m.waits[key] = append(m.waits[key], t)
	}
	return t
}

// Child schedules a child orchestration. An empty instance id is derived from
// the event that schedules it.
func (c *Context) Child(d *history.ChildScheduled) *Task {
	if d.Instance == "" {
		d.Instance = c.derivedID()
	}
	return c.schedule(&Task{kind: taskChild, child: d.Instance, close: d.ParentClose}, d)
}

// Detach starts an orchestration and leaves it. An empty instance id is
// derived.
func (c *Context) Detach(d *history.DetachedStarted) history.InstanceID {
	c.m.inside()
	if d.Instance == "" {
		d.Instance = c.derivedID()
	}
	c.m.bound()
	c.m.decide(d)
	return d.Instance
}

// derivedID is the id of a child made by the next event: unique for ever, since
// no other event has that execution and id.
func (c *Context) derivedID() history.InstanceID {
	id := fmt.Sprintf("%s%s%d.%d", c.m.cfg.Instance, history.ChildSeparator, c.m.execution, c.m.lastEvent+1)
	if len(id) > history.MaxInstanceIDLength {
		// panic: limits end the orchestration; the fiber recovers it
		panic(&history.LimitError{What: "the derived instance id of a child", Size: len(id), Limit: history.MaxInstanceIDLength, Unit: "bytes", Hint: "children are nested too deep: give the child an id"})
	}
	return history.InstanceID(id)
}

// SendEvent raises an event for another instance.
func (c *Context) SendEvent(d *history.EventSent) {
	c.m.inside()
	c.m.bound()
	c.m.decide(d)
}

// Status is the custom status.
func (c *Context) Status() history.Payload { return c.m.status }

// SetStatus changes the custom status; nil clears it.
func (c *Context) SetStatus(p history.Payload) {
	c.m.inside()
	if string(p) == string(c.m.status) {
		return
	}
	c.m.bound()
	c.m.decide(&history.StatusSet{Status: p})
	c.m.status = p
}

// State is a key of the durable state.
func (c *Context) State(key string) history.Payload { return c.m.state[key] }

// SetState changes a key of the durable state; nil removes it.
func (c *Context) SetState(key string, value history.Payload) error {
	m := c.m
	m.inside()
	_, set := m.state[key]
	if value == nil && !set {
		return nil
	}
	m.bound()
	total := len(key) + len(value)
	for k, v := range m.state { // a sum: the order does not matter
		if k != key {
			total += len(k) + len(v)
		}
	}
	switch {
	case len(value) > history.MaxStateValueBytes:
		return &history.LimitError{What: fmt.Sprintf("the value of state %q", key), Size: len(value), Limit: history.MaxStateValueBytes, Unit: "bytes", Hint: "keep large data in a store of its own"}
	case total > history.MaxStateBytes:
		return &history.LimitError{What: "the state of the instance", Size: total, Limit: history.MaxStateBytes, Unit: "bytes", Hint: "keep large data in a store of its own"}
	case !set && len(m.state) >= history.MaxStateKeys:
		return &history.LimitError{What: "the state of the instance", Size: len(m.state) + 1, Limit: history.MaxStateKeys, Unit: "keys"}
	}
	m.decide(&history.StateSet{Key: key, Value: value})
	m.setState(key, value)
	return nil
}

func (m *Machine) setState(key string, value history.Payload) {
	m.size += len(value) - len(m.state[key])
	if value == nil {
		delete(m.state, key)
	} else {
		m.state[key] = value
	}
}

// Now is the orchestration's clock: the time of the newest arrival.
func (c *Context) Now() time.Time { return c.m.now }

// Record runs a function once and records the data it returns; a replay
// returns what was recorded. like says what history must hold there: its kind,
// and its name if it has one.
func (c *Context) Record(like history.Data, run func() history.Data) history.Data {
	m := c.m
	f := m.inside()
	if m.stopping {
		f.co.Park() // does not return: a deferred call must have no effect
	}
	m.bound()
	if m.replaying {
		m.decide(like)
		m.stalled = f
		f.co.Park()
		if d := m.recorded; d != nil {
			m.recorded = nil
			return d
		}
	}
	d := m.once(f, run)
	m.decide(d)
	return d
}

// once runs what no replay runs again. Its panic fails the execution at once:
// code that recovered it would do what a replay could not repeat.
func (m *Machine) once(f *fiber, run func() history.Data) history.Data {
	defer func() {
		if p := recover(); p != nil {
			m.fatal(panicFailure(&coro.Panic{Value: p, Stack: debug.Stack()}))
			f.co.Park() // does not return
		}
	}()
	return run()
}

// Inline runs an activity inside the turn, again at once as its policy says, and
// records how it ended.
func (c *Context) Inline(d *history.ActivityScheduled) *Task {
	if c.scope.isCancelled() {
		return &Task{m: c.m, kind: taskReady, scope: c.scope, done: true, cancelled: true, err: ErrCancelled}
	}
	m := c.m
	ran := c.Record(&history.InlineRan{Name: d.Name}, func() history.Data {
		ran := &history.InlineRan{Name: d.Name}
		id := history.ActivityID{Instance: m.cfg.Instance, Execution: m.execution, Event: m.lastEvent + 1}
		for ran.Attempt = 1; ; ran.Attempt++ {
			var err error
			if ran.Output, ran.Failure, err = m.cfg.Inline(id, d, ran.Attempt); err != nil {
				m.stopFor(err)
				m.current.co.Park() // does not return
			}
			if ran.Failure == nil || !mayRetry(ran.Failure, d.Retry, ran.Attempt) {
				return ran
			}
		}
	}).(*history.InlineRan)
	return &Task{m: m, kind: taskReady, scope: c.scope, done: true, output: ran.Output, failure: ran.Failure}
}
