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
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestAPurgeEndsSoonAfterItsContextAlthoughTheNetworkIsAway: a client that took a
// partition for the moment cannot give it back.
func TestAPurgeEndsSoonAfterItsContextAlthoughTheNetworkIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(time.Millisecond)})
		defer account.Close()
		open := func(name string) *hub.Store {
			s, err := hub.Open(t.Context(), account.Client(name), hub.Config{Name: "hub", Partitions: 1})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		s := open("server")
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), story("x", "start", "")); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, "x")
		c := &provider.Commit{
			Consumed: 1, NewExecution: true, Name: "story", Status: history.StatusCompleted,
			Events: []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: turn.Messages[0].Data}},
		}
		if err := errors.Join(h.CommitTurn(t.Context(), turn, c), h.Leave(t.Context()), s.Close()); err != nil {
			t.Fatal(err)
		}

		client := open("client")
		writes := 0 // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Client == "client" && c.Kind == simulated.Transact {
				writes++
			}
			if writes > 1 && c.Client == "client" { // the first was its claim
				return simulated.Fault{Kind: simulated.LostRequest}
			}
			return simulated.Fault{}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		ended := make(chan error, 1)
		go func() { ended <- client.Purge(ctx, "x", true) }()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("it succeeded without a network")
			}
		case <-time.After(time.Minute):
			t.Error("it goes on 40 s after its context has ended")
			account.Decide(nil)
			<-ended
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
}
