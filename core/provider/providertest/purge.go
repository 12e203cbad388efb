package providertest

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// longID is as long as an id may be.
var longID = history.InstanceID(strings.Repeat("x", history.MaxInstanceIDLength))

// trapIDs are ids of which each is easily mistaken for another by a provider
// that builds keys, patterns or paths of them.
func trapIDs() []history.InstanceID {
	ids := []history.InstanceID{
		"order", "order-1", "order-10", "order-100", "order-1/", "order-1/2", "order-1_", "order-1%", "order-1'", "order_1", "order%1",
		"Order-1", "ORDER-1", "order-1::1", "order-1::10", "order-1::1::1", "order-1 ", " order-1",
		longID,
		history.InstanceID(strings.Repeat("x", history.MaxInstanceIDLength-1)),
		history.InstanceID(strings.Repeat("x", history.MaxInstanceIDLength-1) + "y"),
		history.InstanceID(strings.Repeat("日", history.MaxInstanceIDLength/3)),
	}
	for _, text := range hostile {
		ids = append(ids, history.InstanceID(text))
	}
	return ids
}

// furnish gives an instance one of everything that belongs to it.
func furnish(e *env, id history.InstanceID) {
	e.Helper()
	e.running(id, func(d *draft) {
		d.schedule("charge")
		d.timer(now().Add(far))
		d.set("key", quoted(string(id))).status(quoted(string(id)))
	})
	m := e.event(id, "waiting")
	m.Due = now().Add(far)
	e.send(m)
}

// furnished demands that all of it is still there.
func furnished(e *env, id history.InstanceID) {
	e.Helper()
	e.wantPayload(fmt.Sprintf("state of %q", id), e.state(id, "key"), quoted(string(id)))
	e.wantPayload(fmt.Sprintf("custom status of %q", id), e.instance(id).CustomStatus, quoted(string(id)))
	if got := len(e.history(id)); got != 5 {
		e.breaks("the history of %q has %d events, want 5", id, got)
	}
	e.wantOpen(id, []int64{2}, []int64{3})
	e.wantNames(e.outstanding(id).Messages, "waiting")
}

// received commits a turn of order that began with the start which made it, and
// demands that it received another start with that, or next, and nothing more.
func received(e *env, t *provider.Turn, start provider.Message) {
	e.Helper()
	e.commit(t, take(t))
	if len(t.Messages) == 1 {
		t = e.turnOf("order")
		e.commit(t, take(t))
	}
	if m := t.Messages[len(t.Messages)-1]; m.ID != start.ID {
		e.breaks("the last message is %s %q, want the start %q, which waited", nameOf(m), m.ID, start.ID)
	}
	e.noTurn()
}

