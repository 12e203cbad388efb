package broker

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Config of a [Broker]. The zero value is complete.
type Config struct {
	// Now is the clock against which due times are compared; nil means
	// time.Now. Sleeping is always done with package time, so a clock that
	// jumps is noticed late; see [Broker.Wake].
	Now func() time.Time
	// TurnKeys is the most keys of messages that a turn has; 0 means any number.
	// Messages with the key 0 do not count.
	TurnKeys int
	// Idle, if not nil, is called when a caller of NextActivity begins to wait,
	// with the mutex held: it must not call the broker, and not block.
	Idle func()
}

// Broker hands out what is ready. All methods may be called concurrently.
type Broker struct {
	now     func() time.Time
	keys    int           // of a turn, at most; 0 for any number
	free    func()        // a caller waits for an activity; may be nil
	wake    chan struct{} // for the timer goroutine, capacity 1
	stop    chan struct{}
	stopped chan struct{}
	pool    callerPools

	mu          sync.Mutex
	closed      bool
	alarms      alarms
	sleepsUntil int64 // of the timer goroutine
	instances   map[history.InstanceID]*instance
	idle        []*instance         // records to use again
	waiting     map[string]*message // by id, orphans included
	orphans     orphans
	hosts       []*Host
	callers     uint64 // callers that blocked so far
	queued      uint64 // entries made so far in the lines of instances and work
	lanes       lanes
	tags        map[string]*tagLine
}

// New makes a broker and starts its timer goroutine, which [Broker.Close] ends.
func New(cfg Config) *Broker {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	b := &Broker{
		now:         cfg.Now,
		keys:        cfg.TurnKeys,
		free:        cfg.Idle,
		wake:        make(chan struct{}, 1),
		stop:        make(chan struct{}),
		stopped:     make(chan struct{}),
		sleepsUntil: math.MaxInt64,
		instances:   map[history.InstanceID]*instance{},
		waiting:     map[string]*message{},
		orphans:     orphans{of: map[history.InstanceID]*list[orphan]{}},
		tags:        map[string]*tagLine{},
	}
	go b.keepTime()
	return b
}

// Close ends every blocked call with [provider.ErrClosed] and waits for the
// timer goroutine. Calls after it are harmless: deliveries are ignored, turns
// are lost.
func (b *Broker) Close() {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		<-b.stopped
		return
	}
	b.closed = true
	for _, h := range b.hosts {
		h.dismissLocked()
	}
	for _, inst := range b.instances {
		for _, a := range inst.activities {
			a.work = nil // lost, which is not to say cancelled
		}
		b.forgetLocked(inst)
	}
	b.mu.Unlock()
	close(b.stop)
	<-b.stopped
}

// Receiver says what the provider knows of the receiver of a message.
type Receiver int

const (
	// Missing says that there is no such instance. The message waits as an
	// orphan until a delivery to the same id says Exists or Created.
	Missing Receiver = iota
	// Exists says that the instance was there before.
	Exists
	// Created says that this message, a start, created the instance. It goes
	// before every other message; orphans that wait for the instance follow it.
	// A provider that restores an instance without a turn yet says Created of
	// its start likewise.
	Created
)

// Delivery is a message that is on its way for good.
type Delivery struct {
	Message provider.Message
	// Key is the provider's own, given back in [Turn.Keys]; for example a row
	// id. Messages that the broker makes itself (timers, completions of
	// activities) have 0.
	Key int64
	// Receiver tells whether the instance exists; Name and Version are then
	// those of the instance, for HostInfo.Accepts.
	Receiver Receiver
	Name     string
	Version  string
	// Since is when an orphan began to wait; zero means now.
	Since time.Time
	// Attempts is how often the message was handed over in an earlier life of
	// the provider, usually 0.
	Attempts int
}

// Deliver takes in messages, in order. It reports how many were new: the others
// wait already (B1).
func (b *Broker) Deliver(ds ...Delivery) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.deliverLocked(ds)
}

// Waits reports whether a message with that id waits or is handed over, so that
// Deliver ignores another one (B1), and the key with which it was delivered. Messages
// that the broker made count too, and have the key 0.
func (b *Broker) Waits(messageID string) (key int64, waits bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	m, waits := b.waiting[messageID]
	if waits {
		key = m.key
	}
	return key, waits
}

func (b *Broker) deliverLocked(ds []Delivery) (accepted int) {
	if b.closed {
		return 0
	}
	var open *instance // with new messages: those that come together are handed over together
	for i := range ds {
		d := &ds[i]
		if _, waits := b.waiting[d.Message.ID]; waits {
			continue
		}
		accepted++
		m := newMessage(d.Message, d.Key, d.Attempts)
		if d.Message.ID != "" {
			b.waiting[d.Message.ID] = m
		}
		if d.Receiver == Missing {
			b.orphanLocked(m, d.Since)
			continue
		}
		inst := b.instanceLocked(d.Message.To)
		if inst.name == "" || d.Receiver == Created {
			inst.name, inst.version = d.Name, d.Version
		}
		b.adoptLocked(inst)
		b.enqueueLocked(inst, m, d.Receiver == Created)
		if open != nil && open != inst {
			b.settleLocked(open)
		}
		open = inst
	}
	if open != nil {
		b.settleLocked(open)
	}
	return accepted
}

