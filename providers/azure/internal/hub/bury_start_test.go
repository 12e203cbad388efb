package hub_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// TestAMessageIsNotBuriedBesideATurn: its receiver is started when the transaction that
// makes it a dead letter is on its way, or waits to be sent.
func TestAMessageIsNotBuriedBesideATurn(t *testing.T) {
	for name, waits := range map[string]bool{"on its way": false, "waits": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { buriedBesideATurn(t, waits) })
		})
	}
}

func buriedBesideATurn(t *testing.T, waits bool) {
	account, open := processes(t, hub.Config{Name: "hub", Partitions: 1, OrphanAfter: time.Minute})
	s := open("server")
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), event("x", "early")); err != nil {
		t.Fatal(err)
	}
	under, once := make(chan struct{}), false // guarded by the account
	account.Decide(func(c simulated.Call) simulated.Fault {
		slow := slices.ContainsFunc(c.Ops, func(o storage.Op) bool {
			if waits {
				return o.Row.Key == row.Instance("y")
			}
			return row.KindOf(o.Row.Key) == row.KindDead
		})
		if once || !slow || c.Client != "server" || c.Ops[0].Row.Key != row.Head {
			return simulated.Fault{}
		}
		once = true
		close(under)
		return simulated.Fault{Kind: simulated.Slow, Delay: 3 * time.Second}
	})
	want, dead := []string{"start"}, 1
	if waits {
		want, dead = []string{"start", "early"}, 0
		<-time.After(74 * time.Second) // it is looked for what waits too long every 15 seconds
		if err := s.Send(t.Context(), story("y", "other", "")); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, "y")
		go func() { _ = h.CommitTurn(t.Context(), turn, ends(turn)) }()
		<-under
		<-time.After(2 * time.Second) // the burial waits
	} else {
		<-under
	}
	if err := s.Send(t.Context(), story("x", "start", "")); err != nil {
		t.Fatal(err)
	}
	turn := turnOf(t, h, "x")
	var got []string
	for _, m := range turn.Messages {
		got = append(got, m.ID)
	}
	if !slices.Equal(got, want) {
		t.Errorf("the turn has %q, want %q", got, want)
	}
	if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
		t.Errorf("the commit says %v", err)
	}
	<-time.After(time.Hour)
	if letters, err := s.DeadLetters(t.Context(), 10); err != nil || len(letters) != dead {
		t.Errorf("there are %d dead letters, %v; want %d", len(letters), err, dead)
	}
	if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
}

// TestATurnThatLostARowIsOver: somebody has removed a row that its commit was to
// delete. Who is told that the lock is lost gives nothing back.
func TestATurnThatLostARowIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h := ended(t, s, history.StatusRunning)
		if err := s.Send(t.Context(), event("x", "event")); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, "x")
		for _, r := range account.State().Rows("hub") {
			if row.KindOf(r.Key) != row.KindInbox {
				continue
			}
			if _, err := account.Client("operator").Transact(t.Context(), "hub", s.PartitionKey(0), []storage.Op{{
				Verb: storage.Delete, Row: storage.Row{Key: r.Key},
			}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := h.CommitTurn(t.Context(), turn, &provider.Commit{Consumed: 1}); !errors.Is(err, provider.ErrLockLost) {
			t.Errorf("the commit says %v, want %v", err, provider.ErrLockLost)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if again, err := h.NextTurn(ctx); err != nil || again.Instance.ID != "x" {
			t.Errorf("the next turn is %v, %v; want another of x", again, err)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}
