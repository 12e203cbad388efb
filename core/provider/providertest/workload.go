package providertest

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// plan is what an instance of the workload does. Each of its executions runs
// activities and timers, all at once, then steps, one after another; the first
// also sends events and starts a child. The last ends when everything was answered and all events came.
type plan struct {
	Executions int                  `json:"executions"`
	Keep       int                  `json:"keep,omitempty"`     // executions: earlier ones are pruned; 0 for all
	Received   int                  `json:"received,omitempty"` // events, in executions before
	Activities int                  `json:"activities"`         // in each execution
	Timers     int                  `json:"timers"`             // in each execution
	Steps      int                  `json:"steps,omitempty"`
	Events     int                  `json:"events"` // that it receives in all
	Sends      []history.InstanceID `json:"sends,omitempty"`
	Child      bool                 `json:"child,omitempty"` // which reports back with one event
	Reports    history.InstanceID   `json:"reports,omitempty"`
}

// memory is what an instance of the workload knows: a function of its history.
type memory struct {
	execution, last int64
	plan            plan
	open            map[int64]history.Kind // activities and timers
	begun           bool                   // this execution has decided what it does
	scheduled       int                    // activities, in this execution
	events          int
}

func newMemory() *memory { return &memory{open: map[int64]history.Kind{}} }

// apply takes in an event, from history or new.
func (m *memory) apply(e history.Event) error {
	m.execution, m.last = e.Execution, e.ID
	switch d := e.Data.(type) {
	case *history.ExecutionStarted:
		clear(m.open)
		m.begun, m.scheduled, m.plan = false, 0, plan{}
		if err := json.Unmarshal(d.Input, &m.plan); err != nil {
			return fmt.Errorf("the plan of the instance: %w", err)
		}
		m.events = m.plan.Received
	case *history.EventRaised:
		m.events++
	case *history.ActivityScheduled:
		m.scheduled++
		m.open[e.ID] = d.Kind()
	case *history.TimerCreated:
		m.open[e.ID] = d.Kind()
	case *history.ActivityCompleted:
		delete(m.open, d.Source)
	case *history.TimerFired:
		delete(m.open, d.Source)
	case *history.StatusSet:
		m.begun = true
	}
	return nil
}

// errUnfit is wrapped by errors that show a provider's fault.
var errUnfit = errors.New("breaks the contract")

// decision is a commit with the memory after it.
type decision struct {
	draft
	memory *memory
}

func (d *decision) event(data history.Data) (history.Event, error) {
	e := d.draft.event(data)
	return e, d.memory.apply(e)
}

// decide makes the commit of a turn. It changes m.
func decide(t *provider.Turn, m *memory) (*provider.Commit, error) {
	d := &decision{memory: m}
	d.execution, d.last = t.Instance.Execution, t.Instance.LastEvent
	d.Consumed = len(t.Messages)
	if t.Instance.Status.Final() {
		for _, message := range t.Messages {
			if _, ok := message.Data.(*history.EventRaised); ok {
				return nil, fmt.Errorf("%w: %q has ended, all its events received, and gets message %q", errUnfit, t.Instance.ID, message.ID)
			}
		}
		return &d.Commit, nil // late completions
	}
	if d.execution == 0 {
		if len(t.Messages) == 0 || t.Messages[0].Start == nil {
			return nil, fmt.Errorf("%w: the first turn of %q begins with %v, not with its start", errUnfit, t.Instance.ID, names(t.Messages))
		}
		d.execution, d.NewExecution = 1, true
		d.Name, d.Version, d.Status = t.Instance.Name, "1", history.StatusRunning
	}
	for _, message := range t.Messages {
		if err := d.takeIn(message); err != nil {
			return nil, err
		}
	}
	return &d.Commit, d.decide(t.Instance.ID)
}

// takeIn turns a message into an event, if it still counts.
func (d *decision) takeIn(m provider.Message) error {
	switch data := m.Data.(type) {
	case *history.ExecutionStarted:
		if d.last > 0 {
			return fmt.Errorf("%w: %q is started again by message %q", errUnfit, m.To, m.ID)
		}
	case *history.ActivityCompleted:
		if m.Execution != d.execution || d.memory.open[data.Source] != history.KindActivityScheduled {
			return nil // completions may come more than once (P9)
		}
		d.CompletedActivities = append(d.CompletedActivities, data.Source)
	case *history.TimerFired:
		if m.Execution != d.execution || d.memory.open[data.Source] != history.KindTimerCreated {
			return fmt.Errorf("%w: timer %d of execution %d of %q fires in execution %d, where it is not open", errUnfit, data.Source, m.Execution, m.To, d.execution)
		}
		d.FiredTimers = append(d.FiredTimers, data.Source)
	}
	_, err := d.event(m.Data)
	return err
}

