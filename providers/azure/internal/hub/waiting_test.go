package hub

import (
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
)

// TestWhoeverWaitsFirstIsHandedOnWithoutTheOthers: as many letters may wait for an
// instance as there are messages in an inbox, and the partition is locked meanwhile.
func TestWhoeverWaitsFirstIsHandedOnWithoutTheOthers(t *testing.T) {
	const all = 1_000
	letters := make([]*letter, all)
	for n := range letters {
		letters[n] = &letter{to: "x"}
	}
	p := &partition{unresolved: map[history.InstanceID][]*letter{"x": letters}}
	next := 0
	if copied := testing.AllocsPerRun(all/2, func() {
		p.popLocked("x", letters[next])
		next++
	}); copied > 0 {
		t.Errorf("%v allocations for each of them", copied)
	}
	p.popLocked("x", letters[all-1]) // a start comes before those that were sent before it
	next--
	for n, l := range p.unresolved["x"] {
		if l != letters[next+1+n] {
			t.Fatalf("of those that wait the one in place %d is another", n)
		}
	}
	if left := len(p.unresolved["x"]); left != all-next-2 {
		t.Errorf("%d wait, want %d", left, all-next-2)
	}
}
