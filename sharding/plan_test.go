package sharding

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// viewOf draws a hub: some hosts of different strength and age, and
// partitions that are owned, free or on their way.
func viewOf(t *rapid.T) *view {
	v := &view{}
	for i := range rapid.IntRange(1, 6).Draw(t, "hosts") {
		h := Host{
			Incarnation: fmt.Sprintf("h%d", i),
			Slots:       rapid.SampledFrom([]int{0, 1, 2, 4}).Draw(t, "slots"),
			Formats:     Formats{Oldest: 1, Newest: rapid.SampledFrom([]int{2, 2, 2, 1}).Draw(t, "newest")},
			Leaving:     rapid.SampledFrom([]bool{false, false, false, true}).Draw(t, "leaving"),
		}
		v.hosts = append(v.hosts, h)
	}
	names := []string{""}
	for _, h := range v.hosts {
		names = append(names, h.Incarnation)
	}
	for range rapid.IntRange(1, 40).Draw(t, "partitions") {
		p := part{
			owner:  rapid.SampledFrom(names).Draw(t, "owner"),
			format: rapid.SampledFrom([]int{1, 1, 2}).Draw(t, "format"),
			pinned: rapid.IntRange(0, 9).Draw(t, "pinned") == 0,
			load: Load{
				Rate:    rapid.SampledFrom([]float64{0, 0, 0, 1, 20, 300}).Draw(t, "rate"),
				Backlog: rapid.SampledFrom([]int{0, 0, 0, 5, 1000}).Draw(t, "backlog"),
			},
		}
		switch {
		case p.owner == "":
			p.free = rapid.SampledFrom([]freedom{reserved, open}).Draw(t, "free")
			p.to = rapid.SampledFrom(names).Draw(t, "for")
		case rapid.IntRange(0, 9).Draw(t, "moving") == 0:
			p.to = rapid.SampledFrom(names[1:]).Draw(t, "to")
		}
		v.parts = append(v.parts, p)
	}
	return v
}

// as is the same view through the eyes of another host.
func (v *view) as(me string) *view {
	return &view{me: me, hosts: v.hosts, parts: slices.Clone(v.parts)}
}

func (v *view) host(name string) *Host {
	for i := range v.hosts {
		if v.hosts[i].Incarnation == name {
			return &v.hosts[i]
		}
	}
	return nil
}

// round lets every host carry out its plan. It returns how many partitions
// changed hands.
func (v *view) round() (moves int) {
	next := slices.Clone(v.parts)
	for i := range next {
		if next[i].to != "" && next[i].free == held {
			next[i].owner, next[i].to = next[i].to, ""
			moves++
		}
	}
	for _, h := range v.hosts {
		p := decide(v.as(h.Incarnation))
		for _, c := range p.claims {
			next[c].owner, next[c].to, next[c].free = h.Incarnation, "", held
			moves++
		}
		for _, g := range p.gives {
			next[g.partition].owner = g.to
			if g.to == "" {
				next[g.partition].free = reserved
			}
			moves++
		}
	}
	v.parts = next
	return moves
}

func TestAPlanIsAFunctionOfTheView(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := viewOf(t)
		me := rapid.SampledFrom(v.hosts).Draw(t, "me").Incarnation
		a, b := decide(v.as(me)), decide(v.as(me))
		if !slices.Equal(a.claims, b.claims) || !slices.Equal(a.gives, b.gives) {
			t.Fatalf("two plans for one view: %+v and %+v", a, b)
		}
	})
}

func TestPlansFitTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := viewOf(t)
		claimedBy, given := map[int]string{}, 0
		for _, h := range v.hosts {
			p := decide(v.as(h.Incarnation))
			for _, c := range p.claims {
				part := v.parts[c]
				if part.free == held {
					t.Fatalf("%s claims %d, whose owner lives", h.Incarnation, c)
				}
				if other, twice := claimedBy[c]; twice && part.free == reserved {
					t.Fatalf("%s and %s claim %d", other, h.Incarnation, c)
				}
				if h.Leaving || !h.reads(part.format) {
					t.Fatalf("%s claims %d and cannot serve it", h.Incarnation, c)
				}
				claimedBy[c] = h.Incarnation
			}
			if !h.Leaving {
				given += len(p.gives)
			}
			for _, g := range p.gives {
				part := v.parts[g.partition]
				if part.owner != h.Incarnation || part.free != held || part.to != "" {
					t.Fatalf("%s gives %d away: %+v", h.Incarnation, g.partition, part)
				}
				if g.to == "" && h.Leaving {
					continue
				}
				to := v.host(g.to)
				if to == nil || to.Leaving || g.to == h.Incarnation || !to.reads(part.format) {
					t.Fatalf("%s gives %d to %q, which cannot serve it", h.Incarnation, g.partition, g.to)
				}
				if !h.Leaving && part.pinned {
					t.Fatalf("%s gives %d to %q for the sake of balance", h.Incarnation, g.partition, g.to)
				}
			}
		}
		if most := max(leastMoves, len(v.parts)/movesShare); given > most {
			t.Fatalf("%d moves in one round, at most %d", given, most)
		}
		for i, part := range v.parts {
			can := slices.ContainsFunc(v.hosts, func(h Host) bool { return !h.Leaving && h.reads(part.format) })
			if _, ok := claimedBy[i]; part.free != held && can && !ok {
				t.Fatalf("nobody claims %d: %+v", i, part)
			}
		}
	})
}

func TestBalanceComesToRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := viewOf(t)
		rounds := 0
		for v.round() > 0 {
			if rounds++; rounds > 3*len(v.parts)+10 {
				t.Fatalf("after %d rounds partitions still move", rounds)
			}
		}
		for i, part := range v.parts {
			owner := v.host(part.owner)
			can := slices.ContainsFunc(v.hosts, func(h Host) bool { return !h.Leaving && h.reads(part.format) })
			if can && (owner == nil || owner.Leaving) {
				t.Fatalf("at rest %d is with %q", i, part.owner)
			}
		}
	})
}

// At rest equal hosts and partitions differ by one partition at most.
func TestEqualHostsGetEqualShares(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := &view{}
		hosts := rapid.IntRange(1, 12).Draw(t, "hosts")
		for i := range hosts {
			v.hosts = append(v.hosts, Host{Incarnation: fmt.Sprintf("h%02d", i), Slots: 8})
		}
		for range rapid.IntRange(1, MaxPartitions).Draw(t, "partitions") {
			v.parts = append(v.parts, part{owner: rapid.SampledFrom(v.hosts).Draw(t, "owner").Incarnation})
		}
		start := slices.Clone(v.parts)
		v.settleDown()
		counts, moved := map[string]int{}, 0
		for i, p := range v.parts {
			counts[p.owner]++
			if p.owner != start[i].owner {
				moved++
			}
		}
		excess := 0
		before := map[string]int{}
		for _, p := range start {
			before[p.owner]++
		}
		least, most := math.MaxInt, 0
		for _, h := range v.hosts {
			n := counts[h.Incarnation]
			least, most = min(least, n), max(most, n)
			excess += max(0, before[h.Incarnation]-len(v.parts)/hosts)
		}
		if most-least > 1 {
			t.Fatalf("shares from %d to %d", least, most)
		}
		if moved > excess {
			t.Fatalf("%d partitions moved, %d were too many where they were", moved, excess)
		}
	})
}

// Rates that go up and down by a tenth move little, and between two hosts
// nothing to and fro.
func TestFluctuatingLoadMovesLittle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := &view{}
		for i := range rapid.IntRange(2, 5).Draw(t, "hosts") {
			v.hosts = append(v.hosts, Host{Incarnation: fmt.Sprintf("h%d", i), Slots: 4})
		}
		var rates []float64
		for range rapid.IntRange(1, 32).Draw(t, "partitions") {
			rates = append(rates, rapid.Float64Range(0, 500).Draw(t, "rate"))
			v.parts = append(v.parts, part{owner: rapid.SampledFrom(v.hosts).Draw(t, "owner").Incarnation})
		}
		noise := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "noise"), 0))
		fluctuate := func() {
			for i := range v.parts {
				v.parts[i].load.Rate = rates[i] * (0.9 + 0.2*noise.Float64())
			}
		}
		fluctuate()
		v.settleDown()
		moves, moved := 0, make([]bool, len(v.parts))
		for range 100 {
			fluctuate()
			before := v.owners()
			moves += v.round()
			for i, now := range v.owners() {
				if now != before[i] && moved[i] && len(v.hosts) == 2 {
					t.Fatalf("partition %d is back on %s", i, now)
				}
				moved[i] = moved[i] || now != before[i]
			}
		}
		if moves > len(v.parts) {
			t.Fatalf("%d moves of %d partitions", moves, len(v.parts))
		}
	})
}

