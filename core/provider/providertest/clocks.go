package providertest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// deadLetterProperties are about messages that could not be applied.
var deadLetterProperties = []property{
	{"a message whose instance is not started in time becomes a dead letter that says why", p4, func(e *env) {
		e.needsImpatience()
		sent := []provider.Message{e.event("nobody", "a"), e.event("nobody", "b")}
		e.send(sent...)
		letters := e.deadLetters(2)
		if len(letters) != 2 {
			e.breaks("%d dead letters, want 2", len(letters))
		}
		for n, letter := range letters {
			if diff := sameMessage(letter.Message, sent[n]); diff != "" {
				e.breaks("dead letter %d: %s", n, diff)
			}
			if !strings.Contains(letter.Reason, "nobody") || letter.Time.IsZero() {
				e.breaks("dead letter %d has the reason %q and the time %v, want one that names the instance, and a time", n, letter.Reason, letter.Time)
			}
		}
		e.send(e.start("nobody"))
		t := e.turnWith("nobody", "start") // and is handed over no more
		e.commit(t, take(t))
		e.noTurn()
	}},
	{"dead letters come oldest first, as many as asked for", pX, func(e *env) {
		e.needsImpatience()
		for n := range 5 {
			e.send(e.event("nobody", fmt.Sprint(n)))
			e.deadLetters(n + 1)
		}
		ctx, cancel := e.context()
		defer cancel()
		letters, err := e.store.DeadLetters(ctx, 3)
		e.wants(err, nil, "reading 3 of 5 dead letters")
		var got []provider.Message
		for _, letter := range letters {
			got = append(got, letter.Message)
		}
		e.wantNames(got, "0", "1", "2")
	}},
}

func (e *env) needsImpatience() {
	e.Helper()
	if e.h.OpenImpatient == nil {
		e.Skip("the harness opens no hub that gives up on messages soon: Harness.OpenImpatient is nil")
	}
	e.use(e.h.OpenImpatient(e.TB))
}

// deadLetters waits until there are n.
func (e *env) deadLetters(n int) []provider.DeadLetter {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		letters, err := e.store.DeadLetters(ctx, 100)
		e.wants(err, nil, "reading the dead letters")
		if len(letters) >= n {
			return letters
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			e.breaks("%d dead letters after %v, want %d", len(letters), patience, n)
		}
	}
}

// clock is a hub's clock that can be set.
type clock struct {
	mu     sync.Mutex
	offset time.Duration
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset)
}

func (c *clock) set(offset time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.offset = offset
}

func (e *env) needsClock() *clock {
	e.Helper()
	if e.h.OpenWithClock == nil {
		e.Skip("the harness opens no hub with a clock of the suite: Harness.OpenWithClock is nil")
	}
	c := &clock{}
	e.use(e.h.OpenWithClock(e.TB, c.now))
	return c
}

// clockProperties are about clocks that are wrong, or step.
var clockProperties = []property{
	{"messages and turns keep their order when the clock steps back", p5, func(e *env) {
		c := e.needsClock()
		e.running("a", nil)
		e.running("b", nil)
		var want []string
		for n := range 10 {
			c.set(-time.Duration(n) * time.Hour)
			want = append(want, fmt.Sprint(n))
			e.send(e.event("a", want[n]))
		}
		e.send(e.event("b", "x"))
		t := e.turnWith("a", want...)
		c.set(-100 * time.Hour)
		e.turnWith("b", "x")
		e.release(t, provider.Release{})
		t = e.turnWith("a", want...)
		d := take(t).status(quoted("done"))
		e.commit(t, d)
		e.wantStatusOf("a", quoted("done"))
		e.noTurn()
	}},
	{"timers go by the hub's clock, whatever that of the caller says", p8, func(e *env) {
		c := e.needsClock()
		c.set(-time.Hour)
		e.running("order", func(d *draft) { d.timer(now()) }) // an hour away, says the hub
		e.noTurn()
		due := c.now().Add(20 * time.Millisecond)
		e.running("soon", func(d *draft) { d.timer(due) })
		e.turnWith("soon", "fired 2")
		if at := c.now(); at.Before(due) {
			e.breaks("the timer came %v early", due.Sub(at))
		}
	}},
	{"a timer does not fire early when the clock steps back after it was set", p8, func(e *env) {
		c := e.needsClock()
		e.running("order", func(d *draft) { d.timer(soon(20 * time.Millisecond)) })
		c.set(-time.Hour)
		if len(e.outstanding("order").Messages) > 0 {
			e.Skip("the machine was slower than the timer: it was due before the clock stepped back")
		}
		due := c.now().Add(40 * time.Millisecond)
		e.running("soon", func(d *draft) { d.timer(due) })
		e.turnWith("soon", "fired 2") // after the other one would have fired
		e.noTurn()
	}},
	{"a message sent again is the same one after the clock stepped back", p4, func(e *env) {
		c := e.needsClock()
		e.running("order", nil)
		m := e.event("order", "a")
		e.send(m)
		c.set(-24 * time.Hour)
		e.send(m)
		e.next("order", nil)
		e.send(m)
		c.set(-48 * time.Hour)
		e.send(m)
		e.noTurn()
	}},
	{"an instance ends as it should when the clock has stepped back", pX, func(e *env) {
		c := e.needsClock()
		e.running("order", nil)
		before := e.instance("order")
		c.set(-time.Hour)
		e.change(func(d *draft) { d.finish() })
		if i := e.instance("order"); !i.Created.Equal(before.Created) || i.Status != history.StatusCompleted || i.Finished.IsZero() {
			e.breaks("the instance went from %+v to %+v", before, i)
		}
	}},
}

// wantStatusOf demands a custom status.
func (e *env) wantStatusOf(id history.InstanceID, want history.Payload) {
	e.Helper()
	e.wantPayload("custom status", e.instance(id).CustomStatus, want)
}
