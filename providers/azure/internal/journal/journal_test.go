package journal_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

const (
	table     = "hub"
	partition = "gp000"
)

// desk is a journal on a simulated partition, in virtual time.
type desk struct {
	*testing.T
	account *simulated.Account
	client  *simulated.Client
	checker *simulated.Checker
	journal *journal.Journal
	lost    int
	trouble []error
	refused []error // transactions, for their size

	mu    sync.Mutex
	order []string
}

func within(t *testing.T, test func(d *desk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &desk{T: t, checker: simulated.NewChecker(simulated.Layout{}, nil)}
		d.account = simulated.New(simulated.Config{Latency: simulated.Fixed(10 * time.Millisecond), Observe: d.checker.Observe, TryTimeout: time.Second})
		defer d.account.Close()
		d.client = d.account.Client("owner")
		if err := d.client.CreateTable(t.Context(), table); err != nil {
			t.Fatal(err)
		}
		d.claim("me", 1, "")
		test(d)
		d.journal.Stop()
		for _, v := range d.checker.Violations() {
			t.Errorf("%v", v)
		}
	})
}

// claim writes the head and begins a journal with it.
func (d *desk) claim(owner string, epoch int64, etag string) string {
	d.Helper()
	head := row.Owner{Format: row.Format, Owner: owner, Epoch: epoch}
	op := storage.Op{Verb: storage.Insert, Row: storage.Row{Key: row.Head, Cells: head.Cells()}}
	if etag != "" {
		op.Verb, op.IfMatch = storage.Replace, etag
	}
	etags, err := d.client.Transact(d.Context(), table, partition, []storage.Op{op})
	if err != nil {
		d.Fatal(err)
	}
	notices, err := journal.ReadNotices(nil)
	if err != nil {
		d.Fatal(err)
	}
	d.journal = journal.New(journal.Config{
		Account: door{d.client, d}, Table: table, Partition: partition, Number: 0, Head: head, ETag: etags[0], Notices: notices,
		Timeout: 2 * time.Second, Now: time.Now, Backoff: func(int) time.Duration { return 50 * time.Millisecond },
		Lost:    func() { d.lost++ },
		Trouble: func(err error) { d.trouble = append(d.trouble, err) },
	})
	return etags[0]
}

// ok waits for an entry that must succeed.
func (d *desk) ok(done chan error) {
	d.Helper()
	if err := <-done; err != nil {
		d.Fatal(err)
	}
}

// entry puts a row; done receives what becomes of it.
func (d *desk) entry(key string) (e *journal.Entry, done chan error) {
	done = make(chan error, 1)
	return &journal.Entry{
		Ops: []storage.Op{{Verb: storage.Put, Row: storage.Row{Key: key, Cells: map[string][]byte{"Cell": []byte(key)}}}},
		Applied: func(journal.Applied) {
			d.mu.Lock()
			d.order = append(d.order, key)
			d.mu.Unlock()
			done <- nil
		},
		Failed: func(err error) { done <- err },
	}, done
}

func (d *desk) has(key string) bool {
	_, ok := d.account.State().Row(table, partition, key)
	return ok
}

func (d *desk) commitsNow() int64 { return d.journal.Commits() }

func TestWhatGathersGoesTogetherAndALonelyEntryWaitsForNobody(t *testing.T) {
	within(t, func(d *desk) {
		began := time.Now()
		e, done := d.entry("k:lonely")
		d.journal.Submit(e)
		if err := <-done; err != nil || time.Since(began) > 11*time.Millisecond {
			t.Errorf("a lonely entry took %v, %v; want one request", time.Since(began), err)
		}
		var all []chan error
		for n := range 50 {
			e, done := d.entry(fmt.Sprintf("k:%02d", n))
			d.journal.Submit(e)
			all = append(all, done)
		}
		for _, done := range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := d.commitsNow(); n > 3 {
			t.Errorf("51 entries took %d transactions", n)
		}
		if len(d.order) != 51 || d.order[0] != "k:lonely" || d.order[50] != "k:49" {
			t.Errorf("they were told in the order %v", d.order)
		}
	})
}

