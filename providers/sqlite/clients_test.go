package sqlite

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// client opens one more store on the hub, as another process would. A deaf one
// cannot reach the worker's socket: it writes by itself, and polls.
func client(t testing.TB, s *Store, deaf bool) *Store {
	t.Helper()
	c := openAt(t, s.Path(), Config{})
	if deaf {
		c.remote.close()
	}
	return c
}

// everyWay runs a test with clients that reach the worker and with deaf ones.
func everyWay(t *testing.T, f func(t *testing.T, deaf bool)) {
	for name, deaf := range map[string]bool{"through the socket": false, "through the file alone": true} {
		t.Run(name, func(t *testing.T) { f(t, deaf) })
	}
}

func TestClientsReachTheWorker(t *testing.T) {
	everyWay(t, func(t *testing.T, deaf bool) {
		s := open(t)
		h := join(t, s)
		c := client(t, s, deaf)
		must(t, c.Send(soon(t), startMessage("a")))
		must(t, c.Send(soon(t), startMessage("a"))) // the same once more
		next(t, h, "a", nil)
		must(t, c.Send(soon(t), eventMessage("a", "e")))
		next(t, h, "a", func(c *turn) { c.schedule() })
		must(t, c.Send(soon(t), eventMessage("a", "e"))) // it was consumed
		if n := h.broker.Stats().Messages; n != 0 {
			t.Errorf("%d messages wait, want none", n)
		}
		if n := s.Stats().Requests; deaf != (n < 4) {
			t.Errorf("the worker wrote %d requests, with a deaf client %t", n, deaf)
		}
	})
}

func TestClientsLearnThatTheIDIsTaken(t *testing.T) {
	everyWay(t, func(t *testing.T, deaf bool) {
		s := open(t)
		join(t, s)
		c := client(t, s, deaf)
		must(t, c.Send(soon(t), startMessage("a")))
		m := startMessage("a")
		m.ID, m.Start.RequestID = "another", "another"
		err := c.Send(soon(t), m)
		if !errors.Is(err, provider.ErrExists) || !strings.Contains(err.Error(), `"a"`) {
			t.Errorf("starting it again: %v, want %v that names the instance", err, provider.ErrExists)
		}
	})
}

func TestClientsAreWokenByWhatTheyWaitFor(t *testing.T) {
	everyWay(t, func(t *testing.T, deaf bool) {
		s := open(t)
		h := join(t, s)
		c := client(t, s, deaf)
		must(t, c.Send(soon(t), startMessage("a")))
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				i, err := c.Wait(soon(t), "a", provider.Until{Final: true})
				if err != nil || i.Status != history.StatusCompleted {
					t.Errorf("waiting ended with %+v, %v", i, err)
				}
			})
		}
		next(t, h, "a", func(c *turn) { c.finish() })
		all.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		must(t, c.Send(soon(t), startMessage("b")))
		if _, err := c.Wait(ctx, "b", provider.Until{Final: true}); !errors.Is(err, context.Canceled) {
			t.Errorf("waiting no longer: %v", err)
		}
	})
}

// TestAStartComesBeforeWhatWaitedForIt also where the worker learns of both at
// once, and a caller waits for a turn.
func TestAStartComesBeforeWhatWaitedForIt(t *testing.T) {
	s := open(t)
	h := join(t, s)
	c := client(t, s, true)
	release := hold(t, s)
	must(t, c.Send(soon(t), eventMessage("a", "early")))
	must(t, c.Send(soon(t), startMessage("a")))
	first := make(chan *provider.Turn)
	go func() {
		turn, err := h.NextTurn(soon(t))
		if err != nil {
			t.Error(err)
		}
		first <- turn
	}()
	release()
	if turn := <-first; turn != nil && turn.Messages[0].Start == nil {
		t.Errorf("the first turn has the messages %+v, want the start before all", turn.Messages)
	}
}

func TestAPurgeByAnotherProcessTakesTheLock(t *testing.T) {
	everyWay(t, func(t *testing.T, deaf bool) {
		s := open(t)
		h := join(t, s)
		c := client(t, s, deaf)
		must(t, s.Send(soon(t), startMessage("a")))
		turn, err := h.NextTurn(soon(t))
		must(t, err)
		must(t, c.Purge(soon(t), "a", true))
		commit := takeIn(turn)
		if err := h.CommitTurn(soon(t), turn, &commit.Commit); !errors.Is(err, provider.ErrLockLost) {
			t.Errorf("committing a turn of a purged instance: %v, want %v", err, provider.ErrLockLost)
		}
		if _, err := s.Instance(soon(t), "a"); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("the purged instance: %v", err)
		}
		if stats := h.broker.Stats(); stats.Instances != 0 {
			t.Errorf("the broker still knows %+v", stats)
		}
	})
}

func TestAReplacementByAnotherProcessTakesTheLock(t *testing.T) {
	everyWay(t, func(t *testing.T, deaf bool) {
		s := open(t)
		h := join(t, s)
		c := client(t, s, deaf)
		must(t, s.Send(soon(t), startMessage("a")))
		must(t, s.Send(soon(t), eventMessage("a", "for the old one")))
		turn, err := h.NextTurn(soon(t))
		must(t, err)
		m := startMessage("a")
		m.ID, m.Start.RequestID, m.Start.Reuse = "another", "another", provider.ReuseReplace
		must(t, c.Send(soon(t), m))
		commit := takeIn(turn)
		if err := h.CommitTurn(soon(t), turn, &commit.Commit); !errors.Is(err, provider.ErrLockLost) {
			t.Errorf("committing a turn of a replaced instance: %v, want %v", err, provider.ErrLockLost)
		}
		fresh, err := h.NextTurn(soon(t))
		must(t, err)
		if fresh.Instance.RequestID != "another" || len(fresh.Messages) != 1 {
			t.Errorf("the next turn is of %+v with %d messages", fresh.Instance, len(fresh.Messages))
		}
	})
}

