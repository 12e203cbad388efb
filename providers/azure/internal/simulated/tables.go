package simulated

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"strings"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// CreateTable implements [storage.Tables].
func (c *Client) CreateTable(ctx context.Context, name string) error {
	return c.tell(ctx, Call{Kind: CreateTable, Resource: name}, func(q *request) error {
		s, key := c.a.mu.state, strings.ToLower(name)
		switch {
		case !tableName.MatchString(name):
			return reject(storage.Invalid, -1, "table "+name, "400 InvalidResourceName")
		case s.tables[key] != nil:
			return reject(storage.Exists, -1, "table "+name, "409 TableAlreadyExists")
		case c.a.Now().Before(s.deleted["table/"+key]):
			return gone("table "+name, "409 TableBeingDeleted: it is being deleted")
		}
		s.tables[key] = &table{name: name, partitions: map[string]*partition{}}
		c.a.observed(q, nil, nil)
		return nil
	})
}

// DeleteTable implements [storage.Tables].
func (c *Client) DeleteTable(ctx context.Context, name string) error {
	return c.tell(ctx, Call{Kind: DeleteTable, Resource: name}, func(q *request) error {
		if _, err := c.a.tableLocked(name); err != nil {
			return err
		}
		s, key := c.a.mu.state, strings.ToLower(name)
		delete(s.tables, key)
		s.deleted["table/"+key] = c.a.Now().Add(TableReuse)
		c.a.observed(q, nil, nil)
		return nil
	})
}

// Empty implements [storage.Tables].
func (c *Client) Empty(ctx context.Context, table string) (bool, error) {
	return send(ctx, c, Call{Kind: Empty, Resource: table}, func(*request) (bool, error) {
		t, err := c.a.tableLocked(table)
		if err != nil {
			return false, err
		}
		for _, p := range t.partitions {
			if len(p.rows) > 0 {
				return false, nil
			}
		}
		return true, nil
	})
}

// tableLocked finds a table.
func (a *Account) tableLocked(name string) (*table, error) {
	key := strings.ToLower(name)
	if t := a.mu.state.tables[key]; t != nil {
		return t, nil
	}
	if a.Now().Before(a.mu.state.deleted["table/"+key]) {
		return nil, gone("table "+name, "409 TableBeingDeleted: it is being deleted")
	}
	return nil, gone("table "+name, "404 TableNotFound")
}

// Get implements [storage.Tables].
func (c *Client) Get(ctx context.Context, table, pk, key string) (storage.Row, error) {
	for _, k := range []string{pk, key} {
		if reason, code := checkKey(k); reason != 0 {
			return storage.Row{}, reject(reason, -1, "row "+key, code)
		}
	}
	return send(ctx, c, Call{Kind: Get, Resource: table, Partition: pk, Key: key}, func(q *request) (storage.Row, error) {
		t, err := c.a.tableLocked(table)
		if err != nil {
			return storage.Row{}, err
		}
		row := t.partitions[pk].get(key)
		if row == nil {
			return storage.Row{}, reject(storage.Missing, -1, "row "+key, "404 ResourceNotFound")
		}
		return q.read(row, nil), nil
	})
}

// Scan implements [storage.Tables].
func (c *Client) Scan(ctx context.Context, table, pk string, r storage.Range, limit int, cells []string) (storage.Page, error) {
	call := Call{Kind: Scan, Resource: table, Partition: pk, Range: r}
	return send(ctx, c, call, func(q *request) (storage.Page, error) {
		t, err := c.a.tableLocked(table)
		if err != nil {
			return storage.Page{}, err
		}
		p := t.partitions[pk]
		if p == nil {
			return storage.Page{}, nil
		}
		if limit <= 0 || limit > storage.MaxPageRows {
			limit = storage.MaxPageRows
		}
		from, _ := p.find(r.From)
		to := len(p.rows)
		if r.To != "" {
			to, _ = p.find(r.To)
		}
		found := p.rows[from:max(from, to)]
		show := min(len(found), limit)
		early := !c.a.cfg.WholePages && q.lots.IntN(8) == 0 && show > 0
		if early {
			show = 1 + q.lots.IntN(show)
		}
		var page storage.Page
		for _, row := range found[:show] {
			page.Rows = append(page.Rows, q.read(row, cells))
		}
		if early || show < len(found) {
			page.Next = found[show-1].Key + "\x00" // Perhaps nothing follows.
		}
		return page, nil
	})
}

