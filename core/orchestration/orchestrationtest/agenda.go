package orchestrationtest

import (
	"container/heap"
	"time"
)

// coming is something that is to happen at a virtual time.
type coming struct {
	at   time.Time
	seq  int64 // of those at the same time, the order
	do   func()
	dead bool // it will not happen
}

// comings is the agenda: what is to happen, by time, and in the order in which
// it was put there.
type comings struct {
	heap agendaHeap
	seq  int64
}

// farFuture is later than anything.
var farFuture = time.Unix(1<<40, 0)

// next is when the next thing happens.
func (c *comings) next() time.Time {
	for len(c.heap) > 0 && c.heap[0].dead {
		heap.Pop(&c.heap)
	}
	if len(c.heap) == 0 {
		return farFuture
	}
	return c.heap[0].at
}

func (e *Env) at(t time.Time, do func()) *coming {
	if t.Before(e.now) {
		t = e.now
	}
	e.coming.seq++
	c := &coming{at: t, seq: e.coming.seq, do: do}
	heap.Push(&e.coming.heap, c)
	return c
}

// happen lets the next thing happen. Time skips to it.
func (e *Env) happen() {
	if e.coming.next().Equal(farFuture) {
		return
	}
	c := heap.Pop(&e.coming.heap).(*coming)
	e.now = c.at
	c.do()
}

// cancel keeps something from happening.
func (c *coming) cancel() {
	if c != nil {
		c.dead = true
	}
}

type agendaHeap []*coming

func (h *agendaHeap) Len() int { return len(*h) }
func (h *agendaHeap) Less(i, j int) bool {
	a, b := (*h)[i], (*h)[j]
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	return a.seq < b.seq
}
func (h *agendaHeap) Swap(i, j int) { (*h)[i], (*h)[j] = (*h)[j], (*h)[i] }
func (h *agendaHeap) Push(x any)    { *h = append(*h, x.(*coming)) }
func (h *agendaHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
