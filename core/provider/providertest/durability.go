package providertest

import (
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// furnishHub puts one of everything into a hub and returns a check that it is
// all still there. Nothing is ready when it returns.
func furnishHub(e *env) func() {
	e.Helper()
	furnish(e, "furnished")
	e.running("ended", func(d *draft) { d.set("key", quoted("a")).status(quoted("b")).continueAsNew().finish() })
	e.running("pruned", func(d *draft) {
		d.set("key", quoted("c")).continueAsNew().continueAsNew().continueAsNew()
		d.PruneThrough = 2
	})
	m := e.start("pending")
	m.Due = now().Add(far)
	m.Start.Tags = map[string]string{"region": "north"}
	m.Start.Parent = &history.ParentRef{Instance: "ended", Execution: 1, Event: 2}
	e.send(m)
	e.finished("purged")
	e.purge("purged", false)
	var before []provider.Instance
	histories := map[history.InstanceID][]history.Event{}
	for _, i := range e.list(provider.Query{}) {
		before = append(before, *e.instance(i.ID))
		if i.Execution > 0 {
			histories[i.ID] = e.history(i.ID)
		}
	}
	old := e.historyOf("ended", 1, 0)
	return func() {
		e.Helper()
		furnished(e, "furnished")
		e.gone("purged")
		if got := len(e.list(provider.Query{})); got != len(before) {
			e.breaks("%d instances are listed, want %d", got, len(before))
		}
		for _, want := range before {
			got := e.instance(want.ID)
			if diff := sameInstance(*got, want); diff != "" {
				e.breaks("%q: %s", want.ID, diff)
			}
			if want.Execution > 0 {
				e.wantHistory(want.ID, histories[want.ID])
			}
		}
		if diff := sameEvents(e.historyOf("ended", 1, 0), old); diff != "" {
			e.breaks("execution 1 of ended: %s", diff)
		}
		e.wantPruned("pruned", 2, 4)
		e.wantPayload("state of pruned", e.state("pruned", "key"), quoted("c"))
		e.wantPayload("state of ended", e.state("ended", "key"), quoted("a"))
		e.wantNames(e.outstanding("pending").Messages, "start")
	}
}

// durabilityProperties are about a hub that is closed and opened again. Most
// of them hold across a crash as well; see crashProperties.
var durabilityProperties = again("a hub that is opened again", (*env).needsReopen, (*env).reopen)

// crashProperties are about a hub whose process was killed.
var crashProperties = append(
	again("a hub whose process was killed", (*env).needsCrash, (*env).crash),
	property{"a hub survives being killed over and over", p2, func(e *env) {
		e.needsCrash()
		e.send(e.start("order"))
		var want []history.Event
		for n := range 8 {
			want = append(want, e.next("order", nil).Events...)
			e.send(e.event("order", fmt.Sprint(n)))
			e.crash()
			e.wantHistory("order", want)
		}
	}},
	property{"what was not acknowledged before the kill is whole or absent", p1, func(e *env) {
		e.needsCrash()
		e.running("neighbour", nil)
		e.send(e.start("order"))
		t := e.turnOf("order")
		d := fullCommit(e, t)
		host, committed := e.host, make(chan struct{})
		go func() {
			defer close(committed)
			ctx, cancel := e.context()
			defer cancel()
			_ = host.CommitTurn(ctx, t, &d.Commit) // Its process is killed: nobody learns the outcome.
		}()
		e.crash()
		<-committed
		i := e.instance("order")
		if i.LastEvent == 0 { // absent
			e.gone("child")
			e.wantOpen("order", []int64{}, []int64{})
			e.turnWith("order", "start")
			e.noTurn()
			return
		}
		e.wantHistory("order", d.Events)
		e.wantOpen("order", []int64{2, 3}, []int64{4})
		e.wantPayload("state", e.state("order", "step"), quoted("one"))
		if s := e.instance("child").Status; s != history.StatusPending {
			e.breaks("the child is %q, want pending", s)
		}
	}},
)

// again lists what must hold of a hub after it was opened again, in whatever
// way.
func again(what string, needs, reopen func(e *env)) []property {
	var all []property
	for _, s := range survivals {
		all = append(all, property{what + " " + s.name, s.law, func(e *env) {
			needs(e)
			s.test(e, reopen)
		}})
	}
	return all
}

// survivals are properties of a hub that is opened again.
var survivals = []struct {
	law  law
	name string
	test func(e *env, reopen func(e *env))
}{
	{p2, "shows everything as it was", func(e *env, reopen func(e *env)) {
		check := furnishHub(e)
		reopen(e)
		check()
		e.noTurn()
	}},
	{pX, "keeps its name", func(e *env, reopen func(e *env)) {
		named, ok := e.store.(provider.Named)
		if !ok {
			return // then its name is "default" for ever
		}
		before := named.Hub()
		reopen(e)
		if after := e.store.(provider.Named).Hub(); after != before || before == "" {
			e.breaks("the hub is called %q, and was %q", after, before)
		}
	}},
	{p2, "is as it was after an empty life", func(e *env, reopen func(e *env)) {
		check := furnishHub(e)
		reopen(e)
		reopen(e)
		check()
	}},
	{p4, "hands over messages that were accepted, in order", func(e *env, reopen func(e *env)) {
		e.running("order", nil)
		e.send(e.event("order", "a"), e.event("order", "b"))
		t := e.turnWith("order", "a", "b")
		e.commit(t, takeSome(t, 1))
		e.send(e.event("order", "c"))
		reopen(e)
		e.send(e.event("order", "d"))
		t = e.turnWith("order", "b", "c", "d")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{p4, "hands over what was held", func(e *env, reopen func(e *env)) {
		e.send(e.start("order"), e.event("order", "a"))
		e.turnWith("order", "start", "a")
		reopen(e)
		t := e.turnWith("order", "start", "a")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{p4, "knows messages that were consumed before", func(e *env, reopen func(e *env)) {
		e.running("order", nil)
		m := e.event("order", "a")
		e.send(m)
		e.next("order", nil)
		waiting := e.event("order", "b")
		e.send(waiting)
		reopen(e)
		e.send(m, waiting)
		t := e.turnWith("order", "b")
		e.commit(t, take(t))
		e.send(m, waiting)
		e.noTurn()
	}},
	{p4, "knows starts that were sent before", func(e *env, reopen func(e *env)) {
		m := e.start("order")
		e.send(m)
		e.next("order", nil)
		reopen(e)
		e.send(m)
		e.noTurn()
		e.wants(e.trySend(e.start("order")), provider.ErrExists, "starting a taken id")
	}},
	{p4, "keeps messages for instances that do not exist yet", func(e *env, reopen func(e *env)) {
		e.send(e.event("order", "a"), e.event("order", "b"))
		reopen(e)
		e.noTurn()
		e.send(e.start("order"))
		e.turnWith("order", "start", "a", "b")
	}},
	{p4, "keeps what a commit sent", func(e *env, reopen func(e *env)) {
		e.running("b", nil)
		e.running("a", func(d *draft) { d.send(e.event("b", "hello"), e.start("c"), e.event("c", "x"), e.event("nobody", "y")) })
		reopen(e)
		got := map[history.InstanceID][]string{}
		for range 2 {
			t := e.turn()
			got[t.Instance.ID] = names(t.Messages)
			e.commit(t, take(t))
		}
		if !slices.Equal(got["b"], []string{"hello"}) || !slices.Equal(got["c"], []string{"start", "x"}) {
			e.breaks("received were %v, want hello in b; start and x in c", got)
		}
		e.noTurn()
	}},
	{p9, "offers open activities again", func(e *env, reopen func(e *env)) {
		d := e.running("order", func(d *draft) {
			d.schedule("a")
			d.scheduleOn("b", "gpu")
			d.schedule("c")
			d.schedule("cancelled")
			d.schedule("taken in")
		})
		for range 4 {
			if a := e.activity(); a.ID.Event == 6 {
				e.complete(a)
			}
		}
		t := e.turnWith("order", "completed 6")
		next := take(t)
		next.CancelActivities, next.CompletedActivities = []int64{5}, []int64{6}
		e.commit(t, next)
		reopen(e)
		e.wantOpen("order", []int64{2, 3, 4}, []int64{})
		for range 2 {
			a := e.activity()
			if a.ID.Event != 2 && a.ID.Event != 4 || a.ID.Execution != 1 || a.Activity.Attempt != 1 || a.Orchestration != "story" || a.Version != "1.0.0" {
				e.breaks("activity %+v is offered, want events 2 and 4 of execution 1, at attempt 1", a)
			}
			if diff := sameEvent(a.Activity.Scheduled, d.Events[a.ID.Event-1]); diff != "" {
				e.breaks("%s", diff)
			}
		}
		e.noActivity()
		e.rejoin(provider.HostInfo{Name: "tagged", Tags: []string{"gpu"}})
		if a := e.activity(); a.ID.Event != 3 && a.ID.Event != 2 && a.ID.Event != 4 {
			e.breaks("activity %v is offered, want that of event 3", a.ID)
		}
	}},
	{p9, "forgets no activity whose completion was handed in and not taken in", func(e *env, reopen func(e *env)) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		e.complete(e.activityOf("order", 1, 2))
		reopen(e)
		e.completedOrOffered("order", 2)
	}},
	{p9, "offers the attempt that is open", func(e *env, reopen func(e *env)) {
		d := e.running("order", func(d *draft) { d.schedule("charge") })
		e.complete(e.activityOf("order", 1, 2))
		t := e.turnOf("order")
		next := take(t)
		next.CompletedActivities = []int64{2}
		next.Activities = []provider.Activity{{Scheduled: d.Activities[0].Scheduled, Attempt: 7, Session: "s"}}
		e.commit(t, next)
		reopen(e)
		if a := e.activityOf("order", 1, 2); a.Activity.Attempt != 7 || a.Activity.Session != "s" {
			e.breaks("the activity is %+v, want attempt 7 in session s", a.Activity)
		}
	}},
	{p8, "fires timers that became due meanwhile, and those that become due later", func(e *env, reopen func(e *env)) {
		due := soon(60 * time.Millisecond)
		e.running("order", func(d *draft) {
			d.timer(soon(0))
			d.timer(due)
			d.CancelTimers = []int64{d.timer(soon(0))}
		})
		reopen(e)
		var fired []string
		for len(fired) < 2 {
			t := e.turnOf("order")
			d := take(t)
			for _, m := range t.Messages {
				if m.Data.(*history.TimerFired).Source == 3 {
					e.noEarlier(due, "the timer")
				}
				fired = append(fired, nameOf(m))
				d.FiredTimers = append(d.FiredTimers, m.Data.(*history.TimerFired).Source)
			}
			e.commit(t, d)
		}
		if !slices.Equal(fired, []string{"fired 2", "fired 3"}) {
			e.breaks("timers %v fired, want 2 and 3", fired)
		}
		e.noTurn()
		reopen(e)
		e.noTurn()
	}},
	{p8, "hands over delayed messages when they are due", func(e *env, reopen func(e *env)) {
		m := e.event("order", "slow")
		m.Due = soon(60 * time.Millisecond)
		s := e.start("later")
		s.Due = soon(70 * time.Millisecond)
		e.running("order", nil)
		e.send(m, s)
		reopen(e)
		due := map[history.InstanceID]time.Time{"order": m.Due, "later": s.Due}
		for range 2 {
			t := e.turn()
			e.wantNames(t.Messages, map[history.InstanceID]string{"order": "slow", "later": "start"}[t.Instance.ID])
			e.noEarlier(due[t.Instance.ID], "the delayed message of "+string(t.Instance.ID))
		}
	}},
	{pX, "gives another turn that was asked for", func(e *env, reopen func(e *env)) {
		e.running("order", func(d *draft) { d.Again = true })
		reopen(e)
		t := e.turnWith("order")
		e.commit(t, take(t))
		reopen(e)
		e.noTurn()
	}},
	{pX, "still shows why an instance is parked, and tries it at once", func(e *env, reopen func(e *env)) {
		e.send(e.start("order"))
		e.release(e.turnOf("order"), provider.Release{Delay: far, Park: "no handler"})
		reopen(e)
		if p := e.instance("order").Parked; p == nil || p.Reason != "no handler" {
			e.breaks("parked is %+v, want the reason of the release", p)
		}
		e.turnWith("order", "start")
	}},
}
