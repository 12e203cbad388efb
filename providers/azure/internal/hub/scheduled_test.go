package hub

import (
	"encoding/hex"
	"errors"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// opened is an account, and a hub in it.
func opened(t *testing.T, partitions int) (*simulated.Account, *Store) {
	t.Helper()
	account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(time.Millisecond)})
	t.Cleanup(account.Close)
	s, err := Open(t.Context(), account.Client("one"), Config{Name: "hub", Partitions: partitions})
	if err != nil {
		t.Fatal(err)
	}
	return account, s
}

// TestScheduledEventsGoWithTheirPartition: a host that has partitions now and then
// keeps nothing of those that it does not have.
func TestScheduledEventsGoWithTheirPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, s := opened(t, 2)
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
		for _, id := range []history.InstanceID{"a", kept} {
			m.scheduled.Keep(id, map[int64]history.Event{2: {Execution: 1, ID: 2}}, func() bool { return true })
		}
		m.partition(given).lost()
		if _, there := m.scheduled.Take(history.ActivityID{Instance: "a", Execution: 1, Event: 2}); there {
			t.Error("the partition of a is lost, and its event is kept")
		}
		if _, there := m.scheduled.Take(history.ActivityID{Instance: kept, Execution: 1, Event: 2}); !there {
			t.Error("the event of another partition is gone")
		}
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestScheduledEventsGoWithTheirInstance: it is purged while its history is read for
// one of them, of which the last blob is there a moment longer.
func TestScheduledEventsGoWithTheirInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, s := opened(t, 1)
		join := func() provider.Host {
			h, err := s.Join(t.Context(), provider.HostInfo{Name: "one"})
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		h := join()
		start := provider.Message{ID: "start", To: "x", Start: &provider.Start{Name: "story"}, Data: &history.ExecutionStarted{Name: "story"}}
		if err := s.Send(t.Context(), start); err != nil {
			t.Fatal(err)
		}
		turn, err := h.NextTurn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		c := &provider.Commit{
			Consumed: 1, NewExecution: true, Name: "story", Status: history.StatusRunning,
			Events: []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: start.Data}},
		}
		input := make([]byte, 200_000) // which goes into a blob, with its event
		_, _ = rand.NewChaCha8([32]byte{}).Read(input)
		for id := int64(2); id < 4; id++ {
			e := history.Event{Execution: 1, ID: id, Time: time.Now(), Data: &history.ActivityScheduled{Name: "former", Input: history.Payload(`"` + hex.EncodeToString(input) + `"`)}}
			c.Events = append(c.Events, e)
			c.Activities = append(c.Activities, provider.Activity{Scheduled: e, Attempt: 1})
		}
		if err := errors.Join(h.CommitTurn(t.Context(), turn, c), h.Leave(t.Context())); err != nil {
			t.Fatal(err)
		}
		reading, once := make(chan bool), false // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			switch {
			case c.Kind == simulated.DeleteBlob:
				return simulated.Fault{Kind: simulated.Denied}
			case c.Kind == simulated.GetBlob && !once:
				once = true
				close(reading)
				return simulated.Fault{Kind: simulated.Slow, Delay: time.Second}
			}
			return simulated.Fault{}
		})
		h = join()
		taken := make(chan error, 1)
		go func() {
			_, err := h.NextActivity(t.Context())
			taken <- err
		}()
		<-reading
		m := s.member
		if err := s.Purge(t.Context(), "x", true); err != nil {
			t.Error(err)
		}
		if err := <-taken; err != nil {
			t.Error(err)
		}
		for event := int64(2); event < 4; event++ {
			if _, there := m.scheduled.Take(history.ActivityID{Instance: "x", Execution: 1, Event: event}); there {
				t.Errorf("x is gone, and its event %d is kept", event)
			}
		}
		account.Decide(nil)
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}
