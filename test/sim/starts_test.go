package sim

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/azuretest"
)

// TestOfTwoClientsThatStartOneIDAtOnceOneDoes: while requests are lost, late and
// repeated, each of two processes asks for an instance of its own under one id.
// One of them gets it, the other is told so, and it runs once.
func TestOfTwoClientsThatStartOneIDAtOnceOneDoes(t *testing.T) {
	inWorld(t, 3*time.Second, 2, func(ctx context.Context, w *world, c *clients) {
		const ids = 24
		users := []*clients{c, w.enter(ctx)}
		w.users = c
		defer users[1].process.Close() //nolint:errcheck // it was only used
		t.Log(w.account.Swarm(5, azuretest.LostRequest, azuretest.LostAnswer, azuretest.Late, azuretest.Busy))
		trouble := time.AfterFunc(time.Minute, w.account.Calm)
		defer trouble.Stop()
		var all sync.WaitGroup
		for i := range ids {
			id := history.InstanceID(fmt.Sprint("k-contested-", i))
			all.Go(func() {
				var both sync.WaitGroup
				var errs [2]error
				var got [2]int
				for n, u := range users {
					both.Go(func() {
						w.wait(ctx, time.Duration(n*i)*time.Millisecond) // the second from at once to a little later
						h, err := begun(ctx, u, sequence, n+1, orchestration.StartOptions{ID: id, RequestID: fmt.Sprint("request of ", n)})
						if errs[n] = err; err != nil {
							h = sequence.Handle(u.client, id)
						}
						if got[n], err = h.Wait(ctx); err != nil {
							w.failed("%s failed: %v", id, err)
						}
					})
				}
				both.Wait()
				sums := []int{1, 3} // of one step, and of two
				for n, err := range errs {
					won := got[n] == sums[n]
					if got[0] != got[1] || won != (err == nil) || !won && !errors.Is(err, provider.ErrExists) {
						w.failed("client %d asked for %s and was told %v; it gave %v", n, id, err, got)
					}
				}
				c.saw(ctx, id)
			})
		}
		all.Wait()
		w.account.Calm()
		if w.account.Failed(azuretest.Late)+w.account.Failed(azuretest.LostAnswer) == 0 {
			w.failed("no request suffered: the test shows nothing")
		}
	})
}

// TestAStartThatComesAfterAPurgeStartsNothing: the first copy of a start takes
// seconds; its client repeats it at once, and the instance ends and is purged
// before the first copy comes.
func TestAStartThatComesAfterAPurgeStartsNothing(t *testing.T) {
	inWorld(t, 3*time.Second, 1, func(ctx context.Context, w *world, c *clients) {
		w.effects.fast = true
		other := w.enter(ctx)
		w.users = c
		defer other.process.Close() //nolint:errcheck // it was only used
		for i := range 4 {
			o := orchestration.StartOptions{ID: history.InstanceID(fmt.Sprint("p-late-", i)), RequestID: "first"}
			if i%2 == 1 { // the one whose start is late gives up, and another comes first
				brief, giveUp := context.WithCancel(ctx)
				giveUp()
				w.account.Fail(1, azuretest.Late)
				if _, err := sequence.Start(brief, core.NewClient(other.process, core.ClientConfig{}), 1, o); err == nil {
					w.failed("a client that gave up was told that it has started something")
				}
				o.RequestID = "second"
			} else {
				w.account.Fail(1, azuretest.Late)
			}
			h, err := sequence.Start(ctx, c.client, 1, o)
			if err != nil {
				w.failed("starting %s: %v", o.ID, err)
				return
			}
			gives(ctx, c, h, is(1))
			if err := c.persist(ctx, func() error { return c.client.Purge(ctx, o.ID) }); err != nil {
				w.failed("purging %s: %v", o.ID, err)
			}
			c.absent(ctx, o.ID)
			w.wait(ctx, 10*time.Second) // by now the first copy has come
			c.absent(ctx, o.ID)
		}
		if n := w.account.Failed(azuretest.Late); n != 4 {
			w.failed("%d starts were late, want 4", n)
		}
		if n := len(w.effects.runs()); n != 4 {
			w.failed("4 instances of one activity ran %d", n)
		}
	})
}
