package hub

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// An instance that waits for timers far ahead sleeps: its rows are all there is of
// it. An owner is awake up to a time, which it moves on as time passes:
//
//	t:  ├──────── in memory, and in the broker ────────┤── in storage ──────▶ due
//	   now                                           awake
//
// What is due before that was read when the partition was claimed, or when awake
// came to it. Whoever takes up an instance that sleeps, for a message, reads its
// timers with it. The broker has those that are due before awake, and fires them.

// soonLocked reports whether a timer is in the broker. Those that delay the retry of an
// activity always are: they keep its progress.
func (p *partition) soonLocked(t *provider.Timer) bool {
	_, sleeps := t.Fire.(*history.TimerFired)
	return !sleeps || max(wire.Nanos(t.Due), 1) < p.awake
}

// horizon is up to when an owner should be awake.
func (p *partition) horizon() int64 { return wire.Nanos(p.store.cfg.Now().Add(p.store.cfg.Sleep)) }

// stayAwake moves on up to when the owner is awake, if it is time to.
func (p *partition) stayAwake() {
	until := p.horizon()
	p.mu.Lock()
	defer p.mu.Unlock()
	from := p.awake
	if !p.loaded || p.gone || p.moved != nil || until-from < int64(p.store.cfg.Sleep/2) {
		return
	}
	p.moveOnLocked(until)
	p.work.Go(func() { p.wakeSleepers(p.ctx, from, until) })
}

// moveOnLocked makes the owner awake up to then, as far as it knows who sleeps.
func (p *partition) moveOnLocked(until int64) {
	p.awake, p.moved = until, map[history.InstanceID]bool{}
	for _, i := range p.instances {
		p.openTimersLocked(i, nil)
	}
}

// further is up to when to read while some cannot be woken: they keep nobody else
// asleep.
func (p *partition) further(until int64) int64 {
	now := p.horizon()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone || now-until < int64(p.store.cfg.Sleep/2) {
		return until
	}
	p.moveOnLocked(now)
	return now
}

// maxBusy is how often an instance is tried to wake for which there is an order: for
// the better part of a minute. An order is judged in moments, and a removal that is
// held up must not keep others asleep.
const maxBusy = 30

// wakeSleepers reads timers that are due in a time, of instances that sleep.
func (p *partition) wakeSleepers(ctx context.Context, from, until int64) {
	for n, tries := 0, 0; ctx.Err() == nil; n++ {
		var rows []storage.Row
		err := p.store.scan(ctx, p.key, row.TimersDue(from, until), nil, func(page []storage.Row) error {
			rows = append(rows, page...)
			return nil
		})
		if bug.Planted("sleepers-forgotten") {
			rows = nil
		}
		busy := false
		for i := range rows {
			switch one := p.wakeUp(ctx, &rows[i]); {
			case errors.Is(one, errBusy):
				busy = true
			case one != nil:
				err = errors.Join(err, one)
				if unlogged, due := p.complaints.timers.Due(); due && ctx.Err() == nil {
					p.log().Warn("the timers of an instance cannot be read now; they are read again", "row", rows[i].Key, "error", one, "unlogged", unlogged)
				}
			}
		}
		if err == nil {
			if tries++; !busy || tries > maxBusy {
				break
			}
		}
		pause(ctx, storage.RetryAfter(err, backoff(n)))
		until = p.further(until)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.moved = nil
}

// wakeUp takes in the timers of an instance, unless it is known already or has
// changed since they were read.
func (p *partition) wakeUp(ctx context.Context, r *storage.Row) error {
	i := &instance{}
	err := p.readTimers(func(id history.InstanceID) *instance { i.id = id; return i }, *r)
	var timers []provider.Timer
	if err == nil {
		timers, err = providerTimers(i.timers)
	}
	if unreadable(err) {
		p.damage(r.Key, err)
		return nil
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	known := p.instances[i.id]
	awake := known != nil && known.timed && !p.removing[i.id]
	p.mu.Unlock()
	if awake { // by an earlier reading
		return nil
	}
	progress, err := p.progressNow(ctx, i.id, i.execution)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.gone:
		return nil
	case p.removing[i.id]:
		return errBusy // the order may be refused
	}
	switch known := p.instances[i.id]; {
	case known == nil && !p.moved[i.id]:
		p.putLocked(i)
	case known == nil || known.timed:
		return nil // its timers are known, or it is gone
	default: // only its other work was read
		woken := *known
		woken.timers, woken.due, woken.timed = i.timers, i.due, true
		i = &woken
		p.putLocked(i)
	}
	p.openLocked(i, timers, progress)
	return nil
}

// openTimersLocked has the broker open those of the instance's timers that are due
// soon, and that it does not have.
func (p *partition) openTimersLocked(i *instance, progress map[int64]history.Payload) {
	if len(i.timers) == 0 {
		return
	}
	timers, err := providerTimers(i.timers)
	if err != nil {
		return // they were read, or written here
	}
	p.openLocked(i, timers, progress)
}

func (p *partition) openLocked(i *instance, timers []provider.Timer, progress map[int64]history.Payload) {
	if p.member == nil {
		return
	}
	var soon []provider.Timer
	for n := range timers {
		if p.soonLocked(&timers[n]) {
			soon = append(soon, timers[n])
		}
	}
	if len(soon) > 0 {
		p.member.broker.OpenTimers(i.id, i.place(), progress, soon...)
	}
}

// soonOnlyLocked is the commit without timers that the broker is not to have.
func (p *partition) soonOnlyLocked(c *provider.Commit) *provider.Commit {
	var soon []provider.Timer
	for i := range c.Timers {
		if p.soonLocked(&c.Timers[i]) {
			soon = append(soon, c.Timers[i])
		}
	}
	if len(soon) == len(c.Timers) {
		return c
	}
	only := *c
	only.Timers = soon
	return &only
}

// timersOf reads the timers of an instance whose row names theirs. It is false if
// they are gone: then the row was changed since it was read.
func (p *partition) timersOf(ctx context.Context, m *row.Meta) (*instance, bool, error) {
	key := row.Timers(m.Timer, m.ID)
	r, err := p.store.account.Get(ctx, p.store.cfg.Name, p.key, key)
	if storage.Is(err, storage.Missing) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	r.Key = key
	i := &instance{}
	if err := p.readTimers(func(id history.InstanceID) *instance { i.id = id; return i }, r); err != nil {
		return nil, false, err
	}
	return i, true, nil
}

// withFar adds to an instance's timers in the broker those that are not there yet.
func (p *partition) withFar(i *instance, timers []provider.Timer) []provider.Timer {
	all, err := providerTimers(i.timers)
	if err != nil {
		return timers // they were read, or written here
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for n := range all {
		if !p.soonLocked(&all[n]) && !slices.ContainsFunc(timers, func(t provider.Timer) bool { return t.Event == all[n].Event }) {
			timers = append(timers, all[n])
		}
	}
	slices.SortFunc(timers, func(a, b provider.Timer) int { return cmp.Compare(a.Event, b.Event) })
	return timers
}
