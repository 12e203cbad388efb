package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// What somebody may do to work queues, which nobody should.

var gpu = core.WorkerConfig{Tags: []string{"GPU/8 "}}

// ran waits for a tagged activity, and says on which host it ran.
func (s *sites) ran(x *site, id history.InstanceID) string {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 2*time.Hour)
	defer cancel()
	host, err := longTag.Handle(core.NewClient(x.store, core.ClientConfig{}), id).Wait(ctx)
	if err != nil {
		s.Fatalf("%s: %v", id, err)
	}
	return host
}

// deleteQueues deletes the work queues of tags, of which there are so many.
func (s *sites) deleteQueues(want int) {
	s.Helper()
	operator := s.account.Client("operator")
	queues, err := operator.Queues(s.Context(), s.cfg.Name+"-wt-")
	if err != nil || len(queues) != want {
		s.Fatalf("the work queues are %v, %v; want %d", queues, err, want)
	}
	for _, queue := range queues {
		if err := operator.DeleteQueue(s.Context(), queue); err != nil {
			s.Fatal(err)
		}
	}
}

// TestWorkThatIsLostWithItsQueueIsOfferedAgain: it is deleted while nobody serves
// the tag, and another host may take over then.
func TestWorkThatIsLostWithItsQueueIsOfferedAgain(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		t.Run(fmt.Sprint("takeover ", takeover), func(t *testing.T) {
			apart(t, 1, func(s *sites) {
				owner := s.host("owner", core.WorkerConfig{})
				begin(s, owner, longTag, time.Second, "a")
				begin(s, owner, longTag, time.Second, "b")
				<-time.After(10 * time.Second)
				s.deleteQueues(1)
				if takeover {
					s.kill(owner)
				}
				next := s.host("gpu", gpu)
				for _, id := range []history.InstanceID{"a", "b"} {
					if host := s.ran(next, id); host != "gpu" {
						s.Errorf("%s ran on %q, want gpu", id, host)
					}
				}
				if n := len(s.starts()); n != 2 {
					s.Errorf("the two activities began %d times", n)
				}
			})
		})
	}
}

// TestWorkOfABusyInstanceThatIsLostWithItsQueueIsOfferedAgain: the instance does
// something else all the time.
func TestWorkOfABusyInstanceThatIsLostWithItsQueueIsOfferedAgain(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		result := begin(s, owner, longBoth, 1_000, "a")
		<-time.After(5 * time.Second)
		s.deleteQueues(1)
		s.host("gpu", gpu)
		if host := result(); host != "gpu" {
			s.Errorf("it ran on %q, want gpu", host)
		}
	})
}

// TestWorkThatIsLostWithSeveralQueuesIsOfferedAgainAtOnce: that of an instance together,
// and not that of one queue after the other.
func TestWorkThatIsLostWithSeveralQueuesIsOfferedAgainAtOnce(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		result := begin(s, owner, longTags, time.Second, "a")
		<-time.After(10 * time.Second)
		s.deleteQueues(2)
		s.host("both", core.WorkerConfig{Tags: []string{"GPU/8 ", "far"}})
		deleted := time.Now()
		if hosts := result(); !slices.Equal(hosts, []string{"both", "both"}) {
			s.Errorf("they ran on %v", hosts)
		}
		if took := time.Since(deleted); took > 6*time.Minute {
			s.Errorf("that took %v: more than one count of the queues", took)
		}
	})
}

// TestWorkInAQueueIsLeftThere: for however long nobody takes it, and while it runs,
// hidden. That costs its owner a request now and then.
func TestWorkInAQueueIsLeftThere(t *testing.T) {
	apart(t, 1, func(s *sites) {
		owner := s.host("owner", core.WorkerConfig{})
		begin(s, owner, longTag, 30*time.Minute, "a")
		<-time.After(time.Minute)
		before := s.account.Counts().Calls[simulated.CountMessages]
		<-time.After(time.Hour)
		if n := s.account.Counts().Calls[simulated.CountMessages] - before; n < 11 || n > 13 {
			s.Errorf("the queue was counted %d times in an hour, want 12", n)
		}
		s.host("gpu", gpu)
		if host := s.ran(owner, "a"); host != "gpu" || !slices.Equal(s.starts(), []string{"gpu"}) {
			s.Errorf("it ran on %q, and began on %v; want gpu, once", host, s.starts())
		}
	})
}

