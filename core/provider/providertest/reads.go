package providertest

import (
	"context"
	"fmt"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// wait waits in the background for a condition of the instance "order".
func (e *env) wait(until provider.Until) func() (*provider.Instance, error) {
	store := e.store
	return async(e, func(ctx context.Context) (*provider.Instance, error) { return store.Wait(ctx, "order", until) })
}

// waited demands that the wait ended with success.
func (e *env) waited(got func() (*provider.Instance, error)) *provider.Instance {
	e.Helper()
	i, err := got()
	e.wants(err, nil, "waiting for order")
	if i == nil || i.ID != "order" {
		e.breaks("Wait returned %+v", i)
	}
	return i
}

var readProperties = []property{
	{"an instance that does not exist is not found", pX, func(e *env) {
		e.gone("order")
		e.wants(e.tryPurge("order", false), provider.ErrNotFound, "purging an instance that does not exist")
		ctx, cancel := e.context()
		defer cancel()
		_, err := e.store.Wait(ctx, "order", provider.Until{Final: true})
		e.wants(err, provider.ErrNotFound, "waiting for an instance that does not exist")
		_, err = e.tryHistory("order", 0, 0)
		e.wants(err, provider.ErrNotFound, "reading the history of an instance that does not exist")
		_, err = e.tryHistory("order", 1, 0)
		e.wants(err, provider.ErrNotFound, "reading execution 1 of an instance that does not exist")
	}},
	{"a read shows every commit that was acknowledged before", pX, func(e *env) {
		e.running("order", nil)
		for n := range 100 {
			e.send(e.event("order", "a"))
			d := e.next("order", func(d *draft) { d.set("n", quoted(fmt.Sprint(n))) })
			if i := e.instance("order"); i.LastEvent != d.last {
				e.breaks("the instance is at event %d after event %d was committed", i.LastEvent, d.last)
			}
			e.wantPayload("state", e.state("order", "n"), quoted(fmt.Sprint(n)))
		}
	}},
	{"times of an instance follow its life", pX, func(e *env) {
		e.send(e.start("order"))
		pending := e.instance("order")
		e.next("order", nil)
		running := e.instance("order")
		e.change(func(d *draft) { d.finish() })
		final := e.instance("order")
		if !pending.Created.Equal(final.Created) || running.Updated.Before(pending.Created) ||
			final.Updated.Before(running.Updated) || final.Finished.Before(running.Updated) {
			e.breaks("created %v, first updated %v, then %v, finished %v: they do not follow each other",
				pending.Created, running.Updated, final.Updated, final.Finished)
		}
	}},
	{"a condition that holds already is not waited for", p11, func(e *env) {
		e.finished("order")
		for _, until := range []provider.Until{{}, {Final: true}, {Started: true}, {StatusRevision: 99}} {
			if i := e.waited(e.wait(until)); i.Status != history.StatusCompleted {
				e.breaks("Wait(%+v) returned an instance that is %q", until, i.Status)
			}
		}
	}},
	{"a wait for nothing returns a pending instance", p11, func(e *env) {
		e.send(e.start("order"))
		if i := e.waited(e.wait(provider.Until{})); i.Status != history.StatusPending {
			e.breaks("the status is %q, want pending", i.Status)
		}
	}},
	{"a wait ends with the commit that makes its condition hold", p11, func(e *env) {
		e.send(e.start("order"))
		final, started := e.wait(provider.Until{Final: true}), e.wait(provider.Until{Started: true})
		first, second := e.wait(provider.Until{StatusRevision: 1}), e.wait(provider.Until{StatusRevision: 3})
		e.next("order", nil)
		if i := e.waited(started); i.Status == history.StatusPending {
			e.breaks("the wait for the start returned a pending instance")
		}
		e.change(func(d *draft) { d.status(quoted("1")) })
		e.change(func(d *draft) { d.status(quoted("2")) })
		if i := e.waited(first); i.StatusRevision < 1 {
			e.breaks("the wait for revision 1 returned revision %d", i.StatusRevision)
		}
		e.change(func(d *draft) { d.status(quoted("3")) })
		if i := e.waited(second); i.StatusRevision < 3 {
			e.breaks("the wait for revision 3 returned revision %d", i.StatusRevision)
		}
		e.change(func(d *draft) { d.finish() })
		if i := e.waited(final); !i.Status.Final() {
			e.breaks("the wait for the end returned an instance that is %q", i.Status)
		}
	}},
	{"the end of an instance ends every wait", p11, func(e *env) {
		e.running("order", nil)
		waits := []func() (*provider.Instance, error){
			e.wait(provider.Until{Final: true}), e.wait(provider.Until{StatusRevision: 99}),
			e.wait(provider.Until{Final: true, StatusRevision: 99}),
		}
		e.change(func(d *draft) { d.finish() })
		for _, w := range waits {
			e.waited(w)
		}
	}},
	{"many wait at once, and all are woken", p11, func(e *env) {
		e.running("order", nil)
		var waits []func() (*provider.Instance, error)
		for range 100 {
			waits = append(waits, e.wait(provider.Until{Final: true}))
		}
		e.change(func(d *draft) { d.finish() })
		for _, w := range waits {
			e.waited(w)
		}
	}},
	{"a wait ends when its context does", p11, func(e *env) {
		e.running("order", nil)
		ctx, cancel := context.WithCancel(e.Context())
		got := async(e, func(context.Context) (*provider.Instance, error) {
			return e.store.Wait(ctx, "order", provider.Until{Final: true})
		})
		cancel()
		_, err := got()
		e.wants(err, context.Canceled, "Wait whose context was cancelled")
	}},
	{"a wait for an instance that is purged ends", p11, func(e *env) {
		e.running("order", nil)
		got := e.wait(provider.Until{Final: true})
		e.purge("order", true)
		_, err := got()
		e.wants(err, provider.ErrNotFound, "Wait for an instance that was purged")
	}},
	{"what is outstanding shows messages in their order, also while they are held", pX, func(e *env) {
		e.running("order", nil)
		e.send(e.event("order", "a"), e.event("order", "b"))
		e.wantNames(e.outstanding("order").Messages, "a", "b")
		t := e.turnWith("order", "a", "b")
		e.send(e.event("order", "c"))
		e.wantNames(e.outstanding("order").Messages, "a", "b", "c")
		e.commit(t, takeSome(t, 1))
		e.wantNames(e.outstanding("order").Messages, "b", "c")
	}},
	{"a pending instance waits for its start", pX, func(e *env) {
		m := e.start("order")
		e.send(m)
		o := e.outstanding("order")
		e.wantNames(o.Messages, "start")
		if diff := sameMessage(o.Messages[0], m); diff != "" {
			e.breaks("%s", diff)
		}
	}},
	{"an instance that has nothing to wait for has nothing outstanding", pX, func(e *env) {
		e.finished("order")
		if o := e.outstanding("order"); len(o.Messages)+len(o.Activities)+len(o.Timers) != 0 || o.Again {
			e.breaks("a finished instance waits for %+v", o)
		}
	}},
	{"a new hub has no dead letters, and a waiting message is none", pX, func(e *env) {
		e.send(e.event("nobody", "a"))
		e.noTurn()
		ctx, cancel := e.context()
		defer cancel()
		letters, err := e.store.DeadLetters(ctx, 10)
		e.wants(err, nil, "reading the dead letters")
		if len(letters) != 0 {
			e.breaks("dead letters are %+v, want none", letters)
		}
	}},
}

var historyProperties = []property{
	{"a history is read from any event on", pX, func(e *env) {
		d := e.running("order", func(d *draft) {
			for n := range 20 {
				d.status(quoted(fmt.Sprint(n)))
			}
		})
		for after := range int64(22) {
			for execution := range int64(2) {
				if diff := sameEvents(e.historyOf("order", execution, after), d.Events[after:]); diff != "" {
					e.breaks("execution %d after event %d: %s", execution, after, diff)
				}
			}
		}
		if got := e.historyOf("order", 1, 1_000); len(got) != 0 {
			e.breaks("%d events after the last one", len(got))
		}
	}},
	{"a host reads the same history as a client", pX, func(e *env) {
		d := e.running("order", func(d *draft) { d.status(quoted("a")).status(quoted("b")) })
		e.send(e.event("order", "a"))
		t := e.turnOf("order") // held
		ctx, cancel := e.context()
		defer cancel()
		for after := range int64(4) {
			got, err := collect(e.host.History(ctx, "order", 1, after))
			e.wants(err, nil, "reading a history as a host")
			if diff := sameEvents(got, d.Events[after:]); diff != "" {
				e.breaks("after event %d: %s", after, diff)
			}
		}
		_, err := collect(e.host.History(ctx, "nobody", 0, 0))
		e.wants(err, provider.ErrNotFound, "reading the history of an unknown instance as a host")
		e.commit(t, take(t))
	}},
	{"an execution that there is not is not found", pX, func(e *env) {
		e.running("order", nil)
		_, err := e.tryHistory("order", 2, 0)
		e.wants(err, provider.ErrNotFound, "reading execution 2 of 1")
	}},
	{"reading may stop anywhere and begin again", pX, func(e *env) {
		d := e.running("order", func(d *draft) {
			for range 50 {
				d.status(quoted("a"))
			}
		})
		ctx, cancel := e.context()
		defer cancel()
		stream := e.store.History(ctx, "order", 0, 0)
		for stop := 1; stop < 10; stop++ {
			seen := 0
			for event, err := range stream {
				e.wants(err, nil, "reading a history")
				if seen++; event.ID != int64(seen) {
					e.breaks("event %d came as number %d", event.ID, seen)
				}
				if seen == stop {
					break
				}
			}
		}
		e.wantHistory("order", d.Events)
		e.send(e.event("order", "a")) // A stream that was left holds nothing up.
		e.next("order", nil)
	}},
	{"commits go on while a history is read", pX, func(e *env) {
		first := e.running("order", func(d *draft) {
			for range 500 {
				d.status(quoted("a"))
			}
		})
		ctx, cancel := e.context()
		defer cancel()
		var seen []history.Event
		for event, err := range e.store.History(ctx, "order", 1, 0) {
			e.wants(err, nil, "reading a history")
			seen = append(seen, event)
			if event.ID == 3 || event.ID == 300 {
				e.change(func(d *draft) { d.status(quoted("b")) })
			}
		}
		if len(seen) < len(first.Events) {
			e.breaks("%d events were read, want at least the %d committed before", len(seen), len(first.Events))
		}
		all := e.history("order")
		if diff := sameEvents(seen, all[:len(seen)]); diff != "" {
			e.breaks("what was read is no prefix of the history: %s", diff)
		}
	}},
	{"a long history streams, in order and whole", pX, func(e *env) {
		const turns, each = 10, 1_000
		e.running("order", nil)
		want := int64(1)
		for range turns {
			e.change(func(d *draft) {
				for range each {
					d.status(quoted("a"))
				}
			})
			want += each + 1
		}
		var seen int64
		ctx, cancel := e.context()
		defer cancel()
		for event, err := range e.store.History(ctx, "order", 0, 0) {
			e.wants(err, nil, "reading a long history")
			if seen++; event.ID != seen {
				e.breaks("event %d came as number %d", event.ID, seen)
			}
		}
		if seen != want {
			e.breaks("%d events, want %d", seen, want)
		}
		if got := len(e.historyOf("order", 1, want-5)); got != 5 {
			e.breaks("%d events after event %d, want 5", got, want-5)
		}
	}},
	{"a history whose context has ended says so", pX, func(e *env) {
		e.running("order", nil)
		ctx, cancel := e.context()
		cancel()
		events, err := collect(e.store.History(ctx, "order", 0, 0))
		if err != nil {
			e.wants(err, context.Canceled, "reading with a cancelled context")
		} else if len(events) != 1 {
			e.breaks("%d of 1 event and no error", len(events))
		}
	}},
	{"a damaged history says so and names its instance", pX, func(e *env) {
		e.needsCorrupt()
		d := e.running("sound", nil)
		e.running("order", func(d *draft) { d.status(quoted("a")) })
		e.h.Corrupt(e.TB, e.store, "order")
		_, err := e.tryHistory("order", 0, 0)
		e.wants(err, provider.ErrCorrupt, "reading a damaged history")
		if !strings.Contains(err.Error(), "order") {
			e.breaks("the error does not name the instance: %v", err)
		}
		e.wantHistory("sound", d.Events)
		if s := e.instance("order").Status; s != history.StatusRunning {
			e.breaks("the status is %q, want running", s)
		}
		if got := len(e.list(provider.Query{})); got != 2 {
			e.breaks("%d instances are listed, want 2", got)
		}
	}},
	{"a damaged history holds up nobody, and its instance can still be ended or purged", p6, func(e *env) {
		e.needsCorrupt()
		e.running("order", nil)
		e.running("doomed", nil)
		e.h.Corrupt(e.TB, e.store, "order")
		e.h.Corrupt(e.TB, e.store, "doomed")
		e.noTurn()
		e.send(e.event("order", "a"))
		e.next("order", func(d *draft) { d.finish() }) // nobody reads history to append to it
		if s := e.instance("order").Status; s != history.StatusCompleted {
			e.breaks("the status is %q, want completed", s)
		}
		e.purge("order", false)
		e.purge("doomed", true)
		e.gone("doomed")
	}},
}

func (e *env) needsCorrupt() {
	if e.h.Corrupt == nil {
		e.Skip("the harness cannot damage a history: Harness.Corrupt is nil")
	}
}
