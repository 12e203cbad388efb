package broker

import (
	"cmp"
	"slices"

	"github.com/duroxide/duroxide-go/core/provider"
)

// Host takes turns and activities from the broker.
type Host struct {
	broker *Broker
	info   provider.HostInfo
	left   bool
	turns  desk[Turn]
	works  desk[Work]
	tags   []*tagLine // that it serves

	detached map[*Work]bool // that it holds, of instances that left; see [Broker.Detach]
}

// Join adds a host. The answers of info.Accepts are remembered while the set of
// hosts stays the same. Instances that are parked are ready at once.
func (b *Broker) Join(info provider.HostInfo) *Host {
	h := &Host{broker: b, info: info}
	b.mu.Lock()
	defer b.mu.Unlock()
	if h.left = b.closed; h.left {
		return h
	}
	b.hosts = append(b.hosts, h)
	for _, tag := range append([]string{""}, info.Tags...) {
		if line := b.tagLineLocked(tag); !slices.Contains(h.tags, line) {
			line.hosts = append(line.hosts, h)
			h.tags = append(h.tags, line)
		}
	}
	b.relaneLocked()
	b.unparkLocked()
	return h
}

// unparkLocked makes parked instances ready, those parked first first.
func (b *Broker) unparkLocked() {
	var parked []*instance
	for _, inst := range b.instances {
		if inst.parked {
			parked = append(parked, inst)
		}
	}
	slices.SortFunc(parked, func(x, y *instance) int { return cmp.Compare(x.aside.seq, y.aside.seq) })
	for _, inst := range parked {
		b.alarms.remove(inst.aside)
		inst.aside, inst.parked = nil, false
		b.settleLocked(inst)
	}
}

// Retire has the host begin no more activities that need a tag. What waits for one that
// no other host serves is for others to run: see [Broker.Unserved].
func (h *Host) Retire() {
	b := h.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, line := range h.tags {
		if line.tag != "" {
			line.hosts = slices.DeleteFunc(line.hosts, func(o *Host) bool { return o == h })
			b.settleTagLocked(line)
		}
	}
	h.tags = slices.DeleteFunc(h.tags, func(line *tagLine) bool { return line.tag != "" })
}

// Leave gives back, counted, every turn and activity that the host holds, ends
// its blocked calls with [provider.ErrClosed], and forgets it. Turns that are
// sealed stay so until their commit is settled.
func (h *Host) Leave() {
	b := h.broker
	b.mu.Lock()
	defer b.mu.Unlock()
	if h.left {
		return
	}
	h.dismissLocked()
	b.hosts = slices.DeleteFunc(b.hosts, func(o *Host) bool { return o == h })
	for _, line := range h.tags {
		line.hosts = slices.DeleteFunc(line.hosts, func(o *Host) bool { return o == h })
		b.settleTagLocked(line)
	}
	b.relaneLocked()

	// Leaving is rare: looking through all instances for what the host holds
	// is cheaper than keeping a list of it with every turn.
	var turns []*Turn
	var works []*Work
	for _, inst := range b.instances {
		if inst.turn != nil && inst.turn.host == h {
			turns = append(turns, inst.turn)
		}
		for _, a := range inst.activities {
			if a.work != nil && a.work.host == h {
				works = append(works, a.work)
			}
		}
	}
	slices.SortFunc(turns, func(x, y *Turn) int { return cmp.Compare(x.seq, y.seq) })
	slices.SortFunc(works, func(x, y *Work) int { return cmp.Compare(x.seq, y.seq) })
	for _, t := range turns {
		if !t.sealed {
			b.releaseLocked(t, provider.Release{})
		}
	}
	for _, w := range works {
		b.giveBackLocked(w, provider.Release{})
	}
}

// dismissLocked ends what the host's callers wait for.
func (h *Host) dismissLocked() {
	h.left = true
	h.turns.dismissLocked()
	h.works.dismissLocked()
}
