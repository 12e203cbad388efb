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

// commit is what a turn decided, encoded by the goroutine that commits it, so
// that the writer only binds and steps.
type commit struct {
	host   *host
	lock   *turnLock
	given  *provider.Commit
	now    time.Time
	before *row
	after  *row // its tail is the writer's to set

	rows       []historyRow
	activities string
	failure    []byte
	timers     [][]byte // Fire of each of given.Timers
	letters    []*letter
	consumed   []int64 // places in the inbox
	wide       bool    // more changes than the columns of a steady turn
	size       int

	postings []posting // of letters, known once they are written
}

// historyRow is a row of history: the events of one execution in a turn.
type historyRow struct {
	execution, first, last int64
	events                 []byte
}

// CommitTurn implements [provider.Host].
func (h *host) CommitTurn(ctx context.Context, t *provider.Turn, c *provider.Commit) error {
	lock, err := h.lockOf(t)
	if err != nil {
		return err
	}
	if !lock.busy.CompareAndSwap(false, true) {
		return fmt.Errorf("sqlite: committing a turn of %s: %w: it is committed already, or being so", wire.Quote(t.Instance.ID), provider.ErrLockLost)
	}
	err = h.commitTurn(ctx, lock, c)
	if errors.Is(err, provider.ErrConflict) || errors.Is(err, provider.ErrUnknown) {
		h.cache.remove(t.Instance.ID) // the next turn is of what is stored
	}
	if err != nil {
		lock.busy.Store(false)
	}
	return err
}

func (h *host) commitTurn(ctx context.Context, lock *turnLock, given *provider.Commit) error {
	c, err := h.encode(lock, given)
	if err != nil {
		return fmt.Errorf("sqlite: %w", err)
	}
	if err := lock.turn.Seal(); err != nil {
		return err
	}
	err = h.store.write(ctx, &request{
		op:      fmt.Sprintf("committing a turn of %s", wire.Quote(lock.row.instance.ID)),
		size:    c.size,
		write:   c.write,
		settled: c.settled,
	})
	if err != nil {
		lock.turn.Unseal()
	}
	return err
}

// encode prepares everything that needs no database. Its errors are of the
// contract.
func (h *host) encode(lock *turnLock, given *provider.Commit) (*commit, error) {
	c := &commit{host: h, lock: lock, given: given, now: h.store.cfg.Now(), before: lock.row, size: 512}
	if err := admit.Commit(&lock.row.instance, len(lock.turn.Messages), given, c.now); err != nil {
		return nil, err
	}
	if err := c.encodeEvents(); err != nil {
		return nil, err
	}
	if err := c.encodeRow(); err != nil {
		return nil, err
	}
	for i := range given.Timers {
		fire, err := history.MarshalData(given.Timers[i].Fire)
		if err != nil {
			return nil, fmt.Errorf("%w: the timer of event %d: %w", provider.ErrInvalid, given.Timers[i].Event, err)
		}
		c.timers = append(c.timers, fire)
		c.size += len(fire)
	}
	for i := range given.Send {
		m := admit.Keep(given.Send[i])
		l, err := seal(&m)
		if err != nil {
			return nil, err
		}
		c.letters = append(c.letters, l)
		c.size += l.size
	}
	for _, place := range lock.turn.Keys[:given.Consumed] {
		if place > 0 {
			c.consumed = append(c.consumed, place)
		}
	}
	return c, nil
}

// encodeEvents makes a row of the events of each execution that is kept. They
// follow each other: that is checked already (P7).
func (c *commit) encodeEvents() error {
	for events := c.given.Events; len(events) > 0; {
		first, n := events[0], 1
		for n < len(events) && events[n].Execution == first.Execution {
			n++
		}
		if first.Execution <= c.given.PruneThrough {
			events = events[n:]
			continue
		}
		blob, err := wire.EncodeEvents(events[:n])
		if err != nil {
			return fmt.Errorf("%w: %w", provider.ErrInvalid, err)
		}
		c.rows = append(c.rows, historyRow{first.Execution, first.ID, events[n-1].ID, blob})
		c.size += len(blob)
		events = events[n:]
	}
	return nil
}

