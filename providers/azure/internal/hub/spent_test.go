package hub_test

import (
	"errors"
	"testing"

	"github.com/duroxide/duroxide-go/core/provider"
)

// Requests that an id has answered stay answered, although another request's
// instance had the id since, and was purged as well.
func TestAnIDRemembersTheRequestsOfAllThatWerePurged(t *testing.T) {
	l := &lab{partitions: 1}
	s := l.open(t, nil)
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	for _, request := range []string{"first", "second", "third"} {
		if err := s.Send(t.Context(), story("order", "start of "+request, request)); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, "order")
		if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
			t.Fatal(err)
		}
		if err := s.Purge(t.Context(), "order", false); err != nil {
			t.Fatal(err)
		}
	}
	for _, request := range []string{"first", "second", "third"} {
		if err := s.Send(t.Context(), story("order", "start of "+request, request)); err != nil {
			t.Errorf("the %s request once more: %v", request, err)
		}
		if i, err := s.Instance(t.Context(), "order"); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("the %s request brought back %+v, %v", request, i, err)
		}
	}
	if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
		t.Error(err)
	}
	l.done(t)
}
