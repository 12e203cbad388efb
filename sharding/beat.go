package sharding

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/duroxide/duroxide-go/internal/bug"
)

// beatLoop writes the heartbeats: every so often, and soon after what the row
// says has changed.
func (m *Member) beatLoop() {
	timer := time.NewTimer(m.times.beat - upTo(m.beats, m.times.beat/2)) // hosts that start together come apart
	defer timer.Stop()
	for {
		select {
		case <-m.loops.Done():
			return
		case <-timer.C:
		case <-m.beatNow:
			if !m.pause(m.cfg.TTL / 300) { // what changes together goes together
				return
			}
			drain(m.beatNow)
		}
		timer.Reset(m.beat())
	}
}

func drain(c chan struct{}) {
	select {
	case <-c:
	default:
	}
}

// pause waits. It reports false if the member ended meanwhile.
func (m *Member) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-m.loops.Done():
		return false
	}
}

// beat writes one heartbeat and returns when to write the next.
func (m *Member) beat() time.Duration {
	sent := time.Now()
	m.mu.Lock()
	waiting := m.waiting
	m.waiting = nil
	m.mu.Unlock()
	row := m.row(sent)
	err := m.call(m.loops, func(ctx context.Context) error { return m.dir.Beat(ctx, row) })
	switch {
	case err == nil:
		m.mu.Lock()
		if !time.Now().Before(m.safeUntil) {
			m.cutOff = true
		}
		m.safeUntil = m.fence(sent)
		m.mu.Unlock()
		for _, w := range waiting {
			close(w)
		}
		return m.times.beat - min(time.Since(sent), m.times.beat/2)
	case errors.Is(err, ErrGone) && bug.Planted("gone-joins-again"):
		_ = m.call(m.loops, func(ctx context.Context) error { return m.dir.Join(ctx, row) })
	case errors.Is(err, ErrGone): // L5
		m.end("its row is gone")
		return m.times.beat
	}
	m.mu.Lock()
	m.waiting = append(waiting, m.waiting...)
	m.mu.Unlock()
	if n, due := m.badBeats.Due(); due && m.loops.Err() == nil {
		m.cfg.Log.Warn("heartbeat failed", slog.Any("error", err), slog.Int("unlogged", n))
	}
	return m.retry(m.beats)
}

// retry is a short delay that differs from one host to the next.
func (m *Member) retry(r *rand.Rand) time.Duration { return m.cfg.TTL/30 + upTo(r, m.cfg.TTL/30) }

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

// announce waits until a beat that carries all of what is in the row now is
// applied, for as long as two calls may take, and then until hosts that cannot
// be rung have read it too. It reports whether a beat was applied.
func (m *Member) announce(ctx context.Context, deaf bool) bool {
	applied := make(chan struct{})
	m.mu.Lock()
	m.waiting = append(m.waiting, applied)
	m.mu.Unlock()
	signal(m.beatNow)
	timer := time.NewTimer(2 * m.times.timeout)
	defer timer.Stop()
	select {
	case <-applied:
	case <-timer.C:
		return false
	case <-ctx.Done():
		return false
	case <-m.done:
		return false
	}
	if deaf {
		timer.Reset(m.times.beat + m.times.timeout)
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-m.done:
		}
	}
	return true
}
