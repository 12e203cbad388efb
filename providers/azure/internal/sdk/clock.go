package sdk

import (
	"sync"
	"time"
)

// clockWindow is how long samples count: long enough to narrow the second that a
// Date header is exact to, short enough that drift stays in the milliseconds.
const clockWindow = 2 * time.Minute

// bounds is what samples say together: by how much the service is ahead.
type bounds struct {
	least, most time.Duration
	valid       bool
}

func (b bounds) and(o bounds) bounds {
	switch {
	case !b.valid:
		return o
	case !o.valid:
		return b
	}
	return bounds{max(b.least, o.least), min(b.most, o.most), true}
}

// drift is what two clocks may run apart within two windows, at 200 ppm.
const drift = 50 * time.Millisecond

// possible reports whether samples agree, but for drift.
func (b bounds) possible() bool { return b.least <= b.most+drift }

// clock tells the service's time: by how much it is ahead of a steady clock of
// this machine, which begins with the right time and then goes by the monotonic
// clock, so that nobody sets it. An answer's Date, cut
// to a second, was made between sending and receiving: so each answer bounds the
// difference from both sides, the closer the quicker it came, and many answers
// together bound it far better than one.
//
// Of what is possible the clock says what it said last, or else what is nearest
// to that, beginning with no difference. So machines whose clocks are right agree
// to the millisecond from the first answer on, and time does not jump while the
// bounds narrow.
type clock struct {
	start time.Time
	mu    struct {
		sync.Mutex
		previous, current bounds // of two windows
		began             time.Time
		said              time.Duration
	}
}

func newClock() *clock { return &clock{start: time.Now()} }

// steady is a time of this machine by the steady clock.
func (c *clock) steady(t time.Time) time.Time { return c.start.Add(t.Sub(c.start)).Round(0) }

// now is the service's time.
func (c *clock) now() time.Time { return c.steady(time.Now()).Add(c.offset()) }

// ahead is by how much the service's clock is ahead of this machine's.
func (c *clock) ahead() time.Duration { return c.now().Sub(time.Now().Round(0)) }

// sample takes note of an answer.
func (c *clock) sample(sent, received, date time.Time) {
	sent, received = c.steady(sent), c.steady(received)
	b := bounds{date.Sub(received), date.Add(time.Second).Sub(sent), true}
	c.mu.Lock()
	defer c.mu.Unlock()
	if since := received.Sub(c.mu.began); since < 0 || since > clockWindow {
		c.mu.previous, c.mu.current, c.mu.began = c.mu.current, bounds{}, received
	}
	if all := c.mu.previous.and(c.mu.current).and(b); !all.possible() {
		c.mu.previous, c.mu.current = bounds{}, bounds{} // the service's clock was set, or this machine slept
	}
	c.mu.current = c.mu.current.and(b)
	if all := c.mu.previous.and(c.mu.current); all.least > all.most { // by drift
		c.mu.said = all.least + (all.most-all.least)/2
	} else {
		c.mu.said = min(max(c.mu.said, all.least), all.most)
	}
}

// offset is by how much the service is ahead of the steady clock, 0 before the
// first answer.
func (c *clock) offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.said
}
