package providertest

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// soon is a due time that a test can wait for.
func soon(d time.Duration) time.Time { return now().Add(d) }

var timerProperties = []property{
	{"a timer that is due becomes a message with its data", p8, func(e *env) {
		due := soon(20 * time.Millisecond)
		d := e.running("order", func(d *draft) { d.timer(due) })
		t := e.turnWith("order", "fired 2")
		e.noEarlier(due, "the timer")
		m := t.Messages[0]
		if m.Execution != 1 || m.To != "order" || m.Start != nil {
			e.breaks("the message is %+v, want one for execution 1 of order", m)
		}
		if diff := sameData(m.Data, d.Timers[0].Fire); diff != "" {
			e.breaks("%s", diff)
		}
	}},
	{"timers never fire early, and fire in the order in which they are due", p8, func(e *env) {
		random := rand.New(rand.NewPCG(1, 2))
		base := now()
		due := map[int64]time.Time{}
		d := e.running("order", func(d *draft) {
			for range 30 {
				at := base.Add(time.Duration(10+random.IntN(50)) * time.Millisecond)
				due[d.timer(at)] = at
			}
		})
		if len(d.Timers) != 30 {
			e.Fatal("the test itself is broken")
		}
		last := base
		for seen := 0; seen < 30; {
			t := e.turnOf("order")
			next := take(t)
			for _, m := range t.Messages {
				id := m.Data.(*history.TimerFired).Source
				e.noEarlier(due[id], fmt.Sprint("timer ", id))
				if due[id].Before(last) {
					e.breaks("a timer due at %v came after one due at %v", due[id], last)
				}
				last = due[id]
				next.FiredTimers = append(next.FiredTimers, id)
				seen++
			}
			e.commit(t, next)
		}
		e.wantOpen("order", []int64{}, []int64{})
		e.noTurn()
	}},
	{"a timer that was due long ago fires at once", p8, func(e *env) {
		e.running("order", func(d *draft) { d.timer(time.Unix(0, 0).UTC()); d.timer(now()) })
		t := e.turnOf("order")
		if len(t.Messages) == 1 { // The other one may come a moment later.
			d := take(t)
			d.FiredTimers = []int64{t.Messages[0].Data.(*history.TimerFired).Source}
			e.commit(t, d)
			e.turnOf("order")
		}
	}},
	{"a timer wakes a NextTurn that waits", p11, func(e *env) {
		due := soon(30 * time.Millisecond)
		e.running("order", func(d *draft) { d.timer(due) })
		got := e.awaitTurn()
		t, err := got()
		e.wants(err, nil, "waiting for a timer")
		e.wantNames(t.Messages, "fired 2")
		e.noEarlier(due, "the timer")
	}},
	{"a timer fires once", p8, func(e *env) {
		e.running("order", func(d *draft) { d.timer(soon(0)) })
		e.release(e.turnWith("order", "fired 2"), provider.Release{})
		t := e.turnWith("order", "fired 2")
		d := take(t)
		d.FiredTimers = []int64{2}
		e.commit(t, d)
		e.wantOpen("order", []int64{}, []int64{})
		e.noTurn()
	}},
	{"an open timer is outstanding as it was made", p8, func(e *env) {
		due := soon(far)
		d := e.running("order", func(d *draft) { d.timer(due) })
		o := e.outstanding("order")
		if len(o.Timers) != 1 || o.Timers[0].Event != 2 || !o.Timers[0].Due.Equal(due) {
			e.breaks("open timers are %+v, want that of event 2, due at %v", o.Timers, due)
		}
		if diff := sameData(o.Timers[0].Fire, d.Timers[0].Fire); diff != "" {
			e.breaks("%s", diff)
		}
	}},
	{"a cancelled timer never fires and leaves nothing behind", p8, func(e *env) {
		e.running("order", func(d *draft) { d.timer(soon(25 * time.Millisecond)); d.timer(soon(far)) })
		e.send(e.event("order", "never mind"))
		t := e.turnOf("order")
		d := take(t)
		d.CancelTimers = []int64{2, 3}
		e.commit(t, d)
		e.wantOpen("order", []int64{}, []int64{})
		if len(t.Messages) == 1 { // The timer had not fired when the turn was taken.
			e.running("watch", func(d *draft) { d.timer(soon(50 * time.Millisecond)) })
			e.turnWith("watch", "fired 2")
		}
		e.noTurn()
	}},
	{"a timer that is cancelled after it fired leaves no message behind", p8, func(e *env) {
		e.running("order", func(d *draft) { d.timer(soon(20 * time.Millisecond)) })
		e.send(e.event("order", "never mind"))
		t := e.turnOf("order")
		e.running("watch", func(d *draft) { d.timer(soon(30 * time.Millisecond)) })
		e.turnWith("watch", "fired 2") // the timer of order, due before, has fired too
		d := take(t)
		d.CancelTimers = []int64{2}
		e.commit(t, d)
		e.wantOpen("order", []int64{}, []int64{})
		if m := e.outstanding("order").Messages; len(m) != 0 {
			e.breaks("messages %v are left of a cancelled timer", names(m))
		}
		e.noTurn()
	}},
	{"cancelling a timer that is not open is no error", p8, func(e *env) {
		e.running("order", func(d *draft) {
			d.CancelTimers, d.FiredTimers = []int64{7, 99}, []int64{8}
			d.timer(soon(far))
		})
		e.wantOpen("order", []int64{}, []int64{2})
	}},
	{"a timer that is made and cancelled in one commit never opens", p8, func(e *env) {
		e.running("order", func(d *draft) { d.CancelTimers = []int64{d.timer(soon(0))} })
		e.wantOpen("order", []int64{}, []int64{})
		e.noTurn()
	}},
	{"the delay of a retry is a timer of the event that scheduled the activity", p8, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		e.complete(a)
		t := e.turnWith("order", "completed 2")
		due := soon(20 * time.Millisecond)
		d := take(t)
		d.CompletedActivities = []int64{2}
		d.Timers = []provider.Timer{{Event: 2, Due: due, Fire: &history.ActivityRetried{Source: 2, Attempt: 2}}}
		e.commit(t, d)
		e.wantOpen("order", []int64{}, []int64{2})
		t = e.turnWith("order", string(history.KindActivityRetried))
		e.noEarlier(due, "the retry")
		d = take(t)
		d.FiredTimers = []int64{2}
		d.Activities = []provider.Activity{{Scheduled: a.Activity.Scheduled, Attempt: 2}}
		e.commit(t, d)
		e.wantOpen("order", []int64{2}, []int64{})
		again := e.activityOf("order", 1, 2)
		if again.Activity.Attempt != 2 || again.Delivery != 1 {
			e.breaks("attempt is %d and delivery %d, want 2 and 1", again.Activity.Attempt, again.Delivery)
		}
		e.complete(again)
		t = e.turnOf("order")
		d = take(t) // the second attempt failed too: the same event delays once more
		d.CompletedActivities = []int64{2}
		d.Timers = []provider.Timer{{Event: 2, Due: soon(0), Fire: &history.ActivityRetried{Source: 2, Attempt: 3}}}
		e.commit(t, d)
		e.turnWith("order", string(history.KindActivityRetried))
	}},
	{"an instance that has ended, begun anew or been replaced hears nothing of its old timers", p8, func(e *env) {
		held := map[history.InstanceID]*provider.Turn{}
		for _, id := range []history.InstanceID{"ended", "anew", "replaced"} {
			e.running(id, func(d *draft) { d.timer(soon(25 * time.Millisecond)); d.Again = true })
			held[id] = e.turnOf(id)
		}
		e.running("watch", func(d *draft) { d.timer(soon(50 * time.Millisecond)) })
		e.commit(held["ended"], take(held["ended"]).finish())
		e.commit(held["anew"], take(held["anew"]).continueAsNew())
		m := e.start("replaced")
		m.Start.Reuse = provider.ReuseReplace
		e.send(m)
		var got []string
		for len(got) < 2 { // the watch, last, and the new start
			t := e.turn()
			for _, m := range t.Messages {
				got = append(got, fmt.Sprintf("%s: %s", t.Instance.ID, nameOf(m)))
			}
			e.commit(t, take(t))
		}
		slices.Sort(got)
		if !slices.Equal(got, []string{"replaced: start", "watch: fired 2"}) {
			e.breaks("%q came, want the start that replaced, and the watch's own timer", got)
		}
		e.noTurn()
	}},
	{"many timers due at once all fire, once each", p8, func(e *env) {
		const n = 3_000
		due := soon(20 * time.Millisecond)
		e.running("order", func(d *draft) {
			for range n {
				d.timer(due)
			}
		})
		fired := map[int64]int{}
		for len(fired) < n {
			t := e.turnOf("order")
			d := take(t)
			for _, m := range t.Messages {
				id := m.Data.(*history.TimerFired).Source
				if fired[id]++; fired[id] > 1 {
					e.breaks("timer %d fired twice", id)
				}
				d.FiredTimers = append(d.FiredTimers, id)
			}
			e.commit(t, d)
		}
		e.noEarlier(due, "the last timer")
		e.noTurn()
	}},
	{"a timer may be 100 years away", p8, func(e *env) {
		due := soon(history.MaxTimerDelay)
		e.running("order", func(d *draft) { d.timer(due) })
		e.noTurn()
		if o := e.outstanding("order"); len(o.Timers) != 1 || !o.Timers[0].Due.Equal(due) {
			e.breaks("open timers are %+v, want one due at %v", o.Timers, due)
		}
	}},
}
