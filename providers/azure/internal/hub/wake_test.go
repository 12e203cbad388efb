package hub_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

func TestAWakeUpThatIsLostIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(10 * time.Millisecond)})
		defer account.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		open := func(name string) *hub.Store {
			s, err := hub.Open(ctx, account.Client(name), hub.Config{Name: "hub", Partitions: 1, SweepEvery: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		client, server := open("client"), open("server")
		host, err := server.Join(ctx, provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(20 * time.Second) // at rest: it does not sweep by itself any more
		lost := 0
		account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Kind != simulated.Enqueue || lost == 2 {
				return simulated.Fault{}
			}
			lost++
			return simulated.Fault{Kind: simulated.Reset}
		})
		err = client.Send(ctx, provider.Message{ID: "s", To: "i", Start: &provider.Start{Name: "o"}, Data: &history.ExecutionStarted{Name: "o"}})
		if err != nil {
			t.Error(err)
		}
		turn, err := host.NextTurn(ctx)
		if err != nil {
			t.Errorf("what was sent did not come: %v", err)
		} else if err := host.ReleaseTurn(ctx, turn, provider.Release{}); err != nil {
			t.Error(err)
		}
		for _, err := range []error{host.Leave(context.WithoutCancel(ctx)), client.Close(), server.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
}
