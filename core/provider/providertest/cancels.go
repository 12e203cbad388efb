package providertest

import (
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// cancelled demands that the worker learns that its outcome no longer counts,
// and that handing it in changes nothing.
func (e *env) cancelled(a *provider.ActivityTask, why string) {
	e.Helper()
	if s := e.extend(a, history.Payload(`"still here"`)); !s.Cancelled {
		e.breaks("the worker does not learn that %s", why)
	}
	e.wants(e.tryComplete(a), provider.ErrLockLost, "completing although %s", why)
}

// cancelProperties are about activities whose outcome no longer counts.
var cancelProperties = []property{
	{"a cancelled activity that nobody took is never offered", p9, func(e *env) {
		e.running("order", func(d *draft) {
			for _, name := range []string{"a", "b", "c", "d"} {
				d.schedule(name)
			}
		})
		e.change(func(d *draft) { d.CancelActivities = []int64{2, 4} })
		e.wantOpen("order", []int64{3, 5}, []int64{})
		e.activityOf("order", 1, 3)
		e.activityOf("order", 1, 5)
		e.noActivity()
	}},
	{"the worker of a cancelled activity learns it, and its outcome no longer counts", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		e.change(func(d *draft) { d.CancelActivities = []int64{2} })
		e.wantOpen("order", []int64{}, []int64{})
		e.cancelled(a, "a commit cancelled the activity")
		e.noTurn()
		e.noActivity()
	}},
	{"a cancelled activity that is released is not offered again", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		e.change(func(d *draft) { d.CancelActivities = []int64{2} })
		ctx, cancel := e.context()
		defer cancel()
		if err := e.host.ReleaseActivity(ctx, a, provider.Release{}); err != nil {
			e.wants(err, provider.ErrLockLost, "releasing a cancelled activity")
		}
		e.noActivity()
	}},
	{"a cancelled activity whose release was delayed is not offered again", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("a"); d.schedule("b") })
		e.releaseActivity(e.activityOf("order", 1, 2), provider.Release{Delay: 20e6})
		e.change(func(d *draft) { d.CancelActivities = []int64{2} })
		b := e.activityOf("order", 1, 3)
		e.releaseActivity(b, provider.Release{Delay: 40e6})
		e.activityOf("order", 1, 3) // comes later than the cancelled one would
		e.noActivity()
	}},
	{"an activity that is scheduled and cancelled in one commit is never offered", p9, func(e *env) {
		e.running("order", func(d *draft) {
			a := d.schedule("a")
			d.schedule("b")
			d.CancelActivities = []int64{a}
		})
		e.wantOpen("order", []int64{3}, []int64{})
		e.activityOf("order", 1, 3)
		e.noActivity()
	}},
	{"cancelling activities that are not open is no error", p9, func(e *env) {
		e.running("order", func(d *draft) {
			d.CancelActivities, d.CompletedActivities = []int64{17, 99}, []int64{18}
			d.schedule("charge")
		})
		e.activityOf("order", 1, 2)
	}},
	{"the end of an instance cancels its activities", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("a"); d.schedule("b") })
		a := e.activityOf("order", 1, 2)
		e.change(func(d *draft) { d.finish() })
		e.cancelled(a, "the instance has ended")
		e.noTurn()
		e.noActivity()
	}},
	{"purging an instance cancels its activities", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("a"); d.schedule("b") })
		a := e.activityOf("order", 1, 2)
		e.purge("order", true)
		e.cancelled(a, "the instance was purged")
		e.noActivity()
		e.gone("order")
	}},
	{"an activity of a purged instance does not touch the next one with its id", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("old") })
		old := e.activityOf("order", 1, 2)
		e.purge("order", true)
		e.running("order", func(d *draft) { d.schedule("new") })
		e.wants(e.tryComplete(old), provider.ErrLockLost, "completing an activity of a purged instance whose id is taken again")
		e.noTurn()
		a := e.activityOf("order", 1, 2)
		if name := a.Activity.Scheduled.Data.(*history.ActivityScheduled).Name; name != "new" {
			e.breaks("activity %q is offered, want new", name)
		}
		e.complete(a)
		e.turnWith("order", "completed 2")
	}},
	{"a completion counts for the next instance with an id, although the one before consumed the same", p9, func(e *env) {
		for range 3 {
			e.running("order", func(d *draft) { d.schedule("charge") })
			e.complete(e.activityOf("order", 1, 2))
			t := e.turnWith("order", "completed 2")
			d := take(t)
			d.CompletedActivities = []int64{2}
			e.commit(t, d)
			e.purge("order", true)
		}
	}},
	{"a completion that waits is dropped with the activity that a commit cancels", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		e.send(e.event("order", "never mind"))
		t := e.turnWith("order", "never mind")
		e.complete(a)
		d := take(t)
		d.CancelActivities = []int64{2}
		e.commit(t, d)
		e.noTurn()
	}},
	{"many activities are cancelled in one commit", p9, func(e *env) {
		const n = 500
		var all []int64
		e.running("order", func(d *draft) {
			for i := range n {
				all = append(all, d.schedule(fmt.Sprint("row ", i)))
			}
		})
		held := e.activityOf("order", 1, all[0])
		e.change(func(d *draft) { d.CancelActivities = all })
		e.wantOpen("order", []int64{}, []int64{})
		e.cancelled(held, "a commit cancelled the activity")
		e.noActivity()
	}},
}

