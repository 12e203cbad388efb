package sharding

import (
	"cmp"
	"slices"

	"github.com/duroxide/duroxide-go/internal/bug"
)

const (
	// backlogSeconds is in how many seconds a backlog ought to be gone, which
	// turns it into a rate.
	backlogSeconds = 10

	// calm is the share of the busier host's fluctuating load by which the
	// receiver must stay below the giver: rates that go up and down by half of this,
	// all of a host's together, move nothing to and fro.
	calm = 0.25

	// worth is how much the giver's load must fall by besides, in idle partitions:
	// a difference that is hardly there is no reason to move anything.
	worth = 0.5

	// A round moves at most one partition in movesShare, and leastMoves.
	movesShare = 16
	leastMoves = 2
)

// view is what a host knows when it decides what to do.
type view struct {
	me    string
	hosts []Host // that live, me included, by incarnation
	parts []part // by number
}

// part is a partition in a view.
type part struct {
	owner  string // the living host that has it, unless it is free
	to     string // for whom it is being released, or was
	free   freedom
	pinned bool // it must not be moved now
	load   Load
	format int
}

// freedom says who may claim a partition.
type freedom int

const (
	held     freedom = iota // nobody: its owner lives
	reserved                // the host for which it was released, or that the plan chooses
	open                    // whoever is first
	unknown                 // its head could not be read: nothing is planned for it
)

// plan is what one host should do.
type plan struct {
	claims []int
	gives  []move
}

// move is a partition to hand over. To is empty if no other host can have it.
type move struct {
	partition int
	to        string
}

// balance is the sum of what hosts carry, by their place in the view.
type balance struct {
	view  *view
	hosts []burden
}

type burden struct {
	power float64 // by which the rest is divided
	total float64
	busy  float64 // the part of total that fluctuates
}

// decide makes the plan of one host. All hosts that see the same view make
// plans that fit together, because each plans for all and takes its own part.
func decide(v *view) (p plan) {
	b := newBalance(v)
	me := b.place(v.me)
	if me < 0 {
		return plan{}
	}
	settled := b.assign(me, &p)
	if v.hosts[me].Leaving {
		p.gives = b.leave(me)
		return p
	}
	if !settled {
		return p // claims first: what moves now would be decided by half the truth
	}
	inFlight := 0
	for i := range v.parts {
		// What a host has announced that leaves stays with it for as long as it drains.
		if at := b.place(v.parts[i].owner); v.parts[i].to != "" && (at < 0 || !v.hosts[at].Leaving || bug.Planted("leavers-hold-up")) {
			inFlight++
		}
	}
	for range max(leastMoves, len(v.parts)/movesShare) - inFlight {
		i, to := b.bestMove()
		if to < 0 {
			break
		}
		part := &v.parts[i]
		b.carry(b.place(part.owner), part.load, -1)
		b.carry(to, part.load, +1)
		if part.owner == v.me {
			p.gives = append(p.gives, move{i, v.hosts[to].Incarnation})
		}
		moved := *part
		moved.pinned = true
		v.parts[i] = moved
	}
	return p
}

func newBalance(v *view) *balance {
	b := &balance{view: v, hosts: make([]burden, len(v.hosts))}
	for i := range v.hosts {
		b.hosts[i].power = float64(max(1, v.hosts[i].Slots))
	}
	for i := range v.parts {
		part := &v.parts[i]
		if part.free != held {
			continue
		}
		at := b.place(part.to)
		if at < 0 {
			at = b.place(part.owner)
		}
		if at >= 0 {
			b.carry(at, part.load, +1)
		}
	}
	return b
}

// place finds a host in the view, -1 if it is not there.
func (b *balance) place(incarnation string) int {
	i, found := slices.BinarySearchFunc(b.view.hosts, incarnation, func(h Host, s string) int { return cmp.Compare(h.Incarnation, s) })
	if !found {
		return -1
	}
	return i
}

// busyness is the part of a partition's cost that fluctuates. An idle partition
// costs 1 besides.
func (l *Load) busyness() float64 {
	return max(0, l.Rate) + float64(max(0, l.Backlog))/backlogSeconds
}

