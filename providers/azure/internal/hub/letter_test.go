package hub_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestABlobThatCannotBeReadAtOnceDelaysWhatWasSentAfterIt: the blob of a message
// is read after some tries; the message after it waits.
func TestABlobThatCannotBeReadAtOnceDelaysWhatWasSentAfterIt(t *testing.T) {
	for _, tries := range []int{1, 2, 30} {
		t.Run(fmt.Sprint(tries), func(t *testing.T) { delayedByItsBlob(t, tries) })
	}
}

func delayedByItsBlob(t *testing.T, tries int) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s, client := open("server"), open("client")
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		send := func(m provider.Message) {
			if err := client.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		event := func(id string, data history.Payload) provider.Message {
			return provider.Message{ID: id, To: "x", Data: &history.EventRaised{Name: "go", Payload: data}}
		}
		failed := 0
		account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Kind != simulated.GetBlob || failed == tries {
				return simulated.Fault{}
			}
			failed++
			return simulated.Fault{Kind: simulated.Reset}
		})
		send(story("x", "start", ""))
		send(event("first", bulky()))
		send(event("second", nil))
		var order []string
		for next := int64(1); len(order) < 3; {
			turn := turnOf(t, h, "x")
			c := &provider.Commit{Consumed: len(turn.Messages), Status: history.StatusRunning, Name: "story", NewExecution: next == 1}
			for _, m := range turn.Messages {
				order = append(order, m.ID)
				c.Events = append(c.Events, history.Event{Execution: 1, ID: next, Time: time.Now(), Data: m.Data})
				next++
			}
			if err := h.CommitTurn(t.Context(), turn, c); err != nil {
				t.Fatal(err)
			}
		}
		if failed != tries || order[1] != "first" {
			t.Errorf("after %d reads that failed they came as %v", failed, order)
		}
		for _, err := range []error{h.Leave(t.Context()), s.Close(), client.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
}
