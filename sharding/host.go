package sharding

import "slices"

// Host is what a heartbeat says of its host: a row of the hub's table, written
// by that host alone. It carries no time, because nobody compares clocks.
type Host struct {
	// Incarnation names one life of one process in the hub. It is unique for
	// ever: a host that starts again, or was declared dead, joins under another.
	Incarnation string `json:"incarnation"`
	// Name is for operators, for example "web-1 pid 4711".
	Name string `json:"name,omitempty"`
	// Address is where the host can be rung; empty if it cannot. Partitions come
	// to a host without an address one beat later.
	Address string `json:"address,omitempty"`
	// Formats are the formats of rows that it reads and writes.
	Formats Formats `json:"formats"`
	// Slots is how much it runs at once, the measure of its strength beside
	// others; 0 counts as 1. Free is how much of that is idle, for those who have
	// work to give away.
	Slots int `json:"slots,omitempty"`
	Free  int `json:"free,omitempty"`
	// Leaving says that it takes nothing any more.
	Leaving bool `json:"leaving,omitempty"`
	// Serves are the partitions it owns, by number.
	Serves []Served `json:"serves,omitempty"`
}

// Formats is a range of format numbers, both ends included.
type Formats struct {
	Oldest int `json:"oldest"`
	Newest int `json:"newest"`
}

// Served is a partition in its owner's row.
type Served struct {
	Partition int   `json:"partition"`
	Epoch     int64 `json:"epoch"`
	// Format of its rows, as the head said when it was claimed.
	Format int `json:"format,omitempty"`
	// Load is what it did lately.
	Load Load `json:"load"`
	// Fresh says that it was claimed less than a TTL ago: its load is not yet
	// telling, and it does not move again.
	Fresh bool `json:"fresh,omitempty"`
	// To is the host to which it is being handed over; empty if it is not.
	To string `json:"to,omitempty"`
}

// Load is what a partition costs its owner.
type Load struct {
	// Backlog is how many messages wait that could be worked on now. What is known
	// to be parked, or to wait for a receiver that does not exist, is not among
	// them: to move it helps nobody.
	Backlog int `json:"backlog,omitempty"`
	// Rate is how many messages it applies a second, averaged over some seconds.
	Rate float64 `json:"rate,omitempty"`
}

// Seen is a host's row as it was read.
type Seen struct {
	Host Host
	ETag string // another one after every beat
}

// Head is the owner row of a partition: the only truth about who owns it.
type Head struct {
	// Owner is the incarnation that may commit; empty after a release.
	Owner string
	// For is the host for which the last owner released it; empty for anyone.
	For string
	// Epoch grows with every claim and every release.
	Epoch int64
	// Format of the partition's rows.
	Format int
	// ETag is the version that was read; empty if there is no row yet.
	ETag string
}

// reads reports whether the host can read and write rows of the format. The
// host without that may not own the partition.
func (h *Host) reads(format int) bool {
	return h.Formats.Oldest <= format && format <= h.Formats.Newest
}

// hostIn finds a host, nil if it is not among them.
func hostIn(hosts []Host, incarnation string) *Host {
	for i := range hosts {
		if hosts[i].Incarnation == incarnation {
			return &hosts[i]
		}
	}
	return nil
}

// ownerOf finds the host that lists the partition, with the highest epoch if
// several do: a row is as old as its last beat, and epochs only grow.
func ownerOf(hosts []Host, partition int) (owner *Host, served *Served) {
	for i := range hosts {
		at, found := slices.BinarySearchFunc(hosts[i].Serves, partition, func(s Served, p int) int { return s.Partition - p })
		if !found {
			continue
		}
		if s := &hosts[i].Serves[at]; served == nil || s.Epoch > served.Epoch {
			owner, served = &hosts[i], s
		}
	}
	return owner, served
}
