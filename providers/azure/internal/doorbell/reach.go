package doorbell

import (
	"sync"
	"time"
)

// reach remembers which addresses did not answer, so that they cost little.
// Rings and waits are told apart: something in between may let only the short
// ones through.
type reach struct {
	mu  sync.Mutex
	all map[way]*tries
}

type way struct {
	address string
	waits   bool
}

// tries are the calls of a way. The zero value is one that has not failed.
type tries struct {
	open     int           // calls under way
	failures int           // in a row
	pause    time.Duration // since the last
	next     time.Time     // no call before
}

func wayOf(address string, k kind) way { return way{address, k == wait} }

// begin reports whether a call is worth a try; then end must follow. After a
// failure, one call at a time is.
func (r *reach) begin(address string, k kind, now time.Time) bool {
	w := wayOf(address, k)
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.all[w]
	if t == nil {
		if len(r.all) >= maxAddresses && !r.forgetLocked(now) {
			return false
		}
		if r.all == nil {
			r.all = map[way]*tries{}
		}
		t = &tries{}
		r.all[w] = t
	}
	switch {
	case t.failures > 0 && (now.Before(t.next) || t.open > 0),
		w.waits && t.open >= maxWaitsAt:
		return false
	}
	t.open++
	return true
}

// forgetLocked makes room. It reports whether there is any.
func (r *reach) forgetLocked(now time.Time) bool {
	for w, t := range r.all {
		if t.open == 0 && !now.Before(t.next) {
			delete(r.all, w)
		}
	}
	return len(r.all) < maxAddresses
}

// end takes note of what became of a call.
func (r *reach) end(address string, k kind, now time.Time, reached, given bool) {
	w := wayOf(address, k)
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.all[w]
	t.open--
	switch {
	case reached:
		t.failures, t.pause, t.next = 0, 0, time.Time{}
	case given:
	case now.Before(t.next): // others failed at the same time
	default:
		t.failures++
		t.pause = min(max(2*t.pause, firstBackoff), lastBackoff)
		t.next = now.Add(t.pause)
	}
	if t.open == 0 && t.failures == 0 {
		delete(r.all, w)
	}
}
