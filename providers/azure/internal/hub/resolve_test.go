package hub_test

import (
	"context"
	"errors"
	"sync/atomic"
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

// TestAStartThatCannotBeReadHoldsUpNoSenderAndIsLookedForSeldom: its instance is
// there, and what else is sent to it waits for the start.
func TestAStartThatCannotBeReadHoldsUpNoSenderAndIsLookedForSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		client := open("client")
		if err := client.Send(t.Context(), story("x", "start", "")); err != nil {
			t.Fatal(err)
		}
		for pk, r := range account.State().Rows("hub") {
			if row.KindOf(r.Key) != row.KindInbox {
				continue
			}
			_, err := account.Client("newer").Transact(t.Context(), "hub", pk, []storage.Op{{Verb: storage.Merge, Row: storage.Row{
				Key: r.Key, Cells: map[string][]byte{row.EnvelopeCell: []byte(`{"format":99}`)},
			}}})
			if err != nil {
				t.Fatal(err)
			}
		}
		server := open("server")
		h, err := server.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		looks := 0 // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Kind == simulated.Scan && c.Range.From == row.InboxOf("x").From {
				looks++
			}
			return simulated.Fault{}
		})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		if err := server.Send(ctx, provider.Message{ID: "event", To: "x", Data: &history.EventRaised{Name: "go"}}); err != nil || ctx.Err() != nil {
			t.Errorf("sending: %v, %v", err, ctx.Err())
		}
		<-ctx.Done()
		account.Decide(nil)
		if looks > 100 {
			t.Errorf("it was looked for %d times in half a minute", looks)
		}
		if err := server.Purge(t.Context(), "x", true); err != nil {
			t.Errorf("purging it: %v", err)
		}
		for _, r := range account.State().Rows("hub") {
			if row.KindOf(r.Key) == row.KindInbox {
				t.Errorf("row %s is left", r.Key)
			}
		}
		if err := errors.Join(h.Leave(t.Context()), client.Close(), server.Close()); err != nil {
			t.Error(err)
		}
	})
}
