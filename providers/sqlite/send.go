package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// Send implements [provider.Store].
func (s *Store) Send(ctx context.Context, m provider.Message) error {
	if err := admit.Message(&m, s.cfg.Now()); err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	m = admit.Keep(m)
	l, err := seal(&m)
	if err != nil {
		return err
	}
	if s.writer != nil && s.host() == nil {
		if sent, err := s.remote.send(ctx, &l.wire); sent {
			return err
		}
	}
	return s.post(ctx, l)
}

// post has a message written, and tells whoever is concerned.
func (s *Store) post(ctx context.Context, l *letter) error {
	var p posting
	err := s.write(ctx, &request{
		op:   fmt.Sprintf("sending to %s", wire.Quote(l.wire.To)),
		size: l.size,
		write: func(c *conn) (err error) {
			p = posting{} // an earlier try was undone
			if l.message.Start != nil {
				p, err = s.postStart(c, l)
			} else {
				p, err = postMessage(c, l)
			}
			if err != nil || s.joined != nil {
				return err
			}
			return p.notify(c, l.wire.To)
		},
		settled: func() { s.posted(l, &p) },
	})
	if err == nil && p.changed() && s.host() == nil {
		s.remote.ring()
	}
	return err
}

// posting is what became of a message.
type posting struct {
	created  *row  // the instance that it started
	replaced bool  // there was another of that id before
	place    int64 // in the inbox, if it went there
	exists   bool  // its receiver does
	name     string
	version  string
	heirs    []heir // what waited at the one before
}

// heir is a start that waited at an instance that is gone.
type heir struct {
	letter *letter
	posting
}

// bequeath is for the starts that waited at an instance which is gone: the first
// makes the next one, unless there is one already, at which they wait now. One that
// cannot be read stays where it is: much was written already, so that to reject
// the request is too late.
func bequeath(c *conn, id history.InstanceID, now time.Time) (heirs []heir, err error) {
	var posts []post
	err = c.rows("SELECT "+inboxColumns+" FROM inbox WHERE receiver = ? AND consumed IS NULL AND start IS NOT NULL ORDER BY seq",
		func(s *sqlite.Stmt) { s.BindText(1, string(id)) },
		func(s *sqlite.Stmt) error {
			p, err := readPost(s)
			if errors.Is(err, provider.ErrCorrupt) {
				return nil
			}
			posts = append(posts, p)
			return err
		})
	if err != nil {
		return nil, err
	}
	for i := range posts {
		h := heir{posting: posting{place: posts[i].place}}
		if h.letter, err = seal(&posts[i].message); err != nil {
			return nil, err
		}
		if h.created, err = insertInstance(c, h.letter, now); err != nil {
			return nil, err
		}
		if h.created != nil {
			h.place = 0
			if err := c.run("DELETE FROM inbox WHERE seq = ?", func(s *sqlite.Stmt) { s.BindInt64(1, posts[i].place) }); err != nil {
				return nil, err
			}
		} else if h.exists, h.name, h.version, _, err = findReceiver(c, id); err != nil {
			return nil, err
		}
		heirs = append(heirs, h)
	}
	return heirs, nil
}

func (p *posting) changed() bool { return p.created != nil || p.place != 0 }

// delivery tells the broker of it.
func (p *posting) delivery(m *provider.Message) broker.Delivery {
	d := broker.Delivery{Message: *m, Key: p.place}
	switch {
	case p.created != nil:
		d.Key, d.Receiver = startPlace, broker.Created
		d.Name, d.Version = m.Start.Name, m.Start.Version
	case p.exists:
		d.Receiver, d.Name, d.Version = broker.Exists, p.name, p.version
	}
	return d
}

// postStart applies the reuse policy of [provider.Store.Send].
func (s *Store) postStart(c *conn, l *letter) (p posting, err error) {
	now := s.cfg.Now()
	if p.created, err = insertInstance(c, l, now); err != nil || p.created != nil {
		return p, err
	}
	old, err := findRow(c, l.wire.To)
	if err != nil {
		return p, err
	}
	start := l.message.Start
	if old.origin == l.wire.ID || start.RequestID != "" && old.instance.RequestID == start.RequestID || start.Reuse == provider.ReuseIgnore {
		return p, nil
	}
	replace := start.Reuse == provider.ReuseReplace || start.Reuse == provider.ReuseFinal && old.instance.Status.Final()
	if !replace {
		hint := "choose another id or a reuse policy"
		if start.Reuse == provider.ReuseFinal {
			hint = "it can be replaced once it has ended"
		}
		return p, fmt.Errorf("sqlite: starting %s: %w: it is %s, started by another request: %s", wire.Quote(l.wire.To), provider.ErrExists, old.instance.Status, hint)
	}
	if err := deleteInstance(c, old); err != nil {
		return p, err
	}
	p.replaced = true
	if p.created, err = insertInstance(c, l, now); err != nil {
		return p, err
	}
	p.heirs, err = bequeath(c, l.wire.To, now)
	return p, err
}

