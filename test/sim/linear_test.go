package sim

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/azuretest"
)

var linear = flag.Uint64("sim.linear", 3, "how many seeds TestClientsSeeOneOrder runs")

// What clients do to one id is linearizable: each operation takes effect at one
// moment between its call and its answer, and all answers are those of these
// effects, one after the other.
//
// An instance of contest waits for the event that ends it.

// contest is given a payload, which may be too large for a row.
var contest = orchestration.Declare[string, string]("contest")

func runContest(c *octx, _ string) (string, error) { return decision.Wait(c).Await() }

type verb string

const (
	starts   verb = "start"
	replaces verb = "replace" // a start, whatever is there
	looks    verb = "status"
	raise    verb = "raise"
	purge    verb = "purge"
	removes  verb = "remove" // a purge, whatever its state
)

// asked is how often clients ask for what: for those that leave alone what runs, and
// for those that do not.
var (
	careful  = []verb{starts, starts, looks, looks, looks, raise, purge, purge}
	careless = []verb{starts, replaces, replaces, looks, looks, raise, purge, removes}
)

// call is what a client asks for, and answer what it is told.
type call struct {
	verb    verb
	request int // of one that starts
}

type answer struct {
	told    string // "ok", "exists", "not found", "not final"; "unknown" if anything may have happened
	request int    // of the instance that is there
	final   bool   // whether it has ended
}

// one is the state of an id.
type one struct {
	exists  bool
	request int
	final   bool
	raised  bool   // an event may be waiting
	spent   uint32 // requests that ran and were purged
}

// alone is what an id does by itself: an instance ends when an event has come.
// Others may be left.
func (s one) alone() []one {
	all := []one{s}
	if s.exists && !s.final && s.raised {
		s.final = true
		all = append(all, s)
		s.raised = false
		all = append(all, s)
	}
	return all
}

// after is what an id may be after an operation.
func (s one) after(c call, a answer) (next []one) {
	for _, s := range s.alone() {
		told, then := s.does(c)
		if a.told == "unknown" {
			next = append(next, s, then)
			continue
		}
		right := told == a.told
		if c.verb == looks && right && told == "ok" {
			right = a.request == s.request && a.final == s.final
		}
		if right {
			next = append(next, then)
		}
	}
	return next
}

// does carries an operation out.
func (s one) does(c call) (told string, then one) {
	then = s
	switch {
	case !s.exists && (c.verb == looks || c.verb == purge || c.verb == removes):
		return "not found", s
	case c.verb == looks:
		return "ok", s
	case c.verb == raise:
		then.raised = true
		return "ok", then
	case c.verb == purge && !s.final:
		return "not final", s
	case c.verb == purge, c.verb == removes:
		then.exists, then.final, then.request = false, false, 0
		then.spent |= 1 << s.request
		return "ok", then
	case s.exists && s.request == c.request: // the same start
		return "ok", s
	case s.spent&(1<<c.request) != 0: // it ran, and nothing comes back
		return "ok", s
	case s.exists && c.verb == starts:
		return "exists", s
	case s.exists:
		then.spent |= 1 << s.request
	}
	then.exists, then.final, then.request = true, false, c.request
	return "ok", then
}

var model = (&porcupine.NondeterministicModel{
	Init: func() []any { return []any{one{}} },
	Step: func(state, input, output any) (next []any) {
		for _, s := range state.(one).after(input.(call), output.(answer)) {
			next = append(next, s)
		}
		return next
	},
}).ToModel()

// linearizable reports whether the operations on an id have one order. With many of
// which the outcome is unknown that may not be found out in time.
func linearizable(ops []porcupine.Operation) porcupine.CheckResult {
	return porcupine.CheckOperationsTimeout(model, ops, 10*time.Second)
}

// TestClientsSeeOneOrder lets clients in several processes, some of them hosts,
// do things to a few ids, while requests fail and hosts die.
func TestClientsSeeOneOrder(t *testing.T) {
	oneOrder(t, careful, "start: ok", "start: exists", "status: ok", "status: not found", "purge: ok", "purge: not final", "raise: ok")
}

// TestClientsThatReplaceSeeOneOrder: also where they remove and replace what runs.
func TestClientsThatReplaceSeeOneOrder(t *testing.T) {
	oneOrder(t, careless, "replace: ok", "remove: ok", "remove: not found", "start: exists", "status: ok", "status: not found")
}

// oneOrder runs seeds of what clients ask for. They must be told each of these.
func oneOrder(t *testing.T, ask []verb, must ...string) {
	told := map[string]int{}
	histories, undecided := 0, 0
	for seed := *firstSeed; seed < *firstSeed+*linear; seed++ {
		of := observe(t, seed, ask)
		for _, id := range slices.Sorted(maps.Keys(of)) {
			for _, o := range of[id] {
				told[fmt.Sprint(o.Input.(call).verb, ": ", o.Output.(answer).told)]++
			}
			histories++
			switch linearizable(of[id]) {
			case porcupine.Unknown:
				undecided++
			case porcupine.Illegal:
				t.Errorf("seed %d: what clients were told of %s has no order:\n%s\nagain: go test ./test/sim -run %s -sim.seed=%d -sim.linear=1",
					seed, id, describe(of[id]), t.Name(), seed)
			}
		}
	}
	t.Logf("%d histories, %d of them undecided; clients were told %v", histories, undecided, told)
	if undecided > histories/50 {
		t.Errorf("%d of %d histories have too much in them that is unknown: the test shows little", undecided, histories)
	}
	for _, must := range must {
		if told[must] == 0 {
			t.Errorf("no client was told %q: the test shows nothing", must)
		}
	}
}

