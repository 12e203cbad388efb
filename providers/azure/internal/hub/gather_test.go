package hub_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// crowd opens a hub of one partition, where a request takes 10 ms, calls f and
// returns how many transactions the partition had.
func crowd(t *testing.T, f func(t *testing.T, s *hub.Store, account *simulated.Account)) int {
	t.Helper()
	transactions := 0
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(10 * time.Millisecond), Observe: func(a simulated.Applied) {
			if a.Call.Kind == simulated.Transact {
				transactions++
			}
		}})
		defer account.Close()
		s, err := hub.Open(t.Context(), account.Client("client"), hub.Config{Name: "hub", Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		transactions = 0
		f(t, s, account)
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return transactions
}

// atOnce calls f a number of times at once.
func atOnce(n int, f func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { f(i) })
	}
	all.Wait()
}

func pending(t *testing.T, s *hub.Store, id history.InstanceID) {
	t.Helper()
	if i, err := s.Instance(t.Context(), id); err != nil || i.Status != history.StatusPending {
		t.Errorf("%s is %+v, %v", id, i, err)
	}
}

func TestStartsAtOnceShareTransactions(t *testing.T) {
	const n = 100
	got := crowd(t, func(t *testing.T, s *hub.Store, _ *simulated.Account) {
		atOnce(n, func(i int) {
			if err := s.Send(t.Context(), story(history.InstanceID(fmt.Sprint("order-", i)), fmt.Sprint(i), "")); err != nil {
				t.Error(err)
			}
		})
		for i := range n {
			pending(t, s, history.InstanceID(fmt.Sprint("order-", i)))
		}
	})
	// One goes alone; the others are three rows each, and 33 in a transaction.
	if got > 5 {
		t.Errorf("%d starts took %d transactions", n, got)
	}
}

func TestAStartThatIsRejectedHarmsNoOther(t *testing.T) {
	crowd(t, func(t *testing.T, s *hub.Store, _ *simulated.Account) {
		for _, id := range []history.InstanceID{"taken-3", "taken-7"} {
			if err := s.Send(t.Context(), story(id, "first", "")); err != nil {
				t.Fatal(err)
			}
		}
		atOnce(10, func(i int) {
			id := history.InstanceID(fmt.Sprint("taken-", i))
			err := s.Send(t.Context(), story(id, "second", ""))
			if taken := i == 3 || i == 7; taken != errors.Is(err, provider.ErrExists) || !taken && err != nil {
				t.Errorf("starting %s: %v", id, err)
			}
			pending(t, s, id)
		})
	})
}

func TestOfManyStartsOfOneIDOneWins(t *testing.T) {
	crowd(t, func(t *testing.T, s *hub.Store, _ *simulated.Account) {
		var mu sync.Mutex
		won := 0
		atOnce(20, func(i int) {
			err := s.Send(t.Context(), story("order", fmt.Sprint(i), ""))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err == nil:
				won++
			case !errors.Is(err, provider.ErrExists):
				t.Error(err)
			}
		})
		if won != 1 {
			t.Errorf("%d starts of one id won", won)
		}
	})
}

// What gives up before it was sent has not happened, and what was under way is
// unknown.
func TestAStartThatGivesUpSaysWhatItKnows(t *testing.T) {
	crowd(t, func(t *testing.T, s *hub.Store, account *simulated.Account) {
		account.Decide(simulated.Nth(1, func(c simulated.Call) bool { return c.Kind == simulated.Transact }, simulated.Fault{Kind: simulated.Slow, Delay: 100 * time.Millisecond}))
		first := make(chan error)
		go func() { first <- s.Send(t.Context(), story("first", "1", "")) }()
		<-time.After(time.Millisecond)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := s.Send(ctx, story("second", "2", "")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, provider.ErrUnknown) {
			t.Errorf("what was not sent ended with %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 65*time.Millisecond)
		defer cancel()
		if err := s.Send(ctx, story("third", "3", "")); !errors.Is(err, provider.ErrUnknown) {
			t.Errorf("what was under way ended with %v", err)
		}
		if err := <-first; err != nil {
			t.Error(err)
		}
		<-time.After(time.Second)
		pending(t, s, "third")
		if _, err := s.Instance(t.Context(), "second"); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("what was not sent: %v", err)
		}
	})
}
