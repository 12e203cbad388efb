package broker

import (
	"math"
	"time"
)

// alarm is something that becomes due: a delayed message, a timer, the end of
// the delay of a release. It waits in the broker's heap.
type alarm struct {
	due   int64  // nanoseconds since 1970, as nanos makes them
	seq   uint64 // alarms due at the same time ring in the order they were set
	index int    // in the heap; -1 when not set
	ring  func() // called with the broker's mutex held
}

// nanos clamps times that int64 nanoseconds cannot express, so that the
// comparison of due times stays right.
func nanos(t time.Time) int64 {
	switch y := t.Year(); {
	case y < 1700:
		return math.MinInt64
	case y > 2250:
		return math.MaxInt64
	}
	return t.UnixNano()
}

// alarms is a binary heap of alarms, the earliest first.
type alarms struct {
	heap []*alarm
	seq  uint64
}

func (h *alarms) first() *alarm {
	if len(h.heap) == 0 {
		return nil
	}
	return h.heap[0]
}

func (h *alarms) push(a *alarm) {
	h.seq++
	a.seq, a.index = h.seq, len(h.heap)
	h.heap = append(h.heap, a)
	h.up(a.index)
}

// remove takes an alarm out; one that is not set, or nil, is left alone.
func (h *alarms) remove(a *alarm) {
	if a == nil || a.index < 0 {
		return
	}
	i, last := a.index, len(h.heap)-1
	h.swap(i, last)
	h.heap[last] = nil
	h.heap = h.heap[:last]
	a.index = -1
	if i < last {
		h.up(i)
		h.down(i)
	}
}

func (h *alarms) before(i, j int) bool {
	a, b := h.heap[i], h.heap[j]
	return a.due < b.due || a.due == b.due && a.seq < b.seq
}

func (h *alarms) swap(i, j int) {
	h.heap[i], h.heap[j] = h.heap[j], h.heap[i]
	h.heap[i].index, h.heap[j].index = i, j
}

func (h *alarms) up(i int) {
	for i > 0 {
		parent := (i - 1) / 2
		if !h.before(i, parent) {
			return
		}
		h.swap(i, parent)
		i = parent
	}
}

func (h *alarms) down(i int) {
	for {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(h.heap); child++ {
			if h.before(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		h.swap(i, least)
		i = least
	}
}
