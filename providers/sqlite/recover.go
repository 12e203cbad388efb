package sqlite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/handed"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
)

// recovery is what a host finds in the file when it joins: everything that is
// outstanding. Instances that wait for a client alone are not among it.
type recovery struct {
	restored []broker.Restored
	starts   []broker.Delivery
	inbox    []broker.Delivery
	progress []history.InstanceID
	broken   []broken
	nextSeq  int64
	handed   *handed.Counts // by hosts before, in this process
}

// broken is an instance that cannot be read: it is set aside, and holds up
// nobody.
type broken struct {
	id  history.InstanceID
	err error
}

// recover makes the host the worker of the file, in one transaction with
// reading what is outstanding: whatever comes later comes through the host.
func (h *host) recover(ctx context.Context) error {
	s := h.store
	var found recovery
	return s.write(ctx, &request{
		op: "joining",
		write: func(c *conn) error {
			found = recovery{handed: &s.handed}
			if err := rememberWorker(c, h.holder()); err != nil {
				return err
			}
			if err := c.run("DELETE FROM notices", nil); err != nil {
				return err
			}
			if err := found.read(c); err != nil {
				return err
			}
			for _, b := range found.broken {
				if err := parkInstance(c, b.id, b.err.Error(), s.cfg.Now()); err != nil {
					return err
				}
			}
			return nil
		},
		settled: func() {
			h.nextSeq = found.nextSeq
			s.handed.Keep(found.outstanding())
			s.progress.reset(found.progress)
			h.broker.Restore(found.restored, slices.Concat(found.starts, found.inbox)...)
			s.joined, s.writer.absorber = h, h
		},
	})
}

// outstanding are the instances of which there is something.
func (f *recovery) outstanding() map[history.InstanceID]bool {
	ids := map[history.InstanceID]bool{}
	for i := range f.restored {
		ids[f.restored[i].Instance] = true
	}
	for _, d := range slices.Concat(f.starts, f.inbox) {
		ids[d.Message.To] = true
	}
	return ids
}

func (f *recovery) read(c *conn) error {
	next, err := c.int64("SELECT ifnull(max(seq), 0) + 1 FROM history")
	if err != nil {
		return err
	}
	f.nextSeq = next
	if err := f.readInstances(c); err != nil {
		return err
	}
	return f.readInbox(c)
}

