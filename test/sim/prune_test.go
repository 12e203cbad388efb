package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Loops that continue as new, and keep the histories of some executions only.

var loop = orchestration.Declare[laps, int]("loop")

// laps are what a loop has before it.
type laps struct {
	Left  int `json:"left"`  // executions after this one
	Keep  int `json:"keep"`  // of them, 0 for all
	Every int `json:"every"` // so many executions one has an activity
	Sum   int `json:"sum"`   // of executions
}

func runLoop(c *octx, l laps) (int, error) {
	l.Sum++
	if l.Every > 0 && l.Left%l.Every == 0 {
		if _, err := step.Call(c, l.Left).Await(); err != nil {
			return 0, err
		}
	}
	if l.Left == 0 {
		return l.Sum, nil
	}
	l.Left--
	return loop.ContinueAsNew(c, l, orchestration.ContinueOptions{Keep: l.Keep})
}

// keepsFew runs a loop that prunes.
func keepsFew(ctx context.Context, c *clients, id string, r *rand.Rand) {
	l := laps{Left: 16 + r.IntN(60), Keep: 1 + r.IntN(6), Every: 1 + r.IntN(6)}
	runs(ctx, c, loop, l, "k-"+id, l.Left+1)
	c.pruned(ctx, history.InstanceID("k-"+id), l)
}

// pruned checks what a loop that has ended shows.
func (c *clients) pruned(ctx context.Context, id history.InstanceID, l laps) {
	var i *provider.Instance
	err := c.persist(ctx, func() (err error) {
		i, err = c.client.Status(ctx, id)
		return err
	})
	want := int64(0)
	if l.Keep > 0 {
		want = max(0, int64(l.Left+1-l.Keep))
	}
	if ctx.Err() == nil && (err != nil || i.Pruned != want) {
		c.w.failed("of %s executions up to %d are to be pruned, and it is %+v, %v", id, want, i, err)
	}
}

// beginsAgain replaces loops that prune by others, which have executions with the
// same numbers: at their end, when rows of them are just about to go, or while they
// run. The last one keeps everything.
func beginsAgain(ctx context.Context, c *clients, id string, r *rand.Rand) {
	o := orchestration.StartOptions{ID: history.InstanceID("p-" + id)}
	for n := range 1 + r.IntN(3) {
		l := laps{Keep: 1 + r.IntN(4), Every: r.IntN(2) * (1 + r.IntN(20))}
		l.Left = 16*(1+r.IntN(2)) + l.Keep - 1
		h, err := begun(ctx, c, loop, l, o)
		if err != nil {
			return
		}
		switch r.IntN(3) {
		case 0:
			gives(ctx, c, h, is(l.Left+1))
			c.pruned(ctx, o.ID, l)
			if c.persist(ctx, func() error { return c.client.Purge(ctx, o.ID) }) == nil {
				c.absent(ctx, o.ID)
			}
		case 1:
			gives(ctx, c, h, is(l.Left+1))
		default:
			if !c.w.wait(ctx, time.Duration(r.Int64N(int64(3*time.Second)))) {
				return
			}
		}
		o.RequestID, o.Reuse = fmt.Sprint(id, "-", n), provider.ReuseReplace
	}
	l := laps{Left: 20 + r.IntN(20)}
	if h, err := begun(ctx, c, loop, l, o); err == nil {
		gives(ctx, c, h, is(l.Left+1))
		c.pruned(ctx, o.ID, l)
	}
}

// pruneScenarios are those in which rows of pruned executions are removed.
var pruneScenarios = []struct {
	name     string
	removals int // requests for them, at least
	run      func(ctx context.Context, c *clients)
}{
	{"at three times", 6, func(ctx context.Context, c *clients) {
		l := laps{Left: 52, Keep: 2, Every: 1}
		runs(ctx, c, loop, l, "k-loop", l.Left+1)
		c.pruned(ctx, "k-loop", l)
	}},
	{"while the instance is replaced", 2, func(ctx context.Context, c *clients) {
		l := laps{Left: 18, Keep: 3} // the last time that it continues 16 are pruned
		_, err := begun(ctx, c, loop, l, orchestration.StartOptions{ID: "p-loop"})
		for err == nil && c.w.wait(ctx, 20*time.Millisecond) {
			if i, err := c.client.Status(ctx, "p-loop"); err == nil && (i.Pruned >= 16 || i.RequestID == "again") {
				break
			}
		}
		l = laps{Left: 20}
		h, err := begun(ctx, c, loop, l, orchestration.StartOptions{ID: "p-loop", RequestID: "again", Reuse: provider.ReuseReplace})
		if err == nil {
			gives(ctx, c, h, is(l.Left+1))
			c.w.wait(ctx, 10*time.Second) // what looks for rows of the first one has ended
		}
	}},
}

var removing = regexp.MustCompile(` #([0-9]+)/[0-9]+ host-\S+ (scan \S+ h:[kp]-loop:|transact \S+ merge:head@\S+ delete:h:[kp]-loop:)`)

// TestEveryFaultWhereHistoriesArePruned gives each fault to each request that
// removes rows: none is removed that was kept, nor of the next instance of the id;
// and the next removal makes up for what one did not do.
func TestEveryFaultWhereHistoriesArePruned(t *testing.T) {
	for _, s := range pruneScenarios {
		t.Run(s.name, func(t *testing.T) {
			whole := attempt(t, s.run, 0, "", false)
			var requests []int
			for _, l := range whole.trace {
				if m := removing.FindStringSubmatch(l); m != nil {
					n, err := strconv.Atoi(m[1])
					if err != nil {
						t.Fatal(err)
					}
					requests = append(requests, n-whole.before)
				}
			}
			if len(requests) < s.removals || len(whole.wrong) > 0 {
				t.Fatalf("rows are removed by requests %v, want %d of them: %v", requests, s.removals, whole.wrong)
			}
			for _, n := range requests {
				for _, fault := range enumerated {
					o := attempt(t, s.run, n, fault, false)
					for _, note := range o.noted {
						if strings.Contains(note, "are there still") {
							o.wrong = append(o.wrong, note)
						}
					}
					if len(o.wrong) > 0 {
						o.seed(t, fmt.Sprintf("%s at request %d", fault, n))
					}
				}
			}
			t.Logf("requests %v", requests)
		})
	}
}
