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

// A start that replaced an instance, and is sent again after its own was replaced,
// replaces nothing: its sender did not learn that it had been applied.
func TestAReplacingStartThatComesAgainReplacesNothing(t *testing.T) {
	s := (&lab{partitions: 1}).open(t, nil)
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	replacing := func(message, request string) provider.Message {
		m := story("one", message, request)
		m.Start.Reuse = provider.ReuseReplace
		return m
	}
	first, second, third := replacing("1", "a"), replacing("2", ""), replacing("3", "c")
	for _, m := range []provider.Message{first, second, third, first, second} {
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	turn := turnOf(t, h, "one")
	if len(turn.Messages) != 1 || turn.Messages[0].ID != third.ID || turn.Instance.RequestID != "c" {
		t.Errorf("the turn is of request %q, with %d messages; want that of the third start alone", turn.Instance.RequestID, len(turn.Messages))
	}
	if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
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
