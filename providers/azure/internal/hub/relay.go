package hub

import (
	"context"
	"slices"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// maxRelayed bounds the parcels of one transaction: a start takes three rows.
const maxRelayed = 30

// relays carry the rows of the outbox to where they are for. One goroutine
// serves a target at a time, so what goes from this partition to another keeps
// its order.
type relays struct {
	p *partition

	mu      sync.Mutex
	started bool
	queues  map[int][]journal.Sent
	running map[int]bool
}

func newRelays(p *partition) *relays {
	return &relays{p: p, queues: map[int][]journal.Sent{}, running: map[int]bool{}}
}

// add queues a row that is durable.
func (rs *relays) add(s journal.Sent) {
	rs.mu.Lock()
	rs.queues[s.Out.To] = append(rs.queues[s.Out.To], s)
	rs.mu.Unlock()
	rs.run(s.Out.To)
}

// start begins with what was queued so far.
func (rs *relays) start() {
	rs.mu.Lock()
	rs.started = true
	var targets []int
	for to := range rs.queues {
		targets = append(targets, to)
	}
	rs.mu.Unlock()
	slices.Sort(targets)
	for _, to := range targets {
		rs.run(to)
	}
}

// busy reports whether something is on its way to the partition.
func (rs *relays) busy(to int) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.queues[to]) > 0
}

func (rs *relays) run(to int) {
	rs.mu.Lock()
	begin := rs.started && !rs.running[to]
	rs.running[to] = rs.running[to] || begin
	rs.mu.Unlock()
	if begin {
		rs.p.begin(func(ctx context.Context) { rs.serve(ctx, to) })
	}
}

// serve relays to one target until nothing is left.
func (rs *relays) serve(ctx context.Context, to int) {
	for n := 0; ; {
		rs.mu.Lock()
		if len(rs.queues[to]) == 0 || ctx.Err() != nil {
			rs.running[to] = false
			rs.mu.Unlock()
			return
		}
		next := &rs.queues[to][0]
		rs.mu.Unlock()
		var err error
		if to == rs.p.number {
			err = rs.p.deliverHome(ctx, next)
		} else {
			err = rs.p.deliverAway(ctx, next)
		}
		if err != nil {
			if ctx.Err() == nil {
				if n++; n > 3 {
					rs.p.log().Warn("messages to another partition are held up", "to", to, "error", err)
				}
				pause(ctx, storage.RetryAfter(err, backoff(n)))
			}
			continue
		}
		n = 0
		rs.mu.Lock()
		done := rs.queues[to][0]
		rs.queues[to] = rs.queues[to][1:]
		if len(rs.queues[to]) == 0 {
			delete(rs.queues, to)
		}
		rs.mu.Unlock()
		if to != rs.p.number {
			rs.p.journal.SubmitLazily(&journal.Entry{Ops: []storage.Op{{Verb: storage.Delete, Row: storage.Row{Key: done.Key}}}})
		}
	}
}

// deliverAway inserts the parcels of a row into the inboxes of another
// partition. It may have done so before: rows that are there stay.
func (p *partition) deliverAway(ctx context.Context, s *journal.Sent) error {
	a := &away{p: p, to: s.Out.To, exists: map[history.InstanceID]bool{}, arrived: map[string]bool{}}
	for left := s.Out.Parcel; len(left) > 0; {
		n := min(len(left), maxRelayed)
		if err := a.insert(ctx, left[:n]); err != nil {
			return err
		}
		left = left[n:]
	}
	return nil
}

// away are parcels on their way to another partition.
type away struct {
	p       *partition
	to      int
	exists  map[history.InstanceID]bool // instances that a start does not make
	arrived map[string]bool             // keys of rows that are in the inbox, or were
}

// insert inserts parcels in one transaction, or finds that they were inserted.
func (a *away) insert(ctx context.Context, parcels []row.Parcel) error {
	s := a.p.store
	for {
		ops, rows, err := a.ops(ctx, parcels)
		if err != nil || len(ops) == 0 {
			return err
		}
		_, err = s.account.Transact(ctx, s.cfg.Name, s.partitionKey(a.to), ops)
		r := storage.Rejected(err)
		if r == nil || r.Reason != storage.Exists || r.Index < 0 {
			if err != nil {
				return err // unknown, too: the next try finds what is there
			}
			for i := range parcels {
				a.exists[parcels[i].To] = true
			}
			s.arrived(a.to, rows)
			return nil
		}
		key := ops[r.Index].Row.Key
		if row.KindOf(key) == row.KindInbox {
			a.arrived[key] = true
			continue
		}
		for i := range parcels {
			if id := parcels[i].To; key == row.Instance(id) || key == row.Open(id) {
				a.exists[id] = true
			}
		}
	}
}

