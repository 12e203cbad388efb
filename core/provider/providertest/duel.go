package providertest

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// decide makes a random commit of a held turn.
func (d *duel) decide(i *modelInstance, t *provider.Turn) *provider.Commit {
	n := len(t.Messages)
	if i.Status.Final() {
		c := nothing(t)
		c.Consumed = n
		return &c.Commit
	}
	renew, finish := d.chance(8), d.chance(8)
	if n > 0 && !renew && !finish && d.chance(30) {
		n = 1 + d.random.IntN(n) // the first turn takes its start in, at least
	}
	c := takeSome(t, n)
	for _, m := range t.Messages[:n] {
		done, ok := m.Data.(*history.ActivityCompleted)
		if !ok || m.Execution != i.Execution {
			continue
		}
		if a := i.activities[done.Source]; a != nil && a.Attempt == done.Attempt {
			c.CompletedActivities = append(c.CompletedActivities, done.Source)
			if d.chance(20) && !renew {
				c.Activities = append(c.Activities, provider.Activity{Scheduled: a.Scheduled, Attempt: a.Attempt + 1})
			}
		}
	}
	if renew {
		c.continueAsNew()
		c.CompletedActivities = nil // they are of the execution that has ended
	} else if i.Execution > 0 {
		d.cancel(i, c, t)
	}
	for range d.random.IntN(4) {
		d.decideOne(c)
	}
	if d.chance(25) {
		c.PruneThrough = d.random.Int64N(c.execution)
	}
	c.Again = d.chance(10)
	if finish {
		c.finish()
	}
	return &c.Commit
}

// cancel cancels something open, something that is not, or nothing. What the
// turn has a completion of is left alone.
func (d *duel) cancel(i *modelInstance, c *draft, t *provider.Turn) {
	if d.chance(20) {
		event := 1 + d.random.Int64N(i.LastEvent)
		completes := func(m provider.Message) bool {
			done, ok := m.Data.(*history.ActivityCompleted)
			return ok && done.Source == event
		}
		if !slices.ContainsFunc(t.Messages, completes) {
			c.CancelActivities = append(c.CancelActivities, event)
		}
	}
	if d.chance(20) {
		c.CancelTimers = append(c.CancelTimers, 1+d.random.Int64N(i.LastEvent))
	}
}

func (d *duel) decideOne(c *draft) {
	switch d.random.IntN(7) {
	case 0, 1:
		c.schedule(fmt.Sprint("step ", c.last))
	case 2:
		c.timer(now().Add(far))
	case 3:
		if d.chance(20) {
			c.status(nil)
		} else {
			c.status(quoted(fmt.Sprint("status ", d.random.IntN(1_000))))
		}
	case 4:
		key := fmt.Sprint("key ", d.random.IntN(3))
		if d.chance(20) {
			c.set(key, nil)
		} else {
			c.set(key, quoted(fmt.Sprint("value ", d.random.IntN(1_000))))
		}
	case 5:
		m := d.event(d.id(), "")
		m.Data = &history.EventRaised{Name: m.ID}
		c.send(m)
		if d.chance(20) {
			c.send(m)
		}
	case 6:
		m := d.start(d.id())
		m.Start.Reuse = provider.Reuse(d.random.IntN(4))
		c.send(m)
	}
}

func (d *duel) doActivity() bool {
	available := false
	for _, i := range d.model.sorted() {
		for _, a := range i.activities {
			surely, _ := a.offered()
			available = available || surely
		}
	}
	if !available {
		return false
	}
	d.note("take an activity")
	t := d.activity()
	d.note("  %v, attempt %d, delivery %d", t.ID, t.Activity.Attempt, t.Delivery)
	i := d.model.instances[t.ID.Instance]
	if i == nil || i.Execution != t.ID.Execution || i.activities[t.ID.Event] == nil {
		d.breaks("activity %v is offered: it is not open", t.ID)
	}
	a := i.activities[t.ID.Event]
	if _, maybe := a.offered(); !maybe {
		d.breaks("activity %v is offered: it is held (%v) or completed", t.ID, a.task != nil)
	}
	if diff := sameEvent(t.Activity.Scheduled, a.Scheduled); diff != "" {
		d.breaks("activity %v: %s", t.ID, diff)
	}
	if t.Activity.Attempt != a.Attempt || a.deliveries >= 0 && t.Delivery != a.deliveries+1 {
		d.breaks("activity %v is offered as attempt %d, delivery %d, want %d, %d", t.ID, t.Activity.Attempt, t.Delivery, a.Attempt, a.deliveries+1)
	}
	d.wantPayload(fmt.Sprintf("progress of %v", t.ID), t.Progress, i.progress[t.ID.Event])
	a.deliveries, a.task = t.Delivery, t
	d.tasks = append(d.tasks, t)
	return true
}

// counts finds the open activity that a task holds, nil if it counts no longer.
func (d *duel) counts(t *provider.ActivityTask) *modelActivity {
	i := d.model.instances[t.ID.Instance]
	if i == nil || i.activities[t.ID.Event] == nil || i.activities[t.ID.Event].task != t {
		return nil
	}
	return i.activities[t.ID.Event]
}

// task picks an activity that was handed out and not completed.
func (d *duel) task() (*provider.ActivityTask, bool) { return pick(d, d.tasks) }