// encodeRow makes the row of the instance as it is after the commit.
func (c *commit) encodeRow() (err error) {
	given, after := c.given, *c.before
	c.after = &after
	i := &after.instance
	i.Updated = c.now.UTC().Round(0)
	if n := len(c.rows); n > 0 {
		i.Execution, i.LastEvent = c.rows[n-1].execution, c.rows[n-1].last
	}
	i.Pruned = max(i.Pruned, given.PruneThrough)
	if given.Name != "" && given.Name != i.Name || given.Version != "" && given.Version != i.Version {
		c.wide = true
	}
	if given.Name != "" {
		i.Name = given.Name
	}
	if given.Version != "" {
		i.Version = given.Version
	}
	if given.CustomStatus != nil {
		c.wide = true
		i.CustomStatus = *given.CustomStatus
		i.StatusRevision++
	}
	if given.Status != "" && given.Status != i.Status {
		c.wide = true
		i.Status = given.Status
	}
	if i.Status.Final() && !c.before.instance.Status.Final() {
		i.Finished, i.Output, i.Failure = i.Updated, given.Output, given.Failure
		i.StatusRevision++
		if given.Failure != nil {
			if c.failure, err = wire.JSON(given.Failure); err != nil {
				return fmt.Errorf("%w: the failure: %w", provider.ErrInvalid, err)
			}
		}
		c.size += len(i.Output) + len(c.failure)
	}
	i.Parked = nil
	after.again = given.Again && !i.Status.Final()
	after.activities = after.activities.Apply(given)
	c.activities = after.activities.Encode()
	c.size += len(c.activities)
	if after.start != nil && given.Consumed > 0 && c.lock.turn.Keys[0] == startPlace {
		c.wide = true
		after.start = nil
	}
	outstanding := after.again || len(after.activities) > 0 || after.start != nil
	c.wide = c.wide || outstanding != after.outstanding
	after.outstanding = outstanding
	after.timers = !c.wipes() && after.timers || len(given.Timers) > 0 && !i.Status.Final()
	return nil
}

// wipes says that what was open before the commit is closed by it.
func (c *commit) wipes() bool { return c.given.NewExecution || c.given.Status.Final() }

// write applies the commit in the writer's transaction. The first statement
// finds out whether the turn still counts; after it nothing is rejected.
func (c *commit) write(w *conn) error {
	h, r := c.host, c.after
	if h.store.joined != h {
		return fmt.Errorf("sqlite: committing a turn of %s: %w: the host has left", wire.Quote(r.instance.ID), provider.ErrLockLost)
	}
	r.tail = c.before.tail
	seq := h.nextSeq
	if n := len(c.rows); n > 0 {
		r.tail = seq + int64(n) - 1
	}
	if err := c.checkState(w); err != nil {
		return err
	}
	if err := c.updateInstance(w); err != nil {
		return err
	}
	prev := c.before.tail
	for _, row := range c.rows {
		if err := insertHistory(w, seq, prev, r.key, row.execution, row.first, row.last, row.events); err != nil {
			return err
		}
		prev = seq
		seq++
	}
	h.nextSeq = seq // a place that is lost with a rollback is never missed
	if i := &r.instance; i.Pruned > c.before.instance.Pruned {
		if err := pruneHistory(w, r.key, i.Pruned); err != nil {
			return err
		}
	}
	for _, place := range c.consumed {
		if err := consumeLetter(w, place, r.key, c.now); err != nil {
			return err
		}
	}
	if err := c.writeTimers(w); err != nil {
		return err
	}
	if err := c.writeStates(w); err != nil {
		return err
	}
	return c.writeLetters(w)
}

// A steady turn changes few columns; the rest is written when it changes, and
// the index of outstanding instances is left alone otherwise. The failure is
// bound by the commit that ends the instance: it stays with later ones.
const (
	updateSteady = `UPDATE instances SET execution = ?4, last = ?5, tail = ?6, updated = ?7, again = ?8, activities = ?9,
		parked = NULL, parked_at = NULL`
	updateWide = updateSteady + `, outstanding = ?10, status = ?11, revision = ?12, name = ?13, version = ?14,
		finished = ?15, start = ?16, output = ?17, failure = ifnull(?18, failure)`
	updateWhere = ` WHERE key = ?1 AND execution = ?2 AND last = ?3`
)

