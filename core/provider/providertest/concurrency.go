package providertest

import (
	"context"
	"fmt"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

var concurrencyProperties = []property{
	{"commits of many instances at once are each applied whole", p1, func(e *env) {
		const n, rounds = 64, 5
		ids := make([]history.InstanceID, n)
		for i := range ids {
			ids[i] = history.InstanceID(fmt.Sprint("order-", i))
			e.send(e.start(ids[i]))
		}
		want := map[history.InstanceID][]history.Event{}
		for round := range rounds {
			turns, drafts := make([]*provider.Turn, n), make([]*draft, n)
			for i := range turns {
				turns[i] = e.turn()
				id := turns[i].Instance.ID
				drafts[i] = take(turns[i]).set("round", quoted(fmt.Sprint(round))).send(e.event(id, fmt.Sprint(round)))
				want[id] = append(want[id], drafts[i].Events...)
			}
			e.together(n, func(i int) error { return e.tryCommit(turns[i], &drafts[i].Commit) })
		}
		for _, id := range ids {
			e.wantHistory(id, want[id])
			e.wantPayload("state", e.state(id, "round"), quoted(fmt.Sprint(rounds-1)))
		}
	}},
	{"a refused commit among many spoils no other", p1, func(e *env) {
		const n = 40
		turns, drafts := make([]*provider.Turn, n), make([]*draft, n)
		for i := range turns {
			e.send(e.start(history.InstanceID(fmt.Sprint("order-", i))))
			turns[i] = e.turn()
			drafts[i] = take(turns[i])
			if i%3 == 0 {
				drafts[i].Events[0].ID = 2
			}
		}
		e.together(n, func(i int) error {
			err := e.tryCommit(turns[i], &drafts[i].Commit)
			if refused := i%3 == 0; refused != (err != nil) {
				return fmt.Errorf("commit %d of %d should be refused: %v; its error: %w", i, n, refused, err)
			}
			return nil
		})
		for i := range n {
			events, err := e.tryHistory(turns[i].Instance.ID, 0, 0)
			if i%3 == 0 {
				if len(events) != 0 {
					e.breaks("a refused commit left %d events", len(events))
				}
				continue
			}
			e.wants(err, nil, "reading a history")
			if diff := sameEvents(events, drafts[i].Events); diff != "" {
				e.breaks("%q: %s", turns[i].Instance.ID, diff)
			}
		}
	}},
	{"instances that send to each other at once lose and double nothing", p4, func(e *env) {
		const n, each = 8, 10
		ids := make([]history.InstanceID, n)
		for i := range ids {
			ids[i] = history.InstanceID(fmt.Sprint("order-", i))
			e.running(ids[i], nil)
		}
		for _, id := range ids {
			e.send(e.event(id, "go"))
		}
		turns, drafts := make([]*provider.Turn, n), make([]*draft, n)
		for i := range turns {
			turns[i] = e.turn()
			drafts[i] = take(turns[i])
			for k := range each {
				for _, to := range ids {
					drafts[i].send(e.event(to, fmt.Sprintf("%s/%d", turns[i].Instance.ID, k)))
				}
			}
		}
		e.together(n, func(i int) error { return e.tryCommit(turns[i], &drafts[i].Commit) })
		for received := 0; received < n*n*each; {
			t := e.turn()
			e.commit(t, take(t))
			received += len(t.Messages)
		}
		e.noTurn()
		for _, id := range ids {
			next := map[string]int{}
			for _, event := range e.historyOf(id, 1, 2) {
				name := event.Data.(*history.EventRaised).Name
				sender := name[:len(name)-2]
				if want := fmt.Sprintf("%s/%d", sender, next[sender]); name != want {
					e.breaks("%q received %q, want %q next of that sender", id, name, want)
				}
				next[sender]++
			}
			if len(next) != n {
				e.breaks("%q heard of %d instances, want %d", id, len(next), n)
			}
		}
	}},
	{"purging, starting and running one id at once ends in a sound instance", p1, func(e *env) {
		ctx, stop := context.WithCancel(e.Context())
		var worker sync.WaitGroup
		var failed error
		worker.Go(func() {
			for {
				t, err := e.host.NextTurn(ctx)
				if err != nil {
					if ctx.Err() == nil {
						failed = err
					}
					return
				}
				_ = e.tryCommit(t, &take(t).finish().Commit) // a purge may have taken the lock
			}
		})
		starts := make([][]provider.Message, 4)
		for i := range starts {
			for range 25 {
				m := e.start("order")
				m.Start.Reuse = provider.ReuseReplace
				starts[i] = append(starts[i], m)
			}
		}
		e.together(len(starts), func(i int) error {
			for n, m := range starts[i] {
				if err := e.trySend(m); err != nil {
					return err
				}
				if n%5 == 4 {
					_ = e.tryPurge("order", true) // another one may have been faster
				}
			}
			return nil
		})
		final := e.start("order")
		final.Start.Reuse = provider.ReuseReplace
		e.send(final)
		i := e.waited(e.wait(provider.Until{Final: true}))
		stop()
		worker.Wait()
		e.wants(failed, nil, "taking turns")
		if i.RequestID != final.Start.RequestID || i.LastEvent != 2 {
			e.breaks("the instance is %+v, want the last one started, at event 2", i)
		}
		if got := len(e.history("order")); got != 2 {
			e.breaks("the history has %d events, want 2", got)
		}
		e.noTurn()
	}},
	{"a bounded stress consumes every message exactly once", p4, func(e *env) {
		stress(e, StressConfig{}.withDefaults())
	}},
}
