package hub_test

import (
	"context"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
)

// Who waits in the process that owns the instance is told by its commits.

// TestWaitingInTheOwnersProcessReadsHardlyAnything: also for an instance that is not
// in memory, which the process never saw.
func TestWaitingInTheOwnersProcessReadsHardlyAnything(t *testing.T) {
	apart(t, 1, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		client := core.NewClient(first.store, core.ClientConfig{})
		s.begun(client, budgetWaiting, "order")
		s.kill(first)
		second, read := s.openReader("second")
		s.work(second, core.WorkerConfig{})
		client = core.NewClient(second, core.ClientConfig{})
		ended := make(chan error, 1)
		read.mu.Lock()
		read.gets = 0
		read.mu.Unlock()
		go func() {
			_, err := budgetWaiting.Handle(client, "order").Wait(s.Context())
			ended <- err
		}()
		<-time.After(10 * time.Minute)
		read.mu.Lock()
		if read.gets == 0 || read.gets > 12 {
			s.Errorf("ten minutes of waiting took %d reads, want one, and one a minute", read.gets)
		}
		read.mu.Unlock()
		raised := time.Now()
		if err := budgetGo.Raise(s.Context(), client, "order", 1); err != nil {
			s.Fatal(err)
		}
		if err := <-ended; err != nil {
			s.Fatal(err)
		}
		if took := time.Since(raised); took > time.Second {
			s.Errorf("it was told %v after the event", took)
		}
	})
}

// TestWhoWaitsHearsThatThePartitionMoved: from then on it reads.
func TestWhoWaitsHearsThatThePartitionMoved(t *testing.T) {
	apart(t, 2, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		client := core.NewClient(first.store, core.ClientConfig{})
		ids := []history.InstanceID{"a", "b", "c", "d", "e", "f"} // in both partitions
		s.begun(client, budgetWaiting, ids...)
		ended := make(chan error, len(ids))
		for _, id := range ids {
			go func() {
				ctx, cancel := context.WithTimeout(s.Context(), 10*time.Minute)
				defer cancel()
				_, err := budgetWaiting.Handle(client, id).Wait(ctx)
				ended <- err
			}()
		}
		before := s.epochs()
		s.host("second", core.WorkerConfig{})
		<-time.After(5 * time.Second)
		if s.epochs() == before {
			s.Fatal("no partition moved")
		}
		raised := time.Now()
		for _, id := range ids {
			if err := budgetGo.Raise(s.Context(), client, id, 1); err != nil {
				s.Fatal(err)
			}
		}
		for range ids {
			if err := <-ended; err != nil {
				s.Error(err)
			}
		}
		if took := time.Since(raised); took > 10*time.Second {
			s.Errorf("the last was told %v after the event", took)
		}
		partitions := map[int]bool{}
		for _, id := range ids {
			partitions[first.store.Partition(id)] = true
		}
		if len(partitions) != 2 {
			s.Fatal("the instances are in one partition alone")
		}
	})
}
