package sharding

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

func TestWhatTheTargetDoesNotTakeAnyoneMayTake(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		w.beating(w.host("b"))
		for p := range w.count {
			w.heads[p] = Head{For: "b", Epoch: 3, ETag: "x"}
		}
		w.start("a")
		wait(1900 * time.Millisecond)
		if _, _, claims := w.counted(); len(claims) > 0 {
			t.Errorf("claimed too early: %v", claims)
		}
		if took := w.settle(time.Second); took > 500*time.Millisecond {
			t.Errorf("claimed %v after the grace", took)
		}
	})
}

// L8: the target of a hand-over looks often, and takes nothing before it is released.
func TestWhatIsAnnouncedIsItsOwnersUntilItIsReleased(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		a.mu.Lock()
		a.drain = 3 * time.Second
		a.mu.Unlock()
		w.counted()
		b := w.start("b")
		for range int(rest / (100 * time.Millisecond)) {
			wait(100 * time.Millisecond)
			b.Nudge()
		}
		w.settle(time.Second)
		_, _, claims := w.counted()
		for _, c := range claims {
			if c.from != "" {
				t.Errorf("%s claimed %d from %s, which lives", c.by, c.partition, c.from)
			}
		}
		if len(claims) != 4 {
			t.Errorf("%d partitions were handed over, want 4", len(claims))
		}
	})
}

func TestHandOversOfBalancingAreFast(t *testing.T) {
	bubble(t, 64, func(t *testing.T, w *world) {
		w.start("a")
		wait(rest)
		w.start("b")
		w.start("c")
		wait(5 * rest)
		w.settle(0)
		if len(w.gaps) < 40 {
			t.Errorf("%d hand-overs", len(w.gaps))
		}
		if worst := slices.Max(w.gaps); worst > 500*time.Millisecond {
			t.Errorf("a hand-over took %v", worst)
		}
	})
}

func TestWithoutRingsAHandOverIsAnnouncedEarlier(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		w.start("a")
		wait(rest)
		b := w.host("b")
		b.host.Address = ""
		if err := b.join(Config{}); err != nil {
			t.Fatal(err)
		}
		wait(rest)
		w.settle(0)
		if len(w.gaps) != 4 || slices.Max(w.gaps) > 500*time.Millisecond {
			t.Errorf("hand-overs took %v", w.gaps)
		}
	})
}

func TestALostRingLeavesNothingUnserved(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		w.start("a")
		wait(rest)
		b := w.host("b")
		b.deaf = true // though it has an address
		if err := b.join(Config{}); err != nil {
			t.Fatal(err)
		}
		wait(rest)
		w.settle(0)
		if worst := slices.Max(w.gaps); worst > 5*time.Second+500*time.Millisecond {
			t.Errorf("a hand-over took %v", worst)
		}
	})
}

func TestAHostThatCannotReadAPartitionNeverOwnsIt(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		for p := range w.count {
			w.heads[p] = Head{Epoch: 1, Format: 2, ETag: "x"}
		}
		old, able := w.host("a"), w.host("b")
		old.host.Formats, able.host.Formats = Formats{Oldest: 1, Newest: 1}, Formats{Oldest: 1, Newest: 2}
		for _, n := range []*node{old, able} {
			if err := n.join(Config{}); err != nil {
				t.Fatal(err)
			}
		}
		wait(rest)
		w.settle(0)
		if n := len(old.owned()); n > 0 {
			t.Errorf("a host of format 1 owns %d partitions of format 2", n)
		}
		able.kill()
		wait(rest)
		if n := len(old.owned()); n > 0 {
			t.Errorf("left alone, it owns %d", n)
		}
		next := w.host("c")
		next.host.Formats = Formats{Oldest: 2, Newest: 3}
		if err := next.join(Config{}); err != nil {
			t.Fatal(err)
		}
		w.settle(10 * time.Second)
	})
}

func TestAPartitionThatWasJustClaimedStays(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		w.start("a")
		wait(time.Second)
		w.start("b")
		wait(12 * time.Second)
		if got := w.spread(); !slices.Equal(got, []int{0, 8}) {
			t.Errorf("partitions that were claimed less than a TTL ago moved: %v", got)
		}
		wait(rest)
		if got := w.spread(); !slices.Equal(got, []int{4, 4}) {
			t.Errorf("the spread is %v", got)
		}
	})
}

func TestAnIncarnationThatEndsDuringAHandOverServesNothing(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		b := w.host("b")
		b.host.Address = "" // so that the hand-over takes longer than a beat
		if err := b.join(Config{}); err != nil {
			t.Fatal(err)
		}
		wait(5 * time.Second)
		if err := b.Remove(t.Context(), "a", ""); err != nil {
			t.Fatal(err)
		}
		<-a.Done()
		wait(rest)
		if n := len(a.owned()); n > 0 {
			t.Errorf("it serves %d partitions", n)
		}
		w.settle(0)
	})
}

