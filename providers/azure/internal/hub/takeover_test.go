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
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// A sender rings whom it takes for the owner. What it sends while the partition
// changes hands rings nobody, and must be found long before the sweep.
func TestWhatIsSentDuringATakeoverIsFoundSoon(t *testing.T) {
	const ttl = 3 * time.Second
	for last := ttl / 10; last < 2*ttl; last += 50 * time.Millisecond {
		sendUntil(t, last, ttl)
	}
}

// sendUntil lets a host die, and starts instances for a while.
func sendUntil(t *testing.T, last, ttl time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		account := simulated.New(simulated.Config{Seed: 1})
		defer account.Close()
		open := func(name string) *hub.Store {
			s, err := hub.Open(ctx, account.Client(name), hub.Config{Name: "hub", Partitions: 1, TTL: ttl, SweepEvery: time.Hour})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		dies, client, survives := open("dies"), open("client"), open("survives")
		if _, err := dies.Join(ctx, provider.HostInfo{Name: "dies"}); err != nil {
			t.Fatal(err)
		}
		host, err := survives.Join(ctx, provider.HostInfo{Name: "survives"})
		if err != nil {
			t.Fatal(err)
		}
		sent := map[history.InstanceID]time.Time{}
		taken := make(chan history.InstanceID, 1000)
		go func() {
			defer close(taken)
			for {
				turn, err := host.NextTurn(ctx)
				if err != nil {
					if !errors.Is(err, provider.ErrClosed) && !errors.Is(err, context.Canceled) {
						t.Error(err)
					}
					return
				}
				taken <- turn.Instance.ID
			}
		}()
		if err := dies.Close(); err != nil { // as a crash: its row stays
			t.Error(err)
		}
		for began := time.Now(); time.Since(began) < last; {
			id := history.InstanceID(fmt.Sprintf("order-%d", len(sent)))
			sent[id] = time.Now()
			if err := client.Send(ctx, provider.Message{
				ID: string(id), To: id, Sent: time.Now(), Start: &provider.Start{Name: "f", RequestID: string(id)},
				Data: &history.ExecutionStarted{Name: "f", RequestID: string(id), Seed: "1"},
			}); err != nil {
				t.Fatal(err)
			}
			<-time.After(20 * time.Millisecond)
		}
		<-time.After(2 * ttl)
		if err := host.Leave(ctx); err != nil {
			t.Error(err)
		}
		for id := range taken {
			delete(sent, id)
		}
		if len(sent) > 0 {
			t.Errorf("sending for %v: %d instances had no turn: %v", last, len(sent), sent)
		}
		if err := errors.Join(client.Close(), survives.Close()); err != nil {
			t.Error(err)
		}
	})
}