func (f *recovery) readInstances(c *conn) error {
	var rows []*row
	err := c.rows("SELECT "+instanceColumns+fromInstancesAlone+` WHERE i.key IN (
			SELECT key FROM instances WHERE outstanding UNION SELECT instance FROM timers)
		ORDER BY i.key`, nil, func(st *sqlite.Stmt) error {
		r, err := readRow(st)
		if errors.Is(err, provider.ErrCorrupt) {
			f.broken = append(f.broken, broken{r.instance.ID, err})
			return nil
		}
		rows = append(rows, r)
		return err
	})
	if err != nil {
		return err
	}
	progress, err := readProgress(c)
	if err != nil {
		return err
	}
	for _, r := range rows {
		err := f.restore(c, r, progress[r.key])
		if errors.Is(err, provider.ErrCorrupt) {
			f.broken = append(f.broken, broken{r.instance.ID, err})
			continue
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *recovery) restore(c *conn, r *row, progress map[int64]history.Payload) error {
	i := &r.instance
	if r.start != nil {
		p, err := readStart(i.ID, r.start)
		if err != nil {
			return err
		}
		f.starts = append(f.starts, broker.Delivery{
			Message: p.message, Key: p.place, Receiver: broker.Created, Name: i.Name, Version: i.Version,
			Attempts: f.handed.Attempts(i.ID, p.message.ID),
		})
	}
	open := broker.Restored{Instance: i.ID, Execution: i.Execution, Name: i.Name, Version: i.Version, Again: r.again, Progress: progress}
	if r.timers {
		var err error
		if open.Timers, err = findTimers(c, r); err != nil {
			return err
		}
	}
	r.activities.Each(func(event int64, a spans.Span) {
		id := history.ActivityID{Instance: i.ID, Execution: i.Execution, Event: event}
		open.Activities = append(open.Activities, broker.RestoredActivity{
			Activity: provider.Activity{
				Scheduled: history.Event{ID: event, Execution: i.Execution},
				Attempt:   a.Attempt, Tag: a.Tag, Session: a.Session,
			},
			Deliveries: f.handed.Deliveries(id, a.Attempt),
			Progress:   progress[event],
		})
	})
	if len(progress) > 0 {
		f.progress = append(f.progress, i.ID)
	}
	if open.Again || len(open.Activities)+len(open.Timers) > 0 {
		f.restored = append(f.restored, open)
	}
	return nil
}

func readProgress(c *conn) (map[int64]map[int64]history.Payload, error) {
	all := map[int64]map[int64]history.Payload{}
	err := c.rows("SELECT instance, event, detail FROM progress", nil, func(s *sqlite.Stmt) error {
		key := s.ColumnInt64(0)
		if all[key] == nil {
			all[key] = map[int64]history.Payload{}
		}
		all[key][s.ColumnInt64(1)] = columnBytes(s, 2)
		return nil
	})
	return all, err
}

// readInbox reads the messages that wait, in order. One that cannot be read
// stays where it is, and its receiver shows why.
func (f *recovery) readInbox(c *conn) error {
	return c.rows("SELECT m.seq, m.id, m.receiver, m.execution, m.due, m.sent, m.start, m.data, i.name, i.version"+
		" FROM inbox m LEFT JOIN instances i ON i.id = m.receiver WHERE m.consumed IS NULL ORDER BY m.seq", nil, func(s *sqlite.Stmt) error {
		p, err := readPost(s)
		if err != nil {
			f.broken = append(f.broken, broken{p.message.To, err})
			return nil //nolint:nilerr // It is kept, to park the receiver.
		}
		d := broker.Delivery{Message: p.message, Key: p.place}
		if s.ColumnIsNull(8) {
			d.Since = p.message.Sent
		} else {
			d.Receiver, d.Name, d.Version = broker.Exists, s.ColumnText(8), s.ColumnText(9)
		}
		d.Attempts = f.handed.Attempts(p.message.To, p.message.ID)
		f.inbox = append(f.inbox, d)
		return nil
	})
}

// absorb implements [absorber]: it reads what other processes changed since the
// last transaction of this one.
func (h *host) absorb(c *conn) (settled func(), err error) {
	type notice struct {
		kind    string
		id      history.InstanceID
		subject int64
	}
	var notices []notice
	err = c.rows("SELECT kind, receiver, subject FROM notices ORDER BY seq", nil, func(s *sqlite.Stmt) error {
		notices = append(notices, notice{s.ColumnText(0), history.InstanceID(s.ColumnText(1)), s.ColumnInt64(2)})
		return nil
	})
	if err != nil || len(notices) == 0 {
		return nil, err
	}
	var steps []func()
	for _, n := range notices {
		var step func()
		var err error
		switch n.kind {
		case noticeGone:
			step = func() {
				h.forget(n.id)
				h.store.waiters.Look(n.id)
			}
		case noticeStart:
			step, err = h.absorbStart(c, n.id)
		case noticeMessage:
			step, err = h.absorbMessage(c, n.subject)
		}
		if err != nil && !errors.Is(err, provider.ErrCorrupt) {
			return nil, err
		}
		if err != nil {
			if err := parkInstance(c, n.id, err.Error(), h.store.cfg.Now()); err != nil {
				return nil, err
			}
		}
		if step != nil {
			steps = append(steps, step)
		}
	}
	if err := c.run("DELETE FROM notices", nil); err != nil {
		return nil, err
	}
	return func() {
		for _, step := range steps {
			step()
		}
	}, nil
}

// absorbStart takes in an instance that another process started, unless it is
// gone again.
func (h *host) absorbStart(c *conn, id history.InstanceID) (func(), error) {
	r, err := findRow(c, id)
	if err != nil || r == nil || r.start == nil {
		return nil, err
	}
	p, err := readStart(id, r.start)
	if err != nil {
		return nil, err
	}
	return func() {
		h.cache.put(r)
		h.broker.Deliver(broker.Delivery{
			Message: p.message, Key: p.place, Receiver: broker.Created, Name: r.instance.Name, Version: r.instance.Version,
		})
		h.store.waiters.Look(id)
	}, nil
}

// absorbMessage takes in a message of another process, unless it is gone with
// its receiver. The notice of the start of its receiver may follow, if that was
// sent later: the start is taken in before the message all the same.
func (h *host) absorbMessage(c *conn, seq int64) (step func(), err error) {
	found := false
	var p post
	err = c.rows("SELECT "+inboxColumns+" FROM inbox WHERE seq = ? AND consumed IS NULL", func(s *sqlite.Stmt) { s.BindInt64(1, seq) },
		func(s *sqlite.Stmt) (err error) {
			found = true
			p, err = readPost(s)
			return err
		})
	if err != nil || !found {
		return nil, err
	}
	to := posting{place: p.place}
	if to.exists, to.name, to.version, _, err = findReceiver(c, p.message.To); err != nil {
		return nil, err
	}
	start, err := h.absorbStart(c, p.message.To)
	if err != nil {
		return nil, err
	}
	return func() {
		if start != nil {
			start()
		}
		h.broker.Deliver(to.delivery(&p.message))
	}, nil
}

var _ absorber = (*host)(nil)

// errJoined says who has the file.
func errJoined(path string, w workerInfo) error {
	return fmt.Errorf("sqlite: joining %s: %w: %s: stop it first, or let this process only send and read", path, provider.ErrHostTaken, w)
}
