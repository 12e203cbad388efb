package broker_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

func guest(event int64, tag string) *broker.Guest {
	return &broker.Guest{
		ID: history.ActivityID{Instance: "elsewhere", Execution: 1, Event: event}, Activity: activity(event, tag),
		Orchestration: "story", Delivery: 3, Progress: history.Payload(`"half"`), Of: event,
	}
}

func TestAGuestWaitsInLineAndItsOutcomeIsForItsOwner(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, "")}})
		g := guest(7, "")
		w.b.Invite(g)
		w.work(1) // it was there before
		work := w.work(7)
		if work.Guest != any(int64(7)) || work.ID != g.ID || work.Delivery != 3 || string(work.Progress) != `"half"` || !work.Detached() {
			t.Errorf("the work is %+v, want the guest's", work)
		}
		if err := work.Complete(done(7)); !errors.Is(err, broker.ErrDetached) {
			t.Errorf("completing a guest: %v, want ErrDetached", err)
		}
		if g.Withdraw() {
			t.Error("a guest that somebody works on was withdrawn")
		}
		if s := w.b.Stats(); s.Instances != 1 {
			t.Errorf("the broker remembers %d instances, want its own alone", s.Instances)
		}
	})
}

func TestAGuestThatNobodyTookCanBeWithdrawn(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		g := guest(7, "")
		w.b.Invite(g)
		if !g.Withdraw() || g.Withdraw() {
			t.Error("withdrawing works once")
		}
		noWork(t, w.h)
	})
}

func TestIdleCountsCallersAndWaitingCountsActivities(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		free := 0
		b := broker.New(broker.Config{Idle: func() { free++ }})
		defer b.Close()
		h := b.Join(provider.HostInfo{Tags: []string{"gpu"}})
		for range 3 {
			go func() { _, _ = h.NextActivity(t.Context()) }()
		}
		synctest.Wait()
		if b.Idle("") != 3 || b.Idle("gpu") != 3 || b.Idle("other") != 0 || free != 3 {
			t.Errorf("idle are %d, for gpu %d, for other %d, told of %d; want 3, 3, 0, 3", b.Idle(""), b.Idle("gpu"), b.Idle("other"), free)
		}
		for n := range 5 {
			b.Invite(guest(int64(n+1), "gpu"))
		}
		synctest.Wait()
		if b.Waiting("gpu") != 2 || b.Waiting("") != 0 || b.Idle("gpu") != 0 {
			t.Errorf("waiting are %d with gpu, %d without; idle %d; want 2, 0, 0", b.Waiting("gpu"), b.Waiting(""), b.Idle("gpu"))
		}
		h.Leave()
	})
}

func TestDivertedActivitiesAreTakenOutAndOpenTakesThemBack(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		var many []provider.Activity
		for n := range int64(5) {
			many = append(many, activity(n+1, ""))
		}
		w.opened("a", provider.Commit{Activities: many})
		w.opened("b", provider.Commit{Activities: []provider.Activity{activity(9, "")}})
		w.b.Invite(guest(7, "")) // is never passed on
		all := w.b.Divert("", 3)
		var got []string
		for _, d := range all {
			got = append(got, d.ID.String())
		}
		if fmt.Sprint(got) != "[a/1/5 a/1/4 a/1/3]" {
			t.Errorf("diverted were %v, want the last ones of the longest line", got)
		}
		if n := len(w.b.Divert("", 100)); n != 3 {
			t.Errorf("%d more were diverted, want the 3 that are no guests", n)
		}
		w.work(7)
		noWork(t, w.h)
		d := all[0]
		w.b.Open(d.ID.Instance, running, d.Activity)
		held := w.work(5)
		w.b.Open(d.ID.Instance, running, d.Activity)
		noWork(t, w.h) // it is open
		if s, err := held.Extend(nil); s.Cancelled || err != nil {
			t.Errorf("work that was opened once more: %+v, %v; want it to go on", s, err)
		}
	})
}

func TestWorkThatGoesOnIsNamedWhenItsInstanceLeaves(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, ""), activity(2, "")}})
		held := w.work(1)
		if _, working := w.b.Detach(only("a")); fmt.Sprint(working) != "[a/1/1]" {
			t.Errorf("working are %v, want a/1/1 alone", working)
		}
		held.Release(provider.Release{})
	})
}

func TestAReservedInstanceGetsNoTurnUntilItIsFreed(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		reserve := func(id history.InstanceID) (end func()) {
			t.Helper()
			end, ok := w.b.Reserve(id)
			if !ok {
				t.Fatalf("%s cannot be reserved", id)
			}
			return end
		}
		refused := func(why string) {
			t.Helper()
			if _, ok := w.b.Reserve("a"); ok {
				t.Errorf("an instance %s was reserved", why)
			}
		}
		reserve("c")() // nothing is known of it
		w.deliver("a", "1")
		end := reserve("a")
		refused("that is reserved")
		w.deliver("a", "2")
		w.deliver("b", "3")
		w.turn("b")
		end()
		turn := w.turn("a")
		w.wantIDs(turn, "1", "2")
		refused("whose turn is held")
	})
}

