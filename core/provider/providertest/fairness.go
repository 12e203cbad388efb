package providertest

import (
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// others makes running instances with a message each, ready in this order.
func others(e *env, n int) []history.InstanceID {
	e.Helper()
	ids := make([]history.InstanceID, n)
	for i := range ids {
		ids[i] = history.InstanceID(fmt.Sprint("other-", i))
		e.running(ids[i], nil)
	}
	return ids
}

// fairnessProperties are about who gets the next turn.
var fairnessProperties = []property{
	{"instances get their turns in the order in which they became ready", p6, func(e *env) {
		ids := others(e, 30)
		for round := range 3 {
			for _, id := range ids {
				e.send(e.event(id, fmt.Sprint(round)))
			}
			for _, id := range ids {
				e.next(id, nil)
			}
		}
	}},
	{"more messages make no instance more urgent", p6, func(e *env) {
		ids := others(e, 5)
		for _, id := range ids {
			e.send(e.event(id, "a"))
		}
		for range 50 {
			e.send(e.event(ids[4], "b"))
		}
		for _, id := range ids {
			e.turnOf(id)
		}
	}},
	{"an instance that always has a message lets every other have its turn", p6, func(e *env) {
		e.running("busy", func(d *draft) { d.send(e.event("busy", "go on")) })
		for n := range 30 {
			id := history.InstanceID(fmt.Sprint("quiet-", n))
			e.send(e.start(id))
			e.next("busy", func(d *draft) { d.send(e.event("busy", "go on")) })
			e.next(id, nil)
		}
	}},
	{"an instance that always asks for another turn lets every other have its own", p6, func(e *env) {
		e.running("busy", func(d *draft) { d.Again = true })
		for n := range 30 {
			id := history.InstanceID(fmt.Sprint("quiet-", n))
			e.send(e.start(id))
			e.next("busy", func(d *draft) { d.Again = true })
			e.next(id, nil)
		}
	}},
	{"an instance whose turns always fail lets every other have its own", p6, func(e *env) {
		e.send(e.start("poisoned"))
		for n := range 30 {
			id := history.InstanceID(fmt.Sprint("sound-", n))
			e.send(e.start(id))
			t := e.turnOf("poisoned")
			if t.Attempt != n+1 {
				e.breaks("attempt is %d, want %d", t.Attempt, n+1)
			}
			e.release(t, provider.Release{})
			e.next(id, nil)
		}
	}},
	{"an instance whose commits are always refused lets every other have its turn", p6, func(e *env) {
		e.send(e.start("poisoned"))
		for n := range 20 {
			id := history.InstanceID(fmt.Sprint("sound-", n))
			e.send(e.start(id))
			t := e.turnOf("poisoned")
			d := take(t)
			d.Events[0].ID = 7
			e.wants(e.tryCommit(t, &d.Commit), provider.ErrConflict, "a commit with a gap")
			e.release(t, provider.Release{})
			e.next(id, nil)
		}
	}},
	{"an instance with a flood of messages lets every other have its turn in between", p6, func(e *env) {
		e.running("flooded", nil)
		for n := range 2*history.MaxTurnMessages + 10 {
			e.send(e.event("flooded", fmt.Sprint(n)))
		}
		e.send(e.start("quiet"))
		e.next("flooded", nil)
		e.next("quiet", nil)
	}},
	{"a reader of the queue's head meets nobody's leftovers", p6, func(e *env) {
		// At the head stand: messages for nobody, for one that has ended, one
		// that is parked, one that is delayed, one that is held, one that
		// nobody accepts.
		e.rejoin(provider.HostInfo{Name: "choosy", Accepts: func(name, _ string) bool { return name != "unknown" }})
		for n := range 20 {
			e.send(e.event(history.InstanceID(fmt.Sprint("nobody-", n)), "a"))
		}
		e.send(e.start("parked"))
		e.release(e.turnOf("parked"), provider.Release{Delay: far, Park: "no handler"})
		e.send(e.start("delayed"))
		e.release(e.turnOf("delayed"), provider.Release{Delay: far})
		e.send(e.start("held"))
		e.turnOf("held")
		e.send(e.startNamed("unknown", "unknown", ""))
		for _, id := range []history.InstanceID{"parked", "delayed", "held", "unknown", "nobody-3"} {
			e.send(e.event(id, "more"))
		}
		for n := range 10 {
			e.running(history.InstanceID(fmt.Sprint("quiet-", n)), nil)
		}
		e.noTurn()
	}},
	{"a wide fan-out that is never done lets the activities of others begin", p6, func(e *env) {
		const width = 20
		e.running("wide", func(d *draft) {
			for range width {
				d.schedule("row")
			}
		})
		e.running("narrow", func(d *draft) { d.schedule("step") })
		for offered := 1; ; offered++ {
			a := e.activity()
			if a.ID.Instance == "narrow" {
				return
			}
			if offered > 3*width {
				e.breaks("%d activities of another instance were offered before one that was scheduled after the first %d", offered, width)
			}
			e.complete(a)
			t := e.turnOf("wide")
			d := take(t)
			d.CompletedActivities = []int64{a.ID.Event}
			d.schedule("row")
			e.commit(t, d)
		}
	}},
	{"a released activity waits behind those that were there before", p6, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("poisoned"); d.schedule("sound"); d.schedule("sound") })
		seen := map[int64]bool{}
		for range 3 * 3 {
			a := e.activity()
			seen[a.ID.Event] = true
			if a.ID.Event != 2 {
				e.complete(a)
			} else {
				e.releaseActivity(a, provider.Release{})
			}
			if len(seen) == 3 {
				return
			}
		}
		e.breaks("only the activities of events %v were offered, want 2, 3 and 4", seen)
	}},
}
