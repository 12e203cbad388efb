package sharding

import (
	"fmt"
	"testing"
	"time"
)

// What the package comment says of costs.

// extra are the operations since counted, beside those of hosts at rest, which beat and
// look once every TTL/3.
func (w *world) extra(hosts int, passed time.Duration) map[string]int {
	_, by, _ := w.counted()
	for _, op := range []string{"beat", "hosts"} {
		by[op] -= hosts * int(passed/(5*time.Second))
	}
	return by
}

// atMost fails the test if there was more of any operation.
func atMost(t *testing.T, what string, got, most map[string]int) {
	t.Helper()
	for op, n := range got {
		if n > most[op] {
			t.Errorf("%s cost %d of %s, at most %d: %v", what, n, op, most[op], got)
		}
	}
}

func TestWhatAHandOverCosts(t *testing.T) {
	for phase := range 10 {
		bubble(t, 3, func(t *testing.T, w *world) {
			a := w.start("a")
			wait(rest)
			w.start("b")
			wait(rest + time.Duration(phase)*371*time.Millisecond)
			w.counted()
			for p := range a.owned() { // two: one of them goes
				w.load(p, Load{Rate: 100})
			}
			wait(rest)
			got := w.extra(2, rest)
			if got["release"] != 1 {
				t.Errorf("%d partitions were handed over, want 1", got["release"])
			}
			atMost(t, "a hand-over", got, map[string]int{"hosts": 1, "head": 1, "release": 1, "claim": 1, "beat": 3})
		})
	}
}

func TestWhatADeathCosts(t *testing.T) {
	for phase := range 10 {
		bubble(t, 12, func(t *testing.T, w *world) {
			w.start("a")
			wait(rest)
			w.start("b")
			c := w.start("c")
			wait(rest + time.Duration(phase)*371*time.Millisecond)
			const survivors = 2
			n := len(c.owned())
			c.kill()
			w.counted()
			wait(rest)
			got := w.extra(survivors, rest)
			if n == 0 || got["claim"] != n {
				t.Errorf("of %d partitions %d were claimed", n, got["claim"])
			}
			// Looks come earlier than they would have: one more may fall into the time.
			atMost(t, fmt.Sprintf("the death of a host with %d partitions", n), got,
				map[string]int{"remove": 1, "hosts": 2*survivors + 1, "head": n * survivors, "claim": n, "beat": survivors})
		})
	}
}

// TestWaitingForALeaverCostsNothing: it may serve on for an hour. Who cannot be rung has
// to look.
func TestWaitingForALeaverCostsNothing(t *testing.T) {
	for _, doorbells := range []bool{true, false} {
		bubble(t, 12, func(t *testing.T, w *world) {
			for _, name := range []string{"a", "b", "c"} {
				n := w.host(name)
				if !doorbells {
					n.host.Address = ""
				}
				if err := n.join(Config{}); err != nil {
					t.Fatal(err)
				}
				wait(6 * rest)
			}
			a := w.all()[0]
			n := len(a.owned())
			a.Announce(t.Context())
			wait(rest) // longer than a TTL
			w.counted()
			wait(time.Minute)
			got := w.extra(3, time.Minute)
			most := map[string]int{"hosts": 2, "head": n * (60/5 + 1)}
			if !doorbells {
				most = map[string]int{"hosts": 2 * 240, "head": n * 240}
			}
			atMost(t, fmt.Sprintf("a minute of a leaver that serves %d partitions on, doorbells %v,", n, doorbells), got, most)
			if n == 0 || got["head"] == 0 {
				t.Errorf("nobody waits for it: %d partitions, %v", n, got)
			}
		})
	}
}