var purgeProperties = []property{
	{"a finished instance is purged, with everything that belongs to it", pX, func(e *env) {
		e.running("order", func(d *draft) { d.set("key", quoted("a")).status(quoted("a")).continueAsNew() })
		e.change(func(d *draft) { d.finish() })
		e.send(e.event("order", "late"))
		e.purge("order", false)
		e.gone("order")
		for execution := range int64(3) {
			_, err := e.tryHistory("order", execution, 0)
			e.wants(err, provider.ErrNotFound, "reading execution %d of a purged instance", execution)
		}
		e.wantList(provider.Query{})
		e.noTurn()
		e.wants(e.tryPurge("order", false), provider.ErrNotFound, "purging an instance for the second time")
		e.wants(e.tryPurge("order", true), provider.ErrNotFound, "purging an instance for the third time")
	}},
	{"an instance that is not final is purged by force only", pX, func(e *env) {
		e.send(e.start("pending"))
		e.wants(e.tryPurge("pending", false), provider.ErrConflict, "purging a pending instance")
		e.next("pending", nil)
		e.wants(e.tryPurge("pending", false), provider.ErrConflict, "purging a running instance")
		if s := e.instance("pending").Status; s != history.StatusRunning {
			e.breaks("a refused purge made the status %q", s)
		}
		e.purge("pending", true)
		e.gone("pending")
		furnish(e, "order")
		e.purge("order", true)
		e.gone("order")
		e.noTurn()
		e.noActivity()
	}},
	{"a host that holds a purged instance loses its lock, and its commit brings nothing back", p3, func(e *env) {
		e.running("order", nil)
		e.send(e.event("order", "a"))
		t := e.turnWith("order", "a")
		e.purge("order", true)
		d := take(t).send(e.start("child"))
		e.wants(e.tryCommit(t, &d.Commit), provider.ErrLockLost, "committing a turn of a purged instance")
		e.gone("order")
		e.gone("child")
		e.release(t, provider.Release{})
		e.noTurn()
	}},
	{"the id of a purged instance is free, and the next one has nothing of the old", pX, func(e *env) {
		furnish(e, "order")
		e.send(e.event("order", "old"))
		e.purge("order", true)
		m := e.start("order")
		e.send(m)
		t := e.turnWith("order", "start")
		i := t.Instance
		if i.RequestID != m.Start.RequestID || i.Execution != 0 || i.LastEvent != 0 || i.CustomStatus != nil || i.StatusRevision != 0 || t.Attempt != 1 {
			e.breaks("the new instance is %+v at attempt %d, want it fresh", i, t.Attempt)
		}
		d := take(t)
		e.commit(t, d)
		e.wantHistory("order", d.Events)
		e.wantPayload("state", e.state("order", "key"), nil)
		e.wantOpen("order", []int64{}, []int64{})
		e.noTurn()
		e.noActivity()
	}},
	{"a lock on a purged instance is none on the next one with its id", p3, func(e *env) {
		e.send(e.start("order"))
		old := e.turnWith("order", "start")
		e.purge("order", true)
		e.send(e.start("order"))
		t := e.turnWith("order", "start")
		e.wants(e.tryCommit(old, &take(old).Commit), provider.ErrLockLost, "committing with the lock of a purged instance")
		e.release(old, provider.Release{})
		e.noTurn()
		e.commit(t, take(t))
	}},
	{"purging removes nothing of any other instance, however alike the ids", pX, func(e *env) {
		all := trapIDs()
		for _, id := range all {
			furnish(e, id)
		}
		gone := map[history.InstanceID]bool{}
		for _, id := range []history.InstanceID{"order", "order-1", "order_1", "%", "_", "'", "/", "order-1::1", "ß", "*", longID, "a_b", "."} {
			e.purge(id, true)
			gone[id] = true
			e.gone(id)
		}
		for _, id := range all {
			if !gone[id] {
				furnished(e, id)
			}
		}
	}},
	{"purging a parent leaves its children", pX, func(e *env) {
		child := e.start("order::child")
		child.Start.Parent = &history.ParentRef{Instance: "order", Execution: 1, Event: 2}
		e.running("order", func(d *draft) { d.send(child).finish() })
		e.purge("order", false)
		e.turnWith("order::child", "start")
	}},
	{"a message for a purged instance waits as for one that never was", p4, func(e *env) {
		e.finished("order")
		e.purge("order", false)
		e.send(e.event("order", "a"))
		e.gone("order")
		e.noTurn()
		e.send(e.start("order"))
		e.turnWith("order", "start", "a")
	}},
	{"a start that waits at a purged instance makes the next one", p4, func(e *env) {
		e.running("order", func(d *draft) { d.set("key", quoted("old")) })
		first, second := e.start("order"), e.start("order")
		first.Start.Parent = &history.ParentRef{Instance: "parent", Execution: 1, Event: 2}
		e.running("parent", func(d *draft) { d.send(first, second) })
		e.send(e.event("order", "old"))
		e.purge("order", true)
		t := e.turnOf("order")
		i := t.Instance
		if i.RequestID != first.Start.RequestID || i.Execution != 0 || i.Parent == nil || i.Status != history.StatusPending || t.Messages[0].ID != first.ID {
			e.breaks("the instance is %+v, with %v, want the one that the first start makes", i, names(t.Messages))
		}
		e.wantPayload("state", e.state("order", "key"), nil)
		received(e, t, second)
	}},
	{"a start that waits at an instance which is replaced is handed to the next one", p4, func(e *env) {
		e.running("order", nil)
		waiting := e.start("order")
		e.running("parent", func(d *draft) { d.send(waiting) })
		again := e.start("order")
		again.Start.Reuse = provider.ReuseReplace
		e.send(again)
		t := e.turnOf("order")
		if i := t.Instance; i.RequestID != again.Start.RequestID || i.Execution != 0 || t.Messages[0].ID != again.ID {
			e.breaks("the instance is %+v, with %v, want the one that replaces it", i, names(t.Messages))
		}
		received(e, t, waiting)
	}},
	{"of many that purge an instance at once one does", pX, func(e *env) {
		for n := range 10 {
			id := history.InstanceID(fmt.Sprint("order-", n))
			e.finished(id)
			var done atomic.Int32
			e.together(6, func(int) error {
				err := e.tryPurge(id, false)
				if err == nil {
					done.Add(1)
				} else if !errors.Is(err, provider.ErrNotFound) {
					return err
				}
				return nil
			})
			if done.Load() != 1 {
				e.breaks("%d of 6 purges of one instance succeeded, want 1", done.Load())
			}
		}
	}},
	{"what a purged instance sent is still delivered", p4, func(e *env) {
		e.running("b", nil)
		e.running("a", func(d *draft) { d.send(e.event("b", "from a"), e.start("c")).finish() })
		e.purge("a", false)
		got := map[history.InstanceID]string{}
		for range 2 {
			t := e.turn()
			got[t.Instance.ID] = nameOf(t.Messages[0])
		}
		if got["b"] != "from a" || got["c"] != "start" {
			e.breaks("received were %v, want the event in b and the start in c", got)
		}
	}},
}