func (c *commit) updateInstance(w *conn) error {
	sql := updateSteady + updateWhere
	if c.wide {
		sql = updateWide + updateWhere
	}
	before, r := &c.before.instance, c.after
	i := &r.instance
	err := w.run(sql, func(s *sqlite.Stmt) {
		s.BindInt64(1, r.key)
		s.BindInt64(2, before.Execution)
		s.BindInt64(3, before.LastEvent)
		s.BindInt64(4, i.Execution)
		s.BindInt64(5, i.LastEvent)
		s.BindInt64(6, r.tail)
		bindTime(s, 7, c.now)
		s.BindBool(8, r.again)
		bindText(s, 9, c.activities)
		if !c.wide {
			return
		}
		s.BindBool(10, r.outstanding)
		s.BindText(11, string(i.Status))
		s.BindInt64(12, i.StatusRevision)
		s.BindText(13, i.Name)
		s.BindText(14, i.Version)
		if !i.Finished.IsZero() {
			bindTime(s, 15, i.Finished)
		}
		bindText(s, 16, string(r.start))
		bindBytes(s, 17, i.Output)
		bindText(s, 18, string(c.failure))
	})
	if err != nil || w.Changes() == 1 {
		return err
	}
	exists := false
	if err := w.rows("SELECT 1 FROM instances WHERE key = ?", func(s *sqlite.Stmt) { s.BindInt64(1, r.key) }, func(*sqlite.Stmt) error {
		exists = true
		return nil
	}); err != nil {
		return err
	}
	if exists {
		return fmt.Errorf("sqlite: committing a turn of %s: %w: it is not at event %d of execution %d any more", wire.Quote(i.ID), provider.ErrConflict, before.LastEvent, before.Execution)
	}
	return fmt.Errorf("sqlite: committing a turn of %s: %w: it was purged or replaced", wire.Quote(i.ID), provider.ErrLockLost)
}

func (c *commit) writeTimers(w *conn) error {
	key := c.after.key
	if c.wipes() {
		if err := c.wipe(w); err != nil || c.given.Status.Final() {
			return err
		}
	} else if err := deleteTimers(w, key, c.given.FiredTimers); err != nil {
		return err
	}
	for i := range c.given.Timers {
		t := &c.given.Timers[i]
		if err := w.run("INSERT INTO timers (instance, event, due, fire) VALUES (?,?,?,?) ON CONFLICT DO UPDATE SET due = excluded.due, fire = excluded.fire", func(s *sqlite.Stmt) {
			s.BindInt64(1, key)
			s.BindInt64(2, t.Event)
			bindTime(s, 3, t.Due)
			s.BindBytes(4, c.timers[i])
		}); err != nil {
			return err
		}
	}
	return deleteTimers(w, key, c.given.CancelTimers)
}

// wipe closes what the execution before left open.
func (c *commit) wipe(w *conn) error {
	byKey := func(s *sqlite.Stmt) { s.BindInt64(1, c.after.key) }
	if c.before.timers {
		if err := w.run("DELETE FROM timers WHERE instance = ?", byKey); err != nil {
			return err
		}
	}
	if c.host.store.progress.stored(c.after.instance.ID) {
		return w.run("DELETE FROM progress WHERE instance = ?", byKey)
	}
	return nil
}

func deleteTimers(w *conn, key int64, events []int64) error {
	for _, event := range events {
		if err := w.run("DELETE FROM timers WHERE instance = ? AND event = ?", func(s *sqlite.Stmt) {
			s.BindInt64(1, key)
			s.BindInt64(2, event)
		}); err != nil {
			return err
		}
	}
	return nil
}

