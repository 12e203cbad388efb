package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// Sessions: activities of one name run on one host. Whenever one begins, its host
// has the session's lease in storage, or others count that host as dead.

var (
	tour  = orchestration.Declare[trip, int]("tour") // 1 + … + n, in a session
	visit = activity.Declare[place, int]("visit")
)

type trip struct {
	Session string `json:"session"`
	N       int    `json:"n"`
}

type place struct {
	Session string `json:"session"`
	N       int    `json:"n"`
}

func runTour(c *octx, t trip) (int, error) {
	sum := 0
	for i := 1; i <= t.N; i++ {
		got, err := visit.Call(c, place{t.Session, i}, activity.Options{Session: t.Session}).Await()
		if err != nil {
			return 0, err
		}
		sum += got
	}
	return sum, nil
}

func (h *host) visit(ctx context.Context, p place) (int, error) {
	if has, lives := h.world.account.Session(p.Session, h.name); has != h.name && lives {
		h.world.failed("%v of session %s begins on %s, and the session is on %q", idOf(activity.Info(ctx)), p.Session, h.name, has)
	}
	h.world.count("session")
	return h.run(ctx, p.N)
}

// tours runs instances that share a session with others.
func tours(ctx context.Context, c *clients, id string, r *rand.Rand) {
	t := trip{Session: fmt.Sprint("s", r.IntN(3)), N: 2 + r.IntN(6)}
	h, err := begun(ctx, c, tour, t, orchestration.StartOptions{ID: history.InstanceID("k-" + id)})
	if err == nil {
		gives(ctx, c, h, is(t.N*(t.N+1)/2))
	}
}

// TestBoundsOfSession: when the host of a session is killed, what was sent to it
// goes to one other host within the time that a death takes to be seen.
func TestBoundsOfSession(t *testing.T) {
	const ttl = 15 * time.Second
	inWorld(t, ttl, 3, func(ctx context.Context, w *world, c *clients) {
		w.effects.slow = time.Second
		var all []*orchestration.Handle[int]
		for i := range 16 {
			h, err := begun(ctx, c, tour, trip{"one", 12}, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprint("k-tour-", i))})
			if err != nil {
				return
			}
			all = append(all, h)
		}
		w.wait(ctx, 5*time.Second)
		first, _ := w.account.Session("one", "")
		for _, h := range w.running() {
			if h.name == first {
				h.kill()
			}
		}
		died := time.Now()
		for _, h := range all {
			gives(ctx, c, h, is(78))
		}
		second, _ := w.account.Session("one", "")
		var began time.Time
		for _, r := range w.effects.runs() {
			if r.at.Before(died) && r.host == first || r.at.After(died) && r.host == second {
				if began.IsZero() && r.host == second {
					began = r.at
				}
				continue
			}
			w.failed("%v began on %s; the session was on %s, and then on %s", r.id, r.host, first, second)
		}
		if took, most := began.Sub(died), ttl+2*ttl/3+2*time.Second; took > most || took <= 0 {
			w.failed("the session went on after %v, at most %v", took, most)
		}
	})
}
