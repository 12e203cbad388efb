package hub_test

import (
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

// TestACopyOfAMessageIsNotForTheNextInstance: the request that sends it is slow, and is
// sent again. What comes of the second one is consumed, and when that of the first
// arrives another instance has the id, or is about to (P4).
func TestACopyOfAMessageIsNotForTheNextInstance(t *testing.T) {
	for name, before := range map[string]bool{"before its start": true, "after its start": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { copyForTheNext(t, before) })
		})
	}
}

func copyForTheNext(t *testing.T, before bool) {
	account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
	s, client := open("server"), open("client")
	h := ended(t, s, history.StatusRunning)
	once := false // guarded by the account
	account.Decide(func(c simulated.Call) simulated.Fault {
		if once || c.Client != "client" || !slices.ContainsFunc(c.Ops, func(o storage.Op) bool { return row.KindOf(o.Row.Key) == row.KindInbox }) {
			return simulated.Fault{}
		}
		once = true
		return simulated.Fault{Kind: simulated.Late, Delay: 3 * time.Minute}
	})
	if err := client.Send(t.Context(), event("x", "event")); err != nil {
		t.Fatal(err)
	}
	turn := turnOf(t, h, "x")
	if err := h.CommitTurn(t.Context(), turn, &provider.Commit{Consumed: 1}); err != nil {
		t.Fatal(err)
	}
	if err := client.Purge(t.Context(), "x", true); err != nil {
		t.Fatal(err)
	}
	if before {
		<-time.After(5 * time.Minute)
	}
	if err := client.Send(t.Context(), story("x", "start again", "again")); err != nil {
		t.Fatal(err)
	}
	if !before {
		<-time.After(5 * time.Minute)
	}
	turn = turnOf(t, h, "x")
	if len(turn.Messages) != 1 {
		t.Errorf("the next instance has %d messages, want its start alone: %s was consumed by the one before", len(turn.Messages), turn.Messages[1].ID)
	}
	if err := errors.Join(h.Leave(t.Context()), s.Close(), client.Close()); err != nil {
		t.Error(err)
	}
}
