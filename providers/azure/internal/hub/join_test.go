package hub_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestAHostJoinsWhileStorageDoesNotAnswer: each write of the row of a host that
// joins is lost, or its answer is, for a while.
func TestAHostJoinsWhileStorageDoesNotAnswer(t *testing.T) {
	for _, kind := range []simulated.FaultKind{simulated.LostRequest, simulated.LostAnswer} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account := simulated.New(simulated.Config{Seed: 1, Latency: simulated.Fixed(10 * time.Millisecond)})
				defer account.Close()
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s, err := hub.Open(ctx, account.Client("server"), hub.Config{Name: "hub", Partitions: 1, TTL: 3 * time.Second})
				if err != nil {
					t.Fatal(err)
				}
				lost := 0
				account.Decide(func(c simulated.Call) simulated.Fault {
					if c.Kind != simulated.Transact || lost == 5 {
						return simulated.Fault{}
					}
					lost++
					return simulated.Fault{Kind: kind}
				})
				host, err := s.Join(ctx, provider.HostInfo{})
				if err != nil {
					t.Fatal(err)
				}
				if lost != 5 {
					t.Errorf("%d writes were lost before it had joined, want 5", lost)
				}
				for _, err := range []error{host.Leave(context.WithoutCancel(ctx)), s.Close()} {
					if err != nil {
						t.Error(err)
					}
				}
			})
		})
	}
}

// TestWhoJoinsWaitsForAHostThatHasAnnouncedToLeave: it becomes another host, which takes
// what it likes. Of several workers of a process it is the last that says so.
func TestWhoJoinsWaitsForAHostThatHasAnnouncedToLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, open := processes(t, hub.Config{Name: "hub", Partitions: 2})
		s, other := open("server"), open("other")
		join := func(ctx context.Context, s *hub.Store) provider.Host {
			h, err := s.Join(ctx, provider.HostInfo{})
			if err != nil {
				t.Error(err)
			}
			return h
		}
		leaving := func() (n int) {
			rows, err := other.HostRows(t.Context())
			if err != nil {
				t.Error(err)
			}
			for i := range rows {
				if rows[i].Leaving {
					n++
				}
			}
			return n
		}
		first, second, elsewhere := join(t.Context(), s), join(t.Context(), s), join(t.Context(), other)
		<-time.After(time.Minute)
		first.(provider.LeaveAnnouncer).AnnounceLeave(t.Context())
		if n := leaving(); n != 0 {
			t.Errorf("a worker of two leaves, and %d hosts say so", n)
		}
		third := join(t.Context(), s) // the process has no reason to leave
		if err := errors.Join(first.Leave(t.Context()), third.Leave(t.Context())); err != nil {
			t.Error(err)
		}
		second.(provider.LeaveAnnouncer).AnnounceLeave(t.Context())
		if n := leaving(); n != 1 {
			t.Errorf("the last worker leaves, and %d hosts say so, want 1", n)
		}
		brief, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.Join(brief, provider.HostInfo{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("who joined a host that leaves got %v", err)
		}
		joined := make(chan provider.Host, 1)
		go func() { joined <- join(t.Context(), s) }()
		<-time.After(time.Second)
		if err := second.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		fourth := <-joined
		<-time.After(time.Minute)
		rows, err := other.HostRows(t.Context())
		if err != nil || len(rows) != 2 || len(rows[0].Serves) != 1 || len(rows[1].Serves) != 1 || leaving() > 0 {
			t.Errorf("the hosts are %+v, %v; want two with a partition each", rows, err)
		}
		if err := errors.Join(fourth.Leave(t.Context()), elsewhere.Leave(t.Context()), s.Close(), other.Close()); err != nil {
			t.Error(err)
		}
	})
}
