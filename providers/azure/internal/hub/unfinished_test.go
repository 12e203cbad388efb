package hub_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// removesOnePart lets the first transaction of a removal pass, and none after it, nor
// other requests of those clients. The channel is closed with the second.
func (s *sites) removesOnePart(silent ...string) <-chan bool {
	removals, held := 0, make(chan bool) // guarded by the account
	s.account.Decide(func(c simulated.Call) simulated.Fault {
		if slices.Contains(silent, c.Client) {
			return simulated.Fault{Kind: simulated.LostRequest}
		}
		removes := slices.ContainsFunc(c.Ops, func(o storage.Op) bool {
			return o.Verb == storage.Delete && row.KindOf(o.Row.Key) == row.KindHistory
		})
		if removes {
			removals++
		}
		if !removes || removals < 2 {
			return simulated.Fault{}
		}
		if removals == 2 {
			close(held)
		}
		return simulated.Fault{Kind: simulated.LostRequest}
	})
	return held
}

// TestAPurgeThatAStartWentOnWithPurgesNothingMore: its owner died when it had removed a
// part, and a client that starts the id anew removes the rest.
func TestAPurgeThatAStartWentOnWithPurgesNothingMore(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		run(s.bench, eternal, core.NewClient(owner.store, core.ClientConfig{}), rounds{Left: 200}, "a")
		held := s.removesOnePart()
		client, _ := s.open("client")
		other, _ := s.open("other")
		purged := make(chan error, 1)
		go func() { purged <- client.Purge(s.Context(), "a", true) }()
		<-held
		s.kill(owner)
		s.account.Decide(simulated.When(func(c simulated.Call) bool { return c.Client == "client" }, simulated.Fault{Kind: simulated.Busy}))
		if err := other.Send(s.Context(), story("a", "again", "")); err != nil {
			s.Fatal(err)
		}
		s.account.Decide(nil)
		if err := <-purged; err != nil && !errors.Is(err, provider.ErrUnknown) && !errors.Is(err, provider.ErrNotFound) {
			s.Errorf("the purge says %v", err)
		}
		<-time.After(time.Minute)
		if i, err := other.Instance(s.Context(), "a"); err != nil || i.Status.Final() {
			s.Errorf("what was started when the first was gone is %+v, %v", i, err)
		}
	})
}

// TestAnInstanceThatNeverWaitedIsStartedOnce: it continues as new at once, keeping no
// history, and its owner dies while it does. Its start is consumed by then: there are
// no rows by which the next owner could see that it ran.
func TestAnInstanceThatNeverWaitedIsStartedOnce(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		commits, held := 0, make(chan bool) // guarded by the account
		var once sync.Once
		s.account.Decide(func(c simulated.Call) simulated.Fault {
			if slices.ContainsFunc(c.Ops, func(o storage.Op) bool { return o.Row.Key == row.Work("a") }) {
				commits++
			}
			if commits < 3 || c.Client != "owner" {
				return simulated.Fault{}
			}
			once.Do(func() { close(held) })
			return simulated.Fault{Kind: simulated.LostRequest}
		})
		client, _ := s.open("client")
		h, err := eternal.Start(s.Context(), core.NewClient(client, core.ClientConfig{}), rounds{Left: 100, Keep: 1}, orchestration.StartOptions{ID: "a"})
		if err != nil {
			s.Fatal(err)
		}
		<-held
		if o, err := client.Outstanding(s.Context(), "a"); err != nil || len(o.Messages) > 0 {
			s.Errorf("it has run, and %+v wait for it, %v", o.Messages, err)
		}
		s.kill(owner)
		s.account.Decide(nil)
		s.host("heir", core.WorkerConfig{})
		ctx, stop := context.WithTimeout(s.Context(), time.Minute)
		defer stop()
		if _, err := h.Wait(ctx); err != nil {
			s.Error(err)
		}
		<-time.After(time.Second)
		if i, err := client.Instance(s.Context(), "a"); err != nil || !i.Status.Final() || i.Execution != 101 {
			s.Errorf("it is %+v, %v", i, err)
		}
	})
}

// TestAPurgeThatReadsWhenItsTimeIsUpHasDoneNothing: its client has borrowed the partition,
// and knows that it has sent nothing (P12).
func TestAPurgeThatReadsWhenItsTimeIsUpHasDoneNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		server := open("server")
		h := ended(t, server, history.StatusCompleted)
		if err := errors.Join(h.Leave(t.Context()), server.Close()); err != nil {
			t.Fatal(err)
		}
		client, claimed := open("client"), false // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			switch {
			case slices.ContainsFunc(c.Ops, func(o storage.Op) bool { return o.Row.Key == row.Head }):
				claimed = true
			case claimed && c.Kind == simulated.Get:
				return simulated.Fault{Kind: simulated.Slow, Delay: time.Minute}
			}
			return simulated.Fault{}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		if err := client.Purge(ctx, "x", false); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, provider.ErrUnknown) {
			t.Errorf("the purge says %v, want that its time is up", err)
		}
		account.Decide(nil)
		if i, err := client.Instance(t.Context(), "x"); err != nil {
			t.Errorf("the instance is %+v, %v", i, err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestAPurgeThatIsGoneOnWithKeepsTheAnswersOfOthers: who was refused before it began, and
// has not read that yet, is told all the same.
func TestAPurgeThatIsGoneOnWithKeepsTheAnswersOfOthers(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		begin(s, owner, eternal, rounds{Left: 1_000_000, Steps: 1}, "a")
		client, _ := s.open("client")
		posted := false // guarded by the account
		s.account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Client == "client" && posted && c.Kind == simulated.Get {
				return simulated.Fault{Kind: simulated.LostRequest}
			}
			posted = posted || c.Client == "client" && c.Kind == simulated.Transact
			return simulated.Fault{}
		})
		refused := make(chan error, 1)
		go func() { refused <- client.Purge(s.Context(), "a", false) }()
		<-time.After(10 * time.Second) // its answer is there
		held := s.removesOnePart("client")
		go func() { _ = owner.store.Purge(s.Context(), "a", true) }()
		<-held
		s.kill(owner)
		s.account.Decide(simulated.When(func(c simulated.Call) bool { return c.Client == "client" }, simulated.Fault{Kind: simulated.LostRequest}))
		s.host("heir", core.WorkerConfig{})
		<-time.After(time.Minute)
		s.account.Decide(nil)
		if err := <-refused; !errors.Is(err, provider.ErrConflict) {
			s.Errorf("who wanted to purge what was running is told %v, want that it was running", err)
		}
		if _, err := client.Instance(s.Context(), "a"); !errors.Is(err, provider.ErrNotFound) {
			s.Errorf("what was purged: %v", err)
		}
	})
}
