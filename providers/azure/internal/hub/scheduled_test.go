package hub

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestScheduledEventsGoWithTheirPartition: a host that has partitions now and then
// keeps nothing of those that it does not have.
func TestScheduledEventsGoWithTheirPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(time.Millisecond)})
		defer account.Close()
		s, err := Open(t.Context(), account.Client("one"), Config{Name: "hub", Partitions: 2})
		if err != nil {
			t.Fatal(err)
		}
		h, err := s.Join(t.Context(), provider.HostInfo{Name: "one"})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		m := s.member
		given := s.Partition("a")
		kept := history.InstanceID("b")
		for s.Partition(kept) == given {
			kept += "b"
		}
		m.scheduled.events = map[history.InstanceID]map[int64]history.Event{"a": {}, kept: {}}
		m.partition(given).lost()
		if _, there := m.scheduled.events["a"]; there || len(m.scheduled.events) != 1 {
			t.Errorf("the partition of a is lost, and events are kept of %v", m.scheduled.events)
		}
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
