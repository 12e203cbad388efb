package providertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

var hostProperties = []property{
	{"a turn that a leaving host held is offered again, with its messages in order", p3, func(e *env) {
		e.running("order", nil)
		e.send(e.event("order", "a"), e.event("order", "b"))
		old := e.turnWith("order", "a", "b")
		e.rejoin(everything("next"))
		e.send(e.event("order", "c"))
		t := e.turnWith("order", "a", "b", "c")
		if t.Attempt != 2 {
			e.breaks("attempt is %d after a host was lost, want 2", t.Attempt)
		}
		e.wantsAny(e.tryCommit(old, &take(old).Commit), "committing the turn of a host that has left", provider.ErrLockLost, provider.ErrClosed)
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"an activity that a leaving host held is offered again", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		old := e.activityOf("order", 1, 2)
		e.extend(old, history.Payload(`"half"`))
		e.rejoin(everything("next"))
		a := e.activityOf("order", 1, 2)
		if a.Delivery != 2 {
			e.breaks("delivery is %d after a worker was lost, want 2", a.Delivery)
		}
		e.wantPayload("progress", a.Progress, history.Payload(`"half"`))
		e.wantsAny(e.tryComplete(old), "completing as a host that has left", provider.ErrLockLost, provider.ErrClosed)
		e.noTurn()
		e.complete(a)
		e.turnWith("order", "completed 2")
	}},
	{"attempts and deliveries count on across hosts, also those that did nothing", pX, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge"); d.Again = true })
		e.next("order", nil)
		e.send(e.event("order", "a"))
		for want := 1; want <= 3; want++ {
			if t := e.turnWith("order", "a"); t.Attempt != want {
				e.breaks("attempt is %d on host %d, want %d", t.Attempt, want, want)
			}
			if a := e.activityOf("order", 1, 2); a.Delivery != want {
				e.breaks("delivery is %d on host %d, want %d", a.Delivery, want, want)
			}
			e.rejoin(everything("idle"))
			e.rejoin(everything("next"))
		}
	}},
	{"what a host released uncounted does not count for the next one", pX, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge"); d.Again = true })
		e.next("order", nil)
		e.send(e.event("order", "a"))
		e.release(e.turnOf("order"), provider.Release{Uncounted: true})
		e.releaseActivity(e.activityOf("order", 1, 2), provider.Release{Uncounted: true})
		e.rejoin(everything("next"))
		if t := e.turnWith("order", "a"); t.Attempt != 1 {
			e.breaks("attempt is %d after an uncounted release, want 1", t.Attempt)
		}
		if a := e.activityOf("order", 1, 2); a.Delivery != 1 {
			e.breaks("delivery is %d after an uncounted release, want 1", a.Delivery)
		}
	}},
	{"a completion that was handed in before the host left is not lost", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge") })
		e.complete(e.activityOf("order", 1, 2))
		e.rejoin(everything("next"))
		e.completedOrOffered("order", 2)
	}},
	{"another turn that was asked for survives the host", pX, func(e *env) {
		e.running("order", func(d *draft) { d.Again = true })
		e.turnWith("order")
		e.rejoin(everything("next"))
		t := e.turnWith("order")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"leaving ends blocked calls", p11, func(e *env) {
		host := e.join2()
		turn := async(e, func(ctx context.Context) (*provider.Turn, error) { return host.NextTurn(ctx) })
		work := async(e, func(ctx context.Context) (*provider.ActivityTask, error) { return host.NextActivity(ctx) })
		e.leave(host)
		_, err := turn()
		e.wants(err, provider.ErrClosed, "NextTurn of a host that left")
		_, err = work()
		e.wants(err, provider.ErrClosed, "NextActivity of a host that left")
		e.host = e.join(e.store, everything("suite"))
	}},
	{"a host that has left gets nothing more", p3, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("charge"); d.Again = true })
		host := e.join2()
		e.leave(host)
		_, err := e.tryTurn(host)
		e.wants(err, provider.ErrClosed, "NextTurn of a host that left")
		_, err = e.tryActivity(host)
		e.wants(err, provider.ErrClosed, "NextActivity of a host that left")
		e.host = e.join(e.store, everything("suite"))
		e.turnOf("order")
		e.activityOf("order", 1, 2)
	}},
	{"clients need no host", pX, func(e *env) {
		e.leave(e.host)
		e.host = nil
		e.send(e.start("order"), e.event("order", "a"))
		if s := e.instance("order").Status; s != history.StatusPending {
			e.breaks("the status is %q, want pending", s)
		}
		e.host = e.join(e.store, everything("late"))
		e.turnWith("order", "start", "a")
	}},
	{"hosts come and go", pX, func(e *env) {
		for n := range 20 {
			id := history.InstanceID(fmt.Sprint("order-", n))
			e.send(e.start(id))
			e.rejoin(everything(fmt.Sprint("host ", n)))
			e.next(id, nil)
		}
	}},
	{"a second host is refused where one is the limit, by the name of the first", pX, func(e *env) {
		if e.h.ManyHosts == Yes {
			e.Skip("the provider admits many hosts: Harness.ManyHosts is Yes")
		}
		e.rejoin(everything("web-1 pid 4711"))
		ctx, cancel := e.context()
		defer cancel()
		_, err := e.store.Join(ctx, everything("web-2"))
		e.wants(err, provider.ErrHostTaken, "joining while another host is there")
		if !strings.Contains(err.Error(), "web-1 pid 4711") {
			e.breaks("the error does not name the host that is there: %v", err)
		}
		e.send(e.start("order"))
		e.turnOf("order") // The one that is there goes on.
		e.rejoin(everything("web-2"))
	}},
	{"two hosts share the work, each piece on one of them", p3, func(e *env) {
		e.needsManyHosts()
		second := e.join(e.store, everything("second"))
		defer e.leave(second)
		shareWork(e, []provider.Host{e.host, second})
	}},
	{"what one of two hosts held is offered to the other when it leaves", p3, func(e *env) {
		e.needsManyHosts()
		e.running("order", func(d *draft) { d.schedule("charge"); d.Again = true })
		second := e.join(e.store, everything("second"))
		_, err := e.tryTurn(second)
		e.wants(err, nil, "taking a turn as the second host")
		_, err = e.tryActivity(second)
		e.wants(err, nil, "taking an activity as the second host")
		e.noTurn()
		e.leave(second)
		e.turnOf("order")
		e.activityOf("order", 1, 2)
	}},
	{"two hosts with different tags and orchestrations get what they serve", pX, func(e *env) {
		e.needsManyHosts()
		e.rejoin(provider.HostInfo{Name: "pack", Tags: []string{"x"}, Accepts: func(name, _ string) bool { return name == "pack" }})
		ship := e.join(e.store, provider.HostInfo{Name: "ship", Tags: []string{"y"}, Accepts: func(name, _ string) bool { return name == "ship" }})
		defer e.leave(ship)
		e.send(e.startNamed("s", "ship", ""), e.startNamed("p", "pack", ""))
		t := e.turnOf("p")
		d := take(t)
		d.scheduleOn("a", "y")
		d.scheduleOn("b", "x")
		e.commit(t, d)
		if a := e.activity(); a.Activity.Tag != "x" {
			e.breaks("the host that serves x got tag %q", a.Activity.Tag)
		}
		a, err := e.tryActivity(ship)
		e.wants(err, nil, "taking an activity as the host that serves y")
		if a.Activity.Tag != "y" {
			e.breaks("the host that serves y got tag %q", a.Activity.Tag)
		}
		other, err := e.tryTurn(ship)
		e.wants(err, nil, "taking a turn as the host that accepts ship")
		if other.Instance.ID != "s" {
			e.breaks("the host that accepts ship got %q", other.Instance.ID)
		}
	}},
	{"a closed store says so", pX, func(e *env) {
		e.running("order", nil)
		e.leave(e.host)
		store := e.store
		e.host, e.store = nil, nil
		e.wants(store.Close(), nil, "closing")
		ctx, cancel := e.context()
		defer cancel()
		calls := map[string]error{"Send": store.Send(ctx, e.start("late")), "Purge": store.Purge(ctx, "order", true)}
		_, calls["Instance"] = store.Instance(ctx, "order")
		_, calls["Wait"] = store.Wait(ctx, "order", provider.Until{Final: true})
		_, calls["History"] = collect(store.History(ctx, "order", 0, 0))
		_, calls["State"] = store.State(ctx, "order", "a")
		_, calls["List"] = store.List(ctx, provider.Query{})
		_, calls["Outstanding"] = store.Outstanding(ctx, "order")
		_, calls["DeadLetters"] = store.DeadLetters(ctx, 1)
		_, calls["Join"] = store.Join(ctx, everything("late"))
		for call, err := range calls {
			if !errors.Is(err, provider.ErrClosed) {
				e.breaks("%s of a closed store: %v, want an error that wraps %q", call, err, provider.ErrClosed)
			}
		}
	}},
	{"closing ends waits", p11, func(e *env) {
		e.running("order", nil)
		got := e.wait(provider.Until{Final: true})
		e.leave(e.host)
		store := e.store
		e.host, e.store = nil, nil
		e.wants(store.Close(), nil, "closing while somebody waits")
		_, err := got()
		e.wants(err, provider.ErrClosed, "Wait of a store that was closed")
	}},
}