// TestWorkThatGoesOnWhileQueuesAreCountedIsNotTakenBack: one queue was counted, and
// another is about to be, when an attempt ends that was in the first, and the next one
// is offered there.
func TestWorkThatGoesOnWhileQueuesAreCountedIsNotTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := hub.Config{Name: "hub", Partitions: 1}
		store, account := checkedWith(t, cfg)
		joins := func(name string, tags ...string) (*hub.Store, provider.Host) {
			s, err := hub.Open(t.Context(), account.Client(name), cfg)
			if err != nil {
				t.Fatal(err)
			}
			h, err := s.Join(t.Context(), provider.HostInfo{Name: name, Tags: tags, Slots: 1})
			if err != nil {
				t.Fatal(err)
			}
			return s, h
		}
		owner, err := store.Join(t.Context(), provider.HostInfo{Name: "owner"})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Send(t.Context(), story("x", "m", "")); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, owner, "x")
		c := &provider.Commit{
			Consumed: 1, NewExecution: true, Status: history.StatusRunning, Name: "story",
			Events: []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: turn.Messages[0].Data}},
		}
		for n, tag := range []string{"far", "near"} {
			e := history.Event{Execution: 1, ID: int64(2 + n), Time: time.Now(), Data: &history.ActivityScheduled{Name: "work"}}
			c.Events = append(c.Events, e)
			c.Activities = append(c.Activities, provider.Activity{Scheduled: e, Attempt: 1, Tag: tag})
		}
		if err := owner.CommitTurn(t.Context(), turn, c); err != nil {
			t.Fatal(err)
		}
		awayStore, away := joins("away", "far")
		task, err := away.NextActivity(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		operator := account.Client("operator")
		for _, tag := range []string{"far", "near"} {
			if err := operator.DeleteQueue(t.Context(), "hub-wt-"+tag); err != nil {
				t.Fatal(err)
			}
		}
		counting := make(chan bool, 1)
		account.Decide(func(c simulated.Call) simulated.Fault {
			switch {
			case c.Kind == simulated.CountMessages && c.Resource == "hub-wt-far":
				select {
				case counting <- true:
				default:
				}
				return simulated.Fault{Kind: simulated.Slow, Delay: 2 * time.Second}
			case c.Kind == simulated.Enqueue && c.Resource == "hub-wt-far":
				return simulated.Fault{Kind: simulated.Slow, Delay: 5 * time.Second}
			}
			return simulated.Fault{}
		})
		<-counting
		if err := away.CompleteActivity(t.Context(), task, failure(task)); err != nil {
			t.Fatal(err)
		}
		turn = turnOf(t, owner, "x")
		if err := owner.CommitTurn(t.Context(), turn, &provider.Commit{
			Consumed: 1, CompletedActivities: []int64{2}, Activities: []provider.Activity{again(task)},
		}); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Minute)
		account.Decide(nil)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		second, err := away.NextActivity(ctx)
		if err != nil || second.Activity.Attempt != 2 {
			t.Fatalf("%+v, %v; want the second attempt", second, err)
		}
		// Its host is silent: it comes to another.
		thirdStore, third := joins("third", "far")
		got, err := third.NextActivity(ctx)
		if err != nil || got.Activity.Attempt != 2 {
			t.Errorf("%+v, %v; want the second attempt again", got, err)
		}
		for _, h := range []provider.Host{third, away, owner} {
			if err := h.Leave(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(thirdStore.Close(), awayStore.Close()); err != nil {
			t.Error(err)
		}
	})
}
