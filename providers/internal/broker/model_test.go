package broker_test

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// model is the broker as one would write it without a thought for speed: plain
// lists that are searched, for one host that accepts everything.
type model struct {
	instances map[history.InstanceID]*modelInstance
	ready     []history.InstanceID
	offered   []offer // instances take turns: see next
	orphans   []modelMessage
	sequence  int
}

type modelInstance struct {
	exists     bool
	queue      []modelMessage
	delayed    []modelMessage
	again      bool
	againCount int
	turn       *broker.Turn
	handed     int // messages in the turn
	aside      time.Time
	asideSeq   int
	activities map[int64]*modelActivity
	timers     map[int64]time.Time
}

type modelMessage struct {
	to       history.InstanceID
	id       string
	due      time.Time
	sequence int   // of what is due at the same time
	event    int64 // of the timer that fired or the activity that completed
	timer    bool
	handed   int
}

type modelActivity struct {
	work     *broker.Work
	aside    time.Time
	sequence int
	count    int
	done     bool
}

type offer struct {
	instance history.InstanceID
	events   []int64
}

func (m *model) instance(id history.InstanceID) *modelInstance {
	i := m.instances[id]
	if i == nil {
		i = &modelInstance{activities: map[int64]*modelActivity{}, timers: map[int64]time.Time{}}
		m.instances[id] = i
	}
	return i
}

func (m *model) next() int {
	m.sequence++
	return m.sequence
}

// settle puts an instance into the line if it is ready and not in it.
func (m *model) settle(id history.InstanceID) {
	i := m.instance(id)
	if i.turn == nil && i.aside.IsZero() && (len(i.queue) > 0 || i.again) && !slices.Contains(m.ready, id) {
		m.ready = append(m.ready, id)
	}
}

func (m *model) waits(id string) bool {
	same := func(x modelMessage) bool { return x.id == id }
	for _, i := range m.instances {
		if slices.ContainsFunc(i.queue, same) || slices.ContainsFunc(i.delayed, same) {
			return true
		}
	}
	return slices.ContainsFunc(m.orphans, same)
}

func (m *model) deliver(to history.InstanceID, id string, due time.Time) {
	if m.waits(id) {
		return
	}
	msg := modelMessage{to: to, id: id, due: due}
	i := m.instance(to)
	switch {
	case !i.exists:
		m.orphans = append(m.orphans, msg)
	case due.After(time.Now()):
		msg.sequence = m.next()
		i.delayed = append(i.delayed, msg)
	default:
		i.queue = append(i.queue, msg)
	}
	m.settle(to)
}

func (m *model) create(id history.InstanceID, start string) {
	i := m.instance(id)
	i.exists = true
	var rest []modelMessage
	for _, o := range m.orphans {
		if o.to != id {
			rest = append(rest, o)
		}
	}
	mine := slices.DeleteFunc(slices.Clone(m.orphans), func(o modelMessage) bool { return o.to != id })
	m.orphans = rest
	m.deliver(id, start, time.Time{})
	for _, o := range mine {
		m.deliver(id, o.id, o.due)
	}
}

func (m *model) drop(id history.InstanceID) {
	delete(m.instances, id)
	m.ready = slices.DeleteFunc(m.ready, func(r history.InstanceID) bool { return r == id })
	m.offered = slices.DeleteFunc(m.offered, func(o offer) bool { return o.instance == id })
}

// detach is drop, for orphans too. It returns the completions that wait.
func (m *model) detach(id history.InstanceID) (completions []string) {
	for _, x := range m.instance(id).queue {
		if x.event != 0 && !x.timer {
			completions = append(completions, x.id)
		}
	}
	m.orphans = slices.DeleteFunc(m.orphans, func(o modelMessage) bool { return o.to == id })
	m.drop(id)
	return completions
}

// offer puts an activity into the line of its instance.
func (m *model) offer(id history.InstanceID, event int64) {
	for n := range m.offered {
		if m.offered[n].instance == id {
			m.offered[n].events = append(m.offered[n].events, event)
			return
		}
	}
	m.offered = append(m.offered, offer{id, []int64{event}})
}

