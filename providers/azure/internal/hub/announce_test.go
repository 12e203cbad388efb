package hub_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// TestAHostMayLeaveWhileItJoinsAgain: others took it for dead, and its new row cannot be
// written: there is nothing to announce.
func TestAHostMayLeaveWhileItJoinsAgain(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{}, 1, func(w *two) {
		w.account.Decide(simulated.When(func(c simulated.Call) bool {
			return c.Client == "other" && c.Kind == simulated.Transact && c.Partition == row.Management && c.Ops[0].Verb == storage.Insert
		}, simulated.Fault{Kind: simulated.Reset}))
		w.bury("away")
		<-time.After(time.Minute)
		w.away.(provider.LeaveAnnouncer).AnnounceLeave(w.Context())
		w.account.Decide(nil)
	})
}

// TestWhoJoinsALeavingHostLearnsThatTheStoreWasClosed: it does not wait for ever, nor
// keep a processor busy.
func TestWhoJoinsALeavingHostLearnsThatTheStoreWasClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		h.(provider.LeaveAnnouncer).AnnounceLeave(t.Context())
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		joined := make(chan error, 1)
		go func() {
			_, err := s.Join(ctx, provider.HostInfo{})
			joined <- err
		}()
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if err := <-joined; !errors.Is(err, provider.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	})
}
