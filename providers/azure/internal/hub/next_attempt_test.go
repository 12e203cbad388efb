package hub_test

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/audit"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// What an attempt has reached is there for the next one, wherever either of them
// runs: these are the ways that it goes.

// failure is the completion of an attempt that failed.
func failure(task *provider.ActivityTask) provider.Message {
	return provider.Message{
		ID: fmt.Sprintf("%v/attempt/%d", task.ID, task.Activity.Attempt), To: task.ID.Instance, Execution: task.ID.Execution,
		Data: &history.ActivityFailed{Source: task.ID.Event, Attempt: task.Activity.Attempt, Failure: &history.Failure{Kind: history.FailureError, Message: "not yet"}},
	}
}

// again is the activity of a task for its next attempt.
func again(task *provider.ActivityTask) provider.Activity {
	a := task.Activity
	a.Attempt++
	return a
}

// fail ends an attempt, and has the instance try again: at once, or after an hour.
func (w *two) fail(h provider.Host, task *provider.ActivityTask, delayed bool) {
	w.Helper()
	if err := h.CompleteActivity(w.Context(), task, failure(task)); err != nil {
		w.Fatal(err)
	}
	turn := turnOf(w.T, w.owner, task.ID.Instance)
	c := &provider.Commit{Consumed: len(turn.Messages), CompletedActivities: []int64{task.ID.Event}}
	if !delayed {
		c.Activities = []provider.Activity{again(task)}
	} else {
		fire := &history.ActivityRetried{Source: task.ID.Event, Attempt: task.Activity.Attempt + 1}
		c.Timers = []provider.Timer{{Event: task.ID.Event, Due: time.Now().Add(time.Hour), Fire: fire}}
	}
	if err := w.owner.CommitTurn(w.Context(), turn, c); err != nil {
		w.Fatal(err)
	}
	if !delayed {
		return
	}
	turn = turnOf(w.T, w.owner, task.ID.Instance)
	if err := w.owner.CommitTurn(w.Context(), turn, &provider.Commit{
		Consumed: 1, FiredTimers: []int64{task.ID.Event}, Activities: []provider.Activity{again(task)},
	}); err != nil {
		w.Fatal(err)
	}
}

// allBlobs is how many there are.
func (w *two) allBlobs() (n int) {
	for range w.account.State().Blobs("hub") {
		n++
	}
	return n
}

// nothingIsLeft demands that neither blobs nor rows of progress are there.
func (w *two) nothingIsLeft() {
	w.Helper()
	<-time.After(time.Second) // what is removed is removed a moment later
	for name := range w.account.State().Blobs("hub") {
		w.Errorf("the activity is over, and blob %s is left", name)
	}
	for _, r := range w.account.State().Rows("hub") {
		if row.KindOf(r.Key) == row.KindProgress {
			w.Errorf("the activity is over, and row %s is left", r.Key)
		}
	}
}

// TestProgressOfAFailedRemoteAttemptReachesTheNextOne: at once or after a while, in
// the row, the message or a blob.
func TestProgressOfAFailedRemoteAttemptReachesTheNextOne(t *testing.T) {
	for _, size := range []int{100, 20_000, large} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
				var progress history.Payload
				for n, delayed := range []bool{false, true, true, false, false} {
					task := w.next(w.away, progress)
					if news := n%2 == 0; news { // otherwise this attempt reaches nothing
						progress = reached(size)
						w.extend(w.away, task, progress)
					}
					w.fail(w.away, task, delayed)
					<-time.After(time.Second)
					if n := w.allBlobs(); n > 1 || n == 1 && size < large {
						w.Errorf("for progress of %d bytes there are %d blobs", size, n)
					}
				}
				task := w.next(w.away, progress)
				w.complete(w.away, task)
				w.nothingIsLeft()
			})
		})
	}
}

