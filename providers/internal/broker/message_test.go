package broker_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

func TestADelayedMessageTakesItsPlaceWhenItIsDue(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		later := message("a", "later")
		later.Due = time.Now().Add(time.Hour)
		w.b.Deliver(exists(later))
		w.deliver("a", "now")
		turn := w.turn("a")
		w.wantIDs(turn, "now")
		w.commit(turn, provider.Commit{})
		if out := w.b.Outstanding("a"); ids(out.Messages) != "[later]" {
			t.Errorf("outstanding are %s, want [later]", ids(out.Messages))
		}
		pass(time.Hour - 10*time.Nanosecond)
		noTurn(t, w.h)
		pass(10 * time.Nanosecond)
		w.wantIDs(w.turn("a"), "later")
	})
}

func TestNothingComesBeforeAStartThatIsDelayed(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		start := broker.Delivery{Message: message("a", "start"), Receiver: broker.Created, Name: "story"}
		start.Message.Due = time.Now().Add(time.Hour)
		w.b.Deliver(start)
		w.deliver("a", "event")
		noTurn(t, w.h)
		pass(time.Hour)
		w.wantIDs(w.turn("a"), "start", "event")
	})
}

func TestOrphansAreHandedOverAfterTheStart(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		orphan := func(to history.InstanceID, id string) broker.Delivery {
			return broker.Delivery{Message: message(to, id)}
		}
		w.b.Deliver(orphan("a", "1"), orphan("other", "x"), orphan("a", "2"))
		w.deliver("b", "b1")
		w.turn("b") // orphans hold up nobody
		noTurn(t, w.h)
		w.b.Deliver(broker.Delivery{Message: message("a", "start"), Receiver: broker.Created, Name: "story"}, exists(message("a", "3")))
		w.wantIDs(w.turn("a"), "start", "1", "2", "3")
		if s := w.b.Stats(); s.Orphans != 1 {
			t.Errorf("%d orphans are left, want the one for the other instance", s.Orphans)
		}
	})
}

func TestOrphansAreListedByAgeAndDroppedById(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		begin := time.Now()
		for i, hour := range []int{3, 1, 2, 1} {
			w.b.Deliver(broker.Delivery{Message: message("a", fmt.Sprint(i)), Since: begin.Add(time.Duration(hour) * time.Hour)})
		}
		list := func(before time.Time) string {
			var found []provider.Message
			for _, o := range w.b.Orphans(before) {
				found = append(found, o.Message)
			}
			return ids(found)
		}
		if got := list(begin.Add(3 * time.Hour)); got != "[1 3 2]" {
			t.Errorf("orphans before the third hour: %s, want [1 3 2]", got)
		}
		w.deliver("b", "not an orphan")
		w.b.DropOrphans("1", "2", "not an orphan", "unknown")
		if got := list(begin.Add(24 * time.Hour)); got != "[3 0]" {
			t.Errorf("orphans left: %s, want [3 0]", got)
		}
		w.wantIDs(w.turn("b"), "not an orphan")
		if w.b.TakeOrphans("3", "not an orphan") || w.b.TakeOrphans("3", "unknown") {
			t.Error("messages were taken that are no orphans")
		}
		if !w.b.TakeOrphans("3", "0") {
			t.Error("orphans were not taken")
		}
		w.b.Deliver(broker.Delivery{Message: message("a", "1")}) // forgotten, so new
		if got := list(begin.Add(24 * time.Hour)); got != "[1]" {
			t.Errorf("orphans left: %s, want [1]", got)
		}
	})
}

func TestTimersFireOnceAndStayOpenUntilACommitClosesThem(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		due := time.Now().Add(time.Hour)
		w.opened("a", provider.Commit{Timers: []provider.Timer{timer(1, due), timer(2, due)}})
		pass(time.Hour - 10*time.Nanosecond)
		noTurn(t, w.h)
		pass(10 * time.Nanosecond)
		turn := w.turn("a")
		w.wantIDs(turn, "timer 1", "timer 2")
		for i, m := range turn.Messages {
			if m.Execution != 1 || m.To != "a" {
				t.Errorf("message %d is for execution %d of %q, want 1 of a", i, m.Execution, m.To)
			}
		}
		turn.Release(provider.Release{})
		turn = w.turn("a")
		w.wantIDs(turn, "timer 1", "timer 2")
		if s := w.b.Stats(); s.Timers != 2 {
			t.Errorf("%d timers are open, want 2", s.Timers)
		}
		w.commit(turn, provider.Commit{FiredTimers: []int64{1, 2}})
		w.wantNothing()
	})
}

func TestACancelledTimerLeavesNothingBehind(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		due := time.Now().Add(time.Hour)
		w.opened("a", provider.Commit{Timers: []provider.Timer{timer(1, due), timer(2, due)}})
		w.deliver("a", "1")
		w.commit(w.turn("a"), provider.Commit{CancelTimers: []int64{1}})
		w.deliver("a", "2")
		turn := w.turn("a")
		pass(2 * time.Hour) // timer 2 becomes a message during the turn
		w.commit(turn, provider.Commit{CancelTimers: []int64{2}})
		w.wantNothing()
	})
}