func TestTheLastHostLeavesEverythingFree(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		if err := a.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(w.rows) > 0 || len(a.owned()) > 0 {
			t.Errorf("left behind: rows %v, partitions %v", w.rows, a.owned())
		}
		for p, h := range w.heads {
			if h.Owner != "" {
				t.Errorf("the head of %d is %+v", p, h)
			}
		}
	})
}

func TestLeavingInAnOutageEnds(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		a := w.start("a")
		w.start("b")
		wait(rest)
		w.set(faults{outage: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		if err := a.Leave(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("leaving: %v", err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("leaving took %v", took)
		}
		if n := len(a.owned()); n > 0 {
			t.Errorf("it still serves %d", n)
		}
		w.set(faults{})
		w.settle(27 * time.Second)
	})
}

// TestALeaverReleasesEverythingInItsTime: without rings a hand-over takes longer
// than a beat. One of balancing that is under way is called off, and of the time
// that the leaver has, some is left for the releases.
func TestALeaverReleasesEverythingInItsTime(t *testing.T) {
	for _, ttl := range []time.Duration{15 * time.Second, time.Minute} {
		for _, after := range []time.Duration{0, 3 * time.Second, 6 * time.Second} {
			t.Run(fmt.Sprint(ttl, " ", after), func(t *testing.T) {
				bubble(t, 8, func(t *testing.T, w *world) {
					a, b := w.host("a"), w.host("b")
					b.host.Address = ""
					if err := a.join(Config{TTL: ttl}); err != nil {
						t.Fatal(err)
					}
					wait(rest)
					if err := b.join(Config{TTL: ttl}); err != nil {
						t.Fatal(err)
					}
					for !w.announces("a") {
						wait(10 * time.Millisecond)
					}
					wait(after)
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					if err := a.Leave(ctx); err != nil {
						t.Fatal(err)
					}
					for p, h := range w.heads {
						if h.Owner == "a" {
							t.Errorf("it left, and the head of %d is still %+v", p, h)
						}
					}
					w.settle(ttl/3 + 3*time.Second)
				})
			})
		}
	}
}

// TestWhatIsCalledOffGoesAlong: a leaver announces everything once, also what it was
// about to hand over before.
func TestWhatIsCalledOffGoesAlong(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		a, b := w.start("a"), w.host("b")
		b.host.Address = ""
		wait(rest)
		if err := b.join(Config{}); err != nil {
			t.Fatal(err)
		}
		for !w.announces("a") {
			wait(10 * time.Millisecond)
		}
		wait(time.Second)
		began := time.Now()
		if err := a.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		// A beat and a timeout, for who cannot be rung; and a few calls.
		if took := time.Since(began); took > 5*time.Second+15*time.Second/8+500*time.Millisecond {
			t.Errorf("leaving took %v", took)
		}
		w.settle(time.Second)
	})
}

// announces reports whether the host's row says that it hands something over.
func (w *world) announces(host string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.ContainsFunc(w.rows[host].Host.Serves, func(s Served) bool { return s.To != "" })
}

// A release that takes long takes no time from the others.
func TestALeaverHandsOverBesideAReleaseThatIsSlow(t *testing.T) {
	bubble(t, 16, func(t *testing.T, w *world) {
		a := w.host("a")
		if err := a.join(Config{TTL: time.Minute}); err != nil {
			t.Fatal(err)
		}
		wait(10 * rest)
		a.mu.Lock()
		a.drain = 18 * time.Second
		a.mu.Unlock()
		if err := w.host("b").join(Config{TTL: time.Minute}); err != nil {
			t.Fatal(err)
		}
		for len(a.owned()) == 16 {
			wait(100 * time.Millisecond)
		}
		wait(time.Second) // one is being released
		a.mu.Lock()
		a.drain = 30 * time.Millisecond
		a.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		w.counted()
		if err := a.Leave(ctx); err != nil {
			t.Error(err)
		}
		if _, by, _ := w.counted(); by["release"] < 13 {
			t.Errorf("the calls were %v", by)
		}
		w.settle(10 * rest)
	})
}

// TestALeaverClaimsNothingMore: what it had begun to claim it would have to hand over
// at once.
func TestALeaverClaimsNothingMore(t *testing.T) {
	bubble(t, MaxPartitions, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(400 * time.Millisecond)
		_, _, before := w.counted()
		if err := a.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		_, _, after := w.counted()
		if len(before) == 0 || len(after) > claimsAtOnce {
			t.Errorf("it claimed %d partitions before it was told to leave, and %d since", len(before), len(after))
		}
	})
}
