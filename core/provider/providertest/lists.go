package providertest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// wantList demands exactly these instances, in this order.
func (e *env) wantList(q provider.Query, want ...history.InstanceID) {
	e.Helper()
	if got := idsOf(e.list(q)); !slices.Equal(got, want) {
		e.breaks("List(%+v) gives %s, want %s", q, quoteIDs(got), quoteIDs(want))
	}
}

// pages reads a list to its end, in pages of the given size.
func (e *env) pages(q provider.Query, size int) []history.InstanceID {
	e.Helper()
	q.Limit = size
	var all []history.InstanceID
	for {
		page := idsOf(e.list(q))
		if len(page) > size {
			e.breaks("a page of %d has %d instances", size, len(page))
		}
		if len(page) > 0 && q.After != "" && page[0] <= q.After { // it would go on for ever
			e.breaks("the page after %s begins with %s", q.After, page[0])
		}
		all = append(all, page...)
		if len(page) < size {
			return all
		}
		q.After = page[len(page)-1]
	}
}

// statuses are all that format 1 writes.
var statuses = []history.Status{
	history.StatusPending, history.StatusRunning, history.StatusCompleted, history.StatusFailed, history.StatusCancelled,
}

// startAll starts instances without taking their turns.
func (e *env) startAll(ids ...history.InstanceID) {
	e.Helper()
	for _, id := range ids {
		e.send(e.start(id))
	}
}

// variety makes instances of two orchestrations in several statuses.
func variety(e *env) {
	e.send(e.startNamed("a", "pack", ""), e.startNamed("b", "ship", ""), e.startNamed("c", "pack", ""),
		e.startNamed("d", "ship", ""), e.startNamed("e", "pack", ""))
	for _, id := range []history.InstanceID{"a", "b", "c", "d"} {
		t := e.turnOf(id)
		d := take(t)
		switch id {
		case "c":
			d.finish()
		case "d":
			d.event(&history.ExecutionFailed{Failure: &history.Failure{Kind: history.FailureError, Message: "no"}})
			d.Status, d.Failure = history.StatusFailed, &history.Failure{Kind: history.FailureError, Message: "no"}
		}
		e.commit(t, d)
	}
	e.release(e.turnOf("e"), provider.Release{Delay: far, Park: "no handler"})
}

