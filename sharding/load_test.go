package sharding

import (
	"testing"
	"time"
)

func (w *world) load(p int, l Load) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.loads[p] = l
}

func (n *node) Load(p int) Load {
	n.unlocked("load")
	n.w.mu.Lock()
	l := n.w.loads[p]
	n.w.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.slow && time.Since(n.since[p]) < 10*time.Second {
		l.Rate = 0
	}
	return l
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

// What a host served that died is shared out by what it cost, although no row says
// so any more.
func TestAfterADeathBusyPartitionsComeApart(t *testing.T) {
	bubble(t, 4, func(t *testing.T, w *world) {
		a := w.start("a")
		w.load(0, Load{Rate: 100})
		w.load(2, Load{Rate: 100})
		wait(time.Second)
		w.start("b")
		w.start("c")
		wait(8 * time.Second) // what was claimed is not moved yet
		a.kill()
		w.counted()
		w.settle(27 * time.Second)
		wait(rest)
		_, _, claims := w.counted()
		for _, n := range w.all() {
			if owned := n.owned(); !n.isKilled() && (len(owned) != 2 || owned[0] > 0 && owned[2] > 0) {
				t.Errorf("%s serves %v", n.host.Incarnation, owned)
			}
		}
		if len(claims) != 4 {
			t.Errorf("4 partitions changed hands with %d claims: %+v", len(claims), claims)
		}
	})
}

// A new owner cannot tell yet how busy its partition is. Meanwhile it is given
// nothing on the ground that it seems idle.
func TestWhoTakesABusyPartitionIsNotTakenForIdle(t *testing.T) {
	bubble(t, 6, func(t *testing.T, w *world) {
		w.start("a")
		w.load(1, Load{Rate: 100})
		w.load(4, Load{Rate: 100})
		wait(rest)
		b := w.host("b")
		b.slow = true
		if err := b.join(Config{}); err != nil {
			t.Fatal(err)
		}
		w.counted()
		wait(rest)
		w.settle(0)
		if _, _, claims := w.counted(); len(claims) != 1 {
			t.Errorf("to bring two busy partitions apart took %d claims", len(claims))
		}
	})
}
