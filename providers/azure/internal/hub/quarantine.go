package hub

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// A turn or an activity that kills its process is offered again at every takeover,
// and would kill one host after the other. Who claims a partition from an owner that
// died counts that in head, and is careful: before it begins a piece of work it
// names it there.
//
//	        an owner dies               … dies again               … and again
//	(calm) ───────────────▶ [careful] ───────────────▶ [suspects] ─────────────▶ [one suspect]
//	   ▲                      │ what begins is named     │ half of them,            │ runs alone in its
//	   │                      │                          │ at most 8, at a time     │ process: 3 deaths
//	   └── lived for a while ─┴── all have finished, ────┘                          ▼
//	                              or run for a while                          [quarantine]
//
// What killed an owner was named when it died, so suspects are those that were named
// at every death. They become fewer with each. Who is no suspect runs, and is named.
// What has run for its trial has shown that it does not kill, and an owner that lives
// for as long is careful no more.
//
// A process has many partitions, and what kills it may be in another. So the last
// suspect of one is on trial when nothing else is in doubt in the whole process: all
// that runs has run for as long as a trial, and nothing begins. For that the others
// wait, after three deaths in a row, and no longer than it takes.

const (
	// turnTrial and workTrial are how long a turn and an activity run before they
	// count as innocent, in TTLs. The owner is careful for as long as the latter.
	turnTrial, workTrial = 1, 2
	// staleSuspect is how long a suspect may wait for a slot. What is not there any
	// more does not ask for one.
	staleSuspect = 10 * time.Minute
	// quarantineTime is how long what is in quarantine is left alone. Then it is
	// tried once more, as the only suspect.
	quarantineTime = time.Hour
	// turnPause is how long a suspect waits before it is asked again whether its
	// turn has come.
	turnPause = 250 * time.Millisecond
)

var (
	errNotNow      = errors.New("others come first")
	errQuarantined = errors.New("in quarantine")
)

// probation is how careful the owner of a partition is. The zero value is not.
type probation struct {
	mu      sync.Mutex
	crash   *row.Crash           // nil: calm
	began   time.Time            // of this owner
	running map[string]time.Time // named, since when
	asked   map[string]time.Time // suspects, when they last wanted to run

	reviewing bool // suspects are looked after
}

// takenFrom is what the owner row says of deaths when another takes the partition.
// An owner that has not released it has died. Clients run nothing: one that did not
// give back what it borrowed is no death, and one that borrows from a dead host
// counts that, since nobody after it can.
func (s *Store) takenFrom(was row.Owner, by string) *row.Crash {
	switch {
	case was.Owner == "" || was.Owner == by || strings.HasPrefix(was.Owner, borrower) || bug.Planted("deaths-not-counted"):
		return was.Crash.Taken()
	case strings.HasPrefix(by, borrower) && bug.Planted("borrow-hides-deaths"):
		return was.Crash
	}
	return was.Crash.Died(s.cfg.Now().Add(quarantineTime).UnixNano())
}

// begin takes up what the owner row says.
func (b *probation) begin(c *row.Crash) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.crash, b.began = c, time.Now()
	b.running, b.asked = map[string]time.Time{}, map[string]time.Time{}
	if c != nil {
		for _, s := range c.Suspects {
			b.asked[s] = b.began
		}
	}
}

// on reports whether the owner is careful.
func (b *probation) on() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.crash != nil
}

// careful is asked before a piece of work begins. While owners die it is named in
// head first. errNotNow says that it is to wait, errQuarantined that it is not to run.
func (p *partition) careful(ctx context.Context, piece string) error {
	b := &p.probation
	b.mu.Lock()
	if b.crash == nil {
		b.mu.Unlock()
		if !p.member.trials.mayBegin(p, piece, false) {
			return errNotNow
		}
		return nil
	}
	named, err := b.admitLocked(p, piece)
	b.mu.Unlock()
	if err != nil || named || bug.Planted("not-named") {
		return err
	}
	if err := p.name(ctx); err != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.endLocked(p, piece) // it did not begin
		return err
	}
	return nil
}

// endLocked takes a piece of work off those that run, and reports whether it was
// among them.
func (b *probation) endLocked(p *partition, piece string) bool {
	p.member.trials.ended(b, piece)
	if b.crash == nil {
		return false // the owner has become calm meanwhile
	}
	_, ran := b.running[piece]
	delete(b.running, piece)
	if b.crash.Trial == piece {
		p.member.trials.over(b)
		after := *b.crash
		after.Trial = ""
		b.crash = &after
	}
	return ran
}

