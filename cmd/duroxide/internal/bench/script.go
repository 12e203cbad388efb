package bench

import (
	"fmt"
	"strconv"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// generationsPerTurn is how many executions the engine runs through in a turn.
const generationsPerTurn = 8

// script makes the commits of one instance by hand: those that the engine would
// make for the workload, without running any of it.
type script struct {
	raw  *raw
	id   history.InstanceID
	done int   // steps
	wait int64 // the open wait for an event

	started *history.ExecutionStarted

	// The turn in progress.
	commit    *provider.Commit
	execution int64
	last      int64
	now       time.Time
}

// next is the commit of a turn.
func (s *script) next(t *provider.Turn, now time.Time) *provider.Commit {
	s.commit = &provider.Commit{Consumed: len(t.Messages), Status: history.StatusRunning}
	s.execution, s.last, s.now = t.Instance.Execution, t.Instance.LastEvent, now
	for _, m := range t.Messages { // the start first, whatever came before it
		if started, ok := m.Data.(*history.ExecutionStarted); ok {
			s.begin(started)
		}
	}
	for _, m := range t.Messages {
		s.take(&m)
	}
	if s.raw.Workload.Name == "continue" && len(t.Messages) == 0 {
		s.generations()
	}
	return s.commit
}

// add appends an event and returns its id.
func (s *script) add(data history.Data) int64 {
	s.last++
	s.commit.Events = append(s.commit.Events, history.Event{ID: s.last, Execution: s.execution, Time: s.now, Data: data})
	return s.last
}

// begin begins an execution.
func (s *script) begin(started *history.ExecutionStarted) {
	s.execution, s.last = s.execution+1, 0
	resolved := *started
	resolved.Version = orchestration.DefaultVersion
	s.started = &resolved
	s.add(&resolved)
	s.commit.NewExecution, s.commit.Name, s.commit.Version = true, started.Name, resolved.Version
	n := s.raw.N
	switch {
	case started.Parent != nil:
		p := started.Parent
		s.commit.Send = append(s.commit.Send, provider.Message{
			ID: string(s.id) + "/1/completed", To: p.Instance, Execution: p.Execution, Sent: s.now,
			Data: &history.ChildCompleted{Source: p.Event, Output: s.raw.text},
		})
		s.finish(s.raw.text)
	case s.raw.Workload.Name == "fanout":
		for range n {
			s.schedule()
		}
	case s.raw.Workload.Name == "timers":
		for range n {
			s.timer()
		}
	case s.raw.Workload.Name == "children":
		for range n {
			s.child(started)
		}
	case s.raw.Workload.Name == "events":
		s.wait = s.add(&history.EventAwaited{Name: tick.Name()})
	case s.raw.Workload.Name == "continue":
		s.generations()
	default:
		s.schedule()
	}
}

// take takes in what arrived.
func (s *script) take(m *provider.Message) {
	switch d := m.Data.(type) {
	case *history.ActivityCompleted:
		s.add(d)
		s.commit.CompletedActivities = append(s.commit.CompletedActivities, d.Source)
		if s.step() && s.raw.Workload.Name != "fanout" {
			s.schedule()
		}
	case *history.TimerFired:
		s.add(d)
		s.commit.FiredTimers = append(s.commit.FiredTimers, d.Source)
		s.step()
	case *history.ChildCompleted:
		s.add(d)
		s.step()
	case *history.EventRaised:
		received := *d
		received.Source, received.MessageID = s.wait, m.ID
		s.add(&received)
		if s.step() {
			s.wait = s.add(&history.EventAwaited{Name: d.Name})
		}
	}
}

// step counts one, and ends the instance with the last. It reports whether
// there are more.
func (s *script) step() bool {
	s.done++
	if s.done == s.raw.N {
		s.finish(history.Payload(strconv.Itoa(s.done)))
		return false
	}
	return s.done < s.raw.N
}

func (s *script) finish(output history.Payload) {
	s.add(&history.ExecutionCompleted{Output: output})
	s.commit.Status, s.commit.Output = history.StatusCompleted, output
}

func (s *script) schedule() {
	data := &history.ActivityScheduled{Name: hello.Name(), Input: s.raw.text}
	s.add(data)
	event := s.commit.Events[len(s.commit.Events)-1]
	s.commit.Activities = append(s.commit.Activities, provider.Activity{Scheduled: event, Attempt: 1})
}

func (s *script) timer() {
	due := s.now.Add(timerDelay)
	event := s.add(&history.TimerCreated{Due: due})
	s.commit.Timers = append(s.commit.Timers, provider.Timer{Event: event, Due: due, Fire: &history.TimerFired{Source: event}})
}

func (s *script) child(parent *history.ExecutionStarted) {
	id := history.InstanceID(fmt.Sprintf("%s%s%d.%d", s.id, history.ChildSeparator, s.execution, s.last+1))
	event := s.add(&history.ChildScheduled{Name: child.Name(), Instance: id, Input: s.raw.text})
	request := string(id) + "/start"
	from := &history.ParentRef{Instance: s.id, Execution: s.execution, Event: event, Name: parent.Name, Version: orchestration.DefaultVersion}
	s.commit.Send = append(s.commit.Send, provider.Message{
		ID: request, To: id, Sent: s.now, Start: &provider.Start{Name: child.Name(), RequestID: request, Parent: from},
		Data: &history.ExecutionStarted{Name: child.Name(), Input: s.raw.text, RequestID: request, Seed: s.raw.id(), Parent: from},
	})
}

// generations goes through as many executions as the engine does in a turn.
func (s *script) generations() {
	for range generationsPerTurn {
		if s.done++; s.done == s.raw.N {
			s.finish(history.Payload(strconv.Itoa(s.done)))
			return
		}
		next := *s.started
		next.Seed = s.raw.id()
		next.Input = fmt.Appendf(nil, `{"n":%d,"bytes":%d,"done":%d}`, s.raw.N, s.raw.Payload, s.done)
		s.add(&history.ContinuedAsNew{Input: next.Input, Version: next.Version})
		s.execution, s.last = s.execution+1, 0
		s.add(&next)
		s.commit.NewExecution = true
	}
	s.commit.Again = true
}
