package hub

import (
	"context"
	"maps"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// An activity is withheld while somebody else takes care of it: a former owner
// that runs it, or the completion that it left in the inbox. It is offered when
// its host gives it back, or is gone without having said what came of it.

// withholdDone marks activities of which the completion is in the inbox. They
// stay open, since the next attempt is to have their progress.
func withholdDone(restored []broker.Restored, letters []*letter) {
	done := map[history.ActivityID]int{}
	for _, l := range letters {
		l.completes(func(id history.ActivityID, attempt int) { done[id] = max(done[id], attempt) })
	}
	if bug.Planted("done-offered") {
		return
	}
	for i := range restored {
		r := &restored[i]
		for n := range r.Activities {
			a := &r.Activities[n]
			id := history.ActivityID{Instance: r.Instance, Execution: r.Execution, Event: a.Activity.Scheduled.ID}
			a.Elsewhere = a.Elsewhere || done[id] == a.Activity.Attempt
		}
	}
}

// completes calls f with the attempts of activities whose completion is in the
// letter, unless that goes to the dead letters.
func (l *letter) completes(f func(id history.ActivityID, attempt int)) {
	if l.late() {
		return
	}
	for i := range l.messages {
		m := &l.messages[i]
		id := history.ActivityID{Instance: m.To, Execution: m.Execution}
		switch d := m.Data.(type) {
		case *history.ActivityCompleted:
			id.Event = d.Source
			f(id, d.Attempt)
		case *history.ActivityFailed:
			id.Event = d.Source
			f(id, d.Attempt)
		}
	}
}

// freeSoon has withheld activities looked after, if there are any.
func (p *partition) freeSoon() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.freeing || !p.loaded || p.gone || len(p.withheld) == 0 {
		return
	}
	p.freeing = true
	p.work.Go(func() {
		p.freeWithheld(p.ctx)
		p.mu.Lock()
		defer p.mu.Unlock()
		p.freeing = false
	})
}

// freeWithheld offers activities whose former owner is gone. What it said of them
// before it went is in the inbox, so that is looked into first.
func (p *partition) freeWithheld(ctx context.Context) {
	dead := p.deadHosts(ctx)
	left := p.leftByTheGone(dead)
	if len(left) == 0 || !bug.Planted("freed-unread") && p.trySweep(ctx, row.Inbox()) != nil {
		return // at the next time
	}
	for _, id := range slices.Sorted(maps.Keys(left)) {
		i := p.get(id)
		if i == nil {
			continue
		}
		p.mu.Lock()
		before := maps.Clone(p.progress[id])
		p.mu.Unlock()
		reached, err := p.progressNow(ctx, id, i.execution)
		if err != nil {
			return // at the next time
		}
		p.mu.Lock()
		// Where more became known meanwhile, that was not read: at the next time.
		events := slices.DeleteFunc(left[id], func(event int64) bool {
			return p.progress[id][event] != before[event] && !bug.Planted("freed-half-read")
		})
		if now := p.instances[id]; now != nil && now.execution == i.execution && p.behind.of[id] == 0 {
			p.freeLocked(now, events, dead, reached)
		}
		p.mu.Unlock()
	}
}

// leftByTheGone are the withheld activities whose host is gone, by instance. It
// forgets those that are closed.
func (p *partition) leftByTheGone(dead map[string]bool) map[history.InstanceID][]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	left := map[history.InstanceID][]int64{}
	for id, events := range p.withheld {
		i := p.instances[id]
		for event := range events {
			host, runs := "", false
			if i != nil {
				host, runs = i.running.find(event)
			}
			if !runs {
				delete(events, event)
			} else if dead[host] {
				left[id] = append(left[id], event)
			}
		}
		if len(events) == 0 {
			delete(p.withheld, id)
		}
	}
	return left
}

// freeLocked offers activities of an instance that dead hosts still have, with what
// they have reached, except those of which the inbox has a completion, or the letter
// with which they were given back.
func (p *partition) freeLocked(i *instance, events []int64, dead map[string]bool, reached map[int64]history.Payload) {
	said := p.saidLocked(i)
	slices.Sort(events)
	for _, event := range events {
		host, _ := i.running.find(event)
		if n, ok := i.spans.Find(event); ok && dead[host] && !said[event] {
			p.reopenLocked(i, event, i.spans[n].Attempt, reached[event])
		}
	}
}

// saidLocked are the activities of an instance of which the inbox has a completion,
// or another letter: they were given back, or have reached something.
func (p *partition) saidLocked(i *instance) map[int64]bool {
	said := map[int64]bool{}
	for _, l := range p.inboxOf[i.id] {
		if l.foreign(i) {
			continue
		}
		if r := l.ofActivity(); r != nil && r.Execution == i.execution {
			said[r.Event] = true
		}
		l.completes(func(id history.ActivityID, _ int) {
			said[id.Event] = said[id.Event] || id.Execution == i.execution
		})
	}
	return said
}

// reopenLocked offers an activity that was withheld, with progress that the broker
// may not know.
func (p *partition) reopenLocked(i *instance, event int64, attempt int, progress history.Payload) {
	n, ok := i.spans.Find(event)
	if p.gone || !p.withheld[i.id][event] || !ok || i.spans[n].Attempt != attempt {
		return // it is closed, tried again, or offered already
	}
	delete(p.withheld[i.id], event)
	p.member.broker.Open(i.id, i.place(), p.restored(i, event, i.spans[n], progress))
}

// deadHosts are those that withheld activities are left to and that are dead.
func (p *partition) deadHosts(ctx context.Context) map[string]bool {
	p.mu.Lock()
	hosts := map[string]bool{}
	for id, events := range p.withheld {
		i := p.instances[id]
		for event := range events {
			if i == nil {
				break
			}
			if host, runs := i.running.find(event); runs {
				hosts[host] = true
			}
		}
	}
	p.mu.Unlock()
	for host := range hosts {
		if p.member.alive(ctx, host) {
			delete(hosts, host)
		}
	}
	return hosts
}