// Restored is the open work of an instance as an earlier process left it.
type Restored struct {
	Instance   history.InstanceID
	Born       string // see [Place]
	Execution  int64
	Name       string
	Version    string
	Again      bool
	Activities []RestoredActivity
	Timers     []provider.Timer
	// Progress is that of activities whose retries timers delay, by event.
	Progress map[int64]history.Payload
	// Until sets the instance aside until then, as a release with a delay did;
	// Parked as a release with Park did.
	Until  time.Time
	Parked bool
}

// RestoredActivity is an open activity that no host of this broker works on.
type RestoredActivity struct {
	// Activity as scheduled. Of Scheduled only the ID is needed; whatever is
	// there is given back in [Work].
	Activity provider.Activity
	// Deliveries made so far, and the progress last stored.
	Deliveries int
	Progress   history.Payload
	// Elsewhere says that somebody works on it whom the broker does not know, or
	// did: it is open, and offered to nobody until [Broker.Open] opens it anew.
	Elsewhere bool
}

// Restore opens work that is not in the broker, and delivers messages, all at
// once: an instance is ready when everything of it is there.
func (b *Broker) Restore(rs []Restored, ds ...Delivery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	insts := make([]*instance, len(rs))
	for i := range rs {
		insts[i] = b.restoreLocked(&rs[i])
	}
	b.deliverLocked(ds)
	for i, inst := range insts {
		if b.instances[rs[i].Instance] == inst { // it was not evicted, having nothing
			b.settleLocked(inst)
		}
	}
}

func (b *Broker) restoreLocked(r *Restored) *instance {
	inst := b.instanceLocked(r.Instance)
	inst.setPlaceLocked(&Place{Born: r.Born, Execution: r.Execution, Name: r.Name, Version: r.Version})
	inst.again = r.Again
	b.adoptLocked(inst)
	for _, t := range r.Timers {
		b.openTimerLocked(inst, t, r.Progress[t.Event])
	}
	for _, a := range r.Activities {
		b.openActivityLocked(inst, a)
	}
	if !r.Until.IsZero() {
		b.setAsideLocked(inst, r.Until, r.Parked)
	}
	return inst
}

// OpenTimers opens timers of an instance, which may not be known here yet. Those
// that are open stay as they are.
func (b *Broker) OpenTimers(id history.InstanceID, at Place, progress map[int64]history.Payload, timers ...provider.Timer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	inst := b.instanceLocked(id)
	if inst.execution == 0 {
		inst.setPlaceLocked(&at)
	}
	for _, t := range timers {
		if inst.timers[t.Event] == nil {
			b.openTimerLocked(inst, t, progress[t.Event])
		}
	}
	b.settleLocked(inst)
}

// Drop forgets everything about an instance that was purged or is about to be
// replaced: its messages, activities and timers; a turn that is held, sealed or
// not, is lost. Activities that workers hold are cancelled.
func (b *Broker) Drop(id history.InstanceID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if inst := b.instances[id]; inst != nil {
		b.forgetLocked(inst)
	}
}

// Outstanding is what the instance waits for, or has waiting. Messages that the
// broker made (fired timers, completions) are among them.
func (b *Broker) Outstanding(id history.InstanceID) *provider.Outstanding {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := &provider.Outstanding{}
	inst := b.instances[id]
	if inst == nil {
		return out
	}
	out.Again = inst.again
	for m := range inst.queue.all {
		out.Messages = append(out.Messages, m.Message)
	}
	soonest := len(out.Messages)
	for m := range inst.delayed.all {
		out.Messages = append(out.Messages, m.Message)
	}
	slices.SortStableFunc(out.Messages[soonest:], func(x, y provider.Message) int { return x.Due.Compare(y.Due) })
	for _, a := range inst.activities {
		out.Activities = append(out.Activities, provider.ActivityRef{Event: a.Scheduled.ID, Attempt: a.Attempt})
	}
	slices.SortFunc(out.Activities, func(x, y provider.ActivityRef) int { return int(x.Event - y.Event) })
	for _, t := range inst.timers {
		out.Timers = append(out.Timers, t.Timer)
	}
	slices.SortFunc(out.Timers, func(x, y provider.Timer) int { return int(x.Event - y.Event) })
	return out
}

// Stats counts what the broker remembers; for tests and metrics.
type Stats struct {
	Instances  int // with anything to remember
	Ready      int // instances
	Held       int // turns
	Messages   int // waiting, delayed, or in turns; orphans included
	Orphans    int // messages
	Activities int // open
	Working    int // activities handed out
	Timers     int // open
}

// Stats counts.
func (b *Broker) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := Stats{Instances: len(b.instances), Orphans: b.orphans.all.len}
	s.Messages = s.Orphans
	for _, inst := range b.instances {
		s.Messages += inst.queue.len + inst.delayed.len
		s.Activities += len(inst.activities)
		s.Timers += len(inst.timers)
		if inst.ready.in != nil {
			s.Ready++
		}
		if inst.turn != nil {
			s.Held++
		}
		for _, a := range inst.activities {
			if a.work != nil {
				s.Working++
			}
		}
	}
	return s
}

func lost(what string, id history.InstanceID) error {
	return fmt.Errorf("%w: the %s of instance %q was given up, or belongs to another by now", provider.ErrLockLost, what, strings.ToValidUTF8(string(id), "?"))
}