// Two hosts are busy by turns, each with all that it has: an eighth more than on
// average, while the other has an eighth less, and so on. Nothing goes to and fro.
func TestHostsThatAreBusyByTurnsKeepWhatTheyHave(t *testing.T) {
	const swing = 1.0 / 8
	rapid.Check(t, func(t *rapid.T) {
		v := &view{hosts: []Host{{Incarnation: "h0", Slots: 4}, {Incarnation: "h1", Slots: 4}}}
		var rates []float64
		for range rapid.IntRange(1, 64).Draw(t, "partitions") {
			rates = append(rates, rapid.Float64Range(0, 500).Draw(t, "rate"))
			v.parts = append(v.parts, part{owner: rapid.SampledFrom(v.hosts).Draw(t, "owner").Incarnation, load: Load{Rate: rates[len(rates)-1]}})
		}
		v.settleDown()
		home := v.owners()
		moved := make([]bool, len(rates))
		for round := range 20 {
			for i := range v.parts {
				more := swing
				if (home[i] == "h0") != (round%2 == 0) {
					more = -swing
				}
				v.parts[i].load.Rate = rates[i] * (1 + more)
			}
			before := v.owners()
			v.settleDown()
			for i, now := range v.owners() {
				if now != before[i] && moved[i] {
					t.Fatalf("in round %d partition %d is back on %s", round, i, now)
				}
				moved[i] = moved[i] || now != before[i]
			}
		}
	})
}

// Where partitions cannot be shared out evenly, the odd one is not handed around for
// a little work.
func TestALittleWorkMovesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := &view{}
		for i := range rapid.IntRange(2, 5).Draw(t, "hosts") {
			v.hosts = append(v.hosts, Host{Incarnation: fmt.Sprintf("h%d", i), Slots: 100})
		}
		n := rapid.IntRange(1, 32).Draw(t, "partitions")
		for range n {
			v.parts = append(v.parts, part{owner: rapid.SampledFrom(v.hosts).Draw(t, "owner").Incarnation})
		}
		v.settleDown()
		for range rapid.IntRange(1, 10).Draw(t, "busy ones") {
			v.parts[rapid.IntRange(0, n-1).Draw(t, "which")].load.Rate = rapid.Float64Range(0, 0.05).Draw(t, "rate")
		}
		if moves := v.round(); moves > 0 {
			t.Fatalf("%d moves", moves)
		}
	})
}

// What nobody can read keeps nothing else from being shared out.
func TestAPartitionThatNobodyCanReadStopsNoBalance(t *testing.T) {
	for _, of := range []part{{free: open, format: 1 << 40}, {free: unknown}} {
		v := &view{hosts: []Host{{Incarnation: "a"}, {Incarnation: "b"}}, parts: []part{of}}
		for range 8 {
			v.parts = append(v.parts, part{owner: "a"})
		}
		v.settleDown()
		if n := slices.Index(slices.Sorted(slices.Values(v.owners())), "b"); n != 1+4 {
			t.Errorf("%+v: the owners are %v", of, v.owners())
		}
	}
}

// settleDown lets the hosts balance until nothing moves.
func (v *view) settleDown() {
	for v.round() > 0 {
	}
}

func (v *view) owners() (owners []string) {
	for _, p := range v.parts {
		owners = append(owners, p.owner)
	}
	return owners
}

func TestABusyPartitionGetsAHostForItself(t *testing.T) {
	v := &view{hosts: []Host{{Incarnation: "a"}, {Incarnation: "b"}}}
	for i := range 16 {
		p := part{owner: "a"}
		if i == 5 {
			p.load.Rate = 200
		}
		v.parts = append(v.parts, p)
	}
	v.settleDown()
	lonely := 0
	for _, p := range v.parts {
		if p.owner == v.parts[5].owner {
			lonely++
		}
	}
	if lonely != 1 {
		t.Errorf("the busy partition shares its host with %d others", lonely-1)
	}
}

func TestAStrongerHostGetsMore(t *testing.T) {
	v := &view{hosts: []Host{{Incarnation: "a", Slots: 10}, {Incarnation: "b", Slots: 30}}}
	for range 16 {
		v.parts = append(v.parts, part{owner: "a"})
	}
	v.settleDown()
	owners := v.owners()
	slices.SortFunc(owners, cmp.Compare)
	if first := slices.Index(owners, "b"); first != 4 {
		t.Errorf("the weaker host has %d of 16", first)
	}
}
