package providertest

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// model is what a hub should be, in maps: it predicts every answer of a
// provider that is asked one thing after another. Where the contract leaves a
// choice (the order between senders, when a completion comes), the model
// accepts each.
type model struct {
	instances map[history.InstanceID]*modelInstance
	orphans   map[history.InstanceID][]*modelMessage
	consumed  map[string]int // by which incarnation of the receiver
	created   int
}

type modelInstance struct {
	provider.Instance
	incarnation int
	histories   map[int64][]history.Event
	state       map[string]history.Payload
	activities  map[int64]*modelActivity
	timers      map[int64]bool
	progress    map[int64]history.Payload // of activities, open or to be tried again
	again       bool
	waiting     []*modelMessage
	held        *modelTurn
	aside       bool // by a release with a delay, parked
}

type modelMessage struct {
	provider.Message
	sender string
	// optional messages may come or not: completions whose activity no longer
	// counts, and those that may be offered as work again instead.
	optional bool
	// late messages may come in a later turn than others that were sent after
	// them: completions.
	late     bool
	seen     bool // handed over before: its place is decided
	creator  bool // it made the instance
	attempts int  // how often it was handed over; -1 if that is unknown
}

type modelTurn struct {
	turn        *provider.Turn
	incarnation int
}

type modelActivity struct {
	provider.Activity
	task       *provider.ActivityTask // while held
	deliveries int                    // -1 if that is unknown
	done       bool                   // a completion was handed in
	either     bool                   // and then the host left: it may be offered again
}

func newModel() *model {
	return &model{
		instances: map[history.InstanceID]*modelInstance{},
		orphans:   map[history.InstanceID][]*modelMessage{},
		consumed:  map[string]int{},
	}
}

// sorted lists the instances in the order of their ids.
func (m *model) sorted() []*modelInstance {
	var all []*modelInstance
	for _, id := range slices.Sorted(maps.Keys(m.instances)) {
		all = append(all, m.instances[id])
	}
	return all
}

// ready reports whether an instance must get a turn (surely) or may.
func (i *modelInstance) ready() (surely, maybe bool) {
	if i.held != nil || i.aside {
		return false, false
	}
	surely = i.again
	for _, w := range i.waiting {
		surely = surely || !w.optional
	}
	return surely, surely || len(i.waiting) > 0
}

// offered reports whether an activity must be offered (surely) or may.
func (a *modelActivity) offered() (surely, maybe bool) {
	return a.task == nil && !a.done, a.task == nil && (!a.done || a.either)
}

// deliver puts a message where it waits. One that was sent before is ignored.
func (m *model) deliver(sender string, message provider.Message) {
	if m.wasConsumed(message) || m.waits(message) {
		return
	}
	w := &modelMessage{Message: message, sender: sender}
	if i := m.instances[message.To]; i != nil {
		i.waiting = append(i.waiting, w)
		return
	}
	if message.Start == nil {
		m.orphans[message.To] = append(m.orphans[message.To], w)
		return
	}
	m.create(w)
}

// wasConsumed reports whether the instance that is there consumed the message.
// One that was consumed before its instance was purged may come again.
func (m *model) wasConsumed(message provider.Message) bool {
	i := m.instances[message.To]
	return i != nil && m.consumed[message.ID] == i.incarnation
}

func (m *model) waits(message provider.Message) bool {
	same := func(w *modelMessage) bool { return w.ID == message.ID }
	if i := m.instances[message.To]; i != nil && slices.ContainsFunc(i.waiting, same) {
		return true
	}
	return slices.ContainsFunc(m.orphans[message.To], same)
}

// create makes the instance that a start asks for.
func (m *model) create(start *modelMessage) *modelInstance {
	m.created++
	i := &modelInstance{
		Instance: provider.Instance{
			ID: start.To, Name: start.Start.Name, Version: start.Start.Version, Status: history.StatusPending,
			RequestID: start.Start.RequestID, Parent: start.Start.Parent, Tags: start.Start.Tags,
		},
		incarnation: m.created,
		histories:   map[int64][]history.Event{},
		state:       map[string]history.Payload{},
		activities:  map[int64]*modelActivity{},
		timers:      map[int64]bool{},
		progress:    map[int64]history.Payload{},
	}
	start.creator = true
	i.waiting = append([]*modelMessage{start}, m.orphans[start.To]...)
	delete(m.orphans, start.To)
	m.instances[start.To] = i
	return i
}

