package simulated

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Swarm is a mix of faults that its seed determines: which kinds happen at all,
// how often, and to which requests. Mixes differ much from seed to seed, which
// finds more than one mix of everything would.
type Swarm struct {
	seed uint64
	mix  []ingredient
}

// ingredient is one kind of fault in a mix.
type ingredient struct {
	kind  FaultKind
	rate  float64
	delay time.Duration // at most
	on    target
}

// target is a group of kinds of calls.
type target struct {
	name  string
	kinds []Kind // nil for all
}

var targets = []target{
	{"all", nil},
	{"transactions", []Kind{Transact}},
	{"reads", []Kind{Get, Scan, GetBlob, ListBlobs, Peek, CountMessages, Empty}},
	{"queues", []Kind{Enqueue, Take, Extend, Remove}},
	{"blobs", []Kind{PutBlob, GetBlob, DeleteBlob}},
}

// The rates and delays of a mix lie between these, evenly on a logarithmic scale.
const (
	leastRate, mostRate   = 0.001, 0.1
	leastDelay, mostDelay = 10 * time.Millisecond, 30 * time.Second
)

// NewSwarm makes the mix of a seed out of these kinds, or out of all that leave
// clients alive and entitled if there are none.
func NewSwarm(seed uint64, kinds ...FaultKind) *Swarm {
	if len(kinds) == 0 {
		kinds = slices.DeleteFunc(FaultKinds(), func(k FaultKind) bool { return k == Denied || k == CrashBefore || k == CrashAfter })
	}
	r := rand.New(rand.NewPCG(seed, golden))
	s := &Swarm{seed: seed}
	for _, k := range kinds {
		i := ingredient{kind: k, rate: between(r, leastRate, mostRate), on: targets[0]}
		i.delay = time.Duration(between(r, float64(leastDelay), float64(mostDelay))).Round(time.Millisecond)
		if r.IntN(2) == 0 {
			i.on = targets[r.IntN(len(targets))]
		}
		if r.IntN(2) == 0 {
			s.mix = append(s.mix, i)
		}
	}
	return s
}

func between(r *rand.Rand, least, most float64) float64 {
	return least * math.Pow(most/least, r.Float64())
}

// Decide is the [Decider]. What it chooses for a request depends on the seed,
// the client, what the request asks and how often it did, and on nothing else
// that happened before.
func (s *Swarm) Decide(c Call) Fault {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d %s %d", s.seed, c.Client, c.Handle)
	r := rand.New(rand.NewPCG(h.Sum64(), c.hash()))
	for _, i := range s.mix {
		hit, delay := r.Float64() < i.rate, time.Duration(r.Int64N(int64(i.delay)))
		if hit && (i.on.kinds == nil || slices.Contains(i.on.kinds, c.Kind)) {
			return Fault{Kind: i.kind, Delay: i.kind.delay(delay)}
		}
	}
	return Fault{}
}

// delay is the delay of a fault of that kind: most have none.
func (k FaultKind) delay(d time.Duration) time.Duration {
	if k == Late || k == Slow || k == Throttle {
		return d
	}
	return 0
}

// String is the mix, for the message of a run that failed.
func (s *Swarm) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "swarm %d:", s.seed)
	for _, i := range s.mix {
		fmt.Fprintf(&b, " %v %.4f of %s", i.kind, i.rate, i.on.name)
		if d := i.kind.delay(i.delay); d != 0 {
			fmt.Fprintf(&b, " up to %v", d)
		}
		b.WriteByte(';')
	}
	return b.String()
}
