package hub

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// An offer stays in its work queue, hidden while a host runs it, until the outcome
// is in the inbox of its instance. So what is open and was offered in a queue that
// holds nothing is lost, once the inbox has been looked into: somebody deleted the
// queue, or cleared it. Its owner takes it back, as if a host had given it back. While
// a queue holds anything, nothing can be said of what else should be there.

const (
	// lostEvery is how often owners count the messages of queues in which they have
	// offered something.
	lostEvery = 5 * time.Minute
	// lostPause is how long an activity has been in its queue, at least, before that
	// is counted: it is noted in memory a moment before it is on its way there.
	lostPause = 5 * time.Second
)

// inQueue are activities of an instance that were left to a work queue.
type inQueue struct {
	instance *instance // as it then was
	all      []row.Returned
}

// findLostNowAndThen takes back what was lost with work queues, until the member
// leaves.
func (m *member) findLostNowAndThen() {
	tick := time.NewTicker(lostEvery)
	defer tick.Stop()
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		if bug.Planted("lost-work-forgotten") {
			continue
		}
		found := map[*partition]map[string][]inQueue{}
		for _, p := range m.partitions() {
			if all := p.leftToQueues(); len(all) > 0 {
				found[p] = all
			}
		}
		if len(found) == 0 {
			continue
		}
		pause(m.ctx, lostPause)
		empty := map[string]bool{}
		for p, of := range found {
			var lost []inQueue
			for _, queue := range slices.Sorted(maps.Keys(of)) {
				all := p.stillLeft(queue, of[queue])
				if len(all) == 0 {
					continue
				}
				if _, known := empty[queue]; !known {
					empty[queue] = m.store.isEmpty(m.ctx, queue)
				}
				if empty[queue] {
					lost = append(lost, all...)
				}
			}
			if len(lost) > 0 {
				p.begin(func(ctx context.Context) { p.takeBackLost(ctx, lost) })
			}
		}
	}
}

// isEmpty reports whether a queue holds no message, hidden ones included, or is not
// there. What was counted is never fewer than there are.
func (s *Store) isEmpty(ctx context.Context, queue string) bool {
	n, err := s.account.Count(ctx, queue)
	return err == nil && n == 0 || errors.Is(err, storage.ErrGone)
}

// leftToQueues are the activities that are in work queues, unless they are lost.
func (p *partition) leftToQueues() map[string][]inQueue {
	if !p.live() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	all := map[string][]inQueue{}
	for _, i := range p.instances {
		of := map[string][]row.Returned{}
		for _, span := range i.queued {
			queue := p.store.workQueue(span.Tag)
			for event := span.First; event <= span.Last; event++ {
				of[queue] = append(of[queue], row.Returned{Execution: i.execution, Event: event, Attempt: span.Attempt, Queued: true})
			}
		}
		for queue, events := range of {
			all[queue] = append(all[queue], inQueue{i, events})
		}
	}
	return all
}

// stillLeft are those that are still left to a queue, if nothing is on its way there.
// Their instances may have gone on with something else.
func (p *partition) stillLeft(queue string, all []inQueue) (left []inQueue) {
	if p.relays.offering(queue) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range all {
		now := p.instances[l.instance.id]
		if now == nil || now.born != l.instance.born {
			continue
		}
		still := slices.DeleteFunc(slices.Clone(l.all), func(r row.Returned) bool { return !now.has(&r) })
		if len(still) > 0 {
			left = append(left, inQueue{now, still})
		}
	}
	return left
}

// takeBackLost looks into the inbox, and takes back the activities of which nothing
// is there: those of an instance together, whatever queues they were in.
func (p *partition) takeBackLost(ctx context.Context, lost []inQueue) {
	if p.trySweep(ctx, row.Inbox()) != nil {
		return // at the next time
	}
	of := map[history.InstanceID]inQueue{}
	for _, l := range lost {
		of[l.instance.id] = inQueue{l.instance, append(of[l.instance.id].all, l.all...)}
	}
	n := 0
	for _, id := range slices.Sorted(maps.Keys(of)) {
		n += p.takeBackOf(ctx, of[id])
	}
	if n > 0 {
		p.log().Warn("activities were lost with a work queue, which is empty although they are open: they are offered again", "activities", n)
	}
}

// takeBackOf offers activities of an instance again. It reports how many.
func (p *partition) takeBackOf(ctx context.Context, l inQueue) int {
	for n := 0; ctx.Err() == nil; n++ {
		lost := p.unheardOf(l)
		if len(lost) == 0 {
			return 0
		}
		err := p.reoffer(ctx, &journal.Entry{}, l.instance, lost, nil, func() {})
		if err == nil {
			return len(lost)
		}
		if errors.Is(err, journal.ErrLost) || errors.Is(err, journal.ErrStopped) {
			return 0
		}
		pause(ctx, backoff(n))
	}
	return 0
}

// unheardOf are the activities of which nothing has become known since they were
// found to be in their queue.
func (p *partition) unheardOf(l inQueue) []row.Returned {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.instances[l.instance.id] != l.instance || p.behind.of[l.instance.id] > 0 {
		return nil
	}
	said := p.saidLocked(l.instance)
	return slices.DeleteFunc(slices.Clone(l.all), func(r row.Returned) bool { return said[r.Event] || !l.instance.has(&r) })
}
