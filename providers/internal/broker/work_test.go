package broker_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

func done(event int64) provider.Message {
	return message("a", fmt.Sprint("done ", event))
}

func TestACompletionIsDeliveredAndTheActivityStaysOpen(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, "")}})
		work := w.work(1)
		if err := work.Complete(done(1)); err != nil {
			t.Fatal(err)
		}
		if err := work.Complete(done(1)); !errors.Is(err, provider.ErrLockLost) {
			t.Errorf("completing twice: %v, want ErrLockLost", err)
		}
		if out := w.b.Outstanding("a"); len(out.Activities) != 1 || ids(out.Messages) != "[done 1]" {
			t.Errorf("outstanding is %+v, want the activity and its completion", out)
		}
		noWork(t, w.h)
		turn := w.turn("a")
		turn.Release(provider.Release{})
		turn = w.turn("a")
		w.wantIDs(turn, "done 1")
		w.commit(turn, provider.Commit{CompletedActivities: []int64{1}})
		w.wantNothing()
	})
}

func TestACancelledActivityIsNeverOfferedAndItsWorkerLearnsIt(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		var all []provider.Activity
		for event := range int64(4) {
			all = append(all, activity(event+1, ""))
		}
		w.opened("a", provider.Commit{Activities: all})
		held, aside, completed := w.work(1), w.work(2), w.work(3)
		aside.Release(provider.Release{Delay: time.Hour})
		w.deliver("a", "cancel")
		turn := w.turn("a")
		if err := completed.Complete(done(3)); err != nil {
			t.Fatal(err)
		}
		if s, err := held.Extend(nil); err != nil || s.Cancelled {
			t.Errorf("before the cancellation: %+v, %v; want no signal", s, err)
		}
		w.commit(turn, provider.Commit{CancelActivities: []int64{1, 2, 3, 4}})
		w.wantNothing()
		if s, err := held.Extend(nil); err != nil || !s.Cancelled {
			t.Errorf("after the cancellation: %+v, %v; want Cancelled", s, err)
		}
		if err := held.Complete(done(1)); !errors.Is(err, provider.ErrLockLost) {
			t.Errorf("completing a cancelled activity: %v, want ErrLockLost", err)
		}
		held.Release(provider.Release{})
		pass(2 * time.Hour)
		noWork(t, w.h)
		noTurn(t, w.h)
	})
}

func TestReleasedActivitiesComeAgainAfterTheirDelay(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, "")}})
		for i, step := range []struct {
			release provider.Release
			want    int // delivery
		}{
			{provider.Release{}, 1},
			{provider.Release{Uncounted: true}, 2},
			{provider.Release{Delay: time.Hour}, 2},
			{provider.Release{}, 3},
		} {
			work := w.work(1)
			if work.Delivery != step.want {
				t.Errorf("step %d: delivery %d, want %d", i, work.Delivery, step.want)
			}
			work.Release(step.release)
			if _, err := work.Extend(nil); !errors.Is(err, provider.ErrLockLost) {
				t.Errorf("step %d: extending released work: %v, want ErrLockLost", i, err)
			}
			if step.release.Delay > 0 {
				pass(step.release.Delay - 10*time.Nanosecond)
				noWork(t, w.h)
				pass(10 * time.Nanosecond)
			}
		}
	})
}

func TestProgressGoesAlongToDeliveriesAndRetries(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, "")}})
		work := w.work(1)
		if _, err := work.Extend(history.Payload("1")); err != nil {
			t.Fatal(err)
		}
		if _, err := work.Extend(nil); err != nil { // keeps what there is
			t.Fatal(err)
		}
		work.Release(provider.Release{})
		work = w.work(1)
		if string(work.Progress) != "1" {
			t.Errorf("the second delivery has progress %q, want 1", work.Progress)
		}
		if err := work.Complete(done(1)); err != nil {
			t.Fatal(err)
		}
		// It failed: a timer delays its retry.
		w.commit(w.turn("a"), provider.Commit{CompletedActivities: []int64{1}, Timers: []provider.Timer{timer(1, time.Now().Add(time.Hour))}})
		pass(time.Hour)
		retry := activity(1, "")
		retry.Attempt = 2
		w.commit(w.turn("a"), provider.Commit{FiredTimers: []int64{1}, Activities: []provider.Activity{retry}})
		work = w.work(1)
		if string(work.Progress) != "1" || work.Activity.Attempt != 2 || work.Delivery != 1 {
			t.Errorf("the retry is %+v, want attempt 2, delivery 1, progress 1", work)
		}
	})
}

