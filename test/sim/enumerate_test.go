package sim

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/azure/azuretest"
)

var every = flag.Bool("sim.every", false, "give every fault to every request of the enumerated scenarios, rather than to a sample")

// scenarios are what faults are enumerated over.
var scenarios = []struct {
	name string
	run  func(ctx context.Context, c *clients)
}{
	{"sequence", func(ctx context.Context, c *clients) { runs(ctx, c, sequence, 3, "k-s", 6) }},
	{"fan-out with children", func(ctx context.Context, c *clients) { runs(ctx, c, fan, 3, "k-f", 12) }},
	{"event and timer race", func(ctx context.Context, c *clients) {
		won, err := begun(ctx, c, race, time.Hour, orchestration.StartOptions{ID: "k-won"})
		if err != nil {
			return
		}
		late, err := begun(ctx, c, race, 2*time.Second, orchestration.StartOptions{ID: "k-late"})
		if err != nil || !c.w.wait(ctx, time.Second) {
			return
		}
		if c.persist(ctx, func() error { return decision.Raise(ctx, c.client, won.ID(), "yes") }) == nil {
			gives(ctx, c, won, is("yes"))
			gives(ctx, c, late, is("timer"))
		}
	}},
}

// enumerated are the faults that each request gets.
var enumerated = []azuretest.Fault{
	azuretest.CrashBefore, azuretest.CrashAfter, azuretest.LostRequest, azuretest.LostAnswer, azuretest.Late,
}

// refusals are what a busy or broken service, and the network, do to them.
var refusals = []azuretest.Fault{azuretest.Busy, "throttle", "slow", "reset", "reset-after", "garbled"}

// TestEveryFaultAtEveryRequest gives one fault to one request, for each of them:
// whatever it is, the scenario ends right. Without -sim.every it takes a sample.
func TestEveryFaultAtEveryRequest(t *testing.T) { enumerate(t, enumerated, sampled(12, 1), false) }

// TestEveryRefusalAtEveryRequest is the same with what a busy, slow or broken service
// does: 503, 503 that asks to wait, an answer that comes late, a connection that
// breaks on the way there or back, an answer that makes no sense.
func TestEveryRefusalAtEveryRequest(t *testing.T) { enumerate(t, refusals, sampled(40, 1), false) }

// TestEveryFaultThroughTheSDK is both, of hosts that reach the account through the client
// of the Azure SDK, and a sample with -sim.every, too.
func TestEveryFaultThroughTheSDK(t *testing.T) {
	enumerate(t, slices.Concat(enumerated, refusals), sampled(150, 6), true)
}

// sampled is one of how many runs are made, without -sim.every and with it.
func sampled(some, all int) int {
	if *every {
		return all
	}
	return some
}

// enumerate gives faults to requests: one of so many combinations.
func enumerate(t *testing.T, faults []azuretest.Fault, sample int, http bool) {
	t.Helper()
	for i, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			requests := attempt(t, s.run, 0, "", http).requests
			runs := 0
			for n := 1; n <= requests; n++ {
				for f, fault := range faults {
					if draw(uint64(i), n, f).IntN(sample) > 0 {
						continue
					}
					runs++
					o := attempt(t, s.run, n, fault, http)
					if len(o.wrong) > 0 {
						o.seed(t, fmt.Sprintf("%s at request %d", fault, n))
						if *stop {
							return
						}
					}
				}
			}
			t.Logf("%d requests, %d runs", requests, runs)
		})
	}
}

// seed reports a run that went wrong.
func (o *outcome) seed(t *testing.T, what string) {
	t.Helper()
	t.Errorf("%s: %v", what, o.wrong)
	if *traced {
		for _, l := range o.trace {
			t.Log(l)
		}
	}
}

// attempt runs a scenario on two hosts, where the nth request since it began has
// a fault. What is killed starts again.
func attempt(t *testing.T, scenario func(context.Context, *clients), n int, fault azuretest.Fault, http bool) (o outcome) {
	inBubble(t, 1, func(t *testing.T) {
		w := newWorld(1, azuretest.Config{Partitions: 3, TTL: 3 * time.Second, TraceLines: max(*lines, 2_000), HTTP: http})
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		w.start(ctx)
		w.start(ctx)
		c := w.enter(ctx)
		w.wait(ctx, 10*time.Second) // all partitions are served, and balanced
		began := w.account.Requests()
		if n > 0 {
			w.account.Fail(n, fault)
		}
		done := make(chan none)
		w.ended.Go(func() { w.replace(ctx, 2, done) })
		for {
			if c = c.served(ctx, scenario); c == nil {
				break
			}
		}
		close(done)
		if n > 0 && w.account.Failed(fault) != 1 && (fault != azuretest.Late || w.account.Failed("reset") != 1) { // a read that is late is none
			w.failed("%s did not come: the run shows nothing", fault)
		}
		o.before, o.requests = began, w.account.Requests()-began
		if ctx.Err() != nil {
			w.failed("it did not end in time")
		} else {
			w.account.Calm()
			for len(w.running()) < 2 && w.start(ctx) != nil {
			}
			w.audit(ctx, w.users)
		}
		for _, h := range w.running() {
			h.leave()
		}
		o.wrong = slices.Concat(w.wrong, w.account.Violations())
		o.trace, o.noted = w.account.Trace(), w.noted
		w.close()
	})
	return o
}

// served runs a scenario. It returns nothing when that is over, and the clients
// of another process if theirs was killed.
func (c *clients) served(ctx context.Context, scenario func(context.Context, *clients)) *clients {
	alive, cancel := context.WithCancel(ctx)
	defer cancel()
	over := make(chan none)
	go func() {
		defer close(over)
		select {
		case <-c.process.Killed():
			cancel()
		case <-alive.Done():
		}
	}()
	scenario(alive, c)
	killed := alive.Err() != nil && ctx.Err() == nil
	cancel()
	<-over
	_ = c.process.Close() // of a process that may be dead
	if killed {
		return c.w.enter(ctx)
	}
	return nil
}

// replace starts hosts when some were killed, a while later.
func (w *world) replace(ctx context.Context, want int, done <-chan none) {
	for {
		for len(w.running()) < want {
			w.wait(ctx, 5*time.Second)
			if ctx.Err() != nil || len(w.running()) >= want || w.start(ctx) == nil {
				return
			}
		}
		select {
		case <-done:
			return
		case <-time.After(500 * time.Millisecond):
		}
	}
}
