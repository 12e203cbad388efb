package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/azuretest"
)

// character is how one life differs from others.
type character struct {
	// gentle lives have no faults but those of blobs, and hosts come and leave in
	// an orderly way: then nothing runs twice.
	gentle bool
	// undisturbed ones have none of blobs either: then nothing that has ended
	// runs again.
	undisturbed bool
	// days pass before the audit: nobody is there for a night, then one host for
	// an hour, in which it forgets what was purged.
	days bool
}

func characterOf(seed uint64) (ch character) {
	r := draw(seed, "character")
	ch.gentle = r.IntN(4) == 0
	ch.undisturbed = ch.gentle && r.IntN(3) > 0
	ch.days = r.IntN(4) == 0
	return ch
}

func (ch character) String() (text string) {
	for _, trait := range []struct {
		name string
		has  bool
	}{{"gentle", ch.gentle}, {"undisturbed", ch.undisturbed}, {"days pass", ch.days}} {
		if trait.has {
			text += trait.name + ", "
		}
	}
	return text
}

func (ch character) config(r *rand.Rand) azuretest.Config {
	cfg := azuretest.Config{
		Partitions: 1 + r.IntN(6),
		TraceLines: max(*lines, 20_000),
		TTL:        []time.Duration{3 * time.Second, 15 * time.Second}[r.IntN(2)],
	}
	if r.IntN(3) == 0 { // what overlaps does so for longer
		cfg.Latency = 60 * time.Millisecond
	}
	cfg.Forgetful = r.IntN(2) == 0
	if ch.days { // a host at rest asks less often then
		cfg.TTL = 15 * time.Second
	}
	return cfg
}

// faults arranges what goes wrong with requests.
func (ch character) faults(w *world, r *rand.Rand) string {
	lucky := r.IntN(5) == 0
	switch {
	case ch.undisturbed || !ch.gentle && lucky:
		return ""
	case ch.gentle:
		return w.account.SwarmBlobs(w.seed)
	}
	return w.account.Swarm(w.seed)
}

// deeds are what the nemesis may do.
func (ch character) deeds() []deed {
	if !ch.gentle {
		return deeds
	}
	return slices.DeleteFunc(slices.Clone(deeds), func(d deed) bool { return d.name != "leave" && d.name != "join" })
}

// pass lets days pass.
func (w *world) pass(ctx context.Context, users *clients) {
	for _, h := range w.running() {
		h.leave()
	}
	r := draw(w.seed, "days")
	w.wait(ctx, 24*time.Hour+time.Duration(r.Int64N(int64(24*time.Hour))))
	if w.start(ctx) == nil {
		w.failed("no host can open the hub after a night")
		return
	}
	users.send(ctx, 5, time.Hour, users.choose(len(errands)))
	w.wait(ctx, time.Hour+5*time.Minute) // maintenance is due once an hour
	users.work.Wait()
	w.count("days")
}

// judge says what was wrong with how activities ran.
func (ch character) judge(w *world) {
	e := &w.effects
	e.mu.Lock()
	defer e.mu.Unlock()
	w.met["ran twice"] += e.doubled
	w.met["ran again"] += e.again
	if ch.gentle {
		w.met["gentle"]++
	}
	if ch.undisturbed {
		w.met["undisturbed"]++
	}
	if ch.gentle && e.doubled > 0 || ch.undisturbed && e.doubled+e.again > 0 {
		w.wrong = append(w.wrong, fmt.Sprintf("hosts left in an orderly way, and activities ran more than once: %q", e.odd[:min(len(e.odd), 5)]))
	}
}
