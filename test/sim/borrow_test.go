package sim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/azuretest"
)

// Clients that take a partition for the moment, and must not be in the way of hosts.

// TestBoundsOfDeathForAClientAlone: when the last host was killed a client does what
// it asked for itself, as soon as another host would have taken over, whether it asked
// before or after.
func TestBoundsOfDeathForAClientAlone(t *testing.T) {
	for _, ttl := range []time.Duration{3 * time.Second, 15 * time.Second} {
		for seed := uint64(1); seed <= 6; seed++ {
			t.Run(fmt.Sprintf("%v/%d", ttl, seed), func(t *testing.T) {
				inWorldOf(t, seed, ttl, 1, func(ctx context.Context, w *world, c *clients) {
					w.effects.slow = time.Minute
					all := c.spread(ctx, "runs", 6, 1)
					r := draw(seed, "client alone")
					w.wait(ctx, ttl+time.Duration(r.Int64N(int64(ttl))))
					h := w.running()[0]
					var asked sync.WaitGroup
					ask := func(i int) {
						asked.Go(func() {
							began := time.Now()
							if err := c.process.Purge(ctx, all[i].ID(), false); !errors.Is(err, provider.ErrConflict) {
								w.failed("purging what runs: %v", err)
							}
							if took, most := time.Since(began), ttl+ttl/3+2*time.Second; took > most {
								w.failed("a client was served %v after it had asked for what a killed host had, at most %v", took, most)
							}
						})
					}
					if seed%2 == 0 {
						ask(0) // it is under way when the host dies
						w.wait(ctx, 5*time.Millisecond)
					}
					h.kill()
					for i := range all[1:] {
						ask(i + 1)
					}
					asked.Wait()
					w.start(ctx)
					for _, h := range all {
						gives(ctx, c, h, is(1))
					}
				})
			})
		}
	}
}

// TestBoundsOfJoiningWhileClientsPurge: clients leave what nobody owns to a host that
// has come. It has all partitions at once, but for what a client had at that moment,
// for which it looks again after the grace.
func TestBoundsOfJoiningWhileClientsPurge(t *testing.T) {
	const ttl, most = 15 * time.Second, 2500 * time.Millisecond
	for seed := uint64(1); seed <= 3; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			inWorldOf(t, seed, ttl, 1, func(ctx context.Context, w *world, c *clients) {
				w.effects.slow = 10 * time.Minute
				all := c.spread(ctx, "runs", 12, 1)
				w.wait(ctx, time.Second)
				w.running()[0].leave()
				stop := w.purgesAgain(ctx, c, all, 300*time.Millisecond)
				w.wait(ctx, time.Second+time.Duration(draw(seed, "join").Int64N(int64(time.Second))))
				began, before := time.Now(), w.account.Owners()
				w.start(ctx)
				took := w.untilOwned(ctx, began)
				if t.Logf("it took %v, and heads were written %d times", took, claims(w.account.Owners())-claims(before)); took > most {
					w.failed("a host that came had all partitions after %v, at most %v", took, most)
				}
				stop()
				for _, h := range all {
					gives(ctx, c, h, is(1))
				}
			})
		})
	}
}

// purgesAgain purges what runs, again and again, until it is stopped. Each try gets
// little time, so that many begin.
func (w *world) purgesAgain(ctx context.Context, c *clients, all []*orchestration.Handle[int], each time.Duration) (stop func()) {
	purging, end := context.WithCancel(ctx)
	var purges sync.WaitGroup
	for _, h := range all {
		purges.Go(func() {
			for w.wait(purging, 5*time.Millisecond) {
				hasty, cancel := context.WithTimeout(purging, each)
				_ = c.process.Purge(hasty, h.ID(), false)
				cancel()
			}
		})
	}
	return func() {
		end()
		purges.Wait()
	}
}

// untilOwned waits until hosts own all partitions, for a while, and returns how long
// that took.
func (w *world) untilOwned(ctx context.Context, began time.Time) time.Duration {
	for ctx.Err() == nil && time.Since(began) < 10*time.Second && slices.ContainsFunc(w.account.Owners(), func(o azuretest.Owner) bool { return !ownedByHost(o) }) {
		w.wait(ctx, time.Millisecond)
	}
	return time.Since(began)
}

func ownedByHost(o azuretest.Owner) bool {
	return o.Incarnation != "" && !strings.HasPrefix(o.Incarnation, "client-")
}

// TestBoundsOfHandOverWhileClientsPurge: clients do not take what is on its way from
// host to host.
func TestBoundsOfHandOverWhileClientsPurge(t *testing.T) {
	inWorld(t, 15*time.Second, 3, func(ctx context.Context, w *world, c *clients) {
		w.effects.slow = 10 * time.Second
		all := c.spread(ctx, "runs", 12, 3)
		done, watched := make(chan none), make(chan time.Duration)
		go func() { watched <- w.watch(done) }()
		stop := w.purgesAgain(ctx, c, all, 60*time.Millisecond)
		w.running()[0].leave()
		w.wait(ctx, 200*time.Millisecond)
		stop()
		w.wait(ctx, 5*time.Second)
		close(done)
		most := <-watched
		if most == 0 || most > 500*time.Millisecond {
			w.failed("from a release to the claim passed %v, at most 500 ms", most)
		}
		for _, h := range all {
			gives(ctx, c, h, is(6))
		}
	})
}
