package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// What the contract leaves open, and the models found.

// turnOf takes the next turn, which must be of the instance.
func turnOf(t *testing.T, h provider.Host, id history.InstanceID) *provider.Turn {
	t.Helper()
	turn, err := h.NextTurn(t.Context())
	if err != nil || turn.Instance.ID != id {
		t.Fatalf("the turn is of %v, %v; want %s", turn, err, id)
	}
	return turn
}

func story(id history.InstanceID, message, request string) provider.Message {
	return provider.Message{
		ID: message, To: id, Start: &provider.Start{Name: "story", RequestID: request},
		Data: &history.ExecutionStarted{Name: "story"},
	}
}

func ends(turn *provider.Turn, sends ...provider.Message) *provider.Commit {
	return &provider.Commit{
		Consumed: len(turn.Messages), NewExecution: true, Status: history.StatusCompleted, Name: "story",
		Events: []history.Event{{Execution: 1, ID: 1, Data: turn.Messages[0].Data}}, Send: sends,
	}
}

// A start that is sent again after its instance was replaced succeeds, and replaces
// nothing, whatever its policy: its sender did not learn that it had been applied.
func TestAStartThatComesAgainAfterItWasReplacedReplacesNothing(t *testing.T) {
	s := (&lab{partitions: 1}).open(t, nil)
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	replacing := func(message, request string) provider.Message {
		m := story("one", message, request)
		m.Start.Reuse = provider.ReuseReplace
		return m
	}
	plain, first, second, third := story("one", "0", "z"), replacing("1", "a"), replacing("2", ""), replacing("3", "c")
	for _, m := range []provider.Message{plain, first, second, third, first, second, plain} {
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	turn := turnOf(t, h, "one")
	if len(turn.Messages) != 1 || turn.Messages[0].ID != third.ID || turn.Instance.RequestID != "c" {
		t.Errorf("the turn is of request %q, with %d messages; want that of the last one alone", turn.Instance.RequestID, len(turn.Messages))
	}
	if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
}

func TestAStartWithoutARequestDoesNotRunAgainAfterItsPurge(t *testing.T) {
	l := &lab{partitions: 1}
	s := l.open(t, nil)
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	m := story("order", "1", "")
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	turn := turnOf(t, h, "order")
	if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), "order", false); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), m); err != nil { // a copy that comes late
		t.Fatal(err)
	}
	if i, err := s.Instance(t.Context(), "order"); err == nil {
		t.Errorf("a late copy of its start made %+v", i)
	}
	if err := s.Send(t.Context(), story("order", "2", "")); err != nil { // another start does
		t.Fatal(err)
	}
	turnOf(t, h, "order")
	if err := h.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	l.done(t)
}

// cannotBeRemoved lets no removal of the instance a find out what there is to remove.
var cannotBeRemoved = simulated.When(func(c simulated.Call) bool {
	return c.Kind == simulated.Scan && c.Range.From == row.InboxOf("a").From
}, simulated.Fault{Kind: simulated.Busy})

// TestAPurgeThatIsHeldUpGoesOnToItsEnd: when it begins, what was in memory of the
// instance is gone, and nobody would run it any more.
func TestAPurgeThatIsHeldUpGoesOnToItsEnd(t *testing.T) {
	for name, patience := range map[string]time.Duration{"patient": time.Hour, "impatient": time.Second} {
		t.Run(name, func(t *testing.T) {
			apart(t, 1, func(s *sites) {
				owner := s.host("owner", core.WorkerConfig{})
				begin(s, owner, longOne, time.Minute, "a")
				<-time.After(time.Second)
				s.account.Decide(cannotBeRemoved)
				ctx, cancel := context.WithTimeout(s.Context(), patience)
				defer cancel()
				purged := make(chan error, 1)
				go func() { purged <- owner.store.Purge(ctx, "a", true) }()
				<-time.After(time.Minute)
				s.account.Decide(nil)
				if err := <-purged; err != nil && !errors.Is(err, provider.ErrUnknown) {
					s.Errorf("the purge says %v, want success, or that its outcome is not known", err)
				}
				<-time.After(10 * time.Minute)
				if i, err := owner.store.Instance(s.Context(), "a"); !errors.Is(err, provider.ErrNotFound) {
					s.Errorf("afterwards it is %+v, %v; want not found", i, err)
				}
			})
		})
	}
}