// TestAWorkerThatCannotTakeNoteTriesAgain: somebody else has the file locked when
// it finds that a client wrote.
func TestAWorkerThatCannotTakeNoteTriesAgain(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("a")))
	next(t, h, "a", nil)
	must(t, s.writer.on(func() { s.writer.conn.SetBusyTimeout(0) }))
	release := hold(t, s)
	must(t, client(t, s, true).Send(soon(t), eventMessage("a", "news")))
	other := raw(t, s.Path())
	must(t, other.run("BEGIN IMMEDIATE", nil))
	release()
	<-time.After(3 * pollEvery) // two looks at least
	must(t, other.run("ROLLBACK", nil))
	next(t, h, "a", nil)
}

// TestWhatClientsSendWhileThereIsNoWorkerWaits and leaves no notices.
func TestWhatClientsSendWhileThereIsNoWorkerWaits(t *testing.T) {
	s := open(t)
	must(t, s.Send(soon(t), startMessage("a")))
	must(t, s.Send(soon(t), eventMessage("a", "e")))
	if n, err := raw(t, s.Path()).int64("SELECT count(*) FROM notices"); n != 0 || err != nil {
		t.Errorf("%d notices for nobody (%v)", n, err)
	}
	h := join(t, openAt(t, s.Path(), Config{}))
	turn, err := h.NextTurn(soon(t))
	must(t, err)
	if len(turn.Messages) != 2 {
		t.Errorf("%d messages, want the start and the event", len(turn.Messages))
	}
}

// TestClientsOutliveWorkers keeps one client through three of them.
func TestClientsOutliveWorkers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hub.db")
	c := openAt(t, path, Config{})
	for round := range 3 {
		s := openAt(t, path, Config{})
		h := join(t, s)
		id := history.InstanceID(fmt.Sprint("i", round))
		must(t, c.Send(soon(t), startMessage(id)))
		next(t, h, id, func(c *turn) { c.finish() })
		if _, err := c.Wait(soon(t), id, provider.Until{Final: true}); err != nil {
			t.Error(err)
		}
		must(t, s.Close())
	}
}

// TestManyClientsShareTheWorkersTransactions is group commit across processes:
// what clients send while the worker is busy is one transaction.
func TestManyClientsShareTheWorkersTransactions(t *testing.T) {
	const clients = 8
	s := open(t)
	join(t, s)
	all := make([]*Store, clients)
	for i := range all {
		all[i] = client(t, s, false)
	}
	release := hold(t, s)
	before := s.Stats().Transactions
	var sending sync.WaitGroup
	for i, c := range all {
		sending.Go(func() {
			if err := c.Send(soon(t), startMessage(history.InstanceID(fmt.Sprint("i", i)))); err != nil {
				t.Error(err)
			}
		})
	}
	queued(s, clients)
	release()
	sending.Wait()
	if got := s.Stats().Transactions - before; got != 1 {
		t.Errorf("took %d transactions, want 1", got)
	}
}

func TestALongPathHasItsSocketElsewhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	must(t, os.Mkdir(dir, 0o700))
	s := openAt(t, filepath.Join(dir, "hub.db"), Config{})
	h := join(t, s)
	if h.bell.address == "" || strings.HasPrefix(h.bell.address, dir) {
		t.Fatalf("the socket is at %q", h.bell.address)
	}
	c := client(t, s, false)
	before := c.Stats().Transactions
	must(t, c.Send(soon(t), startMessage("a")))
	if got := c.Stats().Transactions - before; got != 0 {
		t.Errorf("the client wrote %d transactions itself", got)
	}
	must(t, h.Leave(context.Background()))
	if _, err := os.Stat(h.bell.address); !os.IsNotExist(err) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// stumbling is a listener that fails at first.
type stumbling struct {
	net.Listener
	failed atomic.Bool
}

func (l *stumbling) Accept() (net.Conn, error) {
	if l.failed.CompareAndSwap(false, true) {
		return nil, syscall.EMFILE
	}
	return l.Listener.Accept()
}

func TestAWorkerThatCannotLetAClientInTriesAgain(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, h.bell.close())
	h.bell = newBell(h)
	h.bell.listener = &stumbling{Listener: h.bell.listener}
	h.bell.serve()
	c := client(t, s, false)
	must(t, c.Send(soon(t), startMessage("a")))
	if got := c.Stats().Transactions; got != 0 {
		t.Errorf("the client wrote %d transactions itself", got)
	}
}

// TestNonsenseOnTheSocketEndsThatConversationOnly is about whoever finds it.
func TestNonsenseOnTheSocketEndsThatConversationOnly(t *testing.T) {
	s := open(t)
	h := join(t, s)
	conn, err := dialBell(soon(t), h.bell.address)
	must(t, err)
	if _, err := conn.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("the worker answered")
	}
	must(t, conn.Close())
	c := client(t, s, false)
	must(t, c.Send(soon(t), startMessage("a")))
	next(t, h, "a", nil)
}