// join2 makes the suite's host leave and joins another, which the test is to
// make leave.
func (e *env) join2() provider.Host {
	e.Helper()
	e.leave(e.host)
	e.host = nil
	return e.join(e.store, everything("second"))
}

// completedOrOffered demands what P9 promises of an activity that was
// completed by a host that is gone: its completion comes, or the work does.
func (e *env) completedOrOffered(id history.InstanceID, event int64) {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	var mu sync.Mutex
	var came []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		came = append(came, what)
		cancel()
	}
	var both sync.WaitGroup
	both.Go(func() {
		if t, err := e.host.NextTurn(ctx); err == nil {
			note(fmt.Sprintf("%s %v", t.Instance.ID, names(t.Messages)))
		}
	})
	both.Go(func() {
		if a, err := e.host.NextActivity(ctx); err == nil {
			note(a.ID.String())
			err := e.tryComplete(a)
			if err != nil {
				note(err.Error())
			}
		}
	})
	both.Wait()
	turn, work := fmt.Sprintf("%s [completed %d]", id, event), fmt.Sprintf("%s/1/%d", id, event)
	if len(came) == 0 {
		e.breaks("an activity was forgotten: neither its completion nor the work came")
	}
	for _, what := range came {
		if what != turn && what != work {
			e.breaks("%q came, want the completion %q or the work %q", what, turn, work)
		}
	}
}

