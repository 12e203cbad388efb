package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// What a host does with activities of others: it takes them from a work queue
// when one of its slots is free, keeps them hidden there while it runs them, and
// sends their completions to the inbox of their instance. A host that dies lets
// them become visible again.

// workLease is how long a taken activity stays hidden without being extended. The
// engine extends it three times in that.
const workLease = 30 * time.Second

// guest is an activity that was taken from a work queue.
type guest struct {
	member *member
	queue  string
	offer  row.Offer

	mu      sync.Mutex
	message storage.Message // with its newest receipt
	hidden  time.Time       // when it was last hidden, before the request
	gone    bool            // removed, or given back
	changed bool            // the offer, since it was taken
	invited *broker.Guest   // as it waits for a worker, or did last
	with    *host           // the worker that has it; nil if it waits
	blobs   []string        // of progress: that which the message names, and those that it named or may name
	inBlob  history.Payload // the progress in the blob that the offer names; nil if it was not read
}

var errNotOpen = errors.New("the activity is not open any more")

// guestOf is what a work queue gave, nil for activities of this process.
func guestOf(w *broker.Work) *guest {
	g, _ := w.Guest.(*guest)
	return g
}

func leaseOf(w *broker.Work) time.Duration {
	if guestOf(w) != nil {
		return workLease
	}
	return 0
}

// key names the attempt that an offer is.
func (g *guest) key() attemptKey {
	o := &g.offer
	return attemptKey{history.ActivityID{Instance: o.ID, Execution: o.Execution, Event: o.Event}, o.Attempt}
}

type attemptKey struct {
	id      history.ActivityID
	attempt int
}

// welcome notes that a guest is here. It reports false if it is already, or another
// copy of it: that becomes visible again, and is then found not to be open.
func (m *member) welcome(g *guest) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if here := m.present[g.key()]; here != nil {
		here.adopt(g)
		return false
	}
	m.present[g.key()] = g
	return true
}

func (m *member) farewell(g *guest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.present[g.key()] == g {
		delete(m.present, g.key())
	}
}

func (m *member) invite(g *guest) {
	o := &g.offer
	b := &broker.Guest{
		ID:   history.ActivityID{Instance: o.ID, Execution: o.Execution, Event: o.Event},
		Born: o.Born,
		Activity: provider.Activity{
			Scheduled: history.Event{ID: o.Event, Execution: o.Execution},
			Attempt:   o.Attempt, Tag: o.Tag, Session: o.Session,
		},
		Orchestration: o.Name, Version: o.Version, Progress: o.Progress,
		Delivery: g.delivery(), Of: g,
	}
	if len(o.Scheduled) > 0 {
		if e, err := history.Unmarshal(o.Scheduled); err == nil {
			b.Activity.Scheduled = e
		}
	}
	g.mu.Lock()
	g.invited, g.with = nil, nil
	g.mu.Unlock()
	m.broker.Invite(b)
	g.mu.Lock()
	g.invited = b // from here on it can be withdrawn
	g.mu.Unlock()
	if !m.serves(o.Tag) && !bug.Planted("guests-left-behind") && b.Withdraw() {
		m.sendAway(g) // the last worker that served its tag left meanwhile
	}
}

// longInQueue is how long an activity lies in a work queue before who takes it looks
// whether it is open still: it may have been cancelled meanwhile.
const longInQueue = workLease / 3

// admit looks whether a guest is still this host's to run, if it waited for long,
// and whether one is still open that may have been run before, or lay there for long.
func (h *host) admit(ctx context.Context, g *guest) error {
	g.mu.Lock()
	waited, fresh := time.Since(g.hidden), !g.offer.Again && g.message.Taken <= 1
	if h.store.cfg.Now().Sub(g.message.Inserted) > longInQueue && !bug.Planted("cancelled-begins") {
		fresh = false
	}
	g.mu.Unlock()
	if waited > workLease/3 {
		if err := g.extend(ctx, workLease, nil); isTaken(err) {
			h.member.farewell(g)
			return errNotOpen
		} else if err != nil {
			return err
		}
	}
	if fresh {
		return nil
	}
	open, err := h.store.stillOpen(ctx, &g.offer)
	switch {
	case err != nil:
		return err
	case !open:
		g.done(ctx)
		return errNotOpen
	case g.offer.Tag == anyWork && g.offer.Host == "" && g.delivery() > fewDeliveries:
		if err := g.giveToOwner(ctx); err != nil {
			return err
		}
		return errNotOpen
	}
	return nil
}

