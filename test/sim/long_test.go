package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// Activities that outlive hand-overs and hosts: they take up to a minute, report
// progress, and run here or wherever the tag is served.

// far is the tag that some hosts serve.
const far = "far"

var (
	busy  = orchestration.Declare[load, int]("busy")
	watch = activity.Declare[shift, int]("watch")
)

// load is what keeps an instance busy.
type load struct {
	Watches []shift `json:"watches"`
	Steps   int     `json:"steps"` // one after another meanwhile: commits are under way all the time
}

// shift is one watch.
type shift struct {
	Ticks int  `json:"ticks"` // seconds
	Far   bool `json:"far"`
	Fails bool `json:"fails"` // at the first attempt, when all is done
	Bulk  int  `json:"bulk"`  // bytes that its progress has besides
}

// reached is the progress of a watch.
type reached struct {
	Ticked int    `json:"ticked"`
	Bulk   string `json:"bulk"`
}

func runBusy(c *octx, l load) (int, error) {
	var all []*orchestration.Future[int]
	for _, s := range l.Watches {
		var o activity.Options
		if s.Far {
			o.Tag = far
		}
		all = append(all, watch.Call(c, s, o, activity.Retry{MaxAttempts: 2}))
	}
	for i := range l.Steps {
		if _, err := step.Call(c, i).Await(); err != nil {
			return 0, err
		}
	}
	parts, err := orchestration.All(all...).Await()
	sum := 0
	for _, p := range parts {
		sum += p
	}
	return sum, err
}

// watch ticks once a second. It goes on where an earlier delivery or attempt
// left it.
func (h *host) watch(ctx context.Context, s shift) (int, error) {
	err := h.runs(ctx, func(info activity.Details) error {
		var before reached
		resumed, err := activity.Progress(ctx, &before)
		ticked := before.Ticked
		if err != nil || ticked < 0 || ticked > s.Ticks || resumed && len(before.Bulk) != s.Bulk {
			h.world.failed("the progress of %v is %d of %d, %v", idOf(info), ticked, s.Ticks, err)
		} else if resumed {
			h.world.count("progress resumed")
		}
		if at := h.world.effects.reached(idOf(info)); h.world.exact && ticked < at-h.world.late {
			h.world.failed("%v goes on at %d, and an earlier delivery or attempt had reached %d", idOf(info), ticked, at)
		}
		if info.Delivery > 1 && s.Far {
			h.world.count("remote work delivered again")
		}
		for ticked < s.Ticks {
			if err := h.takes(ctx, time.Second); err != nil {
				return err
			}
			ticked++
			if err := activity.Heartbeat(ctx, reached{ticked, strings.Repeat("x", s.Bulk)}); err != nil {
				return err
			}
			h.world.effects.reaches(idOf(info), ticked)
		}
		return nil
	})
	if err == nil && s.Fails && activity.Info(ctx).Attempt == 1 {
		return 0, fmt.Errorf("the first attempt fails after %d ticks", s.Ticks)
	}
	return s.Ticks, err
}

// keepsBusy has an instance wait for long activities while it does short ones.
func keepsBusy(ctx context.Context, c *clients, id string, r *rand.Rand) {
	l, sum := load{Steps: 5 + r.IntN(20)}, 0
	for range 1 + r.IntN(4) {
		s := shift{Ticks: 1 + r.IntN(8), Far: r.IntN(3) == 0, Fails: r.IntN(4) == 0}
		if s.Far {
			s.Bulk = s.Ticks % 3 * 30_000 // more than a message of a work queue takes
		}
		if r.IntN(2) == 0 {
			s.Ticks = 1 + r.IntN(45)
		}
		l.Watches = append(l.Watches, s)
		sum += s.Ticks
	}
	runs(ctx, c, busy, l, "k-"+id, sum)
}

// spreads has many short activities at once, whose completions come all the time.
func spreads(ctx context.Context, c *clients, id string, r *rand.Rand) {
	n := 10 + r.IntN(40)
	runs(ctx, c, wide, n, "k-"+id, n)
}

