package sharding

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var (
	firstSeed = flag.Int("sharding.seed", 0, "the first seed of TestSeeds")
	seeds     = flag.Int("sharding.seeds", 60, "how many seeds TestSeeds runs")
)

// TestASeedTellsOneStory runs seeds twice: what cannot be repeated cannot be
// debugged.
func TestASeedTellsOneStory(t *testing.T) {
	for seed := range 5 {
		var told [2]string
		for i := range told {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, 12)
				w.hook(func(op string) { told[i] += fmt.Sprint(time.Now().UnixNano(), op, "\n") })
				story(w, rand.New(rand.NewPCG(uint64(seed), 0)), sometimes{})
			})
		}
		if told[0] != told[1] {
			one, other := strings.Split(told[0], "\n"), strings.Split(told[1], "\n")
			i := 0
			for i < min(len(one), len(other))-1 && one[i] == other[i] {
				i++
			}
			t.Errorf("seed %d tells two stories, from operation %d on: %s and %s", seed, i, one[i], other[i])
		}
	}
}

// sometimes counts what a run of seeds must have met, or it proved nothing.
type sometimes map[string]int

// TestSeeds lets random things happen to a hub, then heals everything: within a
// bound every partition has one owner that knows its epoch, nothing moves any
// more, and nobody who was declared dead thinks otherwise.
func TestSeeds(t *testing.T) {
	met := sometimes{}
	for seed := *firstSeed; seed < *firstSeed+*seeds && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) {
			t.Logf("seed %d", seed)
			story(newWorld(t, 12), rand.New(rand.NewPCG(uint64(seed), 0)), met)
		})
	}
	for _, what := range []string{"killed", "paused", "left", "joined", "outage", "writes", "lossy", "ended", "taken over", "handed over"} {
		if met[what] == 0 && *seeds >= 20 {
			t.Errorf("it never happened: %s", what)
		}
	}
	t.Logf("met: %v", met)
}

// story is one run: trouble, healing, rest.
func story(w *world, r *rand.Rand, met sometimes) {
	names := 0
	join := func() {
		names++
		n := w.host(fmt.Sprintf("%c%d", 'a'+r.IntN(26), names))
		if r.IntN(4) == 0 {
			n.host.Address = ""
		}
		if err := n.join(Config{}); err == nil {
			met["joined"]++
		}
	}
	join()
	join()
	for range 10 + r.IntN(20) {
		trouble(w, r, met, join)
		for p := range w.count {
			if r.IntN(8) == 0 {
				w.load(p, Load{Rate: r.Float64() * 50, Backlog: r.IntN(100)})
			}
		}
		wait(time.Duration(r.Int64N(int64(25 * time.Second))))
	}
	w.heal(met)
	wait(20 * time.Second) // late writes come, hosts that were fenced find out
	if len(w.living()) == 0 {
		join()
	}
	w.settle(15*time.Second + 2*5*time.Second + 2*time.Second)
	wait(5 * time.Minute)
	w.settle(0)
	met["handed over"] += len(w.gaps)
	for _, c := range w.claims {
		if c.from != "" {
			met["taken over"]++
		}
	}
	w.counted()
	wait(5 * time.Minute)
	w.settle(0)
	total, by, claims := w.counted()
	if len(claims) > 0 {
		w.t.Errorf("at rest partitions move: %v", claims)
	}
	if most := len(w.living())*(120+1) + 1; total > most {
		w.t.Errorf("at rest %d hosts do %d operations in five minutes, at most %d: %v", len(w.living()), total, most, by)
	}
	if len(w.rows) != len(w.living()) {
		w.t.Errorf("%d hosts live, and there are %d rows", len(w.living()), len(w.rows))
	}
}

// living are the nodes whose incarnation is not over.
func (w *world) living() []*node {
	return slices.DeleteFunc(w.all(), func(n *node) bool {
		select {
		case <-n.Done():
			return true
		default:
			return n.isKilled()
		}
	})
}

// trouble is one thing that happens.
func trouble(w *world, r *rand.Rand, met sometimes, join func()) {
	living := w.living()
	if len(living) == 0 {
		join()
		return
	}
	n := living[r.IntN(len(living))]
	switch r.IntN(8) {
	case 0:
		n.resume()
		n.kill()
		met["killed"]++
	case 1:
		n.pause()
		met["paused"]++
	case 2:
		n.resume()
		if r.IntN(2) == 0 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.Int64N(int64(10*time.Second))))
			n.Announce(ctx)
			cancel()
			wait(time.Duration(r.Int64N(int64(10 * time.Second))))
			met["announced"]++
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.Int64N(int64(5*time.Second))))
		_ = n.Leave(ctx)
		cancel()
		met["left"]++
	case 3:
		w.set(faults{outage: true})
		met["outage"]++
	case 4:
		w.set(faults{writes: true})
		met["writes"]++
	case 5:
		w.set(faults{lost: r.Float64() * 0.4, late: 20 * time.Second})
		met["lossy"]++
	case 6:
		w.heal(met)
	default:
		if len(living) < 6 {
			join()
		}
	}
}

// heal ends every fault; hosts that were fenced stay away.
func (w *world) heal(met sometimes) {
	w.set(faults{})
	for _, n := range w.all() {
		n.resume()
		select {
		case <-n.Done():
			met["ended"]++
		default:
		}
	}
}