// TestAPurgeOfWhichTheClientIsGoneLeavesNoMessages: what came while it was carried
// out is removed with the instance, for the owner's memory too.
func TestAPurgeOfWhichTheClientIsGoneLeavesNoMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h := ended(t, s, history.StatusCompleted)
		slow, reads := true, 0 // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			switch {
			case c.Kind == simulated.Get && c.Key == row.Instance("x"):
				if reads++; slow && reads == 1 {
					return simulated.Fault{Kind: simulated.Slow, Delay: 300 * time.Millisecond}
				}
			case c.Kind == simulated.Transact && slow:
				for _, o := range c.Ops {
					if o.Verb == storage.Replace && o.Row.Key == row.Instance("x") {
						slow = false
						return simulated.Fault{Kind: simulated.Slow, Delay: time.Second}
					}
				}
			}
			return simulated.Fault{}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 800*time.Millisecond)
		defer cancel()
		purged := make(chan error, 1)
		go func() { purged <- s.Purge(ctx, "x", false) }()
		<-time.After(100 * time.Millisecond)
		if err := s.Send(t.Context(), provider.Message{ID: "event", To: "x", Data: &history.EventRaised{Name: "go"}}); err != nil {
			t.Fatal(err)
		}
		if err := <-purged; !errors.Is(err, provider.ErrUnknown) {
			t.Errorf("the purge says %v, want that its outcome is not known", err)
		}
		idle, stop := context.WithTimeout(t.Context(), 10*time.Second)
		defer stop()
		if turn, err := h.NextTurn(idle); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("there is a turn %+v, %v", turn, err)
		}
		if err := s.Send(t.Context(), story("x", "again", "")); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, "x")
		if len(turn.Messages) != 1 {
			t.Errorf("the next instance of its id has %d messages, want its start alone", len(turn.Messages))
		}
		if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
			t.Errorf("committing its turn: %v", err)
		}
		account.Decide(nil)
		if reads > 20 {
			t.Errorf("its row was read %d times", reads)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAPurgeThatItsOwnerDidNotLiveToEndIsGoneOnWith: it takes several transactions, and
// the owner dies after the first. A client of another process that ordered it is not
// told that there was nothing to purge.
func TestAPurgeThatItsOwnerDidNotLiveToEndIsGoneOnWith(t *testing.T) {
	for _, called := range []bool{true, false} {
		t.Run(fmt.Sprint("called ", called), func(t *testing.T) {
			apart(t, 1, func(s *sites) {
				owner := s.host("owner", core.WorkerConfig{})
				run(s.bench, eternal, core.NewClient(owner.store, core.ClientConfig{}), rounds{Left: 200}, "a")
				before := len(s.sealed())
				held := s.removesOnePart()
				purges := owner.store
				if !called {
					purges, _ = s.open("client")
				}
				purged := make(chan error, 1)
				go func() { purged <- purges.Purge(s.Context(), "a", false) }()
				<-held
				s.kill(owner)
				s.account.Decide(nil)
				if left := len(s.sealed()); left == 0 || left >= before {
					s.Fatalf("%d of %d rows are left, want some", left, before)
				}
				next := s.host("next", core.WorkerConfig{})
				<-time.After(time.Minute)
				if left := s.sealed(); len(left) > 0 {
					s.Errorf("%d rows are left, %s among them", len(left), left[0])
				}
				if i, err := next.store.Instance(s.Context(), "a"); !errors.Is(err, provider.ErrNotFound) {
					s.Errorf("it is %+v, %v; want that there is none", i, err)
				}
				if called {
					return
				}
				if err := <-purged; err != nil && !errors.Is(err, provider.ErrUnknown) {
					s.Errorf("the purge says %v, want success, or that its outcome is not known", err)
				}
			})
		})
	}
}

// TestAPurgeThatWasGivenUpPurgesNoInstanceThatComesLater: it waited for another purge
// of the id, which was held up, and its client waits no longer.
func TestAPurgeThatWasGivenUpPurgesNoInstanceThatComesLater(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		begin(s, owner, longOne, time.Hour, "a")
		<-time.After(time.Second)
		s.account.Decide(cannotBeRemoved)
		first := make(chan error, 1)
		go func() { first <- owner.store.Purge(s.Context(), "a", true) }()
		<-time.After(30 * time.Second)
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if err := owner.store.Purge(ctx, "a", true); err == nil {
			s.Fatal("the second purge was not held up")
		}
		s.account.Decide(nil)
		if err := <-first; err != nil {
			s.Fatal(err)
		}
		begin(s, owner, longOne, time.Hour, "a")
		<-time.After(10 * time.Second)
		i, err := owner.store.Instance(s.Context(), "a")
		if err != nil || i.Status != history.StatusRunning {
			s.Errorf("the next instance of the id is %+v, %v; want that it runs", i, err)
		}
		if err := owner.store.Purge(s.Context(), "a", true); err != nil && i != nil {
			s.Error(err)
		}
	})
}