// TestBoundsOfProgress: an activity that was offered to others goes on where the host
// that was killed with it had left it, however large that is to say.
func TestBoundsOfProgress(t *testing.T) {
	for _, bulk := range []int{0, 60_000, 600_000} {
		t.Run(fmt.Sprint(bulk), func(t *testing.T) {
			inWorld(t, 3*time.Second, 4, func(ctx context.Context, w *world, c *clients) {
				for w.varied = true; !w.reaches() && ctx.Err() == nil; {
					w.start(ctx)
				}
				l := load{Watches: []shift{{Ticks: 45, Far: true, Bulk: bulk}}}
				h, err := begun(ctx, c, busy, l, orchestration.StartOptions{ID: "k-busy"})
				if err != nil {
					return
				}
				w.wait(ctx, 30*time.Second)
				for _, h := range w.running() {
					if h.far {
						h.kill()
					}
				}
				for !w.reaches() && ctx.Err() == nil {
					w.start(ctx)
				}
				gives(ctx, c, h, is(45))
				if again, resumed := w.counted("remote work delivered again"), w.counted("progress resumed"); again == 0 || resumed == 0 {
					w.failed("it was delivered again %d times, and went on %d times", again, resumed)
				}
			})
		})
	}
}

// TestBoundsOfProgressOfAFailure: where nothing is in the way, the next attempt goes
// on exactly where the one before has failed, wherever both run.
func TestBoundsOfProgressOfAFailure(t *testing.T) {
	for _, bulk := range []int{0, 60_000, 600_000} {
		t.Run(fmt.Sprint(bulk), func(t *testing.T) {
			inWorld(t, 3*time.Second, 2, func(ctx context.Context, w *world, c *clients) {
				w.exact = true
				for w.varied = true; !w.reaches() && ctx.Err() == nil; {
					w.start(ctx)
				}
				l := load{}
				for _, ticks := range []int{1, 5, 20} {
					l.Watches = append(l.Watches, shift{Ticks: ticks, Far: true, Fails: true, Bulk: bulk}, shift{Ticks: ticks, Fails: true, Bulk: bulk})
				}
				h, err := begun(ctx, c, busy, l, orchestration.StartOptions{ID: "k-busy"})
				if err != nil {
					return
				}
				w.wait(ctx, 3*time.Second)
				w.start(ctx) // partitions move to it, and activities go on where they were
				gives(ctx, c, h, is(52))
				if resumed := w.counted("progress resumed"); resumed != len(l.Watches) {
					w.failed("%d attempts went on where others had failed, and %d should", resumed, len(l.Watches))
				}
			})
		})
	}
}

// TestBoundsOfProgressOfAFormerOwner: what activities reach on a host from which their
// instances moved away is there when that host is killed.
func TestBoundsOfProgressOfAFormerOwner(t *testing.T) {
	for _, bulk := range []int{0, 600_000} {
		t.Run(fmt.Sprint(bulk), func(t *testing.T) {
			inWorld(t, 3*time.Second, 1, func(ctx context.Context, w *world, c *clients) {
				w.exact, w.late = true, 2 // one is on its way, and one waits for its second to pass
				var all []*orchestration.Handle[int]
				for i := range 8 {
					h, err := begun(ctx, c, busy, load{Watches: []shift{{Ticks: 60, Bulk: bulk}}}, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprint("k-busy-", i))})
					if err != nil {
						return
					}
					all = append(all, h)
				}
				w.wait(ctx, 3*time.Second)
				former := w.running()[0]
				w.start(ctx)
				w.wait(ctx, 30*time.Second) // half of the partitions moved to it long ago
				former.kill()
				for _, h := range all {
					gives(ctx, c, h, is(60))
				}
				if resumed := w.counted("progress resumed"); resumed != len(all) {
					w.failed("%d activities went on where others had left them, and %d should", resumed, len(all))
				}
			})
		})
	}
}
