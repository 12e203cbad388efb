package providerfault

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// Injector decides which calls fail, and counts. It may serve several stores,
// one after another, as a program does that is restarted after each crash.
type Injector struct {
	rules []Rule
	seed  uint64

	mu     sync.Mutex
	random *rand.Rand
	seen   []int // by rule: calls that match its operation and instance
	fired  []int // by rule
	calls  [ops]int
}

// New makes an injector. Rules that make no sense are a mistake in the program:
// it panics.
func New(seed uint64, rules ...Rule) *Injector {
	for _, r := range rules {
		if err := r.validate(); err != nil {
			panic(fmt.Sprintf("providerfault: rule %q: %v", r, err)) // panic: the rules are part of the program.
		}
	}
	return &Injector{
		rules:  append([]Rule(nil), rules...),
		seed:   seed,
		random: rand.New(rand.NewPCG(seed, 0x5eed)),
		seen:   make([]int, len(rules)),
		fired:  make([]int, len(rules)),
	}
}

// Fired is how often the rule with this index was applied.
func (in *Injector) Fired(rule int) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.fired[rule]
}

// Total is how often any rule was applied.
func (in *Injector) Total() int {
	in.mu.Lock()
	defer in.mu.Unlock()
	sum := 0
	for _, n := range in.fired {
		sum += n
	}
	return sum
}

// Calls is how many calls of an operation there were; of all, for Any.
func (in *Injector) Calls(op Op) int {
	in.mu.Lock()
	defer in.mu.Unlock()
	if op != Any {
		return in.calls[op]
	}
	sum := 0
	for _, n := range in.calls {
		sum += n
	}
	return sum
}

// String lists the rules, and how often each was applied, as a text that
// [Parse] takes.
func (in *Injector) String() string {
	in.mu.Lock()
	defer in.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "# seed %d\n", in.seed)
	for i, r := range in.rules {
		fmt.Fprintf(&b, "%v\n# applied %d times\n", r, in.fired[i])
	}
	return b.String()
}

// verdict is what is to happen to one call.
type verdict struct {
	outcome Outcome // 0 for nothing
	delay   time.Duration
	rule    Rule // that gave the outcome
}

// late reports whether the call is applied before the outcome happens.
func (v verdict) late() bool { return v.outcome == After || v.outcome == CrashAfter }

// judge counts a call and decides what happens to it. For operations that hand
// something out it is asked twice: before, without an instance, and after, with
// the instance that was handed out. Each rule answers once: those that need to
// know the instance afterwards, the others before.
func (in *Injector) judge(op Op, id history.InstanceID, handedOut bool) verdict {
	in.mu.Lock()
	defer in.mu.Unlock()
	if !handedOut {
		in.calls[op]++
	}
	handsOut := op == NextTurn || op == NextActivity
	var v verdict
	for i, r := range in.rules {
		if r.Op != Any && r.Op != op || r.Instance != "" && r.Instance != id {
			continue
		}
		if handsOut && handedOut != (r.Instance != "") {
			continue
		}
		if handsOut && handedOut && r.Outcome != After && r.Outcome != CrashAfter {
			continue
		}
		in.seen[i]++
		if r.Nth != 0 && in.seen[i] != r.Nth {
			continue
		}
		if r.Probability != 0 && in.random.Float64() >= r.Probability {
			continue
		}
		if r.Outcome == Delay {
			in.fired[i]++
			v.delay += r.Delay
		} else if v.outcome == 0 {
			in.fired[i]++
			v.outcome, v.rule = r.Outcome, r
		}
	}
	return v
}
