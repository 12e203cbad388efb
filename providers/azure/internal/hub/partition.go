package hub

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/internal/lograte"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/sharding"
)

// partition is a runtime partition that this process owns, from its claim until
// it is lost or released. Everything in it is a cache of rows, or is on its way
// to become one.
type partition struct {
	member  *member // nil for a partition that a client borrows
	life    *life
	store   *Store
	number  int
	key     string // partition key
	epoch   int64
	journal *journal.Journal
	relays  *relays
	ctx     context.Context // ends when the partition is given up
	cancel  context.CancelFunc
	work    sync.WaitGroup
	ready   chan struct{} // closed when what is outstanding was read
	applied atomic.Int64  // messages

	// What may go on for long: a message, the receiver of messages, timers, or what is
	// outstanding cannot be read, or an instance cannot be removed.
	complaints struct{ message, receiver, timers, loading, removal lograte.Limiter }

	mu         sync.Mutex
	gauge      gauge
	gone       bool // lost, or being released: nothing is taken in any more
	loaded     bool
	instances  map[history.InstanceID]*instance
	cold       coldList // of instances that need not stay in memory
	inbox      map[string]*letter
	inboxOf    map[history.InstanceID]map[string]*letter
	unresolved map[history.InstanceID][]*letter     // until their receiver was read
	resolving  map[history.InstanceID]chan struct{} // closed when that is done
	gathered   []broker.Delivery                    // to be handed to the broker at once
	gathering  map[string]*letter                   // that have their messages, by id
	behind     behind
	sweeping   int                                     // sweeps under way
	swept      map[string]bool                         // keys deleted while one is
	progress   map[history.InstanceID]map[int64]stored // the rows of progress, by event
	damaged    map[string]error                        // instances of which open work cannot be read, by escaped id
	troubled   bool                                    // commits are held up
	withheld   map[history.InstanceID]map[int64]bool   // activities that former owners may still run
	freeing    bool                                    // of those whose owner is gone
	burying    bool                                    // letters whose receiver does not exist
	answers    answers
	probation  probation
	rings      rings
	removing   map[history.InstanceID]bool // being purged or replaced
	purging    []history.InstanceID        // of which a former owner's removal goes on; for load alone
	reading    map[history.InstanceID]*recalling
	pruning    map[history.InstanceID]*pruning
	awake      int64                       // timers that are due before are in memory; see sleep.go
	moved      map[history.InstanceID]bool // changed while it moves on; nil if it does not
}

// newPartition begins to serve what was just claimed. The journal takes commits
// once what is outstanding was read.
func newPartition(l *life, number int, head row.Owner, etag string) *partition {
	p := makePartition(l.member.store, number, head)
	p.member, p.life = l.member, l
	p.probation.begin(head.Crash)
	if head.Crash != nil && head.Crash.Last() { // it comes first, if it is there
		l.member.trials.want(&p.probation, p.store.cfg.TTL)
	}
	p.work.Go(func() { p.load(head, etag) })
	return p
}

func makePartition(s *Store, number int, head row.Owner) *partition {
	p := &partition{
		store: s, number: number, key: s.partitionKey(number), epoch: head.Epoch,
		ready:      make(chan struct{}),
		instances:  map[history.InstanceID]*instance{},
		inbox:      map[string]*letter{},
		inboxOf:    map[history.InstanceID]map[string]*letter{},
		unresolved: map[history.InstanceID][]*letter{},
		reading:    map[history.InstanceID]*recalling{},
		resolving:  map[history.InstanceID]chan struct{}{},
		progress:   map[history.InstanceID]map[int64]stored{},
		damaged:    map[string]error{},
		withheld:   map[history.InstanceID]map[int64]bool{},
		answers:    answers{of: map[history.InstanceID]map[string]row.Answer{}},
		removing:   map[history.InstanceID]bool{},
		pruning:    map[history.InstanceID]*pruning{},
		behind:     behind{of: map[history.InstanceID]int64{}, found: map[int]row.Numbers{}},
	}
	p.ctx, p.cancel = context.WithCancel(s.ctx)
	p.relays = newRelays(p)
	return p
}

