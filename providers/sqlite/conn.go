package sqlite

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

const (
	// busyTimeout is how long a statement waits for another process's write
	// transaction. They last milliseconds; one that lasts longer is an operator
	// with a shell, and callers are told to come back later.
	busyTimeout = 5 * time.Second

	// checkpointPages is the size, in pages of 4 KiB, from which the write-ahead
	// log is copied into the database: 16 MiB. A hot page is then copied once
	// for many commits that changed it, and the pause stays in the tens of
	// milliseconds.
	checkpointPages = 4096

	// walKeepBytes is what the log's file may keep of its size after a burst.
	walKeepBytes = 64 << 20

	// Page caches, in KiB. The writer's holds the pages that a burst of
	// instances changes again and again.
	writerCacheKiB = 16 << 10
	readerCacheKiB = 2 << 10
)

// conn is a connection with its counters. Like the driver's, it serves one
// goroutine at a time.
type conn struct {
	*sqlite.Conn
	counters *counters
}

type counters struct {
	transactions, statements, turns, requests, reads atomic.Int64
}

// openConn opens a connection without changing the file.
func openConn(path string, flags sqlite.OpenFlags, n *counters) (*conn, error) {
	c, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return nil, err
	}
	c.SetBusyTimeout(busyTimeout)
	return &conn{Conn: c, counters: n}, nil
}

// script runs statements that are not worth preparing.
func (c *conn) script(sql string) error {
	for sql = strings.TrimSpace(sql); sql != ""; {
		s, rest, err := c.PrepareTransient(sql)
		if err != nil {
			return err
		}
		for more := true; more && err == nil; {
			more, err = s.Step()
		}
		if err := errors.Join(err, s.Finalize()); err != nil {
			return err
		}
		sql = strings.TrimSpace(sql[len(sql)-rest:])
	}
	return nil
}

// run executes a prepared statement that returns no rows.
func (c *conn) run(sql string, bind func(*sqlite.Stmt)) error {
	s, err := c.Prepare(sql)
	if err != nil {
		return err
	}
	if bind != nil {
		bind(s)
	}
	c.counters.statements.Add(1)
	_, err = s.Step()
	return err
}

// rows executes a prepared query and calls each for every row, until it
// returns an error.
func (c *conn) rows(sql string, bind func(*sqlite.Stmt), each func(*sqlite.Stmt) error) error {
	s, err := c.Prepare(sql)
	if err != nil {
		return err
	}
	if bind != nil {
		bind(s)
	}
	c.counters.statements.Add(1)
	for {
		more, err := s.Step()
		if err != nil || !more {
			return err
		}
		if err := each(s); err != nil {
			_ = s.Reset() // it repeats the error of Step, and there was none
			return err
		}
	}
}

// int64 is the single value of a query, 0 if it has none.
func (c *conn) int64(sql string) (n int64, err error) {
	err = c.rows(sql, nil, func(s *sqlite.Stmt) error {
		n = s.ColumnInt64(0)
		return nil
	})
	return n, err
}

// columnBytes copies a column. NULL gives nil.
func columnBytes(s *sqlite.Stmt, col int) []byte {
	if s.ColumnIsNull(col) {
		return nil
	}
	b := make([]byte, s.ColumnLen(col))
	s.ColumnBytes(col, b)
	return b
}

// bindBytes binds nil as NULL.
func bindBytes(s *sqlite.Stmt, param int, b []byte) {
	if b == nil {
		s.BindNull(param)
		return
	}
	s.BindBytes(param, b)
}

// bindText binds "" as NULL.
func bindText(s *sqlite.Stmt, param int, text string) {
	if text == "" {
		s.BindNull(param)
		return
	}
	s.BindText(param, text)
}

// bindTime binds the zero time as 0.
func bindTime(s *sqlite.Stmt, param int, t time.Time) { s.BindInt64(param, wire.Nanos(t)) }

// pragmas configures a connection that serves the store.
func (c *conn) pragmas(cacheKiB int, synchronous Synchronous) error {
	var b strings.Builder
	fmt.Fprintf(&b, "PRAGMA cache_size = -%d; ", cacheKiB)
	fmt.Fprintf(&b, "PRAGMA synchronous = %s; ", synchronous)
	fmt.Fprintf(&b, "PRAGMA wal_autocheckpoint = %d; ", checkpointPages)
	fmt.Fprintf(&b, "PRAGMA journal_size_limit = %d; ", walKeepBytes)
	b.WriteString("PRAGMA temp_store = memory; PRAGMA foreign_keys = off;")
	return c.script(b.String())
}