// send predicts the error of Send and applies it.
func (m *model) send(message provider.Message) error {
	i := m.instances[message.To]
	if message.Start == nil || i == nil {
		m.deliver("client", message)
		return nil
	}
	if message.Start.RequestID == i.RequestID {
		return nil
	}
	switch message.Start.Reuse {
	case provider.ReuseIgnore:
		return nil
	case provider.ReuseReject:
		return provider.ErrExists
	case provider.ReuseFinal:
		if !i.Status.Final() {
			return provider.ErrExists
		}
	case provider.ReuseReplace:
	}
	left := i.waiting
	delete(m.instances, i.ID)
	m.deliver("client", message)
	m.bequeath(i)
	if message.Start.Reuse == provider.ReuseReplace { // The contract does not say what becomes of these.
		for _, w := range left {
			w.optional, w.late, w.seen, w.attempts = true, true, false, -1
			if _, ok := w.Data.(*history.EventRaised); ok {
				m.instances[i.ID].waiting = append(m.instances[i.ID].waiting, w)
			}
		}
	}
	return nil
}

// purge predicts the error of Purge and applies it.
func (m *model) purge(id history.InstanceID, force bool) error {
	i := m.instances[id]
	switch {
	case i == nil:
		return provider.ErrNotFound
	case !force && !i.Status.Final():
		return provider.ErrConflict
	}
	delete(m.instances, id)
	m.bequeath(i)
	return nil
}

// bequeath delivers the starts that waited at an instance which is gone. When the
// next one gets them is left open.
func (m *model) bequeath(gone *modelInstance) {
	for _, w := range gone.waiting {
		if w.Start != nil && !w.creator {
			m.deliver(w.sender, w.Message)
			all := m.instances[gone.ID].waiting
			all[len(all)-1].late = !all[len(all)-1].creator
		}
	}
}

// take checks the messages of a turn, and holds it.
func (m *model) take(t *provider.Turn) error {
	i := m.instances[t.Instance.ID]
	if i == nil {
		return fmt.Errorf("%q got a turn: it does not exist", t.Instance.ID)
	}
	if _, maybe := i.ready(); !maybe {
		return fmt.Errorf("%q got a turn with %v: it is held (%v), set aside (%v), or nothing waits", i.ID, names(t.Messages), i.held != nil, i.aside)
	}
	if diff := sameInstance(t.Instance, i.expect(t.Instance)); diff != "" {
		return fmt.Errorf("the turn of %q: %s", i.ID, diff)
	}
	left := slices.Clone(i.waiting)
	var order []*modelMessage
	for n, got := range t.Messages {
		at := slices.IndexFunc(left, func(w *modelMessage) bool { return w.ID == got.ID })
		if at < 0 {
			return fmt.Errorf("%q received %s %q, which does not wait for it", i.ID, nameOf(got), got.ID)
		}
		w := left[at]
		if diff := sameMessage(got, w.Message); diff != "" {
			return fmt.Errorf("message %d of %q: %s", n, i.ID, diff)
		}
		for _, before := range left[:at] {
			if !before.optional && before.precedes(w, i.Execution == 0) {
				return fmt.Errorf("%q received %s %q before %s %q", i.ID, nameOf(got), got.ID, nameOf(before.Message), before.ID)
			}
		}
		order = append(order, w)
		left = slices.Delete(left, at, at+1)
	}
	for _, w := range left {
		if !w.late && !w.optional {
			return fmt.Errorf("%q did not receive %s %q, which was accepted before", i.ID, nameOf(w.Message), w.ID)
		}
	}
	if len(order) > 0 {
		if first := order[0]; first.attempts >= 0 && t.Attempt != first.attempts+1 {
			return fmt.Errorf("the turn of %q is attempt %d, its first message was handed over %d times before", i.ID, t.Attempt, first.attempts)
		}
	}
	for _, w := range order {
		w.seen, w.late = true, false
		if w.attempts >= 0 {
			w.attempts++
		}
	}
	i.waiting = slices.Concat(order, left)
	i.held = &modelTurn{turn: t, incarnation: i.incarnation}
	return nil
}

