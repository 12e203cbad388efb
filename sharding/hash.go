package sharding

import (
	"math/bits"
	"slices"
	"strings"
)

// childSeparator stands before the part of a child's id that the engine
// derives. It equals history.ChildSeparator, which ids chosen by users cannot
// contain.
const childSeparator = "::"

// NearChildren is how far a family stays together: the event ids on the path
// from a child up to the instance whose partition it shares, multiplied,
// are at most this. See [Partition].
const NearChildren = 64

// Partition is the partition, from 0 to count-1, in which an instance lives. It
// is a function of the id and of the count, which a hub fixes when it is
// created; both it and its results never change.
//
// The id's home is hashed with FNV-1a (64 bits), whose result goes through
// MurmurHash3's finaliser fmix64, because FNV alone mixes the last bytes of
// short ids badly. The high word of hash × count is the partition, which
// is fair for every count.
//
// The home of an id that a user chose is the id itself. A child that the engine
// started has the id "parent::execution.event", event being the one of the
// parent's history that started it. It makes its home where its parent is at
// home, so that most messages between them never leave the partition, unless
// the family there grows too large: the product of the event ids on the path
// from the home to the child may not exceed [NearChildren] (an event id
// counts at least 2, so that a chain of generations ends too). The first
// descendant beyond that is a home of its own. So the first children of an
// instance live with it, a fan-out of a thousand spreads over all partitions,
// and at most 440 descendants share a home, if none
// continues as new.
func Partition(id string, count int) int {
	high, _ := bits.Mul64(hash(home(id)), uint64(count))
	return int(high)
}

// home is the part of the id that decides about the partition: the id itself,
// or that of an ancestor.
func home(id string) string {
	var path []generation // from the child upwards
	for rest := id; ; {
		g, ok := lastGeneration(rest)
		if !ok {
			break
		}
		path = append(path, g)
		rest = rest[:g.start]
	}
	if len(path) == 0 {
		return id
	}
	end, product := path[len(path)-1].start, uint64(1)
	for _, g := range slices.Backward(path) {
		product *= min(max(2, g.event), NearChildren+1)
		if product > NearChildren {
			end, product = g.end, 1
		}
	}
	return id[:end]
}

// generation is one derived suffix of an id, "::execution.event".
type generation struct {
	start, end int // in the id
	event      uint64
}

// lastGeneration finds the suffix of an id, if it is a child's.
func lastGeneration(id string) (generation, bool) {
	start := strings.LastIndex(id, childSeparator)
	if start < 0 {
		return generation{}, false
	}
	execution, event, found := strings.Cut(id[start+len(childSeparator):], ".")
	if !found || number(execution) == 0 || number(event) == 0 {
		return generation{}, false
	}
	return generation{start: start, end: len(id), event: number(event)}, true
}

// number reads a positive number as the engine writes it. What is none is 0. One
// of more than 18 digits counts as the largest of 18, which is far enough.
func number(s string) (n uint64) {
	if s == "" || s[0] == '0' {
		return 0
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0
		}
		n = min(10*n+uint64(s[i]-'0'), 999_999_999_999_999_999)
	}
	return n
}

// hash is FNV-1a with MurmurHash3's fmix64 behind it. Sources: Landon Noll,
// "FNV hash"; Austin Appleby, MurmurHash3.cpp.
func hash(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h ^= uint64(s[i])
		h *= 0x100000001b3
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return h
}