// postMessage puts a message that starts nothing, or must not, into the inbox.
func postMessage(c *conn, l *letter) (p posting, err error) {
	if p.place, err = insertLetter(c, l); err != nil || p.place == 0 {
		return p, err
	}
	p.exists, p.name, p.version, _, err = findReceiver(c, l.wire.To)
	return p, err
}

// findReceiver reads what a delivery must know.
func findReceiver(c *conn, id history.InstanceID) (exists bool, name, version, origin string, err error) {
	err = c.rows("SELECT name, version, origin FROM instances WHERE id = ?", func(s *sqlite.Stmt) { s.BindText(1, string(id)) },
		func(s *sqlite.Stmt) error {
			exists, name, version, origin = true, s.ColumnText(0), s.ColumnText(1), s.ColumnText(2)
			return nil
		})
	return exists, name, version, origin, err
}

// posted takes note of a message that is durable.
func (s *Store) posted(l *letter, p *posting) {
	h := s.joined
	if p.replaced {
		if h != nil {
			h.forget(l.wire.To)
		}
		s.waiters.Look(l.wire.To)
	}
	if h == nil || !p.changed() {
		return
	}
	if p.created != nil {
		h.cache.put(p.created)
	}
	h.broker.Deliver(p.delivery(l.message))
	for i := range p.heirs {
		s.posted(p.heirs[i].letter, &p.heirs[i].posting)
	}
}

// Purge implements [provider.Store].
func (s *Store) Purge(ctx context.Context, id history.InstanceID, force bool) error {
	var heirs []heir
	err := s.write(ctx, &request{
		op: fmt.Sprintf("purging %s", wire.Quote(id)),
		write: func(c *conn) error {
			r, err := findRow(c, id)
			switch {
			case err != nil && r == nil:
				return err
			case r == nil:
				return fmt.Errorf("sqlite: purging %s: %w", wire.Quote(id), provider.ErrNotFound)
			case !r.instance.Status.Final() && !force:
				return fmt.Errorf("sqlite: purging %s: %w: it is %s: wait for its end, cancel it, or force", wire.Quote(id), provider.ErrConflict, r.instance.Status)
			}
			if err := deleteInstance(c, r); err != nil {
				return err
			}
			if heirs, err = bequeath(c, id, s.cfg.Now()); err != nil || s.joined != nil {
				return err
			}
			p := posting{replaced: true, heirs: heirs}
			return p.notify(c, id)
		},
		settled: func() {
			if h := s.joined; h != nil {
				h.forget(id)
			}
			s.waiters.Look(id)
			for i := range heirs {
				s.posted(heirs[i].letter, &heirs[i].posting)
			}
		},
	})
	if err == nil && s.host() == nil {
		s.remote.ring()
	}
	return err
}

// Notices, as stored: their kinds never change.
const (
	noticeGone    = "gone"    // the instance was purged, or replaced
	noticeStart   = "start"   // it was created
	noticeMessage = "message" // subject is its place in the inbox
)

// notify leaves a notice for the worker, if there is one.
func notify(c *conn, kind string, id history.InstanceID, subject int64) error {
	return c.run(`INSERT INTO notices (kind, receiver, subject)
		SELECT ?, ?, ? WHERE EXISTS (SELECT 1 FROM meta WHERE name = 'worker')`, func(s *sqlite.Stmt) {
		s.BindText(1, kind)
		s.BindText(2, string(id))
		s.BindInt64(3, subject)
	})
}

func (p *posting) notify(c *conn, id history.InstanceID) (err error) {
	if p.replaced {
		err = notify(c, noticeGone, id, 0)
	}
	if err == nil && p.created != nil {
		err = notify(c, noticeStart, id, 0)
	}
	if err == nil && p.place != 0 {
		err = notify(c, noticeMessage, id, p.place)
	}
	for i := range p.heirs {
		if err == nil {
			err = p.heirs[i].notify(c, id)
		}
	}
	return err
}

// dedupeFor is how long the id of a consumed message is remembered, so that
// the same message sent again is recognised. Senders give up long before.
const dedupeFor = 15 * time.Minute
