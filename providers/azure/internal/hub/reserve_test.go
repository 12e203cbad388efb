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
