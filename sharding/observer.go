package sharding

import (
	"context"
	"sync"
	"time"
)

// Observer reads who owns what without taking part, for clients that want to
// wake owners. What it says may be out of date, by its maximal age and more:
// a dead host's row stays until another host removes it.
type Observer struct {
	dir    Directory
	maxAge time.Duration
	turn   chan struct{} // capacity 1: whoever holds it reads

	mu        sync.Mutex
	at        time.Time // start of the read
	hosts     []Host
	forgotten int // how often
}

// NewObserver makes an observer that reads the rows again when they are older
// than maxAge and somebody asks.
func NewObserver(dir Directory, maxAge time.Duration) *Observer {
	return &Observer{dir: dir, maxAge: maxAge, turn: make(chan struct{}, 1)}
}

// Owner is the host that serves the partition. When the rows cannot be read it
// answers from older ones if it has any.
func (o *Observer) Owner(ctx context.Context, partition int) (Host, bool) {
	hosts, _ := o.Hosts(ctx)
	h, _ := ownerOf(hosts, partition)
	if h == nil {
		return Host{}, false
	}
	return *h, true
}

// Hosts are the hosts that have rows. On an error they are those of the last
// successful read, perhaps none. The caller must not change them.
func (o *Observer) Hosts(ctx context.Context) ([]Host, error) {
	if hosts, fresh := o.cached(); fresh {
		return hosts, nil
	}
	select {
	case o.turn <- struct{}{}:
		defer func() { <-o.turn }()
	case <-ctx.Done():
		hosts, _ := o.cached()
		return hosts, ctx.Err()
	}
	hosts, fresh := o.cached() // another caller may have read meanwhile
	if fresh {
		return hosts, nil
	}
	o.mu.Lock()
	forgotten := o.forgotten
	o.mu.Unlock()
	start := time.Now()
	rows, err := o.dir.Hosts(ctx)
	if err != nil {
		return hosts, err
	}
	hosts = make([]Host, 0, len(rows))
	for _, row := range rows {
		hosts = append(hosts, row.Host)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hosts = hosts
	if o.at = start; o.forgotten != forgotten {
		o.at = time.Time{}
	}
	return hosts, nil
}

// Forget makes the next call read again: what it said turned out to be wrong. What
// is being read at that time may be just as wrong.
func (o *Observer) Forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.at = time.Time{}
	o.forgotten++
}

func (o *Observer) cached() (hosts []Host, fresh bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.hosts, !o.at.IsZero() && time.Since(o.at) < o.maxAge
}
