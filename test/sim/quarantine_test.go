package sim

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// What kills its process: an activity, or a turn. Whatever host takes it dies.

var (
	doomed   = orchestration.Declare[int, string]("doomed") // runs an activity that kills its process
	deadly   = activity.Declare[int, int]("deadly")
	suicidal = orchestration.Declare[none, none]("suicidal") // kills its process in its turn
)

func runDoomed(c *octx, n int) (string, error) {
	_, err := deadly.Call(c, n, activity.Retry{MaxAttempts: 10}).Await()
	if errors.Is(err, activity.ErrLost) {
		return "lost", nil
	}
	return "", fmt.Errorf("an activity that kills its process gave %w", err)
}

func (h *host) deadly(ctx context.Context, _ int) (int, error) {
	h.die("an activity")
	return 0, errDead
}

func (h *host) suicidal(*octx, none) (none, error) {
	h.die("a turn")
	return none{}, errDead
}

// die is what os.Exit is to a process.
func (h *host) die(of string) {
	const enough = 100 // or else a test that fails takes for ever
	h.world.mu.Lock()
	n := h.world.met["deaths of "+of]
	h.world.mu.Unlock()
	select {
	case <-h.process.Killed():
	default:
		if n >= enough {
			return
		}
		h.world.tell("%s dies of %s", h.name, of)
		h.world.count("deaths of " + of)
		h.kill()
	}
}

// keep starts hosts whenever there are fewer than n, as a supervisor does.
func (w *world) keep(ctx context.Context, n int) {
	for w.wait(ctx, 500*time.Millisecond) {
		for len(w.running()) < n && w.start(ctx) != nil {
			w.count("restarts")
		}
	}
}

// TestBoundsOfQuarantine: what kills its process is found, after few deaths, and
// nobody else is blamed: everything else ends as it should, meanwhile.
func TestBoundsOfQuarantine(t *testing.T) {
	for _, hosts := range []int{1, 3} {
		for _, killers := range []int{1, 2} {
			t.Run(fmt.Sprintf("%d hosts, %d killers", hosts, killers), func(t *testing.T) {
				for seed := range uint64(6) {
					quarantined(t, seed, hosts, killers)
				}
			})
		}
	}
}

func quarantined(t *testing.T, seed uint64, hosts, killers int) {
	t.Helper()
	const ttl = 3 * time.Second
	inWorldOf(t, seed, ttl, hosts, func(ctx context.Context, w *world, c *clients) {
		supervised, stop := context.WithCancel(ctx)
		w.ended.Go(func() { w.keep(supervised, hosts) })
		defer stop()
		w.effects.slow = 40 * time.Second // as long as many lives
		innocent := c.spread(ctx, "innocent", 40, 3)
		var all []*orchestration.Handle[string]
		for i := range killers {
			h, err := begun(ctx, c, doomed, i, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprint("k-doomed-", i))})
			if err != nil {
				return
			}
			all = append(all, h)
		}
		for _, h := range all {
			gives(ctx, c, h, is("lost"))
		}
		for _, h := range innocent {
			gives(ctx, c, h, is(6))
		}
		// Two killers in two partitions of one process hide each other for a while.
		n, most := w.met["deaths of an activity"], []int{0, 10, 40}[killers]
		if t.Logf("%d deaths", n); n == 0 || n > most {
			w.failed("%d deaths until the activities were found, at most %d", n, most)
		}
	})
}

// TestBoundsOfQuarantineWhereClientsBorrow: what kills its process is found although a
// client takes the partition of each host that died before another host can.
func TestBoundsOfQuarantineWhereClientsBorrow(t *testing.T) {
	const ttl, most = 3 * time.Second, 10
	inWorld(t, ttl, 1, func(ctx context.Context, w *world, c *clients) {
		h, err := begun(ctx, c, doomed, 0, orchestration.StartOptions{ID: "k-doomed"})
		if err != nil {
			return
		}
		n := 0
		for ctx.Err() == nil && n <= most {
			i, err := c.client.Status(ctx, h.ID())
			if err == nil && i.Status.Final() {
				break
			}
			if len(w.running()) > 0 {
				w.wait(ctx, 100*time.Millisecond)
				continue
			}
			n++
			err = c.persist(ctx, func() error { return c.process.Purge(ctx, h.ID(), false) })
			if !errors.Is(err, provider.ErrConflict) {
				w.failed("purging what runs: %v", err)
			}
			w.start(ctx)
		}
		if t.Logf("%d deaths", n); n == 0 || n > most {
			w.failed("%d deaths until the activity was found, at most %d", n, most)
			return
		}
		gives(ctx, c, h, is("lost"))
	})
}

// TestBoundsOfASuicidalTurn: an instance whose turn kills its process is parked, with
// the reason, and everything else goes on.
func TestBoundsOfASuicidalTurn(t *testing.T) {
	const ttl = 3 * time.Second
	inWorld(t, ttl, 2, func(ctx context.Context, w *world, c *clients) {
		supervised, stop := context.WithCancel(ctx)
		w.ended.Go(func() { w.keep(supervised, 2) })
		defer stop()
		w.effects.slow = 5 * time.Second
		innocent := c.spread(ctx, "innocent", 40, 20)
		const id = "p-suicidal"
		h, err := begun(ctx, c, suicidal, none{}, orchestration.StartOptions{ID: id})
		if err != nil {
			return
		}
		for _, h := range innocent {
			gives(ctx, c, h, is(210))
		}
		var reason string
		for reason == "" && w.wait(ctx, time.Second) {
			if i, err := c.client.Status(ctx, h.ID()); err == nil && i.Parked != nil {
				reason = i.Parked.Reason
			}
		}
		if n := w.met["deaths of a turn"]; n == 0 || n > 10 {
			w.failed("%d deaths until the instance was parked, at most 10", n)
		}
		w.tell("parked: %s", reason)
		if err := c.persist(ctx, func() error { return c.process.Purge(ctx, id, true) }); err != nil {
			w.failed("purging what is in quarantine: %v", err)
		}
	})
}
