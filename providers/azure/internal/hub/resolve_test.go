package hub_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestWhatWasSentIsThereWhenSendReturns (B6): the receiver, which has ended and is out of
// memory, is read first. The broker takes a moment to take the message in: it asks
// what the hosts accept.
func TestWhatWasSentIsThereWhenSendReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(time.Millisecond)})
		defer account.Close()
		s, err := hub.Open(t.Context(), account.Client("one"), hub.Config{Name: "hub", Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		var holds atomic.Bool
		asked, free := make(chan struct{}), make(chan struct{})
		h, err := s.Join(t.Context(), provider.HostInfo{Accepts: func(string, string) bool {
			if holds.CompareAndSwap(true, false) {
				close(asked)
				<-free
			}
			return true
		}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), story("order", "start", "")); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, "order")
		c := &provider.Commit{
			Consumed: 1, NewExecution: true, Name: "story", Status: history.StatusCompleted,
			Events: []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: turn.Messages[0].Data}},
		}
		if err := h.CommitTurn(t.Context(), turn, c); err != nil {
			t.Fatal(err)
		}
		second, err := s.Join(t.Context(), provider.HostInfo{}) // what was answered is forgotten
		if err != nil {
			t.Fatal(err)
		}

		holds.Store(true)
		sent := make(chan error, 1)
		go func() {
			sent <- s.Send(t.Context(), provider.Message{ID: "late", To: "order", Data: &history.EventRaised{Name: "go"}})
		}()
		<-asked
		synctest.Wait()
		select {
		case err := <-sent:
			t.Errorf("Send returned %v before a host could have the message", err)
			sent <- err
		default:
		}
		close(free)
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if turn := turnOf(t, h, "order"); turn.Messages[0].ID != "late" {
			t.Errorf("the turn has the message %s, want late", turn.Messages[0].ID)
		}
		for _, err := range []error{h.Leave(t.Context()), second.Leave(t.Context()), s.Close()} {
			if err != nil {
				t.Error(err)
			}
		}
	})
}
