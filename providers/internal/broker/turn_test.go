package broker_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

func TestReadyInstancesAreServedInOrderAndGoToTheTail(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.deliver("a", "a1")
		w.deliver("b", "b1")
		a := w.turn("a")
		w.deliver("c", "c1")
		w.deliver("a", "a2") // while its turn is held
		w.commit(a, provider.Commit{})
		w.turn("b")
		w.turn("c")
		w.wantIDs(w.turn("a"), "a2")
	})
}

func TestAMessageWaitsOnceHoweverOftenItIsDelivered(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.deliver("a", "m")
		if n := w.b.Deliver(exists(message("a", "m"))); n != 0 {
			t.Errorf("%d were new while it waited, want 0", n)
		}
		turn := w.turn("a")
		if n := w.b.Deliver(exists(message("a", "m"))); n != 0 {
			t.Errorf("%d were new while it was handed over, want 0", n)
		}
		w.wantIDs(turn, "m")
		w.commit(turn, provider.Commit{})
		w.wantNothing()
	})
}

func TestUnconsumedMessagesComeAgainInTheirOrder(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.deliver("a", "1", "2", "3")
		turn := w.turn("a")
		w.deliver("a", "4")
		if err := w.b.Commit(turn, &provider.Commit{Consumed: 1}, running); err != nil {
			t.Fatal(err)
		}
		w.wantIDs(w.turn("a"), "2", "3", "4")
	})
}

func TestATurnHandsOverABoundedNumberOfMessages(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		for i := range history.MaxTurnMessages + 1 {
			w.deliver("a", fmt.Sprint(i))
		}
		turn := w.turn("a")
		if len(turn.Messages) != history.MaxTurnMessages {
			t.Fatalf("the turn has %d messages, want %d", len(turn.Messages), history.MaxTurnMessages)
		}
		w.commit(turn, provider.Commit{})
		w.wantIDs(w.turn("a"), fmt.Sprint(history.MaxTurnMessages))
	})
}

func TestWhatWaitsBehindATurnIsSeen(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		for i := range history.MaxTurnMessages + 3 {
			w.deliver("a", fmt.Sprint(i))
		}
		turn := w.turn("a")
		w.deliver("a", "new")
		w.deliver("b", "of another")
		var got []string
		for m := range turn.Behind {
			if got = append(got, m.ID); m.ID == "new" {
				break
			}
		}
		if want := []string{"2000", "2001", "2002", "new"}; !slices.Equal(got, want) {
			t.Errorf("behind stand %q, want %q", got, want)
		}
		turn.Release(provider.Release{})
		for m := range turn.Behind {
			t.Errorf("behind a turn that is released stands %q", m.ID)
		}
	})
}

func TestKeysComeBackWithTheirMessages(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		for key := range int64(3) {
			d := exists(message("a", fmt.Sprint(key)))
			d.Key = key
			w.b.Deliver(d)
		}
		if turn := w.turn("a"); !slices.Equal(turn.Keys, []int64{0, 1, 2}) {
			t.Errorf("the keys are %d, want 0 1 2", turn.Keys)
		}
	})
}

func TestAttemptsCountHandingsOver(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		want := func(attempt int) *broker.Turn {
			t.Helper()
			turn := w.turn("a")
			if turn.Attempt != attempt {
				t.Errorf("attempt %d, want %d", turn.Attempt, attempt)
			}
			return turn
		}
		w.deliver("a", "1")
		want(1).Release(provider.Release{})
		want(2).Release(provider.Release{Uncounted: true})
		turn := want(2)
		w.deliver("a", "2")
		w.commit(turn, provider.Commit{})
		w.commit(want(1), provider.Commit{Again: true})
		want(1).Release(provider.Release{})
		want(2).Release(provider.Release{Uncounted: true})
		want(2)
	})
}

func TestAgainGivesATurnWithoutMessages(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.deliver("a", "1")
		w.commit(w.turn("a"), provider.Commit{Again: true})
		turn := w.turn("a")
		w.wantIDs(turn)
		w.commit(turn, provider.Commit{})
		w.wantNothing()
	})
}

func TestAReleaseWithADelayIsNotHandedOverBefore(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.deliver("a", "1")
		w.turn("a").Release(provider.Release{Delay: time.Minute})
		w.deliver("a", "2")
		pass(time.Minute - 10*time.Nanosecond)
		noTurn(t, w.h)
		pass(10 * time.Nanosecond)
		w.wantIDs(w.turn("a"), "1", "2")
	})
}

func TestAHostThatJoinsTriesParkedInstancesAtOnce(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		for _, id := range []history.InstanceID{"b", "a", "delayed"} {
			w.deliver(id, string(id))
		}
		w.turn("b").Release(provider.Release{Delay: time.Hour, Park: "no handler"})
		w.turn("a").Release(provider.Release{Delay: time.Minute, Park: "no handler"})
		w.turn("delayed").Release(provider.Release{Delay: time.Hour})
		noTurn(t, w.h)
		second := w.b.Join(provider.HostInfo{Name: "second"})
		turnOf(t, second, "b")
		turnOf(t, second, "a")
		noTurn(t, second)
	})
}

