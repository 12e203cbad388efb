package sqlite

import (
	"encoding/json"
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// row is an instance as the database holds it.
type row struct {
	key         int64 // of this instance, and never of another
	tail        int64 // its newest row of history
	again       bool
	outstanding bool
	activities  spans.Set
	start       []byte // until the first commit
	origin      string // id of the message that created it
	timers      bool   // it may have open timers
	instance    provider.Instance
}

// instanceColumns are what readRow reads, of instances joined by fromInstances.
const (
	instanceColumns = `i.key, i.id, i.status, i.execution, i.last, i.tail, i.updated, i.again, i.activities, i.outstanding,
	i.revision, i.name, i.version, i.request, i.parent, i.tags, i.created, i.finished, i.parked, i.parked_at, i.start,
	i.output, i.failure, s.custom, i.origin, EXISTS (SELECT 1 FROM timers t WHERE t.instance = i.key), i.pruned`
	fromInstances = ` FROM instances i LEFT JOIN statuses s ON s.instance = i.key`
	// fromInstancesAlone leaves out their custom statuses.
	fromInstancesAlone = ` FROM instances i, (SELECT NULL AS custom) s`
)

func readRow(s *sqlite.Stmt) (*row, error) {
	r := &row{
		key:         s.ColumnInt64(0),
		tail:        s.ColumnInt64(5),
		again:       s.ColumnBool(7),
		outstanding: s.ColumnBool(9),
		start:       columnBytes(s, 20),
		origin:      s.ColumnText(24),
		timers:      s.ColumnBool(25),
		instance: provider.Instance{
			ID:             history.InstanceID(s.ColumnText(1)),
			Status:         status(s.ColumnText(2)),
			Execution:      s.ColumnInt64(3),
			LastEvent:      s.ColumnInt64(4),
			Pruned:         s.ColumnInt64(26),
			Updated:        wire.FromNanos(s.ColumnInt64(6)),
			StatusRevision: s.ColumnInt64(10),
			Name:           s.ColumnText(11),
			Version:        s.ColumnText(12),
			RequestID:      s.ColumnText(13),
			Created:        wire.FromNanos(s.ColumnInt64(16)),
			Finished:       wire.FromNanos(s.ColumnInt64(17)),
			Output:         columnBytes(s, 21),
			CustomStatus:   columnBytes(s, 23),
		},
	}
	i := &r.instance
	corrupt := func(column string, err error) (*row, error) {
		return r, fmt.Errorf("sqlite: %w: %s cannot be read (instances.%s, key %d): %w: restore the file from a backup, or purge the instance", provider.ErrCorrupt, wire.Quote(i.ID), column, r.key, err)
	}
	if reason := s.ColumnText(18); reason != "" {
		i.Parked = &provider.Parked{Reason: reason, Since: wire.FromNanos(s.ColumnInt64(19))}
	}
	var err error
	if r.activities, err = spans.Decode(s.ColumnText(8)); err != nil {
		return corrupt("activities", err)
	}
	for _, column := range []struct {
		name  string
		index int
		into  any
	}{{"parent", 14, &i.Parent}, {"tags", 15, &i.Tags}, {"failure", 22, &i.Failure}} {
		if s.ColumnIsNull(column.index) {
			continue
		}
		if err := json.Unmarshal(columnBytes(s, column.index), column.into); err != nil {
			return corrupt(column.name, err)
		}
	}
	return r, nil
}

// status avoids an allocation for each row.
func status(text string) history.Status {
	for _, s := range [...]history.Status{history.StatusRunning, history.StatusPending, history.StatusCompleted, history.StatusFailed, history.StatusCancelled} {
		if string(s) == text {
			return s
		}
	}
	return history.Status(text)
}

// findRow reads an instance, nil if there is none.
func findRow(c *conn, id history.InstanceID) (r *row, err error) {
	err = c.rows("SELECT "+instanceColumns+fromInstances+" WHERE i.id = ?", func(s *sqlite.Stmt) { s.BindText(1, string(id)) },
		func(s *sqlite.Stmt) (err error) {
			r, err = readRow(s)
			return err
		})
	return r, err
}

// createRow is the row of an instance that a start creates. Its key is not
// known yet.
func createRow(l *letter, now time.Time) *row {
	start := l.message.Start
	return &row{
		outstanding: true,
		start:       l.start,
		origin:      l.wire.ID,
		instance: provider.Instance{
			ID: l.wire.To, Name: start.Name, Version: start.Version, Status: history.StatusPending,
			RequestID: start.RequestID, Parent: start.Parent, Tags: start.Tags,
			Created: now.UTC().Round(0), Updated: now.UTC().Round(0),
		},
	}
}

// insertInstance creates a pending instance with the message that starts it,
// unless its id is taken: then it gives nil.
func insertInstance(c *conn, l *letter, now time.Time) (*row, error) {
	r := createRow(l, now)
	err := c.run(`INSERT INTO instances (id, status, updated, outstanding, name, version, request, origin, parent, tags, created, start)
		VALUES (?,?,?,1,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO NOTHING`, func(s *sqlite.Stmt) {
		s.BindText(1, string(r.instance.ID))
		s.BindText(2, string(r.instance.Status))
		bindTime(s, 3, now)
		s.BindText(4, r.instance.Name)
		s.BindText(5, r.instance.Version)
		s.BindText(6, r.instance.RequestID)
		s.BindText(7, r.origin)
		bindText(s, 8, string(l.parent))
		bindText(s, 9, string(l.tags))
		bindTime(s, 10, now)
		s.BindText(11, string(l.start))
	})
	if err != nil || c.Changes() == 0 {
		return nil, err
	}
	r.key = c.LastInsertRowID()
	return r, nil
}

// deleteInstance removes an instance and all that belongs to it: messages that
// wait for it too, of which ids already consumed are remembered for a while.
// Starts that wait for it stay: see bequeath.
func deleteInstance(c *conn, r *row) error {
	byKey := func(s *sqlite.Stmt) { s.BindInt64(1, r.key) }
	for _, sql := range []string{
		"DELETE FROM instances WHERE key = ?",
		"DELETE FROM statuses WHERE instance = ?",
		"DELETE FROM state WHERE instance = ?",
		"DELETE FROM timers WHERE instance = ?",
		"DELETE FROM progress WHERE instance = ?",
	} {
		if err := c.run(sql, byKey); err != nil {
			return err
		}
	}
	if err := c.run("DELETE FROM inbox WHERE receiver = ? AND consumed IS NULL AND start IS NULL", func(s *sqlite.Stmt) {
		s.BindText(1, string(r.instance.ID))
	}); err != nil {
		return err
	}
	// The chain ends at 0, at a row that was pruned, or at one that is none of the
	// instance's or not older: then it is damaged, and what lies beyond cannot be
	// found this way.
	return c.run(`DELETE FROM history WHERE seq IN (
		WITH RECURSIVE chain (seq, prev) AS (
			SELECT seq, prev FROM history WHERE seq = ?2 AND instance = ?1
			UNION ALL
			SELECT h.seq, h.prev FROM chain JOIN history h ON h.seq = chain.prev WHERE h.instance = ?1 AND h.seq < chain.seq
		) SELECT seq FROM chain)`, func(s *sqlite.Stmt) {
		s.BindInt64(1, r.key)
		s.BindInt64(2, r.tail)
	})
}

// parkInstance shows an instance as parked. The time is that of the first turn
// that was given back for the same reason.
func parkInstance(c *conn, id history.InstanceID, reason string, now time.Time) error {
	return c.run(`UPDATE instances SET parked_at = CASE WHEN parked = ?2 THEN parked_at ELSE ?3 END, parked = ?2 WHERE id = ?1`, func(s *sqlite.Stmt) {
		s.BindText(1, string(id))
		s.BindText(2, reason)
		bindTime(s, 3, now)
	})
}
