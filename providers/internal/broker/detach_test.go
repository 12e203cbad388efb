package broker_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

func only(ids ...history.InstanceID) func(history.InstanceID) bool {
	return func(id history.InstanceID) bool { return slices.Contains(ids, id) }
}

func TestWorkGoesOnWhenItsInstanceLeaves(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, ""), activity(2, ""), activity(3, "")}})
		held, completed := w.work(1), w.work(2)
		if err := completed.Complete(done(2)); err != nil {
			t.Fatal(err)
		}
		if held.Detached() {
			t.Error("work is detached before its instance is")
		}
		if got, _ := w.b.Detach(only("a")); ids(got) != "[done 2]" {
			t.Errorf("the completions that no commit consumed are %s, want that of event 2", ids(got))
		}
		w.wantNothing()
		noWork(t, w.h)
		if !held.Detached() || completed.Detached() {
			t.Errorf("detached are the held work: %t, the completed one: %t; want true, false", held.Detached(), completed.Detached())
		}
		for _, progress := range []history.Payload{history.Payload("1"), nil} {
			if s, err := held.Extend(progress); s.Cancelled || !errors.Is(err, broker.ErrDetached) {
				t.Errorf("extending: %+v, %v; want no signal and ErrDetached", s, err)
			}
			if got := held.Reached(); string(got) != "1" {
				t.Errorf("it has reached %q, want 1", got)
			}
		}
		held.Release(provider.Release{})
		if err := held.Complete(done(1)); !errors.Is(err, broker.ErrDetached) {
			t.Errorf("completing: %v, want ErrDetached", err)
		}
		if err := completed.Complete(done(2)); !errors.Is(err, provider.ErrLockLost) {
			t.Errorf("completing what was completed before: %v, want ErrLockLost", err)
		}
		w.h.Leave()
		if err := held.Complete(done(1)); !errors.Is(err, broker.ErrDetached) {
			t.Errorf("completing after the host left: %v, want ErrDetached", err)
		}
		w.wantNothing()
	})
}

func TestAnInstanceThatComesBackKnowsNothingOfDetachedWork(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		w.opened("a", provider.Commit{Activities: []provider.Activity{activity(1, "")}})
		before := w.work(1)
		w.b.Detach(only("a"))
		w.b.Restore([]broker.Restored{{Instance: "a", Execution: 1, Name: "story", Activities: []broker.RestoredActivity{{Activity: activity(1, "")}}}})
		again := w.work(1)
		if err := before.Complete(done(1)); !errors.Is(err, broker.ErrDetached) {
			t.Errorf("completing the detached work: %v, want ErrDetached", err)
		}
		if err := again.Complete(done(1)); err != nil {
			t.Errorf("completing the new work: %v", err)
		}
		w.wantIDs(w.turn("a"), "done 1")
	})
}

func TestDetachingTouchesOnlyWhatBelongsElsewhere(t *testing.T) {
	within(t, func(t *testing.T, w *world) {
		var turns []*broker.Turn
		for _, id := range []history.InstanceID{"a", "b"} {
			w.opened(id, provider.Commit{
				Activities: []provider.Activity{activity(1, "")},
				Timers:     []provider.Timer{timer(2, time.Now().Add(time.Hour))},
			})
			w.deliver(id, "to "+string(id))
			turns = append(turns, w.turn(id))
			w.b.Deliver(broker.Delivery{Message: message("orphan of "+id, "orphan "+string(id))})
		}
		if err := turns[0].Seal(); err != nil {
			t.Fatal(err)
		}
		w.b.Detach(only("a", "orphan of a"))
		want := broker.Stats{Instances: 1, Held: 1, Messages: 2, Orphans: 1, Activities: 1, Timers: 1}
		if got := w.b.Stats(); got != want {
			t.Errorf("left are %+v, want %+v", got, want)
		}
		waits := func(id string) bool {
			_, waits := w.b.Waits(id)
			return waits
		}
		if waits("to a") || waits("orphan a") || !waits("to b") || !waits("orphan b") {
			t.Error("messages wait that belong elsewhere, or some do not that belong here")
		}
		if err := w.b.Commit(turns[0], &provider.Commit{}, running); !errors.Is(err, provider.ErrLockLost) {
			t.Errorf("committing a turn of an instance that left: %v, want ErrLockLost", err)
		}
		w.commit(turns[1], provider.Commit{})
		if waits("to b") {
			t.Error("a message waits that was consumed")
		}
		pass(time.Hour)
		w.wantIDs(w.turn("b"), "timer 2")
		noTurn(t, w.h)
	})
}
