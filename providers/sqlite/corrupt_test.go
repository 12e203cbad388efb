package sqlite

import (
	"context"
	"errors"
	"strings"
	"testing"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

type sqliteStmt = sqlite.Stmt

// damage changes the file behind the store's back.
func damage(t testing.TB, s *Store, sql string) {
	t.Helper()
	c := raw(t, s.Path())
	must(t, c.run(sql, nil))
	if c.Changes() == 0 {
		t.Fatalf("nothing was damaged by %s", sql)
	}
}

func readAll(t testing.TB, s *Store, id history.InstanceID) error {
	t.Helper()
	var v history.Validator
	for e, err := range s.History(soon(t), id, 0, 0) {
		if err != nil {
			return err
		}
		if err := v.Next(e); err != nil {
			return err
		}
	}
	return nil
}

func TestADamagedHistoryNamesWhereAndWhatToDo(t *testing.T) {
	for what, sql := range map[string]string{
		"an event that is no JSON":    `UPDATE history SET events = CAST('{"format":1,"id":3' AS BLOB) WHERE first = 3`,
		"an event of a newer program": `UPDATE history SET events = CAST('{"format":99,"id":3,"execution":1,"time":"2026-01-01T00:00:00Z","kind":"TimerFired","data":{"source":1}}' AS BLOB) WHERE first = 3`,
		"an event of another place":   `UPDATE history SET events = (SELECT events FROM history WHERE first = 1) WHERE first = 3`,
		"a row without its events":    `UPDATE history SET events = x'' WHERE first = 3`,
		"a row that is missing":       `DELETE FROM history WHERE first = 3`,
		"a row that is another's":     `UPDATE history SET instance = 99 WHERE first = 3`,
		"a chain in circles":          `UPDATE history SET prev = seq WHERE first = 3`,
		"a gap between rows":          `UPDATE history SET first = 4 WHERE first = 3`,
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t)
			h := join(t, s)
			for _, id := range []history.InstanceID{"broken", "whole"} {
				must(t, s.Send(soon(t), startMessage(id)))
				for range 3 {
					next(t, h, id, func(c *turn) {
						c.add(&history.ValueRecorded{})
						c.Again = true
					})
					if id == "whole" {
						turn, err := h.NextTurn(soon(t)) // of the other: set it aside
						must(t, err)
						must(t, h.ReleaseTurn(soon(t), turn, provider.Release{Delay: 1 << 50}))
						break
					}
				}
				if id == "broken" {
					turn, err := h.NextTurn(soon(t))
					must(t, err)
					must(t, h.ReleaseTurn(soon(t), turn, provider.Release{Delay: 1 << 50}))
				}
			}
			damage(t, s, sql+" AND instance = (SELECT key FROM instances WHERE id = 'broken')")
			err := readAll(t, s, "broken")
			if !errors.Is(err, provider.ErrCorrupt) {
				t.Fatalf("reading it: %v, want %v", err, provider.ErrCorrupt)
			}
			for _, part := range []string{`"broken"`, "execution 1", "event ", "restore the file", "purge"} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			must(t, readAll(t, s, "whole"))
			must(t, s.Purge(soon(t), "broken", true))
			if _, err := s.Instance(soon(t), "broken"); !errors.Is(err, provider.ErrNotFound) {
				t.Errorf("after the purge: %v", err)
			}
			must(t, readAll(t, s, "whole"))
		})
	}
}

// TestADamagedInstanceHoldsUpNobody damages what Join reads.
func TestADamagedInstanceHoldsUpNobody(t *testing.T) {
	for what, sql := range map[string]string{
		"its activities": `UPDATE instances SET activities = '[[' WHERE id = 'broken'`,
		"its timer":      `UPDATE timers SET fire = x'00' WHERE instance = (SELECT key FROM instances WHERE id = 'broken')`,
		"its parent":     `UPDATE instances SET parent = '{' WHERE id = 'broken'`,
		"a message":      `UPDATE inbox SET data = x'00' WHERE receiver = 'broken'`,
		"its start":      `UPDATE instances SET start = '{', outstanding = 1 WHERE id = 'broken'`,
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t)
			h := join(t, s)
			must(t, s.Send(soon(t), startMessage("broken")))
			next(t, h, "broken", func(c *turn) {
				c.schedule()
				id := c.add(&history.TimerCreated{})
				c.Timers = []provider.Timer{{Event: id, Due: h.store.cfg.Now().Add(1 << 50), Fire: &history.TimerFired{Source: id}}}
			})
			must(t, s.Send(soon(t), eventMessage("broken", "news")))
			must(t, s.Send(soon(t), startMessage("whole")))
			must(t, h.Leave(context.Background()))
			damage(t, s, sql)
			h = join(t, s)
			for {
				turn, err := h.NextTurn(soon(t))
				must(t, err)
				if turn.Instance.ID == "whole" {
					break
				}
				must(t, h.ReleaseTurn(soon(t), turn, provider.Release{Delay: 1 << 50}))
			}
			reason := ""
			must(t, raw(t, s.Path()).rows("SELECT parked FROM instances WHERE id = 'broken'", nil, func(s *sqlite.Stmt) error {
				reason = s.ColumnText(0)
				return nil
			}))
			if !strings.Contains(reason, "purge the instance") {
				t.Errorf("the instance is parked because %q", reason)
			}
			must(t, s.Purge(soon(t), "broken", true))
		})
	}
}

