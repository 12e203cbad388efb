package sharding

import (
	"testing"
	"time"
)

// TestWhoHasAnnouncedLeavesInHalfASecond: where hosts cannot ring each other it takes a
// beat until they have seen the announcement, and the host serves everything meanwhile,
// for as long as it likes.
func TestWhoHasAnnouncedLeavesInHalfASecond(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		a, b := w.start("a"), w.host("b")
		b.host.Address = ""
		wait(rest)
		if err := b.join(Config{}); err != nil {
			t.Fatal(err)
		}
		wait(rest)
		before := len(a.owned())
		a.Announce(t.Context())
		for range 100 {
			if n := len(a.owned()); n != before {
				t.Fatalf("it served %d partitions, announced that it leaves, and serves %d", before, n)
			}
			w.settle(0)
			wait(300 * time.Millisecond)
		}
		began := time.Now()
		if err := a.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settle(500*time.Millisecond - time.Since(began))
	})
}

// TestAnAnnouncementIsMendedWhereItsTargetIsGone: what was for a host that left
// meanwhile is for another one, which is told.
func TestAnAnnouncementIsMendedWhereItsTargetIsGone(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		for _, name := range []string{"b", "c"} {
			n := w.host(name)
			n.host.Address = ""
			if err := n.join(Config{}); err != nil {
				t.Fatal(err)
			}
		}
		wait(3 * rest)
		a.Announce(t.Context())
		b := w.all()[1]
		b.Announce(t.Context())
		if err := b.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		wait(time.Second) // c has what b had; a has still its own
		w.settle(0)
		if n := len(a.owned()); n == 0 {
			t.Fatal("it serves nothing any more, and has not left")
		}
		if err := a.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.settle(500 * time.Millisecond)
	})
}

// TestWhoHasAnnouncedTakesNothingOver: others take what becomes free.
func TestWhoHasAnnouncedTakesNothingOver(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		a := w.start("a")
		b := w.start("b")
		w.start("c")
		wait(3 * rest)
		before := len(a.owned())
		a.Announce(t.Context())
		b.kill()
		wait(30 * time.Second)
		w.settle(0)
		if n := len(a.owned()); n != before {
			t.Errorf("it served %d partitions when it announced that it leaves, and serves %d", before, n)
		}
	})
}

// TestAnAnnouncementAloneIsNoneToWaitFor: there is nobody who could take anything over.
func TestAnAnnouncementAloneIsNoneToWaitFor(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		began := time.Now()
		a.Announce(t.Context())
		if took := time.Since(began); took > 100*time.Millisecond {
			t.Errorf("it took %v", took)
		}
	})
}

// TestOthersAreBalancedWhileOneIsAboutToLeave: that may take as long as what runs there,
// and who joins meanwhile is not to be idle for so long.
func TestOthersAreBalancedWhileOneIsAboutToLeave(t *testing.T) {
	bubble(t, 16, func(t *testing.T, w *world) {
		a := w.start("a")
		w.start("b")
		wait(6 * rest)
		before := len(a.owned())
		a.Announce(t.Context())
		c := w.start("c")
		wait(6 * rest)
		if n := len(a.owned()); n != before || n == 0 {
			t.Errorf("it served %d partitions when it announced that it leaves, and serves %d", before, n)
		}
		if n := len(c.owned()); n < 2 {
			t.Errorf("who joined has %d partitions of 16, and the others do not move for an hour, perhaps", n)
		}
	})
}
