package simulated_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// run lets hosts work against each other for a while, under a mix of faults, and
// returns the hash of all that happened.
func run(t *testing.T, seed uint64) (hash uint64, trace []string) {
	synctest.Test(t, func(t *testing.T) {
		swarm := simulated.NewSwarm(seed)
		a, c := open(t, simulated.Config{
			Seed: seed, Latency: simulated.Between(2*time.Millisecond, 30*time.Millisecond), Decide: swarm.Decide,
		})
		c.Kill()
		var wg sync.WaitGroup
		for h := range 3 {
			host := a.Client(fmt.Sprint("h", h))
			for g := range 3 {
				wg.Go(func() {
					<-time.After(time.Duration(10*h+g) * time.Nanosecond) // Two that begin at one instant have no order.
					work(t.Context(), host, g)
				})
			}
		}
		wg.Wait()
		hash, trace = a.Hash(), a.Trace()
	})
	return hash, trace
}

// work is one goroutine of a host: it counts in a row that all share, and moves
// messages.
func work(ctx context.Context, c *simulated.Client, g int) {
	key := fmt.Sprintf("%s-%d", c.Name(), g)
	end := time.Now().Add(20 * time.Second)
	for n := 0; time.Now().Before(end); n++ {
		r, err := c.Get(ctx, "ttt", "p", "counter")
		verb := storage.Replace
		if storage.Is(err, storage.Missing) {
			verb = storage.Insert
		}
		_, _ = c.Transact(ctx, "ttt", "p", []storage.Op{
			{Verb: verb, Row: row("counter", fmt.Sprint(n)), IfMatch: r.ETag},
			{Verb: storage.Put, Row: row(key, fmt.Sprint(n))},
		}) // Half of them lose.
		_, _ = c.Scan(ctx, "ttt", "p", storage.Range{}, 3, nil) // For its lots.
		impatient, cancel := context.WithTimeout(ctx, time.Duration(n%20)*time.Millisecond)
		_, _ = c.Transact(impatient, "ttt", "p", []storage.Op{{Verb: storage.Put, Row: row(key, "")}}) // It may.
		cancel()
		_ = c.Enqueue(ctx, "q-q", []byte(key), time.Duration(n%3)*time.Second)
		taken, _ := c.Take(ctx, "q-q", 2, 5*time.Second)
		for _, m := range taken {
			_ = c.Remove(ctx, "q-q", m) // Others remain.
		}
	}
}

func TestARunReplaysFromItsSeed(t *testing.T) {
	seen := map[uint64]bool{}
	for seed := range uint64(8) {
		first, trace := run(t, seed)
		second, again := run(t, seed)
		if first != second {
			i := 0
			for i < len(trace) && i < len(again) && trace[i] == again[i] {
				i++
			}
			t.Fatalf("seed %d: two runs, two hashes; of the last lines the first that differ:\n%s\n%s", seed,
				strings.Join(trace[i:], "\n"), strings.Join(again[i:], "\n"))
		}
		seen[first] = true
	}
	if len(seen) != 8 {
		t.Errorf("8 seeds gave %d runs", len(seen))
	}
}

func TestMixesOfFaultsDiffer(t *testing.T) {
	kinds, mixes := map[simulated.FaultKind]int{}, map[string]bool{}
	for seed := range uint64(200) {
		s := simulated.NewSwarm(seed)
		mixes[s.String()] = true
		for n := range 500 {
			c := simulated.Call{Client: "h", Handle: 1, Kind: simulated.Transact, Again: n}
			f := s.Decide(c)
			if f != s.Decide(c) {
				t.Fatal("the same request has two faults")
			}
			kinds[f.Kind]++
		}
	}
	for _, k := range simulated.FaultKinds() {
		mortal := k == simulated.Denied || k == simulated.CrashBefore || k == simulated.CrashAfter
		if (kinds[k] == 0) != mortal {
			t.Errorf("%v happens %d times", k, kinds[k])
		}
	}
	if len(mixes) != 200 || kinds[simulated.None] < 50_000 {
		t.Errorf("%d mixes, %d of 100000 requests without a fault", len(mixes), kinds[simulated.None])
	}
	only := simulated.NewSwarm(3, simulated.CrashAfter).Decide
	if f := only(simulated.Call{Kind: simulated.Get, Again: 1}); f.Kind != simulated.None && f.Kind != simulated.CrashAfter {
		t.Errorf("a kind that was not asked for: %v", f)
	}
}

func TestEveryRequestCanBeGivenEveryFault(t *testing.T) {
	script := func(ctx context.Context, c *simulated.Client) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		go func() { <-c.Killed(); cancel() }()
		_, _ = c.Transact(ctx, "ttt", "p", []storage.Op{insert("a", "")}) // Each may fail.
		_ = c.Enqueue(ctx, "q-q", nil, 0)                                 // As above.
		_, _ = c.Transact(ctx, "ttt", "p", []storage.Op{insert("b", "")}) // As above.
	}
	for n := 4; n <= 6; n++ {
		for _, kind := range simulated.FaultKinds() {
			synctest.Test(t, func(t *testing.T) {
				a, c := open(t, simulated.Config{Latency: simulated.Fixed(latency)})
				a.Decide(simulated.At(n, simulated.Fault{Kind: kind, Delay: time.Second}))
				script(t.Context(), c)
				c.Kill()
				if f := a.Faults(); f.Of(kind) != 1 {
					t.Errorf("%v at %d happened %d times", kind, n, f.Of(kind))
				}
			})
		}
	}
}

