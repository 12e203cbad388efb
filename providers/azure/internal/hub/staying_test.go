package hub_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// Workers come and go in a process that stays a host.

// joins has a worker more join in the other process.
func (w *two) joins(tags ...string) provider.Host {
	w.Helper()
	h, err := w.stores[1].Join(w.Context(), provider.HostInfo{Name: "another", Tags: tags, Slots: 1})
	if err != nil {
		w.Fatal(err)
	}
	w.ends = append(w.ends, func() {
		if err := h.Leave(w.Context()); err != nil {
			w.Error(err)
		}
	})
	return h
}

// waits has a slot of a worker wait for an activity, which does not come.
func (w *two) waits(h provider.Host) {
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if task, err := h.NextActivity(ctx); err == nil {
			w.Errorf("a worker has %v, which is not for it", task.ID)
		}
	}()
	w.ends = append([]func(){func() {
		cancel()
		<-done
	}}, w.ends...)
}

// TestWhatALeavingWorkerHoldsIsOfferedInItsProcess: its code ignores that its context
// has ended, and the worker leaves without it.
func TestWhatALeavingWorkerHoldsIsOfferedInItsProcess(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
		progress := reached(1000)
		w.waits(w.joins())
		task := w.next(w.away, nil)
		w.extend(w.away, task, progress)
		if err := w.away.Leave(w.Context()); err != nil {
			w.Fatal(err)
		}
		later := w.joins("far")
		if task = w.next(later, progress); task != nil {
			if task.Delivery != 2 {
				w.Errorf("its delivery is the %d., want the 2.", task.Delivery)
			}
			w.complete(later, task)
		}
	})
}

// TestASessionLeavesWithTheLastWorkerOfItsTag: activities of it were on their way to
// the process, or wait there.
func TestASessionLeavesWithTheLastWorkerOfItsTag(t *testing.T) {
	work := provider.Activity{Tag: "far", Session: "one"}
	for _, waits := range []bool{false, true} {
		t.Run(fmt.Sprint("waits ", waits), func(t *testing.T) {
			besides(t, provider.HostInfo{Name: "owner"}, work, 100, func(w *two) {
				w.waits(w.joins())
				task := w.next(w.away, nil)
				if waits {
					opens(w.T, w.stores[0], w.owner, "y", work)
					<-time.After(2 * time.Minute)
				}
				w.complete(w.away, task)
				if err := w.away.Leave(w.Context()); err != nil {
					w.Fatal(err)
				}
				if !waits {
					opens(w.T, w.stores[0], w.owner, "y", work)
				}
				if task := w.next(w.another("third"), nil); task == nil || task.ID.Instance != "y" || task.Delivery != 1 {
					w.Errorf("another host has %+v, want the activity of y for the first time", task)
				}
			})
		})
	}
}

// TestAWorkerThatComesBackDoesNotBringTheSession: another host has taken it meanwhile.
func TestAWorkerThatComesBackDoesNotBringTheSession(t *testing.T) {
	work := provider.Activity{Tag: "far", Session: "one"}
	besides(t, provider.HostInfo{Name: "owner", Tags: []string{"far"}}, work, 100, func(w *two) {
		stays, err := w.stores[0].Join(w.Context(), provider.HostInfo{Name: "owner too"})
		if err != nil {
			w.Fatal(err)
		}
		w.complete(w.owner, w.next(w.owner, nil))
		if err := w.owner.Leave(w.Context()); err != nil {
			w.Fatal(err)
		}
		w.owner = stays
		opens(w.T, w.stores[0], w.owner, "y", work)
		if task := w.next(w.away, nil); task == nil || task.ID.Instance != "y" {
			w.Fatalf("the other host has %v, want the activity of y", task)
		}
		back, err := w.stores[0].Join(w.Context(), provider.HostInfo{Name: "owner again", Tags: []string{"far"}})
		if err != nil {
			w.Fatal(err)
		}
		opens(w.T, w.stores[0], w.owner, "z", work)
		w.nobodyTakes(back, 10*time.Second, func() {})
		if task := w.next(w.away, nil); task == nil || task.ID.Instance != "z" {
			w.Errorf("the host of the session has %v, want the activity of z", task)
		}
		if err := back.Leave(w.Context()); err != nil {
			w.Error(err)
		}
	})
}

