package hub_test

import (
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// journey is some activities of a session, one after the other.
type journey struct {
	Session string        `json:"session"`
	Tag     string        `json:"tag,omitempty"`
	Each    time.Duration `json:"each"`
	Legs    int           `json:"legs"`
}

var travel = orchestration.Declare[journey, []string]("travel")

func runTravel(ctx *orchestration.Context, j journey) ([]string, error) {
	var hosts []string
	for range j.Legs {
		host, err := longJob.Call(ctx, j.Each, activity.Options{Session: j.Session, Tag: j.Tag}).Await()
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, host)
	}
	return hosts, nil
}

// travels starts instances that share a session, in all partitions.
func travels(s *sites, x *site, name string, n int, j journey) (results []func() []string) {
	for i := range n {
		results = append(results, begin(s, x, travel, j, history.InstanceID(fmt.Sprintf("%s-%d", name, i))))
	}
	return results
}

// hostsOf are the hosts on which all of them ran.
func hostsOf(results []func() []string) (hosts []string) {
	for _, r := range results {
		hosts = append(hosts, r()...)
	}
	slices.Sort(hosts)
	return slices.Compact(hosts)
}

// leaseOf is the host that has a session: empty without a row.
func (s *sites) leaseOf(session, tag string) string {
	s.Helper()
	r, err := s.account.Client("look").Get(s.Context(), s.cfg.Name, row.Management, row.Session(session, tag))
	if storage.Is(err, storage.Missing) {
		return ""
	}
	l, bad := row.ParseLease(r.Cells)
	if err != nil || bad != nil {
		s.Fatal(err, bad)
	}
	return l.Host
}

func TestASessionRunsOnOneHost(t *testing.T) {
	apart(t, 8, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		s.host("second", core.WorkerConfig{})
		s.host("third", core.WorkerConfig{})
		shared := travels(s, first, "shared", 24, journey{Session: "one", Each: time.Second, Legs: 3})
		var used []string
		for i := range 12 {
			own := travels(s, first, fmt.Sprint("own-", i), 2, journey{Session: fmt.Sprint("own-", i), Each: time.Second, Legs: 2})
			hosts := hostsOf(own)
			if len(hosts) != 1 {
				s.Errorf("session own-%d ran on %v, want one host", i, hosts)
			}
			used = append(used, hosts...)
		}
		if hosts := hostsOf(shared); len(hosts) != 1 {
			s.Errorf("the session of 24 instances ran on %v, want one host", hosts)
		}
		if slices.Sort(used); len(slices.Compact(used)) < 2 {
			s.Errorf("12 sessions all ran on %v: they do not spread", used[0])
		}
		if got := s.starts(); len(got) != 24*3+12*4 {
			s.Errorf("activities began %d times, want %d", len(got), 24*3+12*4)
		}
	})
}

func TestASessionMovesWhenItsHostDies(t *testing.T) {
	apart(t, 8, func(s *sites) {
		sites := []*site{s.host("first", core.WorkerConfig{}), s.host("second", core.WorkerConfig{}), s.host("third", core.WorkerConfig{})}
		results := travels(s, sites[0], "k", 16, journey{Session: "one", Each: 8 * time.Second, Legs: 4})
		<-time.After(10 * time.Second)
		holder, incarnation := s.starts()[0], s.leaseOf("one", "")
		var others []*site
		for _, x := range sites {
			if x.name != holder {
				others = append(others, x)
			}
		}
		for _, x := range sites {
			if x.name == holder {
				s.kill(x)
			}
		}
		client := core.NewClient(others[0].store, core.ClientConfig{})
		var hosts []string
		for i := range results {
			ctx, cancel := context.WithTimeout(s.Context(), 10*time.Minute)
			got, err := travel.Handle(client, history.InstanceID(fmt.Sprint("k-", i))).Wait(ctx)
			cancel()
			if err != nil {
				s.Fatal(err)
			}
			hosts = append(hosts, got[len(got)-1])
		}
		if slices.Sort(hosts); hosts[0] != hosts[len(hosts)-1] || hosts[0] == holder {
			s.Errorf("after %s died the session is on %v, want one other host", holder, slices.Compact(hosts))
		}
		queues, err := s.account.Client("look").Queues(s.Context(), s.cfg.Name+"-wh-")
		if err != nil || slices.Contains(queues, s.cfg.Name+"-wh-"+incarnation) {
			s.Errorf("queues of hosts are %v, %v; that of %s should be gone", queues, err, incarnation)
		}
	})
}

func TestASessionLeavesWithItsHost(t *testing.T) {
	apart(t, 4, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		hostsOf(travels(s, first, "a", 4, journey{Session: "one", Each: time.Second, Legs: 1}))
		second := s.host("second", core.WorkerConfig{})
		if got := hostsOf(travels(s, second, "b", 8, journey{Session: "one", Each: time.Second, Legs: 1})); fmt.Sprint(got) != "[first]" {
			s.Errorf("the session ran on %v, want on first, which has it", got)
		}
		results := travels(s, second, "c", 8, journey{Session: "one", Each: 2 * time.Second, Legs: 5})
		<-time.After(3 * time.Second)
		s.leave(first)
		for _, r := range results {
			if got := r(); got[len(got)-1] != "second" {
				s.Errorf("it ran on %v, and at last should on second", got)
			}
		}
	})
}

