package sdk

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated/overhttp"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// onSimulated opens an account over a simulated one.
func onSimulated(t testing.TB, account *simulated.Account, client *simulated.Client) *Account {
	t.Helper()
	a, err := Open(Config{Account: overhttp.Account, Transport: overhttp.New(account, client)})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestTheSDKGivesTheAnswersOfWhatIsBehindIt: whether calls go through HTTP makes no
// difference to what they say. The calls are those of the differential test.
func TestTheSDKGivesTheAnswersOfWhatIsBehindIt(t *testing.T) {
	outcomes, seeds := map[string]int{}, uint64(30)
	if testing.Short() {
		seeds = 3
	}
	for seed := range seeds {
		bare, behind := simulated.New(simulated.Config{Seed: seed}), simulated.New(simulated.Config{Seed: seed})
		client := behind.Client("differential")
		subjects := []*subject{{a: bare.Client("differential"), name: "differential"}, {a: onSimulated(t, behind, client), name: "differential"}}
		for _, s := range subjects {
			s.etags, s.taken = map[string][]string{}, map[string][]storage.Message{}
		}
		all := slices.Clone(begin)
		for r := (steps{rand.New(rand.NewPCG(seed, 2))}); len(all) < len(begin)+120; {
			all = append(all, r.next())
		}
		for i, step := range append(all, end...) {
			want, got := step.do(t.Context(), subjects[0]), step.do(t.Context(), subjects[1])
			outcomes[strings.SplitN(want, " at", 2)[0]]++
			if want != got {
				t.Fatalf("seed %d, step %d, %s:\nsimulated: %s\nover HTTP: %s", seed, i, step.name, want, got)
			}
		}
		bare.Close()
		behind.Close()
	}
	for _, outcome := range []string{"rejected: exists already", "rejected: does not exist", "rejected: was changed by another", "rejected: is invalid", "rejected: is too large"} {
		if outcomes[outcome] == 0 {
			t.Errorf("no call was %s: the test shows too little", outcome)
		}
	}
}

// mutation is a write that changes something whenever it is applied.
type mutation struct {
	name string
	do   func(ctx context.Context, a storage.Account) error
}

// mutate draws a write.
func (r steps) mutate() mutation {
	key, blob := fmt.Sprint("k", r.IntN(4)), fmt.Sprint("b", r.IntN(3))
	verb := pick(r.Rand, storage.Insert, storage.Put, storage.Put, storage.Merge, storage.Delete)
	ops := []storage.Op{{Verb: verb, Row: storage.Row{Key: key}}, {Verb: storage.Put, Row: storage.Row{Key: "other", Cells: r.cells()}}}
	if verb != storage.Delete {
		ops[0].Row.Cells = r.cells()
	}
	return pick(r.Rand,
		mutation{fmt.Sprintf("transact %d:%s", verb, key), func(ctx context.Context, a storage.Account) error {
			etags, err := a.Transact(ctx, "table", "p", ops)
			if err == nil && (len(etags) != 2 || etags[1] == "") {
				return fmt.Errorf("the ETags are %q", etags)
			}
			return err
		}},
		mutation{"enqueue", func(ctx context.Context, a storage.Account) error { return a.Enqueue(ctx, "queue", []byte("body"), 0) }},
		mutation{"put " + blob, func(ctx context.Context, a storage.Account) error {
			return a.PutBlob(ctx, "container", blob, []byte("data"))
		}},
		mutation{"delete " + blob, func(ctx context.Context, a storage.Account) error { return a.DeleteBlob(ctx, "container", blob) }},
	)
}

// trial is the SDK on an account of which two requests in three have a fault, from
// when disturb was called on.
type trial struct {
	steps
	account *simulated.Account
	client  *simulated.Client // behind the SDK
	a       *Account
	last    simulated.Fault
}

// try runs f in virtual time.
func try(t *testing.T, seed uint64, observe func(simulated.Applied), f func(t *testing.T, y *trial)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		y := &trial{steps: steps{rand.New(rand.NewPCG(seed, 3))}}
		y.account = simulated.New(simulated.Config{
			Seed: seed, Latency: simulated.Between(5*time.Millisecond, 50*time.Millisecond), TryTimeout: time.Hour, Observe: observe,
		})
		defer y.account.Close()
		y.client = y.account.Client("host")
		y.a = onSimulated(t, y.account, y.client)
		if err := errors.Join(y.a.CreateTable(t.Context(), "table"), y.a.CreateQueue(t.Context(), "queue"), y.a.CreateContainer(t.Context(), "container")); err != nil {
			t.Fatal(err)
		}
		f(t, y)
	})
}

// disturb begins with faults of all kinds but those that kill the client.
func (y *trial) disturb() {
	kinds := slices.DeleteFunc(simulated.FaultKinds(), func(k simulated.FaultKind) bool {
		return k == simulated.CrashBefore || k == simulated.CrashAfter
	})
	y.account.Decide(func(simulated.Call) simulated.Fault {
		y.last = simulated.Fault{}
		if y.IntN(3) > 0 {
			y.last = simulated.Fault{Kind: pick(y.Rand, kinds...), Delay: time.Duration(y.Int64N(int64(20 * time.Second)))}
		}
		return y.last
	})
}

