package doorbell

import (
	"sync"
	"time"
)

// gate lets signed requests in: each once, and so many a second.
type gate struct {
	limits Limits

	mu     sync.Mutex
	tokens float64
	filled time.Time                    // when tokens were last added
	nonces map[int64]map[nonce]struct{} // by the slot of the request's time
	oldest int64                        // slot; what is older was forgotten
}

// verdict is what the gate says.
type verdict int

const (
	admitted verdict = iota
	stale            // its time is too far from now
	repeated         // it came before
	tooMany
)

func newGate(l Limits) *gate {
	return &gate{limits: l, tokens: float64(l.Burst), filled: time.Now(), nonces: map[int64]map[nonce]struct{}{}}
}

// slot is which part of time a request is of. Nonces are forgotten by the slot.
func slot(millis int64) int64 { return millis / window.Milliseconds() }

// admit decides about a request whose signature is right. Now is the time by the
// clock by which requests are dated. What it remembers is bounded by the rate.
func (g *gate) admit(p *proof, now time.Time) verdict {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgetLocked(now)
	// A clock that goes back does not make the forgotten acceptable.
	if off := p.time - now.UnixMilli(); off > window.Milliseconds() || off < -window.Milliseconds() || slot(p.time) < g.oldest {
		return stale
	}
	of := g.nonces[slot(p.time)]
	if _, known := of[p.nonce]; known {
		return repeated
	}
	if !g.takeLocked() {
		return tooMany
	}
	if of == nil {
		of = map[nonce]struct{}{}
		g.nonces[slot(p.time)] = of
	}
	of[p.nonce] = struct{}{}
	return admitted
}

// forgetLocked drops the slots of which no request is acceptable any more.
func (g *gate) forgetLocked(now time.Time) {
	oldest := slot(now.Add(-window).UnixMilli())
	if oldest <= g.oldest {
		return
	}
	g.oldest = oldest
	for s := range g.nonces {
		if s < oldest {
			delete(g.nonces, s)
		}
	}
}

func (g *gate) takeLocked() bool {
	now := time.Now()
	g.tokens = min(float64(g.limits.Burst), g.tokens+now.Sub(g.filled).Seconds()*float64(g.limits.Rate))
	g.filled = now
	if g.tokens < 1 {
		return false
	}
	g.tokens--
	return true
}