// decide goes on as far as the plan allows.
func (d *decision) decide(id history.InstanceID) error {
	for {
		p := d.memory.plan
		if !d.memory.begun {
			if err := d.begin(id, p); err != nil {
				return err
			}
		}
		switch {
		case len(d.memory.open) > 0:
			return nil
		case d.memory.scheduled < p.Activities+p.Steps:
			if err := d.schedule(id); err != nil {
				return err
			}
		case d.execution < int64(p.Executions):
			if err := d.again(p); err != nil {
				return err
			}
		case d.memory.events > p.Events:
			return fmt.Errorf("%w: %q received %d events, %d were sent", errUnfit, id, d.memory.events, p.Events)
		case d.memory.events == p.Events:
			if p.Reports != "" {
				d.Send = append(d.Send, eventMessage(fmt.Sprintf("%s/report", id), p.Reports, "report of "+string(id)))
			}
			d.Status, d.Output = history.StatusCompleted, history.Payload(`"done"`)
			_, err := d.event(&history.ExecutionCompleted{Output: d.Output})
			return err
		default:
			return nil
		}
	}
}

// begin decides what an execution does.
func (d *decision) begin(id history.InstanceID, p plan) error {
	status := quoted(fmt.Sprintf("execution %d", d.execution))
	d.CustomStatus = &status
	if _, err := d.event(&history.StatusSet{Status: status}); err != nil {
		return err
	}
	for range p.Activities {
		if err := d.schedule(id); err != nil {
			return err
		}
	}
	for n := range p.Timers {
		due := now().Add(time.Duration(n) * time.Millisecond)
		e, err := d.event(&history.TimerCreated{Due: due})
		if err != nil {
			return err
		}
		d.Timers = append(d.Timers, provider.Timer{Event: e.ID, Due: due, Fire: &history.TimerFired{Source: e.ID}})
	}
	if d.execution > 1 {
		return nil
	}
	for n, to := range p.Sends {
		d.Send = append(d.Send, eventMessage(fmt.Sprintf("%s/send/%d", id, n), to, fmt.Sprintf("from %s", id)))
	}
	if p.Child {
		child := id + "::child"
		d.Send = append(d.Send, startMessage(child, plan{Executions: 1, Activities: 1, Reports: id}))
	}
	return nil
}

// schedule opens an activity.
func (d *decision) schedule(id history.InstanceID) error {
	e, err := d.event(&history.ActivityScheduled{Name: "step", Input: quoted(string(id))})
	d.Activities = append(d.Activities, provider.Activity{Scheduled: e, Attempt: 1})
	return err
}

// again continues as new.
func (d *decision) again(p plan) error {
	if _, err := d.event(&history.ContinuedAsNew{}); err != nil {
		return err
	}
	d.NewExecution = true
	d.execution, d.last = d.execution+1, 0
	if p.Received = d.memory.events; p.Keep > 0 {
		d.PruneThrough = max(0, d.execution-int64(p.Keep))
	}
	// What was open is answered, so nothing of this commit belongs to it.
	d.Activities, d.Timers, d.CompletedActivities, d.FiredTimers = nil, nil, nil, nil
	_, err := d.event(&history.ExecutionStarted{Name: "workload", Version: "1", Seed: seed, Input: encode(p)})
	return err
}

func encode(p plan) history.Payload {
	b, err := json.Marshal(p)
	if err != nil {
		panic(err) // panic: a plan always encodes.
	}
	return b
}

func startMessage(id history.InstanceID, p plan) provider.Message {
	request := "request/" + string(id)
	return provider.Message{
		ID: "start/" + string(id), To: id, Sent: now(),
		Start: &provider.Start{Name: "workload", RequestID: request},
		Data:  &history.ExecutionStarted{Name: "workload", RequestID: request, Seed: seed, Input: encode(p)},
	}
}

func eventMessage(id string, to history.InstanceID, name string) provider.Message {
	return provider.Message{ID: id, To: to, Sent: now(), Data: &history.EventRaised{Name: name, MessageID: id}}
}
