package sharding

import (
	"fmt"
	"log/slog"
	"time"
)

// MaxPartitions is the most partitions of a hub: host rows list them, and a
// single survivor serves them all.
const MaxPartitions = 256

const (
	defaultTTL = 15 * time.Second
	minTTL     = 100 * time.Millisecond
	maxGrace   = 2 * time.Second

	// claimsAtOnce is how many heads a host reads or writes at a time.
	claimsAtOnce = 8
)

// Config of a [Member]. Partitions and Me.Incarnation must be set; every other
// zero is a default.
type Config struct {
	// Partitions is the hub's number of partitions, from 1 to [MaxPartitions].
	Partitions int
	// Me is this host. Leaving and Serves are the member's to fill in, and Slots
	// and Free if the function Slots is given.
	Me Host

	// TTL is how long a row must stay as it is before its host counts as dead,
	// and so the measure of everything here. Hosts of a hub must agree on it.
	// Default 15 s, at least 100 ms; below 3 s only for tests, because slow
	// calls then look like deaths.
	TTL time.Duration
	// Slots returns Host.Slots and Host.Free for the next beat; nil leaves those
	// of Me.
	Slots func() (slots, free int)
	// Log hears of deaths, claims and hand-overs. Default none.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.TTL == 0 {
		c.TTL = defaultTTL
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func (c Config) validate() error {
	switch {
	case c.Partitions < 1 || c.Partitions > MaxPartitions:
		return fmt.Errorf("sharding: Partitions is %d: choose from 1 to %d", c.Partitions, MaxPartitions)
	case c.Me.Incarnation == "":
		return fmt.Errorf("sharding: Me.Incarnation is empty: every life of a host needs its own")
	case c.Me.Formats.Oldest > c.Me.Formats.Newest:
		return fmt.Errorf("sharding: Me.Formats goes from %d to %d: the oldest comes first", c.Me.Formats.Oldest, c.Me.Formats.Newest)
	case c.Me.Slots < 0:
		return fmt.Errorf("sharding: Me.Slots is %d: it cannot be negative", c.Me.Slots)
	case c.TTL < minTTL:
		return fmt.Errorf("sharding: TTL is %v: at least %v", c.TTL, minTTL)
	}
	return nil
}

// times are what follows from the TTL.
type times struct {
	// beat is the time between heartbeats, and between reads of the rows: at rest
	// a member does two operations in that time. One beat may fail without harm.
	beat time.Duration
	// timeout bounds each call of the directory, and of Head and Claim.
	timeout time.Duration
	// grace is how long a free partition is left to the host for which it is
	// meant, before anyone takes it.
	grace time.Duration
	// drain bounds [Driver.Release].
	drain time.Duration
}

func timesOf(ttl time.Duration) times {
	return times{beat: ttl / 3, timeout: ttl / 8, grace: min(maxGrace, ttl/5), drain: ttl / 3}
}
