package hub_test

import (
	"context"
	"errors"
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

// TestAWorkerThatLeavesHoldsUpNoOther: what it gives back takes as long as the service
// does, and others of its process come and go meanwhile.
func TestAWorkerThatLeavesHoldsUpNoOther(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 1, func(w *two) {
		w.next(w.away, nil)
		stays, err := w.stores[1].Join(w.Context(), provider.HostInfo{Name: "stays"})
		if err != nil {
			w.Fatal(err)
		}
		w.account.Decide(simulated.When(func(c simulated.Call) bool { return c.Client == "other" && c.Kind == simulated.Extend },
			simulated.Fault{Kind: simulated.Slow, Delay: time.Second}))
		left := make(chan error, 1)
		go func() { left <- w.away.Leave(w.Context()) }()
		synctest.Wait()
		began := time.Now()
		comes, err := w.stores[1].Join(w.Context(), provider.HostInfo{Name: "comes"})
		if err == nil {
			err = comes.Leave(w.Context())
		}
		if took := time.Since(began); err != nil || took > 100*time.Millisecond {
			w.Errorf("to join and leave took %v, %v", took, err)
		}
		if err := errors.Join(<-left, stays.Leave(w.Context())); err != nil {
			w.Error(err)
		}
	})
}

// TestWhatNeedsATagDoesNotWaitForALeaver: who has announced that it leaves begins nothing
// any more, but has its instances for as long as what runs there takes.
func TestWhatNeedsATagDoesNotWaitForALeaver(t *testing.T) {
	work := provider.Activity{Tag: "far"}
	besides(t, provider.HostInfo{Name: "owner", Tags: []string{"far"}}, work, 1, func(w *two) {
		w.owner.(provider.LeaveAnnouncer).AnnounceLeave(w.Context()) // the activity of x waits
		opens(w.T, w.stores[0], w.owner, "y", work)
		for range 2 {
			task := w.next(w.away, nil)
			if task == nil {
				return
			}
			result := &history.ActivityCompleted{Source: 2, Attempt: 1}
			if err := w.away.CompleteActivity(w.Context(), task, provider.Message{
				ID: "done " + string(task.ID.Instance), To: task.ID.Instance, Execution: 1, Data: result,
			}); err != nil {
				w.Error(err)
			}
		}
	})
}
