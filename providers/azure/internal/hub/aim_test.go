package hub_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// TestAPurgeThatDidNothingYetIsOfWhatIsThere: an instance that was replaced while a
// client was about to take its partition is not one that there never was.
func TestAPurgeThatDidNothingYetIsOfWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h := ended(t, s, history.StatusCompleted)
		if err := h.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		client := open("client")
		claims := make(chan struct{})
		account.Decide(simulated.Nth(1, func(c simulated.Call) bool {
			claim := c.Client == "client" && slices.ContainsFunc(c.Ops, func(o storage.Op) bool { return o.Row.Key == row.Head })
			if claim {
				close(claims)
			}
			return claim
		}, simulated.Fault{Kind: simulated.Slow, Delay: 2 * time.Second}))
		purged := make(chan error, 1)
		go func() { purged <- client.Purge(t.Context(), "x", true) }()
		<-claims
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		again := story("x", "again", "")
		again.Start.Reuse = provider.ReuseReplace
		if err := s.Send(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		if err := <-purged; err != nil {
			t.Errorf("it says %v, and there was one all the time", err)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close(), client.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAPurgeThatComesTooLateIsOfWhatIsThereByThen: the owner hears of it when what it was
// about was replaced.
func TestAPurgeThatComesTooLateIsOfWhatIsThereByThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h := ended(t, s, history.StatusCompleted)
		client := open("client")
		posts, posted := make(chan struct{}), false // guarded by the account
		account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Client == "client" && c.Kind == simulated.Transact && !posted {
				posted = true
				close(posts)
			}
			return simulated.Fault{}
		})
		purged := make(chan error, 1)
		go func() { purged <- client.Purge(t.Context(), "x", true) }()
		<-posts // its owner has just claimed the partition: it is not rung, and looks a while later
		again := story("x", "again", "")
		again.Start.Reuse = provider.ReuseReplace
		if err := s.Send(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		if err := <-purged; err != nil {
			t.Errorf("it says %v, and there was one all the time", err)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close(), client.Close()); err != nil {
			t.Error(err)
		}
	})
}
