package hub_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// reached is progress of so many bytes, which nothing makes smaller.
func reached(size int) history.Payload {
	b := make([]byte, size/2)
	_, _ = rand.Read(b)
	return history.Payload(`"` + hex.EncodeToString(b) + `"`)
}

// two are an owner and another host, over a store each.
type two struct {
	*testing.T
	account     *simulated.Account
	stores      []*hub.Store
	owner, away provider.Host
	ends        []func()
}

// besides runs a test with an owner and another host, which serves a tag. Instance x
// has an activity open when the other one joins.
func besides(t *testing.T, owner provider.HostInfo, a provider.Activity, size int, test func(w *two)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		store, account := checkedWith(t, hub.Config{Name: "hub", Partitions: 1})
		w := &two{T: t, account: account, stores: []*hub.Store{store}}
		other, err := hub.Open(t.Context(), account.Client("other"), hub.Config{Name: "hub", Partitions: 1})
		if err != nil {
			t.Fatal(err)
		}
		w.stores = append(w.stores, other)
		defer func() {
			if err := other.Close(); err != nil {
				t.Error(err)
			}
		}()
		if w.owner, err = store.Join(t.Context(), owner); err != nil {
			t.Fatal(err)
		}
		if err := store.Send(t.Context(), story("x", "m", "")); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, w.owner, "x")
		a.Scheduled = history.Event{Execution: 1, ID: 2, Time: time.Now(), Data: &history.ActivityScheduled{Name: "work", Input: reached(size)}}
		a.Attempt = 1
		if err := w.owner.CommitTurn(t.Context(), turn, &provider.Commit{
			Consumed: 1, NewExecution: true, Status: history.StatusRunning, Name: "story",
			Events:     []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: turn.Messages[0].Data}, a.Scheduled},
			Activities: []provider.Activity{a},
		}); err != nil {
			t.Fatal(err)
		}
		if w.away, err = other.Join(t.Context(), provider.HostInfo{Name: "away", Tags: []string{"far"}, Slots: 1}); err != nil {
			t.Fatal(err)
		}
		test(w)
		for _, end := range w.ends {
			end()
		}
		for _, h := range []provider.Host{w.away, w.owner} {
			if err := h.Leave(t.Context()); err != nil {
				t.Error(err)
			}
		}
	})
}

// next takes the activity, which is to have this progress.
func (w *two) next(h provider.Host, progress history.Payload) *provider.ActivityTask {
	w.Helper()
	ctx, cancel := context.WithTimeout(w.Context(), 5*time.Minute)
	defer cancel()
	task, err := h.NextActivity(ctx)
	if err != nil {
		w.Error(err)
		return nil
	}
	if !bytes.Equal(task.Progress, progress) {
		w.Errorf("delivery %d has progress of %d bytes, want those of %d that were stored", task.Delivery, len(task.Progress), len(progress))
	}
	return task
}

func (w *two) extend(h provider.Host, task *provider.ActivityTask, progress history.Payload) {
	w.Helper()
	if s, err := h.ExtendActivity(w.Context(), task, progress); err != nil || s.Cancelled {
		w.Fatalf("extending with progress of %d bytes: %+v, %v", len(progress), s, err)
	}
}

// complete ends the activity, and its instance with it.
func (w *two) complete(h provider.Host, task *provider.ActivityTask) {
	w.Helper()
	result := &history.ActivityCompleted{Source: 2, Attempt: 1}
	if err := h.CompleteActivity(w.Context(), task, provider.Message{ID: "done", To: "x", Execution: 1, Data: result}); err != nil {
		w.Fatal(err)
	}
	turn := turnOf(w.T, w.owner, "x")
	if err := w.owner.CommitTurn(w.Context(), turn, &provider.Commit{
		Consumed: 1, Status: history.StatusCompleted, Name: "story",
		Events: []history.Event{{Execution: 1, ID: 3, Time: time.Now(), Data: turn.Messages[0].Data}},
	}); err != nil {
		w.Fatal(err)
	}
}

// blobs are those of progress.
func (w *two) blobs() (all []string) {
	for name := range w.account.State().Blobs("hub") {
		if _, _, _, ok := row.ProgressIn(name); ok {
			all = append(all, name)
		}
	}
	return all
}

const large = 600_000

// TestProgressOfARemoteActivityIsThereAtItsNextDelivery: it stands in the queue's
// message, or in a blob that the message names.
func TestProgressOfARemoteActivityIsThereAtItsNextDelivery(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 20<<10, func(w *two) {
		task := w.next(w.away, nil)
		for _, size := range []int{10 << 10, 23 << 10, 40 << 10, large, 1<<20 - 2, 100} {
			progress := reached(size)
			w.extend(w.away, task, reached(size)) // is replaced
			w.extend(w.away, task, progress)
			w.extend(w.away, task, nil)
			if err := w.away.ReleaseActivity(w.Context(), task, provider.Release{Delay: 2 * time.Second}); err != nil {
				w.Fatal(err)
			}
			task = w.next(w.away, progress)
			synctest.Wait()
			if n := len(w.blobs()); n > 1 || n == 1 && size < 40<<10 {
				w.Errorf("after progress of %d bytes there are %d blobs of progress", size, n)
			}
		}
		w.extend(w.away, task, reached(large))
		w.complete(w.away, task)
		synctest.Wait()
		if left := w.blobs(); len(left) > 0 {
			w.Errorf("the activity is over, and blobs of its progress are left: %v", left)
		}
	})
}

// TestProgressGoesAlongToAnotherHost: the owner stored it, and its next one does not
// serve the tag.
func TestProgressGoesAlongToAnotherHost(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{}, 100, func(w *two) {
		task := w.next(w.owner, nil)
		progress := reached(large)
		w.extend(w.owner, task, progress)
		got := make(chan *provider.ActivityTask)
		go func() { got <- w.next(w.away, progress) }()
		if err := w.owner.ReleaseActivity(w.Context(), task, provider.Release{}); err != nil {
			w.Fatal(err)
		}
		task = <-got
		if task == nil {
			return
		}
		// It goes on, kills hosts, and goes back to the owner.
		progress = reached(large)
		w.extend(w.away, task, progress)
		for task.Delivery < 3 {
			if err := w.away.ReleaseActivity(w.Context(), task, provider.Release{Delay: 2 * time.Second}); err != nil {
				w.Fatal(err)
			}
			task = w.next(w.away, progress)
		}
		if err := w.away.ReleaseActivity(w.Context(), task, provider.Release{Delay: 2 * time.Second}); err != nil {
			w.Fatal(err)
		}
		ctx, cancel := context.WithCancel(w.Context())
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			_, _ = w.away.NextActivity(ctx) // gives it to the owner
		}()
		task = w.next(w.owner, progress)
		w.complete(w.owner, task)
		synctest.Wait()
		if left := w.blobs(); len(left) > 0 {
			w.Errorf("the activity is over, and blobs of its progress are left: %v", left)
		}
		cancel()
		<-stop
	})
}
