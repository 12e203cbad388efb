package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
)

// What owners and hosts do so that the activities of a session run on its host.
// Where an activity goes is decided before the commit that sends it there; that
// the session is this host's is looked at once more before it begins.

func compareSessions(a, b sessionKey) int {
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.tag, b.tag))
}

// elsewhere is the host that has to run an activity because it has its session:
// empty for this one, if nobody has it, or without a session.
func (p *partition) elsewhere(ctx context.Context, a *provider.Activity) (string, error) {
	if a.Session == "" || p.member == nil {
		return "", nil
	}
	host, err := p.member.sessions.holder(ctx, sessionKey{a.Session, a.Tag})
	if err != nil || host == p.life.incarnation {
		return "", err
	}
	return host, nil
}

// placeSessions finds the hosts of those activities that the commit opens in
// sessions.
func (c *commit) placeSessions(ctx context.Context) error {
	for i := range c.given.Activities {
		a := &c.given.Activities[i]
		host, err := c.p.elsewhere(ctx, a)
		if err != nil {
			return reading(ctx, fmt.Sprintf("finding the host of session %q for %s", a.Session, quote(c.after.id)), err)
		}
		if host != "" {
			if c.places == nil {
				c.places = map[int64]string{}
			}
			c.places[a.Scheduled.ID] = host
		}
	}
	return nil
}

// sendTo notes in the open work that a host has an activity, and makes the offer.
func (p *partition) sendTo(host string, o *open, id history.InstanceID, a *provider.Activity, deliveries int, progress history.Payload) row.Offer {
	event := a.Scheduled.ID
	if !bug.Planted("session-not-recorded") {
		o.running = o.running.with(host, spans.Span{First: event, Last: event, Attempt: a.Attempt, Tag: a.Tag, Session: a.Session})
	}
	off := p.offer(o, id, a, deliveries, progress)
	off.Host = host
	return off
}

// withholdLocked leaves an activity to the host that has it.
func (p *partition) withholdLocked(id history.InstanceID, event int64) {
	if p.withheld[id] == nil {
		p.withheld[id] = map[int64]bool{}
	}
	p.withheld[id][event] = true
}

// enter looks whether work of a session may begin here. What belongs elsewhere
// leaves this host, and false is reported.
func (h *host) enter(ctx context.Context, w *broker.Work) (bool, error) {
	if w.Activity.Session == "" || bug.Planted("session-not-checked") {
		return true, nil
	}
	g := guestOf(w)
	if g != nil && g.offer.Host != "" && g.offer.Host != h.member.called() {
		h.member.farewell(g) // it was for a former life: its owner knows that this one has ended
		return false, nil
	}
	mine, err := h.member.sessions.begin(ctx, w)
	if err != nil || mine {
		return mine, err
	}
	if g != nil {
		return false, g.giveToOwner(ctx) // who finds out which host has its session
	}
	d, ok := w.TakeOut()
	p := h.member.partition(h.store.Partition(w.ID.Instance))
	switch {
	case !ok: // detached, closed or given back
		h.giveBackWork(ctx, w, provider.Release{Uncounted: true})
	case p != nil:
		p.begin(func(ctx context.Context) { p.moveAway(ctx, d) })
	}
	return false, nil
}

// moveAway sends an activity to the host of its session, or puts it back if that
// is this host by now.
func (p *partition) moveAway(ctx context.Context, d broker.Diverted) {
	for n := 0; ctx.Err() == nil; n++ {
		err := p.divert(ctx, d.ID.Instance, []broker.Diverted{d})
		if err == nil || errors.Is(err, errNotOpen) || errors.Is(err, journal.ErrLost) || errors.Is(err, journal.ErrStopped) {
			return
		}
		pause(ctx, backoff(n))
	}
}

// has reports whether an activity that was given back is one that the instance
// has left to whoever gave it back.
func (i *instance) has(r *row.Returned) bool {
	if i == nil || i.execution != r.Execution {
		return false
	}
	if n, ok := i.spans.Find(r.Event); !ok || i.spans[n].Attempt != r.Attempt {
		return false
	}
	_, runs := i.running.find(r.Event)
	switch {
	case r.Queued:
		_, runs = i.queued.Find(r.Event)
	case r.Host != "":
		_, runs = i.running[r.Host].Find(r.Event)
	}
	return runs
}

// resend adds to the commit that takes an activity back that it goes to another
// queue at once, if it is not for this host, which it reports.
func (p *partition) resend(ctx context.Context, e *journal.Entry, after *instance, r *row.Returned, progress history.Payload) (bool, error) {
	n, ok := after.spans.Find(r.Event)
	if !ok || after.spans[n].Session == "" {
		return false, nil
	}
	span := after.spans[n]
	if r.Queued || r.Host != "" { // what was known of the session was wrong
		p.member.sessions.forget(sessionKey{span.Session, span.Tag})
	}
	a := provider.Activity{
		Scheduled: history.Event{ID: r.Event, Execution: r.Execution}, Attempt: r.Attempt, Tag: span.Tag, Session: span.Session,
	}
	host, err := p.elsewhere(ctx, &a)
	if err != nil || host == "" && p.member.serves(a.Tag) {
		return false, err
	}
	queue, offer := p.send(host, &after.open, after.id, &a, p.store.handed.Deliveries(history.ActivityID{Instance: after.id, Execution: r.Execution, Event: r.Event}, r.Attempt), progress)
	if e.Send == nil {
		e.Send = &row.Outgoing{}
	}
	e.Send.Offer(queue, offer)
	return true, nil
}
