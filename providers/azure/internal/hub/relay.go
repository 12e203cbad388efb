package hub

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/internal/lograte"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// maxRelayed bounds the parcels of one transaction: a start takes three rows.
const maxRelayed = 30

// relays carry the rows of the outbox to where they are for, which may be this
// partition. One goroutine serves a target at a time, so what goes from this
// partition to another keeps its order.
type relays struct {
	p *partition

	active sync.WaitGroup // parts that are being delivered
	heldUp lograte.Limiter

	mu      sync.Mutex
	started bool
	ended   bool // no part begins to be delivered any more
	queues  map[target][]*outPart
	running map[target]bool
}

// target is where a part goes: a work queue, or a partition.
type target struct {
	queue     string
	partition int
}

func (t target) String() string {
	if t.queue != "" {
		return "queue " + t.queue
	}
	return fmt.Sprint("partition ", t.partition)
}

// outRow is a row of the outbox.
type outRow struct {
	key  string
	blob string
	left int // parts that are not delivered; guarded by relays.mu
}

// outPart is what a row has for one partition.
type outPart struct {
	row *outRow
	row.Part
}

func (p *outPart) target() target {
	if p.Queue != "" {
		return target{queue: p.Queue}
	}
	return target{partition: p.To}
}

func newRelays(p *partition) *relays {
	return &relays{p: p, queues: map[target][]*outPart{}, running: map[target]bool{}}
}

// add queues a row that is durable.
func (rs *relays) add(key string, out row.Outgoing) {
	r := &outRow{key: key, blob: out.Blob, left: len(out.Parts)}
	var targets []target
	rs.mu.Lock()
	for _, part := range out.Parts {
		o := &outPart{r, part}
		rs.queues[o.target()] = append(rs.queues[o.target()], o)
		targets = append(targets, o.target())
	}
	rs.mu.Unlock()
	for _, to := range targets {
		rs.run(to)
	}
}

// start begins with what was queued so far.
func (rs *relays) start() {
	rs.mu.Lock()
	rs.started = true
	var targets []target
	for to := range rs.queues {
		targets = append(targets, to)
	}
	rs.mu.Unlock()
	slices.SortFunc(targets, func(a, b target) int {
		return cmp.Or(cmp.Compare(a.partition, b.partition), cmp.Compare(a.queue, b.queue))
	})
	for _, to := range targets {
		rs.run(to)
	}
}

// finish lets what is being delivered be delivered while ctx lasts, and nothing
// more: what is left is for the next owner.
func (rs *relays) finish(ctx context.Context) {
	rs.mu.Lock()
	rs.ended = true
	rs.mu.Unlock()
	done := make(chan struct{})
	rs.p.work.Go(func() {
		rs.active.Wait()
		close(done)
	})
	await(ctx, done)
}

// busy reports whether something is on its way to the partition.
func (rs *relays) busy(to int) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.queues[target{partition: to}]) > 0
}

// offering reports whether something is on its way to a work queue.
func (rs *relays) offering(queue string) bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.queues[target{queue: queue}]) > 0
}

func (rs *relays) run(to target) {
	rs.mu.Lock()
	begin := rs.started && !rs.running[to]
	rs.running[to] = rs.running[to] || begin
	rs.mu.Unlock()
	if begin {
		rs.p.begin(func(ctx context.Context) { rs.serve(ctx, to) })
	}
}

// serve relays to one target until nothing is left.
func (rs *relays) serve(ctx context.Context, to target) {
	for n := 0; ; {
		rs.mu.Lock()
		if len(rs.queues[to]) == 0 || rs.ended || ctx.Err() != nil {
			rs.running[to] = false
			rs.mu.Unlock()
			return
		}
		if q := rs.queues[to]; bug.Planted("fifo-broken") {
			q[0], q[len(q)-1] = q[len(q)-1], q[0]
		}
		next := together(rs.queues[to])
		rs.active.Add(1)
		rs.mu.Unlock()
		var err error
		if to.queue != "" {
			err = rs.p.deliverOffers(ctx, to.queue, next)
		} else {
			err = rs.p.deliverAway(ctx, to.partition, next)
		}
		if err == nil {
			n = 0
			rs.delivered(to, len(next))
			rs.active.Done()
			continue
		}
		rs.active.Done()
		if ctx.Err() == nil {
			if n++; n > 3 {
				if unlogged, due := rs.heldUp.Due(); due {
					rs.p.log().Warn("what a commit sent is held up", "target", to.String(), "error", err, "unlogged", unlogged)
				}
			}
			pause(ctx, storage.RetryAfter(err, backoff(n)))
		}
	}
}

