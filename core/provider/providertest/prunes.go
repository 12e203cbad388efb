package providertest

import (
	"fmt"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// renew continues as new so many times, and prunes.
func (d *draft) renew(times int, through int64) *draft {
	for range times {
		d.continueAsNew()
	}
	d.PruneThrough = through
	return d
}

// wantPruned demands that executions up to one cannot be read, and that those
// from there to the current one can.
func (e *env) wantPruned(id history.InstanceID, through, current int64) {
	e.Helper()
	if i := e.instance(id); i.Pruned != through || i.Execution != current {
		e.breaks("of %q executions up to %d are pruned, and %d is the current one, want %d and %d", id, i.Pruned, i.Execution, through, current)
	}
	for n := int64(1); n <= through; n++ {
		events, err := e.tryHistory(id, n, 0)
		e.wants(err, provider.ErrNotFound, "reading execution %d of %q, which was pruned", n, id)
		if len(events) > 0 {
			e.breaks("reading execution %d of %q, which was pruned, gave %d events", n, id, len(events))
		}
		for _, says := range []string{"pruned", fmt.Sprint(through + 1)} {
			if !strings.Contains(err.Error(), says) {
				e.breaks("the error %q does not say %q", err, says)
			}
		}
		ctx, cancel := e.context()
		_, err = collect(e.host.History(ctx, id, n, 0))
		cancel()
		e.wants(err, provider.ErrNotFound, "a host's reading execution %d of %q, which was pruned", n, id)
	}
	for n := through + 1; n <= current; n++ {
		if events := e.historyOf(id, n, 0); len(events) == 0 {
			e.breaks("execution %d of %q, which was not pruned, has no history", n, id)
		}
	}
}

var pruneProperties = []property{
	{"a prune removes the histories up to an execution, and nothing else", pX, func(e *env) {
		e.running("other", func(d *draft) { d.renew(3, 0) })
		want := map[int64][]history.Event{}
		keep := func(d *draft) {
			for _, event := range d.Events {
				want[event.Execution] = append(want[event.Execution], event)
			}
		}
		keep(e.running("order", func(d *draft) { d.set("key", quoted("a")).status(quoted("b")) }))
		first := e.event("order", "first")
		e.send(first)
		for n := range 4 {
			if n > 0 {
				e.send(e.event("order", fmt.Sprint(n)))
			}
			keep(e.next("order", func(d *draft) { d.renew(1, 0) }))
		}
		e.send(e.event("order", "a"))
		d := e.next("order", func(d *draft) {
			d.schedule("charge")
			d.timer(time.Now().Add(far))
			d.PruneThrough = 3
		})
		keep(d)
		e.wantPruned("order", 3, 5)
		for n := int64(4); n <= 5; n++ {
			if diff := sameEvents(e.historyOf("order", n, 0), want[n]); diff != "" {
				e.breaks("execution %d: %s", n, diff)
			}
		}
		e.wantPayload("state", e.state("order", "key"), quoted("a"))
		e.wantPayload("custom status", e.instance("order").CustomStatus, quoted("b"))
		e.wantOpen("order", []int64{3}, []int64{4})
		e.wantPruned("other", 0, 4)
		for _, i := range e.list(provider.Query{Prefix: "order"}) {
			if i.Pruned != 3 {
				e.breaks("the list shows %d executions as pruned, want 3", i.Pruned)
			}
		}
		e.send(first) // consumed by an execution that is pruned
		e.noTurn()
		e.complete(e.activityOf("order", 5, 3))
		e.turnWith("order", "completed 3")
	}},
	{"a commit may prune the executions that it begins and ends", pX, func(e *env) {
		e.running("order", func(d *draft) { d.renew(3, 3) })
		e.wantPruned("order", 3, 4)
		e.send(e.event("order", "a"))
		e.next("order", func(d *draft) { d.renew(5, 8) })
		e.wantPruned("order", 8, 9)
		e.send(e.event("order", "b"))
		d := e.next("order", func(d *draft) { d.renew(5, 11) })
		e.wantPruned("order", 11, 14)
		var of12 []history.Event
		for _, event := range d.Events {
			if event.Execution == 12 {
				of12 = append(of12, event)
			}
		}
		if diff := sameEvents(e.historyOf("order", 12, 0), of12); diff != "" {
			e.breaks("execution 12: %s", diff)
		}
	}},
	{"a prune that is smaller than one before changes nothing", pX, func(e *env) {
		e.running("order", func(d *draft) { d.renew(4, 3) })
		for _, through := range []int64{1, 0, 3} {
			e.send(e.event("order", fmt.Sprint("a", through)))
			e.next("order", func(d *draft) { d.PruneThrough = through })
			e.wantPruned("order", 3, 5)
		}
	}},
	{"the current execution cannot be pruned", pX, func(e *env) {
		e.running("order", func(d *draft) { d.renew(2, 0) })
		e.send(e.event("order", "a"))
		for _, through := range []int64{3, 4, 1 << 40, -1} {
			t := e.turnWith("order", "a")
			d := take(t)
			d.PruneThrough = through
			e.wants(e.tryCommit(t, &d.Commit), provider.ErrInvalid, "pruning up to execution %d in execution 3", through)
			e.release(t, provider.Release{})
		}
		e.wantPruned("order", 0, 3)
		e.next("order", func(d *draft) { d.renew(1, 3) })
		e.wantPruned("order", 3, 4)
	}},
	{"a commit that is refused prunes nothing", p1, func(e *env) {
		e.running("order", func(d *draft) { d.renew(2, 0) })
		e.send(e.event("order", "a"))
		t := e.turnOf("order")
		d := take(t)
		d.PruneThrough = 2
		d.Events[0].ID++
		e.wants(e.tryCommit(t, &d.Commit), provider.ErrConflict, "a commit with a gap that prunes")
		e.release(t, provider.Release{})
		e.wantPruned("order", 0, 3)
	}},
	{"the next instance of an id has nothing pruned", pX, func(e *env) {
		for round := range 3 {
			e.running("order", func(d *draft) { d.renew(4, 0) })
			e.wantPruned("order", 0, 5)
			e.send(e.event("order", fmt.Sprint("a", round)))
			e.next("order", func(d *draft) { d.renew(1, 4) })
			e.wantPruned("order", 4, 6)
			if round == 1 {
				m := e.start("order")
				m.Start.Reuse = provider.ReuseReplace
				e.send(m)
				e.next("order", func(d *draft) { d.renew(2, 0) })
				e.wantPruned("order", 0, 3)
			}
			e.purge("order", true)
		}
		e.noTurn()
	}},
	{"a history that is pruned while it is read goes on or is not found", pX, func(e *env) {
		const events = 3_000
		e.running("order", func(d *draft) {
			for range events {
				d.event(&history.ValueRecorded{Value: quoted(strings.Repeat("x", 300))})
			}
			d.renew(1, 0)
		})
		e.send(e.event("order", "a"))
		ctx, cancel := e.context()
		defer cancel()
		next := int64(1)
		for event, err := range e.store.History(ctx, "order", 1, 0) {
			if err != nil {
				e.wants(err, provider.ErrNotFound, "going on with a history that was pruned")
				return
			}
			if event.ID != next {
				e.breaks("event %d came where event %d is due", event.ID, next)
			}
			if next == 1 {
				e.next("order", func(d *draft) { d.renew(1, 2) })
			}
			next++
		}
		if next != 3+events {
			e.breaks("a history that was pruned while it was read ended with event %d", next-1)
		}
	}},
	{"a final instance stays pruned, and its last execution can be read", pX, func(e *env) {
		e.running("order", func(d *draft) { d.renew(3, 2).finish() })
		e.wantPruned("order", 2, 4)
		e.purge("order", false)
		e.gone("order")
	}},
}
