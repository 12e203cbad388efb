package providertest

import (
	"fmt"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// sessionProperties are about hosts that are a [provider.SessionKeeper].
var sessionProperties = []property{
	{"the activities of a session are handed out in one process", pX, func(e *env) {
		e.needsSessions()
		e.needsSharedClients()
		e.needsManyHosts()
		second := e.join(e.attach(), everything("second"))
		defer e.leave(second)
		const instances = 16
		for n := range instances {
			e.send(e.start(history.InstanceID(fmt.Sprint("order-", n))))
		}
		by := workInSessions(e, []provider.Host{e.host, second}, 2*instances)
		for session, hosts := range by {
			if len(hosts) != 1 {
				e.breaks("the activities of session %s were handed out by %v, want one host", session, hosts)
			}
		}
	}},
	{"a session outlives the process that had it", pX, func(e *env) {
		e.needsSessions()
		e.running("order", func(d *draft) { scheduleIn(d, "one") })
		e.activityOf("order", 1, 2)
		e.rejoin(everything("next"))
		e.complete(e.activityOf("order", 1, 2))
		e.turnWith("order", "completed 2")
	}},
}

func (e *env) needsSessions() {
	if k, ok := e.host.(provider.SessionKeeper); !ok || k.KeepsSessions() <= 0 {
		e.Skip("the host keeps no sessions: it is no provider.SessionKeeper")
	}
}

// scheduleIn schedules an activity in a session.
func scheduleIn(d *draft, session string) {
	d.schedule("charge")
	d.Activities[len(d.Activities)-1].Session = session
}

// workInSessions lets hosts work until they were handed so many activities. Each
// instance begins with one in each of two sessions. It counts the activities of
// each session by host.
func workInSessions(e *env, hosts []provider.Host, n int) map[string]map[int]int {
	ctx, cancel := e.context()
	defer cancel()
	var mu sync.Mutex
	by := map[string]map[int]int{"one": {}, "two": {}}
	note := func(session string, host int) {
		mu.Lock()
		defer mu.Unlock()
		by[session][host]++
		if n--; n == 0 {
			cancel()
		}
	}
	var all sync.WaitGroup
	for i, h := range hosts {
		all.Go(func() {
			for {
				t, err := h.NextTurn(ctx)
				if err != nil {
					return
				}
				d := take(t)
				if t.Instance.LastEvent == 0 {
					scheduleIn(d, "one")
					scheduleIn(d, "two")
				}
				if err := h.CommitTurn(ctx, t, &d.Commit); err != nil && ctx.Err() == nil {
					e.Errorf("committing a turn of %q: %v", t.Instance.ID, err)
				}
			}
		})
		all.Go(func() {
			for {
				t, err := h.NextActivity(ctx)
				if err != nil {
					return
				}
				note(t.Activity.Session, i)
				if err := h.CompleteActivity(ctx, t, completion(t)); err != nil && ctx.Err() == nil {
					e.Errorf("completing activity %v: %v", t.ID, err)
				}
			}
		})
	}
	all.Wait()
	if n > 0 {
		e.breaks("%d activities were not handed out", n)
	}
	return by
}
