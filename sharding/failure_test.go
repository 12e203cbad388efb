package sharding

import (
	"context"
	"maps"
	"slices"
	"testing"
	"time"
)

func TestAnOutageCausesNoTakeOver(t *testing.T) {
	for name, f := range map[string]faults{"of everything": {outage: true}, "of writes": {writes: true}, "refused": {refuse: true}} {
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
				if total, by, _ := w.counted(); float64(total) > 3*(4*length.Seconds()+2) {
					t.Errorf("in an outage %s of %v, %d operations: %v", name, length, total, by)
				}
				for _, n := range w.all() {
					if n.Safe() && length > 10*time.Second {
						t.Errorf("%s counts as safe after an outage %s of %v", n.host.Incarnation, name, length)
					}
				}
				w.set(faults{})
				wait(rest)
				if _, by, claims := w.counted(); len(claims) > 0 || by["remove"] > 0 && !f.writes {
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
		m := paused.member()
		m.mu.Lock()
		m.safeUntil = m.fence(time.Now()) // as if a heartbeat were applied
		m.mu.Unlock()
		if m.Safe() {
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
		w.hook(func(op string) {
			if op == "remove" && !saved {
				row := w.rows["b"]
				row.ETag = "late"
				w.rows["b"] = row
				saved = true
				b.resume()
			}
		})
		b.pause()
		wait(rest)
		w.settle(0)
		_, by, claims := w.counted()
		if by["remove"] != 1 || len(claims) > 0 {
			t.Errorf("%d removals, claims %v", by["remove"], claims)
		}
	})
}

// L4: as long as the row is there its host is not dead, whatever became of a removal.
func TestAHostWhoseRowIsThereIsNotSucceeded(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		w.start("a")
		b := w.start("b")
		wait(rest)
		w.set(faults{failed: "remove"})
		w.counted()
		b.kill()
		wait(rest)
		if _, by, claims := w.counted(); by["remove"] == 0 || len(claims) > 0 {
			t.Errorf("after %d removals that failed: claims %v", by["remove"], claims)
		}
		w.set(faults{})
		w.settle(10 * time.Second)
	})
}

// L6: a host that does not get its heartbeats through judges nobody, and takes nothing.
func TestAHostThatIsUnsafeRemovesAndClaimsNothing(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		a, b := w.start("a"), w.start("b")
		wait(rest)
		w.set(faults{failed: "beat"})
		b.kill()
		w.counted()
		wait(time.Minute)
		if _, by, claims := w.counted(); a.Safe() || by["remove"] > 0 || len(claims) > 0 {
			t.Errorf("safe: %v; removals: %d; claims: %v", a.Safe(), by["remove"], claims)
		}
		w.mu.Lock()
		delete(w.rows, "b") // as another host would have done
		w.mu.Unlock()
		wait(time.Minute)
		if _, _, claims := w.counted(); len(claims) > 0 {
			t.Errorf("claims: %v", claims)
		}
		w.set(faults{})
		w.settle(10 * time.Second)
	})
}

// L3: it is time that makes a host dead, and not how often its row was read meanwhile.
func TestWhoLooksOftenDeclaresNobodyDead(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		a := w.start("a")
		w.start("b")
		wait(rest)
		w.counted()
		for range 100 {
			a.Nudge()
			wait(100 * time.Millisecond)
		}
		if _, by, claims := w.counted(); by["hosts"] < 100 || by["remove"] > 0 || len(claims) > 0 {
			t.Errorf("the calls were %v, the claims %v", by, claims)
		}
		w.settle(0)
	})
}

// L7: a host that joined after the rows were read is no dead host.
func TestAHostThatHasJustJoinedIsNotTakenForDead(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		joined := false
		w.hook(func(op string) {
			if op == "head 0" && !joined {
				joined = true
				w.rows["b"] = Seen{Host: Host{Incarnation: "b"}, ETag: "b"}
				w.heads[0] = Head{Owner: "b", Epoch: 1, ETag: "b"}
			}
		})
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

func TestAPartitionLostByItsDriverIsServedAgain(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		epoch := a.owned()[2]
		a.forget(2)
		a.Lost(2, epoch)
		w.settle(5 * time.Second)
		a.Lost(2, epoch) // it comes too late, and means an epoch that is past
		wait(time.Second)
		w.settle(0)
	})
}

// What fails while it is claimed is lost before the member knows that it has it.
// A host that lost a partition has not seen it unlisted for as long as it had it.
func TestAPartitionThatAnotherHasJustClaimedIsNotTakenBack(t *testing.T) {
	bubble(t, 1, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		w.start("b")
		wait(rest)
		w.mu.Lock()
		was := w.heads[0]
		_, err := w.write(0, was.ETag, Head{Owner: "b", Epoch: was.Epoch + 1}) // of which b does not know yet
		w.mu.Unlock()
		if was.Owner != "a" || err != nil {
			t.Fatalf("the head was %+v; writing it: %v", was, err)
		}
		w.counted()
		a.forget(0)
		a.Lost(0, was.Epoch)
		w.settle(rest)
		if _, _, claims := w.counted(); len(claims) != 1 || claims[0].by != "b" {
			t.Errorf("the claims are %+v, want one of b, whose the partition was", claims)
		}
	})
}

func TestAPartitionLostWhileItIsClaimedIsServedAgain(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		a := w.host("a")
		failures := map[int]int{}
		a.claimed = func(p int, epoch int64) {
			w.mu.Lock()
			failures[p]++
			again := failures[p] < 3
			w.mu.Unlock()
			if again {
				a.forget(p)
				a.member().Lost(p, epoch)
			}
		}
		if err := a.join(Config{}); err != nil {
			t.Fatal(err)
		}
		w.settle(10 * time.Second)
	})
}

func TestARowThatIsGoneEndsTheIncarnation(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		if err := a.Remove(t.Context(), "a", ""); err != nil {
			t.Fatal(err)
		}
		wait(6 * time.Second)
		select {
		case <-a.Done():
		default:
			t.Fatal("it goes on") // L5
		}
		w.mu.Lock()
		if len(w.rows) > 0 {
			t.Errorf("its row is back: %v", w.rows)
		}
		w.mu.Unlock()
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

// The head of one partition is all that the others do not need.
func TestAHeadThatCannotBeReadHoldsUpNoOtherPartition(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		w.start("b")
		wait(rest)
		bad := 1
		for !slices.Contains(slices.Collect(maps.Keys(a.owned())), bad) {
			bad++
		}
		w.set(faults{head: bad})
		a.kill()
		wait(15*time.Second + 2*5*time.Second + 2*time.Second)
		if unserved := w.unserved(); len(unserved) != 1 {
			t.Errorf("not served: %q; want partition %d alone", unserved, bad)
		}
		c := w.start("c")
		wait(rest)
		if len(c.owned()) < 3 {
			t.Errorf("a host that joined meanwhile serves %v", c.owned())
		}
		w.set(faults{})
		w.settle(10 * time.Second)
	})
}

func TestAfterAKillEveryPartitionIsServedInTimeAlthoughCallsAreLost(t *testing.T) {
	for _, partitions := range []int{16, 256} {
		bubble(t, partitions, func(t *testing.T, w *world) {
			a := w.start("a")
			w.start("b")
			wait(2 * rest)
			w.start("c")
			wait(20 * rest)
			w.set(faults{lost: 0.05})
			a.kill()
			t.Logf("%d partitions: served after %v", partitions, w.settle(15*time.Second+2*5*time.Second+2*time.Second))
			w.set(faults{})
		})
	}
}