// checkState checks the limits on the whole durable state. It is read only as
// far as needed.
func (c *commit) checkState(w *conn) error {
	if len(c.given.State) == 0 {
		return nil
	}
	byKey := func(s *sqlite.Stmt) { s.BindInt64(1, c.after.key) }
	keys, size := len(c.given.State), 0
	for i := range c.given.State {
		size += len(c.given.State[i].Value)
	}
	if err := w.rows("SELECT count(*), total(length(value)) FROM state WHERE instance = ?", byKey, func(s *sqlite.Stmt) error {
		keys += int(s.ColumnInt64(0))
		size += int(s.ColumnInt64(1))
		return nil
	}); err != nil {
		return err
	}
	if keys <= history.MaxStateKeys && size <= history.MaxStateBytes {
		return nil
	}
	state := map[string]history.Payload{}
	if err := w.rows("SELECT name, value FROM state WHERE instance = ?", byKey, func(s *sqlite.Stmt) error {
		state[s.ColumnText(0)] = columnBytes(s, 1)
		return nil
	}); err != nil {
		return err
	}
	if err := admit.State(state, c.given.State); err != nil {
		return fmt.Errorf("sqlite: committing a turn of %s: %w", wire.Quote(c.after.instance.ID), err)
	}
	return nil
}

// writeStates writes the custom status and the durable state.
func (c *commit) writeStates(w *conn) error {
	key := c.after.key
	if custom := c.given.CustomStatus; custom != nil {
		sql := "DELETE FROM statuses WHERE instance = ?"
		if *custom != nil {
			sql = "INSERT INTO statuses (instance, custom) VALUES (?, ?) ON CONFLICT DO UPDATE SET custom = excluded.custom"
		}
		if err := w.run(sql, func(s *sqlite.Stmt) {
			s.BindInt64(1, key)
			if *custom != nil {
				s.BindBytes(2, *custom)
			}
		}); err != nil {
			return err
		}
	}
	for i := range c.given.State {
		change := &c.given.State[i]
		sql := "DELETE FROM state WHERE instance = ? AND name = ?"
		if change.Value != nil {
			sql = "INSERT INTO state (instance, name, value) VALUES (?,?,?) ON CONFLICT DO UPDATE SET value = excluded.value"
		}
		if err := w.run(sql, func(s *sqlite.Stmt) {
			s.BindInt64(1, key)
			s.BindText(2, change.Key)
			if change.Value != nil {
				s.BindBytes(3, change.Value)
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

// writeLetters writes what the turn sends. A start whose id is taken goes to
// the one that has it, unless it is the very start that made it.
func (c *commit) writeLetters(w *conn) (err error) {
	c.postings = make([]posting, len(c.letters)) // an earlier try was undone
	for i, l := range c.letters {
		p := &c.postings[i]
		if l.message.Start != nil {
			if p.created, err = insertInstance(w, l, c.now); err != nil {
				return err
			}
			if p.created != nil {
				continue
			}
			_, _, _, origin, err := findReceiver(w, l.wire.To)
			if err != nil {
				return err
			}
			if origin == l.wire.ID {
				continue
			}
		}
		if *p, err = postMessage(w, l); err != nil {
			return err
		}
	}
	return nil
}

// settled takes note of the commit once it is durable.
func (c *commit) settled() {
	h, i := c.host, &c.after.instance
	h.store.counters.turns.Add(1)
	h.cache.put(c.after)
	if c.wipes() {
		h.scheduled.Drop(i.ID)
		h.store.progress.forget(i.ID)
	}
	var sent []broker.Delivery
	for n, l := range c.letters {
		if p := &c.postings[n]; p.changed() {
			if p.created != nil {
				h.cache.put(p.created)
			}
			sent = append(sent, p.delivery(l.message))
		}
	}
	at := broker.Place{Execution: i.Execution, Name: i.Name, Version: i.Version, Final: i.Status.Final()}
	h.store.handed.Committed(c.lock.turn, c.given)
	// The turn is sealed and the row was there: it is still held.
	_ = h.broker.Commit(c.lock.turn, c.given, at, sent...)
	if before := &c.before.instance; i.Status != before.Status || i.StatusRevision != before.StatusRevision {
		h.store.waiters.Changed(i)
	}
}
