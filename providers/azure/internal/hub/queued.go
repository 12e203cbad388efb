package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
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

// takeSaid takes in what a letter says of an activity.
func (p *partition) takeSaid(ctx context.Context, l *letter, try func(context.Context, *letter) error) {
	for n := 0; ctx.Err() == nil && p.waits(l); n++ {
		err := try(ctx, l)
		if err == nil || errors.Is(err, journal.ErrLost) || errors.Is(err, journal.ErrStopped) {
			return
		}
		pause(ctx, backoff(n))
	}
}

// tryReturn takes back an activity that a host gave back unfinished. That the host
// does not run it any more is noted in the same commit.
func (p *partition) tryReturn(ctx context.Context, l *letter) error {
	r := l.envelope.Returned
	if r.Due != 0 {
		pause(ctx, wire.FromNanos(r.Due).Sub(p.store.cfg.Now())) // whoever owns it then reads the letter again
	}
	e := &journal.Entry{Consumed: []journal.Consumed{l.consumption("")}}
	i := p.get(l.to)
	if !i.has(r) || l.foreign(i) {
		e.Applied = func(journal.Applied) { p.dropped(l) }
		e.Valid = func() error { return p.decided(l.to) }
		return p.commit(ctx, e)
	}
	if id := (history.ActivityID{Instance: l.to, Execution: r.Execution, Event: r.Event}); r.Deliveries > p.store.handed.Deliveries(id, r.Attempt) {
		p.store.handed.Out(id, r.Attempt, r.Deliveries)
	}
	return p.reoffer(ctx, e, i, []row.Returned{*r}, l, func() { p.dropped(l) })
}

// reoffer commits that activities of an instance are with nobody else any more, and
// offers them: here, or where their sessions are. By is the letter by which the only one
// came back, and what it has reached with it. A turn of the instance would change the
// same row: then it is tried again.
func (p *partition) reoffer(ctx context.Context, e *journal.Entry, i *instance, all []row.Returned, by *letter, applied func()) error {
	end, ok := p.member.broker.Reserve(i.id)
	if !ok {
		return errBusy
	}
	defer end()
	if p.get(i.id) != i {
		return errBusy
	}
	reached, err := p.progressNow(ctx, i.id, i.execution)
	if err != nil {
		return err
	}
	var came progressRow
	news := by != nil && by.progress != nil
	if news {
		came = p.progressRow(history.ActivityID{Instance: i.id, Execution: i.execution, Event: all[0].Event}, by.progress, by)
		reached = map[int64]history.Payload{all[0].Event: by.progress}
		e.Ops = append(e.Ops, came.op)
	}
	after := *i
	sent := map[int64]bool{}
	for k := range all {
		r := &all[k]
		after.running, after.queued = after.running.without(r.Event), after.queued.Without(r.Event)
		if sent[r.Event], err = p.resend(ctx, e, &after, r, reached[r.Event]); err != nil {
			return err
		}
	}
	stored := after.open
	if bug.Planted("return-not-recorded") {
		stored.running = i.running
	}
	c := row.Cells{Name: func() string { return p.store.blobName(i.id) }}
	c.Set(row.WorkCell, wire.MustJSON(stored.row(i.id)))
	if err := p.store.putBlobs(ctx, append(came.blobs, c.Blobs...)); err != nil {
		return err
	}
	e.Ops = append(e.Ops, storage.Op{Verb: storage.Put, Row: storage.Row{Key: row.Work(i.id), Cells: c.Map}})
	e.Valid = func() error { return p.unchanged(i) }
	e.Applied = func(a journal.Applied) {
		applied()
		if a.Outbox != "" {
			p.relays.add(a.Outbox, a.Send)
		}
		var former []string
		p.mu.Lock()
		p.putLocked(&after)
		if news {
			former = p.wroteLocked(&came)
		}
		for k := range all {
			r := &all[k]
			if p.withholdLocked(i.id, r.Event); !sent[r.Event] {
				p.reopenLocked(&after, r.Event, r.Attempt, reached[r.Event])
			}
		}
		p.mu.Unlock()
		p.store.dropBlobs(former)
	}
	return p.commit(ctx, e)
}

const (
	// divertEvery is how often it is looked at whether activities that wait here
	// have idle slots of other hosts to go to.
	divertEvery = 500 * time.Millisecond
	// maxDiverted bounds how many are offered at a time.
	maxDiverted = 32
)

