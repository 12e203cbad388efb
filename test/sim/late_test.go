package sim

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// TestBoundsOfLateCopies: a copy that the network held back for however long is
// not applied again, and goes to the dead letters when what was applied may be
// forgotten by then.
func TestBoundsOfLateCopies(t *testing.T) {
	for by, dead := range map[time.Duration]int{time.Minute: 0, 14 * time.Minute: 0, 16 * time.Minute: 1, 40 * time.Minute: 1, 90 * time.Minute: 1} {
		t.Run(by.String(), func(t *testing.T) {
			inWorld(t, 15*time.Second, 2, func(ctx context.Context, w *world, c *clients) {
				w.effects.fast, w.dead = true, dead
				h, err := begun(ctx, c, counter, tally{Each: 3, Lasts: 1}, orchestration.StartOptions{ID: history.InstanceID("k-counter")})
				if err != nil {
					return
				}
				put := func(n int) {
					if err := numbers.Put(ctx, c.client, h.ID(), n); err != nil {
						w.failed("putting %d: %v", n, err)
					}
				}
				put(0)
				c.process.Late(by) // a copy of what is sent next
				put(1)
				n := 2
				for began := time.Now(); time.Since(began) < by+time.Minute; n++ { // for what was consumed to be forgotten
					put(n)
					w.wait(ctx, 2*time.Minute)
				}
				put(last)
				gives(ctx, c, h, func(got []int) bool {
					for i := range got {
						if got[i] != i {
							return false
						}
					}
					return len(got) == n
				})
			})
		})
	}
}

// TestBoundsOfLateOrders: a purge that was answered "it has not ended", and comes
// once more when it has, removes nothing.
func TestBoundsOfLateOrders(t *testing.T) {
	for _, by := range []time.Duration{10 * time.Second, 14 * time.Minute, 40 * time.Minute} {
		t.Run(by.String(), func(t *testing.T) {
			inWorld(t, 15*time.Second, 2, func(ctx context.Context, w *world, c *clients) {
				w.effects.fast = true
				h, err := begun(ctx, c, counter, tally{Each: 3, Lasts: 1}, orchestration.StartOptions{ID: history.InstanceID("k-counter")})
				if err != nil {
					return
				}
				c.process.Late(by) // a copy of what is sent next
				if err := c.process.Purge(ctx, h.ID(), false); !errors.Is(err, provider.ErrConflict) {
					w.failed("purging what has not ended: %v", err)
				}
				if err := numbers.Put(ctx, c.client, h.ID(), last); err != nil {
					w.failed("ending it: %v", err)
				}
				gives(ctx, c, h, func(got []int) bool { return len(got) == 0 })
				w.wait(ctx, by+time.Minute)
				if _, err := c.process.Instance(ctx, h.ID()); err != nil {
					w.failed("the instance, after a purge that was refused: %v", err)
				}
			})
		})
	}
}

// TestBoundsOfLateStarts: a copy of a start that the network held back until its
// instance has run, was purged, and is forgotten brings nothing back. It goes to the
// dead letters, since it may be the first.
func TestBoundsOfLateStarts(t *testing.T) {
	for by, dead := range map[time.Duration]int{time.Hour: 0, 26 * time.Hour: 1} {
		t.Run(by.String(), func(t *testing.T) {
			inWorld(t, 15*time.Second, 1, func(ctx context.Context, w *world, c *clients) {
				w.effects.fast, w.dead = true, dead
				c.process.Late(by) // a copy of what is sent next
				h, err := begun(ctx, c, sequence, 2, orchestration.StartOptions{ID: "p-once"})
				if err != nil {
					return
				}
				gives(ctx, c, h, is(3))
				if err := c.client.Purge(ctx, h.ID()); err != nil {
					w.failed("purging it: %v", err)
				}
				w.wait(ctx, by+10*time.Minute)
				c.absent(ctx, h.ID())
			})
		})
	}
}