func (m *model) withdraw(id history.InstanceID, event int64) {
	for n := range m.offered {
		if m.offered[n].instance == id {
			m.offered[n].events = slices.DeleteFunc(m.offered[n].events, func(e int64) bool { return e == event })
		}
	}
	m.offered = slices.DeleteFunc(m.offered, func(o offer) bool { return len(o.events) == 0 })
}

func (m *model) take() (id history.InstanceID, event int64) {
	first := m.offered[0]
	m.offered = m.offered[1:]
	if len(first.events) > 1 {
		m.offered = append(m.offered, offer{first.instance, first.events[1:]})
	}
	return first.instance, first.events[0]
}

// closeActivity and closeTimer remove open work with the message it became.
func (m *model) closeActivity(id history.InstanceID, event int64) {
	i := m.instance(id)
	delete(i.activities, event)
	m.withdraw(id, event)
	i.queue = slices.DeleteFunc(i.queue, func(x modelMessage) bool { return x.event == event && !x.timer })
}

func (m *model) closeTimer(id history.InstanceID, event int64) {
	i := m.instance(id)
	delete(i.timers, event)
	i.delayed = slices.DeleteFunc(i.delayed, func(x modelMessage) bool { return x.event == event && x.timer })
	i.queue = slices.DeleteFunc(i.queue, func(x modelMessage) bool { return x.event == event && x.timer })
}

// pass does what is due by now, in the order of due times.
func (m *model) pass() {
	now := time.Now()
	type due struct {
		at       time.Time
		sequence int
		do       func()
	}
	var all []due
	for id, i := range m.instances {
		for _, msg := range i.delayed {
			all = append(all, due{msg.due, msg.sequence, func() {
				i.delayed = slices.DeleteFunc(i.delayed, func(x modelMessage) bool { return x.sequence == msg.sequence })
				i.queue = append(i.queue, msg)
				m.settle(id)
			}})
		}
		if !i.aside.IsZero() {
			all = append(all, due{i.aside, i.asideSeq, func() {
				i.aside = time.Time{}
				m.settle(id)
			}})
		}
		for event, a := range i.activities {
			if !a.aside.IsZero() {
				all = append(all, due{a.aside, a.sequence, func() {
					a.aside = time.Time{}
					m.offer(id, event)
				}})
			}
		}
	}
	all = slices.DeleteFunc(all, func(d due) bool { return d.at.After(now) })
	slices.SortFunc(all, func(x, y due) int { return cmp.Or(x.at.Compare(y.at), cmp.Compare(x.sequence, y.sequence)) })
	for _, d := range all {
		d.do()
	}
}

func (m *model) commit(id history.InstanceID, i *modelInstance, c *provider.Commit, final bool, sent []broker.Delivery) {
	i.queue = i.queue[c.Consumed:]
	i.again, i.againCount = c.Again && !final, 0
	if final || c.NewExecution {
		for event := range maps.Clone(i.activities) {
			m.closeActivity(id, event)
		}
		for event := range maps.Clone(i.timers) {
			m.closeTimer(id, event)
		}
	}
	if !final {
		for _, a := range c.Activities {
			i.activities[a.Scheduled.ID] = &modelActivity{}
			m.offer(id, a.Scheduled.ID)
		}
		for _, t := range c.Timers {
			i.timers[t.Event] = t.Due
			i.delayed = append(i.delayed, modelMessage{to: id, due: t.Due, event: t.Event, timer: true, sequence: m.next()})
		}
		for _, event := range c.CancelActivities {
			m.closeActivity(id, event)
		}
		for _, event := range c.CancelTimers {
			m.closeTimer(id, event)
		}
	}
	for _, d := range sent {
		m.deliver(d.Message.To, d.Message.ID, time.Time{})
	}
	i.turn = nil
	m.settle(id)
}
