package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// What the owner of an instance does with activities that it does not run
// itself: those whose tag no host of this process serves are offered in a work
// queue, by way of the outbox, and so are those that wait here for long while
// other hosts are idle. The row of open work says which those are: whoever takes
// the partition over leaves them to the queue, which keeps them until somebody
// has done them.

// anyWork is the tag of the queue for activities without one.
const anyWork = ""

// workQueue is the queue of activities with a tag. Tags are any text: what is
// not plain in them is hashed.
func (s *Store) workQueue(tag string) string {
	if tag == anyWork {
		return s.cfg.Name + workSuffix
	}
	return s.cfg.Name + tagSuffix + row.QueuePart(tag)
}

// row is the open work as it is stored.
func (o *open) row(id history.InstanceID) row.OpenWork {
	w := row.OpenWork{
		Format: row.Format, ID: id, Born: o.born, Execution: o.execution, Name: o.name, Version: o.version,
		Again: o.again, Activities: o.spans.Encode(), Queued: o.queued.Encode(),
	}
	w.Running = o.running.encode()
	return w
}

// encodeQueued decides which of the activities that the commit opens go to a
// work queue, and closes those of before as it says.
func (c *commit) encodeQueued(effects *provider.Commit) {
	o := &c.after.open
	closed := *effects
	closed.Activities = nil
	o.queued = o.queued.Apply(&closed)
	o.running = o.running.change(func(_ string, set spans.Set) spans.Set { return set.Apply(&closed) })
	for i := range effects.Activities {
		a := &effects.Activities[i]
		event := a.Scheduled.ID
		host := c.places[event]
		if _, open := o.spans.Find(event); !open || host == "" && c.p.member.serves(a.Tag) {
			continue
		}
		if c.offers == nil {
			c.offers = map[string][]row.Offer{}
		}
		queue, offer := c.p.send(host, o, c.after.id, a, 0, c.reached[event])
		c.offers[queue] = append(c.offers[queue], offer)
	}
}

// send notes in the open work that an activity is offered in a queue: that of a
// host, or if that is empty the one of its tag.
func (p *partition) send(host string, o *open, id history.InstanceID, a *provider.Activity, deliveries int, progress history.Payload) (queue string, _ row.Offer) {
	if host != "" {
		return p.store.hostQueue(host), p.sendTo(host, o, id, a, deliveries, progress)
	}
	event := a.Scheduled.ID
	o.queued = o.queued.With(spans.Span{First: event, Last: event, Attempt: a.Attempt, Tag: a.Tag, Session: a.Session})
	return p.store.workQueue(a.Tag), p.offer(o, id, a, deliveries, progress)
}

// maxScheduled is the largest event that goes along with an offer, in bytes: a
// queue message takes 64 KiB, as encoded.
const maxScheduled = 24 << 10

// offer is an activity as a work queue takes it.
func (p *partition) offer(o *open, id history.InstanceID, a *provider.Activity, deliveries int, progress history.Payload) row.Offer {
	off := row.Offer{
		Format: row.Format, Partition: p.number, ID: id, Born: o.born, Execution: o.execution, Event: a.Scheduled.ID, Attempt: a.Attempt,
		Tag: a.Tag, Session: a.Session, Name: o.name, Version: o.version, Deliveries: deliveries,
	}
	if progress != nil && len(progress) <= maxScheduled/2 {
		off.Progress = progress
	} else {
		off.Stored = progress != nil || p.hasProgress(history.ActivityID{Instance: id, Execution: o.execution, Event: a.Scheduled.ID})
	}
	if a.Scheduled.Data != nil {
		if event, err := history.Marshal(a.Scheduled); err == nil && len(event) <= maxScheduled {
			off.Scheduled = event
		}
	}
	return off
}

// offered is the commit as the broker of this process takes it: without what
// others are to run.
func (c *commit) offered() *provider.Commit {
	if len(c.offers) == 0 {
		return c.given
	}
	given := *c.given
	given.Activities = slices.DeleteFunc(slices.Clone(given.Activities), func(a provider.Activity) bool {
		_, queued := c.after.queued.Find(a.Scheduled.ID)
		return queued || c.places[a.Scheduled.ID] != ""
	})
	return &given
}

