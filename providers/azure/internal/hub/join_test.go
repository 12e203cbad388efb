package hub_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestAHostJoinsWhileStorageDoesNotAnswer: each write of the row of a host that
// joins is lost, or its answer is, for a while.
func TestAHostJoinsWhileStorageDoesNotAnswer(t *testing.T) {
	for _, kind := range []simulated.FaultKind{simulated.LostRequest, simulated.LostAnswer} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(10 * time.Millisecond)})
				defer account.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s, err := hub.Open(ctx, account.Client("server"), hub.Config{Name: "hub", Partitions: 1, TTL: 3 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				lost := 0
				account.Decide(func(c simulated.Call) simulated.Fault {
					if c.Kind != simulated.Transact || lost == 5 {
						return simulated.Fault{}
					}
					lost++
					return simulated.Fault{Kind: kind}
				})
				host, err := s.Join(ctx, provider.HostInfo{})
				if err != nil {
					t.Fatal(err)
				}
				if lost != 5 {
					t.Errorf("%d writes were lost before it had joined, want 5", lost)
				}
				for _, err := range []error{host.Leave(context.WithoutCancel(ctx)), s.Close()} {
					if err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}