// divertNowAndThen offers activities that wait here to other hosts that have
// free slots, until the member leaves.
func (m *member) divertNowAndThen() {
	tick := time.NewTicker(divertEvery)
	defer tick.Stop()
	waited := 0
	for {
		select {
		case <-m.ctx.Done():
			return
		case <-tick.C:
		}
		for _, p := range m.partitions() {
			p.freeSoon()
			p.calmSoon()
			p.stayAwake()
		}
		for _, tag := range m.broker.Unserved() { // a former owner served it
			m.divert(tag, maxDiverted)
		}
		before := waited
		waited = m.broker.Waiting(anyWork)
		if before == 0 || waited == 0 {
			continue // whatever waits has not waited for long
		}
		free := 0
		l := m.current()
		for _, h := range l.hosts() {
			if h.Incarnation != l.incarnation {
				free += h.Free
			}
		}
		if n := min(free, waited, maxDiverted); n > 0 {
			m.divert(anyWork, n)
		}
	}
}

// divert offers activities that wait here in the work queue of their tag.
func (m *member) divert(tag string, n int) {
	byInstance := map[history.InstanceID][]broker.Diverted{}
	var ids []history.InstanceID
	for _, d := range m.broker.Divert(tag, n) {
		if byInstance[d.ID.Instance] == nil {
			ids = append(ids, d.ID.Instance)
		}
		byInstance[d.ID.Instance] = append(byInstance[d.ID.Instance], d)
	}
	for _, id := range ids {
		all := byInstance[id]
		p := m.partition(m.store.Partition(id))
		if p == nil || !p.live() {
			continue // whoever owns it now has the work
		}
		if tag == anyWork && p.probation.on() {
			p.takeBack(all) // what kills its process is found where it is named
			continue
		}
		p.begin(func(ctx context.Context) {
			if err := p.divert(ctx, id, all); err != nil && !errors.Is(err, errNotOpen) {
				p.takeBack(all)
			}
		})
	}
}

// takeBack offers here again what could not be offered elsewhere, unless the
// partition was given up: then it is for the next owner to offer.
func (p *partition) takeBack(all []broker.Diverted) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return
	}
	for _, d := range all {
		i := p.instances[d.ID.Instance]
		if i == nil || !i.owns(&d) {
			continue // it was purged or replaced
		}
		p.member.broker.Open(i.id, i.place(), d.Activity)
	}
}

var errBusy = errors.New("a turn of the instance is under way, or an order for it")

// divert commits that activities of an instance are offered to other hosts. A
// turn of the instance would change the same row: then they stay.
func (p *partition) divert(ctx context.Context, id history.InstanceID, all []broker.Diverted) error {
	end, ok := p.member.broker.Reserve(id)
	if !ok {
		return errBusy
	}
	defer end()
	i := p.get(id)
	if i == nil || !i.owns(&all[0]) {
		return errNotOpen
	}
	after := *i
	out := &row.Outgoing{}
	var sent []int64 // to the hosts of their sessions
	var mine []broker.Diverted
	for _, d := range all {
		a := d.Activity.Activity
		if n, ok := after.spans.Find(a.Scheduled.ID); !ok || after.spans[n].Attempt != a.Attempt {
			continue
		}
		host, err := p.elsewhere(ctx, &a)
		switch {
		case err != nil:
			return err
		case host != "":
			sent = append(sent, a.Scheduled.ID)
		case a.Session != "" && p.member.serves(a.Tag), a.Tag == anyWork && d.Activity.Deliveries >= fewDeliveries && !bug.Planted("deadly-diverted"):
			mine = append(mine, d)
			continue
		}
		queue, offer := p.send(host, &after.open, id, &a, d.Activity.Deliveries, d.Activity.Progress)
		out.Offer(queue, offer)
	}
	if len(out.Parts) == 0 {
		p.takeBack(mine)
		return nil
	}
	c := row.Cells{Name: func() string { return p.store.blobName(id) }}
	c.Set(row.WorkCell, wire.MustJSON(after.open.row(id)))
	blobs := out.Spill(func() string { return p.store.blobName(id) })
	if err := p.store.putBlobs(ctx, append(blobs, c.Blobs...)); err != nil {
		return err
	}
	return p.commit(ctx, &journal.Entry{
		Ops:   []storage.Op{{Verb: storage.Put, Row: storage.Row{Key: row.Work(id), Cells: c.Map}}},
		Send:  out,
		Valid: func() error { return p.unchanged(i) },
		Applied: func(a journal.Applied) {
			p.relays.add(a.Outbox, a.Send) // what is left to a queue is on its way there; see lost.go
			p.mu.Lock()
			p.putLocked(&after)
			for _, event := range sent {
				p.withholdLocked(id, event)
			}
			p.mu.Unlock()
			p.takeBack(mine)
		},
	})
}

// serves reports whether a host of this process runs activities with the tag.
func (m *member) serves(tag string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return tag == anyWork || m.tags[tag] > 0
}