// TestProgressOfARemoteAttemptReachesTheNextOneAtTheOwner: the next attempt runs where
// the instance is, whether the remote one has reached something or the row says it.
func TestProgressOfARemoteAttemptReachesTheNextOneAtTheOwner(t *testing.T) {
	for _, news := range []bool{false, true} {
		for _, delayed := range []bool{false, true} {
			t.Run(fmt.Sprintf("news %t, delayed %t", news, delayed), func(t *testing.T) {
				besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{}, 100, func(w *two) {
					progress := reached(30_000)
					task := w.next(w.owner, nil)
					w.extend(w.owner, task, progress)
					got := make(chan *provider.ActivityTask)
					go func() { got <- w.next(w.away, progress) }()
					if err := w.owner.ReleaseActivity(w.Context(), task, provider.Release{}); err != nil {
						w.Fatal(err)
					}
					if task = <-got; task == nil {
						return
					}
					if news {
						progress = reached(30_000)
						w.extend(w.away, task, progress)
					}
					w.fail(w.away, task, delayed)
					task = w.next(w.owner, progress)
					w.complete(w.owner, task)
					w.nothingIsLeft()
				})
			})
		}
	}
}

// TestProgressThatIsReplacedLeavesNoBlob: of an activity that runs where its instance
// is.
func TestProgressThatIsReplacedLeavesNoBlob(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{}, 100, func(w *two) {
		task := w.next(w.owner, nil)
		var progress history.Payload
		for _, size := range []int{large, large, 100, large} {
			progress = reached(size)
			w.extend(w.owner, task, progress)
			<-time.After(time.Second)
			if n := w.allBlobs(); n > 1 || n == 1 && size < large {
				w.Errorf("for progress of %d bytes there are %d blobs", size, n)
			}
		}
		w.fail(w.owner, task, false)
		task = w.next(w.owner, progress)
		w.extend(w.owner, task, reached(large))
		w.complete(w.owner, task)
		w.nothingIsLeft()
	})
}

// TestAFailureElsewhereTakesNoMoreTransactionsForItsProgress: the row is in the commit
// that takes the failure in.
func TestAFailureElsewhereTakesNoMoreTransactionsForItsProgress(t *testing.T) {
	used := func(progress history.Payload) (n int) {
		besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
			task := w.next(w.away, nil)
			w.extend(w.away, task, progress)
			w.account.Decide(func(c simulated.Call) simulated.Fault {
				if c.Kind == simulated.Transact && c.Partition != row.Management {
					n++
				}
				return simulated.Fault{}
			})
			w.fail(w.away, task, false)
			task = w.next(w.away, progress)
			w.account.Decide(nil)
			w.complete(w.away, task)
		})
		return n
	}
	if without, with := used(nil), used(reached(1000)); with != without {
		t.Errorf("it took %d transactions with progress, and %d without", with, without)
	}
}

// TestManyFailuresAtOnceKeepTheirProgress: more than one commit has room for.
func TestManyFailuresAtOnceKeepTheirProgress(t *testing.T) {
	const n = 30
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
		w.complete(w.away, w.next(w.away, nil))
		if err := w.stores[0].Send(w.Context(), story("y", "many", "")); err != nil {
			w.Fatal(err)
		}
		turn := turnOf(w.T, w.owner, "y")
		c := &provider.Commit{
			Consumed: 1, NewExecution: true, Status: history.StatusRunning, Name: "story",
			Events: []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: turn.Messages[0].Data}},
		}
		for i := range int64(n) {
			e := history.Event{Execution: 1, ID: i + 2, Time: time.Now(), Data: &history.ActivityScheduled{Name: "work"}}
			c.Events = append(c.Events, e)
			c.Activities = append(c.Activities, provider.Activity{Scheduled: e, Attempt: 1, Tag: "far"})
		}
		if err := w.owner.CommitTurn(w.Context(), turn, c); err != nil {
			w.Fatal(err)
		}
		progress := map[int64]history.Payload{}
		retry := &provider.Commit{}
		for range n {
			task := w.next(w.away, nil)
			progress[task.ID.Event] = reached(40_000)
			w.extend(w.away, task, progress[task.ID.Event])
			if err := w.away.CompleteActivity(w.Context(), task, failure(task)); err != nil {
				w.Fatal(err)
			}
			retry.CompletedActivities = append(retry.CompletedActivities, task.ID.Event)
			retry.Activities = append(retry.Activities, again(task))
		}
		<-time.After(time.Minute) // all are in the inbox
		turn = turnOf(w.T, w.owner, "y")
		if retry.Consumed = len(turn.Messages); retry.Consumed != n {
			w.Fatalf("the turn has %d messages, want %d", len(turn.Messages), n)
		}
		if err := w.owner.CommitTurn(w.Context(), turn, retry); err != nil {
			w.Fatal(err)
		}
		for range n {
			ctx, cancel := context.WithTimeout(w.Context(), time.Minute)
			task, err := w.away.NextActivity(ctx)
			cancel()
			if err != nil {
				w.Fatal(err)
			}
			if !bytes.Equal(task.Progress, progress[task.ID.Event]) {
				w.Errorf("%v has progress of %d bytes, want what it had reached", task.ID, len(task.Progress))
			}
		}
	})
}