// shareWork runs instances to their end on several hosts at once. Which host
// gets which is the provider's to choose, one of them may get none.
func shareWork(e *env, hosts []provider.Host) {
	e.Helper()
	const n = 60
	for i := range n {
		e.send(e.start(history.InstanceID(fmt.Sprint("order-", i))))
	}
	ctx, cancel := e.context()
	defer cancel()
	working, done := context.WithCancel(ctx)
	defer done()
	var mu sync.Mutex
	seen := map[history.InstanceID]int{}
	e.together(2*len(hosts), func(i int) error {
		host := hosts[i%len(hosts)]
		for {
			t, err := host.NextTurn(working)
			if err != nil {
				if ctx.Err() == nil && working.Err() != nil {
					return nil //nolint:nilerr // All are done.
				}
				return fmt.Errorf("taking a turn while others are at work: %w", explain(err))
			}
			mu.Lock()
			seen[t.Instance.ID]++
			twice := seen[t.Instance.ID] > 1
			mu.Unlock()
			if twice {
				return fmt.Errorf("%q was handed out twice", t.Instance.ID)
			}
			if err := host.CommitTurn(ctx, t, &take(t).finish().Commit); err != nil {
				return err
			}
			mu.Lock()
			if len(seen) == n {
				done()
			}
			mu.Unlock()
		}
	})
	e.noTurn()
}