// Whatever becomes of the first request and of its answer, the entry is applied
// once, and known to be.
func TestUnknownOutcomesAreSettled(t *testing.T) {
	for _, fault := range []simulated.Fault{
		{Kind: simulated.LostRequest}, {Kind: simulated.LostAnswer}, {Kind: simulated.Busy}, {Kind: simulated.Reset}, {Kind: simulated.ResetAfter},
		{Kind: simulated.Late, Delay: 30 * time.Millisecond}, {Kind: simulated.Late, Delay: 5 * time.Second}, {Kind: simulated.Throttle, Delay: time.Second},
		{Kind: simulated.Garbled}, {Kind: simulated.Denied},
	} {
		t.Run(fmt.Sprint(fault.Kind, fault.Delay), func(t *testing.T) {
			within(t, func(d *desk) {
				commit := func(c simulated.Call) bool { return c.Kind == simulated.Transact }
				d.account.Decide(simulated.Nth(1, commit, fault))
				e, done := d.entry("k:a")
				e.Ops[0].Verb = storage.Insert // a second application would be rejected
				d.journal.Submit(e)
				if err := <-done; err != nil {
					t.Fatalf("the entry failed: %v", err)
				}
				next, done := d.entry("k:b")
				d.journal.Submit(next)
				if err := <-done; err != nil || !d.has("k:a") || !d.has("k:b") || d.lost != 0 {
					t.Errorf("the next entry: %v; a is there: %t, b: %t, lost %d times", err, d.has("k:a"), d.has("k:b"), d.lost)
				}
				<-time.After(10 * time.Second) // what was late has arrived, and changed nothing
			})
		})
	}
}

func TestASuccessorEndsTheJournal(t *testing.T) {
	within(t, func(d *desk) {
		old := d.journal
		e, done := d.entry("k:mine")
		old.Submit(e)
		d.ok(done)
		head, _ := d.account.State().Row(table, partition, row.Head)
		d.claim("other", 2, head.ETag)
		var all []chan error
		for n := range 3 {
			e, done := d.entry(fmt.Sprint("k:zombie", n))
			old.Submit(e)
			all = append(all, done)
		}
		for _, done := range all {
			if err := <-done; !errors.Is(err, journal.ErrLost) && !errors.Is(err, journal.ErrStopped) {
				t.Errorf("an entry of the former owner: %v, want ErrLost", err)
			}
		}
		old.Stop()
		if d.lost != 1 || d.has("k:zombie0") {
			t.Errorf("lost was told %d times; a row of the zombie is there: %t", d.lost, d.has("k:zombie0"))
		}
	})
}

func TestOneBadEntryIsEjectedAndTheOthersGoOn(t *testing.T) {
	within(t, func(d *desk) {
		first, done := d.entry("k:taken")
		d.journal.Submit(first)
		d.ok(done)
		good1, done1 := d.entry("k:1")
		bad, doneBad := d.entry("k:taken")
		bad.Ops[0].Verb = storage.Insert
		good2, done2 := d.entry("k:2")
		large, doneLarge := d.entry("k:large")
		large.Ops[0].Row.Cells["Cell"] = make([]byte, storage.MaxRowBytes+1)
		for _, e := range []*journal.Entry{good1, bad, good2, large} {
			d.journal.Submit(e)
		}
		if err := errors.Join(<-done1, <-done2); err != nil {
			t.Errorf("the good ones: %v", err)
		}
		if err := <-doneBad; !storage.Is(err, storage.Exists) {
			t.Errorf("the bad one: %v, want that its row exists", err)
		}
		if err := <-doneLarge; err == nil {
			t.Error("a row that is too large was committed")
		}
	})
}

func TestAnEntryMayBeReplacedWhenItIsRejected(t *testing.T) {
	within(t, func(d *desk) {
		first, done := d.entry("k:taken")
		d.journal.Submit(first)
		d.ok(done)
		instead, doneInstead := d.entry("k:instead")
		bad, _ := d.entry("k:taken")
		bad.Ops[0].Verb = storage.Insert
		bad.Rejected = func(op int, r *storage.Rejection) *journal.Entry {
			if op != 0 || r.Reason != storage.Exists {
				t.Errorf("rejected was op %d for %v", op, r.Reason)
			}
			return instead
		}
		d.journal.Submit(bad)
		if err := <-doneInstead; err != nil || !d.has("k:instead") {
			t.Errorf("the replacement: %v", err)
		}
	})
}