// TestABlobOfProgressStaysWhileItsActivityIsElsewhere: a collection leaves it, until
// the activity is with the owner again.
func TestABlobOfProgressStaysWhileItsActivityIsElsewhere(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{}, 100, func(w *two) {
		task := w.next(w.owner, nil)
		got := make(chan *provider.ActivityTask)
		go func() { got <- w.next(w.away, nil) }()
		if err := w.owner.ReleaseActivity(w.Context(), task, provider.Release{}); err != nil {
			w.Fatal(err)
		}
		if task = <-got; task == nil {
			return
		}
		progress := reached(large)
		w.extend(w.away, task, progress)
		waits := func() {
			w.Helper()
			if err := w.away.ReleaseActivity(w.Context(), task, provider.Release{Delay: 2 * time.Hour}); err != nil {
				w.Fatal(err)
			}
			<-time.After(time.Hour + 2*time.Minute)
			if c, err := audit.Collect(w.Context(), w.account.Client("collector"), "hub", time.Hour); err != nil || c.Blobs > 0 || c.Kept != 1 {
				w.Errorf("collected %+v, %v, want the blob kept", c, err)
			}
			<-time.After(time.Hour)
		}
		for task.Delivery < 3 {
			waits()
			if task = w.next(w.away, progress); task == nil {
				return
			}
		}
		waits()
		// The next one who takes it gives it to the owner, and fails to remove the blob.
		w.account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Kind == simulated.DeleteBlob {
				return simulated.Fault{Kind: simulated.LostRequest}
			}
			return simulated.Fault{}
		})
		ctx, cancel := context.WithCancel(w.Context())
		stop := make(chan struct{})
		go func() {
			defer close(stop)
			_, _ = w.away.NextActivity(ctx)
		}()
		task = w.next(w.owner, progress)
		<-time.After(2 * time.Hour)
		w.account.Decide(nil)
		if c, err := audit.Collect(w.Context(), w.account.Client("collector"), "hub", time.Hour); err != nil || len(w.blobs()) > 0 {
			w.Errorf("collected %+v, %v, and the blob that is of no use any more is there", c, err)
		}
		w.complete(w.owner, task)
		cancel()
		<-stop
	})
}

// TestAllProgressGoesWithItsInstance: there is more of it than its last commit has room
// for.
func TestAllProgressGoesWithItsInstance(t *testing.T) {
	const n = 70
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{}, 100, func(w *two) {
		w.complete(w.owner, w.next(w.owner, nil))
		if err := w.stores[0].Send(w.Context(), story("y", "start-y", "")); err != nil {
			w.Fatal(err)
		}
		turn := turnOf(w.T, w.owner, "y")
		c := &provider.Commit{
			Consumed: 1, NewExecution: true, Status: history.StatusRunning, Name: "story",
			Events: []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: turn.Messages[0].Data}},
		}
		for k := range n {
			e := history.Event{Execution: 1, ID: int64(k + 2), Time: time.Now(), Data: &history.ActivityScheduled{Name: "work"}}
			c.Events, c.Activities = append(c.Events, e), append(c.Activities, provider.Activity{Scheduled: e, Attempt: 1})
		}
		if err := w.owner.CommitTurn(w.Context(), turn, c); err != nil {
			w.Fatal(err)
		}
		for range n {
			task := w.next(w.owner, nil)
			w.extend(w.owner, task, reached(large))
			if err := w.owner.CompleteActivity(w.Context(), task, provider.Message{
				ID: task.ID.String(), To: "y", Execution: 1, Data: &history.ActivityCompleted{Source: task.ID.Event, Attempt: 1},
			}); err != nil {
				w.Fatal(err)
			}
		}
		turn = turnOf(w.T, w.owner, "y")
		if err := w.owner.CommitTurn(w.Context(), turn, &provider.Commit{Consumed: len(turn.Messages), Status: history.StatusCompleted, Name: "story"}); err != nil {
			w.Fatal(err)
		}
		w.nothingIsLeft()
	})
}
