package demo

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// owners follows who serves which partition, by what the hosts log of it: the
// moment of each claim and each release.
type owners struct {
	mu       sync.Mutex
	by       map[int]tenure
	released map[int]time.Time
	changed  chan struct{} // closed at the next change
}

// tenure is a partition's latest owner.
type tenure struct {
	host  int
	epoch int64
	since time.Time
}

func newOwners() *owners {
	return &owners{by: map[int]tenure{}, released: map[int]time.Time{}, changed: make(chan struct{})}
}

// heard takes note of a line of a host's log.
func (o *owners) heard(host int, n *note) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch n.Msg {
	case noteClaimed:
		if n.Epoch > o.by[n.Partition].epoch {
			o.by[n.Partition] = tenure{host, n.Epoch, n.Time}
		}
	case noteReleased:
		o.released[n.Partition] = n.Time
	default:
		return
	}
	close(o.changed)
	o.changed = make(chan struct{})
}

// of lists the partitions of a host.
func (o *owners) of(host int) (partitions []int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for p, t := range o.by {
		if t.host == host {
			partitions = append(partitions, p)
		}
	}
	slices.Sort(partitions)
	return partitions
}

// await waits until something is so. It reports whether it came to be before ctx
// ended.
func (o *owners) await(ctx context.Context, so func() bool) bool {
	for {
		o.mu.Lock()
		changed := o.changed
		o.mu.Unlock()
		if so() {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return so()
		}
	}
}

// moved reports whether other hosts own all of these partitions; and how long
// after a moment the last of them was claimed.
func (o *owners) moved(partitions []int, from int, since time.Time) (last time.Duration, all bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range partitions {
		t := o.by[p]
		if t.host == from {
			return 0, false
		}
		last = max(last, t.since.Sub(since))
	}
	return last, true
}

// handedOver is the longest that one of these partitions was nobody's, between
// its release and its claim, since a moment.
func (o *owners) handedOver(partitions []int, since time.Time) (longest time.Duration) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range partitions {
		if at := o.released[p]; at.After(since) && o.by[p].since.After(at) {
			longest = max(longest, o.by[p].since.Sub(at))
		}
	}
	return longest
}

// goneTo says where partitions are now: "0, 3 to host 2; 7 to host 3".
func (o *owners) goneTo(partitions []int) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	by := map[int][]string{}
	for _, p := range partitions {
		by[o.by[p].host] = append(by[o.by[p].host], fmt.Sprint(p))
	}
	var parts []string
	for _, host := range sortedKeys(by) {
		parts = append(parts, fmt.Sprintf("%s to host %d", strings.Join(by[host], ", "), host))
	}
	return strings.Join(parts, "; ")
}

func sortedKeys[V any](m map[int]V) []int {
	keys := make([]int, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// claimedSince reports whether a host has claimed anything since a moment.
func (o *owners) claimedSince(host int, since time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range o.by {
		if t.host == host && t.since.After(since) {
			return true
		}
	}
	return false
}
