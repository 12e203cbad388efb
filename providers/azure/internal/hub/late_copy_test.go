package hub_test

import (
	"errors"
	"fmt"
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
// sent again. What comes of the second one is consumed, or dropped since the message was
// sent before, and when that of the first arrives another instance has the id, or is
// about to (P4).
func TestACopyOfAMessageIsNotForTheNextInstance(t *testing.T) {
	for _, c := range []struct{ again, before bool }{{false, true}, {false, false}, {true, true}, {true, false}} {
		t.Run(fmt.Sprintf("sent before %t, arrives before the start %t", c.again, c.before), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { copyForTheNext(t, c.again, c.before) })
		})
	}
}

func copyForTheNext(t *testing.T, again, before bool) {
	account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
	s, client := open("server"), open("client")
	h := ended(t, s, history.StatusRunning)
	consume := func() {
		t.Helper()
		if err := client.Send(t.Context(), event("x", "event")); err != nil {
			t.Fatal(err)
		}
		if err := h.CommitTurn(t.Context(), turnOf(t, h, "x"), &provider.Commit{Consumed: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if again {
		consume()
	}
	once := false // guarded by the account
	account.Decide(func(c simulated.Call) simulated.Fault {
		if once || c.Client != "client" || !slices.ContainsFunc(c.Ops, func(o storage.Op) bool { return row.KindOf(o.Row.Key) == row.KindInbox }) {
			return simulated.Fault{}
		}
		once = true
		return simulated.Fault{Kind: simulated.Late, Delay: 5 * time.Minute}
	})
	if again {
		if err := client.Send(t.Context(), event("x", "event")); err != nil {
			t.Fatal(err)
		}
		<-time.After(3 * time.Minute) // it is found, and dropped
	} else {
		consume()
	}
	if err := client.Purge(t.Context(), "x", true); err != nil {
		t.Fatal(err)
	}
	if before {
		<-time.After(7 * time.Minute)
	}
	if err := client.Send(t.Context(), story("x", "start again", "again")); err != nil {
		t.Fatal(err)
	}
	if !before {
		<-time.After(7 * time.Minute)
	}
	turn := turnOf(t, h, "x")
	if len(turn.Messages) != 1 {
		t.Errorf("the next instance has %d messages, want its start alone: %s was for the one before", len(turn.Messages), turn.Messages[1].ID)
	}
	if err := errors.Join(h.Leave(t.Context()), s.Close(), client.Close()); err != nil {
		t.Error(err)
	}
}