func TestCountsAreThoseOfTheBill(t *testing.T) {
	a, c := open(t, simulated.Config{WholePages: true})
	ctx := t.Context()
	before, own := a.Counts(), c.Counts()
	must[[]string](t)(c.Transact(ctx, "ttt", "p", []storage.Op{insert("a", "12345"), insert("b", "")}))
	_, err := c.Transact(ctx, "ttt", "p", []storage.Op{insert("a", "1")})
	rejected(t, err, storage.Exists, 0)
	_, err = c.Transact(ctx, "ttt", "p", []storage.Op{insert("a/b", "is not even sent")})
	rejected(t, err, storage.Invalid, 0)
	must[storage.Page](t)(c.Scan(ctx, "ttt", "p", storage.Range{}, 0, nil))
	take(t, c, 1, time.Second)
	enqueue(t, c, "123", 0)
	take(t, c, 1, time.Second)
	must[storage.Row](t)(a.Client("other").Get(ctx, "ttt", "p", "a"))
	a.Decide(func(simulated.Call) simulated.Fault { return simulated.Fault{Kind: simulated.LostRequest} })
	_, err = c.Get(ctx, "ttt", "p", "a")
	is(t, err, storage.ErrBusy)

	all := a.Counts().Sub(before)
	want := "7 transactions, get 1, scan 1, transact 2, enqueue 1, take 2; empty takes 1, rows 2, 9 bytes sent, 13 received"
	if all.String() != want {
		t.Errorf("counted %v\nwant    %s", all, want)
	}
	if n := c.Counts().Sub(own); n.Total() != 6 || n.Of(simulated.Get, simulated.Take) != 2 {
		t.Errorf("the client counted %v", n)
	}
}

func TestAStateStaysAsItWasAndBeginsOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, c := open(t, simulated.Config{})
		etag := must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("a", "1")}))[0]
		enqueue(t, c, "later", 10*time.Second)
		if err := c.PutBlob(t.Context(), "c-c", "blob", []byte("data")); err != nil {
			t.Fatal(err)
		}
		state := a.State()
		replace := []storage.Op{{Verb: storage.Replace, Row: row("a", "2"), IfMatch: etag}}
		must[[]string](t)(c.Transact(t.Context(), "ttt", "p", replace))
		if err := c.DeleteBlob(t.Context(), "c-c", "blob"); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Hour)
		take(t, c, 1, time.Second)

		check := func(s *simulated.State) {
			t.Helper()
			r, _ := s.Row("ttt", "p", "a")
			m := s.Messages("q-q")
			if string(r.Cells["Cell"]) != "1" || len(m) != 1 || m[0].Taken != 0 || len(maps.Collect(s.Blobs("c-c"))) != 1 {
				t.Errorf("the state changed: %v %v", r, m)
			}
			if got := fmt.Sprint(s.Tables(), s.Partitions("ttt"), s.Queues(), s.Containers()); got != "[ttt] [p] [q-q] [c-c]" {
				t.Errorf("the state lists %s", got)
			}
		}
		check(state)
		other := simulated.New(simulated.Config{From: state})
		defer other.Close()
		check(other.State())
		if !other.Now().Equal(state.At()) {
			t.Errorf("the clock goes on at %v, want %v", other.Now(), state.At())
		}
		oc := other.Client("host")
		if got := take(t, oc, 1, time.Second); len(got) != 0 {
			t.Errorf("took %v, which is hidden", got)
		}
		<-time.After(10 * time.Second)
		if got := take(t, oc, 1, time.Second); len(got) != 1 {
			t.Error("the message did not become visible")
		}
		must[[]string](t)(oc.Transact(t.Context(), "ttt", "p", replace))
		check(state)
	})
}

func TestAnObserverSeesEveryWriteInOrder(t *testing.T) {
	var seen []string
	_, c := open(t, simulated.Config{Observe: func(w simulated.Applied) {
		line := w.Call.Kind.String()
		for _, ch := range w.Changes {
			line += fmt.Sprintf(" %s:%v>%v", ch.Op.Row.Key, ch.Before != nil, ch.After != nil)
		}
		for _, m := range w.Messages {
			line += fmt.Sprintf(" %s/%d", m.Body, m.Taken)
		}
		seen = append(seen, line)
	}})
	seen = nil
	must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("a", ""), insert("b", "")}))
	must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{{Verb: storage.Delete, Row: row("a", "")}, {Verb: storage.Put, Row: row("b", "")}}))
	_, err := c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("b", "")})
	rejected(t, err, storage.Exists, 0)
	take(t, c, 1, time.Second)
	enqueue(t, c, "m", 0)
	m := take(t, c, 1, time.Second)[0]
	m.Receipt = must[string](t)(c.Extend(t.Context(), "q-q", m, 0, []byte("n")))
	_ = c.Remove(t.Context(), "q-q", m)                    // It was just extended.
	_ = c.PutBlob(t.Context(), "c-c", "b", []byte("blob")) // Nothing fails here.
	_ = c.DeleteBlob(t.Context(), "c-c", "b")              // As above.
	want := []string{
		"transact a:false>true b:false>true", "transact a:true>false b:true>true",
		"enqueue m/0", "take m/1", "extend n/1", "remove n/1", "put-blob", "delete-blob",
	}
	if !slices.Equal(seen, want) {
		t.Errorf("saw  %q\nwant %q", seen, want)
	}
}