// ops are the rows that are still to be inserted.
func (a *away) ops(ctx context.Context, parcels []row.Parcel) (ops []storage.Op, rows []storage.Row, err error) {
	s := a.p.store
	made := map[history.InstanceID]bool{}
	for i := range parcels {
		parcel := &parcels[i]
		key := row.Message(parcel.To, row.PartitionSender(a.p.number), parcel.Seq)
		if a.arrived[key] {
			continue
		}
		r, created, meta, err := s.rowOf(parcel, key, !a.exists[parcel.To] && !made[parcel.To])
		if err != nil {
			return nil, nil, err
		}
		if err := s.putBlobs(ctx, meta.Blobs); err != nil {
			return nil, nil, err
		}
		made[parcel.To] = made[parcel.To] || created != nil
		ops = append(append(ops, startOps(created, meta.Map)...), storage.Op{Verb: storage.Insert, Row: r})
		rows = append(rows, r)
	}
	return ops, rows, nil
}

// arrived sees to rows that are durable in the inbox of a partition: whoever
// owns it takes them in.
func (s *Store) arrived(to int, rows []storage.Row) {
	if q := s.owned(to); q != nil && q.live() {
		q.takeRows(rows)
		return
	}
	s.waker.wake(to)
}

// deliverHome moves the parcels of a row into inboxes of the partition itself,
// a transaction at a time, in which the row shrinks.
func (p *partition) deliverHome(ctx context.Context, sent *journal.Sent) error {
	for len(sent.Out.Parcel) > 0 {
		n := min(len(sent.Out.Parcel), maxRelayed)
		rest := sent.Out
		rest.Parcel = sent.Out.Parcel[n:]
		home := &homeward{p: p, parcels: sent.Out.Parcel[:n], taken: map[history.InstanceID]bool{}}
		if len(rest.Parcel) > 0 {
			home.last = storage.Op{Verb: storage.Replace, Row: storage.Row{Key: sent.Key, Cells: rest.Cells()}}
		} else {
			home.last = storage.Op{Verb: storage.Delete, Row: storage.Row{Key: sent.Key}}
		}
		done := make(chan error, 1)
		e, err := home.entry(ctx, done)
		if err != nil {
			return err
		}
		p.journal.Submit(e)
		select {
		case err := <-done:
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		sent.Out = rest
	}
	return nil
}

// homeward are parcels on their way into inboxes of their own partition.
type homeward struct {
	p       *partition
	parcels []row.Parcel
	taken   map[history.InstanceID]bool
	last    storage.Op // on the row of the outbox
}

func (h *homeward) entry(ctx context.Context, done chan<- error) (*journal.Entry, error) {
	p := h.p
	var rows []storage.Row
	e := &journal.Entry{Failed: func(err error) { done <- err }}
	starts := map[history.InstanceID]bool{}
	for i := range h.parcels {
		parcel := &h.parcels[i]
		key := row.Message(parcel.To, row.OwnerSender(), row.Sequence(p.epoch, p.letters.Add(1)))
		fresh := !h.taken[parcel.To] && !starts[parcel.To] && p.get(parcel.To) == nil
		r, created, meta, err := p.store.rowOf(parcel, key, fresh)
		if err != nil {
			return nil, err
		}
		if err := p.store.putBlobs(ctx, meta.Blobs); err != nil {
			return nil, err
		}
		if created != nil {
			starts[parcel.To] = true
		}
		e.Ops = append(append(e.Ops, startOps(created, meta.Map)...), storage.Op{Verb: storage.Insert, Row: r})
		rows = append(rows, r)
	}
	e.Ops = append(e.Ops, h.last)
	e.Applied = func([]journal.Sent) {
		p.takeRows(rows)
		done <- nil
	}
	e.Rejected = func(op int, r *storage.Rejection) *journal.Entry {
		key := e.Ops[op].Row.Key
		for i := range h.parcels {
			if id := h.parcels[i].To; r.Reason == storage.Exists && (key == row.Instance(id) || key == row.Open(id)) {
				h.taken[id] = true
				again, err := h.entry(ctx, done)
				if err == nil {
					return again
				}
			}
		}
		return nil
	}
	return e, nil
}
