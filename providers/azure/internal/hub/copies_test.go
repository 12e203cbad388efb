package hub_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Copies of a message come while the turn that consumes it is committed: it is
// applied once, and the race detector finds nothing.
func TestCopiesComeWhileTheFirstIsConsumed(t *testing.T) {
	l := &lab{partitions: 1}
	s := l.open(t, nil)
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	m := story("order", "start", "")
	for n := range int64(50) {
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, "order")
		if len(turn.Messages) != 1 || turn.Messages[0].ID != m.ID {
			t.Fatalf("turn %d has %+v, want %s alone", n+1, turn.Messages, m.ID)
		}
		var copies sync.WaitGroup
		for range 3 {
			copies.Go(func() {
				if err := s.Send(t.Context(), m); err != nil {
					t.Error(err)
				}
			})
		}
		err := h.CommitTurn(t.Context(), turn, &provider.Commit{
			Consumed: 1, NewExecution: n == 0, Name: "story", Status: history.StatusRunning,
			Events: []history.Event{{Execution: 1, ID: n + 1, Data: m.Data}},
		})
		if err != nil {
			t.Fatal(err)
		}
		copies.Wait()
		m = provider.Message{ID: fmt.Sprint("event-", n), To: "order", Data: &history.EventRaised{Name: "go"}}
	}
	if err := h.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	l.done(t)
}