// together are the first parts for a target that go in one transaction, or at the
// same time into a work queue; or one part that needs more.
func together(queue []*outPart) []*outPart {
	n, size := 1, len(queue[0].Parcels)+len(queue[0].Offers)
	most := maxRelayed
	if queue[0].Queue != "" {
		most = offersAtOnce
	}
	for n < len(queue) && !bug.Planted("fifo-broken") {
		if size += len(queue[n].Parcels) + len(queue[n].Offers); size > most {
			break
		}
		n++
	}
	return slices.Clone(queue[:n])
}

// delivered takes the first parts of a queue off. A row of the outbox goes with its
// last part, and its blob after it.
func (rs *relays) delivered(to target, n int) {
	e := &journal.Entry{}
	var blobs []string
	rs.mu.Lock()
	for _, part := range rs.queues[to][:n] {
		if part.row.left--; part.row.left == 0 {
			e.Ops = append(e.Ops, deletion(part.row.key))
			if part.row.blob != "" {
				blobs = append(blobs, part.row.blob)
			}
		}
	}
	if rs.queues[to] = rs.queues[to][n:]; len(rs.queues[to]) == 0 {
		delete(rs.queues, to)
	}
	rs.mu.Unlock()
	if len(e.Ops) == 0 {
		return
	}
	e.Applied = func(journal.Applied) { rs.p.store.dropBlobs(blobs) }
	rs.p.journal.SubmitLazily(e)
}

// numbered is a parcel with its number among those of its sender to a partition.
type numbered struct {
	seq int64
	*row.Parcel
}

// deliverAway inserts parcels into the inboxes of a partition. It may have done
// so before: rows that are there stay, and copies of consumed ones are known by
// their numbers.
func (p *partition) deliverAway(ctx context.Context, to int, parts []*outPart) error {
	a := &away{p: p, to: to, exists: map[history.InstanceID]bool{}, arrived: map[string]bool{}}
	var all []numbered
	for _, part := range parts {
		for i := range part.Parcels {
			all = append(all, numbered{part.First + int64(i), &part.Parcels[i]})
		}
	}
	for some := range slices.Chunk(all, maxRelayed) {
		if err := a.insert(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// away are parcels on their way to a partition.
type away struct {
	p       *partition
	to      int
	exists  map[history.InstanceID]bool // instances that a start does not make
	arrived map[string]bool             // keys of rows that are in the inbox, or were
}

// insert inserts parcels in one transaction, or finds that they were inserted.
func (a *away) insert(ctx context.Context, parcels []numbered) error {
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
			if err := a.found(ctx, key); err != nil {
				return err
			}
			continue
		}
		if bug.Planted("taken-is-delivered") {
			return nil
		}
		for i := range parcels {
			if id := parcels[i].To; key == row.Instance(id) || key == row.Open(id) {
				a.exists[id] = true
			}
		}
	}
}

// found sees to a row that an earlier try inserted unnoticed: it comes before
// what is relayed next.
func (a *away) found(ctx context.Context, key string) error {
	s := a.p.store
	r, err := s.account.Get(ctx, s.cfg.Name, s.partitionKey(a.to), key)
	if storage.Is(err, storage.Missing) {
		return nil // it was consumed
	}
	if err == nil {
		s.arrived(a.to, []storage.Row{r})
	}
	return err
}

// ops are the rows that are still to be inserted.
func (a *away) ops(ctx context.Context, parcels []numbered) (ops []storage.Op, rows []storage.Row, err error) {
	s := a.p.store
	made := map[history.InstanceID]bool{}
	for _, parcel := range parcels {
		key := row.Message(parcel.To, row.PartitionSender(a.p.number), parcel.seq)
		if a.arrived[key] {
			continue
		}
		r, created, meta, err := s.rowOf(parcel.Parcel, key, !a.exists[parcel.To] && !made[parcel.To])
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
	q := s.owned(to)
	if q == nil {
		s.waker.wake(to, receiver(rows))
		return
	}
	q.arrive(q.readLetters(rows)...)
}

// any reports whether something is on its way.
func (rs *relays) any() bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	return len(rs.queues) > 0
}