// offersAtOnce is how many offers a partition puts into a queue at a time. Work
// queues have no order, and one offer after the other would bound a partition to
// one remote activity in the time that a request takes.
const offersAtOnce = 16

// deliverOffers puts activities into their work queue, and rings. What was put is
// not in the parts any more.
func (p *partition) deliverOffers(ctx context.Context, queue string, parts []*outPart) (err error) {
	var all []*row.Offer
	for _, part := range parts {
		for i := range part.Offers {
			all = append(all, &part.Offers[i])
		}
	}
	put := map[*row.Offer]bool{}
	for some := range slices.Chunk(all, offersAtOnce) {
		if err = p.putOffers(ctx, queue, some, put); err != nil {
			break
		}
	}
	for _, part := range parts {
		var left []row.Offer
		for i := range part.Offers {
			if !put[&part.Offers[i]] {
				left = append(left, part.Offers[i])
			}
		}
		part.Offers = left
	}
	return err
}

// putOffers puts some offers into their queue, and notes which are there. A copy
// that is sent again says so.
func (p *partition) putOffers(ctx context.Context, queue string, some []*row.Offer, put map[*row.Offer]bool) error {
	s, host := p.store, some[0].Host
	errs := make([]error, len(some))
	var all sync.WaitGroup
	for i, offer := range some {
		all.Go(func() { errs[i] = s.account.Enqueue(ctx, queue, wire.MustJSON(offer), 0) })
	}
	all.Wait()
	var left []*row.Offer // for which there was no queue
	rung := false
	for i, offer := range some {
		switch {
		case errs[i] == nil:
			put[offer], rung = true, true
		case errors.Is(errs[i], storage.ErrGone):
			left, errs[i] = append(left, offer), nil
		default:
			offer.Again = true
		}
	}
	switch {
	case !rung:
	case host != "":
		s.waker.workFor(host)
	default:
		s.waker.work()
	}
	err := errors.Join(errs...)
	switch {
	case len(left) == 0:
		return err
	case host == "":
		if made := s.account.CreateQueue(ctx, queue); made != nil {
			return errors.Join(err, made)
		}
		return errors.Join(err, p.putOffers(ctx, queue, left, put))
	case p.member.alive(ctx, host):
		return errors.Join(err, fmt.Errorf("%w: queue %s of a host that is alive", storage.ErrGone, queue))
	}
	return err // what a dead host was sent is offered again
}

// keepRunning notes in the rows of open work what this host still runs when it
// hands the partition over, so that the next owner does not run it too.
func (p *partition) keepRunning(ctx context.Context, j *journal.Journal, running []history.ActivityID) {
	if bug.Planted("running-not-noted") {
		return
	}
	byInstance := map[history.InstanceID][]int64{}
	var ids []history.InstanceID
	for _, id := range running {
		if byInstance[id.Instance] == nil {
			ids = append(ids, id.Instance)
		}
		byInstance[id.Instance] = append(byInstance[id.Instance], id.Event)
	}
	for batch := range slices.Chunk(ids, maxSideRows) {
		e := &journal.Entry{}
		for _, id := range batch {
			i := p.get(id)
			if i == nil {
				continue
			}
			o := i.open
			for _, event := range byInstance[id] {
				if n, ok := o.spans.Find(event); ok {
					a := o.spans[n]
					a.First, a.Last = event, event
					if bug.Planted("host-overwritten") {
						o.running = left{p.life.incarnation: o.running[p.life.incarnation]}
					}
					o.running = o.running.without(event).with(p.life.incarnation, a) // besides what others still run
				}
			}
			c := row.Cells{Name: func() string { return p.store.blobName(id) }}
			c.Set(row.WorkCell, wire.MustJSON(o.row(id)))
			if p.store.putBlobs(ctx, c.Blobs) != nil {
				continue // the next owner runs it, too
			}
			e.Ops = append(e.Ops, storage.Op{Verb: storage.Put, Row: storage.Row{Key: row.Work(id), Cells: c.Map}})
		}
		j.Submit(e)
	}
}