// admitLocked adds a piece of work to those that run. It reports whether head need
// not be written for it.
func (b *probation) admitLocked(p *partition, piece string) (named bool, err error) {
	if until := b.crash.Quarantined[piece]; until != 0 {
		return false, errQuarantined
	}
	if _, named = b.running[piece]; named {
		return true, nil
	}
	now := time.Now()
	suspect := slices.Contains(b.crash.Suspects, piece)
	last := suspect && b.crash.Last()
	if suspect {
		b.asked[piece] = now
		n := 0
		for _, s := range b.crash.Suspects {
			if _, runs := b.running[s]; runs {
				n++
			}
		}
		if n >= b.crash.Width() {
			return false, errNotNow
		}
	}
	if !p.member.trials.mayBegin(p, piece, last) {
		return false, errNotNow
	}
	if b.crash.Count == 0 && len(b.crash.Suspects) == 0 {
		return true, nil // calm but for what is in quarantine
	}
	if last {
		after := *b.crash
		after.Trial = piece // nothing begins until it is over
		b.crash = &after
	}
	b.running[piece] = now
	return false, nil
}

// name writes to head what runs. Those who come together go together.
func (p *partition) name(ctx context.Context) error {
	return p.commit(ctx, &journal.Entry{Head: p.probation.shown("")})
}

// shown makes head say what runs, when the entry is packed. What the entry itself
// ends is not among it: a finished turn is not blamed for what comes after it.
func (b *probation) shown(ends string) func(*row.Owner) {
	return func(o *row.Owner) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.crash == nil {
			o.Crash = nil
			return
		}
		after := *b.crash
		running := maps.Clone(b.running)
		if _, ran := running[ends]; ran {
			delete(running, ends)
			after = after.Without(ends)
		}
		after.Named = slices.Sorted(maps.Keys(running))
		o.Crash = &after
	}
}

// calm says that a piece of work has ended, or was not begun.
func (p *partition) calm(piece string) {
	b := &p.probation
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.endLocked(p, piece) {
		b.acquitLocked(piece)
	}
}

// acquitLocked takes a piece of work off the suspects.
func (b *probation) acquitLocked(piece string) {
	after := b.crash.Without(piece)
	b.crash = &after
	delete(b.asked, piece)
}

// calmSoon has suspects looked after, if there are any.
func (p *partition) calmSoon() {
	if !p.live() {
		return
	}
	b := &p.probation
	b.mu.Lock()
	look := b.crash != nil && !b.reviewing
	b.reviewing = b.reviewing || look
	b.mu.Unlock()
	if look {
		p.begin(p.calmDown)
	}
}

// calmDown acquits suspects that have run for long or are not there any more, and
// ends the owner's care when it has lived for long without any. It is called now
// and then.
func (p *partition) calmDown(ctx context.Context) {
	if p.probation.review(p) {
		_ = p.name(ctx) // or else with the next that is named
	}
	p.probation.mu.Lock()
	defer p.probation.mu.Unlock()
	p.probation.reviewing = false
}

// review reports whether head is to be written.
func (b *probation) review(p *partition) bool {
	calm := false
	defer func() {
		if calm { // outside of the mutex
			p.log().Info("this owner has lived for long enough: it is no longer careful")
		}
	}()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.crash == nil {
		return false
	}
	now := time.Now()
	changed := false
	for _, s := range slices.Clone(b.crash.Suspects) {
		since, runs := b.running[s]
		switch {
		case runs && now.Sub(since) >= p.trial(s):
			p.member.trials.over(b)
		case !runs && now.Sub(b.asked[s]) >= staleSuspect: // nobody wants to run it
		default:
			continue
		}
		b.acquitLocked(s)
		changed = true
	}
	for _, piece := range slices.Sorted(maps.Keys(b.crash.Quarantined)) {
		if p.store.cfg.Now().UnixNano() < b.crash.Quarantined[piece] || len(b.crash.Suspects) > 0 {
			continue
		}
		after := *b.crash
		after.Quarantined = maps.Clone(after.Quarantined)
		delete(after.Quarantined, piece)
		if !isWork(piece) { // an activity failed, and does not come again
			after.Suspects, after.Alone = []string{piece}, row.MostAlone-1 // tried once more, with one death left
			b.began, b.asked[piece] = now, now
		}
		b.crash, changed = &after, true
	}
	if b.crash.Count > 0 && len(b.crash.Suspects) == 0 && now.Sub(b.began) >= workTrial*p.store.cfg.TTL {
		after := *b.crash
		after.Count = 0
		b.crash, changed = &after, true
		clear(b.running) // nobody needs to name what runs
	}
	if b.crash.Over() {
		b.crash, calm = nil, true
	}
	return changed
}