const (
	// fewDeliveries is how often an activity without a tag is taken from a work
	// queue, for hosts that die with it, before its owner is to run it: that one
	// finds out whether it is what kills them.
	fewDeliveries = 3
	// manyDeliveries is how often any other is taken before it fails as lost.
	manyDeliveries = 10
)

// delivery is how often it was handed out, this time included.
func (g *guest) delivery() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.offer.Deliveries + max(g.message.Taken, 1)
}

// openWork reads what an instance has open; nil if that is nothing.
func (s *Store) openWork(ctx context.Context, id history.InstanceID) (*row.OpenWork, error) {
	r, err := s.account.Get(ctx, s.cfg.Name, s.partitionKey(s.Partition(id)), row.Work(id))
	if storage.Is(err, storage.Missing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	value, err := row.Value(ctx, r.Cells, row.WorkCell, s.getBlob)
	var w row.OpenWork
	if err == nil {
		err = row.Parse(value, &w)
	}
	return &w, err
}

// stillOpen reads whether an offered activity counts.
func (s *Store) stillOpen(ctx context.Context, o *row.Offer) (bool, error) {
	w, err := s.openWork(ctx, o.ID)
	if w == nil || err != nil {
		return false, err
	}
	given := w.Queued
	if o.Host != "" {
		given = w.Running[o.Host]
	}
	open, err := attemptIn(given, w, o.Execution, o.Event, o.Attempt)
	return open && (w.Born == o.Born || bug.Planted("next-instance-ended")), err
}

// stillWanted reads whether an activity is open that a former owner runs: whether
// anybody waits for it.
func (s *Store) stillWanted(ctx context.Context, w *broker.Work) (bool, error) {
	now, err := s.openWork(ctx, w.ID.Instance)
	if now == nil || err != nil {
		return false, err
	}
	open, err := attemptIn(now.Activities, now, w.ID.Execution, w.ID.Event, w.Activity.Attempt)
	return open && now.Born == w.Born, err
}

// attemptIn reports whether an attempt is in a set of open work.
func attemptIn(text string, w *row.OpenWork, execution, event int64, attempt int) (bool, error) {
	set, err := spans.Decode(text)
	if err != nil {
		return false, err
	}
	n, ok := set.Find(event)
	return ok && w.Execution == execution && set[n].Attempt == attempt, nil
}

// done removes the guest's message: the work is over.
func (g *guest) done(ctx context.Context) {
	s := g.member.store
	g.mu.Lock()
	m, gone, blobs := g.message, g.gone, g.blobs
	g.gone = true
	g.mu.Unlock()
	// What stays becomes visible again, and is then found not to be open.
	if !gone && s.account.Remove(context.WithoutCancel(ctx), g.queue, m) == nil {
		s.dropBlobs(blobs)
	}
	g.member.farewell(g)
}

// isTaken reports whether extending failed because the message became visible
// and another host took it, or has even removed it.
func isTaken(err error) bool {
	return storage.Is(err, storage.Missing) || storage.Is(err, storage.Precondition)
}

// extend hides the guest's message anew, with the progress in it. Where the progress
// cannot be stored now the message is hidden all the same: what runs goes on.
func (g *guest) extend(ctx context.Context, hide time.Duration, progress history.Payload) error {
	var unstored error
	if progress != nil {
		unstored = g.reach(ctx, progress)
	}
	switch {
	case unstored == nil:
		return g.hide(ctx, hide)
	case bug.Planted("lease-for-progress"):
		return unstored
	}
	// To try that may have taken all the time that there was.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workLease/6)
	defer cancel()
	return cmp.Or(g.hide(ctx, hide), unstored)
}

// hide hides the guest's message anew, with its offer as it is now.
func (g *guest) hide(ctx context.Context, hide time.Duration) error {
	for {
		g.mu.Lock()
		m, blob := g.message, g.offer.Blob
		var body []byte
		if g.changed {
			body = wire.MustJSON(&g.offer)
		}
		g.mu.Unlock()
		sent := time.Now()
		receipt, err := g.member.store.account.Extend(ctx, g.queue, m, hide, body)
		g.mu.Lock()
		adopted := g.message.Receipt != m.Receipt && !bug.Planted("adopted-but-lost") // while the request was under way
		var stale []string
		if err == nil && !adopted {
			g.message.Receipt, g.hidden = receipt, sent
			if body != nil {
				g.blobs, stale = apart(g.blobs, blob)
			}
		}
		g.mu.Unlock()
		if adopted && (err == nil || isTaken(err)) {
			continue
		}
		g.member.store.dropBlobs(stale)
		return err
	}
}

// keep hides the guest's message although it has ended: its completion could not be
// sent, and is sent again before that is over. Nobody is to run it once more meanwhile.
func (g *guest) keep(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), workLease/6)
	defer cancel()
	_ = g.hide(ctx, 3*workLease)
}

