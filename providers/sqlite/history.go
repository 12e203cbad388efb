package sqlite

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// chunkBytes is how much history is read before the connection is given back:
// a slow consumer must not hold a snapshot, since the write-ahead log cannot
// be reset behind it.
const chunkBytes = 1 << 20

// insertHistory appends the events of one turn to the end of the table.
func insertHistory(c *conn, seq, prev, key, execution, first, last int64, events []byte) error {
	return c.run("INSERT INTO history (seq, prev, instance, execution, first, last, events) VALUES (?,?,?,?,?,?,?)", func(s *sqlite.Stmt) {
		s.BindInt64(1, seq)
		s.BindInt64(2, prev)
		s.BindInt64(3, key)
		s.BindInt64(4, execution)
		s.BindInt64(5, first)
		s.BindInt64(6, last)
		s.BindBytes(7, events)
	})
}

// maxPruned bounds the executions of which one commit removes the history. If
// there are more, which never had been pruned before, the next commits go on.
const maxPruned = 64

// Of the executions of an instance up to one, the rows: found along the chain from
// the row before the next one that is kept.
const (
	selectOldest = "SELECT execution FROM history WHERE instance = ? AND first = 1 ORDER BY execution LIMIT 1"
	deletePruned = `DELETE FROM history WHERE seq IN (
		WITH RECURSIVE chain (seq, prev) AS (
			SELECT seq, prev FROM history WHERE instance = ?1 AND seq =
				(SELECT prev FROM history WHERE instance = ?1 AND execution > ?2 AND first = 1 ORDER BY execution LIMIT 1)
			UNION ALL
			SELECT h.seq, h.prev FROM chain JOIN history h ON h.seq = chain.prev WHERE h.instance = ?1 AND h.seq < chain.seq
		) SELECT seq FROM chain)`
)

// pruneHistory takes note that executions up to one are pruned, and removes their
// rows, the oldest first.
func pruneHistory(c *conn, key, through int64) error {
	if err := c.run("UPDATE instances SET pruned = ?2 WHERE key = ?1", func(s *sqlite.Stmt) {
		s.BindInt64(1, key)
		s.BindInt64(2, through)
	}); err != nil {
		return err
	}
	oldest := through + 1
	if err := c.rows(selectOldest, func(s *sqlite.Stmt) { s.BindInt64(1, key) }, func(s *sqlite.Stmt) error {
		oldest = s.ColumnInt64(0)
		return nil
	}); err != nil || oldest > through {
		return err
	}
	return c.run(deletePruned, func(s *sqlite.Stmt) {
		s.BindInt64(1, key)
		s.BindInt64(2, min(through, oldest+maxPruned-1))
	})
}

// chain is where the rows of an execution lie, oldest first, and up to which
// event they go.
type chain struct {
	id        history.InstanceID
	key       int64
	execution int64
	seqs      []int64
	last      int64
}

// findChain walks back from the newest row of an execution to the one that
// holds the event that follows after.
func findChain(c *conn, id history.InstanceID, execution, after int64) (ch *chain, err error) {
	var tail, pruned int64
	found := false
	err = c.rows("SELECT key, execution, tail, pruned FROM instances WHERE id = ?", func(s *sqlite.Stmt) { s.BindText(1, string(id)) },
		func(s *sqlite.Stmt) error {
			found = true
			ch = &chain{id: id, key: s.ColumnInt64(0), execution: s.ColumnInt64(1)}
			tail, pruned = s.ColumnInt64(2), s.ColumnInt64(3)
			return nil
		})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("sqlite: %w: there is no %s", provider.ErrNotFound, wire.Quote(id))
	case execution == 0:
		execution = ch.execution
	case execution > 0 && execution <= pruned:
		return nil, fmt.Errorf("sqlite: reading a history of %s: %w", wire.Quote(id), admit.Pruned(execution, pruned))
	case execution < 1 || execution > ch.execution:
		return nil, fmt.Errorf("sqlite: %w: %s has no execution %d; its current one is %d", provider.ErrNotFound, wire.Quote(id), execution, ch.execution)
	}
	if execution < ch.execution { // the rows of later ones need not be walked
		if err := c.rows("SELECT prev FROM history WHERE instance = ? AND execution = ? AND first = 1", func(s *sqlite.Stmt) {
			s.BindInt64(1, ch.key)
			s.BindInt64(2, execution+1)
		}, func(s *sqlite.Stmt) error {
			tail = s.ColumnInt64(0)
			return nil
		}); err != nil {
			return nil, err
		}
	}
	ch.execution = execution
	seen := int64(0) // the execution of the row walked last
	expect := int64(-1)
	for seq := tail; seq != 0; {
		var prev, owner, of, first, last int64
		found = false
		err = c.rows("SELECT prev, instance, execution, first, last FROM history WHERE seq = ?", func(s *sqlite.Stmt) { s.BindInt64(1, seq) },
			func(s *sqlite.Stmt) error {
				found = true
				prev, owner, of, first, last = s.ColumnInt64(0), s.ColumnInt64(1), s.ColumnInt64(2), s.ColumnInt64(3), s.ColumnInt64(4)
				return nil
			})
		switch {
		case err != nil:
			return nil, err
		case !found || owner != ch.key:
			return nil, ch.corrupt(expect, fmt.Errorf("the row history.seq=%d is missing or belongs to another instance", seq))
		case prev >= seq || seen != 0 && of > seen || of == seen && last != expect:
			return nil, ch.corrupt(expect, fmt.Errorf("the row history.seq=%d is out of order", seq))
		}
		if of < execution || of == execution && last <= after {
			break
		}
		if of == execution {
			if ch.last == 0 {
				ch.last = last
			}
			ch.seqs = append(ch.seqs, seq)
			if first == 1 {
				break // the one before may be pruned
			}
		}
		seen, expect, seq = of, first-1, prev
	}
	slices.Reverse(ch.seqs)
	return ch, nil
}

