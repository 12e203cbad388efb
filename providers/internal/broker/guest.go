package broker

import (
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Guest is an activity of an instance that another broker has: it came by a
// queue, to be run here. It waits in line as any other; the work that it becomes
// is detached from the start (B9).
type Guest struct {
	ID            history.ActivityID
	Born          string // see [Place]
	Activity      provider.Activity
	Orchestration string
	Version       string
	Delivery      int
	Progress      history.Payload
	// Of is the provider's own, given back in [Work.Guest].
	Of any

	broker   *Broker
	activity *activity
}

// Invite offers a guest to hosts. [Guest.Withdraw] takes it back.
func (b *Broker) Invite(g *Guest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	inst := &instance{id: g.ID.Instance, born: g.Born, execution: g.ID.Execution, name: g.Orchestration, version: g.Version}
	inst.ready.value = inst
	a := &activity{Activity: g.Activity, inst: inst, deliveries: g.Delivery - 1, progress: g.Progress, guest: g}
	a.waits.value = a
	g.broker, g.activity = b, a
	b.offerLocked(a)
}

// Withdraw takes back a guest that nobody works on. It reports false if somebody
// does, or did.
func (g *Guest) Withdraw() bool {
	b, a := g.broker, g.activity
	if b == nil {
		return true // it was never offered
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if a.waits.in == nil {
		return false
	}
	b.quitLineLocked(b.tags[a.Tag], a)
	return true
}

// Idle is how many callers wait for an activity with the tag.
func (b *Broker) Idle(tag string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := b.tags[tag]
	if line == nil {
		return 0
	}
	n := 0
	for _, h := range line.hosts {
		n += h.works.line.len
	}
	return n
}

// Waiting is how many activities with the tag wait for a caller.
func (b *Broker) Waiting(tag string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := b.tags[tag]
	if line == nil {
		return 0
	}
	n := 0
	for up := range line.line.all {
		n += up.waits.len
	}
	return n
}

// Unserved are the tags with activities that wait although no host serves them,
// in order.
func (b *Broker) Unserved() (tags []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for tag, line := range b.tags {
		if len(line.hosts) == 0 && line.line.len > 0 {
			tags = append(tags, tag)
		}
	}
	slices.Sort(tags)
	return tags
}

// Open opens activities of an instance, besides those that are open: they were
// in other hands until now. One that is open goes on with its progress, unless it
// comes with another. An attempt that is open already, and not elsewhere, stays as
// it is.
func (b *Broker) Open(id history.InstanceID, at Place, as ...RestoredActivity) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return
	}
	inst := b.instanceLocked(id)
	if inst.execution == 0 {
		inst.setPlaceLocked(&at)
	}
	for _, a := range as {
		if open := inst.activities[a.Activity.Scheduled.ID]; open == nil || open.Attempt != a.Activity.Attempt || open.elsewhere() {
			b.openActivityLocked(inst, a)
		}
	}
	b.settleLocked(inst)
}

// Divert takes at most n waiting activities with the tag out, the last ones of
// the longest lineups first, for the provider to have them run elsewhere. Guests
// stay, and so do those of sessions while a host here serves the tag. They are closed here; [Broker.Open] takes them back.
func (b *Broker) Divert(tag string, n int) (all []Diverted) {
	b.mu.Lock()
	defer b.mu.Unlock()
	line := b.tags[tag]
	for line != nil && len(all) < n {
		var longest *lineup
		for up := range line.line.all {
			if last := up.waits.last.value; last.guest == nil && (last.Session == "" || len(line.hosts) == 0) && (longest == nil || up.waits.len > longest.waits.len) {
				longest = up
			}
		}
		if longest == nil {
			break
		}
		a := longest.waits.last.value
		id := history.ActivityID{Instance: a.inst.id, Execution: a.inst.execution, Event: a.Scheduled.ID}
		all = append(all, Diverted{id, a.inst.born, a.inst.name, a.inst.version, RestoredActivity{Activity: a.Activity, Deliveries: a.deliveries, Progress: a.progress}})
		b.quitLineLocked(line, a)
		delete(a.inst.activities, a.Scheduled.ID)
		b.settleLocked(a.inst)
	}
	return all
}

// Diverted is an activity that was taken out.
type Diverted struct {
	ID            history.ActivityID
	Born          string // of its instance; see [Place]
	Orchestration string
	Version       string
	Activity      RestoredActivity
}
