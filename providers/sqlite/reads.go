package sqlite

import (
	"context"
	"fmt"
	"strings"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// Pages of [Store.List].
const (
	defaultPage = 100
	maxPage     = 1_000
)

// Instance implements [provider.Store].
func (s *Store) Instance(ctx context.Context, id history.InstanceID) (*provider.Instance, error) {
	r, err := s.findRow(ctx, id)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, fmt.Errorf("sqlite: %w: there is no %s", provider.ErrNotFound, wire.Quote(id))
	}
	return &r.instance, nil
}

// State implements [provider.Store].
func (s *Store) State(ctx context.Context, id history.InstanceID, key string) (value history.Payload, err error) {
	found := false
	err = s.read(ctx, fmt.Sprintf("reading the state of %s", wire.Quote(id)), func(c *conn) error {
		return c.rows(`SELECT s.value FROM instances i LEFT JOIN state s ON s.instance = i.key AND s.name = ?
			WHERE i.id = ?`, func(s *sqlite.Stmt) {
			s.BindText(1, key)
			s.BindText(2, string(id))
		}, func(s *sqlite.Stmt) error {
			found, value = true, columnBytes(s, 0)
			return nil
		})
	})
	if err == nil && !found {
		err = fmt.Errorf("sqlite: %w: there is no %s", provider.ErrNotFound, wire.Quote(id))
	}
	return value, err
}

// List implements [provider.Store].
func (s *Store) List(ctx context.Context, q provider.Query) (page []provider.Instance, err error) {
	if q.Limit < 0 || q.Limit > maxPage {
		return nil, fmt.Errorf("sqlite: listing instances: %w: Query.Limit is %d: ask for pages of 1 to %d, the next one with Query.After", provider.ErrInvalid, q.Limit, maxPage)
	}
	limit := q.Limit
	if limit == 0 {
		limit = defaultPage
	}
	sql, args := listQuery(&q)
	err = s.read(ctx, "listing instances", func(c *conn) error {
		return c.rows(sql, func(st *sqlite.Stmt) {
			for i, arg := range args {
				st.BindText(i+1, arg)
			}
			st.BindInt64(len(args)+1, int64(limit))
		}, func(st *sqlite.Stmt) error {
			r, err := readRow(st)
			page = append(page, r.instance)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// listQuery is the query with its arguments; the limit is the last one.
func listQuery(q *provider.Query) (sql string, args []string) {
	var where []string
	add := func(condition string, values ...string) {
		where = append(where, condition)
		args = append(args, values...)
	}
	add("i.id > ?", string(q.After))
	if q.Prefix != "" {
		add("i.id >= ?", q.Prefix)
		if end := prefixEnd(q.Prefix); end != "" {
			add("i.id < ?", end)
		}
	}
	if q.Name != "" {
		add("i.name = ?", q.Name)
	}
	if len(q.Statuses) > 0 {
		values := make([]string, len(q.Statuses))
		for i, status := range q.Statuses {
			values[i] = string(status)
		}
		add("i.status IN (?"+strings.Repeat(",?", len(values)-1)+")", values...)
	}
	if q.Parked {
		add("i.parked IS NOT NULL")
	}
	return "SELECT " + instanceColumns + fromInstances + " WHERE " + strings.Join(where, " AND ") + " ORDER BY i.id LIMIT ?", args
}

// prefixEnd is the first text after all those with a prefix, "" if there is
// none. Text compares byte by byte.
func prefixEnd(prefix string) string {
	b := []byte(prefix)
	for i := len(b) - 1; i >= 0; i-- {
		if b[i] < 0xff {
			b[i]++
			return string(b[:i+1])
		}
	}
	return ""
}

// Outstanding implements [provider.Store]. The host of this store answers from
// memory, where completions are that no commit consumed yet.
func (s *Store) Outstanding(ctx context.Context, id history.InstanceID) (*provider.Outstanding, error) {
	var out *provider.Outstanding
	err := s.read(ctx, fmt.Sprintf("reading what %s waits for", wire.Quote(id)), func(c *conn) error {
		return c.snapshot(func() (err error) {
			out, err = findOutstanding(c, id)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	if h := s.host(); h != nil {
		return h.broker.Outstanding(id), nil
	}
	return out, nil
}

func findOutstanding(c *conn, id history.InstanceID) (*provider.Outstanding, error) {
	r, err := findRow(c, id)
	if err != nil {
		return nil, err
	}
	out := &provider.Outstanding{}
	if r != nil && r.start != nil {
		p, err := readStart(id, r.start)
		if err != nil {
			return nil, err
		}
		out.Messages = append(out.Messages, p.message)
	}
	err = c.rows("SELECT "+inboxColumns+" FROM inbox WHERE receiver = ? AND consumed IS NULL ORDER BY seq", func(s *sqlite.Stmt) {
		s.BindText(1, string(id))
	}, func(s *sqlite.Stmt) error {
		p, err := readPost(s)
		out.Messages = append(out.Messages, p.message)
		return err
	})
	if err != nil {
		return nil, err
	}
	if r == nil {
		if len(out.Messages) > 0 {
			return out, nil
		}
		return nil, fmt.Errorf("sqlite: %w: there is no %s", provider.ErrNotFound, wire.Quote(id))
	}
	out.Again, out.Activities = r.again, r.activities.Refs()
	if r.timers {
		out.Timers, err = findTimers(c, r)
	}
	return out, err
}

func findTimers(c *conn, r *row) (timers []provider.Timer, err error) {
	err = c.rows("SELECT event, due, fire FROM timers WHERE instance = ? ORDER BY event", func(s *sqlite.Stmt) { s.BindInt64(1, r.key) },
		func(s *sqlite.Stmt) error {
			t := provider.Timer{Event: s.ColumnInt64(0), Due: wire.FromNanos(s.ColumnInt64(1))}
			var err error
			if t.Fire, err = history.UnmarshalData(columnBytes(s, 2)); err != nil {
				return fmt.Errorf("sqlite: %w: the timer of event %d of %s cannot be read (timers, key %d): %w: restore the file from a backup, or purge the instance", provider.ErrCorrupt, t.Event, wire.Quote(r.instance.ID), r.key, err)
			}
			timers = append(timers, t)
			return nil
		})
	return timers, err
}

// DeadLetters implements [provider.Store].
func (s *Store) DeadLetters(ctx context.Context, limit int) (letters []provider.DeadLetter, err error) {
	if limit <= 0 {
		return nil, nil
	}
	if h := s.host(); h != nil {
		if err := h.buryOrphans(ctx); err != nil {
			return nil, err
		}
	}
	err = s.read(ctx, "reading dead letters", func(c *conn) error {
		return c.rows("SELECT seq, message, reason, time FROM dead ORDER BY seq LIMIT ?", func(s *sqlite.Stmt) { s.BindInt64(1, int64(limit)) },
			func(s *sqlite.Stmt) error {
				d := provider.DeadLetter{Reason: s.ColumnText(2), Time: wire.FromNanos(s.ColumnInt64(3))}
				var err error
				if d.Message, err = wire.Decode(columnBytes(s, 1)); err != nil {
					return corruptMessage(d.Message.To, fmt.Sprintf("dead.seq=%d", s.ColumnInt64(0)), err)
				}
				letters = append(letters, d)
				return nil
			})
	})
	if err != nil {
		return nil, err
	}
	return letters, nil
}
