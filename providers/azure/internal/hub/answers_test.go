package hub_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestAnAnswerIsThereAlthoughAnotherWasGivenSince: by the next owner, or by what the
// owner removes for itself.
func TestAnAnswerIsThereAlthoughAnotherWasGivenSince(t *testing.T) {
	for _, moves := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
			server, client, other := open("server"), open("client"), open("other")
			h := ended(t, server, history.StatusRunning)
			posted := false // guarded by the account
			account.Decide(func(c simulated.Call) simulated.Fault {
				posted = posted || c.Client == "client" && c.Kind == simulated.Transact
				if posted && c.Client == "client" && c.Kind == simulated.Get {
					return simulated.Fault{Kind: simulated.Busy} // it cannot read its answer
				}
				return simulated.Fault{}
			})
			answer := make(chan error, 1)
			go func() { answer <- client.Purge(t.Context(), "x", false) }()
			<-time.After(time.Minute)
			if moves {
				if err := h.Leave(t.Context()); err != nil {
					t.Fatal(err)
				}
				var err error
				if h, err = server.Join(t.Context(), provider.HostInfo{}); err != nil {
					t.Fatal(err)
				}
				if err := other.Purge(t.Context(), "x", false); !errors.Is(err, provider.ErrConflict) {
					t.Errorf("a purge of what runs ended with %v", err)
				}
			} else if err := server.Purge(t.Context(), "x", true); err != nil {
				t.Fatal(err)
			}
			account.Decide(nil)
			if err := <-answer; !errors.Is(err, provider.ErrConflict) {
				t.Errorf("the first purge, of what ran, ended with %v", err)
			}
			if err := errors.Join(h.Leave(t.Context()), client.Close(), other.Close(), server.Close()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestTheAnswerOfAPurgeIsThereAlthoughAnotherTookTheID: a child, whose start came
// while the instance was there, and waited.
func TestTheAnswerOfAPurgeIsThereAlthoughAnotherTookTheID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		server, client := open("server"), open("client")
		h := ended(t, server, history.StatusCompleted)
		posted := false // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			posted = posted || c.Client == "client" && c.Kind == simulated.Transact
			if posted && c.Client == "client" && c.Kind == simulated.Get {
				return simulated.Fault{Kind: simulated.Busy} // it cannot read its answer
			}
			return simulated.Fault{}
		})
		answer := make(chan error, 1)
		go func() { answer <- client.Purge(t.Context(), "x", false) }()
		<-time.After(time.Minute)
		if err := server.Send(t.Context(), story("parent", "parent", "")); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, "parent")
		if err := h.CommitTurn(t.Context(), turn, ends(turn, story("x", "child", ""))); err != nil {
			t.Fatal(err)
		}
		if turn := turnOf(t, h, "x"); turn.Messages[0].ID != "child" {
			t.Errorf("the turn is of %+v, want the child", turn.Messages[0])
		}
		account.Decide(nil)
		if err := <-answer; err != nil {
			t.Errorf("the purge ended with %v", err)
		}
		if err := errors.Join(h.Leave(t.Context()), client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAnswersAreNotKeptForEver: those of a while are, since more than one may wait.
func TestAnswersAreNotKeptForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		server, client := open("server"), open("client")
		h := ended(t, server, history.StatusRunning)
		kept := func() int {
			answers := map[string]row.Answer{}
			for _, r := range account.State().Rows("hub") {
				if cell := r.Cells[row.AnswersCell]; len(cell) > 0 {
					if err := row.Parse(cell, &answers); err != nil {
						t.Fatal(err)
					}
				}
			}
			return len(answers)
		}
		for i, want := range []int{1, 2, 1} {
			if i == 2 {
				<-time.After(time.Hour)
			}
			if err := client.Purge(t.Context(), "x", false); !errors.Is(err, provider.ErrConflict) {
				t.Fatalf("a purge of what runs ended with %v", err)
			}
			if n := kept(); n != want {
				t.Errorf("after order %d, %d answers are kept, want %d", i+1, n, want)
			}
		}
		if err := errors.Join(h.Leave(t.Context()), client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestOfTwoPurgesAtOnceOneFindsNothing: clients of other processes both find the
// instance, and ask its owner.
func TestOfTwoPurgesAtOnceOneFindsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h := ended(t, s, history.StatusCompleted)
		purged := make(chan error, 2)
		for _, name := range []string{"first", "second"} {
			client := open(name)
			go func() {
				err := client.Purge(t.Context(), "x", false)
				purged <- errors.Join(err, client.Close())
			}()
		}
		one, other := <-purged, <-purged
		if one != nil {
			one, other = other, one
		}
		if one != nil || !errors.Is(other, provider.ErrNotFound) {
			t.Errorf("the purges say %v and %v; want success, and not found", one, other)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}
