package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
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
		ticked := 0
		if resumed, err := activity.Progress(ctx, &ticked); err != nil || ticked < 0 || ticked > s.Ticks {
			h.world.failed("the progress of %v is %d of %d, %v", idOf(info), ticked, s.Ticks, err)
		} else if resumed {
			h.world.count("progress resumed")
		}
		if info.Delivery > 1 && s.Far {
			h.world.count("remote work delivered again")
		}
		for ticked < s.Ticks {
			if err := h.takes(ctx, time.Second); err != nil {
				return err
			}
			ticked++
			if err := activity.Heartbeat(ctx, ticked); err != nil {
				return err
			}
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
