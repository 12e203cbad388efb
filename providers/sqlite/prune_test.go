package sqlite

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// again continues as new.
func (c *turn) again() {
	c.add(&history.ContinuedAsNew{})
	c.NewExecution = true
	c.execution, c.last = c.execution+1, 0
	c.add(&history.ExecutionStarted{Name: "story", Seed: seed})
	c.Again = true
}

// loop runs turns of an instance of which each continues as new as often as
// told, and keeps so many executions.
func loop(t testing.TB, h *host, id history.InstanceID, turns, generations, keep int) {
	t.Helper()
	for range turns {
		next(t, h, id, func(c *turn) {
			for range generations {
				c.add(&history.Patched{ID: "p"})
				c.again()
			}
			if keep > 0 {
				c.PruneThrough = max(0, c.execution-int64(keep))
			}
		})
	}
}

// rowsOf counts the rows of histories of an instance.
func rowsOf(t testing.TB, s *Store, id history.InstanceID) (n int64) {
	t.Helper()
	must(t, raw(t, s.Path()).rows(fmt.Sprintf("SELECT count(*) FROM history WHERE instance = (SELECT key FROM instances WHERE id = '%s')", id), nil, func(s *sqlite.Stmt) error {
		n = s.ColumnInt64(0)
		return nil
	}))
	return n
}

func TestAnEternalLoopLeavesBoundedRows(t *testing.T) {
	for keep, generations := range map[int]int{1: 10_000, 5: 1_000} {
		if testing.Short() {
			generations = 500
		}
		s := open(t)
		h := join(t, s)
		must(t, s.Send(soon(t), startMessage("loop")))
		loop(t, h, "loop", generations, 1, keep)
		if n := rowsOf(t, s, "loop"); n > int64(2*keep) { // two turns a generation
			t.Errorf("keeping %d of %d executions leaves %d rows", keep, generations, n)
		}
		must(t, s.Purge(soon(t), "loop", true))
		if n, err := raw(t, s.Path()).int64("SELECT count(*) FROM history"); n != 0 || err != nil {
			t.Errorf("after the purge there are %d rows (%v)", n, err)
		}
	}
}

// An instance that begins to prune when it is old has a lot to remove: it goes
// with several commits, from the old end, and what is left is found by a purge.
func TestALongPastIsRemovedLittleByLittle(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("loop")))
	loop(t, h, "loop", 3*maxPruned, 1, 0)
	before := rowsOf(t, s, "loop")
	loop(t, h, "loop", 1, 1, 1)
	if n := rowsOf(t, s, "loop"); n < before/2 || n >= before {
		t.Errorf("the first commit that prunes leaves %d rows of %d", n, before)
	}
	for n := range int64(3 * maxPruned) {
		if err := readExecution(t, s, "loop", 1+n); !errors.Is(err, provider.ErrNotFound) {
			t.Fatalf("reading execution %d: %v", 1+n, err)
		}
	}
	must(t, readAll(t, s, "loop"))
	loop(t, h, "loop", 1, 9, 1) // skips executions that never get a row
	loop(t, h, "loop", 1, 9, 3)
	must(t, readAll(t, s, "loop"))
	path := s.Path()
	must(t, h.Leave(soon(t)))
	must(t, s.Close())
	s = openAt(t, path, Config{})
	h = join(t, s)
	loop(t, h, "loop", 2, 1, 3)
	if n := rowsOf(t, s, "loop"); n > 8 {
		t.Errorf("%d rows are left", n)
	}
	must(t, readAll(t, s, "loop"))

	must(t, s.Send(soon(t), startMessage("other")))
	must(t, s.Purge(soon(t), "loop", true)) // its next turn goes with it
	loop(t, h, "other", 3*maxPruned, 1, 0)
	loop(t, h, "other", 1, 1, 1)
	must(t, s.Purge(soon(t), "other", true))
	if n, err := raw(t, path).int64("SELECT count(*) FROM history"); n != 0 || err != nil {
		t.Errorf("after the purges there are %d rows (%v)", n, err)
	}
}

func readExecution(t testing.TB, s *Store, id history.InstanceID, execution int64) error {
	for _, err := range s.History(soon(t), id, execution, 0) {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestAFileOfTheFirstSchemaIsReadAndPruned(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	s := openAt(t, path, Config{})
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("loop")))
	loop(t, h, "loop", 5, 1, 0)
	must(t, h.Leave(soon(t)))
	must(t, s.Close())
	script(t, path, "ALTER TABLE instances DROP COLUMN pruned; PRAGMA user_version = 1;")

	s = openAt(t, path, Config{})
	i, err := s.Instance(soon(t), "loop")
	must(t, err)
	if i.Execution != 6 || i.Pruned != 0 {
		t.Errorf("the instance is %+v", i)
	}
	for n := range int64(6) {
		must(t, readExecution(t, s, "loop", 1+n))
	}
	loop(t, join(t, s), "loop", 1, 1, 2)
	if n := rowsOf(t, s, "loop"); n > 4 {
		t.Errorf("%d rows are left", n)
	}
}