// TestAnOrderThatEndsDoesNotEndTheNextOne: what a start made in place of another is
// purged while the start is handed on, which takes some time. No turn of it counts
// while its rows are looked for.
func TestAnOrderThatEndsDoesNotEndTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, account := checkedWith(t, hub.Config{Name: "hub", Partitions: 1})
		h := ended(t, s, history.StatusRunning)
		scans, reads, made := 0, 0, make(chan bool)
		account.Decide(func(c simulated.Call) simulated.Fault {
			switch {
			case c.Kind == simulated.GetBlob:
				if reads++; reads == 1 {
					close(made)
					return simulated.Fault{Kind: simulated.Slow, Delay: 5 * time.Second}
				}
			case c.Kind == simulated.Scan && c.Range.From == row.Only(row.State("x")).From:
				if scans++; scans == 2 {
					return simulated.Fault{Kind: simulated.Slow, Delay: 20 * time.Second}
				}
			}
			return simulated.Fault{}
		})
		replaced, purged := make(chan error, 1), make(chan error, 1)
		go func() {
			m := bulkyStart("x")
			m.Start.Reuse = provider.ReuseReplace
			replaced <- s.Send(t.Context(), m)
		}()
		<-made
		go func() { purged <- s.Purge(t.Context(), "x", true) }()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if turn, err := h.NextTurn(ctx); err == nil {
			e := history.Event{Execution: 1, ID: 2, Time: time.Now(), Data: &history.ActivityScheduled{Name: "work"}}
			if err := h.CommitTurn(t.Context(), turn, &provider.Commit{
				Consumed: 1, NewExecution: true, Status: history.StatusRunning, Name: "story",
				Events:     []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: turn.Messages[0].Data}, e},
				Activities: []provider.Activity{{Scheduled: e, Attempt: 1}},
			}); err != nil && !errors.Is(err, provider.ErrLockLost) {
				t.Error(err)
			}
		}
		if err := errors.Join(<-replaced, <-purged); err != nil {
			t.Error(err)
		}
		if i, err := s.Instance(t.Context(), "x"); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("after its purge it is %+v, %v; want not found", i, err)
		}
		if r, there := account.State().Row("hub", s.PartitionKey(0), row.Work("x")); there {
			t.Errorf("what was purged leaves its open work: %v", r.Cells)
		}
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestAStartThatItsClientDoesNotWaitForMayHaveBeenApplied: the id is that of an instance
// that was purged, and the client has taken its partition for the moment.
func TestAStartThatItsClientDoesNotWaitForMayHaveBeenApplied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h := ended(t, s, history.StatusCompleted)
		if err := errors.Join(s.Purge(t.Context(), "x", false), h.Leave(t.Context()), s.Close()); err != nil {
			t.Fatal(err)
		}
		client := open("client")
		account.Decide(simulated.When(func(c simulated.Call) bool {
			return slices.ContainsFunc(c.Ops, func(o storage.Op) bool {
				return o.Verb == storage.Replace && o.Row.Key == row.Instance("x")
			})
		}, simulated.Fault{Kind: simulated.Slow, Delay: 2 * time.Second}))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := client.Send(ctx, story("x", "again", "")); !errors.Is(err, provider.ErrUnknown) {
			t.Errorf("the start says %v, want that its outcome is not known", err)
		}
		<-time.After(10 * time.Second)
		if i, err := client.Instance(t.Context(), "x"); err != nil {
			t.Errorf("it is %+v, %v; want that it was applied in the end", i, err)
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}
