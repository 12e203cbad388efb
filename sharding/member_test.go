package sharding

import (
	"context"
	"errors"
	"slices"
	"strings"
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
			// TTL + TTL/3 and a few calls; what is allowed when calls are lost is more.
			t.Logf("served after %v", w.settle(20*time.Second+200*time.Millisecond))
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

func TestAHostThatCannotJoinLeavesNoRow(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		w.set(faults{outage: true})
		ended := make(chan error)
		a := w.host("a")
		go func() { ended <- a.join(Config{}) }()
		if err := <-ended; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("joining: %v", err)
		}
	})
}

func TestAnObserverReadsSeldom(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		w.start("a")
		wait(rest)
		n := w.host("client")
		o := NewObserver(n, 5*time.Second)
		w.counted()
		for range 10 {
			if h, ok := o.Owner(t.Context(), 3); !ok || h.Incarnation != "a" {
				t.Errorf("the owner is %+v, %v", h, ok)
			}
		}
		if _, by, _ := w.counted(); by["hosts"] > 1 {
			t.Errorf("%d reads", by["hosts"])
		}
		w.set(faults{outage: true})
		wait(6 * time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if h, ok := o.Owner(ctx, 3); !ok || h.Incarnation != "a" {
			t.Errorf("in an outage the owner is %+v, %v", h, ok)
		}
		w.set(faults{})
		o.Forget()
		if _, err := o.Hosts(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// lateAnswers is a directory that shows what it read a second later.
type lateAnswers struct{ Directory }

func (l lateAnswers) Hosts(ctx context.Context) ([]Seen, error) {
	rows, err := l.Directory.Hosts(ctx)
	wait(time.Second)
	return rows, err
}

// TestWhatIsForgottenWhileItIsReadIsReadAgain: the read under way does not have the
// host that just joined.
func TestWhatIsForgottenWhileItIsReadIsReadAgain(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		o := NewObserver(lateAnswers{w.host("client")}, time.Minute)
		read := make(chan int)
		go func() {
			hosts, _ := o.Hosts(t.Context())
			read <- len(hosts)
		}()
		wait(500 * time.Millisecond)
		w.start("a")
		o.Forget()
		hosts, err := o.Hosts(t.Context())
		if err != nil || len(hosts) != 1 {
			t.Errorf("the hosts are %+v, %v; want the one that joined", hosts, err)
		}
		if n := <-read; n != 0 {
			t.Errorf("the read that was under way shows %d hosts", n)
		}
	})
}

func TestABadConfigurationNamesTheField(t *testing.T) {
	for field, cfg := range map[string]Config{
		"Partitions":     {Me: Host{Incarnation: "a"}},
		"Me.Incarnation": {Partitions: 1},
		"Me.Formats":     {Partitions: 1, Me: Host{Incarnation: "a", Formats: Formats{Oldest: 2, Newest: 1}}},
		"Me.Slots":       {Partitions: 1, Me: Host{Incarnation: "a", Slots: -1}},
		"TTL":            {Partitions: 1, Me: Host{Incarnation: "a"}, TTL: time.Millisecond},
	} {
		if _, err := Join(t.Context(), nil, nil, cfg); err == nil || !strings.HasPrefix(err.Error(), "sharding: "+field+" ") {
			t.Errorf("%s: the error is %v", field, err)
		}
	}
}
