package hub_test

import (
	"context"
	"errors"
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

// A host that lives and has lost a partition sends to it as every other does.
func TestWhoHasLostAPartitionRingsItsNewOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(5 * time.Millisecond)})
		defer account.Close()
		join := func(name string) (*hub.Store, provider.Host) {
			s, err := hub.Open(ctx, account.Client(name), hub.Config{Name: "hub", Partitions: 1, TTL: 3 * time.Second, SweepEvery: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			h, err := s.Join(ctx, provider.HostInfo{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			return s, h
		}
		loser, first := join("loser")
		winner, second := join("winner")
		<-time.After(10 * time.Second)
		seize(t, account.Client("thief"), winner, "winner")
		start := func(id history.InstanceID) {
			t.Helper()
			if err := loser.Send(ctx, story(id, "start-"+string(id), "")); err != nil {
				t.Fatal(err)
			}
		}
		start("before")
		turn := turnOf(t, first, "before")
		if err := first.CommitTurn(ctx, turn, ends(turn)); !errors.Is(err, provider.ErrLockLost) {
			t.Fatalf("the loser's commit: %v, want %v", err, provider.ErrLockLost)
		}
		turnOf(t, second, "before")
		<-time.After(10 * time.Second)
		sent := time.Now()
		start("after")
		turnOf(t, second, "after")
		if took := time.Since(sent); took > 5*time.Second {
			t.Errorf("what the loser sent was found after %v: nobody was rung", took)
		}
		for _, err := range []error{first.Leave(ctx), second.Leave(ctx), loser.Close(), winner.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
}

// seize writes into the head of partition 0 that a host owns it.
func seize(t *testing.T, c *simulated.Client, s *hub.Store, name string) {
	t.Helper()
	hosts, err := s.HostRows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := c.Get(t.Context(), "hub", s.PartitionKey(0), row.Head)
	if err != nil {
		t.Fatal(err)
	}
	head, err := row.ParseOwner(r.Cells)
	if err != nil {
		t.Fatal(err)
	}
	for i := range hosts {
		if hosts[i].Name == name {
			head.Owner, head.Epoch, head.Commit = hosts[i].Incarnation, head.Epoch+1, 0
		}
	}
	_, err = c.Transact(t.Context(), "hub", s.PartitionKey(0), []storage.Op{{
		Verb: storage.Replace, IfMatch: r.ETag, Row: storage.Row{Key: row.Head, Cells: head.Cells()},
	}})
	if err != nil {
		t.Fatal(err)
	}
}
