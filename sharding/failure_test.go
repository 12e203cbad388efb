package sharding

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestAnOutageCausesNoTakeOver(t *testing.T) {
	for name, f := range map[string]faults{"of everything": {outage: true}, "of writes": {writes: true}} {
		for _, length := range []time.Duration{3 * time.Second, 8 * time.Second, 14 * time.Second, 20 * time.Second, time.Minute} {
			bubble(t, 16, func(t *testing.T, w *world) {
				for _, name := range []string{"a", "b", "c"} {
					w.start(name)
				}
				wait(rest)
				before := w.spread()
				w.counted()
				w.set(f)
				wait(length)
				for _, n := range w.all() {
					if n.Safe() && length > 10*time.Second {
						t.Errorf("%s counts as safe after an outage %s of %v", n.host.Incarnation, name, length)
					}
				}
				w.set(faults{})
				wait(rest)
				if _, by, claims := w.counted(); len(claims) > 0 || by["remove"] > 0 && f.outage {
					t.Errorf("after an outage %s of %v: %d removals, claims %v", name, length, by["remove"], claims)
				}
				w.settle(0)
				if after := w.spread(); !slices.Equal(before, after) {
					t.Errorf("the spread was %v and is %v", before, after)
				}
			})
		}
	}
}

func TestAPausedHostKeepsAndClaimsNothing(t *testing.T) {
	bubble(t, 16, func(t *testing.T, w *world) {
		for _, name := range []string{"a", "b", "c"} {
			w.start(name)
		}
		wait(rest)
		w.counted()
		paused := w.all()[1]
		paused.pause()
		wait(10*time.Second + time.Millisecond)
		if paused.Safe() {
			t.Error("the paused host counts as safe")
		}
		wait(50 * time.Second)
		paused.resume()
		<-paused.Done()
		wait(rest)
		_, _, claims := w.counted()
		for _, c := range claims {
			if c.by == "b" {
				t.Errorf("the paused host claimed %d", c.partition)
			}
		}
		w.settle(0)
		if n := len(paused.owned()); n > 0 {
			t.Errorf("the paused host still serves %d partitions", n)
		}
		if !paused.SafeUntil().IsZero() {
			t.Error("a host that is over may be safe again")
		}
	})
}

// L4: the version decides between a removal and a heartbeat that comes late.
func TestAHeartbeatInTheLastMomentSavesAHost(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		w.start("a")
		b := w.start("b")
		wait(rest)
		w.counted()
		saved := false
		w.before = func(op string) {
			if op == "remove" && !saved {
				row := w.rows["b"]
				row.ETag = "late"
				w.rows["b"] = row
				saved = true
				b.resume()
			}
		}
		b.pause()
		wait(rest)
		w.settle(0)
		if _, _, claims := w.counted(); !saved || len(claims) > 0 {
			t.Errorf("saved: %v, claims %v", saved, claims)
		}
	})
}

// L7: a host that joined after the rows were read is no dead host.
func TestAHostThatHasJustJoinedIsNotTakenForDead(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		joined := false
		w.before = func(op string) {
			if op == "head" && !joined {
				joined = true
				w.rows["b"] = Seen{Host: Host{Incarnation: "b"}, ETag: "b"}
				w.heads[0] = Head{Owner: "b", Epoch: 1, ETag: "b"}
			}
		}
		w.start("a")
		wait(10 * time.Second)
		if _, _, claims := w.counted(); len(claims) > 0 {
			t.Errorf("claims %v", claims)
		}
	})
}

// A host that was not told that it lost a partition sees it in another's row.
func TestAHigherEpochElsewhereIsBelieved(t *testing.T) {
	bubble(t, 2, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		other := w.host("b")
		other.host.Serves = []Served{{Partition: 1, Epoch: 9}}
		w.mu.Lock()
		w.heads[1] = Head{Owner: "b", Epoch: 9, ETag: "b"}
		w.mu.Unlock()
		w.beating(other)
		wait(6 * time.Second)
		if _, ok := a.owned()[1]; ok {
			t.Error("it serves what another owns in a higher epoch")
		}
	})
}

func TestASingleSurvivorOwnsEverything(t *testing.T) {
	bubble(t, 16, func(t *testing.T, w *world) {
		for _, name := range []string{"a", "b", "c"} {
			w.start(name)
		}
		wait(rest)
		w.all()[0].kill()
		w.all()[2].kill()
		w.settle(27 * time.Second)
		if got := w.spread(); !slices.Equal(got, []int{16}) {
			t.Errorf("the survivor owns %v", got)
		}
	})
}

