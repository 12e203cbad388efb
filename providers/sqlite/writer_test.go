package sqlite

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// hold stops the writer until the returned function is called.
func hold(t testing.TB, s *Store) (release func()) {
	t.Helper()
	held, free, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- s.writer.on(func() {
			close(held)
			<-free
		})
	}()
	<-held
	return sync.OnceFunc(func() {
		close(free)
		must(t, <-done)
	})
}

// queued waits until that many requests are in the writer's queue.
func queued(s *Store, n int) {
	for {
		s.writer.queue.Lock()
		waiting := len(s.writer.queue.requests)
		s.writer.queue.Unlock()
		if waiting >= n {
			return
		}
		runtime.Gosched()
	}
}

func turnsOf(t testing.TB, h *host, n int) []*provider.Turn {
	t.Helper()
	turns := make([]*provider.Turn, n)
	for i := range turns {
		var err error
		turns[i], err = h.NextTurn(soon(t))
		must(t, err)
	}
	return turns
}

// TestWhatWaitsSharesATransaction is group commit, counted: while the writer is
// busy a hundred turns and a hundred messages gather.
func TestWhatWaitsSharesATransaction(t *testing.T) {
	const n = 100
	s := open(t)
	h := join(t, s)
	for i := range n {
		must(t, s.Send(soon(t), startMessage(history.InstanceID(fmt.Sprint("i", i)))))
	}
	turns := turnsOf(t, h, n)
	release := hold(t, s)
	before := s.Stats()
	var all sync.WaitGroup
	for i, turn := range turns {
		all.Go(func() {
			c := takeIn(turn)
			c.schedule()
			if err := h.CommitTurn(soon(t), turn, &c.Commit); err != nil {
				t.Error(err)
			}
		})
		all.Go(func() {
			if err := s.Send(soon(t), eventMessage(turn.Instance.ID, fmt.Sprint("e", i))); err != nil {
				t.Error(err)
			}
		})
	}
	queued(s, 2*n)
	release()
	all.Wait()
	after := s.Stats()
	if got := after.Transactions - before.Transactions; got != 1 {
		t.Errorf("%d commits and %d messages took %d transactions, want 1", n, n, got)
	}
	if got := after.Turns - before.Turns; got != n {
		t.Errorf("%d turns were counted, want %d", got, n)
	}
}

// TestAnIdleWorkerCommitsNothing: it looks whether other processes changed the file.
func TestAnIdleWorkerCommitsNothing(t *testing.T) {
	s := open(t)
	join(t, s)
	before := s.Stats().Transactions
	<-time.After(3 * pollEvery) // two looks at least
	if got := s.Stats().Transactions - before; got != 0 {
		t.Errorf("it committed %d times, want never", got)
	}
}

// TestATurnTakesTwoStatements keeps what a turn costs: one row updated, one
// inserted, besides the transaction itself (begin, notices, commit).
func TestATurnTakesTwoStatements(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("a")))
	for step := range 3 {
		turn, err := h.NextTurn(soon(t))
		must(t, err)
		c := takeIn(turn)
		c.schedule()
		c.Again = true
		before := s.Stats()
		must(t, h.CommitTurn(soon(t), turn, &c.Commit))
		after := s.Stats()
		if got := after.Statements - before.Statements; got != 5 {
			t.Errorf("turn %d took %d statements, want 5", step, got)
		}
		if after.Reads != before.Reads {
			t.Errorf("turn %d read from the file", step)
		}
	}
}

func TestAStartTakesOneStatement(t *testing.T) {
	s := open(t)
	join(t, s)
	before := s.Stats()
	must(t, s.Send(soon(t), startMessage("a")))
	if got := s.Stats().Statements - before.Statements; got != 4 {
		t.Errorf("a start took %d statements with its transaction, want 4", got)
	}
}