func (b *balance) carry(host int, l Load, sign float64) {
	h := &b.hosts[host]
	h.total += sign * (1 + l.busyness())
	h.busy += sign * l.busyness()
}

// weight is what a host carries for its power, and would with more.
func (h *burden) weight(more float64) float64 { return (h.total + more) / h.power }

// assign gives every free partition to a host and notes those that this host is
// to claim. It reports whether there were none, but such that no host can read.
func (b *balance) assign(me int, p *plan) (settled bool) {
	var free []int
	for i := range b.view.parts {
		if f := b.view.parts[i].free; f == reserved || f == open {
			free = append(free, i)
		}
	}
	settled = true
	slices.SortStableFunc(free, func(x, y int) int {
		return cmp.Compare(b.view.parts[y].load.busyness(), b.view.parts[x].load.busyness())
	})
	for _, i := range free {
		part := &b.view.parts[i]
		at := b.place(part.to)
		if at < 0 || b.view.hosts[at].Leaving || !b.view.hosts[at].reads(part.format) {
			at = b.lightest(part, -1)
		}
		if at < 0 {
			continue
		}
		settled = false
		b.carry(at, part.load, +1)
		mine := &b.view.hosts[me]
		if at == me || part.free == open && !mine.Leaving && mine.reads(part.format) {
			p.claims = append(p.claims, i)
		}
	}
	slices.Sort(p.claims)
	return settled
}

// lightest is the host that would carry the least with the partition, among
// those that can read it.
func (b *balance) lightest(part *part, except int) int {
	best, bestWeight := -1, 0.0
	for i := range b.view.hosts {
		h := &b.view.hosts[i]
		if i == except || h.Leaving || !h.reads(part.format) {
			continue
		}
		if weight := b.hosts[i].weight(1 + part.load.busyness()); best < 0 || weight < bestWeight {
			best, bestWeight = i, weight
		}
	}
	return best
}

// leave finds a host for everything that a leaving host has.
func (b *balance) leave(me int) (gives []move) {
	for i := range b.view.parts {
		part := &b.view.parts[i]
		if part.free != held || part.owner != b.view.me || part.to != "" {
			continue
		}
		to := ""
		if at := b.lightest(part, me); at >= 0 {
			to = b.view.hosts[at].Incarnation
			b.carry(at, part.load, +1)
		}
		gives = append(gives, move{i, to})
	}
	return gives
}

// bestMove finds the move that helps most: from the host that carries the most
// and has one, the partition that makes the larger of the two loads the least,
// to the host that carries the least then. It returns -1 for the host if there
// is none.
func (b *balance) bestMove() (partition, to int) {
	partition, to = -1, -1
	var best [3]float64 // weights: of the giver before, the larger after, the receiver after
	for i := range b.view.parts {
		part := &b.view.parts[i]
		from := b.place(part.owner)
		if part.pinned || part.to != "" || from < 0 || b.view.hosts[from].Leaving {
			continue
		}
		cost := 1 + part.load.busyness()
		for at := range b.view.hosts {
			h := &b.view.hosts[at]
			if at == from || h.Leaving || !h.reads(part.format) {
				continue
			}
			before, after := b.hosts[from].weight(0), b.hosts[at].weight(cost)
			margin := calm*max(b.hosts[from].busy/b.hosts[from].power, b.hosts[at].busy/b.hosts[at].power) + worth/b.hosts[from].power
			if after+margin+rounding >= before {
				continue
			}
			this := [3]float64{before, max(after, b.hosts[from].weight(-cost)), after}
			if to < 0 || better(this, best) {
				partition, to, best = i, at, this
			}
		}
	}
	return partition, to
}

// better compares moves; see bestMove.
func better(a, b [3]float64) bool {
	for i, sign := range [3]float64{-1, 1, 1} {
		if d := sign * (a[i] - b[i]); d < -rounding || d > rounding {
			return d < 0
		}
	}
	return false
}

// rounding is far above the errors of sums of floating-point numbers here, and
// far below any load.
const rounding = 1e-6
