package orchestrationtest

import (
	"context"
	"fmt"
	"iter"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/dispatch"
	"github.com/duroxide/duroxide-go/core/provider"
)

// send puts a message on its way, once for each id. A start creates its
// instance at once, as stores do; it runs when the start is due.
func (e *Env) send(m provider.Message) {
	e.t.Helper()
	if e.seen[m.ID] {
		return
	}
	e.seen[m.ID] = true
	if m.Start != nil && e.instances[m.To] == nil {
		e.ready()
		i := e.create(m.To, m.Start)
		if _, found := e.registry.Orchestration(m.Start.Name, m.Start.Version); !found {
			e.unregistered(i, m.Data)
		}
		i.inbox, e.orphans[m.To] = e.orphans[m.To], nil
	}
	e.at(m.Due, func() { e.arrive(m) })
}

// unregistered is about an instance whose code nobody has. A detached one is
// none of the test's business: that it was started is recorded.
func (e *Env) unregistered(i *Instance, data history.Data) {
	e.t.Helper()
	name := i.row.Name
	if i.row.Version != "" {
		name += " " + i.row.Version
	}
	start, _ := data.(*history.ExecutionStarted)
	switch {
	case i.row.Parent != nil:
		e.fatal("instance %q calls the child orchestration %s, which is not registered: register it, or a fake: e.Register(%s.Func(fake))", i.row.Parent.Instance, name, i.row.Name)
	case start != nil && e.running:
		i.idle = true
	default:
		e.fatal("orchestration %s is not registered: e.Register(%s.Func(…))", name, i.row.Name)
	}
}

// arrive delivers a message: its instance gets its turns.
func (e *Env) arrive(m provider.Message) {
	e.t.Helper()
	i := e.instances[m.To]
	switch {
	case i == nil:
		e.orphans[m.To] = append(e.orphans[m.To], m)
		return
	case m.Start != nil && i.expected && m.Start.RequestID == i.row.RequestID:
		i.expected = false
		i.inbox = append([]provider.Message{m}, i.inbox...)
	default:
		i.inbox = append(i.inbox, m)
	}
	for (len(i.inbox) > 0 || i.again) && !i.expected && !i.idle && !i.stopped {
		e.turn(i)
	}
}

// turn runs one turn with one message, or with none if the last turn asked for
// another.
func (e *Env) turn(i *Instance) {
	e.t.Helper()
	n := min(1, len(i.inbox))
	behind := i.inbox[n:]
	turn := &provider.Turn{Instance: i.row, Messages: i.inbox[:n:n], Attempt: 1, Behind: func(yield func(*provider.Message) bool) {
		for k := range behind {
			if !yield(&behind[k]) {
				return
			}
		}
	}}
	commit, err := e.native.Execute(context.Background(), dispatch.Work{
		Turn: turn, Now: e.now,
		History: func(_ context.Context, after int64) iter.Seq2[history.Event, error] {
			return stored(i.encoded(0), after)
		},
	})
	if err != nil {
		e.fatal("instance %q of orchestration %q cannot proceed: %v", i.id, i.row.Name, err)
	}
	first := max(i.row.Execution, 1)
	i.apply(commit)
	replayed, err := e.replay(i, first)
	e.native.Settle(i.id, !replayed && !i.stopped)
	if err != nil {
		e.fatal("%v", err)
	}
	i.row.Pruned = max(i.row.Pruned, min(commit.PruneThrough, i.row.Execution-1)) // StopAfter may have cut
	for _, m := range commit.Send {
		e.send(m)
	}
	if i.stopped && !e.stopping {
		e.fatal("instance %q of orchestration %q has continued as new %d times: if it never ends, say after how many executions the test has seen enough: e.StopAfter(3)", i.id, i.row.Name, e.limit)
	}
}

// apply does what a commit says, as a store would.
func (i *Instance) apply(c *provider.Commit) {
	i.env.t.Helper()
	i.inbox = i.inbox[c.Consumed:]
	for _, event := range c.Events {
		if event.Execution > i.env.limit {
			i.stopped = true
			break
		}
		i.append(event)
	}
	i.row.Updated = i.env.now
	if c.Name != "" {
		i.row.Name, i.row.Version = c.Name, c.Version
	}
	if c.CustomStatus != nil {
		i.row.CustomStatus = *c.CustomStatus
		i.row.StatusRevision++
	}
	for _, s := range c.State {
		if i.state[s.Key] = s.Value; s.Value == nil {
			delete(i.state, s.Key)
		}
	}
	if c.Status != "" {
		i.row.Status, i.row.Output, i.row.Failure = c.Status, c.Output, c.Failure
	}
	i.again = c.Again
	if i.row.Status.Final() || i.stopped {
		i.again = false
		if i.row.Status.Final() {
			i.row.Finished = i.env.now
			i.row.StatusRevision++
		}
		i.closeAll()
		return
	}
	i.reopen(c)
}

func (i *Instance) append(event history.Event) {
	i.env.t.Helper()
	encoded, err := history.Marshal(event)
	if err != nil {
		i.env.fatal("instance %q: event %d cannot be stored: %v", i.id, event.ID, err)
	}
	if event.Execution > i.row.Execution {
		i.executions = append(i.executions, nil)
		i.replayed = 0
	}
	i.row.Execution, i.row.LastEvent = event.Execution, event.ID
	last := len(i.executions) - 1
	i.executions[last] = append(i.executions[last], encoded)
}

// reopen opens and closes activities and timers. An event may close an attempt
// and open the next in one commit: completions come first, cancellations last.
func (i *Instance) reopen(c *provider.Commit) {
	if c.NewExecution {
		i.closeAll()
	}
	for _, event := range c.CompletedActivities {
		closeOne(i.activities, event)
	}
	for _, event := range c.FiredTimers {
		closeOne(i.timers, event)
	}
	for _, a := range c.Activities {
		i.activities[a.Scheduled.ID] = i.env.after(0, func() { i.env.attempt(i, a, 1) })
	}
	for _, t := range c.Timers {
		m := provider.Message{
			ID: fmt.Sprintf("%s/%d/%d/timer", i.id, i.row.Execution, t.Event), To: i.id, Execution: i.row.Execution, Sent: t.Due, Data: t.Fire,
		}
		i.timers[t.Event] = i.env.at(t.Due, func() { i.env.arrive(m) })
	}
	for _, event := range c.CancelActivities {
		closeOne(i.activities, event)
	}
	for _, event := range c.CancelTimers {
		closeOne(i.timers, event)
	}
}

func closeOne(open map[int64]*coming, event int64) {
	open[event].cancel()
	delete(open, event)
}