// TestProgressOfWhatOthersHadGoesAlongToRetries: the provider knows it.
func TestProgressOfWhatOthersHadGoesAlongToRetries(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, "")}})
		if _, err := w.work(1).Extend(history.Payload("1")); err != nil {
			t.Fatal(err)
		}
		again := []provider.Activity{activity(1, ""), activity(2, "")}
		again[0].Attempt, again[1].Attempt = 2, 2
		w.deliver("a", "failed")
		at := running
		at.Progress = map[int64]history.Payload{1: history.Payload("3"), 2: history.Payload("4")}
		c := &provider.Commit{Consumed: 1, CompletedActivities: []int64{1, 2, 3}, Activities: again}
		if err := w.b.Commit(w.turn("a"), c, at); err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{"3", "4"} {
			if work := w.work(int64(i + 1)); string(work.Progress) != want {
				t.Errorf("attempt %d of activity %d has progress %q, want %q", work.Activity.Attempt, i+1, work.Progress, want)
			}
		}
	})
}

func TestHostsGetActivitiesOfTheirTags(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		gpu := w.b.Join(provider.HostInfo{Tags: []string{"gpu", "gpu", ""}})
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, "gpu"), activity(2, "nobody"), activity(3, "")}})
		w.work(3)
		noWork(t, w.h)
		workOf(t, gpu, 1)
		noWork(t, gpu)
		workOf(t, w.b.Join(provider.HostInfo{Tags: []string{"nobody"}}), 2)
	})
}

// TestWhoIsRetiredBeginsNothingThatNeedsATag: that is for others, and is unserved
// without any. What needs none goes on, and what the host holds is its own.
func TestWhoIsRetiredBeginsNothingThatNeedsATag(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		gpu := w.b.Join(provider.HostInfo{Tags: []string{"gpu"}})
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, "gpu"), activity(2, "gpu"), activity(3, "")}})
		held := workOf(t, gpu, 1)
		gpu.Retire()
		if got := fmt.Sprint(w.b.Unserved(), w.b.Idle("gpu")); got != "[gpu] 0" {
			t.Errorf("unserved and idle are %v, want gpu and none", got)
		}
		workOf(t, gpu, 3)
		noWork(t, gpu)
		if _, err := held.Extend(nil); err != nil {
			t.Errorf("what it held: %v", err)
		}
		workOf(t, w.b.Join(provider.HostInfo{Tags: []string{"gpu"}}), 2)
		gpu.Leave()
	})
}

func TestInstancesTakeTurnsWithTheirActivities(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		fan := func(first int64) (c provider.Commit) {
			for i := range int64(3) {
				c.Activities = append(c.Activities, activity(first+i, ""))
			}
			return c
		}
		w.opened("a", fan(10))
		w.opened("b", fan(20))
		w.opened("c", provider.Commit{Activities: []provider.Activity{activity(30, "")}})
		for _, event := range []int64{10, 20, 30, 11, 21, 12, 22} {
			w.work(event)
		}
		noWork(t, w.h)
	})
}

func TestLeavingGivesBackActivities(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, ""), activity(2, "")}})
		first, second := w.work(1), w.work(2)
		w.h.Leave()
		for _, work := range []error{first.Complete(done(1)), second.Complete(done(2))} {
			if !errors.Is(work, provider.ErrLockLost) {
				t.Errorf("completing after Leave: %v, want ErrLockLost", work)
			}
		}
		h := w.b.Join(provider.HostInfo{})
		if work := workOf(t, h, 1); work.Delivery != 2 {
			t.Errorf("delivery %d after a lost worker, want 2", work.Delivery)
		}
		workOf(t, h, 2)
	})
}

func TestABlockedWorkerIsHandedWhatOpens(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		got := make(chan int64, 2)
		for range 2 {
			go func() {
				work, err := w.h.NextActivity(t.Context())
				if err != nil {
					t.Errorf("a blocked worker got %v", err)
					return
				}
				got <- work.ID.Event
			}()
		}
		synctest.Wait()
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, ""), activity(2, ""), activity(3, "")}})
		synctest.Wait()
		if len(got) != 2 {
			t.Fatalf("%d blocked workers were served, want 2", len(got))
		}
		w.work(3)
	})
}
