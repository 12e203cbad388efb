package lograte

import (
	"sync"
	"time"
)

// Every is how long the log hears nothing more of the same trouble.
const Every = time.Minute

// Limiter says when to log one trouble. Its zero is ready, and any number of
// goroutines may use it.
type Limiter struct {
	mu       sync.Mutex
	last     time.Time
	unlogged int
}

// Due reports whether to log now, and how often that was not due since the last
// time.
func (l *Limiter) Due() (unlogged int, due bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.last.IsZero() && time.Since(l.last) < Every {
		l.unlogged++
		return 0, false
	}
	unlogged, l.unlogged, l.last = l.unlogged, 0, time.Now()
	return unlogged, true
}