func TestAnIdleSessionIsGivenUp(t *testing.T) {
	apart(t, 4, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		hostsOf(travels(s, first, "a", 1, journey{Session: "one", Each: hub.SessionIdle + time.Minute, Legs: 1}))
		if s.leaseOf("one", "") == "" {
			s.Error("a session was given up that had an activity all the time")
		}
		<-time.After(hub.SessionIdle - time.Minute)
		if s.leaseOf("one", "") == "" {
			s.Error("a session was given up before it was idle for long enough")
		}
		<-time.After(time.Minute + hub.SessionIdle/5)
		if host := s.leaseOf("one", ""); host != "" {
			s.Errorf("an idle session is still leased to %s", host)
		}
		if got := hostsOf(travels(s, first, "b", 1, journey{Session: "one", Each: time.Second, Legs: 1})); len(got) != 1 {
			s.Errorf("it ran on %v", got)
		}
	})
}

func TestASessionWithATagRunsWhereTheTagIsServed(t *testing.T) {
	apart(t, 4, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		gpu := core.WorkerConfig{Tags: []string{"GPU/8 "}}
		s.host("second", gpu)
		s.host("third", gpu)
		hosts := hostsOf(travels(s, first, "k", 16, journey{Session: "one", Tag: "GPU/8 ", Each: time.Second, Legs: 3}))
		if len(hosts) != 1 || hosts[0] == "first" {
			s.Errorf("it ran on %v, want on one host that serves the tag", hosts)
		}
		if got := s.starts(); len(got) != 48 {
			s.Errorf("48 activities began %d times", len(got))
		}
	})
}

// TestWhatAFormerOwnerLeftGoesToTheHostOfItsSession: activities that wait for a
// slot are restored by a new owner, who has not the session.
func TestWhatAFormerOwnerLeftGoesToTheHostOfItsSession(t *testing.T) {
	apart(t, 8, func(s *sites) {
		first := s.host("first", core.WorkerConfig{MaxActivities: 2})
		results := travels(s, first, "k", 24, journey{Session: "one", Each: 2 * time.Second, Legs: 2})
		<-time.After(time.Second)
		s.host("second", core.WorkerConfig{}) // half of the partitions move, with activities that wait
		if hosts := hostsOf(results); fmt.Sprint(hosts) != "[first]" {
			s.Errorf("the session ran on %v, want on first", hosts)
		}
		if got := s.starts(); len(got) != 48 {
			s.Errorf("48 activities began %d times", len(got))
		}
	})
}

// TestWorkWithATagThatItsNewOwnerDoesNotServeIsOfferedToOthers: it was local to a
// host that served the tag and died.
func TestWorkWithATagThatItsNewOwnerDoesNotServeIsOfferedToOthers(t *testing.T) {
	apart(t, 1, func(s *sites) {
		gpu := core.WorkerConfig{Tags: []string{"GPU/8 "}}
		first := s.host("first", gpu)
		begin(s, first, longTag, 20*time.Second, "a")
		<-time.After(time.Second)
		second := s.host("second", core.WorkerConfig{})
		s.kill(first)
		<-time.After(20 * time.Second) // it owns the partition by now
		s.host("third", gpu)
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Minute)
		defer cancel()
		got, err := longTag.Handle(core.NewClient(second.store, core.ClientConfig{}), "a").Wait(ctx)
		if err != nil || got != "third" {
			s.Errorf("the result is %q, %v; want one from third", got, err)
		}
	})
}

// TestALateEndOfALeaseTakesNothingFromItsNextHost: the deletion of a lease that was
// given up arrives when another host has the session.
func TestALateEndOfALeaseTakesNothingFromItsNextHost(t *testing.T) {
	apart(t, 4, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		hostsOf(travels(s, first, "a", 1, journey{Session: "one", Each: time.Second, Legs: 1}))
		var late atomic.Int32
		s.account.Decide(func(c simulated.Call) simulated.Fault {
			for _, op := range c.Ops {
				if op.Verb == storage.Delete && op.Row.Key == row.Session("one", "") {
					late.Add(1)
					return simulated.Fault{Kind: simulated.Late, Delay: 20 * time.Second}
				}
			}
			return simulated.Fault{}
		})
		for s.leaseOf("one", "") != "" && late.Load() == 0 {
			<-time.After(time.Second)
		}
		results := travels(s, first, "b", 1, journey{Session: "one", Each: 10 * time.Second, Legs: 6})
		<-time.After(30 * time.Second)
		if late.Load() == 0 || s.leaseOf("one", "") == "" {
			s.Errorf("after %d late deletions the session is leased to %q", late.Load(), s.leaseOf("one", ""))
		}
		hostsOf(results)
	})
}