// isWork reports whether the piece is an activity, and not a turn.
func isWork(piece string) bool { return strings.Contains(piece, "/") }

// trial is how long a piece of work runs before it counts as innocent.
func (p *partition) trial(piece string) time.Duration {
	if isWork(piece) {
		return workTrial * p.store.cfg.TTL
	}
	return turnTrial * p.store.cfg.TTL
}

// warn tells operators what was found out when the partition was claimed.
func (p *partition) warn(c *row.Crash) {
	if c == nil || c.Count < 2 && len(c.Quarantined) == 0 {
		return
	}
	p.log().Warn("owners of this partition die one after the other: what they ran is run a few at a time, until it is known what kills them",
		"deaths", c.Count, "suspects", len(c.Suspects), "alone", c.Alone, "quarantined", len(c.Quarantined))
}

// turnPiece and workPiece are the names of pieces of work.
func turnPiece(id history.InstanceID) string { return row.Piece(id, "", 0, 0, 0) }

func workPiece(w *broker.Work) string {
	return row.Piece(w.ID.Instance, w.Born, w.ID.Execution, w.ID.Event, w.Activity.Attempt)
}

// mayRun is careful for a turn: it reports whether it may begin. What may not is
// given back.
func (h *host) mayRun(ctx context.Context, lock *turnLock) bool {
	id := lock.instance.id
	err := lock.partition.careful(ctx, turnPiece(id))
	switch {
	case err == nil:
		return true
	case errors.Is(err, errQuarantined):
		reason := fmt.Sprintf("in quarantine: its turn ran alone in %d processes that died; it is tried again within %v of the last: look at what it does to its process, deploy, or purge it", row.MostAlone, quarantineTime)
		h.store.cfg.Log.Error("an instance is in quarantine", "instance", string(id), "reason", reason)
		if lock.instance.seen.meta.Parked == "" {
			_ = h.park(ctx, lock, reason) // shown is not as important
		}
		h.giveBack(lock.turn, provider.Release{Delay: quarantineTime / 60, Park: reason, Uncounted: true})
	default:
		h.giveBack(lock.turn, provider.Release{Delay: turnPause, Uncounted: true})
	}
	return false
}

// mayWork is careful for an activity of an instance that this process owns: it
// reports whether it may begin. What is in quarantine fails.
func (h *host) mayWork(ctx context.Context, w *broker.Work) bool {
	p := h.member.partition(h.store.Partition(w.ID.Instance))
	if g := guestOf(w); g != nil && g.delivery() > manyDeliveries {
		h.fail(ctx, w, fmt.Sprintf("it was taken from a work queue %d times, and the hosts that had it died or gave it back", g.delivery()-1))
		return false
	}
	if p == nil || w.Detached() {
		return true // what runs elsewhere is not named; see guest.go
	}
	err := p.careful(ctx, workPiece(w))
	switch {
	case err == nil:
		return true
	case errors.Is(err, errQuarantined):
		h.fail(ctx, w, fmt.Sprintf("it ran alone in %d processes that died", row.MostAlone))
	default:
		h.giveBackWork(ctx, w, provider.Release{Delay: turnPause, Uncounted: true})
	}
	return false
}

// fail ends an activity that is not run any more, as lost.
func (h *host) fail(ctx context.Context, w *broker.Work, why string) {
	name := ""
	if s, ok := w.Activity.Scheduled.Data.(*history.ActivityScheduled); ok {
		name = s.Name
	}
	h.store.cfg.Log.Error("an activity that kills its processes is not run again: it fails as lost", "activity", w.ID.String(), "name", name, "reason", why)
	m := provider.Message{
		ID: fmt.Sprintf("%s/attempt/%d", w.ID, w.Activity.Attempt), To: w.ID.Instance, Execution: w.ID.Execution, Sent: wire.FromNanos(wire.Nanos(h.store.cfg.Now())),
		Data: &history.ActivityFailed{Source: w.ID.Event, Attempt: w.Activity.Attempt, Failure: &history.Failure{
			Kind: history.FailureLost, Message: why + ": it is not tried again", NonRetryable: true, Activity: name, Attempt: w.Activity.Attempt,
		}},
	}
	if err := h.CompleteActivity(ctx, &provider.ActivityTask{ID: w.ID, Activity: w.Activity, Lock: &workLock{host: h, work: w}}, m); err != nil {
		h.giveBackWork(ctx, w, provider.Release{Delay: corruptPause, Uncounted: true})
	}
}