// TestWhatTheSDKSaysOfAWriteIsTrue whatever happens to the requests: what succeeds was
// applied once, what is refused is never applied, and what is unknown is applied once
// or never, soon or later (K1, K3).
func TestWhatTheSDKSaysOfAWriteIsTrue(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(4) {
		var count atomic.Int64 // of writes that were applied since the last
		try(t, seed, func(simulated.Applied) { count.Add(1) }, func(t *testing.T, y *trial) {
			y.disturb()
			for range 300 {
				m, patience := y.mutate(), pick(y.Rand, time.Minute, time.Minute, time.Duration(y.Int64N(int64(20*time.Millisecond))))
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				count.Store(0)
				err := m.do(ctx, y.a)
				cancel()
				soon := count.Load()
				<-time.After(time.Minute) // what is late is applied
				applied := count.Load()
				said := class(err)
				ok := applied <= 1
				switch said {
				case "applied":
					ok = soon == 1 && applied == 1
				case storage.ErrUnknown.Error():
					met[fmt.Sprint("unknown, applied ", applied)]++
				default:
					ok = applied == 0 && !strings.HasPrefix(said, "without")
				}
				if !ok {
					t.Errorf("seed %d: %s with %v: %s, and it was applied %d times, later %d times: %v", seed, m.name, y.last, said, soon, applied, err)
				}
				met[fmt.Sprint(y.last.Kind, ": ", strings.SplitN(said, " at", 2)[0])]++
			}
		})
	}
	happened(t, met, "unknown, applied 0", "unknown, applied 1", "none: applied", "none: rejected: exists already", "denied: access denied", "busy: outcome unknown")
}

func happened(t *testing.T, met map[string]int, all ...string) {
	t.Helper()
	for _, what := range all {
		if met[what] == 0 {
			t.Errorf("it never happened: %s", what)
		}
	}
}

// look is a read, as text.
type look struct {
	name string
	do   func(ctx context.Context, a storage.Account) (string, error)
}

// looks are all reads of what [TestWhatTheSDKReadsIsThere] has written.
func looks() []look {
	all := []look{
		{"get", func(ctx context.Context, a storage.Account) (string, error) {
			row, err := a.Get(ctx, "table", "p", "k3")
			return shown(row), err
		}},
		{"empty", func(ctx context.Context, a storage.Account) (string, error) {
			empty, err := a.Empty(ctx, "table")
			return fmt.Sprint(empty), err
		}},
		{"get blob", func(ctx context.Context, a storage.Account) (string, error) {
			data, err := a.GetBlob(ctx, "container", "b3")
			return digest(data), err
		}},
		{"peek", func(ctx context.Context, a storage.Account) (string, error) {
			messages, err := a.Peek(ctx, "queue", 32)
			return bodies(messages), err
		}},
		{"queues", func(ctx context.Context, a storage.Account) (string, error) {
			names, err := a.Queues(ctx, "queue")
			return fmt.Sprint(names), err
		}},
		{"list blobs", func(ctx context.Context, a storage.Account) (text string, err error) {
			for marker, more := "", true; more && err == nil; more = marker != "" {
				var page storage.BlobPage
				page, err = a.ListBlobs(ctx, "container", "b", marker)
				for _, b := range page.Blobs {
					text += fmt.Sprint(" ", b.Name, ":", b.Size)
				}
				marker = page.Next
			}
			return text, err
		}},
	}
	for _, cells := range [][]string{nil, {"A"}, {}} {
		all = append(all, look{fmt.Sprintf("scan %#v", cells), func(ctx context.Context, a storage.Account) (text string, err error) {
			for from, more := "k", true; more && err == nil; more = from != "" {
				var page storage.Page
				page, err = a.Scan(ctx, "table", "p", storage.Range{From: from, To: "k8"}, 2, cells)
				for _, row := range page.Rows {
					text += shown(row)
				}
				from = page.Next
			}
			return text, err
		}})
	}
	return all
}

func shown(row storage.Row) string {
	text := fmt.Sprintf("%s %s %v", row.Key, row.ETag, row.Changed.UTC().Truncate(time.Microsecond))
	for _, name := range slices.Sorted(maps.Keys(row.Cells)) {
		text += fmt.Sprintf(" %s=%s", name, digest(row.Cells[name]))
	}
	return text + "\n"
}

// TestWhatTheSDKReadsIsThere whatever happens to the requests: a read gives all that
// there is, or fails as what can be repeated, is refused or makes no sense.
func TestWhatTheSDKReadsIsThere(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(4) {
		try(t, seed, nil, func(t *testing.T, y *trial) {
			for i := range 9 {
				n := fmt.Sprint(i)
				cells := map[string][]byte{"A": bytes.Repeat([]byte(n), 20_000*(i%5)), "B": {}, "C": y.cell()}
				_, err := y.a.Transact(t.Context(), "table", "p", []storage.Op{{Verb: storage.Insert, Row: storage.Row{Key: "k" + n, Cells: cells}}})
				err = errors.Join(err, y.a.PutBlob(t.Context(), "container", "b"+n, y.cell()), y.a.CreateQueue(t.Context(), "queue-"+n), y.a.Enqueue(t.Context(), "queue", []byte("body "+n), 0))
				if err != nil {
					t.Fatal(err)
				}
			}
			want := map[string]string{}
			for _, l := range looks() {
				text, err := l.do(t.Context(), y.client)
				if err != nil {
					t.Fatal(err)
				}
				want[l.name] = text
			}
			y.disturb()
			for _, l := range looks() {
				for range 40 {
					got, err := l.do(t.Context(), y.a)
					said := class(err)
					met[said]++
					switch {
					case err == nil && got != want[l.name]:
						t.Errorf("seed %d: %s gives\n%s\nand there is\n%s", seed, l.name, got, want[l.name])
					case said != "applied" && said != storage.ErrBusy.Error() && said != storage.ErrDenied.Error() && said != storage.ErrCorrupt.Error():
						t.Errorf("seed %d: %s: %v", seed, l.name, err)
					}
				}
			}
		})
	}
	happened(t, met, "applied", storage.ErrBusy.Error(), storage.ErrDenied.Error(), storage.ErrCorrupt.Error())
}
