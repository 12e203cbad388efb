package hub_test

import (
	"context"
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
	next := bulkyStart("x")
	next.ID, next.Start.RequestID, next.Start.Reuse = "next", "other", provider.ReuseReplace
	// The first start is still read when the next one is being read.
	slowToArrive(t, []time.Duration{200 * time.Millisecond, 500 * time.Millisecond}, next, func(ctx context.Context, s *hub.Store, sent <-chan error) error {
		return errors.Join(s.Send(ctx, next), <-sent)
	})
}

// TestAStartThatIsSlowToArriveStaysPurged: its process reads the start when its instance
// was purged, and nothing has the id.
func TestAStartThatIsSlowToArriveStaysPurged(t *testing.T) {
	other := story("y", "y", "")
	slowToArrive(t, []time.Duration{time.Second}, other, func(ctx context.Context, s *hub.Store, sent <-chan error) error {
		return errors.Join(s.Purge(ctx, "x", true), <-sent, s.Send(ctx, other))
	})
}

// slowToArrive has a start of x sent. Reading payloads takes that long, one after the
// other; meanwhile begins with the first of them, and learns when x was sent. Of all that
// was started only left is there then.
func slowToArrive(t *testing.T, reads []time.Duration, left provider.Message, meanwhile func(ctx context.Context, s *hub.Store, sent <-chan error) error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		arrives, read := make(chan struct{}), 0 // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			switch {
			case c.Kind == simulated.DeleteBlob:
				return simulated.Fault{Kind: simulated.Slow, Delay: 10 * time.Second}
			case c.Kind == simulated.GetBlob && read < len(reads):
				if read++; read == 1 {
					close(arrives)
				}
				return simulated.Fault{Kind: simulated.Slow, Delay: reads[read-1]}
			}
			return simulated.Fault{}
		})
		sent := make(chan error, 1)
		go func() { sent <- s.Send(t.Context(), bulkyStart("x")) }()
		<-arrives
		if err := meanwhile(t.Context(), s, sent); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, left.To)
		if len(turn.Messages) != 1 || turn.Messages[0].ID != left.ID {
			t.Errorf("the turn has %d messages, the first %s; want %s alone", len(turn.Messages), turn.Messages[0].ID, left.ID)
		}
		if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
			t.Error(err)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}