func TestALostTurnChangesNothing(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.deliver("a", "1")
		turn := w.turn("a")
		turn.Release(provider.Release{})
		again := w.turn("a")
		turn.Release(provider.Release{})
		if !again.Held() || turn.Held() {
			t.Errorf("old turn held: %t, new turn held: %t; want false, true", turn.Held(), again.Held())
		}
		if err := w.b.Commit(turn, &provider.Commit{Consumed: 1}, running); !errors.Is(err, provider.ErrLockLost) {
			t.Errorf("committing a turn that was released: %v, want ErrLockLost", err)
		}
		if err := turn.Seal(); !errors.Is(err, provider.ErrLockLost) {
			t.Errorf("sealing a turn that was released: %v, want ErrLockLost", err)
		}
		w.commit(again, provider.Commit{})
		w.wantNothing()
	})
}

func TestLeavingGivesBackWhatTheHostHeld(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		for _, id := range []history.InstanceID{"a", "b", "c"} {
			w.deliver(id, string(id))
		}
		a, b := w.turn("a"), w.turn("b")
		w.h.Leave()
		if a.Held() || b.Held() {
			t.Error("turns are still held by a host that left")
		}
		if _, err := w.h.NextTurn(t.Context()); !errors.Is(err, provider.ErrClosed) {
			t.Errorf("NextTurn after Leave: %v, want ErrClosed", err)
		}
		second := w.b.Join(provider.HostInfo{})
		turnOf(t, second, "c")
		if turn := turnOf(t, second, "a"); turn.Attempt != 2 {
			t.Errorf("attempt %d after a lost turn, want 2", turn.Attempt)
		}
		turnOf(t, second, "b")
	})
}

func TestASealedTurnOutlivesItsHost(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.deliver("a", "a")
		w.deliver("b", "b")
		a, b := w.turn("a"), w.turn("b")
		for _, turn := range []*broker.Turn{a, b} {
			if err := turn.Seal(); err != nil {
				t.Fatal(err)
			}
		}
		w.h.Leave()
		second := w.b.Join(provider.HostInfo{})
		noTurn(t, second)
		b.Unseal() // its commit was not applied
		turnOf(t, second, "b")
		w.commit(a, provider.Commit{Again: true})
		turnOf(t, second, "a")
	})
}

func TestDroppingAnInstanceLosesItsTurnAndAllThatWaits(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.opened("a", provider.Commit{
			Activities: []provider.Activity{activity(1, ""), activity(2, "")},
			Timers:     []provider.Timer{timer(3, time.Now().Add(time.Hour))},
		})
		held := w.work(1)
		later := message("a", "later")
		later.Due = time.Now().Add(time.Hour)
		w.b.Deliver(exists(later))
		w.deliver("a", "1")
		turn := w.turn("a")
		w.b.Drop("a")
		w.wantNothing()
		if turn.Held() {
			t.Error("the turn of a dropped instance is still held")
		}
		if signals, err := held.Extend(nil); err != nil || !signals.Cancelled {
			t.Errorf("extending an activity of a dropped instance: %+v, %v; want Cancelled", signals, err)
		}
		w.deliver("a", "1") // another one of that id
		w.wantIDs(w.turn("a"), "1")
	})
}

func TestAHostGetsOnlyWhatItAcceptsInOrder(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.h.Leave()
		deliver := func(id history.InstanceID, name string) {
			d := exists(message(id, string(id)))
			d.Name = name
			w.b.Deliver(d)
		}
		accepts := func(names ...string) func(string, string) bool {
			return func(name, _ string) bool { return slices.Contains(names, name) }
		}
		deliver("x1", "x")
		deliver("z1", "z")
		deliver("y1", "y")
		deliver("x2", "x")
		onlyX := w.b.Join(provider.HostInfo{Accepts: accepts("x")})
		both := w.b.Join(provider.HostInfo{Accepts: accepts("x", "y")})
		turnOf(t, both, "x1")
		turnOf(t, both, "y1")
		turnOf(t, onlyX, "x2")
		noTurn(t, both)
		noTurn(t, onlyX)
		turnOf(t, w.b.Join(provider.HostInfo{}), "z1")
	})
}

func TestOneInstanceThatIsReadyWakesOneCaller(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		const callers = 100
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan history.InstanceID, callers)
		var all sync.WaitGroup
		for range callers {
			all.Go(func() {
				turn, err := w.h.NextTurn(ctx)
				if err == nil {
					served <- turn.Instance
				} else if !errors.Is(err, context.Canceled) {
					t.Errorf("a blocked caller got %v", err)
				}
			})
		}
		synctest.Wait()
		w.deliver("a", "1", "2", "3")
		w.deliver("b", "b1")
		synctest.Wait()
		if len(served) != 2 {
			t.Errorf("%d callers were served, want 2: one for each instance", len(served))
		}
		cancel()
		all.Wait()
		w.deliver("c", "c1") // nobody stands in line any more
		w.turn("c")
	})
}

func TestClosingEndsBlockedCalls(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := w.h.NextTurn(t.Context()); !errors.Is(err, provider.ErrClosed) {
				t.Errorf("NextTurn ended with %v, want ErrClosed", err)
			}
		})
		all.Go(func() {
			if _, err := w.h.NextActivity(t.Context()); !errors.Is(err, provider.ErrClosed) {
				t.Errorf("NextActivity ended with %v, want ErrClosed", err)
			}
		})
		synctest.Wait()
		w.b.Close()
		all.Wait()
		if n := w.b.Deliver(exists(message("a", "1"))); n != 0 {
			t.Errorf("a closed broker took in %d messages", n)
		}
		w.b.Close() // once more does no harm
	})
}

func TestIdleInstancesCostNothing(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		for i := range 100_000 {
			id := history.InstanceID(fmt.Sprint("instance ", i))
			w.deliver(id, string(id))
			w.commit(w.turn(id), provider.Commit{})
		}
		w.wantNothing()
	})
}
