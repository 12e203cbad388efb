package providertest

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

const seed = "00112233445566778899aabbccddeeff"

// start is a message that starts an instance of the orchestration "story".
func (e *env) start(id history.InstanceID) provider.Message {
	return e.startNamed(id, "story", "")
}

func (e *env) startNamed(id history.InstanceID, name, version string) provider.Message {
	request := e.unique("request")
	return provider.Message{
		ID:    "start/" + request,
		To:    id,
		Sent:  now(),
		Start: &provider.Start{Name: name, Version: version, RequestID: request},
		Data:  &history.ExecutionStarted{Name: name, Version: version, RequestID: request, Seed: seed},
	}
}

// event is an external event on its way to an instance. Its name tells it from
// others.
func (e *env) event(to history.InstanceID, name string) provider.Message {
	id := e.unique("message")
	return provider.Message{ID: id, To: to, Sent: now(), Data: &history.EventRaised{Name: name, MessageID: id}}
}

// now is the time as it can be stored: without the monotonic clock.
func now() time.Time { return time.Now().UTC().Round(0) }

// completion is what a worker hands in: the same for the same attempt, whoever
// runs it.
func completion(t *provider.ActivityTask) provider.Message {
	return provider.Message{
		ID:        fmt.Sprintf("%s/attempt/%d", t.ID, t.Activity.Attempt),
		To:        t.ID.Instance,
		Execution: t.ID.Execution,
		Sent:      t.Activity.Scheduled.Time,
		Data:      &history.ActivityCompleted{Source: t.ID.Event, Attempt: t.Activity.Attempt, Output: history.Payload(`"done"`)},
	}
}

// draft is a commit in the making, with valid event ids.
type draft struct {
	provider.Commit
	execution, last int64
}

// take begins the commit of a turn: its messages become events, all of them.
// The first turn of an instance begins its first execution.
func take(t *provider.Turn) *draft {
	return takeSome(t, len(t.Messages))
}

// takeSome consumes the first n messages only.
func takeSome(t *provider.Turn, n int) *draft {
	d := &draft{execution: t.Instance.Execution, last: t.Instance.LastEvent}
	if d.execution == 0 {
		d.execution = 1
		d.NewExecution = true
		d.Name, d.Version = t.Instance.Name, "1.0.0"
		d.Status = history.StatusRunning
	}
	d.Consumed = n
	for _, m := range t.Messages[:n] {
		d.event(m.Data)
	}
	return d
}

// nothing is a commit that neither consumes nor decides anything.
func nothing(t *provider.Turn) *draft {
	return &draft{execution: t.Instance.Execution, last: t.Instance.LastEvent}
}

// event appends an event and returns it.
func (d *draft) event(data history.Data) history.Event {
	d.last++
	event := history.Event{ID: d.last, Execution: d.execution, Time: now(), Data: data}
	d.Events = append(d.Events, event)
	return event
}

// schedule opens an activity and returns the id of its event.
func (d *draft) schedule(name string) int64 {
	return d.scheduleOn(name, "")
}

// scheduleOn opens an activity for workers with a tag.
func (d *draft) scheduleOn(name, tag string) int64 {
	event := d.event(&history.ActivityScheduled{Name: name, Tag: tag, Input: quoted(name)})
	d.Activities = append(d.Activities, provider.Activity{Scheduled: event, Attempt: 1, Tag: tag})
	return event.ID
}

// timer opens a timer and returns the id of its event.
func (d *draft) timer(due time.Time) int64 {
	event := d.event(&history.TimerCreated{Due: due})
	d.Timers = append(d.Timers, provider.Timer{Event: event.ID, Due: due, Fire: &history.TimerFired{Source: event.ID}})
	return event.ID
}

// send adds messages for instances.
func (d *draft) send(messages ...provider.Message) *draft {
	d.Send = append(d.Send, messages...)
	return d
}

// status changes the custom status.
func (d *draft) status(p history.Payload) *draft {
	d.event(&history.StatusSet{Status: p})
	d.CustomStatus = &p
	return d
}

// set changes a key of the durable state.
func (d *draft) set(key string, value history.Payload) *draft {
	d.event(&history.StateSet{Key: key, Value: value})
	d.State = append(d.State, provider.StateChange{Key: key, Value: value})
	return d
}

// finish ends the instance with the output "done".
func (d *draft) finish() *draft {
	d.Status, d.Output = history.StatusCompleted, history.Payload(`"done"`)
	d.event(&history.ExecutionCompleted{Output: d.Output})
	return d
}

// continueAsNew ends the execution and begins the next one.
func (d *draft) continueAsNew() *draft {
	d.event(&history.ContinuedAsNew{})
	d.NewExecution = true
	d.execution, d.last = d.execution+1, 0
	d.event(&history.ExecutionStarted{Name: "story", Version: "1.0.0", Seed: seed})
	return d
}

// running starts an instance and commits its first turn with what decide adds.
// The turn's draft is returned.
func (e *env) running(id history.InstanceID, decide func(d *draft)) *draft {
	e.Helper()
	e.send(e.start(id))
	return e.next(id, decide)
}

// next commits the next turn, which must be of the instance, consuming all.
func (e *env) next(id history.InstanceID, decide func(d *draft)) *draft {
	e.Helper()
	t := e.turnOf(id)
	d := take(t)
	if decide != nil {
		decide(d)
	}
	e.commit(t, d)
	return d
}

// finished starts an instance and ends it in its first turn.
func (e *env) finished(id history.InstanceID) {
	e.Helper()
	e.running(id, func(d *draft) { d.finish() })
}

// nameOf tells a message from others by what it becomes.
func nameOf(m provider.Message) string {
	switch d := m.Data.(type) {
	case *history.ExecutionStarted:
		return "start"
	case *history.EventRaised:
		return d.Name
	case *history.TimerFired:
		return fmt.Sprintf("fired %d", d.Source)
	case *history.ActivityCompleted:
		return fmt.Sprintf("completed %d", d.Source)
	case nil:
		return "no data"
	}
	return string(m.Data.Kind())
}

func names(messages []provider.Message) []string {
	all := make([]string, len(messages))
	for i, m := range messages {
		all[i] = nameOf(m)
	}
	return all
}

// behind names the messages that wait behind those of a turn.
func behind(t *provider.Turn) (all []string) {
	if t.Behind == nil {
		return nil
	}
	for m := range t.Behind {
		all = append(all, nameOf(*m))
	}
	return all
}

func (e *env) wantNames(messages []provider.Message, want ...string) {
	e.Helper()
	if got := names(messages); !slices.Equal(got, want) {
		e.breaks("the messages are %s, want %s", short(got), short(want))
	}
}

// short prints a long list by its ends.
func short(list []string) string {
	if len(list) <= 20 {
		return fmt.Sprintf("%q", list)
	}
	return fmt.Sprintf("%q … %q (%d in all)", list[:10], list[len(list)-5:], len(list))
}

// quoted is a text as a payload.
func quoted(s string) history.Payload {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // panic: a string always encodes.
	}
	return b
}