func TestANewExecutionAndTheEndCloseEverything(t *testing.T) {
	open := provider.Commit{
		Activities: []provider.Activity{activity(1, ""), activity(2, "")},
		Timers:     []provider.Timer{timer(3, time.Unix(0, 0))},
	}
	within(t, func(t *testing.T, w *world) {
		w.opened("a", open)
		held := w.work(1)
		turn := w.turn("a") // timer 3 fired
		w.commit(turn, provider.Commit{NewExecution: true, Activities: []provider.Activity{activity(1, "")}})
		if s, err := held.Extend(nil); err != nil || !s.Cancelled {
			t.Errorf("extending an activity of the old execution: %+v, %v; want Cancelled", s, err)
		}
		w.work(1)
		noWork(t, w.h)
	})
	within(t, func(t *testing.T, w *world) {
		w.opened("a", open)
		turn := w.turn("a")
		ended := running
		ended.Final = true
		c := provider.Commit{Consumed: 1, Again: true, Activities: []provider.Activity{activity(9, "")}}
		if err := w.b.Commit(turn, &c, ended); err != nil {
			t.Fatal(err)
		}
		w.wantNothing()
	})
}

func TestRestoredWorkIsOfferedAgain(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.b.Restore([]broker.Restored{{
			Instance: "a", Execution: 7, Name: "story", Version: "2", Again: true,
			Activities: []broker.RestoredActivity{{Activity: activity(1, ""), Deliveries: 2, Progress: history.Payload(`"half"`)}},
			Timers:     []provider.Timer{timer(2, time.Now())},
			Until:      time.Now().Add(time.Hour),
		}})
		work := w.work(1)
		want := history.ActivityID{Instance: "a", Execution: 7, Event: 1}
		if work.ID != want || work.Delivery != 3 || string(work.Progress) != `"half"` || work.Orchestration != "story" || work.Version != "2" {
			t.Errorf("the restored activity is %+v", work)
		}
		noTurn(t, w.h)
		pass(time.Hour)
		w.wantIDs(w.turn("a"), "timer 2")
	})
}

func TestTheClockIsReadAgainWhenATimerRings(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64 // of the hub's clock, before the machine's
		b := broker.New(broker.Config{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
		defer b.Close()
		h := b.Join(provider.HostInfo{})
		m := message("a", "later")
		m.Due = time.Now().Add(10 * time.Second)
		b.Deliver(exists(m))
		synctest.Wait()
		ahead.Store(int64(-time.Minute)) // set back
		pass(69 * time.Second)
		noTurn(t, h)
		pass(time.Second)
		turnOf(t, h, "a").Release(provider.Release{Delay: 24 * time.Hour})
		synctest.Wait()
		ahead.Store(int64(48 * time.Hour)) // set forward
		b.Wake()
		synctest.Wait()
		turnOf(t, h, "a")
	})
}

func TestAClockSetForwardIsNoticedSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ahead atomic.Int64
		b := broker.New(broker.Config{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
		defer b.Close()
		h := b.Join(provider.HostInfo{})
		m := message("a", "later")
		m.Due = time.Now().Add(time.Hour)
		b.Deliver(exists(m))
		synctest.Wait()
		ahead.Store(int64(time.Hour))
		pass(time.Minute)
		turnOf(t, h, "a")
	})
}

func TestTimesBeyondEveryClockDoNoHarm(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		never := message("a", "never")
		never.Due = time.Date(99_999, 1, 1, 0, 0, 0, 0, time.UTC)
		long := message("a", "long past")
		long.Due = time.Date(-99_999, 1, 1, 0, 0, 0, 0, time.UTC)
		w.b.Deliver(exists(never), exists(long))
		w.wantIDs(w.turn("a"), "long past")
		pass(100 * 365 * 24 * time.Hour)
		noTurn(t, w.h)
	})
}

// TestAMessageThatWaitsIsKnownByItsKey: whoever finds it again need not look for the row
// that has it.
func TestAMessageThatWaitsIsKnownByItsKey(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		has := func(id string, key int64, waits bool) {
			t.Helper()
			if gotKey, got := w.b.Waits(id); got != waits || gotKey != key {
				t.Errorf("message %q waits: %t, with the key %d; want %t and %d", id, got, gotKey, waits, key)
			}
		}
		first, orphan := exists(message("a", "first")), broker.Delivery{Message: message("b", "orphan")}
		first.Key, orphan.Key = 7, 8
		w.b.Deliver(first, orphan)
		again := first
		again.Key = 9
		w.b.Deliver(again)
		has("first", 7, true)
		has("orphan", 8, true)
		turn := w.turn("a")
		has("first", 7, true)
		w.commit(turn, provider.Commit{Consumed: 1})
		has("first", 0, false)
	})
}
