package hub_test

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestOrdersForAnInstanceAreCarriedOutOneAfterTheOther: also while what one of them
// made is still being read. Of two at once each removes what the other one makes.
func TestOrdersForAnInstanceAreCarriedOutOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h := ended(t, s, history.StatusCompleted)
		defer func() {
			if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
				t.Error(err)
			}
		}()
		replaced, looked := make(chan struct{}), make(chan struct{})
		steps := 0 // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			switch {
			case steps == 0 && c.Kind == simulated.GetBlob:
				steps++
				close(replaced)
				return simulated.Fault{Kind: simulated.Slow, Delay: 500 * time.Millisecond}
			case steps == 1 && c.Kind == simulated.Scan && c.Range.From == row.InboxOf("x").From:
				steps++
				close(looked)
				return simulated.Fault{Kind: simulated.Slow, Delay: time.Second}
			}
			return simulated.Fault{}
		})
		var orders sync.WaitGroup
		replace := func(m provider.Message) {
			m.Start.Reuse = provider.ReuseReplace
			if err := s.Send(t.Context(), m); err != nil {
				t.Error(err)
			}
		}
		orders.Go(func() { replace(bulkyStart("x")) })
		<-replaced
		orders.Go(func() {
			if err := s.Purge(t.Context(), "x", true); err != nil {
				t.Error(err)
			}
		})
		<-looked // the purge is under way
		<-time.After(600 * time.Millisecond)
		replace(story("x", "last", ""))
		orders.Wait()
		if info, err := s.Instance(t.Context(), "x"); err != nil {
			t.Errorf("what replaced it went with it: %v", err)
		} else if info.Status.Final() {
			t.Errorf("it is %v", info.Status)
		}
		found, err := audit.Run(t.Context(), account.Client("auditor"), "hub", audit.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found.Findings {
			t.Error(f)
		}
	})
}

// TestAStartThatIsSlowToArriveDoesNotComeBack: its process reads the start when another
// has replaced its instance, and consumed it.
func TestAStartThatIsSlowToArriveDoesNotComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		arrives, reads := make(chan struct{}), 0 // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			switch c.Kind {
			case simulated.DeleteBlob:
				return simulated.Fault{Kind: simulated.Slow, Delay: time.Second}
			case simulated.GetBlob:
				switch reads++; reads {
				case 1: // the first start is still read
					close(arrives)
					return simulated.Fault{Kind: simulated.Slow, Delay: 200 * time.Millisecond}
				case 2: // when the next one is being read
					return simulated.Fault{Kind: simulated.Slow, Delay: 500 * time.Millisecond}
				}
			}
			return simulated.Fault{}
		})
		sent := make(chan error, 1)
		go func() { sent <- s.Send(t.Context(), bulkyStart("x")) }()
		<-arrives
		next := bulkyStart("x")
		next.ID, next.Start.RequestID, next.Start.Reuse = "next", "other", provider.ReuseReplace
		if err := errors.Join(s.Send(t.Context(), next), <-sent); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, "x")
		if len(turn.Messages) != 1 || turn.Messages[0].ID != "next" {
			t.Errorf("the turn has %d messages, the first %s; want the start that replaced the other, alone", len(turn.Messages), turn.Messages[0].ID)
		}
		if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
			t.Error(err)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAStartThatIsSlowToArriveStaysPurged: its process reads the start when its instance
// was purged, and nothing has the id.
func TestAStartThatIsSlowToArriveStaysPurged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		arrives, reads := make(chan struct{}), 0 // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			switch c.Kind {
			case simulated.DeleteBlob:
				return simulated.Fault{Kind: simulated.Slow, Delay: 10 * time.Second}
			case simulated.GetBlob:
				if reads++; reads == 1 {
					close(arrives)
					return simulated.Fault{Kind: simulated.Slow, Delay: time.Second}
				}
			}
			return simulated.Fault{}
		})
		sent := make(chan error, 1)
		go func() { sent <- s.Send(t.Context(), bulkyStart("x")) }()
		<-arrives
		if err := errors.Join(s.Purge(t.Context(), "x", true), <-sent); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), story("y", "y", "")); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, "y") // and none of what was purged
		if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
			t.Error(err)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}