// routingProperties are about which host is offered what.
var routingProperties = []property{
	{"a host without tags is offered activities without a tag only", pX, func(e *env) {
		e.running("order", func(d *draft) {
			d.scheduleOn("a", "gpu")
			d.schedule("b")
			d.scheduleOn("c", "GPU")
		})
		e.activityOf("order", 1, 3)
		e.noActivity()
	}},
	{"a host is offered the tags it names and what has none", pX, func(e *env) {
		e.running("order", func(d *draft) {
			d.scheduleOn("a", "gpu")
			d.schedule("b")
			d.scheduleOn("c", "eu")
			d.scheduleOn("d", "other")
		})
		e.rejoin(provider.HostInfo{Name: "tagged", Tags: []string{"gpu", "eu"}})
		seen := map[int64]string{}
		for range 3 {
			a := e.activity()
			seen[a.ID.Event] = a.Activity.Tag
		}
		if len(seen) != 3 || seen[2] != "gpu" || seen[3] != "" || seen[4] != "eu" {
			e.breaks("offered were %v, want event 2 with gpu, 3 without, 4 with eu", seen)
		}
		e.noActivity()
	}},
	{"a tag stays with its activity when it is released and tried again", pX, func(e *env) {
		e.rejoin(provider.HostInfo{Name: "tagged", Tags: []string{"gpu"}})
		d := e.running("order", func(d *draft) { d.scheduleOn("a", "gpu") })
		e.releaseActivity(e.activityOf("order", 1, 2), provider.Release{})
		a := e.activityOf("order", 1, 2)
		if a.Activity.Tag != "gpu" {
			e.breaks("the tag is %q after a release, want gpu", a.Activity.Tag)
		}
		e.complete(a)
		t := e.turnOf("order")
		next := take(t)
		next.CompletedActivities = []int64{2}
		next.Activities = []provider.Activity{{Scheduled: d.Activities[0].Scheduled, Attempt: 2, Tag: "gpu"}}
		e.commit(t, next)
		e.rejoin(everything("untagged"))
		e.noActivity()
		e.rejoin(provider.HostInfo{Name: "tagged again", Tags: []string{"gpu"}})
		e.activityOf("order", 1, 2)
	}},
	{"activities that no host serves hold up nobody", p6, func(e *env) {
		e.running("order", func(d *draft) {
			for range 200 {
				d.scheduleOn("a", "nobody")
			}
			d.schedule("b")
		})
		e.activityOf("order", 1, 202)
	}},
	{"an instance that a host does not accept gets no turn on it, and holds up nobody", p6, func(e *env) {
		e.rejoin(provider.HostInfo{Name: "choosy", Accepts: func(name, _ string) bool { return name != "unknown" }})
		for n := range 50 {
			e.send(e.startNamed(history.InstanceID(fmt.Sprint("unknown-", n)), "unknown", ""))
		}
		e.noTurn()
		e.running("order", nil)
		e.send(e.event("order", "a"), e.event("unknown-7", "a"))
		e.turnWith("order", "a")
		e.noTurn()
		e.rejoin(everything("all"))
		for n := range 50 {
			t := e.turn()
			if t.Instance.Name != "unknown" || t.Attempt != 1 {
				if t.Instance.ID == "order" { // given back by the host that left
					continue
				}
				e.breaks("turn %d is of %q at attempt %d, want one of those that nobody accepted, never handed over before", n, t.Instance.ID, t.Attempt)
			}
		}
	}},
	{"a host is asked for the version that the instance has", pX, func(e *env) {
		e.running("order", func(d *draft) { d.Version = "1.0.0" })
		e.send(e.event("order", "a"), e.startNamed("newest", "story", ""), e.startNamed("pinned", "story", "2.0.0"))
		for _, version := range []string{"", "1.0.0", "2.0.0"} {
			e.rejoin(provider.HostInfo{Name: "for " + version, Accepts: func(name, v string) bool {
				return name == "story" && v == version || name == "marker"
			}})
			t := e.turn()
			if want := map[string]history.InstanceID{"": "newest", "1.0.0": "order", "2.0.0": "pinned"}[version]; t.Instance.ID != want {
				e.breaks("a host that accepts version %q got %q, want %q", version, t.Instance.ID, want)
			}
			d := take(t)
			d.Version = "1.0.0"
			e.commit(t, d.finish())
		}
	}},
	{"a version that a commit gives decides who gets the next turn", pX, func(e *env) {
		e.running("order", func(d *draft) { d.Version = "2.0.0"; d.Again = true })
		e.rejoin(provider.HostInfo{Name: "old", Accepts: func(_, v string) bool { return v != "2.0.0" }})
		e.noTurn()
		e.rejoin(provider.HostInfo{Name: "new", Accepts: func(_, v string) bool { return v == "2.0.0" }})
		e.turnOf("order")
	}},
}