func (d *duel) doComplete() bool {
	t, ok := d.task()
	if !ok {
		return false
	}
	a := d.counts(t)
	d.note("complete %v, attempt %d: counts %v", t.ID, t.Activity.Attempt, a != nil)
	if a == nil {
		d.same(d.tryComplete(t), provider.ErrLockLost)
		d.check(t.ID.Instance)
		return true
	}
	m := completion(t)
	ctx, cancel := d.context()
	defer cancel()
	d.same(d.host.CompleteActivity(ctx, t, m), nil)
	a.task, a.done = nil, true
	d.tasks = slices.DeleteFunc(d.tasks, func(other *provider.ActivityTask) bool { return other == t })
	i := d.model.instances[t.ID.Instance]
	if !d.model.waits(m) && !d.model.wasConsumed(m) {
		i.waiting = append(i.waiting, &modelMessage{Message: m, sender: "worker", late: true, optional: a.either})
	}
	d.check(i.ID)
	return true
}

func (d *duel) doExtend() bool {
	t, ok := d.task()
	if !ok {
		return false
	}
	a := d.counts(t)
	d.note("extend %v: counts %v", t.ID, a != nil)
	progress := quoted(fmt.Sprint("progress ", len(d.log)))
	s, err := d.tryExtend(t, progress)
	if a != nil {
		d.same(err, nil)
		d.model.instances[t.ID.Instance].progress[t.ID.Event] = progress
	}
	if err == nil && s.Cancelled != (a == nil) {
		d.breaks("extending %v says cancelled: %v; it counts: %v", t.ID, s.Cancelled, a != nil)
	}
	if err != nil {
		d.wants(err, provider.ErrLockLost, "extending an activity that counts no longer")
	}
	return true
}

func (d *duel) doReleaseActivity() bool {
	t, ok := d.task()
	if !ok {
		return false
	}
	a := d.counts(t)
	if a == nil {
		return false
	}
	r := provider.Release{Uncounted: d.chance(30)}
	d.note("release %v: %+v", t.ID, r)
	d.releaseActivity(t, r)
	a.task = nil
	if r.Uncounted && a.deliveries > 0 {
		a.deliveries--
	}
	return true
}

// check compares every read of an instance with the model.
func (d *duel) check(id history.InstanceID) {
	d.Helper()
	i := d.model.instances[id]
	if i == nil {
		d.gone(id)
		return
	}
	got := d.instance(id)
	if diff := sameInstance(*got, i.expect(*got)); diff != "" {
		d.breaks("%q: %s", id, diff)
	}
	if i.Execution > 0 {
		if diff := sameEvents(d.history(id), i.histories[i.Execution]); diff != "" {
			d.breaks("history of %q: %s", id, diff)
		}
		earlier := 1 + d.random.Int64N(i.Execution)
		if earlier <= i.Pruned {
			_, err := d.tryHistory(id, earlier, 0)
			d.wants(err, provider.ErrNotFound, "reading execution %d of %q, pruned up to %d", earlier, id, i.Pruned)
		} else if diff := sameEvents(d.historyOf(id, earlier, 0), i.histories[earlier]); diff != "" {
			d.breaks("execution %d of %q: %s", earlier, id, diff)
		}
	}
	for n := range 3 {
		key := fmt.Sprint("key ", n)
		if v := d.state(id, key); !bytes.Equal(v, i.state[key]) {
			d.breaks("state %q of %q is %s, want %s", key, id, v, i.state[key])
		}
	}
	d.checkOutstanding(i)
}

func (d *duel) checkOutstanding(i *modelInstance) {
	d.Helper()
	o := d.outstanding(i.ID)
	var activities []provider.ActivityRef
	for event, a := range i.activities {
		activities = append(activities, provider.ActivityRef{Event: event, Attempt: a.Attempt})
	}
	byEvent := func(a, b provider.ActivityRef) int { return int(a.Event - b.Event) }
	slices.SortFunc(activities, byEvent)
	slices.SortFunc(o.Activities, byEvent)
	if !slices.Equal(o.Activities, activities) {
		d.breaks("open activities of %q are %v, want %v", i.ID, o.Activities, activities)
	}
	var timers []int64
	for event := range i.timers {
		timers = append(timers, event)
	}
	slices.Sort(timers)
	if got := timersOf(o.Timers); !slices.Equal(got, timers) {
		d.breaks("open timers of %q are %v, want %v", i.ID, got, timers)
	}
	if o.Again != i.again {
		d.breaks("%q asked for another turn: %v, want %v", i.ID, o.Again, i.again)
	}
	shown := map[string]bool{}
	for _, m := range o.Messages {
		if shown[m.ID] = true; !d.model.waits(m) {
			d.breaks("%s %q is outstanding for %q, and was never sent or is consumed", nameOf(m), m.ID, i.ID)
		}
	}
	for _, w := range i.waiting {
		if !shown[w.ID] && !w.optional && !w.late {
			d.breaks("%s %q was accepted for %q and is not outstanding", nameOf(w.Message), w.ID, i.ID)
		}
	}
}

// drain ends what is held and takes every turn that is left.
func (d *duel) drain() {
	d.note("drain")
	d.rejoin(everything("drain"))
	d.restarted(false)
	for range 1_000 {
		if !d.doTurn() {
			break
		}
		i := d.held()[0]
		t := i.held.turn
		c := nothing(t)
		c.Consumed = len(t.Messages)
		if i.Execution == 0 {
			c = take(t)
		}
		d.same(d.tryCommit(t, &c.Commit), nil)
		d.model.commit(i, &c.Commit)
		d.check(i.ID)
	}
	marker := d.start("marker")
	d.same(d.trySend(marker), d.model.send(marker))
	for {
		t := d.turn()
		if t.Instance.ID == marker.To {
			return
		}
		if err := d.model.take(t); err != nil { // only what may come may come
			d.breaks("%v", err)
		}
		c := nothing(t)
		c.Consumed = len(t.Messages)
		d.same(d.tryCommit(t, &c.Commit), nil)
		d.model.commit(d.model.instances[t.Instance.ID], &c.Commit)
	}
}