// read is a copy of a row, for a caller. Cells that are not nil are the only
// ones.
func (q *request) read(row *storage.Row, cells []string) storage.Row {
	r := storage.Row{Key: row.Key, ETag: row.ETag, Changed: row.Changed, Cells: make(map[string][]byte, len(row.Cells))}
	if cells == nil {
		for name, cell := range row.Cells {
			r.Cells[name] = copied(cell)
			q.moved.received += len(cell)
		}
	}
	for _, name := range cells {
		if cell, ok := row.Cells[name]; ok {
			r.Cells[name] = copied(cell)
			q.moved.received += len(cell)
		}
	}
	return r
}

// copied is a copy that is never nil: the service knows no nil.
func copied(b []byte) []byte {
	if len(b) == 0 {
		return []byte{}
	}
	return bytes.Clone(b)
}

// Transact implements [storage.Tables].
func (c *Client) Transact(ctx context.Context, table, pk string, ops []storage.Op) ([]string, error) {
	if err := checkOps(pk, ops); err != nil {
		return nil, err
	}
	sent := make([]storage.Op, len(ops))
	for i, op := range ops {
		cells := make(map[string][]byte, len(op.Row.Cells))
		for name, cell := range op.Row.Cells {
			cells[name] = copied(cell)
		}
		sent[i] = storage.Op{Verb: op.Verb, IfMatch: op.IfMatch, Row: storage.Row{Key: op.Row.Key, Cells: cells}}
	}
	call := Call{Kind: Transact, Resource: table, Partition: pk, Ops: sent}
	return send(ctx, c, call, func(q *request) ([]string, error) { return c.a.transactLocked(q, table, pk, sent) })
}

// transactLocked applies all ops or none.
func (a *Account) transactLocked(q *request, name, pk string, ops []storage.Op) ([]string, error) {
	for i := range ops {
		for _, cell := range ops[i].Row.Cells {
			q.moved.sent += len(cell)
		}
	}
	t, err := a.tableLocked(name)
	if err != nil {
		return nil, err
	}
	p := t.partitions[pk]
	changes := make([]Change, len(ops))
	for i, op := range ops {
		before := p.get(op.Row.Key)
		after, reason, code := change(op, before)
		if reason == 0 && after != nil {
			reason, code = checkRow(pk, after)
		}
		if reason != 0 {
			return nil, reject(reason, i, what(&ops[i].Row), code)
		}
		changes[i] = Change{Op: op, Before: before, After: after}
	}
	if p == nil {
		p = &partition{}
		t.partitions[pk] = p
	}
	etags := make([]string, len(ops))
	for i := range changes {
		if after := changes[i].After; after != nil {
			after.ETag = fmt.Sprintf(`W/"datetime'%016x'"`, a.nextLocked())
			after.Changed = a.Now()
			etags[i] = after.ETag
		}
		p.set(ops[i].Row.Key, changes[i].After)
	}
	if len(p.rows) == 0 {
		delete(t.partitions, pk)
	}
	q.moved.rows = len(ops)
	a.observed(q, changes, nil)
	return etags, nil
}

// change is the row after an op, nil if it was deleted, or the reason why it
// cannot be.
func change(op storage.Op, before *storage.Row) (*storage.Row, storage.Reason, string) {
	after := &storage.Row{Key: op.Row.Key, Cells: op.Row.Cells}
	switch {
	case op.Verb == storage.Insert && before != nil:
		return nil, storage.Exists, "409 EntityAlreadyExists"
	case op.Verb == storage.Insert, op.Verb == storage.Put:
		return after, 0, ""
	case before == nil:
		return nil, storage.Missing, "404 ResourceNotFound"
	case op.IfMatch != "" && op.IfMatch != before.ETag:
		return nil, storage.Precondition, "412 UpdateConditionNotSatisfied"
	case op.Verb == storage.Delete:
		return nil, 0, ""
	case op.Verb == storage.Merge:
		after.Cells = maps.Clone(before.Cells)
		maps.Copy(after.Cells, op.Row.Cells)
	}
	return after, 0, ""
}

// nextLocked is a number that was never given before, and tells nothing about
// the order in which they were given.
func (a *Account) nextLocked() uint64 {
	a.mu.state.writes++
	x := a.mu.state.writes*golden + a.cfg.Seed
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// tell is send without an answer.
func (c *Client) tell(ctx context.Context, call Call, apply func(*request) error) error {
	_, err := send(ctx, c, call, func(q *request) (struct{}, error) { return struct{}{}, apply(q) })
	return err
}

// observed tells the observer what was applied.
func (a *Account) observed(q *request, changes []Change, messages []storage.Message) {
	if a.cfg.Observe != nil {
		a.cfg.Observe(Applied{Call: q.call, At: a.Now(), Late: q.late, Changes: changes, Messages: messages})
	}
}