// log is the store's, with the partition's number.
func (p *partition) log() *slog.Logger {
	return p.store.cfg.Log.With("partition", p.number, "epoch", p.epoch)
}

// begin runs f while the partition is served; nothing happens afterwards. It
// reports whether it does.
func (p *partition) begin(f func(ctx context.Context)) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.gone {
		p.work.Go(func() { f(p.ctx) })
	}
	return !p.gone
}

// live reports whether the partition is served and its outstanding rows were
// read.
func (p *partition) live() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.loaded && !p.gone
}

// served is the Valid of entries that change rows of open work beside a turn: what
// the next owner is told of them must not be overtaken.
func (p *partition) served() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone {
		return journal.ErrStopped
	}
	return nil
}

// unchanged is the Valid of entries that change rows of an instance's open work as
// it was read: it may have been purged or replaced since.
func (p *partition) unchanged(i *instance) error {
	if err := p.served(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.instances[i.id]
	switch {
	case now == nil || now.born != i.born || now.execution != i.execution:
		return errNotOpen
	case p.removing[i.id]:
		return errBusy // the order may be refused
	}
	return nil
}

// close ends what goes on in the partition and forgets it. It writes nothing.
// It reports whether this was the first call, and returns what the next owner
// should hear of.
func (p *partition) close() (left leftover, first bool) {
	p.mu.Lock()
	first = !p.gone
	p.gone = true
	letters := slices.Collect(maps.Values(p.inbox))
	p.mu.Unlock()
	if !first {
		return left, false
	}
	if p.member != nil {
		p.member.trials.left(&p.probation)
	}
	if !bug.Planted("given-up-goes-on") {
		left = p.forget() // B5
	}
	for _, l := range letters {
		p.member.forgetNumber(l)
	}
	return left, true
}

// forget takes the partition's instances out of the broker. Activities that run
// go on. It returns the completions that no commit consumed, and what runs.
func (p *partition) forget() (left leftover) {
	if p.member == nil {
		return left
	}
	belongs := func(id history.InstanceID) bool { return p.store.Partition(id) == p.number }
	p.store.handed.LeftWhere(belongs)
	p.member.scheduled.DropWhere(belongs)
	p.store.waiters.LookWhere(belongs) // nobody here tells them of changes any more
	left.completions, left.running = p.member.broker.Detach(belongs)
	return left
}

// leftover is what the next owner of a partition should hear of.
type leftover struct {
	completions []provider.Message
	running     []history.ActivityID
}

// stop ends the goroutines of a partition that was closed, and waits for them.
func (p *partition) stop() {
	p.cancel()
	p.mu.Lock()
	j := p.journal
	p.mu.Unlock()
	if j != nil {
		j.Stop()
	}
	p.work.Wait()
}

// release gives the partition up in an orderly way: what is under way is
// committed, and head is left to target, or to anyone.
func (p *partition) release(ctx context.Context, target string) error {
	left, first := p.close()
	if !first {
		return sharding.ErrLost
	}
	defer p.stop()
	select {
	case <-p.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	p.mu.Lock()
	j := p.journal
	p.mu.Unlock()
	if j == nil {
		return errors.New("what is outstanding could not be read")
	}
	p.relays.finish(ctx)
	if !bug.Planted("completions-dropped") {
		p.keepCompletions(ctx, j, left.completions)
	}
	if len(left.running) > 0 {
		// A commit that is being sent changes the same rows of open work.
		if !bug.Planted("not-settled") {
			if err := j.Settle(ctx); err != nil {
				return err
			}
		}
		p.keepRunning(ctx, j, left.running)
	}
	head, etag, err := j.Drain(ctx)
	if err != nil {
		return err
	}
	p.cancel() // no relay any more
	head.Owner, head.For, head.Epoch, head.Commit = "", target, head.Epoch+1, 0
	_, err = p.store.writeHead(ctx, p.number, head, etag)
	return err
}

// keepCompletions puts completions that wait for a turn into the inbox, so that
// their activities need not run again.
func (p *partition) keepCompletions(ctx context.Context, j *journal.Journal, left []provider.Message) {
	for batch := range slices.Chunk(bundles(left), maxSideRows) {
		e := &journal.Entry{}
		for _, b := range batch {
			post, err := p.store.encodePost(b.to, b.messages, row.Envelope{Of: p.bornOf(b.to)})
			if err == nil {
				err = p.store.putBlobs(ctx, post.blobs)
			}
			if err != nil {
				continue // the activity is offered again
			}
			e.Ops = append(e.Ops, storage.Op{Verb: storage.Insert, Row: post.row})
		}
		j.Submit(e)
	}
}

// lost says that another owns the partition by now, or that it cannot be served.
func (p *partition) lost() {
	left, first := p.close()
	for i := range left.completions {
		born := p.bornOf(left.completions[i].To)
		p.store.background(func(ctx context.Context) { _ = p.store.insertOf(ctx, &left.completions[i], born) })
	}
	if first && p.life != nil {
		p.log().Warn("partition lost: another host owns it by now")
		if shard := p.life.sharded(); shard != nil {
			shard.Lost(p.number, p.epoch)
		}
		// Not from here, which may be one of the goroutines that it waits for.
		p.store.background(func(context.Context) { p.life.dropLost(p) })
	}
}

// coldList bounds how many instances stay in memory that need not.
type coldList struct {
	order []history.InstanceID // in the order of their last use, roughly
}

// putLocked remembers an instance as of its last commit.
func (p *partition) putLocked(i *instance) {
	before := p.instances[i.id]
	p.movesLocked(i.id)
	if i.seen != nil && i.seen.final() && !p.keptLocked(i) {
		delete(p.instances, i.id)
		return
	}
	p.instances[i.id] = i
	if before == nil {
		p.cold.order = append(p.cold.order, i.id)
		p.shrinkLocked()
	}
}

// movesLocked notes that what is in memory of an instance changes, or goes.
func (p *partition) movesLocked(id history.InstanceID) {
	if p.moved != nil {
		p.moved[id] = true
	}
	if r := p.reading[id]; r != nil {
		r.changes++
	}
}

// keptLocked reports whether an instance must stay in memory: rows in storage say
// of it what is not in its own row, and what is to be known without a reason.
func (p *partition) keptLocked(i *instance) bool { return i.work || i.due != 0 && i.due < p.awake }

// shrinkLocked forgets the rows of instances that were not used for long. Those
// that must stay have another turn in the order: they may sleep by then.
func (p *partition) shrinkLocked() {
	for n := 0; n < 2 && len(p.cold.order) > p.store.cfg.Cold; n++ {
		id := p.cold.order[0]
		p.cold.order = p.cold.order[1:]
		i := p.instances[id]
		switch {
		case i == nil:
		case p.keptLocked(i):
			if i.seen != nil {
				p.instances[id] = &instance{id: id, open: i.open}
				p.movesLocked(id)
			}
			p.cold.order = append(p.cold.order, id)
		default:
			delete(p.instances, id)
			p.movesLocked(id)
		}
	}
}

func (p *partition) get(id history.InstanceID) *instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.instances[id]
}

// bornOf tells an instance from others of its id; empty if it is not in memory.
func (p *partition) bornOf(id history.InstanceID) string {
	if i := p.get(id); i != nil {
		return i.born
	}
	return ""
}

// commit submits an entry and waits until it is settled. If ctx ends first its
// outcome is unknown.
func (p *partition) commit(ctx context.Context, e *journal.Entry) error {
	done := make(chan error, 1)
	applied, failed := e.Applied, e.Failed
	e.Applied = func(a journal.Applied) {
		if applied != nil {
			applied(a)
		}
		done <- nil
	}
	e.Failed = func(err error) {
		if failed != nil {
			failed(err)
		}
		done <- err
	}
	p.journal.Submit(e)
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", provider.ErrUnknown, ctx.Err())
	}
}