// corrupt names what is damaged and what to do about it.
func (ch *chain) corrupt(event int64, err error) error {
	return fmt.Errorf("sqlite: %w: the history of %s, execution %d, cannot be read at event %d: %w: restore the file from a backup, or purge the instance and start it anew; other instances are not affected",
		provider.ErrCorrupt, wire.Quote(ch.id), ch.execution, event, err)
}

// readChunk reads rows from the front of the chain until they hold chunkBytes,
// and returns them with the chain that is left. Rows that are gone because the
// instance was purged meanwhile, or the execution pruned, give
// provider.ErrNotFound.
func (ch *chain) readChunk(c *conn) (blobs [][]byte, err error) {
	size := 0
	for len(ch.seqs) > 0 && size < chunkBytes {
		found := false
		err := c.rows("SELECT events FROM history WHERE seq = ? AND instance = ?", func(s *sqlite.Stmt) {
			s.BindInt64(1, ch.seqs[0])
			s.BindInt64(2, ch.key)
		}, func(s *sqlite.Stmt) error {
			found = true
			blobs = append(blobs, columnBytes(s, 0))
			return nil
		})
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, fmt.Errorf("sqlite: %w: execution %d of %s was removed while its history was read", provider.ErrNotFound, ch.execution, wire.Quote(ch.id))
		}
		size += len(blobs[len(blobs)-1])
		ch.seqs = ch.seqs[1:]
	}
	return blobs, nil
}

// decode yields the events of a row above after. Next is the event expected
// first, 0 for any; it returns the one that must follow the row.
func (ch *chain) decode(blob []byte, next, after int64, yield func(history.Event, error) bool) (int64, bool) {
	for e, err := range wire.DecodeEvents(blob) {
		if err == nil && (e.Execution != ch.execution || next != 0 && e.ID != next) {
			err = fmt.Errorf("found event %d of execution %d", e.ID, e.Execution)
		}
		if err != nil {
			yield(history.Event{}, ch.corrupt(max(next, 1), err))
			return 0, false
		}
		next = e.ID + 1
		if e.ID > after && !yield(e, nil) {
			return 0, false
		}
	}
	return next, true
}

// History implements [provider.Store].
func (s *Store) History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		var ch *chain
		err := s.read(ctx, "reading a history", func(c *conn) (err error) {
			return c.snapshot(func() error {
				ch, err = findChain(c, id, execution, after)
				return err
			})
		})
		next := int64(0)
		for err == nil && len(ch.seqs) > 0 {
			var blobs [][]byte
			if err = s.read(ctx, "reading a history", func(c *conn) (err error) {
				blobs, err = ch.readChunk(c)
				return err
			}); err != nil {
				break
			}
			for _, blob := range blobs {
				var more bool
				if next, more = ch.decode(blob, next, after, yield); !more {
					return
				}
			}
		}
		if err == nil && next != 0 && next != ch.last+1 {
			err = ch.corrupt(next, fmt.Errorf("the last row ends with event %d, and should with %d", next-1, ch.last))
		}
		if err != nil {
			yield(history.Event{}, err)
		}
	}
}
