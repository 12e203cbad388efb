package broker

import (
	"context"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/invariant"
)

// Turn is an instance held by a host.
type Turn struct {
	Instance history.InstanceID
	// Messages, at most [history.MaxTurnMessages], and the provider's keys of
	// them, index by index.
	Messages []provider.Message
	Keys     []int64
	// Attempt is that of [provider.Turn].
	Attempt int

	inst   *instance
	host   *Host
	seq    uint64
	sealed bool
}

// NextTurn blocks until an instance that the host accepts is ready and gives it
// to the caller. It ends with ctx.Err(), or [provider.ErrClosed].
func (h *Host) NextTurn(ctx context.Context) (*Turn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b := h.broker
	b.mu.Lock()
	if h.left {
		b.mu.Unlock()
		return nil, h.closedError()
	}
	if inst := b.nextReadyLocked(h); inst != nil {
		t := b.holdLocked(inst, h)
		b.mu.Unlock()
		return t, nil
	}
	c := takeCaller[Turn](&b.pool.turns)
	h.turns.joinLocked(b, c)
	b.mu.Unlock()
	return await(ctx, h, c, &b.pool.turns)
}

// holdLocked makes the turn of an instance that is ready and in no lane. Its
// messages stay in the queue until a commit consumes them.
func (b *Broker) holdLocked(inst *instance, h *Host) *Turn {
	n := b.turnSizeLocked(inst)
	t := &Turn{Instance: inst.id, inst: inst, host: h, seq: inst.seq}
	inst.turn = t
	if n == 0 {
		inst.againHanded++
		t.Attempt = inst.againHanded
		return t
	}
	t.Messages = make([]provider.Message, n)
	t.Keys = make([]int64, n)
	place := inst.queue.first
	for i := range n {
		m := place.value
		m.handed++
		t.Messages[i], t.Keys[i] = m.Message, m.key
		place = place.next
	}
	t.Attempt = inst.queue.front().handed
	return t
}

// turnSizeLocked is how many messages the next turn of an instance has.
func (b *Broker) turnSizeLocked(inst *instance) int {
	n := min(inst.queue.len, history.MaxTurnMessages)
	if b.keys == 0 {
		return n
	}
	keys, last := 0, int64(0)
	place := inst.queue.first
	for i := range n {
		if key := place.value.key; key != 0 && key != last {
			if keys++; keys > b.keys {
				return i
			}
			last = key
		}
		place = place.next
	}
	return n
}

// Behind visits the messages that wait behind those of the turn, in order; none
// if the turn is not held any more.
func (t *Turn) Behind(yield func(*provider.Message) bool) {
	b := t.host.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if !t.heldLocked() {
		return
	}
	place := 0
	for m := range t.inst.queue.all {
		if place++; place > len(t.Messages) && !yield(&m.Message) {
			return
		}
	}
}

func (t *Turn) heldLocked() bool { return t.inst.turn == t }

// Held reports whether the turn still counts.
func (t *Turn) Held() bool {
	t.host.broker.mu.Lock()
	defer t.host.broker.mu.Unlock()
	return t.heldLocked()
}

// Seal keeps Leave from giving the instance to others while a commit of this
// turn is being made durable. It is undone by Commit, Release or Unseal.
// [provider.ErrLockLost] if the turn is not held any more.
func (t *Turn) Seal() error {
	t.host.broker.mu.Lock()
	defer t.host.broker.mu.Unlock()
	if !t.heldLocked() {
		return lost("turn", t.Instance)
	}
	t.sealed = true
	return nil
}

// Unseal undoes Seal when the commit was not applied. If the host has left
// meanwhile the instance is given back.
func (t *Turn) Unseal() {
	b := t.host.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	t.sealed = false
	if t.heldLocked() && t.host.left {
		b.releaseLocked(t, provider.Release{})
	}
}

// Release gives the turn back undecided, its messages in their old places. A
// turn that is already lost is none of its business.
func (t *Turn) Release(r provider.Release) {
	b := t.host.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if t.heldLocked() {
		b.releaseLocked(t, r)
	}
}