func TestAnOpenActivityWhoseScheduleIsLostParksItsInstance(t *testing.T) {
	s := open(t)
	h := join(t, s)
	for _, id := range []history.InstanceID{"broken", "whole"} {
		must(t, s.Send(soon(t), startMessage(id)))
		next(t, h, id, func(c *turn) { c.schedule() })
	}
	must(t, h.Leave(context.Background()))
	damage(t, s, "UPDATE history SET events = x'00' WHERE instance = (SELECT key FROM instances WHERE id = 'broken')")
	h = join(t, s)
	a, err := h.NextActivity(soon(t))
	must(t, err)
	if a.ID.Instance != "whole" {
		t.Errorf("offered %v", a.ID)
	}
	i, err := s.Instance(soon(t), "broken")
	must(t, err)
	if i.Parked == nil || !strings.Contains(i.Parked.Reason, "restore the file") {
		t.Errorf("the instance is %+v, want it parked", i)
	}
}

// TestAStartThatCannotBeReadHoldsUpNoRemoval: it waited at the instance that goes.
func TestAStartThatCannotBeReadHoldsUpNoRemoval(t *testing.T) {
	for what, removal := range map[string]struct {
		do   func(s *Store) error
		next string // the request of the next instance
	}{
		"a purge": {func(s *Store) error { return s.Purge(soon(t), "a", true) }, "readable"},
		"a replacement": {func(s *Store) error {
			m := startMessage("a")
			m.ID, m.Start.RequestID, m.Start.Reuse = "another", "another", provider.ReuseReplace
			return s.Send(soon(t), m)
		}, "another"},
	} {
		t.Run(what, func(t *testing.T) {
			s := open(t)
			h := join(t, s)
			must(t, s.Send(soon(t), startMessage("a")))
			next(t, h, "a", nil)
			must(t, s.Send(soon(t), startMessage("parent")))
			next(t, h, "parent", func(c *turn) {
				for _, id := range []string{"unreadable", "readable"} {
					m := startMessage("a")
					m.ID, m.Start.RequestID = id, id
					c.Send = append(c.Send, m)
				}
			})
			damage(t, s, "UPDATE inbox SET data = x'00' WHERE id = 'unreadable'")
			old, err := h.NextTurn(soon(t))
			must(t, err)
			must(t, removal.do(s))
			commit := takeIn(old)
			if err := h.CommitTurn(soon(t), old, &commit.Commit); !errors.Is(err, provider.ErrLockLost) {
				t.Errorf("committing a turn of the one before: %v, want %v", err, provider.ErrLockLost)
			}
			turn, err := h.NextTurn(soon(t))
			must(t, err)
			if turn.Instance.RequestID != removal.next || turn.Messages[0].Start == nil {
				t.Errorf("the next turn is of %+v, want its start by the request %q", turn.Instance, removal.next)
			}
		})
	}
}

// TestAfterAConflictTheNextTurnIsOfWhatIsStored has somebody write the file who
// is not the worker.
func TestAfterAConflictTheNextTurnIsOfWhatIsStored(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("a")))
	next(t, h, "a", func(c *turn) { c.Again = true })
	stale, err := h.NextTurn(soon(t))
	must(t, err)
	damage(t, s, "UPDATE instances SET last = 7 WHERE id = 'a'")
	c := takeIn(stale)
	c.add(&history.ValueRecorded{})
	if err := h.CommitTurn(soon(t), stale, &c.Commit); !errors.Is(err, provider.ErrConflict) {
		t.Errorf("committing to what is not stored: %v, want %v", err, provider.ErrConflict)
	}
	must(t, h.ReleaseTurn(soon(t), stale, provider.Release{}))
	next(t, h, "a", func(c *turn) { c.add(&history.ValueRecorded{}) })
	if i, err := s.Instance(soon(t), "a"); err != nil || i.LastEvent != 8 {
		t.Errorf("the instance is %+v, %v; want event 8 after event 7", i, err)
	}
}

// TestAnUnreadableMessageParksItsReceiverAlone: another instance was replaced
// at the same time.
func TestAnUnreadableMessageParksItsReceiverAlone(t *testing.T) {
	s := open(t)
	h := join(t, s)
	for _, id := range []history.InstanceID{"receiver", "other"} {
		must(t, s.Send(soon(t), startMessage(id)))
		next(t, h, id, nil)
	}
	c := client(t, s, true)
	release := hold(t, s)
	must(t, c.Send(soon(t), eventMessage("receiver", "unreadable")))
	damage(t, s, "UPDATE inbox SET data = x'00' WHERE id = 'unreadable'")
	m := startMessage("other")
	m.ID, m.Start.RequestID, m.Start.Reuse = "another", "another", provider.ReuseReplace
	must(t, c.Send(soon(t), m))
	release()
	must(t, s.Send(soon(t), eventMessage("other", "news"))) // its transaction takes note of all that
	for id, want := range map[history.InstanceID]bool{"receiver": true, "other": false} {
		if i, err := s.Instance(soon(t), id); err != nil || (i.Parked != nil) != want {
			t.Errorf("%s is parked: %+v, %v; want %t", id, i.Parked, err, want)
		}
	}
}

// TestAnInstanceThatGoesOnIsNotShownAsParked: a message that cannot be read came
// while the worker had its row in memory.
func TestAnInstanceThatGoesOnIsNotShownAsParked(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("a")))
	next(t, h, "a", nil)
	release := hold(t, s)
	must(t, client(t, s, true).Send(soon(t), eventMessage("a", "unreadable")))
	damage(t, s, "UPDATE inbox SET data = x'00' WHERE id = 'unreadable'")
	release()
	must(t, s.Send(soon(t), eventMessage("a", "news")))
	if i, err := s.Instance(soon(t), "a"); err != nil || i.Parked == nil {
		t.Errorf("the instance is %+v, %v; want it parked", i, err)
	}
	next(t, h, "a", nil)
	if i, err := s.Instance(soon(t), "a"); err != nil || i.Parked != nil {
		t.Errorf("after its next commit the instance is parked: %+v, %v", i.Parked, err)
	}
}
