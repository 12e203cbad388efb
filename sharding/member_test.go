package sharding

import (
	"context"
	"slices"
	"testing"
	"time"
)

// rest is long enough for everything to come to rest.
const rest = 2 * time.Minute

func TestALoneHostClaimsEverythingAtOnce(t *testing.T) {
	bubble(t, 16, func(t *testing.T, w *world) {
		w.start("a")
		if took := w.settle(time.Second); took > 200*time.Millisecond {
			t.Errorf("claiming 16 partitions took %v", took)
		}
	})
}

func TestPartitionsSpreadEvenly(t *testing.T) {
	bubble(t, 16, func(t *testing.T, w *world) {
		w.start("a")
		w.settle(time.Second)
		w.start("b")
		w.start("c")
		wait(rest)
		w.settle(0)
		if got := w.spread(); !slices.Equal(got, []int{5, 5, 6}) {
			t.Errorf("the spread is %v", got)
		}
	})
}

func TestAtRestAHostDoesTwoOperationsABeat(t *testing.T) {
	for _, hosts := range []int{1, 3} {
		bubble(t, 16, func(t *testing.T, w *world) {
			for _, name := range []string{"a", "b", "c"}[:hosts] {
				w.start(name)
			}
			wait(rest)
			w.counted()
			wait(10 * time.Minute)
			total, by, _ := w.counted()
			if most := 240*hosts + hosts; total > most {
				t.Errorf("%d hosts did %d operations in ten minutes, at most %d: %v", hosts, total, most, by)
			}
			if by["head"]+by["claim"]+by["release"] > 0 {
				t.Errorf("at rest heads were touched: %v", by)
			}
		})
	}
}

func TestAfterAKillEveryPartitionIsServedInTime(t *testing.T) {
	for seed := range 20 {
		bubble(t, 16, func(t *testing.T, w *world) {
			w.start("a")
			w.start("b")
			w.start("c")
			wait(rest + time.Duration(seed)*371*time.Millisecond)
			w.settle(0)
			w.all()[seed%3].kill()
			bound := 15*time.Second + 2*5*time.Second + 2*time.Second
			took := w.settle(bound)
			t.Logf("served after %v", took)
		})
	}
}

func TestALeaverHandsOverInHalfASecond(t *testing.T) {
	bubble(t, 16, func(t *testing.T, w *world) {
		a := w.start("a")
		w.start("b")
		wait(rest)
		start := time.Now()
		if err := a.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		took := w.settle(time.Second) + time.Since(start)
		if took > 500*time.Millisecond {
			t.Errorf("the hand-over took %v", took)
		}
		if got := w.spread(); !slices.Equal(got, []int{0, 16}) {
			t.Errorf("the spread is %v", got)
		}
		if err := a.Leave(context.Background()); err != nil {
			t.Errorf("leaving again: %v", err)
		}
	})
}
