package hub_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

func event(to history.InstanceID, id string) provider.Message {
	return provider.Message{ID: id, To: to, Data: &history.EventRaised{Name: "go"}}
}

// TestHoweverMuchATurnSentToNobodyBecomesDeadLetters: what it sent to one instance is
// one row of the inbox, and more than a transaction takes.
func TestHoweverMuchATurnSentToNobodyBecomesDeadLetters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, account := checkedWith(t, hub.Config{Name: "hub", Partitions: 1, OrphanAfter: time.Minute})
		h, err := store.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Send(t.Context(), story("x", "start", "")); err != nil {
			t.Fatal(err)
		}
		var sends []provider.Message
		for n := range 250 {
			sends = append(sends, event("nobody", fmt.Sprintf("event %03d", n)))
		}
		turn := turnOf(t, h, "x")
		if err := h.CommitTurn(t.Context(), turn, ends(turn, sends...)); err != nil {
			t.Fatal(err)
		}
		<-time.After(10 * time.Minute)
		dead, err := store.DeadLetters(t.Context(), 1_000)
		if err != nil || len(dead) != len(sends) {
			t.Errorf("there are %d dead letters, %v; want %d", len(dead), err, len(sends))
		}
		for n := range dead {
			if dead[n].Message.ID != sends[n].ID {
				t.Errorf("dead letter %d is %s, want %s", n, dead[n].Message.ID, sends[n].ID)
				break
			}
		}
		for _, r := range account.State().Rows("hub") {
			if row.KindOf(r.Key) == row.KindInbox {
				t.Errorf("row %s is left in the inbox", r.Key)
			}
		}
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestManyDeadLettersShareTransactions: they were sent to many instances.
func TestManyDeadLettersShareTransactions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, account := checkedWith(t, hub.Config{Name: "hub", Partitions: 1, OrphanAfter: time.Minute})
		h, err := store.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		const all = 128
		for n := range all {
			to := history.InstanceID(fmt.Sprint("nobody ", n))
			if err := store.Send(t.Context(), event(to, string(to))); err != nil {
				t.Fatal(err)
			}
		}
		commits := 0 // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Kind == simulated.Transact && c.Partition != row.Management {
				commits++
			}
			return simulated.Fault{}
		})
		<-time.After(5 * time.Minute)
		account.Decide(nil)
		dead, err := store.DeadLetters(t.Context(), 1_000)
		if err != nil || len(dead) != all || commits > all/8 {
			t.Errorf("%d transactions made %d dead letters, %v; want %d", commits, len(dead), err, all)
		}
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestPartitionsThatAreHeldUpKeepNobodyFromLookingIntoOthers: their commits are, with a
// message for nobody that waits to become a dead letter; or their inboxes cannot be read.
func TestPartitionsThatAreHeldUpKeepNobodyFromLookingIntoOthers(t *testing.T) {
	for _, kind := range []simulated.Kind{simulated.Transact, simulated.Scan} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { heldUp(t, kind) })
		})
	}
}

func heldUp(t *testing.T, kind simulated.Kind) {
	account, open := processes(t, hub.Config{Name: "hub", Partitions: 8, OrphanAfter: time.Minute, SweepEvery: 30 * time.Second})
	server, client := open("server"), open("client")
	h, err := server.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	nobody, x := history.InstanceID("a"), history.InstanceID("b") // in the first and the last partition
	for server.Partition(nobody) != 0 {
		nobody += "a"
	}
	for server.Partition(x) != 7 {
		x += "b"
	}
	if err := client.Send(t.Context(), event(nobody, "event")); err != nil {
		t.Fatal(err)
	}
	<-time.After(30 * time.Second)
	account.Decide(simulated.When(func(c simulated.Call) bool {
		held := c.Partition != row.Management && c.Partition != server.PartitionKey(7)
		return c.Kind == kind && held || c.Kind == simulated.Enqueue
	}, simulated.Fault{Kind: simulated.LostRequest}))
	<-time.After(3 * time.Minute)
	if err := client.Send(t.Context(), story(x, "start", "")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 31*time.Second)
	defer cancel()
	if turn, err := h.NextTurn(ctx); err != nil || turn.Instance.ID != x {
		t.Errorf("the turn is %+v, %v; want that of %s, which nobody rang for", turn, err, x)
	}
	account.Decide(nil)
	if err := errors.Join(h.Leave(t.Context()), client.Close(), server.Close()); err != nil {
		t.Error(err)
	}
}
