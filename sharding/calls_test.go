package sharding

import (
	"context"
	"runtime"
	"sync"
	"testing"
	"time"
)

// calls are those of a node that are under way. In every test they are held to what
// L10 and L11 say of them.
type calls struct {
	mu    sync.Mutex
	under map[int]string // by partition, of the driver
	count int
	left  bool // Leave has returned
	held  bool // it was said that a mutex is held
}

// all stands for calls that are not for one partition.
const all = -1

// enter begins a call, and returns what ends it.
func (n *node) enter(op string, partition int) (end func()) {
	n.unlocked(op)
	n.calls.mu.Lock()
	defer n.calls.mu.Unlock()
	if n.calls.left {
		n.w.t.Errorf("L11: %s has left, and its member calls %s %d", n.host.Incarnation, op, partition)
	}
	if other := n.calls.under[partition]; other != "" {
		n.w.t.Errorf("L10: %s is called for partition %d of %s while %s is under way", op, partition, n.host.Incarnation, other)
	}
	n.calls.count++
	if partition != all {
		if n.calls.under == nil {
			n.calls.under = map[int]string{}
		}
		n.calls.under[partition] = op
	}
	return func() {
		n.calls.mu.Lock()
		defer n.calls.mu.Unlock()
		n.calls.count--
		delete(n.calls.under, partition)
	}
}

// patience is how often a mutex may be found locked by somebody who is about to unlock
// it: some tenths of a second of trying.
const patience = 3_000_000

// unlocked checks that the member's mutex is not held by whoever makes this call.
func (n *node) unlocked(op string) {
	m := n.member()
	if m == nil {
		return // it joins
	}
	n.calls.mu.Lock()
	defer n.calls.mu.Unlock()
	for range patience {
		if n.calls.held {
			return
		}
		if m.mu.TryLock() {
			m.mu.Unlock()
			return
		}
		runtime.Gosched()
	}
	n.calls.held = true
	n.w.t.Errorf("L10: a mutex is held across a call of %s", op)
}

// Leave is that of the member, which must leave nothing behind.
func (n *node) Leave(ctx context.Context) error {
	err := n.Member.Leave(ctx)
	n.calls.mu.Lock()
	defer n.calls.mu.Unlock()
	n.calls.left = true
	if n.calls.count > 0 {
		n.w.t.Errorf("L11: Leave of %s has returned, and %d calls are under way, %v", n.host.Incarnation, n.calls.count, n.calls.under)
	}
	return err
}

// TestNoMutexIsHeldAcrossACall (L10): a driver and a directory may call the member. The
// node checks that at each of their calls, of which there are all kinds here.
func TestNoMutexIsHeldAcrossACall(t *testing.T) {
	bubble(t, 8, func(t *testing.T, w *world) {
		w.start("a")
		wait(rest)
		w.start("b")
		wait(rest)
		c := w.start("c")
		wait(rest)
		if err := c.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		w.all()[0].kill()
		wait(rest)
		_, by, _ := w.counted()
		for _, op := range []string{"join", "beat", "hosts", "remove", "head", "claim", "release"} {
			if by[op] == 0 {
				t.Errorf("%s was never called", op)
			}
		}
	})
}

// TestLeaveWaitsForAllThatWasBegun (L11): also for a release that takes longer than the
// leaver has. Whoever leaves may let go of the driver then.
func TestLeaveWaitsForAllThatWasBegun(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		a := w.start("a")
		wait(rest)
		const drain = 4 * time.Second
		a.mu.Lock()
		a.drain = drain
		a.mu.Unlock()
		w.start("b")
		for len(a.owned()) == 4 {
			wait(10 * time.Millisecond)
		}
		a.mu.Lock()
		a.drain = 0 // of the others
		a.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_ = a.Leave(ctx) // which checks that nothing is under way
		if took := time.Since(start); took < drain-100*time.Millisecond {
			t.Errorf("it left after %v, and a release that took %v was under way", took, drain)
		}
		w.settle(time.Second)
	})
}
