package providertest

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// sharedProperties are about several stores on one hub, as several processes
// would have them.
var sharedProperties = []property{
	{"what one client sends, the other's host gets", p11, func(e *env) {
		e.needsSharedClients()
		client := e.attach()
		for n := range 20 {
			id := history.InstanceID(fmt.Sprint("order-", n))
			got := e.awaitTurn()
			ctx, cancel := e.context()
			e.wants(client.Send(ctx, e.start(id)), nil, "sending through another store")
			cancel()
			t, err := got()
			e.wants(err, nil, "waiting for a message that another store sent")
			if t.Instance.ID != id {
				e.breaks("the turn is of %q, want %q", t.Instance.ID, id)
			}
			e.commit(t, take(t))
		}
	}},
	{"every client knows the hub by the same name", pX, func(e *env) {
		e.needsSharedClients()
		named, ok := e.store.(provider.Named)
		if !ok {
			return // then its name is "default" for all
		}
		if other := e.attach().(provider.Named); named.Hub() != other.Hub() {
			e.breaks("one store calls the hub %q, another %q", named.Hub(), other.Hub())
		}
	}},
	{"every client reads what any other did", pX, func(e *env) {
		e.needsSharedClients()
		client := e.attach()
		d := e.running("order", func(d *draft) { d.set("a", quoted("1")) })
		ctx, cancel := e.context()
		defer cancel()
		i, err := client.Instance(ctx, "order")
		e.wants(err, nil, "reading through another store")
		if i.LastEvent != d.last {
			e.breaks("another store shows event %d, want %d", i.LastEvent, d.last)
		}
		events, err := collect(client.History(ctx, "order", 0, 0))
		e.wants(err, nil, "reading a history through another store")
		if diff := sameEvents(events, d.Events); diff != "" {
			e.breaks("another store: %s", diff)
		}
		e.wants(client.Send(ctx, e.start("other")), nil, "sending through another store")
		if s := e.instance("other").Status; s != history.StatusPending {
			e.breaks("what another store started is %q, want pending", s)
		}
	}},
	{"a client is woken by a commit of another's host", p11, func(e *env) {
		e.needsSharedClients()
		client := e.attach()
		e.running("order", nil)
		got := async(e, func(ctx context.Context) (*provider.Instance, error) {
			return client.Wait(ctx, "order", provider.Until{Final: true})
		})
		e.change(func(d *draft) { d.finish() })
		i, err := got()
		e.wants(err, nil, "waiting through another store")
		if !i.Status.Final() {
			e.breaks("the wait returned an instance that is %q", i.Status)
		}
	}},
	{"a message sent through two clients is one message", p4, func(e *env) {
		e.needsSharedClients()
		stores := []provider.Store{e.store, e.attach(), e.attach()}
		e.running("order", nil)
		for n := range 10 {
			m := e.event("order", fmt.Sprint(n))
			e.together(6, func(i int) error {
				ctx, cancel := e.context()
				defer cancel()
				return stores[i%3].Send(ctx, m)
			})
			t := e.turnWith("order", fmt.Sprint(n))
			e.commit(t, take(t))
		}
		e.noTurn()
	}},
	{"a client purges what another's host holds", p3, func(e *env) {
		e.needsSharedClients()
		client := e.attach()
		e.running("order", func(d *draft) { d.schedule("charge") })
		a := e.activityOf("order", 1, 2)
		e.send(e.event("order", "a"))
		t := e.turnOf("order")
		ctx, cancel := e.context()
		defer cancel()
		e.wants(client.Purge(ctx, "order", true), nil, "purging through another store")
		e.wants(e.tryCommit(t, &take(t).Commit), provider.ErrLockLost, "committing a turn of an instance that another store purged")
		e.wants(e.tryComplete(a), provider.ErrLockLost, "completing an activity of an instance that another store purged")
		e.gone("order")
		e.noTurn()
	}},
	{"a client replaces what another's host holds", p3, func(e *env) {
		e.needsSharedClients()
		client := e.attach()
		e.send(e.start("order"))
		t := e.turnOf("order")
		m := e.start("order")
		m.Start.Reuse = provider.ReuseReplace
		ctx, cancel := e.context()
		defer cancel()
		e.wants(client.Send(ctx, m), nil, "replacing through another store")
		e.wants(e.tryCommit(t, &take(t).Commit), provider.ErrLockLost, "committing a turn of an instance that another store replaced")
		t = e.turnWith("order", "start")
		if t.Instance.RequestID != m.Start.RequestID {
			e.breaks("the turn is of request %q, want the new one, %q", t.Instance.RequestID, m.Start.RequestID)
		}
	}},
	{"a host of another store is refused where one is the limit, by the name of the first", pX, func(e *env) {
		e.needsSharedClients()
		if e.h.ManyHosts == Yes {
			e.Skip("the provider admits many hosts: Harness.ManyHosts is Yes")
		}
		client := e.attach()
		e.rejoin(everything("web-1 pid 4711"))
		ctx, cancel := e.context()
		defer cancel()
		_, err := client.Join(ctx, everything("web-2"))
		e.wants(err, provider.ErrHostTaken, "joining another store while a host is there")
		if !strings.Contains(err.Error(), "web-1 pid 4711") {
			e.breaks("the error does not name the host that is there: %v", err)
		}
		e.leave(e.host)
		e.host = e.join(client, everything("web-2"))
		e.send(e.start("order"))
		e.turnOf("order")
		e.leave(e.host) // before its store is closed
		e.host = nil
	}},
	{"hosts of two stores share the work, each piece on one of them", p3, func(e *env) {
		e.needsSharedClients()
		e.needsManyHosts()
		second := e.join(e.attach(), everything("second"))
		defer e.leave(second)
		shareWork(e, []provider.Host{e.host, second})
	}},
	{"what an activity has reached on one host is there for its next attempt on any", p9, func(e *env) {
		e.needsSharedClients()
		e.needsManyHosts()
		d := e.running("order", func(d *draft) {
			d.schedule("charge")
			d.Activities[0].Tag = "second"
		})
		second := e.join(e.attach(), provider.HostInfo{Name: "second", Tags: []string{"second"}})
		defer e.leave(second)
		hosts := []provider.Host{e.host, second}
		ctx, cancel := e.context()
		defer cancel()
		var progress history.Payload
		for attempt, tag := range []string{"second", "second", ""} {
			h, a := atAny(e, hosts, provider.Host.NextActivity)
			if a.Activity.Attempt != attempt+1 {
				e.breaks("attempt is %d, want %d", a.Activity.Attempt, attempt+1)
			}
			e.wantPayload("progress", a.Progress, progress)
			if attempt == 0 { // the next one keeps what this one has reached
				progress = history.Payload(`"half"`)
				_, err := h.ExtendActivity(ctx, a, progress)
				e.wants(err, nil, "extending activity %v", a.ID)
			}
			e.wants(e.tryFail(h, a), nil, "completing activity %v as failed", a.ID)
			owner, t := atAny(e, hosts, provider.Host.NextTurn)
			next := take(t)
			next.CompletedActivities = []int64{2}
			next.Activities = []provider.Activity{{Scheduled: d.Activities[0].Scheduled, Attempt: attempt + 2, Tag: tag}}
			e.wants(owner.CommitTurn(ctx, t, &next.Commit), nil, "committing a turn of %q", t.Instance.ID)
		}
		_, a := atAny(e, hosts, provider.Host.NextActivity)
		e.wantPayload("progress of the last attempt", a.Progress, progress)
	}},
}

// atAny calls all hosts until one of them is given something.
func atAny[T any](e *env, hosts []provider.Host, next func(provider.Host, context.Context) (*T, error)) (at provider.Host, got *T) {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	found := make([]*T, len(hosts))
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() {
			defer cancel()
			found[i], _ = next(h, ctx) // without any that is told below
		})
	}
	all.Wait()
	for i, f := range found {
		switch {
		case f == nil:
		case got != nil:
			e.breaks("two hosts were given something: %v and %v", got, f)
		default:
			at, got = hosts[i], f
		}
	}
	if got == nil {
		e.breaks("no host was given anything")
	}
	return at, got
}