func describe(ops []porcupine.Operation) string {
	var b strings.Builder
	for _, o := range ops {
		fmt.Fprintf(&b, "client %d: %10.3f to %10.3f s: %+v: %+v\n", o.ClientId, float64(o.Call)/1e9, min(float64(o.Return)/1e9, 99999), o.Input, o.Output)
	}
	return b.String()
}

// observe runs a seed and returns what clients did to each id, and were told.
func observe(t *testing.T, seed uint64, ask []verb) map[history.InstanceID][]porcupine.Operation {
	const ids, users, each = 6, 4, 12
	seen := &seen{ask: ask, of: map[history.InstanceID][]porcupine.Operation{}}
	inBubble(t, seed, func(t *testing.T) {
		w := newWorld(seed, azuretest.Config{Partitions: 3, TTL: 3 * time.Second, TraceLines: *lines})
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Minute)
		defer cancel()
		for range wanted {
			w.start(ctx)
		}
		seen.began = time.Now()
		var own []*clients // those of the clients that are no hosts
		for range users / 2 {
			own = append(own, w.enter(ctx))
		}
		w.account.Swarm(seed)
		trouble, enough := context.WithTimeout(ctx, 90*time.Second)
		defer enough()
		var all sync.WaitGroup
		all.Go(func() { w.torment(trouble, character{}) })
		for n := range ids {
			id := history.InstanceID(fmt.Sprint("p-contested-", n))
			for u := range users {
				all.Go(func() {
					r := draw(seed, "user ", u, " of ", n)
					rest := func() time.Duration { // often next to none: they come in bursts
						return time.Duration(r.Int64N([]int64{int64(20 * time.Second), int64(100 * time.Millisecond)}[r.IntN(2)]))
					}
					for i := 0; i < each && w.wait(trouble, rest()); i++ {
						if u < len(own) {
							seen.operation(ctx, own[u].process, u, id, r)
						} else if hosts := w.running(); len(hosts) > 0 {
							seen.operation(ctx, hosts[r.IntN(len(hosts))].process, u, id, r)
						}
					}
				})
			}
		}
		all.Wait()
		w.heal(ctx)
		w.wait(ctx, time.Minute)
		for n := range ids { // what became of it
			seen.once(ctx, own[0].process, 0, history.InstanceID(fmt.Sprint("p-contested-", n)), call{verb: looks})
		}
		for _, h := range w.running() {
			h.leave()
		}
		for _, c := range own {
			_ = c.process.Close() // it was only used
		}
		for _, wrong := range slices.Concat(w.wrong, w.account.Violations()) {
			t.Errorf("seed %d: %s", seed, wrong)
		}
		w.close()
	})
	return seen.of
}

// payload is what the instance of a request is given. Those of every third one go into
// blobs.
func payload(request int) string {
	if request%3 != 0 {
		return "little"
	}
	b := make([]byte, 100_000)
	_, _ = rand.NewChaCha8([32]byte{byte(request)}).Read(b)
	return base64.StdEncoding.EncodeToString(b)
}

// seen is what clients did and were told.
type seen struct {
	ask   []verb
	began time.Time
	mu    sync.Mutex
	of    map[history.InstanceID][]porcupine.Operation
}

// operation does something to an id, by lot.
func (s *seen) operation(ctx context.Context, p *azuretest.Host, user int, id history.InstanceID, r *rand.Rand) {
	c := call{verb: s.ask[r.IntN(len(s.ask))]}
	if c.verb == starts || c.verb == replaces {
		c.request = r.IntN(12)
	}
	s.once(ctx, p, user, id, c)
}

func (s *seen) once(ctx context.Context, p *azuretest.Host, user int, id history.InstanceID, c call) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	over := make(chan none)
	defer func() { cancel(); <-over }()
	go func() { // whoever asked dies with the process
		defer close(over)
		select {
		case <-p.Killed():
			cancel()
		case <-ctx.Done():
		}
	}()
	client := core.NewClient(p, core.ClientConfig{RetryFor: time.Second})
	called, a := time.Since(s.began), answer{told: "ok"}
	var err error
	switch c.verb {
	case starts, replaces:
		o := orchestration.StartOptions{ID: id, RequestID: fmt.Sprint(c.request)}
		if c.verb == replaces {
			o.Reuse = provider.ReuseReplace
		}
		_, err = contest.Start(ctx, client, payload(c.request), o)
	case raise:
		err = decision.Raise(ctx, client, id, "yes")
	case purge:
		err = client.Purge(ctx, id)
	case removes:
		err = p.Purge(ctx, id, true)
	case looks:
		var i *provider.Instance
		if i, err = client.Status(ctx, id); err == nil {
			a.final = i.Status.Final()
			_, _ = fmt.Sscan(i.RequestID, &a.request)
		}
	}
	answered := int64(time.Since(s.began))
	switch {
	case err == nil:
	case errors.Is(err, provider.ErrExists):
		a.told = "exists"
	case errors.Is(err, provider.ErrNotFound):
		a.told = "not found"
	case errors.Is(err, provider.ErrConflict):
		a.told = "not final"
	case c.verb == looks:
		return // it changed nothing, and said nothing
	default:
		a.told, answered = "unknown", math.MaxInt64
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.of[id] = append(s.of[id], porcupine.Operation{ClientId: user, Input: c, Output: a, Call: int64(called), Return: answered})
}