// TestAHostThatTakesItsOwnMessageAgainGoesOn: it could not extend the lease in time.
func TestAHostThatTakesItsOwnMessageAgainGoesOn(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
		task := w.next(w.away, nil)
		w.waits(w.away) // in another slot
		w.account.Decide(simulated.When(func(c simulated.Call) bool { return c.Kind == simulated.Extend }, simulated.Fault{Kind: simulated.Busy}))
		<-time.After(10 * time.Minute)
		w.account.Decide(nil)
		progress := reached(100)
		w.extend(w.away, task, progress)
		if err := w.away.ReleaseActivity(w.Context(), task, provider.Release{Delay: time.Second}); err != nil {
			w.Fatal(err)
		}
		w.ends[0]() // the slot that waits
		w.ends = nil
		if task = w.next(w.away, progress); task.Delivery != 2 {
			w.Errorf("its delivery is the %d., want the 2.", task.Delivery)
		}
		w.complete(w.away, task)
	})
}

// TestAHostThatTakesItsOwnMessageWhileItExtendsTheLeaseGoesOn: the request was under way
// when the lease ended, and comes after that by which the host takes the message again.
func TestAHostThatTakesItsOwnMessageWhileItExtendsTheLeaseGoesOn(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
		task := w.next(w.away, nil)
		<-time.After(task.Lease - time.Second)
		w.account.Decide(simulated.Nth(1, func(c simulated.Call) bool { return c.Kind == simulated.Extend }, simulated.Fault{Kind: simulated.Slow, Delay: 2 * time.Second}))
		extended := make(chan struct{})
		go func() {
			defer close(extended)
			w.extend(w.away, task, nil)
		}()
		<-time.After(1100 * time.Millisecond)
		opens(w.T, w.stores[0], w.owner, "y", provider.Activity{Tag: "far"}) // for which it looks into the queue
		if other := w.next(w.away, nil); other == nil || other.ID.Instance != "y" {
			w.Errorf("the host has %+v, want the activity of y", other)
		}
		<-extended
		w.extend(w.away, task, reached(100))
		w.complete(w.away, task)
	})
}

// TestWhatWasCancelledInItsQueueDoesNotBegin: no host had a slot for it in time.
func TestWhatWasCancelledInItsQueueDoesNotBegin(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{Tag: "far"}, 100, func(w *two) {
		<-time.After(2 * time.Minute)
		if err := w.stores[0].Purge(w.Context(), "x", true); err != nil {
			w.Fatal(err)
		}
		w.nobodyTakes(w.away, 2*time.Minute, func() {})
	})
}

// TestWhatALeavingWorkerHoldsOfFormerInstancesIsOffered: they moved to another host, which
// leaves the activities to the process where they run.
func TestWhatALeavingWorkerHoldsOfFormerInstancesIsOffered(t *testing.T) {
	handsOver(t, 12, func(o *handedOver) {
		stays, err := o.stores[0].Join(o.Context(), provider.HostInfo{Name: "stays"})
		if err != nil {
			o.Fatal(err)
		}
		over := o.tasks[0]
		if err := o.former.CompleteActivity(o.Context(), over, failure(over)); err != nil {
			o.Fatal(err)
		}
		if err := o.former.Leave(o.Context()); err != nil {
			o.Fatal(err)
		}
		got := map[history.ActivityID]bool{}
		for _, h := range []provider.Host{stays, o.next} {
			ctx, cancel := context.WithTimeout(o.Context(), time.Minute)
			for task, err := h.NextActivity(ctx); err == nil; task, err = h.NextActivity(ctx) {
				got[task.ID] = true
			}
			cancel()
		}
		if len(got) != len(o.tasks)-1 || got[over.ID] {
			o.Errorf("%d activities are offered again, want the %d that were not over", len(got), len(o.tasks)-1)
		}
	})
}

// TestActivitiesOfAParkedInstanceGoToOtherHosts: its owner has no slot for them, and the
// instance waits for a release of its code.
func TestActivitiesOfAParkedInstanceGoToOtherHosts(t *testing.T) {
	besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{}, 100, func(w *two) {
		if err := w.stores[0].Send(w.Context(), event("x", "go")); err != nil {
			w.Fatal(err)
		}
		turn := turnOf(w.T, w.owner, "x")
		if err := w.owner.ReleaseTurn(w.Context(), turn, provider.Release{Delay: time.Hour, Park: "nobody has its code"}); err != nil {
			w.Fatal(err)
		}
		if task := w.next(w.away, nil); task == nil || task.Delivery != 1 {
			w.Errorf("the other host has %+v, want the activity for the first time", task)
		}
	})
}
