package hub_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

func TestAHandOverDoublesNoRunningActivity(t *testing.T) {
	apart(t, 4, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		var results []func() string
		for i := range 12 {
			results = append(results, begin(s, first, longOne, 30*time.Second, history.InstanceID(fmt.Sprint("order-", i))))
		}
		second := s.host("second", core.WorkerConfig{}) // partitions move to it
		hosts, err := second.store.HostRows(s.Context())
		moved := 0
		for _, h := range hosts {
			if h.Name == second.name {
				moved = len(h.Serves)
			}
		}
		if err != nil || moved == 0 {
			s.Fatalf("the second host serves %d partitions, %v: nothing was handed over", moved, err)
		}
		for _, result := range results {
			if got := result(); got != "first" {
				s.Errorf("a result is from %q, want from first, where it ran", got)
			}
		}
		if got := s.starts(); len(got) != 12 {
			s.Errorf("12 activities began %d times: %v", len(got), got)
		}
		leaving := time.Now()
		s.leave(first)
		if took := time.Since(leaving); took > 10*time.Second {
			s.Errorf("leaving took %v: outcomes that another host committed are not waited for", took)
		}
	})
}

// While an activity runs, one commit after the other opens and closes others of
// its instance: at the hand-over one is on its way.
func TestAHandOverLosesNoActivityOfACommitUnderWay(t *testing.T) {
	apart(t, 4, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		var results []func() int
		for i := range 12 {
			results = append(results, begin(s, first, longBusy, 1000, history.InstanceID(fmt.Sprint("order-", i))))
		}
		<-time.After(5 * time.Second)
		s.host("second", core.WorkerConfig{})
		for _, result := range results {
			result() // or else it is stuck
		}
	})
}

func TestAnActivityThatIsGivenBackAfterAHandOverRunsAgain(t *testing.T) {
	apart(t, 2, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		begin(s, first, longOne, 5*time.Minute, "order") // longer than the grace
		<-time.After(time.Second)
		second := s.host("second", core.WorkerConfig{})
		s.leave(first)
		client := core.NewClient(second.store, core.ClientConfig{})
		i, err := longOne.Handle(client, "order").Wait(s.Context())
		if err != nil || i != "second" {
			s.Errorf("the result is %q, %v; want one from second", i, err)
		}
	})
}

func TestAnActivityOfAFormerOwnerThatDiesRunsAgain(t *testing.T) {
	apart(t, 4, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		var ids []history.InstanceID
		for i := range 12 {
			ids = append(ids, history.InstanceID(fmt.Sprint("order-", i)))
			begin(s, first, longOne, time.Minute, ids[i])
		}
		second := s.host("second", core.WorkerConfig{})
		<-time.After(10 * time.Second)
		s.kill(first)
		client := core.NewClient(second.store, core.ClientConfig{})
		for _, id := range ids {
			ctx, cancel := context.WithTimeout(s.Context(), 10*time.Minute)
			if got, err := longOne.Handle(client, id).Wait(ctx); err != nil || got != "second" {
				s.Errorf("the result of %s is %q, %v; want one from second", id, got, err)
			}
			cancel()
		}
	})
}

func TestOwnersThatFollowEachOtherDoubleNothing(t *testing.T) {
	apart(t, 8, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		var results []func() []string
		for i := range 24 {
			results = append(results, begin(s, first, longTwo, 10*time.Minute, history.InstanceID(fmt.Sprint("order-", i))))
		}
		s.host("second", core.WorkerConfig{}) // half of the partitions move to it
		<-time.After(time.Minute)             // the second activities run where the instances are now
		s.host("third", core.WorkerConfig{})  // and a third of the partitions move once more
		by := map[string]int{}
		for _, result := range results {
			for _, host := range result() {
				by[host]++
			}
		}
		if got := s.starts(); len(got) != 48 || by["second"] == 0 {
			s.Errorf("48 activities began %d times, with results from %v", len(got), by)
		}
	})
}

func TestAnActivityThatWasGivenBackIsNotForgottenWithItsNewOwner(t *testing.T) {
	apart(t, 4, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		var ids []history.InstanceID
		for i := range 12 {
			ids = append(ids, history.InstanceID(fmt.Sprint("order-", i)))
			begin(s, first, longOne, 5*time.Minute, ids[i])
		}
		second := s.host("second", core.WorkerConfig{})
		s.leave(first) // what it ran goes back to the second
		<-time.After(time.Second)
		s.kill(second)
		third := s.host("third", core.WorkerConfig{})
		client := core.NewClient(third.store, core.ClientConfig{})
		for _, id := range ids {
			ctx, cancel := context.WithTimeout(s.Context(), 20*time.Minute)
			if got, err := longOne.Handle(client, id).Wait(ctx); err != nil || got != "third" {
				s.Errorf("the result of %s is %q, %v; want one from third", id, got, err)
			}
			cancel()
		}
	})
}

// TestAnActivityThatGoesOnAfterAHandOverIsCancelledThere: a turn of its instance cancels
// it, or the instance is purged, where it lives by then.
func TestAnActivityThatGoesOnAfterAHandOverIsCancelledThere(t *testing.T) {
	for _, purged := range []bool{false, true} {
		t.Run(fmt.Sprint("purged ", purged), func(t *testing.T) {
			handsOver(t, 4, func(o *handedOver) {
				theirs := served(o.T, o.stores[1], "next")
				moved := 0
				for _, task := range o.tasks {
					id := task.ID.Instance
					if !theirs[o.stores[1].Partition(id)] {
						continue
					}
					moved++
					o.extend(task, nil)
					if purged {
						if err := o.stores[1].Purge(o.Context(), id, true); err != nil {
							o.Fatal(err)
						}
					} else {
						if err := o.stores[1].Send(o.Context(), event(id, "stop-"+string(id))); err != nil {
							o.Fatal(err)
						}
						turn := turnOf(o.T, o.next, id)
						if err := o.next.CommitTurn(o.Context(), turn, &provider.Commit{Consumed: 1, CancelActivities: []int64{2}}); err != nil {
							o.Fatal(err)
						}
					}
					if s, err := o.former.ExtendActivity(o.Context(), task, reached(100)); err != nil || !s.Cancelled {
						o.Errorf("extending %v, which nobody waits for: %+v, %v; want that it is cancelled", task.ID, s, err)
					}
				}
				if moved == 0 {
					o.Error("nothing was handed over")
				}
				if err := o.former.Leave(o.Context()); err != nil {
					o.Error(err)
				}
			})
		})
	}
}
