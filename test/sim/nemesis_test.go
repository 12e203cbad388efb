package sim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// A nemesis does things to hosts. Which of them, and how often, differs from
// seed to seed.
type deed struct {
	name string
	do   func(ctx context.Context, w *world, h *host, r *rand.Rand)
}

var deeds = []deed{
	{"kill", func(_ context.Context, _ *world, h *host, _ *rand.Rand) { h.kill() }},
	{"short pause", func(ctx context.Context, w *world, h *host, r *rand.Rand) {
		h.pause()
		w.wait(ctx, time.Duration(r.Int64N(int64(ttlOf(w)))))
		h.resume()
	}},
	{"long pause", func(ctx context.Context, w *world, h *host, r *rand.Rand) {
		h.pause()
		w.wait(ctx, 2*ttlOf(w)+time.Duration(r.Int64N(int64(30*time.Second))))
		h.resume()
	}},
	{"cut", func(ctx context.Context, w *world, h *host, r *rand.Rand) {
		h.process.Cut()
		w.wait(ctx, time.Duration(r.Int64N(int64(3*ttlOf(w)))))
		h.process.Heal()
	}},
	{"one-way cut", func(ctx context.Context, w *world, h *host, r *rand.Rand) {
		h.process.CutAnswers()
		w.wait(ctx, time.Duration(r.Int64N(int64(3*ttlOf(w)))))
		h.process.Heal()
	}},
	{"clock set", func(_ context.Context, w *world, h *host, r *rand.Rand) {
		if w.skewed {
			h.process.Skew(time.Duration(r.Int64N(int64(2*time.Hour))) - time.Hour)
		}
	}},
	{"queues deleted", func(ctx context.Context, w *world, _ *host, _ *rand.Rand) {
		if w.account.DeleteWorkQueues(ctx) > 0 {
			w.count("work deleted")
		}
	}},
	{"leave", func(_ context.Context, w *world, h *host, _ *rand.Rand) { w.ended.Go(h.leave) }},
	{"join", func(ctx context.Context, w *world, _ *host, _ *rand.Rand) {
		if len(w.running()) < maxHosts {
			w.start(ctx)
		}
	}},
}

const (
	wanted   = 3 // hosts at rest
	maxHosts = 5
)

func ttlOf(w *world) time.Duration {
	if w.cfg.TTL == 0 {
		return 15 * time.Second
	}
	return w.cfg.TTL
}

// torment does some of these deeds until ctx ends.
func (w *world) torment(ctx context.Context, ch character) {
	r := draw(w.seed, "nemesis")
	mix := ch.deeds()
	slowest := 8 * time.Second
	if !ch.gentle {
		mix = slices.DeleteFunc(slices.Clone(mix), func(deed) bool { return r.IntN(2) == 0 })
		slowest = 20 * time.Second
	}
	pace := time.Second + time.Duration(r.Int64N(int64(slowest)))
	for w.wait(ctx, time.Duration(r.Int64N(int64(2*pace)))) {
		hosts := w.running()
		if len(hosts) == 0 || len(mix) == 0 {
			w.start(ctx)
			continue
		}
		h, d := hosts[r.IntN(len(hosts))], mix[r.IntN(len(mix))]
		w.tell("%s %s", d.name, h.name)
		w.count(d.name)
		d.do(ctx, w, h, r)
	}
}

// tell records what the nemesis did.
func (w *world) tell(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, time.Now().Format("04:05.000 ")+fmt.Sprintf(format, args...))
}

// heal ends all trouble: three hosts run and requests succeed. Clocks stay wrong.
func (w *world) heal(ctx context.Context) {
	w.tell("heal")
	w.account.Calm()
	for _, h := range w.running() {
		h.resume()
		h.process.Heal()
	}
	for len(w.running()) < wanted || w.varied && !w.reaches() {
		if w.start(ctx) == nil {
			w.failed("a host cannot open the hub although all is healed")
			return
		}
	}
}
