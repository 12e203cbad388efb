package broker

import (
	"math"
	"time"
)

const (
	// ringBatch bounds the alarms that ring in one hold of the mutex, so that
	// 100,000 timers due at once do not stop everyone else.
	ringBatch = 256

	// Long sleeps are cut into pieces, so that a clock that was set forward is
	// noticed soon: a piece is leastNap, or a small share of the whole.
	leastNap = time.Minute
	napShare = 64
)

// keepTime is the timer goroutine: it rings what is due, then sleeps until the
// next alarm or until an earlier one is set.
func (b *Broker) keepTime() {
	defer close(b.stopped)
	sleep := time.NewTimer(math.MaxInt64)
	defer sleep.Stop()
	for {
		sleep.Reset(b.ringDue())
		select {
		case <-sleep.C:
		case <-b.wake:
		case <-b.stop:
			return
		}
	}
}

// ringDue rings a batch of what is due. It returns how long to sleep: 0 when
// there may be more to ring now.
func (b *Broker) ringDue() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now().UnixNano()
	for range ringBatch {
		a := b.alarms.first()
		if a == nil {
			b.sleepsUntil = math.MaxInt64
			return math.MaxInt64
		}
		if now < a.due {
			b.sleepsUntil = a.due
			return nap(now, a.due)
		}
		b.alarms.remove(a)
		a.ring()
	}
	return 0
}

func nap(now, due int64) time.Duration {
	left := due - now
	if left < 0 { // more than 292 years
		left = math.MaxInt64
	}
	return min(time.Duration(left), max(leastNap, time.Duration(left)/napShare))
}

// setAlarmLocked arranges that ring is called, with the mutex held, once it is due.
func (b *Broker) setAlarmLocked(due int64, ring func()) *alarm {
	a := &alarm{due: due, ring: ring}
	b.alarms.push(a)
	if due < b.sleepsUntil {
		b.sleepsUntil = due // once is enough
		b.wakeKeeper()
	}
	return a
}

func (b *Broker) wakeKeeper() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Wake compares all due times with the clock once more. A caller whose Now was
// set forward calls it.
func (b *Broker) Wake() { b.wakeKeeper() }
