package broker

import (
	"strconv"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// message is one that waits: in an instance's queue (also while a turn holds
// it), among its delayed ones, or as an orphan.
type message struct {
	provider.Message
	key    int64
	handed int           // how often
	place  link[message] // in the instance's queue or delayed
	alarm  *alarm        // while delayed
	orphan *orphan       // while one
	answer *activity     // whose completion it is
	fired  *timer        // whose firing it is
}

func newMessage(pm provider.Message, key int64, handed int) *message {
	m := &message{Message: pm, key: key, handed: handed}
	m.place.value = m
	return m
}

// instance is what the broker remembers of an instance that is not idle.
type instance struct {
	id        history.InstanceID
	born      string // see Place
	execution int64
	name      string
	version   string

	queue   list[message] // due, in order; the first of them may be in a turn
	delayed list[message] // in no order
	start   *message      // the delayed message that creates the instance

	again       bool
	againHanded int // how often a turn without messages was handed over

	turn   *Turn // that holds it
	aside  *alarm
	parked bool // aside because of a reason that another host may not share

	reserved *bool // by whom, nil if it is not; see [Broker.Reserve]

	ready link[instance] // in a lane
	seq   uint64         // of its entry there

	activities map[int64]*activity // open, by event
	timers     map[int64]*timer    // open, by event
	mostOpen   int                 // either of them ever held
}

// setPlaceLocked notes where the instance stands.
func (inst *instance) setPlaceLocked(at *Place) {
	inst.born, inst.execution, inst.name, inst.version = at.Born, at.Execution, at.Name, at.Version
}

// maxIdle bounds the records kept for use again, and keepOpen the maps that are
// kept with them: a map never shrinks.
const (
	maxIdle  = 1024
	keepOpen = 64
)

// instanceLocked finds or makes the record of an instance.
func (b *Broker) instanceLocked(id history.InstanceID) *instance {
	if inst := b.instances[id]; inst != nil {
		return inst
	}
	var inst *instance
	if n := len(b.idle); n > 0 {
		inst, b.idle[n-1] = b.idle[n-1], nil
		b.idle = b.idle[:n-1]
	} else {
		inst = &instance{}
		inst.ready.value = inst
	}
	inst.id = id
	b.instances[id] = inst
	return inst
}

// settleLocked puts an instance where it belongs after a change: in the line
// of ready ones, or out of memory. The caller must not use inst afterwards.
func (b *Broker) settleLocked(inst *instance) {
	switch {
	case inst.turn != nil || inst.ready.in != nil || inst.aside != nil || inst.reserved != nil || inst.start != nil:
	case inst.queue.len > 0 || inst.again:
		b.readyLocked(inst)
	case inst.delayed.len == 0 && len(inst.activities) == 0 && len(inst.timers) == 0:
		b.evictLocked(inst)
	}
}

// evictLocked ends a record that holds nothing any more.
func (b *Broker) evictLocked(inst *instance) {
	delete(b.instances, inst.id)
	if len(b.idle) < maxIdle && !b.closed {
		activities, timers := inst.activities, inst.timers
		if inst.mostOpen > keepOpen {
			activities, timers = nil, nil
		}
		*inst = instance{activities: activities, timers: timers}
		inst.ready.value = inst
		b.idle = append(b.idle, inst)
	}
}

// forgetLocked takes everything from an instance, then evicts it.
func (b *Broker) forgetLocked(inst *instance) {
	inst.ready.unlink()
	inst.turn, inst.again, inst.start, inst.reserved = nil, false, nil, nil
	b.alarms.remove(inst.aside)
	inst.aside = nil
	b.closeAllLocked(inst)
	for m := range inst.queue.all {
		b.discardLocked(m)
	}
	for m := range inst.delayed.all {
		b.discardLocked(m)
	}
	b.evictLocked(inst)
}

// enqueueLocked gives a message its place. The one that creates the instance
// comes first (B2).
func (b *Broker) enqueueLocked(inst *instance, m *message, creates bool) {
	if !m.Due.IsZero() {
		if due := nanos(m.Due); due > b.now().UnixNano() {
			inst.delayed.pushBack(&m.place)
			if creates {
				inst.start = m
			}
			m.alarm = b.setAlarmLocked(due, func() {
				m.alarm = nil
				m.place.unlink()
				b.placeLocked(inst, m, inst.start == m)
				b.settleLocked(inst)
			})
			return
		}
	}
	b.placeLocked(inst, m, creates)
}

func (b *Broker) placeLocked(inst *instance, m *message, first bool) {
	if first {
		inst.start = nil
		inst.queue.pushFront(&m.place)
	} else {
		inst.queue.pushBack(&m.place)
	}
}

// discardLocked removes a message, consumed or not, from wherever it waits.
func (b *Broker) discardLocked(m *message) {
	m.place.unlink()
	b.alarms.remove(m.alarm)
	m.alarm = nil
	if m.ID != "" {
		delete(b.waiting, m.ID)
	}
	if m.answer != nil {
		m.answer.done, m.answer = nil, nil
	}
	if m.fired != nil {
		m.fired.message, m.fired = nil, nil
	}
}

// setAsideLocked keeps an instance from being ready until then.
func (b *Broker) setAsideLocked(inst *instance, until time.Time, parked bool) {
	b.alarms.remove(inst.aside)
	inst.parked = parked
	inst.aside = b.setAlarmLocked(nanos(until), func() {
		inst.aside, inst.parked = nil, false
		b.settleLocked(inst)
	})
}

// timer is an open timer. It stays open after it fired, until a commit closes
// it.
type timer struct {
	provider.Timer
	alarm    *alarm
	message  *message        // that it became, while that waits
	progress history.Payload // of the activity whose retry it delays
}

func (b *Broker) openTimerLocked(inst *instance, pt provider.Timer, progress history.Payload) {
	b.closeTimerLocked(inst, pt.Event)
	t := &timer{Timer: pt, progress: progress}
	if inst.timers == nil {
		inst.timers = map[int64]*timer{}
	}
	inst.timers[pt.Event] = t
	inst.mostOpen = max(inst.mostOpen, len(inst.timers))
	t.alarm = b.setAlarmLocked(nanos(pt.Due), func() {
		t.alarm = nil
		b.fireLocked(inst, t)
	})
}

// fireLocked makes the message of a timer that is due.
func (b *Broker) fireLocked(inst *instance, t *timer) {
	m := newMessage(provider.Message{
		ID:        timerMessageID(inst, t),
		To:        inst.id,
		Execution: inst.execution,
		Sent:      t.Due,
		Data:      t.Fire,
	}, 0, 0)
	if _, waits := b.waiting[m.ID]; waits {
		return
	}
	b.waiting[m.ID] = m
	t.message, m.fired = m, t
	b.placeLocked(inst, m, false)
	b.settleLocked(inst)
}

// timerMessageID is unique and the same after a restart. A retry of an activity
// may have a timer of the same event again, so the due time is part of it.
func timerMessageID(inst *instance, t *timer) string {
	buf := make([]byte, 0, len(inst.id)+64)
	buf = append(append(buf, "timer/"...), inst.id...)
	for _, n := range [...]int64{inst.execution, t.Event, nanos(t.Due)} {
		buf = strconv.AppendInt(append(buf, '/'), n, 10)
	}
	return string(buf)
}

// closeTimerLocked removes an open timer with the message it may have become,
// and returns the progress that it kept.
func (b *Broker) closeTimerLocked(inst *instance, event int64) history.Payload {
	t := inst.timers[event]
	if t == nil {
		return nil
	}
	delete(inst.timers, event)
	b.alarms.remove(t.alarm)
	if t.message != nil {
		b.discardLocked(t.message)
	}
	return t.progress
}

// closeAllLocked closes all open work of an execution.
func (b *Broker) closeAllLocked(inst *instance) {
	for event := range inst.activities {
		b.closeActivityLocked(inst, event)
	}
	for event := range inst.timers {
		b.closeTimerLocked(inst, event)
	}
}
