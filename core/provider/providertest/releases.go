package providertest

import (
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

var releaseProperties = []property{
	{"a released turn gives its messages back in their order, before later ones", p4, func(e *env) {
		e.running("order", nil)
		e.send(e.event("order", "a"), e.event("order", "b"))
		t := e.turnWith("order", "a", "b")
		e.send(e.event("order", "c"))
		e.release(t, provider.Release{})
		t = e.turnWith("order", "a", "b", "c")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"a released turn can be committed no more", p3, func(e *env) {
		e.send(e.start("order"))
		old := e.turnOf("order")
		e.release(old, provider.Release{})
		e.wants(e.tryCommit(old, &take(old).Commit), provider.ErrLockLost, "committing a released turn")
		t := e.turnOf("order")
		e.wants(e.tryCommit(old, &take(old).Commit), provider.ErrLockLost, "committing a turn whose instance is held anew")
		e.commit(t, take(t))
	}},
	{"releasing a turn that is over is no error and frees nobody else's lock", p3, func(e *env) {
		e.send(e.start("order"))
		old := e.turnOf("order")
		e.commit(old, take(old))
		e.release(old, provider.Release{})
		e.send(e.event("order", "a"))
		t := e.turnWith("order", "a")
		e.release(old, provider.Release{})
		e.noTurn()
		e.commit(t, take(t))
		e.release(t, provider.Release{})
		e.noTurn()
	}},
	{"attempts count how often the first message was handed over", pX, func(e *env) {
		e.send(e.start("order"))
		for want := 1; want <= 4; want++ {
			t := e.turnOf("order")
			if t.Attempt != want {
				e.breaks("attempt is %d, want %d", t.Attempt, want)
			}
			if want < 4 {
				e.release(t, provider.Release{})
				continue
			}
			e.commit(t, take(t))
		}
		e.send(e.event("order", "a"))
		if t := e.turnOf("order"); t.Attempt != 1 {
			e.breaks("attempt is %d after the message before was consumed, want 1", t.Attempt)
		}
	}},
	{"attempts are those of the first message, not of the instance", pX, func(e *env) {
		e.running("order", nil)
		e.send(e.event("order", "a"))
		e.release(e.turnWith("order", "a"), provider.Release{})
		e.send(e.event("order", "b"))
		t := e.turnWith("order", "a", "b")
		if t.Attempt != 2 {
			e.breaks("attempt is %d, want 2", t.Attempt)
		}
		e.commit(t, takeSome(t, 1))
		t = e.turnWith("order", "b")
		if t.Attempt != 2 {
			e.breaks("attempt is %d: message b was handed over once before, want 2", t.Attempt)
		}
		e.commit(t, take(t))
		e.send(e.event("order", "c"))
		if t = e.turnWith("order", "c"); t.Attempt != 1 {
			e.breaks("attempt is %d for a new message, want 1", t.Attempt)
		}
	}},
	{"an uncounted release leaves the attempts as they were", pX, func(e *env) {
		e.send(e.start("order"))
		for range 3 {
			t := e.turnOf("order")
			if t.Attempt != 1 {
				e.breaks("attempt is %d, want 1", t.Attempt)
			}
			e.release(t, provider.Release{Uncounted: true})
		}
		e.release(e.turnOf("order"), provider.Release{})
		e.release(e.turnOf("order"), provider.Release{Uncounted: true})
		if t := e.turnOf("order"); t.Attempt != 2 {
			e.breaks("attempt is %d after one counted release, want 2", t.Attempt)
		}
	}},
	{"a release with a delay really delays", pX, func(e *env) {
		e.send(e.start("order"))
		due := time.Now().Add(30 * time.Millisecond)
		e.release(e.turnOf("order"), provider.Release{Delay: time.Until(due)})
		e.turnWith("order", "start")
		e.noEarlier(due, "the delayed turn")
	}},
	{"new messages do not shorten the delay of a release", pX, func(e *env) {
		e.running("order", nil)
		e.send(e.event("order", "a"))
		e.release(e.turnWith("order", "a"), provider.Release{Delay: far})
		e.send(e.event("order", "b"))
		e.noTurn()
	}},
	{"a released instance waits behind those that were ready before", p6, func(e *env) {
		e.send(e.start("a"), e.start("b"), e.start("c"))
		e.release(e.turnOf("a"), provider.Release{})
		e.turnOf("b")
		e.turnOf("c")
		e.turnOf("a")
	}},
	{"a parked instance says why and since when, until its next commit", pX, func(e *env) {
		e.send(e.start("order"))
		before := e.instance("order")
		if before.Parked != nil {
			e.breaks("a new instance is parked: %+v", before.Parked)
		}
		due := time.Now().Add(30 * time.Millisecond)
		e.release(e.turnOf("order"), provider.Release{Delay: time.Until(due), Park: "no handler is registered"})
		i := e.instance("order")
		if i.Parked == nil || i.Parked.Reason != "no handler is registered" || i.Parked.Since.IsZero() {
			e.breaks("parked is %+v, want the reason of the release and a time", i.Parked)
		}
		if i.Status != history.StatusPending {
			e.breaks("parking changed the status to %q", i.Status)
		}
		t := e.turnOf("order")
		e.noEarlier(due, "the parked instance")
		if t.Instance.Parked == nil {
			e.breaks("the turn does not show that the instance is parked")
		}
		e.commit(t, take(t))
		if i = e.instance("order"); i.Parked != nil {
			e.breaks("the instance is still parked after a commit: %+v", i.Parked)
		}
	}},
	{"a parked instance holds up nobody", p6, func(e *env) {
		for n := range 5 {
			id := history.InstanceID(fmt.Sprintf("parked-%d", n))
			e.send(e.start(id))
			e.release(e.turnOf(id), provider.Release{Delay: far, Park: "no handler"})
			e.send(e.event(id, "a"))
		}
		e.noTurn()
	}},
	{"a host that joins later tries parked instances at once", pX, func(e *env) {
		e.send(e.start("order"))
		e.release(e.turnOf("order"), provider.Release{Delay: far, Park: "no handler"})
		e.noTurn()
		e.rejoin(everything("after the deploy"))
		t := e.turnWith("order", "start")
		e.commit(t, take(t))
	}},
	{"a delayed release without a reason parks nobody", pX, func(e *env) {
		e.send(e.start("order"))
		e.release(e.turnOf("order"), provider.Release{Delay: far})
		if p := e.instance("order").Parked; p != nil {
			e.breaks("parked is %+v, want none", p)
		}
	}},
}
