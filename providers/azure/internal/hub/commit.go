package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// entry is the commit as the journal takes it.
func (c *commit) entry(done chan<- error) *journal.Entry {
	e := &journal.Entry{
		Ops:      slices.Clone(c.ops),
		Consumed: c.done,
		Noticed:  c.passed,
		Send:     c.mail.out,
		Valid: func() error {
			if c.lock.turn.Held() {
				return nil
			}
			return fmt.Errorf("%w: %s was purged or replaced", provider.ErrLockLost, quote(c.after.id))
		},
		Applied: func(a journal.Applied) {
			c.settled(a)
			done <- nil
		},
		Failed: func(err error) { done <- err },
	}
	if bug.Planted("decision-split") {
		e.Consumed = nil
		e.Applied = func(a journal.Applied) {
			c.settled(a)
			c.p.journal.Submit(&journal.Entry{Consumed: c.done})
			done <- nil
		}
	}
	c.mail.ops(e)
	if c.p.probation.on() && !bug.Planted("end-not-written") {
		e.Head = c.p.probation.shown(turnPiece(c.after.id))
	}
	e.Rejected = func(op int, r *storage.Rejection) *journal.Entry {
		if op >= len(e.Ops) || !c.amend(e.Ops[op].Row.Key, r) {
			return nil
		}
		return c.entry(done)
	}
	return e
}

// amend changes the commit so that a row that was rejected is not in it any
// more, or is made. It reports whether that is possible.
func (c *commit) amend(key string, r *storage.Rejection) bool {
	if r.Reason == storage.Missing && row.KindOf(key) != row.KindInstance {
		for i := range c.ops {
			if o := &c.ops[i]; o.Row.Key == key && o.Verb == storage.Replace {
				o.Verb = storage.Put
				return true
			}
		}
		// It was to be removed, and is not there: all the better.
		before := len(c.ops)
		c.ops = slices.DeleteFunc(c.ops, func(o storage.Op) bool { return o.Verb == storage.Delete && o.Row.Key == key })
		return len(c.ops) < before
	}
	return r.Reason == storage.Exists && c.mail.taken(key)
}

// settled takes note of a commit that is durable. It runs on the journal's
// goroutine.
func (c *commit) settled(a journal.Applied) {
	p, i := c.p, c.after
	p.mu.Lock()
	for l, done := range c.parts {
		l.done, l.envelope.Done = done, l.handed[done]
	}
	var copies []*letter
	for _, l := range c.rows {
		p.removeLocked(l)
		copies = append(copies, l.copies...)
		c.stale = append(c.stale, l.blobs...)
	}
	p.putLocked(i)
	offered, awake := p.soonOnlyLocked(c.offered()), p.awake
	for event := range c.places {
		p.withholdLocked(i.id, event)
	}
	for n := range c.progress {
		c.stale = append(c.stale, p.wroteLocked(&c.progress[n])...)
	}
	c.stale = append(c.stale, p.erasedLocked(i.id, c.erased)...)
	p.mu.Unlock()
	if c.endsExecution() {
		p.eraseProgress(i.id, c.before.execution) // before the next one has any
	}
	p.dropAll(copies)
	p.applied.Add(int64(max(c.given.Consumed, 1)))

	m := &i.seen.meta
	p.store.handed.Committed(c.lock.turn, c.given)
	if m.Status.Final() || c.given.NewExecution {
		p.member.scheduled.Drop(i.id)
	}
	if a.Outbox != "" {
		if bug.Planted("outbox-deleted-early") {
			p.journal.Submit(&journal.Entry{Ops: []storage.Op{deletion(a.Outbox)}})
		}
		// Before the instance has its next turn, whose messages must not overtake.
		p.relays.add(a.Outbox, a.Send)
	}
	p.calm(turnPiece(i.id)) // before the next turn may begin
	at := broker.Place{Born: m.Born, Execution: m.Execution, Name: m.Name, Version: m.Version, Final: m.Status.Final(), Progress: c.reached}
	// The turn is sealed and the instance was there: it is still held.
	_ = p.member.broker.Commit(c.lock.turn, offered, at)
	p.mu.Lock()
	if now := p.instances[i.id]; now != nil && p.awake != awake {
		p.openTimersLocked(now, nil) // it moved on meanwhile
	}
	p.mu.Unlock()
	p.arrive(c.mail.letters(a.Direct)...)
	if m.Revision != c.before.seen.meta.Revision || m.Status != c.before.seen.meta.Status {
		seen := i.seen.instance()
		p.store.waiters.Changed(&seen)
	}
	p.store.dropBlobs(c.stale)
	p.prune(i.id, c.before.seen.meta.Pruned, m.Pruned)
}

// CommitTurn implements [provider.Host].
func (h *host) CommitTurn(ctx context.Context, t *provider.Turn, given *provider.Commit) error {
	lock, err := h.lockOf(t)
	if err != nil {
		return err
	}
	if !lock.busy.CompareAndSwap(false, true) {
		return fmt.Errorf("azure: committing a turn of %s: %w: it is committed already, or being so", quote(t.Instance.ID), provider.ErrLockLost)
	}
	err = h.commitTurn(ctx, lock, given)
	if err != nil {
		lock.busy.Store(false)
	}
	if errors.Is(err, provider.ErrLockLost) && lock.turn.Held() && !bug.Planted("lost-but-held") {
		// A row is gone that the commit was to delete, and the caller has nothing to
		// give back.
		lock.partition.calm(turnPiece(lock.instance.id))
		h.giveBack(lock.turn, provider.Release{Delay: missingPause})
	}
	return err
}

// missingPause is how long an instance is set aside after a commit that found a row
// missing.
const missingPause = time.Second

func (h *host) commitTurn(ctx context.Context, lock *turnLock, given *provider.Commit) error {
	op := "committing a turn of " + quote(lock.instance.id)
	if !lock.turn.Held() {
		return fmt.Errorf("azure: %s: %w", op, provider.ErrLockLost)
	}
	c, err := h.encode(ctx, lock, given)
	if err != nil {
		return err
	}
	if bug.Planted("blob-after-row") {
		defer h.store.putBlobs(ctx, c.blobs) //nolint:errcheck // as it goes
	} else if err := h.store.putBlobs(ctx, c.blobs); err != nil {
		return reading(ctx, op, err) // no row names them: nothing happened
	}
	if err := c.writeEarly(ctx); errors.Is(err, errNotOpen) {
		return fmt.Errorf("azure: %s: %w: it was purged or replaced", op, provider.ErrLockLost)
	} else if err != nil {
		return reading(ctx, op, err)
	}
	if bug.Planted("blob-before-row") {
		for _, l := range c.rows {
			h.store.dropBlobs(l.blobs)
		}
	}
	if err := lock.turn.Seal(); err != nil {
		return fmt.Errorf("azure: %s: %w", op, err)
	}
	if bug.Planted("delete-before-commit") {
		for _, d := range c.done {
			_, _ = h.store.account.Transact(ctx, h.store.cfg.Name, c.p.key, []storage.Op{deletion(d.Key)}) // as it goes
		}
	}
	done := make(chan error, 1)
	c.p.journal.Submit(c.entry(done))
	// The journal settles what is sent, so this is not for ctx to end.
	err = <-done
	if err == nil {
		c.p.resolved(ctx, c.mail.direct)
		return nil
	}
	lock.turn.Unseal()
	if storage.Is(err, storage.Missing) {
		return fmt.Errorf("azure: %s: %w: %w", op, provider.ErrLockLost, err)
	}
	return failed(op, err)
}
