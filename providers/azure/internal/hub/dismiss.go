package hub

import (
	"context"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Workers come and go in a process that stays a host. What they leave behind of
// guests, and of instances that live elsewhere by now, goes on: here, if another
// worker serves the tag, or else with others.

// handedTo notes that a worker has a guest now.
func (g *guest) handedTo(h *host) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.with = h
}

// dismiss gives back what a worker had not finished when it left of guests, and of
// instances that moved to another host meanwhile. It sends those guests away that wait
// for a tag which it alone has served.
func (m *member) dismiss(ctx context.Context, h *host) {
	if bug.Planted("guests-left-behind") {
		return
	}
	for _, w := range h.taker.Detached() {
		h.giveBackWork(ctx, w, provider.Release{})
	}
	m.mu.Lock()
	guests := make([]*guest, 0, len(m.present))
	for _, g := range m.present {
		guests = append(guests, g)
	}
	m.mu.Unlock()
	for _, g := range guests {
		g.mu.Lock()
		held, invited := g.with == h, g.invited
		g.mu.Unlock()
		switch {
		case held:
			h.giveBackGuest(ctx, g, provider.Release{})
		case !m.serves(g.offer.Tag) && invited != nil && invited.Withdraw():
			m.sendAway(g)
		}
	}
}

// sendAway sends a guest away of which no worker here serves the tag. That of a
// session goes to its owner, once the session has been given up: without the tag it
// is nobody's here.
func (m *member) sendAway(g *guest) {
	s, o := m.store, &g.offer
	if o.Host == "" {
		m.farewell(g) // it is visible soon
		return
	}
	if !s.background(func(ctx context.Context) {
		_, err := m.sessions.holder(ctx, sessionKey{o.Session, o.Tag})
		if err == nil {
			err = g.giveToOwner(ctx)
		}
		if err != nil {
			m.farewell(g) // and comes again when its lease has ended
		}
	}) {
		m.farewell(g)
	}
}

// adopt notes that this process has taken the message of a guest again that is here
// still: it could not be hidden in time. That is no delivery.
func (g *guest) adopt(again *guest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone || g.queue != again.queue || g.message.ID != again.message.ID || bug.Planted("own-copies-refused") {
		return
	}
	g.offer.Deliveries -= again.message.Taken - g.message.Taken
	g.message, g.hidden, g.changed = storage.Message{
		ID: again.message.ID, Receipt: again.message.Receipt, Body: g.message.Body, Inserted: g.message.Inserted, Taken: again.message.Taken,
	}, again.hidden, true
}
