package hub_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// slow holds back answers that it was given about one row.
type slow struct {
	storage.Account
	mu   sync.Mutex
	key  string        // while answers are held back
	held chan struct{} // closed when one is
	free chan struct{} // lets it go
}

func (s *slow) Get(ctx context.Context, table, partition, key string) (storage.Row, error) {
	r, err := s.Account.Get(ctx, table, partition, key)
	s.mu.Lock()
	hold := key == s.key
	if hold {
		s.key = ""
	}
	s.mu.Unlock()
	if hold {
		close(s.held)
		<-s.free
	}
	return r, err
}

// TestARowThatWasReadBeforeACommitIsNotTakenForNews: its answer comes after the
// commit that ended the instance, and the instance is out of memory by then.
func TestARowThatWasReadBeforeACommitIsNotTakenForNews(t *testing.T) {
	account := simulated.New(simulated.Config{Seed: 1})
	t.Cleanup(account.Close)
	a := &slow{Account: account.Client("one"), held: make(chan struct{}), free: make(chan struct{})}
	s, err := hub.Open(t.Context(), a, hub.Config{Name: "hub", Partitions: 1, Cold: 1})
	if err != nil {
		t.Fatal(err)
	}
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	send := func(m provider.Message) {
		t.Helper()
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	commit := func(turn *provider.Turn, status history.Status) {
		t.Helper()
		c := &provider.Commit{Consumed: len(turn.Messages), Status: status}
		if turn.Instance.Execution == 0 {
			c.NewExecution, c.Name = true, "story"
		}
		if !turn.Instance.Status.Final() {
			for n, m := range turn.Messages {
				c.Events = append(c.Events, history.Event{Execution: 1, ID: turn.Instance.LastEvent + int64(n) + 1, Data: m.Data})
			}
		}
		if err := h.CommitTurn(t.Context(), turn, c); err != nil {
			t.Fatal(err)
		}
	}
	event := func(id string) provider.Message {
		return provider.Message{ID: id, To: "order", Data: &history.EventRaised{Name: "go"}}
	}
	send(story("order", "1", ""))
	commit(turnOf(t, h, "order"), history.StatusRunning)
	send(event("last"))
	last := turnOf(t, h, "order")
	for n := range 3 { // which take its place in memory
		other := history.InstanceID(fmt.Sprint("other-", n))
		send(story(other, string(other), ""))
		commit(turnOf(t, h, other), history.StatusRunning)
	}
	a.mu.Lock()
	a.key = row.Instance("order")
	a.mu.Unlock()
	sent := make(chan error, 1)
	go func() { sent <- s.Send(t.Context(), event("too late")) }()
	<-a.held
	commit(last, history.StatusCompleted)
	close(a.free)
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	turn := turnOf(t, h, "order")
	if turn.Instance.Status != history.StatusCompleted || turn.Instance.LastEvent != 2 {
		t.Errorf("the turn is of an instance that is %s at event %d, want completed at 2", turn.Instance.Status, turn.Instance.LastEvent)
	}
	commit(turn, "")
	if i, err := s.Wait(t.Context(), "order", provider.Until{Final: true}); err != nil || i.Status != history.StatusCompleted {
		t.Errorf("waiting for its end gives %+v, %v", i, err)
	}
	if err := h.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
