package hub_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// What a host runs for others while it cannot use one of the services.

// another opens the hub as another process, and joins as a host that serves the tag.
func (w *two) another(name string) provider.Host {
	w.Helper()
	store, err := hub.Open(w.Context(), w.account.Client(name), hub.Config{Name: "hub", Partitions: 1})
	if err != nil {
		w.Fatal(err)
	}
	h, err := store.Join(w.Context(), provider.HostInfo{Name: name, Tags: []string{"far"}, Slots: 1})
	if err != nil {
		w.Fatal(err)
	}
	w.ends = append(w.ends, func() {
		if err := errors.Join(h.Leave(w.Context()), store.Close()); err != nil {
			w.Error(err)
		}
	})
	return h
}

// nobodyTakes demands that a host has nothing to do for a while.
func (w *two) nobodyTakes(h provider.Host, during time.Duration, meanwhile func()) {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), during)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if task, err := h.NextActivity(ctx); err == nil {
			w.Errorf("another host has %v, delivery %d, which runs already", task.ID, task.Delivery)
		}
	}()
	for end := time.Now().Add(during); time.Now().Before(end); <-time.After(10 * time.Second) {
		meanwhile()
	}
	<-done
}

// TestAHostWithoutBlobsKeepsWhatItRuns: what its activity has reached is too large for
// the queue's message, and cannot be stored; it runs on, and nowhere else.
func TestAHostWithoutBlobsKeepsWhatItRuns(t *testing.T) {
	for _, fault := range []simulated.FaultKind{simulated.Denied, simulated.Busy, simulated.LostRequest} {
		t.Run(fault.String(), func(t *testing.T) {
			besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
				task := w.next(w.away, nil)
				third := w.another("third")
				w.account.Decide(simulated.When(func(c simulated.Call) bool {
					return c.Client == "other" && c.Kind == simulated.PutBlob
				}, simulated.Fault{Kind: fault}))
				progress := reached(large)
				w.nobodyTakes(third, 2*time.Minute, func() {
					ctx, cancel := context.WithTimeout(w.Context(), task.Lease/3) // as the engine does
					defer cancel()
					if s, err := w.away.ExtendActivity(ctx, task, progress); err == nil || errors.Is(err, provider.ErrLockLost) || s.Cancelled {
						w.Errorf("extending says %+v, %v; want that its progress was not stored", s, err)
					}
				})
				w.account.Decide(nil)
				w.extend(w.away, task, progress)
				w.complete(w.away, task)
			})
		})
	}
}

// TestAHostWithoutQueuesLearnsOfACancellation: that an activity is not open any more
// stands in a table.
func TestAHostWithoutQueuesLearnsOfACancellation(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
		task := w.next(w.away, nil)
		w.account.Decide(simulated.When(func(c simulated.Call) bool {
			return c.Client == "other" && simulated.CreateQueue <= c.Kind && c.Kind <= simulated.ListQueues
		}, simulated.Fault{Kind: simulated.Denied}))
		if s, err := w.away.ExtendActivity(w.Context(), task, nil); err == nil || s.Cancelled {
			w.Errorf("extending says %+v, %v; want that it could not be", s, err)
		}
		if err := w.stores[0].Purge(w.Context(), "x", true); err != nil {
			w.Fatal(err)
		}
		if s, err := w.away.ExtendActivity(w.Context(), task, nil); err != nil || !s.Cancelled {
			w.Errorf("extending what was cancelled says %+v, %v", s, err)
		}
		w.account.Decide(nil)
	})
}

// TestACompletionThatIsSentAgainIsOneLetter: nobody learns that it was applied.
func TestACompletionThatIsSentAgainIsOneLetter(t *testing.T) {
	for _, size := range []int{100, large} {
		besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
			task := w.next(w.away, nil)
			blobs := w.allBlobs()
			w.account.Decide(simulated.When(func(c simulated.Call) bool {
				return c.Client == "other" && (c.Kind == simulated.Transact && c.Partition != row.Management || c.Kind == simulated.PutBlob)
			}, simulated.Fault{Kind: simulated.LostAnswer}))
			done := provider.Message{ID: "done", To: "x", Execution: 1, Data: &history.ActivityCompleted{Source: 2, Attempt: 1, Output: reached(size)}}
			for range 3 {
				ctx, cancel := context.WithTimeout(w.Context(), 2*time.Second) // as long as one try
				if err := w.away.CompleteActivity(ctx, task, done); err == nil {
					w.Error("it was told that its completion is there")
				}
				cancel()
			}
			w.account.Decide(nil)
			if err := w.away.CompleteActivity(w.Context(), task, done); err != nil {
				w.Error(err)
			}
			letters := 0
			for _, r := range w.account.State().Rows("hub") {
				if row.KindOf(r.Key) == row.KindInbox {
					letters++
				}
			}
			if more := w.allBlobs() - blobs; letters != 1 || more != size/large {
				w.Errorf("a completion of %d bytes is in %d letters with %d blobs", size, letters, more)
			}
		})
	}
}

// TestWhatIsOverDoesNotBeginAgainWhileItsCompletionCannotBeSent: the worker tries for
// minutes.
func TestWhatIsOverDoesNotBeginAgainWhileItsCompletionCannotBeSent(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
		task := w.next(w.away, nil)
		third := w.another("third")
		w.account.Decide(simulated.When(func(c simulated.Call) bool {
			return c.Client == "other" && c.Kind == simulated.Transact && c.Partition != row.Management
		}, simulated.Fault{Kind: simulated.Busy}))
		done := provider.Message{ID: "done", To: "x", Execution: 1, Data: &history.ActivityCompleted{Source: 2, Attempt: 1}}
		tries := 0
		w.nobodyTakes(third, 4*time.Minute, func() {
			if tries++; tries%6 != 1 { // once a minute
				return
			}
			if err := w.away.CompleteActivity(w.Context(), task, done); err == nil {
				w.Error("its completion was sent, although the service is busy")
			}
		})
		w.account.Decide(nil)
		w.complete(w.away, task)
	})
}
