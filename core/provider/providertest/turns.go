package providertest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

var turnProperties = []property{
	{"an instance that was started gets a turn with its start", p4, func(e *env) {
		m := e.start("order")
		e.send(m)
		t := e.turnOf("order")
		if len(t.Messages) != 1 {
			e.breaks("messages are %v, want the start alone", names(t.Messages))
		}
		if diff := sameMessage(t.Messages[0], m); diff != "" {
			e.breaks("%s", diff)
		}
		i := t.Instance
		if i.Status != history.StatusPending || i.Execution != 0 || i.LastEvent != 0 || i.Name != "story" || t.Attempt != 1 {
			e.breaks("the turn has status %q, execution %d, last event %d, name %q, attempt %d, want pending, 0, 0, story, 1",
				i.Status, i.Execution, i.LastEvent, i.Name, t.Attempt)
		}
	}},
	{"a turn shows the instance as of the last commit", pX, func(e *env) {
		d := e.running("order", func(d *draft) { d.status(quoted("packing")) })
		e.send(e.event("order", "a"))
		i := e.turnOf("order").Instance
		if i.Status != history.StatusRunning || i.Execution != 1 || i.LastEvent != d.last || i.Name != "story" || i.Version != "1.0.0" {
			e.breaks("the turn has %+v, want the state after event %d of execution 1", i, d.last)
		}
	}},
	{"an instance that is held gets no second turn", p3, func(e *env) {
		e.send(e.start("order"))
		t := e.turnOf("order")
		e.send(e.event("order", "a"))
		e.noTurn()
		e.commit(t, take(t))
		e.turnWith("order", "a")
	}},
	{"an instance that is held holds up no other", p3, func(e *env) {
		e.send(e.start("a"), e.start("b"), e.start("c"))
		a, b, c := e.turnOf("a"), e.turnOf("b"), e.turnOf("c")
		for _, t := range []*provider.Turn{b, c, a} {
			e.commit(t, take(t).finish())
		}
	}},
	{"messages that arrive while the instance is held come in the next turn, in order", p4, func(e *env) {
		e.send(e.start("order"))
		t := e.turnOf("order")
		e.send(e.event("order", "a"), e.event("order", "b"), e.event("order", "c"))
		e.commit(t, take(t))
		e.turnWith("order", "a", "b", "c")
	}},
	{"a commit consumes what it says and leaves the others for the next turn", p4, func(e *env) {
		e.running("order", nil)
		e.send(e.event("order", "a"), e.event("order", "b"), e.event("order", "c"))
		t := e.turnWith("order", "a", "b", "c")
		e.send(e.event("order", "d"))
		e.commit(t, takeSome(t, 2))
		t = e.turnWith("order", "c", "d")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"a commit that consumes nothing leaves everything for the next turn", p4, func(e *env) {
		e.running("order", nil)
		e.send(e.event("order", "a"), e.event("order", "b"))
		t := e.turnWith("order", "a", "b")
		e.commit(t, nothing(t))
		t = e.turnWith("order", "a", "b")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"an instance without messages gets no turn", p4, func(e *env) {
		e.running("order", nil)
		e.noTurn()
	}},
	{"an instance that asked for another turn gets one without messages", pX, func(e *env) {
		e.running("order", func(d *draft) { d.Again = true })
		if !e.outstanding("order").Again {
			e.breaks("Outstanding does not say that another turn was asked for")
		}
		t := e.turnWith("order")
		e.commit(t, take(t))
		e.noTurn()
		if e.outstanding("order").Again {
			e.breaks("Outstanding still says that another turn was asked for, after that turn")
		}
	}},
	{"another turn that was asked for comes once, with the messages there are", pX, func(e *env) {
		e.send(e.start("order"))
		t := e.turnOf("order")
		e.send(e.event("order", "a"))
		d := take(t)
		d.Again = true
		e.commit(t, d)
		t = e.turnWith("order", "a")
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"a turn is committed once", p3, func(e *env) {
		e.send(e.start("order"))
		t := e.turnOf("order")
		d := take(t)
		e.commit(t, d)
		again := take(t).send(e.event("order", "from a lost turn"))
		e.wants(e.tryCommit(t, &again.Commit), provider.ErrLockLost, "committing a turn for the second time")
		e.wantHistory("order", d.Events)
		e.noTurn()
	}},
	{"of two commits of one turn at once one is applied", p3, func(e *env) {
		for n := range 20 {
			id := history.InstanceID(fmt.Sprintf("order-%d", n))
			e.send(e.start(id))
			t := e.turnOf(id)
			drafts := []*draft{take(t), take(t), take(t)}
			var applied atomic.Int32
			e.together(len(drafts), func(i int) error {
				err := e.tryCommit(t, &drafts[i].Commit)
				if err == nil {
					applied.Add(1)
				} else if !errors.Is(err, provider.ErrLockLost) {
					return fmt.Errorf("one of several commits of one turn: %w, want an error that says that the lock is lost", err)
				}
				return nil
			})
			if applied.Load() != 1 {
				e.breaks("%d of 3 commits of one turn were applied, want 1", applied.Load())
			}
			if got := len(e.history(id)); got != 1 {
				e.breaks("the history has %d events, want 1", got)
			}
		}
	}},
	{"NextTurn blocks, and a message wakes it", p11, func(e *env) {
		for n := range 20 {
			id := history.InstanceID(fmt.Sprintf("order-%d", n))
			got := e.awaitTurn()
			e.send(e.start(id))
			t, err := got()
			e.wants(err, nil, "taking a turn that began to wait before the message was sent")
			e.commit(t, take(t))
			got = e.awaitTurn()
			e.send(e.event(id, "a"))
			t, err = got()
			e.wants(err, nil, "taking a turn that began to wait before the message was sent")
			e.wantNames(t.Messages, "a")
			e.commit(t, take(t))
		}
	}},
	{"NextTurn blocks, and a commit's message wakes it", p11, func(e *env) {
		e.running("b", nil)
		e.send(e.start("a"))
		t := e.turnOf("a")
		got := e.awaitTurn()
		e.commit(t, take(t).send(e.event("b", "hello")))
		t, err := got()
		e.wants(err, nil, "taking a turn that began to wait before the commit")
		e.wantNames(t.Messages, "hello")
	}},
	{"NextTurn ends when its context does", p11, func(e *env) {
		ctx, cancel := context.WithCancel(e.Context())
		got := async(e, func(context.Context) (*provider.Turn, error) { return e.host.NextTurn(ctx) })
		cancel()
		_, err := got()
		e.wants(err, context.Canceled, "NextTurn whose context was cancelled")
		past, stop := context.WithDeadline(e.Context(), time.Unix(0, 0))
		defer stop()
		_, err = e.host.NextTurn(past)
		e.wants(err, context.DeadlineExceeded, "NextTurn whose deadline has passed")
	}},
	{"a NextTurn that is given up loses no turn", p4, func(e *env) {
		const n = 200
		var held []history.InstanceID
		for i := range n {
			ctx, cancel := context.WithCancel(e.Context())
			got := async(e, func(context.Context) (*provider.Turn, error) { return e.host.NextTurn(ctx) })
			go cancel() // races with the message
			e.send(e.start(history.InstanceID(fmt.Sprintf("order-%d", i))))
			t, err := got()
			switch {
			case err == nil:
				held = append(held, t.Instance.ID)
			case !errors.Is(err, context.Canceled):
				e.wants(err, context.Canceled, "NextTurn whose context was cancelled")
			}
		}
		for len(held) < n {
			held = append(held, e.turn().Instance.ID)
		}
		slices.Sort(held)
		if got := len(slices.Compact(held)); got != n {
			e.breaks("%d of %d instances got a turn", got, n)
		}
	}},
	{"callers at the same time get different instances", p3, func(e *env) {
		const n = 40
		for i := range n {
			e.send(e.start(history.InstanceID(fmt.Sprintf("order-%d", i))))
		}
		var mu sync.Mutex
		seen := map[history.InstanceID]int{}
		e.together(n, func(int) error {
			t, err := e.tryTurn(e.host)
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			if seen[t.Instance.ID]++; seen[t.Instance.ID] > 1 {
				return fmt.Errorf("%q was handed out twice", t.Instance.ID)
			}
			return nil
		})
		e.noTurn()
	}},
}