// TestAReservationEndsWithItsInstance: the next one of the id has its own.
func TestAReservationEndsWithItsInstance(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.deliver("a", "1")
		first, _ := w.b.Reserve("a")
		w.b.Drop("a")
		w.deliver("a", "2")
		second, ok := w.b.Reserve("a")
		if !ok {
			t.Fatal("the next instance counts as reserved")
		}
		first()
		noTurn(t, w.h)
		second()
		turn := w.turn("a")
		turn.Release(provider.Release{Delay: time.Hour})
		second()
		noTurn(t, w.h)
	})
}

// TestAnInstanceThatIsSetAsideCanBeReserved: it stays aside meanwhile, and is ready
// afterwards if that is over.
func TestAnInstanceThatIsSetAsideCanBeReserved(t *testing.T) {
	for what, over := range map[string]func(w *world){
		"when the delay is over":  func(*world) { <-time.After(2 * time.Hour) },
		"when another host joins": func(w *world) { w.b.Join(provider.HostInfo{}) },
	} {
		t.Run(what, func(t *testing.T) {
			within(t, func(t *testing.T, w *world) {
				w.deliver("a", "1")
				w.turn("a").Release(provider.Release{Delay: time.Hour, Park: "nobody has its code"})
				end, ok := w.b.Reserve("a")
				if !ok {
					t.Fatal("it cannot be reserved")
				}
				end()
				noTurn(t, w.h)
				if end, ok = w.b.Reserve("a"); !ok {
					t.Fatal("it cannot be reserved again")
				}
				over(w)
				noTurn(t, w.h)
				end()
				w.turn("a")
			})
		})
	}
}

// TestActivitiesNameTheirInstance: another of its id has the same events.
func TestActivitiesNameTheirInstance(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		at := broker.Place{Born: "first", Execution: 3, Name: "story", Version: "1"}
		w.deliver("a", "1")
		if err := w.b.Commit(w.turn("a"), &provider.Commit{Consumed: 1, Activities: []provider.Activity{activity(1, ""), activity(2, "")}}, at); err != nil {
			t.Fatal(err)
		}
		diverted := w.b.Divert("", 1)
		held := w.work(1)
		out, ok := held.TakeOut()
		if held.Born != "first" || !ok || out.Born != "first" || len(diverted) != 1 || diverted[0].Born != "first" {
			t.Errorf("work is of %q, what was taken out of %q, what was diverted is %+v; want all of the first", held.Born, out.Born, diverted)
		}
		// Nothing is known of the instance, and then only that it has a message.
		w.deliver("a", "2")
		w.b.Open("a", at, out.Activity)
		if held = w.work(1); held.Born != "first" || held.ID.Execution != 3 {
			t.Errorf("work that was taken back is %v of %q, want that of execution 3 of the first", held.ID, held.Born)
		}
	})
}

func TestATurnHasABoundedNumberOfKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := broker.New(broker.Config{TurnKeys: 2})
		defer b.Close()
		h := b.Join(provider.HostInfo{})
		for n, key := range []int64{1, 1, 0, 2, 0, 3} { // a key may name several messages
			d := exists(message("a", fmt.Sprint(n)))
			d.Key = key
			b.Deliver(d)
		}
		turn, err := h.NextTurn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(turn.Keys) != "[1 1 0 2 0]" {
			t.Errorf("the keys of the turn are %v, want [1 1 0 2 0]", turn.Keys)
		}
	})
}

func TestMessagesThatAreDeliveredTogetherAreHandedOverTogether(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		got := make(chan *broker.Turn)
		go func() {
			turn, _ := w.h.NextTurn(t.Context())
			got <- turn
		}()
		synctest.Wait()
		w.b.Deliver(exists(message("a", "1")), exists(message("a", "1")), exists(message("a", "2")))
		if turn := <-got; len(turn.Messages) != 2 {
			t.Errorf("who waited got %d messages, want both", len(turn.Messages))
		}
	})
}

func TestRestoredWorkAndItsMessagesAppearAtOnce(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		got := make(chan *broker.Turn)
		go func() {
			turn, _ := w.h.NextTurn(t.Context())
			got <- turn
		}()
		synctest.Wait()
		w.b.Restore([]broker.Restored{{
			Instance: "a", Execution: 1, Name: "story", Again: true,
			Timers: []provider.Timer{{Event: 2, Due: time.Now().Add(time.Hour), Fire: &history.TimerFired{Source: 2}}},
		}}, exists(message("a", "1")))
		if turn := <-got; len(turn.Messages) != 1 {
			t.Errorf("the turn has %d messages, want the one that was restored with it", len(turn.Messages))
		}
		if o := w.b.Outstanding("a"); len(o.Timers) != 1 || !o.Again {
			t.Errorf("outstanding are %+v, want a timer and another turn", o)
		}
	})
}