func TestEntriesOnOneRowGoOneAfterTheOther(t *testing.T) {
	within(t, func(d *desk) {
		var all []chan error
		for range 5 {
			e, done := d.entry("k:same")
			d.journal.Submit(e)
			all = append(all, done)
		}
		for _, done := range all {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if n := d.commitsNow(); n != 5 {
			t.Errorf("five entries on one row took %d transactions", n)
		}
	})
}

// TestWhatIsAppliedIsToldInOrder (J3): also if it takes long to tell of the first.
func TestWhatIsAppliedIsToldInOrder(t *testing.T) {
	within(t, func(d *desk) {
		var told []int
		var all []chan error
		for n := range 5 {
			e, done := d.entry("k:same")
			e.Applied = func(journal.Applied) {
				<-time.After(time.Duration(5-n) * time.Second)
				d.mu.Lock()
				told = append(told, n)
				d.mu.Unlock()
				done <- nil
			}
			d.journal.Submit(e)
			all = append(all, done)
		}
		for _, done := range all {
			d.ok(done)
		}
		if !slices.IsSorted(told) || len(told) != len(all) {
			t.Errorf("five transactions were told of in the order %v", told)
		}
	})
}

func TestNumbersAreDenseAlsoWhenABatchIsNotApplied(t *testing.T) {
	within(t, func(d *desk) {
		first, done := d.entry("k:taken")
		d.journal.Submit(first)
		d.ok(done)
		var numbers []int64
		var mu sync.Mutex
		send := func(bad bool) chan error {
			e, done := d.entry("")
			e.Ops = nil
			if bad {
				e.Ops = []storage.Op{{Verb: storage.Insert, Row: storage.Row{Key: "k:taken"}}}
			}
			e.Ops = append(e.Ops, storage.Op{Verb: storage.Insert, Row: storage.Row{Cells: map[string][]byte{"Cell": {}}}})
			e.Direct = []journal.Direct{{Op: len(e.Ops) - 1, To: "a"}}
			e.Send = &row.Outgoing{Parts: []row.Part{{To: 5, Parcels: make([]row.Parcel, 3)}}}
			applied := e.Applied
			e.Applied = func(a journal.Applied) {
				mu.Lock()
				numbers = append(numbers, a.Direct[0], a.Send.Parts[0].First)
				mu.Unlock()
				applied(a)
			}
			d.journal.Submit(e)
			return done
		}
		for n, done := range []chan error{send(false), send(true), send(false), send(true), send(false)} {
			if err := <-done; (err != nil) != (n%2 == 1) {
				t.Errorf("entry %d: %v", n, err)
			}
		}
		if fmt.Sprint(numbers) != "[1 1 2 4 3 7]" {
			t.Errorf("numbers within, and first ones to 5, are %v; want 1 1, 2 4, 3 7", numbers)
		}
	})
}

func TestWhatIsConsumedIsNoticedInTheSameTransaction(t *testing.T) {
	within(t, func(d *desk) {
		key := row.Message("a", row.PartitionSender(7), 3)
		client := row.Message("a", row.ClientSender("c1"), 1)
		put, done := d.entry(key)
		put.Ops = append(put.Ops, storage.Op{Verb: storage.Put, Row: storage.Row{Key: client}})
		d.journal.Submit(put)
		d.ok(done)
		e, done := d.entry("k:a")
		e.Consumed = []journal.Consumed{
			{Key: key, From: row.PartitionSender(7), Seq: 3, Hash: []string{"h1"}},
			{Key: client, From: row.ClientSender("c1"), Seq: 1, Hash: []string{"h2"}},
		}
		d.journal.Submit(e)
		if err := <-done; err != nil || d.has(key) || d.has(client) {
			t.Errorf("consuming: %v; the rows are there: %t %t", err, d.has(key), d.has(client))
		}
		if !d.journal.Numbered(row.PartitionSender(7), 3) || d.journal.Numbered(row.PartitionSender(7), 2) || !d.journal.Noticed("h1") || !d.journal.Noticed("h2") {
			t.Error("what was consumed is not known")
		}
		var rows []storage.Row
		for pk, r := range d.account.State().Rows(table) {
			if pk == partition && strings.HasPrefix(r.Key, "n:") {
				rows = append(rows, r)
			}
		}
		n, err := journal.ReadNotices(rows)
		if err != nil || !n.Numbered(row.PartitionSender(7), 3) || !n.Noticed("h2") {
			t.Errorf("the next owner reads %+v, %v", n, err)
		}
	})
}

func TestIDsAreForgottenAfterTheirTimeAndNotBeforeAllThatWaitedWasCompared(t *testing.T) {
	within(t, func(d *desk) {
		consume := func(n int) {
			key := row.Message("a", row.ClientSender("c"), int64(n))
			put, done := d.entry(key)
			d.journal.Submit(put)
			d.ok(done)
			e, done := d.entry("k:a")
			e.Consumed = []journal.Consumed{{Key: key, From: row.ClientSender("c"), Seq: int64(n), Hash: []string{fmt.Sprint("h", n)}}}
			d.journal.Submit(e)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		consume(1)
		for n := range 60 {
			<-time.After(2 * time.Minute)
			consume(n + 2)
		}
		if !d.journal.Noticed("h1") {
			t.Error("an id was forgotten although a copy may wait that nobody compared with it")
		}
		d.journal.Compared(time.Now())
		for n := range 60 {
			consume(n + 100)
		}
		if d.journal.Noticed("h1") || !d.journal.Noticed("h61") {
			t.Errorf("after two hours the first id is known: %t, the last: %t; want false, true", d.journal.Noticed("h1"), d.journal.Noticed("h61"))
		}
	})
}

func TestLazyEntriesGoAlongOrAloneAfterAMinuteOrAtTheEnd(t *testing.T) {
	within(t, func(d *desk) {
		lazy, done := d.entry("k:lazy1")
		d.journal.SubmitLazily(lazy)
		e, doneE := d.entry("k:a")
		d.journal.Submit(e)
		d.ok(doneE)
		d.ok(done)
		if n := d.commitsNow(); n != 1 {
			t.Errorf("a lazy entry and another took %d transactions", n)
		}
		lazy, done = d.entry("k:lazy2")
		began := time.Now()
		d.journal.SubmitLazily(lazy)
		d.ok(done)
		if took := time.Since(began); took < 50*time.Second || took > 70*time.Second {
			t.Errorf("alone a lazy entry went after %v", took)
		}
		lazy, done = d.entry("k:lazy3")
		d.journal.SubmitLazily(lazy)
		head, etag, err := d.journal.Drain(d.Context())
		if err != nil || head.Commit != 3 || etag == "" || <-done != nil {
			t.Errorf("draining: %+v, %q, %v", head, etag, err)
		}
		if now, _ := d.account.State().Row(table, partition, row.Head); now.ETag != etag {
			t.Errorf("the ETag is %q, and the head has %q", etag, now.ETag)
		}
	})
}

func TestAfterDrainAndStopEntriesFail(t *testing.T) {
	within(t, func(d *desk) {
		if _, _, err := d.journal.Drain(d.Context()); err != nil {
			t.Error(err)
		}
		e, done := d.entry("k:a")
		d.journal.Submit(e)
		if err := <-done; !errors.Is(err, journal.ErrStopped) {
			t.Errorf("an entry after the end: %v, want ErrStopped", err)
		}
	})
}

func TestSettleWaitsForWhatIsBeingSent(t *testing.T) {
	within(t, func(d *desk) {
		if err := d.journal.Settle(d.Context()); err != nil {
			t.Error(err)
		}
		e, done := d.entry("k:a")
		d.journal.Submit(e)
		synctest.Wait() // it is on its way
		if err := d.journal.Settle(d.Context()); err != nil {
			t.Error(err)
		}
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
		default:
			t.Error("Settle returned while an entry was on its way")
		}
	})
}

func TestSettleWaitsForWhatWasFoundValid(t *testing.T) {
	within(t, func(d *desk) {
		e, done := d.entry("k:a")
		asked, answer := make(chan bool), make(chan error)
		e.Valid = func() error { close(asked); return <-answer }
		d.journal.Submit(e)
		<-asked
		settled := make(chan error, 1)
		go func() { settled <- d.journal.Settle(d.Context()) }()
		synctest.Wait()
		if len(settled) > 0 {
			t.Error("Settle returned while an entry was between being found valid and being sent")
		}
		answer <- nil
		d.ok(done)
		d.ok(settled)
	})
}

func TestTroubleIsToldAndItsEnd(t *testing.T) {
	within(t, func(d *desk) {
		d.client.Cut()
		e, done := d.entry("k:a")
		d.journal.Submit(e)
		<-time.After(time.Minute)
		d.client.Heal()
		if err := <-done; err != nil {
			t.Errorf("after an outage of a minute: %v", err)
		}
		if len(d.trouble) < 2 || d.trouble[0] == nil || d.trouble[len(d.trouble)-1] != nil {
			t.Errorf("told was %v, want trouble and then its end", d.trouble)
		}
	})
}
