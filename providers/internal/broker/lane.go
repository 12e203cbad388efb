package broker

import (
	"cmp"
	"slices"
)

// lanes are the lines of ready instances: one for each set of hosts that
// accepts its instances. There are few of them, whatever instances there are,
// and taking the next one for a host never passes over others (B3).
type lanes struct {
	all     []*lane
	byHosts map[string]*lane // by the set of hosts, one byte a host
	byClass map[class]*lane
}

type lane struct {
	hosts []*Host // that accept what stands here
	line  list[instance]
}

// class is all that decides which hosts accept an instance.
type class struct{ name, version string }

// maxClasses bounds the remembered answers of HostInfo.Accepts: names come from
// clients.
const maxClasses = 10_000

func (b *Broker) laneLocked(inst *instance) *lane {
	c := class{inst.name, inst.version}
	if l := b.lanes.byClass[c]; l != nil {
		return l
	}
	set := make([]byte, len(b.hosts))
	var hosts []*Host
	for i, h := range b.hosts {
		if h.info.Accepts == nil || h.info.Accepts(c.name, c.version) {
			set[i] = 1
			hosts = append(hosts, h)
		}
	}
	l := b.lanes.byHosts[string(set)]
	if l == nil {
		l = &lane{hosts: hosts}
		b.lanes.all = append(b.lanes.all, l)
		if b.lanes.byHosts == nil {
			b.lanes.byHosts = map[string]*lane{}
		}
		b.lanes.byHosts[string(set)] = l
	}
	if b.lanes.byClass == nil || len(b.lanes.byClass) >= maxClasses {
		b.lanes.byClass = map[class]*lane{}
	}
	b.lanes.byClass[c] = l
	return l
}

// readyLocked gives an instance that became ready to the caller that has waited
// longest among those who accept it, or puts it at the tail of its lane.
func (b *Broker) readyLocked(inst *instance) {
	b.queued++
	inst.seq = b.queued
	l := b.laneLocked(inst)
	var host *Host
	var longest uint64
	for _, h := range l.hosts {
		if since, waits := h.turns.since(); waits && (host == nil || since < longest) {
			host, longest = h, since
		}
	}
	if host != nil {
		host.turns.giveLocked(b.holdLocked(inst, host))
		return
	}
	l.line.pushBack(&inst.ready)
}

// nextReadyLocked takes the longest ready instance that the host accepts.
func (b *Broker) nextReadyLocked(h *Host) *instance {
	var next *instance
	for _, l := range b.lanes.all {
		if first := l.line.front(); first != nil && (next == nil || first.seq < next.seq) && slices.Contains(l.hosts, h) {
			next = first
		}
	}
	if next != nil {
		next.ready.unlink()
	}
	return next
}

// relaneLocked sorts what is ready into new lanes when the hosts have changed,
// without a change of order.
func (b *Broker) relaneLocked() {
	var ready []*instance
	for _, l := range b.lanes.all {
		for inst := range l.line.all {
			inst.ready.unlink()
			ready = append(ready, inst)
		}
	}
	slices.SortFunc(ready, func(x, y *instance) int { return cmp.Compare(x.seq, y.seq) })
	b.lanes = lanes{}
	for _, inst := range ready {
		b.readyLocked(inst)
	}
}
