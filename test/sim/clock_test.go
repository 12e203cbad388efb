package sim

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// TestAClockThatIsWrongByAnHourHarmsNothing: hosts whose clocks are an hour ahead
// and an hour behind serve the hub together with one whose clock is right; what
// lives on one goes on another when that is killed. Timers fire at their time by
// the service's clock, which is the right one here; times are near it, too; and
// nobody takes anything from anybody.
func TestAClockThatIsWrongByAnHourHarmsNothing(t *testing.T) {
	const ttl, late = 15 * time.Second, 5 * time.Second
	for name, skews := range map[string][]time.Duration{
		"one ahead":                {time.Hour, 0, 0},
		"one behind":               {-time.Hour, 0, 0},
		"one ahead and one behind": {time.Hour, -time.Hour, 0},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, ttl, len(skews), func(ctx context.Context, w *world, c *clients) {
				w.effects.fast = true
				for i, h := range w.running() {
					h.process.Skew(skews[i]) // in the middle of its life, as when somebody sets it
				}
				w.wait(ctx, 2*time.Minute) // balancing has ended, and everybody has compared clocks
				before := claims(w.account.Owners())
				run := func(name string, patience time.Duration, meanwhile func()) {
					began := time.Now()
					var all []*orchestration.Handle[string]
					for i := range 24 { // in every partition
						h, err := begun(ctx, c, race, patience, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprintf("k-%s-%d", name, i))})
						if err != nil {
							return
						}
						all = append(all, h)
					}
					meanwhile()
					for _, h := range all {
						gives(ctx, c, h, is("timer"))
						i := c.ended[h.ID()]
						due := i.Created.Add(patience)
						if i.Created.Before(began.Add(-time.Second)) || i.Created.After(began.Add(late)) || i.Finished.Before(due) || i.Finished.After(due.Add(late+2*ttl)) {
							w.failed("%s began at %v and ended at %v, with a timer of %v; the start was sent at %v", h.ID(), i.Created, i.Finished, patience, began)
						}
						if now := time.Now(); now.Before(due) || i.Finished.After(now.Add(time.Second)) {
							w.failed("%s has ended at %v, its timer is due at %v, and it is %v", h.ID(), i.Finished, due, now)
						}
					}
				}
				run("still", 10*time.Minute, func() {})
				if after := claims(w.account.Owners()); after != before {
					w.failed("hosts claimed %d partitions although nothing but a clock was wrong", after-before)
				}
				run("moved", 5*time.Minute, func() {
					w.wait(ctx, time.Minute)
					w.running()[0].kill() // the first, whose clock is wrong
				})
			})
		})
	}
}