func (b *Broker) releaseLocked(t *Turn, r provider.Release) {
	inst := t.inst
	inst.turn = nil
	if r.Uncounted {
		place := inst.queue.first
		for range t.Messages {
			place.value.handed--
			place = place.next
		}
		if len(t.Messages) == 0 {
			inst.againHanded--
		}
	}
	if r.Delay > 0 {
		b.setAsideLocked(inst, b.now().Add(r.Delay), r.Park != "")
	}
	b.settleLocked(inst)
}

// Place is where an instance stands after a commit.
type Place struct {
	// Born is the provider's own, and tells the instance from others of its id: it is
	// given back with the activities. Empty if the provider does without.
	Born      string
	Execution int64
	Name      string
	Version   string
	Final     bool
	// Progress is that of activities which the commit completes, by event, where
	// others had them: it counts, rather than what is known here.
	Progress map[int64]history.Payload
}

// Commit applies a durable commit to the turn's instance, delivers what it sent
// (to any instance, this one included, in order), and ends the turn.
//
// It reads from c: Consumed, NewExecution, Again, and the opening and closing of
// activities and timers. What a commit closes it closes together with messages
// that still wait because of it.
//
// [provider.ErrLockLost], with nothing done, if the turn is not held any more.
// A provider whose commits are durable some time before they are told here
// calls [Turn.Seal] first, and cannot get that error from Leave.
func (b *Broker) Commit(t *Turn, c *provider.Commit, at Place, sent ...Delivery) error {
	invariant.Assert(c.Consumed >= 0 && c.Consumed <= len(t.Messages),
		"P4: commit consumes %d of %d messages", c.Consumed, len(t.Messages))
	b.mu.Lock()
	defer b.mu.Unlock()
	if !t.heldLocked() {
		return lost("turn", t.Instance)
	}
	inst := t.inst
	for range c.Consumed {
		b.discardLocked(inst.queue.front())
	}
	inst.setPlaceLocked(&at)
	inst.again = c.Again && !at.Final
	inst.againHanded = 0
	if at.Final {
		b.closeAllLocked(inst)
	} else {
		b.reopenLocked(inst, c, at.Progress)
	}
	b.deliverLocked(sent)
	inst.turn = nil
	b.settleLocked(inst)
	return nil
}

// reopenLocked applies what a commit opens and closes. An event may close an
// attempt and open the next in one commit: completions come first. Nothing that
// was cancelled comes again: cancellations come last.
func (b *Broker) reopenLocked(inst *instance, c *provider.Commit, reached map[int64]history.Payload) {
	if c.NewExecution {
		b.closeAllLocked(inst)
	}
	// Progress goes along from an attempt to its retry, or to the timer that
	// delays it.
	var progress map[int64]history.Payload
	keep := func(event int64, p history.Payload) {
		if p != nil {
			if progress == nil {
				progress = map[int64]history.Payload{}
			}
			progress[event] = p
		}
	}
	for _, event := range c.CompletedActivities {
		keep(event, b.closeActivityLocked(inst, event))
		keep(event, reached[event])
	}
	for _, event := range c.FiredTimers {
		keep(event, b.closeTimerLocked(inst, event))
	}
	for _, a := range c.Activities {
		b.openActivityLocked(inst, RestoredActivity{Activity: a, Progress: progress[a.Scheduled.ID]})
	}
	for _, t := range c.Timers {
		b.openTimerLocked(inst, t, progress[t.Event])
	}
	for _, event := range c.CancelActivities {
		b.closeActivityLocked(inst, event)
	}
	for _, event := range c.CancelTimers {
		b.closeTimerLocked(inst, event)
	}
}

// Reserve keeps turns of an instance from being handed out until end is called, also
// of one of which nothing is known here, or which is set aside. It reports false if one
// is held, or the instance is reserved: then nothing is done. What drops the instance
// ends it, too: the next one of the id is not reserved.
func (b *Broker) Reserve(id history.InstanceID) (end func(), ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return nil, false
	}
	inst := b.instanceLocked(id)
	if inst.turn != nil || inst.reserved != nil {
		return nil, false
	}
	inst.ready.unlink()
	by := new(bool)
	inst.reserved = by
	return func() { b.unreserve(id, by) }, true
}

func (b *Broker) unreserve(id history.InstanceID, by *bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if inst := b.instances[id]; inst != nil && inst.reserved == by {
		inst.reserved = nil
		b.settleLocked(inst)
	}
}
