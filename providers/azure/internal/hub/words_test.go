package hub_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestTheLastWordsOfAHostAreReadBeforeItsWorkIsOffered: activities end on a host that
// has handed their partitions over, and nobody rings. When that host has gone, their
// owner looks into the inbox before it offers anything again.
func TestTheLastWordsOfAHostAreReadBeforeItsWorkIsOffered(t *testing.T) {
	apart(t, 4, func(s *sites) {
		const orders = 12
		first := s.host("first", core.WorkerConfig{})
		for i := range orders {
			begin(s, first, longOne, 45*time.Second, history.InstanceID(fmt.Sprint("order-", i)))
		}
		second := s.host("second", core.WorkerConfig{}) // takes half of the partitions
		var lost atomic.Int32
		s.account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Client == "first" && c.Kind == simulated.Enqueue {
				lost.Add(1)
				return simulated.Fault{Kind: simulated.Reset}
			}
			return simulated.Fault{}
		})
		<-time.After(41 * time.Second) // they have ended, and inboxes are swept in a while
		s.leave(first)
		<-time.After(time.Minute)
		client := core.NewClient(second.store, core.ClientConfig{})
		for i := range orders {
			if got, err := longOne.Handle(client, history.InstanceID(fmt.Sprint("order-", i))).Wait(s.Context()); err != nil || got != "first" {
				s.Errorf("the result of order-%d is %q, %v; want one from first", i, got, err)
			}
		}
		if got := s.starts(); len(got) != orders || lost.Load() == 0 {
			s.Errorf("%d activities began %d times, with %d wake-ups lost; want once, and some", orders, len(got), lost.Load())
		}
	})
}

// TestWhatASessionsFormerHostGaveBackIsNotLeftToIt: an owner sends an activity to a
// host that had its session, and gets it back; the session is on a third one. When the
// owner and that one have died, the next owner waits for none of them, and not for the
// first one, which lives.
func TestWhatASessionsFormerHostGaveBackIsNotLeftToIt(t *testing.T) {
	apart(t, 6, func(s *sites) {
		former, owner, third := s.host("former", core.WorkerConfig{}), s.host("owner", core.WorkerConfig{}), s.host("third", core.WorkerConfig{})
		<-time.After(time.Minute) // each has its share
		visit := func(x *site, name string, each time.Duration) history.InstanceID {
			id := s.idOn(x, name)
			begin(s, x, travel, journey{Session: "one", Each: each, Legs: 1}, id)
			<-time.After(10 * time.Second)
			return id
		}
		visit(former, "a", time.Second)
		visit(owner, "b", time.Second)        // which learns who has the session
		<-time.After(hub.SessionIdle * 3 / 2) // and gives it up
		visit(third, "c", time.Second)
		id := visit(owner, "d", time.Hour)
		if got := s.starts(); fmt.Sprint(got) != "[former former third third]" {
			s.Fatalf("activities of the session ran on %v", got)
		}
		s.kill(owner)
		s.kill(third)
		<-time.After(time.Minute)
		if got := s.starts(); len(got) != 5 || got[4] != "former" {
			s.Errorf("a minute after two of three hosts died, activities of %s began on %v; want the last one on former", id, got)
		}
	})
}

// idOn makes an id of an instance that a host serves.
func (s *sites) idOn(x *site, name string) history.InstanceID {
	s.Helper()
	hosts, err := x.store.HostRows(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	for n := range 1_000 {
		id := history.InstanceID(fmt.Sprint(name, "-", n))
		for _, h := range hosts {
			for _, p := range h.Serves {
				if h.Name == x.name && p.Partition == x.store.Partition(id) {
					return id
				}
			}
		}
	}
	s.Fatalf("%s serves nothing: %+v", x.name, hosts)
	return ""
}
