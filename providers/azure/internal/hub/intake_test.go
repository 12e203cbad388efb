package hub_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// TestARowThatIsFoundTwiceIsTakenInOnce: several looks into the inbox find the same rows
// before the blobs of their messages are there (B2). They are the same letters, and no
// copies to be dropped.
func TestARowThatIsFoundTwiceIsTakenInOnce(t *testing.T) {
	const messages = 40
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: func(c simulated.Call, _ *rand.Rand) time.Duration {
			switch c.Kind {
			case simulated.Scan:
				return time.Second
			case simulated.GetBlob:
				return time.Second
			}
			return 10 * time.Millisecond
		}})
		defer account.Close()
		var stores []*hub.Store
		for _, name := range []string{"server", "client"} {
			s, err := hub.Open(t.Context(), account.Client(name), hub.Config{Name: "hub", Partitions: 1})
			if err != nil {
				t.Fatal(err)
			}
			stores = append(stores, s)
		}
		server, client := stores[0], stores[1]
		h, err := server.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		deleted := 0
		account.Decide(func(c simulated.Call) simulated.Fault {
			for _, op := range c.Ops {
				if op.Verb == storage.Delete {
					deleted++
				}
			}
			return simulated.Fault{}
		})
		if err := client.Send(t.Context(), story("x", "start", "")); err != nil {
			t.Fatal(err)
		}
		for n := range messages {
			m := provider.Message{ID: fmt.Sprint("event-", n), To: "x", Data: &history.EventRaised{Name: "go", Payload: bulky()}}
			if err := client.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			<-time.After(300 * time.Millisecond) // beside the looks of a host that has just claimed
		}
		<-time.After(time.Minute)
		for last := int64(0); last < messages+1; {
			turn := turnOf(t, h, "x")
			c := &provider.Commit{Consumed: len(turn.Messages), NewExecution: last == 0, Name: "story", Status: history.StatusRunning}
			for _, m := range turn.Messages {
				last++
				c.Events = append(c.Events, history.Event{Execution: 1, ID: last, Time: time.Now(), Data: m.Data})
			}
			if err := h.CommitTurn(t.Context(), turn, c); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(10 * time.Minute)
		if deleted != messages+1 {
			t.Errorf("there were %d rows, and %d deletions", messages+1, deleted)
		}
		if err := errors.Join(h.Leave(t.Context()), server.Close(), client.Close()); err != nil {
			t.Error(err)
		}
	})
}
