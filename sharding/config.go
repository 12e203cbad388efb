package sharding

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
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
	// Beat is the time between heartbeats, and between reads of the rows: at
	// rest a member does two operations in that time. Default TTL/3, which is
	// also the most, so that a beat may fail without harm.
	Beat time.Duration
	// Timeout bounds each call of the directory, and of Head and Claim. Default
	// TTL/8, at most TTL/5.
	Timeout time.Duration
	// Grace is how long a free partition is left to the host for which it is
	// meant, before anyone takes it. Default 2 s, or TTL/5 if that is less.
	Grace time.Duration
	// Drain bounds [Driver.Release]. Default TTL/3.
	Drain time.Duration

	// Slots returns Host.Slots and Host.Free for the next beat; nil leaves those
	// of Me.
	Slots func() (slots, free int)
	// Source is the randomness that keeps hosts from doing things at the same
	// instant. Default a generator seeded with the incarnation.
	Source rand.Source
	// Log hears of deaths, claims and hand-overs. Default none.
	Log *slog.Logger
}

// WithDefaults returns the configuration with every default filled in.
func (c Config) WithDefaults() Config {
	set := func(d *time.Duration, otherwise time.Duration) {
		if *d == 0 {
			*d = otherwise
		}
	}
	set(&c.TTL, defaultTTL)
	set(&c.Beat, c.TTL/3)
	set(&c.Timeout, c.TTL/8)
	set(&c.Grace, min(maxGrace, c.TTL/5))
	set(&c.Drain, c.TTL/3)
	if c.Source == nil {
		c.Source = rand.NewPCG(hash(c.Me.Incarnation), uint64(c.Partitions))
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
	case c.Beat <= 0 || c.Beat > c.TTL/3:
		return fmt.Errorf("sharding: Beat is %v: more than 0 and at most a third of TTL, %v", c.Beat, c.TTL/3)
	case c.Timeout <= 0 || c.Timeout > c.TTL/5:
		return fmt.Errorf("sharding: Timeout is %v: more than 0 and at most a fifth of TTL, %v", c.Timeout, c.TTL/5)
	case c.Grace <= 0:
		return fmt.Errorf("sharding: Grace is %v: it must be positive", c.Grace)
	case c.Drain <= 0:
		return fmt.Errorf("sharding: Drain is %v: it must be positive", c.Drain)
	}
	return nil
}
