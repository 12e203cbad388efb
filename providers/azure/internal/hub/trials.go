package hub

import (
	"maps"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/internal/bug"
)

// trials is what runs in this process, of all its partitions.
type trials struct {
	mu      sync.Mutex
	alone   *probation               // whose last suspect is on trial
	wanted  map[*probation]time.Time // who has a last suspect, and until when others wait for its trial
	running map[string]*running      // by the name of the piece of work
}

type running struct {
	of    *probation
	since time.Time
	trial time.Duration // after which it counts as innocent
}

// want has others wait for the trial of the last suspect of a partition, for so many
// TTLs and no longer: it may not be there any more.
func (t *trials) want(b *probation, ttl time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wantLocked(b, ttl)
}

func (t *trials) wantLocked(b *probation, ttl time.Duration) {
	if t.wanted == nil {
		t.wanted = map[*probation]time.Time{}
	}
	t.wanted[b] = time.Now().Add((turnTrial + workTrial) * ttl)
}

// mayBegin reports whether a piece of work may run now, and counts it. The last suspect
// of a partition begins its trial, or is waited for.
func (t *trials) mayBegin(p *partition, piece string, last bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, now := &p.probation, time.Now()
	doubtful := last && t.doubtfulLocked(now)
	if doubtful && !t.wanted[b].After(now) {
		t.wantLocked(b, p.store.cfg.TTL)
	}
	wait := t.alone != nil || doubtful || !last && t.wantedLocked(now)
	if wait && !bug.Planted("trials-crowded") {
		return false
	}
	if last {
		t.alone = b
		delete(t.wanted, b)
	}
	if t.running == nil {
		t.running = map[string]*running{}
	}
	t.running[piece] = &running{b, now, p.trial(piece)}
	return true
}

// wantedLocked reports whether somebody waits for a trial.
func (t *trials) wantedLocked(now time.Time) bool {
	for b, until := range t.wanted {
		if now.Before(until) {
			return true
		}
		delete(t.wanted, b)
	}
	return false
}

// doubtfulLocked reports whether something runs that may kill the process yet.
func (t *trials) doubtfulLocked(now time.Time) bool {
	for _, r := range t.running {
		if now.Sub(r.since) < r.trial {
			return true
		}
	}
	return false
}

// ended says that a piece of work has ended.
func (t *trials) ended(b *probation, piece string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r := t.running[piece]; r != nil && r.of == b {
		delete(t.running, piece)
	}
}

// over ends the trial of a partition's last suspect, which may go on.
func (t *trials) over(b *probation) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.alone == b {
		t.alone = nil
	}
	delete(t.wanted, b)
}

// left forgets a partition that is given up.
func (t *trials) left(b *probation) {
	t.over(b)
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.running, func(_ string, r *running) bool { return r.of == b })
}