// precedes reports whether a message must come before another one that was
// accepted later.
func (w *modelMessage) precedes(later *modelMessage, pending bool) bool {
	return w.seen || !w.late && !later.late && w.sender == later.sender || pending && w.creator
}

// expect is the instance as a read should show it. Times are the provider's:
// only whether there is one counts.
func (i *modelInstance) expect(got provider.Instance) provider.Instance {
	want := i.Instance
	want.Created = got.Created
	if want.Status.Final() {
		want.Finished = time.Unix(1, 0)
	}
	return want
}

// release gives a held turn back.
func (i *modelInstance) release(r provider.Release) {
	if r.Uncounted {
		for _, w := range i.waiting[:len(i.held.turn.Messages)] {
			if w.attempts > 0 {
				w.attempts--
			}
		}
	}
	i.held = nil
	if r.Park != "" {
		i.Parked = &provider.Parked{Reason: r.Park}
		i.aside = true
	}
}

// commit applies a commit of the held turn.
func (m *model) commit(i *modelInstance, c *provider.Commit) {
	for _, w := range i.waiting[:c.Consumed] {
		m.consumed[w.ID] = i.incarnation
	}
	i.waiting = i.waiting[c.Consumed:]
	i.held, i.Parked = nil, nil
	for _, e := range c.Events {
		i.histories[e.Execution] = append(i.histories[e.Execution], e)
		i.Execution, i.LastEvent = e.Execution, e.ID
	}
	i.Pruned = max(i.Pruned, c.PruneThrough)
	if c.Name != "" {
		i.Name = c.Name
	}
	if c.Version != "" {
		i.Version = c.Version
	}
	if c.CustomStatus != nil {
		i.CustomStatus = *c.CustomStatus
		i.StatusRevision++
	}
	for _, change := range c.State {
		i.state[change.Key] = change.Value
	}
	i.again = c.Again
	if c.NewExecution {
		i.closeAll()
		clear(i.progress)
	}
	for _, id := range c.CompletedActivities {
		delete(i.activities, id)
	}
	for _, a := range c.Activities {
		i.activities[a.Scheduled.ID] = &modelActivity{Activity: a}
	}
	for _, timer := range c.Timers {
		i.timers[timer.Event] = true
	}
	for _, id := range c.CancelActivities {
		i.close(id)
	}
	for _, id := range c.CancelTimers {
		delete(i.timers, id)
	}
	if c.Status != "" {
		i.Status = c.Status
	}
	if c.Status.Final() {
		i.StatusRevision++
		i.Output, i.Failure = c.Output, c.Failure
		i.closeAll()
		i.again = false
	}
	for _, message := range c.Send {
		m.deliver("instance "+string(i.ID), message)
	}
}

func (i *modelInstance) closeAll() {
	for id := range i.activities {
		i.close(id)
	}
	clear(i.timers)
}

// close ends an open activity. A completion that waits may still come.
func (i *modelInstance) close(id int64) {
	delete(i.activities, id)
	for _, w := range i.waiting {
		if d, ok := w.Data.(*history.ActivityCompleted); ok && d.Source == id {
			w.optional = true
		}
	}
}

// restart gives back what hosts held. lost says that the process ended: a
// provider may then forget how often things were handed over.
func (m *model) restart(lost bool) {
	for _, i := range m.instances {
		if i.held != nil {
			i.release(provider.Release{})
		}
		if i.Parked != nil {
			i.aside = false // hosts that join later try it at once
		}
		for _, w := range i.waiting {
			if lost {
				w.attempts = -1
			}
			if _, ok := w.Data.(*history.ActivityCompleted); ok {
				// It need not be durable, nor keep its place; the work may be
				// offered again instead (P9).
				w.optional, w.late, w.seen, w.attempts = true, true, false, -1
			}
		}
		for _, a := range i.activities {
			a.either = a.done
			if lost {
				a.deliveries = -1
			}
			a.task = nil
		}
	}
}