// extendDetached renews an activity whose instance another host owns, and learns
// whether it was cancelled. What cannot be read is no cancellation.
func (h *host) extendDetached(ctx context.Context, w *broker.Work, progress history.Payload) (provider.Signals, error) {
	g := guestOf(w)
	if g == nil { // it goes on, and its new owner hears of its end
		if wanted, err := h.store.stillWanted(ctx, w); err == nil && !wanted {
			return provider.Signals{Cancelled: true}, nil
		}
		return provider.Signals{}, h.reachDetached(ctx, w, progress)
	}
	extended := g.extend(ctx, workLease, progress)
	if isTaken(extended) {
		g.member.farewell(g) // nobody says more of it, and it may come again
		return provider.Signals{}, fmt.Errorf("%w: its lease ran out and another host took it", provider.ErrLockLost)
	}
	// Whether it was cancelled stands elsewhere, and may be read where that failed.
	if open, err := h.store.stillOpen(ctx, &g.offer); err == nil && !open {
		g.done(ctx)
		return provider.Signals{Cancelled: true}, nil
	}
	return provider.Signals{}, extended // only a definite answer is a cancellation
}

// giveBackDetached gives back an activity whose instance another host owns: into
// its queue, or to the owner.
func (h *host) giveBackDetached(ctx context.Context, w *broker.Work, r provider.Release) {
	if g := guestOf(w); g != nil {
		h.giveBackGuest(ctx, g, r)
		return
	}
	back := row.Returned{Execution: w.ID.Execution, Event: w.ID.Event, Attempt: w.Activity.Attempt}
	if r.Delay > 0 && !bug.Planted("delay-not-passed") {
		back.Due = wire.Nanos(h.store.cfg.Now().Add(r.Delay))
	}
	post, err := h.store.encodeReturned(w.ID.Instance, w.Born, back, w.Reached())
	if err == nil {
		err = h.store.insertPost(context.WithoutCancel(ctx), w.ID.Instance, post)
	}
	if err != nil {
		h.store.cfg.Log.Warn("an activity could not be given back to the new owner of its instance; it is offered again when this host has left", "activity", w.ID.String(), "error", err)
	}
}

// giveBackGuest offers a guest here again at once, or makes it visible in its
// queue after a while.
func (h *host) giveBackGuest(ctx context.Context, g *guest, r provider.Release) {
	m := h.member
	g.mu.Lock()
	if r.Uncounted {
		g.offer.Deliveries--
		g.changed = true
	}
	g.mu.Unlock()
	if r.Delay <= 0 && m.ctx.Err() == nil && m.broker.Idle(g.offer.Tag) > 0 {
		g.mu.Lock()
		g.offer.Deliveries++ // the message itself is not taken anew
		g.mu.Unlock()
		m.invite(g)
		return
	}
	m.farewell(g)
	hide := max((r.Delay + time.Second - 1).Truncate(time.Second), time.Second) // not less than the delay
	_ = g.extend(context.WithoutCancel(ctx), hide, nil)                         // or else its lease ends
	if hide < workAgain && !bug.Planted("rung-when-gone") {
		// Whoever hears of it looks again when it is visible. By then this host may have left.
		m.lookForWork()
		h.store.waker.work()
		return
	}
	h.store.background(func(ctx context.Context) {
		pause(ctx, hide)
		h.store.waker.work()
	})
}

// readScheduled reads the event that scheduled an activity.
func (s *Store) readScheduled(ctx context.Context, id history.ActivityID) (history.Event, error) {
	for e, err := range s.History(ctx, id.Instance, id.Execution, id.Event-1) {
		if err != nil {
			return e, err
		}
		return e, nil
	}
	return history.Event{}, fmt.Errorf("azure: %w: activity %v was scheduled by an event that there is not", provider.ErrNotFound, id)
}
