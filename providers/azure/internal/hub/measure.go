package hub

import (
	"math"
	"time"

	"github.com/duroxide/duroxide-go/sharding"
)

// measure is what the partition costs its owner. The heartbeats ask for it.
func (p *partition) measure() sharding.Load {
	now := p.store.cfg.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	return sharding.Load{Backlog: p.backlogLocked(), Rate: p.gauge.read(now, p.applied.Load())}
}

// backlogLocked counts the messages in the inbox, except those of instances that
// are known to be parked, and those whose receiver does not exist.
func (p *partition) backlogLocked() (n int) {
	for id, letters := range p.inboxOf {
		i := p.instances[id]
		if i != nil && i.seen != nil && i.seen.meta.ParkedAt != 0 {
			continue
		}
		for _, l := range letters {
			if i != nil || !l.orphan {
				n += max(1, len(l.messages)-l.envelope.Done)
			}
		}
	}
	return n
}

// gauge turns a count into a rate, averaged over some seconds.
type gauge struct {
	at    time.Time
	count int64
	rate  float64 // a second
}

const (
	// gaugeOver is the time after which what was weighs a third.
	gaugeOver = 10 * time.Second
	// gaugeStep is the shortest time over which something is measured: heartbeats
	// may follow each other at once.
	gaugeStep = time.Second
)

// read takes the count as it is now. It rounds to a tenth, so that what has come to
// rest is zero.
func (g *gauge) read(now time.Time, count int64) float64 {
	took := now.Sub(g.at)
	switch {
	case g.at.IsZero() || took < 0: // the clock was set
		g.at, g.count = now, count
	case took >= gaugeStep:
		weight := 1 - math.Exp(-took.Seconds()/gaugeOver.Seconds())
		g.rate += weight * (float64(count-g.count)/took.Seconds() - g.rate)
		g.at, g.count = now, count
	}
	return math.Round(10*g.rate) / 10
}