// TestABadRequestNeverFailsItsNeighbours has one in the middle of a batch fail
// for a reason that rolls everything back.
func TestABadRequestNeverFailsItsNeighbours(t *testing.T) {
	s := open(t)
	release := hold(t, s)
	errs := make([]error, 3)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			if i == 1 {
				errs[i] = s.write(soon(t), &request{op: "failing", write: func(c *conn) error {
					if err := c.run("DELETE FROM instances", nil); err != nil {
						return err
					}
					return sqlite.ResultTooBig.ToError()
				}})
				return
			}
			errs[i] = s.Send(soon(t), startMessage(history.InstanceID(fmt.Sprint("i", i))))
		})
		queued(s, i+1)
	}
	release()
	all.Wait()
	if errs[0] != nil || errs[2] != nil {
		t.Errorf("the neighbours of a bad request got %v and %v", errs[0], errs[2])
	}
	if !errors.Is(errs[1], provider.ErrInvalid) {
		t.Errorf("the bad request got %v", errs[1])
	}
	for _, id := range []history.InstanceID{"i0", "i2"} {
		if _, err := s.Instance(soon(t), id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestARefusedRequestSharesATransactionWithOthers(t *testing.T) {
	s := open(t)
	must(t, s.Send(soon(t), startMessage("taken")))
	release := hold(t, s)
	before := s.Stats()
	errs := make([]error, 3)
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			m := startMessage(history.InstanceID(fmt.Sprint("i", i)))
			if i == 1 {
				m.To = "taken"
			}
			errs[i] = s.Send(soon(t), m)
		})
		queued(s, i+1)
	}
	release()
	all.Wait()
	if errs[0] != nil || errs[2] != nil || !errors.Is(errs[1], provider.ErrExists) {
		t.Errorf("got %v", errs)
	}
	if got := s.Stats().Transactions - before.Transactions; got != 1 {
		t.Errorf("took %d transactions, want 1", got)
	}
}

func TestARequestThatIsWithdrawnLeavesNothing(t *testing.T) {
	s := open(t)
	release := hold(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Send(ctx, startMessage("a")) }()
	queued(s, 1)
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, provider.ErrUnknown) {
		t.Errorf("a withdrawn message got %v, want that nothing was applied", err)
	}
	release()
	must(t, s.Send(soon(t), startMessage("b")))
	if _, err := s.Instance(soon(t), "a"); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("the instance of a withdrawn start: %v", err)
	}
}

func TestWritesAfterCloseAreRefused(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("a")))
	turn, err := h.NextTurn(soon(t))
	must(t, err)
	must(t, s.Close())
	if err := s.Send(soon(t), startMessage("b")); !errors.Is(err, provider.ErrClosed) {
		t.Errorf("sending: %v", err)
	}
	c := takeIn(turn)
	if err := h.CommitTurn(soon(t), turn, &c.Commit); !errors.Is(err, provider.ErrLockLost) && !errors.Is(err, provider.ErrClosed) {
		t.Errorf("committing: %v", err)
	}
	if _, err := s.Instance(soon(t), "a"); !errors.Is(err, provider.ErrClosed) {
		t.Errorf("reading: %v", err)
	}
	if _, err := s.Wait(soon(t), "a", provider.Until{}); !errors.Is(err, provider.ErrClosed) {
		t.Errorf("waiting: %v", err)
	}
	if _, err := s.Join(soon(t), provider.HostInfo{}); !errors.Is(err, provider.ErrClosed) {
		t.Errorf("joining: %v", err)
	}
}

// TestAFullDiskDelaysAndLosesNothing limits the size of the file.
func TestAFullDiskDelaysAndLosesNothing(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("a")))
	limit := func(pages string) {
		must(t, s.writer.on(func() {
			if err := s.writer.conn.script("PRAGMA max_page_count = " + pages); err != nil {
				t.Error(err)
			}
		}))
	}
	limit("1") // as many as there are
	full := func() error {
		turn, err := h.NextTurn(soon(t))
		must(t, err)
		c := takeIn(turn)
		c.add(&history.ValueRecorded{Value: history.Payload(`"` + strings.Repeat("x", 40_000) + `"`)})
		err = h.CommitTurn(soon(t), turn, &c.Commit)
		if err != nil {
			must(t, h.ReleaseTurn(soon(t), turn, provider.Release{}))
		}
		return err
	}
	for range 3 {
		err := full()
		if !errors.Is(err, provider.ErrUnavailable) || errors.Is(err, provider.ErrUnknown) {
			t.Fatalf("committing to a full disk: %v, want %v", err, provider.ErrUnavailable)
		}
		if provider.RetryAfter(err, 0) == 0 {
			t.Errorf("%v does not say when to come back", err)
		}
	}
	if i, err := s.Instance(soon(t), "a"); err != nil || i.Status != history.StatusPending {
		t.Errorf("reading while the disk is full: %+v, %v", i, err)
	}
	limit("1000000")
	must(t, full())
	if i, err := s.Instance(soon(t), "a"); err != nil || i.LastEvent != 2 {
		t.Errorf("after there was room again: %+v, %v", i, err)
	}
}
