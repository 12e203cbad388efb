package providertest

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

var startProperties = []property{
	{"an instance that was started is pending at once, with all that its start says", p1, func(e *env) {
		m := e.startNamed("order", "story", "2.0.0")
		m.Start.Tags = map[string]string{"region": "north", "": "empty key", "quote'": `"`}
		m.Start.Parent = &history.ParentRef{Instance: "parent::1", Execution: 2, Event: 3, Name: "outer", Version: "1.0.0"}
		e.send(m)
		i := e.instance("order")
		if i.Status != history.StatusPending || i.Name != "story" || i.Version != "2.0.0" || i.RequestID != m.Start.RequestID ||
			i.Execution != 0 || i.LastEvent != 0 || i.StatusRevision != 0 {
			e.breaks("the instance is %+v, want pending as the start says", i)
		}
		if !maps.Equal(i.Tags, m.Start.Tags) || !reflect.DeepEqual(i.Parent, m.Start.Parent) {
			e.breaks("tags are %v and the parent is %+v, want %v and %+v", i.Tags, i.Parent, m.Start.Tags, m.Start.Parent)
		}
		if i.Created.IsZero() || i.Updated.Before(i.Created) && !i.Updated.IsZero() || !i.Finished.IsZero() {
			e.breaks("created %v, updated %v, finished %v", i.Created, i.Updated, i.Finished)
		}
		t := e.turnOf("order")
		if diff := sameMessage(t.Messages[0], m); diff != "" {
			e.breaks("%s", diff)
		}
		e.commit(t, take(t))
		after := e.instance("order")
		if !maps.Equal(after.Tags, m.Start.Tags) || !reflect.DeepEqual(after.Parent, m.Start.Parent) || after.RequestID != m.Start.RequestID ||
			!after.Created.Equal(i.Created) || after.Updated.Before(after.Created) {
			e.breaks("a commit changed the instance from %+v to %+v", i, after)
		}
	}},
	{"a pending instance has no history", pX, func(e *env) {
		e.send(e.start("order"))
		events, err := e.tryHistory("order", 0, 0)
		if len(events) != 0 {
			e.breaks("the history of a pending instance has %d events", len(events))
		}
		if err != nil { // There is no execution yet: either answer is true.
			e.wants(err, provider.ErrNotFound, "reading the history of a pending instance")
		}
	}},
	{"the same start sent again succeeds and changes nothing, whatever has become of the instance", p4, func(e *env) {
		m := e.start("order")
		e.send(m, m)
		t := e.turnWith("order", "start")
		e.send(m)
		d := take(t)
		e.commit(t, d)
		e.send(m)
		e.noTurn()
		e.wantHistory("order", d.Events)
		e.send(e.event("order", "end"))
		e.next("order", func(d *draft) { d.finish() })
		e.send(m)
		e.noTurn()
		if s := e.instance("order").Status; s != history.StatusCompleted {
			e.breaks("the same start sent again made the status %q", s)
		}
	}},
	{"a start with the request of the existing instance succeeds and changes nothing, under every policy", p4, func(e *env) {
		m := e.start("order")
		e.send(m)
		t := e.turnOf("order")
		for _, reuse := range []provider.Reuse{provider.ReuseReject, provider.ReuseIgnore, provider.ReuseFinal, provider.ReuseReplace} {
			again := e.start("order")
			again.Start.RequestID, again.Start.Reuse = m.Start.RequestID, reuse
			e.send(again)
		}
		e.commit(t, take(t).finish())
		for _, reuse := range []provider.Reuse{provider.ReuseReject, provider.ReuseIgnore, provider.ReuseFinal, provider.ReuseReplace} {
			again := e.start("order")
			again.Start.RequestID, again.Start.Reuse = m.Start.RequestID, reuse
			e.send(again)
		}
		e.noTurn()
		if s := e.instance("order").Status; s != history.StatusCompleted {
			e.breaks("the status is %q, want completed", s)
		}
	}},
	{"of many that start one id at once one succeeds", p1, func(e *env) {
		for n := range 10 {
			id := history.InstanceID(fmt.Sprint("order-", n))
			starts := []provider.Message{e.start(id), e.start(id), e.start(id), e.start(id), e.start(id), e.start(id)}
			var won atomic.Int32
			winner := atomic.Pointer[string]{}
			e.together(len(starts), func(i int) error {
				err := e.trySend(starts[i])
				switch {
				case err == nil:
					won.Add(1)
					winner.Store(&starts[i].Start.RequestID)
				case !errors.Is(err, provider.ErrExists):
					return fmt.Errorf("one of several starts: %w, want an error that says that the instance exists", err)
				}
				return nil
			})
			if won.Load() != 1 {
				e.breaks("%d of %d starts of one id succeeded", won.Load(), len(starts))
			}
			t := e.turnWith(id, "start")
			if got := t.Messages[0].Start.RequestID; got != *winner.Load() || t.Instance.RequestID != got {
				e.breaks("the turn is of request %q, the instance of %q; %q succeeded", got, t.Instance.RequestID, *winner.Load())
			}
			e.commit(t, take(t).finish())
		}
		e.noTurn()
	}},
	{"a start that a commit sends creates a pending instance", p1, func(e *env) {
		m := e.startNamed("order::child", "inner", "3.0.0")
		m.Start.Parent = &history.ParentRef{Instance: "order", Execution: 1, Event: 2}
		m.Start.Tags = map[string]string{"a": "b"}
		e.running("order", func(d *draft) { d.send(m) })
		i := e.instance("order::child")
		if i.Status != history.StatusPending || i.Name != "inner" || i.Version != "3.0.0" || i.RequestID != m.Start.RequestID ||
			!reflect.DeepEqual(i.Parent, m.Start.Parent) || !maps.Equal(i.Tags, m.Start.Tags) {
			e.breaks("the child is %+v, want it pending as its start says", i)
		}
		t := e.turnOf("order::child")
		if diff := sameMessage(t.Messages[0], m); diff != "" {
			e.breaks("%s", diff)
		}
	}},
	{"a start that a commit sends to a taken id is handed to the instance that is there", p1, func(e *env) {
		e.running("taken", nil)
		e.finished("over")
		before := e.instance("taken")
		for _, reuse := range []provider.Reuse{provider.ReuseReject, provider.ReuseIgnore, provider.ReuseFinal, provider.ReuseReplace} {
			for _, id := range []history.InstanceID{"taken", "over"} {
				m := e.start(id)
				m.Start.Reuse = reuse
				e.running(history.InstanceID(e.unique("parent")), func(d *draft) { d.send(m) })
				t := e.turnWith(id, "start")
				if t.Instance.Status == history.StatusPending || t.Messages[0].Start == nil || t.Messages[0].Start.RequestID != m.Start.RequestID {
					e.breaks("%q is %q and received %+v, want it as it was, with the start", id, t.Instance.Status, t.Messages[0])
				}
				c := nothing(t)
				c.Consumed = 1
				e.commit(t, c)
			}
		}
		after := e.instance("taken")
		if after.RequestID != before.RequestID || !after.Created.Equal(before.Created) || after.LastEvent != before.LastEvent {
			e.breaks("the instance went from %+v to %+v", before, after)
		}
	}},
	{"one commit may start many, and send to what it starts", p1, func(e *env) {
		const n = 100
		e.running("order", func(d *draft) {
			for i := range n {
				id := history.InstanceID(fmt.Sprintf("child-%03d", i))
				d.send(e.start(id), e.event(id, "hello"))
			}
		})
		var got []history.InstanceID
		for range n {
			t := e.turn()
			e.wantNames(t.Messages, "start", "hello")
			got = append(got, t.Instance.ID)
			e.commit(t, take(t).finish())
		}
		slices.Sort(got)
		if len(slices.Compact(got)) != n {
			e.breaks("%d of %d children got a turn", len(got), n)
		}
		e.noTurn()
	}},
	{"a delayed start is pending at once and gets its turn when it is due", pX, func(e *env) {
		m := e.start("order")
		m.Due = now().Add(30 * time.Millisecond)
		e.send(m)
		if s := e.instance("order").Status; s != history.StatusPending {
			e.breaks("the status is %q, want pending", s)
		}
		e.send(e.event("order", "a"))
		t := e.turnWith("order", "start", "a")
		e.noEarlier(m.Due, "the delayed start")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"an instance whose start is far from due gets no turn, and is listed", pX, func(e *env) {
		m := e.start("order")
		m.Due = now().Add(far)
		e.send(m)
		e.noTurn()
		if got := idsOf(e.list(provider.Query{Statuses: []history.Status{history.StatusPending}})); len(got) != 1 {
			e.breaks("pending are %s, want the delayed one", quoteIDs(got))
		}
		e.purge("order", true)
		e.gone("order")
	}},
}

var reuseProperties = []property{
	{"a taken id is refused, whatever the status, and nothing changes", pX, func(e *env) {
		refuse := func(status history.Status) {
			e.Helper()
			before := e.instance("order")
			e.wants(e.trySend(e.start("order")), provider.ErrExists, "starting an id that is taken by an instance that is %s", status)
			if after := e.instance("order"); after.Status != status || after.RequestID != before.RequestID || after.LastEvent != before.LastEvent {
				e.breaks("a refused start changed %+v to %+v", before, after)
			}
		}
		e.send(e.start("order"))
		refuse(history.StatusPending)
		t := e.turnWith("order", "start")
		refuse(history.StatusPending)
		e.commit(t, take(t))
		refuse(history.StatusRunning)
		e.send(e.event("order", "end"))
		e.next("order", func(d *draft) { d.finish() })
		refuse(history.StatusCompleted)
		e.noTurn()
	}},
	{"ignoring leaves the existing instance alone", pX, func(e *env) {
		ignore := func() {
			e.Helper()
			before := e.instance("order")
			m := e.start("order")
			m.Start.Reuse = provider.ReuseIgnore
			e.send(m)
			if after := e.instance("order"); after.Status != before.Status || after.RequestID != before.RequestID {
				e.breaks("an ignored start changed %+v to %+v", before, after)
			}
		}
		m := e.start("order")
		m.Start.Reuse = provider.ReuseIgnore
		e.send(m)
		ignore()
		t := e.turnWith("order", "start")
		ignore()
		e.commit(t, take(t).finish())
		ignore()
		e.noTurn()
	}},
	{"only a final instance is replaced when reuse is for final ones", pX, func(e *env) {
		m := e.start("order")
		m.Start.Reuse = provider.ReuseFinal
		e.send(m)
		again := e.start("order")
		again.Start.Reuse = provider.ReuseFinal
		e.wants(e.trySend(again), provider.ErrExists, "replacing a pending instance")
		e.next("order", nil)
		e.wants(e.trySend(again), provider.ErrExists, "replacing a running instance")
		e.send(e.event("order", "end"))
		e.next("order", func(d *draft) { d.finish() })
		e.send(again)
		i := e.instance("order")
		if i.Status != history.StatusPending || i.RequestID != again.Start.RequestID {
			e.breaks("the instance is %+v, want the new one", i)
		}
		e.turnWith("order", "start")
	}},
	{"a replaced instance leaves nothing behind", pX, func(e *env) {
		e.running("order", func(d *draft) { d.status(quoted("old")).set("old", quoted("1")).continueAsNew() })
		e.send(e.event("order", "end"))
		e.next("order", func(d *draft) { d.finish() })
		m := e.start("order")
		m.Start.Reuse = provider.ReuseFinal
		e.send(m)
		i := e.instance("order")
		if i.Execution != 0 || i.LastEvent != 0 || i.CustomStatus != nil || i.Output != nil || !i.Finished.IsZero() {
			e.breaks("the new instance has %+v of the old one", i)
		}
		e.wantPayload("state", e.state("order", "old"), nil)
		d := e.next("order", nil)
		e.wantHistory("order", d.Events)
		_, err := e.tryHistory("order", 2, 0)
		e.wants(err, provider.ErrNotFound, "reading execution 2 of the instance that was replaced")
	}},
	{"a running instance is replaced when reuse is for all", p3, func(e *env) {
		e.running("order", func(d *draft) {
			d.schedule("old")
			d.schedule("old, not taken")
			d.timer(now().Add(far))
		})
		work := e.activityOf("order", 1, 2)
		e.send(e.event("order", "a"))
		held := e.turnWith("order", "a")
		m := e.start("order")
		m.Start.Reuse = provider.ReuseReplace
		e.send(m)
		e.wants(e.tryCommit(held, &take(held).Commit), provider.ErrLockLost, "committing a turn of the instance that was replaced")
		if i := e.instance("order"); i.Status != history.StatusPending || i.RequestID != m.Start.RequestID {
			e.breaks("the instance is %+v, want the new one", i)
		}
		e.wantOpen("order", []int64{}, []int64{})
		if s := e.extend(work, nil); !s.Cancelled {
			e.breaks("the worker of an activity of the old instance does not learn that it no longer counts")
		}
		e.wants(e.tryComplete(work), provider.ErrLockLost, "completing an activity of the instance that was replaced")
		e.next("order", func(d *draft) { d.schedule("new") })
		e.activityOf("order", 1, 2)
		e.noActivity()
		e.noTurn()
	}},
	{"a pending instance is replaced when reuse is for all", p4, func(e *env) {
		e.send(e.start("order"))
		m := e.start("order")
		m.Start.Reuse = provider.ReuseReplace
		e.send(m)
		t := e.turnWith("order", "start")
		if got := t.Messages[0].Start.RequestID; got != m.Start.RequestID {
			e.breaks("the turn has the start of request %q, want %q", got, m.Start.RequestID)
		}
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"replacing over and over ends with one instance", p4, func(e *env) {
		var last string
		for range 30 {
			m := e.start("order")
			m.Start.Reuse = provider.ReuseReplace
			e.send(m)
			last = m.Start.RequestID
		}
		t := e.turnWith("order", "start")
		if t.Instance.RequestID != last {
			e.breaks("the instance is of request %q, want the last, %q", t.Instance.RequestID, last)
		}
		e.commit(t, take(t))
		e.noTurn()
	}},
}
