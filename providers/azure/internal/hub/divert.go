package hub

import (
	"context"
	"errors"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

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
