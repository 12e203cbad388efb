package hub_test

import (
	"errors"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// What the contract leaves open, and the models found.

// turnOf takes the next turn, which must be of the instance.
func turnOf(t *testing.T, h provider.Host, id history.InstanceID) *provider.Turn {
	t.Helper()
	turn, err := h.NextTurn(t.Context())
	if err != nil || turn.Instance.ID != id {
		t.Fatalf("the turn is of %v, %v; want %s", turn, err, id)
	}
	return turn
}

func story(id history.InstanceID, message, request string) provider.Message {
	return provider.Message{
		ID: message, To: id, Start: &provider.Start{Name: "story", RequestID: request},
		Data: &history.ExecutionStarted{Name: "story"},
	}
}

func ends(turn *provider.Turn, sends ...provider.Message) *provider.Commit {
	return &provider.Commit{
		Consumed: len(turn.Messages), NewExecution: true, Status: history.StatusCompleted, Name: "story",
		Events: []history.Event{{Execution: 1, ID: 1, Data: turn.Messages[0].Data}}, Send: sends,
	}
}

// A start whose id is taken is a message to who is there, and goes with it.
func TestAPurgeTakesTheStartsThatItsInstanceWasHanded(t *testing.T) {
	l := &lab{partitions: 1}
	s := l.open(t, nil)
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
	commit := func(turn *provider.Turn, c *provider.Commit) {
		t.Helper()
		if err := h.CommitTurn(t.Context(), turn, c); err != nil {
			t.Fatal(err)
		}
	}
	send(story("child", "1", ""))
	turn := turnOf(t, h, "child")
	commit(turn, ends(turn))
	send(story("parent", "2", ""))
	turn = turnOf(t, h, "parent")
	commit(turn, ends(turn, story("child", "parent/2", ""))) // the id is taken: it waits for a turn
	if err := s.Purge(t.Context(), "child", false); err != nil {
		t.Fatal(err)
	}
	if i, err := s.Instance(t.Context(), "child"); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("after its purge: %+v, %v", i, err)
	}
	send(story("child", "3", ""))
	turn = turnOf(t, h, "child")
	if len(turn.Messages) != 1 || turn.Messages[0].ID != "3" || turn.Instance.Status != history.StatusPending {
		t.Errorf("the turn is %+v, want one of the new instance alone", turn)
	}
	commit(turn, ends(turn))
	if err := h.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	l.done(t)
}

func TestAStartWithoutARequestDoesNotRunAgainAfterItsPurge(t *testing.T) {
	l := &lab{partitions: 1}
	s := l.open(t, nil)
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	m := story("order", "1", "")
	if err := s.Send(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	turn := turnOf(t, h, "order")
	if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
		t.Fatal(err)
	}
	if err := s.Purge(t.Context(), "order", false); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), m); err != nil { // a copy that comes late
		t.Fatal(err)
	}
	if i, err := s.Instance(t.Context(), "order"); err == nil {
		t.Errorf("a late copy of its start made %+v", i)
	}
	if err := s.Send(t.Context(), story("order", "2", "")); err != nil { // another start does
		t.Fatal(err)
	}
	turnOf(t, h, "order")
	if err := h.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	l.done(t)
}