func TestPartitionsOfAnAbsentHostAreClaimedAtOnce(t *testing.T) {
	bubble(t, 16, func(t *testing.T, w *world) {
		for p := range w.count {
			w.heads[p] = Head{Owner: "ghost", Epoch: 7, ETag: "x"}
		}
		w.start("a")
		if took := w.settle(time.Second); took > 200*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// beating writes rows of a host that never looks, until the test ends.
func (w *world) beating(n *node) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	w.mu.Lock()
	w.rows[n.host.Incarnation] = Seen{Host: n.host, ETag: "first"}
	w.mu.Unlock()
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			_ = n.Beat(ctx, n.host)
			select {
			case <-time.After(5 * time.Second):
			case <-ctx.Done():
			}
		}
	}()
	w.t.Cleanup(func() {
		cancel()
		<-ended
	})
}

func TestAPartitionThatNobodyListsIsClaimedAfterATTL(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		w.beating(w.host("b"))
		for p := range w.count {
			w.heads[p] = Head{Owner: "b", Epoch: 3, ETag: "x"}
		}
		w.start("a")
		wait(14 * time.Second)
		if _, _, claims := w.counted(); len(claims) > 0 {
			t.Errorf("claimed too early: %v", claims)
		}
		w.settle(8 * time.Second)
	})
}

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

func TestALostAnswerOfAClaimLeavesNothingUnserved(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		a := w.host("a")
		for p := range w.count {
			w.heads[p] = Head{Owner: "a", Epoch: 5, ETag: "x"} // written, and the answer was lost
		}
		if err := a.join(Config{}); err != nil {
			t.Fatal(err)
		}
		w.settle(time.Second)
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

func TestAHostWithoutTheHandlersIsTheLastChoice(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		for p := range w.count {
			w.load(p, Load{Rate: 5, Needs: []string{"ship"}})
		}
		able, other := w.host("a"), w.host("b")
		able.host.Handlers = []string{"ship", "charge"}
		for _, n := range []*node{able, other} {
			if err := n.join(Config{}); err != nil {
				t.Fatal(err)
			}
			wait(rest)
		}
		if n := len(other.owned()); n > 0 {
			t.Errorf("%d partitions went to a host that has no code for them", n)
		}
		able.kill()
		w.settle(27 * time.Second)
	})
}

func TestBusyPartitionsComeApart(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		w.start("a")
		w.load(1, Load{Rate: 100})
		w.load(4, Load{Backlog: 1_000})
		wait(rest)
		w.start("b")
		wait(rest)
		w.settle(0)
		if x, _ := w.all()[0].Owner(1); x.Incarnation == "" {
			t.Error("nobody knows the owner of partition 1")
		}
		apart := 0
		for _, n := range w.all() {
			owned := n.owned()
			if _, ok := owned[1]; ok != (owned[4] > 0) {
				apart++
			}
		}
		if apart != 2 {
			t.Error("both busy partitions are with one host")
		}
		_, _, _ = w.counted()
		wait(rest)
		if _, _, claims := w.counted(); len(claims) > 0 {
			t.Errorf("partitions still move: %v", claims)
		}
	})
}

func TestAPartitionLostByItsDriverIsServedAgain(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		epoch := a.owned()[2]
		a.Drop(2)
		a.Lost(2, epoch)
		w.settle(5 * time.Second)
		a.Lost(2, epoch) // it comes too late, and means an epoch that is past
		wait(time.Second)
		w.settle(0)
	})
}

func TestARowThatIsGoneEndsTheIncarnation(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		if err := a.Remove(t.Context(), "a", ""); err != nil {
			t.Fatal(err)
		}
		<-a.Done()
		if n := len(a.owned()); n > 0 || a.Safe() {
			t.Errorf("it still serves %d, safe: %v", n, a.Safe())
		}
		if err := a.Leave(t.Context()); err != nil {
			t.Errorf("leaving: %v", err)
		}
		w.start("a2")
		w.settle(time.Second)
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

func TestABadConfigurationNamesTheField(t *testing.T) {
	for field, cfg := range map[string]Config{
		"Partitions":     {Me: Host{Incarnation: "a"}},
		"Me.Incarnation": {Partitions: 1},
		"Me.Formats":     {Partitions: 1, Me: Host{Incarnation: "a", Formats: Formats{Oldest: 2, Newest: 1}}},
		"Me.Slots":       {Partitions: 1, Me: Host{Incarnation: "a", Slots: -1}},
		"TTL":            {Partitions: 1, Me: Host{Incarnation: "a"}, TTL: time.Millisecond},
		"Beat":           {Partitions: 1, Me: Host{Incarnation: "a"}, TTL: time.Second, Beat: time.Second},
		"Timeout":        {Partitions: 1, Me: Host{Incarnation: "a"}, TTL: time.Second, Timeout: time.Second},
		"Grace":          {Partitions: 1, Me: Host{Incarnation: "a"}, Grace: -1},
		"Drain":          {Partitions: 1, Me: Host{Incarnation: "a"}, Drain: -1},
	} {
		_, err := Join(t.Context(), nil, nil, cfg)
		if want := "sharding: " + field + " is "; err == nil || !slices.Contains([]bool{len(err.Error()) > len(want) && err.Error()[:len(want)] == want, field == "Me.Formats"}, true) {
			t.Errorf("%s: the error is %v", field, err)
		}
	}
}
