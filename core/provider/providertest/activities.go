package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

var activityProperties = []property{
	{"an activity is offered with all that its worker needs", p9, func(e *env) {
		var want history.Event
		e.running("order", func(d *draft) {
			want = d.event(&history.ActivityScheduled{
				Name: "charge", Version: "3", Input: history.Payload(`{"cents":4200}`), Session: "s1", Timeout: 5_000,
				Retry: &history.RetryPolicy{MaxAttempts: 3, First: 100}, Headers: map[string]string{"a": "b"},
			})
			d.Activities = []provider.Activity{{Scheduled: want, Attempt: 1, Session: "s1"}}
		})
		a := e.activityOf("order", 1, 2)
		if diff := sameEvent(a.Activity.Scheduled, want); diff != "" {
			e.breaks("%s", diff)
		}
		if a.Activity.Attempt != 1 || a.Delivery != 1 || a.Activity.Session != "s1" || a.Activity.Tag != "" || a.Progress != nil ||
			a.Orchestration != "story" || a.Version != "1.0.0" {
			e.breaks("the activity is %+v, want attempt 1, delivery 1, session s1, no tag, no progress, of story 1.0.0", a)
		}
	}},
	{"an activity is offered to one worker", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		e.noActivity()
		e.complete(a)
		e.next("order", func(d *draft) { d.CompletedActivities = []int64{2} })
		e.noActivity()
	}},
	{"a completion comes to its instance as it was handed in", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		m := completion(a)
		m.Data = &history.ActivityCompleted{Source: 2, Attempt: 1, Output: history.Payload(`{"receipt":"\u0000"}`), Worker: "w1"}
		ctx, cancel := e.context()
		defer cancel()
		e.wants(e.host.CompleteActivity(ctx, a, m), nil, "completing")
		t := e.turnWith("order", "completed 2")
		if diff := sameMessage(t.Messages[0], m); diff != "" {
			e.breaks("%s", diff)
		}
		d := take(t)
		d.CompletedActivities = []int64{2}
		e.commit(t, d)
		e.wantOpen("order", []int64{}, []int64{})
		e.noTurn()
		e.noActivity()
	}},
	{"an activity stays open until a commit takes its completion in", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		e.wantOpen("order", []int64{2}, []int64{})
		e.complete(e.activityOf("order", 1, 2))
		e.wantOpen("order", []int64{2}, []int64{})
		t := e.turnWith("order", "completed 2")
		e.wantOpen("order", []int64{2}, []int64{})
		d := take(t)
		d.CompletedActivities = []int64{2}
		e.commit(t, d)
		e.wantOpen("order", []int64{}, []int64{})
	}},
	{"completing twice completes once", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		e.complete(a)
		if err := e.tryComplete(a); err != nil {
			e.wants(err, provider.ErrLockLost, "completing for the second time")
		}
		t := e.turnWith("order", "completed 2")
		if err := e.tryComplete(a); err != nil {
			e.wants(err, provider.ErrLockLost, "completing for the third time")
		}
		d := take(t)
		d.CompletedActivities = []int64{2}
		e.commit(t, d)
		e.wants(e.tryComplete(a), provider.ErrLockLost, "completing what a commit has taken in")
		e.noTurn()
	}},
	{"a completion that arrives while its instance is held comes in the next turn", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge"); d.Again = true })
		t := e.turnWith("order")
		e.complete(e.activityOf("order", 1, 2))
		e.commit(t, take(t))
		e.turnWith("order", "completed 2")
	}},
	{"activities of one commit are offered in their order", p5, func(e *env) {
		e.running("order", func(d *draft) {
			for n := range 20 {
				d.schedule(fmt.Sprint("step ", n))
			}
		})
		for event := int64(2); event <= 21; event++ {
			e.activityOf("order", 1, event)
		}
	}},
	{"a released activity is offered again", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		for delivery := 1; delivery <= 3; delivery++ {
			a := e.activityOf("order", 1, 2)
			if a.Delivery != delivery || a.Activity.Attempt != 1 {
				e.breaks("delivery is %d and attempt %d, want %d and 1", a.Delivery, a.Activity.Attempt, delivery)
			}
			if delivery < 3 {
				e.releaseActivity(a, provider.Release{})
				e.wants(e.tryComplete(a), provider.ErrLockLost, "completing what was released")
				continue
			}
			e.complete(a)
		}
		e.turnWith("order", "completed 2")
	}},
	{"an uncounted release leaves the deliveries as they were", pX, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		for range 3 {
			a := e.activityOf("order", 1, 2)
			if a.Delivery != 1 {
				e.breaks("delivery is %d, want 1", a.Delivery)
			}
			e.releaseActivity(a, provider.Release{Uncounted: true})
		}
	}},
	{"a delayed release of an activity really delays, and delays no other", pX, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("a"); d.schedule("b") })
		e.releaseActivity(e.activityOf("order", 1, 2), provider.Release{Delay: far})
		e.releaseActivity(e.activityOf("order", 1, 3), provider.Release{Delay: far})
		e.noActivity()
		e.running("other", func(d *draft) { d.schedule("a") })
		due := time.Now().Add(30 * time.Millisecond)
		e.releaseActivity(e.activityOf("other", 1, 2), provider.Release{Delay: time.Until(due)})
		e.activityOf("other", 1, 2)
		e.noEarlier(due, "the delayed activity")
	}},
	{"extending keeps the activity and its progress for later deliveries and attempts", p9, func(e *env) {
		d := e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		if s := e.extend(a, history.Payload(`{"row":1}`)); s.Cancelled {
			e.breaks("an activity that counts is said to be cancelled")
		}
		e.extend(a, history.Payload(`{"row":2}`))
		e.extend(a, nil)
		e.noActivity()
		e.releaseActivity(a, provider.Release{})
		a = e.activityOf("order", 1, 2)
		e.wantPayload("progress of the next delivery", a.Progress, history.Payload(`{"row":2}`))
		e.complete(a)
		t := e.turnOf("order")
		next := take(t)
		next.CompletedActivities = []int64{2}
		next.Activities = []provider.Activity{{Scheduled: d.Activities[0].Scheduled, Attempt: 2}}
		e.commit(t, next)
		a = e.activityOf("order", 1, 2)
		e.wantPayload("progress of the next attempt", a.Progress, history.Payload(`{"row":2}`))
		if a.Activity.Attempt != 2 || a.Delivery != 1 {
			e.breaks("attempt is %d and delivery %d, want 2 and 1", a.Activity.Attempt, a.Delivery)
		}
	}},
	{"progress outlives the delay of a retry, and the host that kept it", p9, func(e *env) {
		d := e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		e.extend(a, history.Payload(`"half"`))
		e.wants(e.tryFail(e.host, a), nil, "completing activity %v as failed", a.ID)
		t := e.turnOf("order")
		delayed := take(t)
		delayed.CompletedActivities = []int64{2}
		delayed.Timers = []provider.Timer{{Event: 2, Due: time.Now().Add(30 * time.Millisecond), Fire: &history.ActivityRetried{Source: 2, Attempt: 2}}}
		e.commit(t, delayed)
		e.rejoin(everything("next"))
		t = e.turnOf("order")
		next := take(t)
		next.FiredTimers = []int64{2}
		next.Activities = []provider.Activity{{Scheduled: d.Activities[0].Scheduled, Attempt: 2}}
		e.commit(t, next)
		a = e.activityOf("order", 1, 2)
		e.wantPayload("progress of the next attempt", a.Progress, history.Payload(`"half"`))
	}},
	{"only who holds an activity extends it", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		e.releaseActivity(a, provider.Release{})
		_, err := e.tryExtend(a, history.Payload(`"stale"`))
		e.wants(err, provider.ErrLockLost, "extending what was released")
		b := e.activityOf("order", 1, 2)
		_, err = e.tryExtend(a, history.Payload(`"stale"`))
		e.wants(err, provider.ErrLockLost, "extending what another worker holds")
		e.wantPayload("progress", b.Progress, nil)
		e.complete(b)
	}},
	{"NextActivity blocks, and a commit wakes it", p11, func(e *env) {
		for n := range 20 {
			id := history.InstanceID(fmt.Sprint("order-", n))
			got := e.awaitActivity()
			e.running(id, func(d *draft) { d.schedule("charge") })
			a, err := got()
			e.wants(err, nil, "taking an activity that began to wait before it was scheduled")
			if a.ID.Instance != id {
				e.breaks("activity %v, want that of %q", a.ID, id)
			}
		}
	}},
	{"NextActivity ends when its context does, and loses nothing", p11, func(e *env) {
		const n = 100
		var held []history.InstanceID
		for i := range n {
			ctx, cancel := context.WithCancel(e.Context())
			got := async(e, func(context.Context) (*provider.ActivityTask, error) { return e.host.NextActivity(ctx) })
			id := history.InstanceID(fmt.Sprint("order-", i))
			e.send(e.start(id))
			t := e.turnOf(id)
			go cancel() // races with the commit
			d := take(t)
			d.schedule("charge")
			e.commit(t, d)
			a, err := got()
			if err != nil {
				e.wants(err, context.Canceled, "NextActivity whose context was cancelled")
				continue
			}
			held = append(held, a.ID.Instance)
		}
		for len(held) < n {
			held = append(held, e.activity().ID.Instance)
		}
		slices.Sort(held)
		if got := len(slices.Compact(held)); got != n {
			e.breaks("%d of %d activities were offered", got, n)
		}
	}},
	{"activities of a wide fan-out are offered once each, and every completion comes once", p9, func(e *env) {
		const n, workers = 1_000, 8
		e.running("order", func(d *draft) {
			for i := range n {
				d.schedule(fmt.Sprint("row ", i))
			}
		})
		var mu sync.Mutex
		offered := map[int64]int{}
		e.together(workers, func(int) error {
			for {
				mu.Lock()
				done := len(offered) >= n-workers // the last few are taken below
				mu.Unlock()
				if done {
					return nil
				}
				a, err := e.tryActivity(e.host)
				if err != nil {
					return err
				}
				mu.Lock()
				offered[a.ID.Event]++
				again := offered[a.ID.Event] > 1
				mu.Unlock()
				if again {
					return fmt.Errorf("activity %v was offered twice", a.ID)
				}
				if err := e.tryComplete(a); err != nil {
					return err
				}
			}
		})
		for len(offered) < n {
			a := e.activity()
			offered[a.ID.Event]++
			e.complete(a)
		}
		completed := map[int64]bool{}
		for len(completed) < n {
			t := e.turnOf("order")
			d := take(t)
			for _, m := range t.Messages {
				id := m.Data.(*history.ActivityCompleted).Source
				if completed[id] {
					e.breaks("the completion of %d came twice", id)
				}
				completed[id] = true
				d.CompletedActivities = append(d.CompletedActivities, id)
			}
			e.commit(t, d)
		}
		e.wantOpen("order", []int64{}, []int64{})
		e.noTurn()
		e.noActivity()
	}},
	{"the same event in two instances names two activities", p9, func(e *env) {
		e.running("a", func(d *draft) { d.schedule("charge") })
		e.running("b", func(d *draft) { d.schedule("charge") })
		a, b := e.activityOf("a", 1, 2), e.activityOf("b", 1, 2)
		e.complete(b)
		e.turnWith("b", "completed 2")
		e.complete(a)
		e.turnWith("a", "completed 2")
	}},
	{"a next attempt may be asked for in the commit that takes the failure in", p9, func(e *env) {
		d := e.running("order", func(d *draft) { d.schedule("charge") })
		for attempt := 1; attempt <= 4; attempt++ {
			a := e.activityOf("order", 1, 2)
			if a.Activity.Attempt != attempt || a.Delivery != 1 {
				e.breaks("attempt is %d and delivery %d, want %d and 1", a.Activity.Attempt, a.Delivery, attempt)
			}
			e.complete(a)
			t := e.turnOf("order")
			next := take(t)
			next.CompletedActivities = []int64{2}
			next.Activities = []provider.Activity{{Scheduled: d.Activities[0].Scheduled, Attempt: attempt + 1}}
			e.commit(t, next)
			o := e.outstanding("order")
			if len(o.Activities) != 1 || o.Activities[0] != (provider.ActivityRef{Event: 2, Attempt: attempt + 1}) {
				e.breaks("open activities are %+v, want attempt %d of event 2", o.Activities, attempt+1)
			}
			if err := e.tryComplete(a); !errors.Is(err, provider.ErrLockLost) {
				e.breaks("completing attempt %d after attempt %d was asked for: %v, want %q", attempt, attempt+1, err, provider.ErrLockLost)
			}
		}
		e.noTurn()
	}},
}
