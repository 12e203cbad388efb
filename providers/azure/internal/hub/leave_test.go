package hub_test

import (
	"testing"

	"github.com/duroxide/duroxide-go/core/provider"
)

// A host that was paused for too long leaves when it wakes: the others took it
// for dead, and removed its row and its queue.
func TestAHostThatOthersTookForDeadLeavesInOrder(t *testing.T) {
	l := &lab{partitions: 1}
	s := l.open(t, nil)
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	account := l.of(s).client
	queues, err := account.Queues(t.Context(), "hub-wake-")
	if err != nil || len(queues) != 1 {
		t.Fatalf("the queues for wake-ups are %v, %v, want one", queues, err)
	}
	if err := account.DeleteQueue(t.Context(), queues[0]); err != nil {
		t.Fatal(err)
	}
	if err := h.Leave(t.Context()); err != nil {
		t.Errorf("it leaves with %v", err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	l.done(t)
}