var listProperties = []property{
	{"an empty hub has an empty list", pX, func(e *env) {
		e.wantList(provider.Query{})
		e.wantList(provider.Query{Prefix: "a", Name: "b", Parked: true, After: "c", Limit: 1})
	}},
	{"instances are listed in the order of the bytes of their ids", pX, func(e *env) {
		ids := []history.InstanceID{"b", "a", "B", "A", "10", "9", "a-1", "a1", "a_1", "aa", "ä", "z", "日本", "🚀", "ﬁ", "~", " x", "a b", "a/b", "a%"}
		e.startAll(ids...)
		slices.Sort(ids)
		e.wantList(provider.Query{}, ids...)
	}},
	{"a list shows instances as they are read one by one", pX, func(e *env) {
		variety(e)
		for _, got := range e.list(provider.Query{}) {
			want := e.instance(got.ID)
			if got.Name != want.Name || got.Version != want.Version || got.Status != want.Status || got.Execution != want.Execution ||
				got.LastEvent != want.LastEvent || got.RequestID != want.RequestID || !got.Created.Equal(want.Created) ||
				(got.Parked == nil) != (want.Parked == nil) {
				e.breaks("the list shows %+v, the instance is %+v", got, want)
			}
		}
	}},
	{"a list is narrowed by name, status, prefix and parking, and by all of them", pX, func(e *env) {
		variety(e)
		e.wantList(provider.Query{}, "a", "b", "c", "d", "e")
		e.wantList(provider.Query{Name: "pack"}, "a", "c", "e")
		e.wantList(provider.Query{Name: "ship"}, "b", "d")
		e.wantList(provider.Query{Name: "shi"})
		e.wantList(provider.Query{Statuses: []history.Status{history.StatusRunning}}, "a", "b")
		e.wantList(provider.Query{Statuses: []history.Status{history.StatusCompleted, history.StatusFailed}}, "c", "d")
		e.wantList(provider.Query{Statuses: []history.Status{history.StatusPending}}, "e")
		e.wantList(provider.Query{Statuses: []history.Status{history.StatusSuspended}})
		e.wantList(provider.Query{Parked: true}, "e")
		e.wantList(provider.Query{Parked: true, Name: "ship"})
		e.wantList(provider.Query{Prefix: "d"}, "d")
		e.wantList(provider.Query{Name: "pack", Statuses: []history.Status{history.StatusRunning, history.StatusPending}, After: "a"}, "e")
	}},
	{"a page has 100 instances unless asked otherwise, and never more than 1,000", pX, func(e *env) {
		var all []history.InstanceID
		for n := range 1_005 {
			all = append(all, history.InstanceID(fmt.Sprintf("order-%04d", n)))
		}
		e.startAll(all...)
		e.wantList(provider.Query{}, all[:100]...)
		e.wantList(provider.Query{Limit: 7}, all[:7]...)
		e.wantList(provider.Query{Limit: 1_000}, all[:1_000]...)
		ctx, cancel := e.context()
		defer cancel()
		page, err := e.store.List(ctx, provider.Query{Limit: 5_000})
		switch {
		case err != nil:
			e.wants(err, provider.ErrInvalid, "asking for a page of 5,000")
		case len(page) != 1_000:
			e.breaks("a page of 5,000 has %d instances, want 1,000", len(page))
		}
	}},
	{"pages follow each other without loss or repetition, at every size", pX, func(e *env) {
		var all []history.InstanceID
		for n := range 60 {
			all = append(all, history.InstanceID(fmt.Sprintf("order-%d", n)))
		}
		e.startAll(all...)
		slices.Sort(all)
		for _, size := range []int{1, 2, 7, 59, 60, 61, 100} {
			if got := e.pages(provider.Query{}, size); !slices.Equal(got, all) {
				e.breaks("in pages of %d the list is %s, want %s", size, quoteIDs(got), quoteIDs(all))
			}
		}
	}},
	{"a page begins after an id whether or not there is one", pX, func(e *env) {
		e.startAll("a", "c", "e")
		e.wantList(provider.Query{After: "a"}, "c", "e")
		e.wantList(provider.Query{After: "b"}, "c", "e")
		e.wantList(provider.Query{After: "e"})
		e.wantList(provider.Query{After: "c", Prefix: "c"})
		e.wantList(provider.Query{After: "a", Prefix: "c"}, "c")
		e.wantList(provider.Query{After: "d", Prefix: "c"})
	}},
	{"filtered pages follow each other", pX, func(e *env) {
		var want []history.InstanceID
		for n := range 90 {
			id := history.InstanceID(fmt.Sprintf("order-%02d", n))
			name := "pack"
			if n%3 == 0 {
				name = "ship"
				want = append(want, id)
			}
			e.send(e.startNamed(id, name, ""))
		}
		for _, size := range []int{1, 4, 30} {
			if got := e.pages(provider.Query{Name: "ship"}, size); !slices.Equal(got, want) {
				e.breaks("in pages of %d the list is %s, want %s", size, quoteIDs(got), quoteIDs(want))
			}
		}
	}},
	{"pages of a status follow each other", pX, func(e *env) {
		want := map[history.Status][]history.InstanceID{}
		for n, status := range []history.Status{history.StatusRunning, history.StatusCompleted, history.StatusPending} {
			for ; n < 60; n += 3 {
				id := history.InstanceID(fmt.Sprintf("order-%02d", n))
				want[status] = append(want[status], id)
				e.send(e.start(id))
				if status == history.StatusPending {
					continue // no turn is taken after this
				}
				t := e.turnOf(id)
				d := take(t)
				if status == history.StatusCompleted {
					d.finish()
				}
				e.commit(t, d)
			}
		}
		for status, ids := range want {
			for _, size := range []int{1, 7, 100} {
				if got := e.pages(provider.Query{Statuses: []history.Status{status}}, size); !slices.Equal(got, ids) {
					e.breaks("in pages of %d the %s ones are %s, want %s", size, status, quoteIDs(got), quoteIDs(ids))
				}
			}
		}
	}},
	{"pages go on while instances are purged", pX, func(e *env) {
		e.startAll("a", "b", "c", "d", "e")
		e.wantList(provider.Query{Limit: 2}, "a", "b")
		e.purge("b", true)
		e.purge("c", true)
		e.wantList(provider.Query{Limit: 2, After: "b"}, "d", "e")
	}},
	{"a prefix is a text, not a pattern", pX, func(e *env) {
		all := trapIDs()
		e.startAll(all...)
		slices.Sort(all)
		for _, prefix := range append(slices.Clone(hostile), "order", "order-1", "ORDER", "order%", "order_", "o%") {
			var want []history.InstanceID
			for _, id := range all {
				if strings.HasPrefix(string(id), prefix) {
					want = append(want, id)
				}
			}
			e.wantList(provider.Query{Prefix: prefix}, want...)
		}
	}},
	{"a list follows every change", pX, func(e *env) {
		e.send(e.start("order"))
		e.wantList(provider.Query{Statuses: []history.Status{history.StatusPending}}, "order")
		e.next("order", nil)
		e.wantList(provider.Query{Statuses: []history.Status{history.StatusPending}})
		e.wantList(provider.Query{Statuses: []history.Status{history.StatusRunning}}, "order")
		e.change(func(d *draft) { d.finish() })
		e.wantList(provider.Query{Statuses: []history.Status{history.StatusRunning}})
		e.wantList(provider.Query{Statuses: []history.Status{history.StatusCompleted}}, "order")
		e.purge("order", false)
		e.wantList(provider.Query{})
		e.wantList(provider.Query{Statuses: statuses})
	}},
}
