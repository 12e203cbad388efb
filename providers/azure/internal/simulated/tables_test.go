package simulated_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

func TestATransactionIsAppliedWhollyOrNotAtAll(t *testing.T) {
	a, c := open(t, simulated.Config{})
	etags := must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("a", "1"), insert("b", "1")}))
	before := fmt.Sprint(rows(a))
	stale := `W/"stale"`
	for name, test := range map[string]struct {
		op     storage.Op
		reason storage.Reason
	}{
		"a row that exists cannot be inserted":   {insert("b", "2"), storage.Exists},
		"another version cannot be replaced":     {storage.Op{Verb: storage.Replace, Row: row("b", "2"), IfMatch: stale}, storage.Precondition},
		"another version cannot be merged":       {storage.Op{Verb: storage.Merge, Row: row("b", "2"), IfMatch: stale}, storage.Precondition},
		"another version cannot be deleted":      {storage.Op{Verb: storage.Delete, Row: row("b", ""), IfMatch: stale}, storage.Precondition},
		"a missing row cannot be replaced":       {storage.Op{Verb: storage.Replace, Row: row("c", "2")}, storage.Missing},
		"a missing row cannot be merged":         {storage.Op{Verb: storage.Merge, Row: row("c", "2")}, storage.Missing},
		"a missing row cannot be deleted":        {storage.Op{Verb: storage.Delete, Row: row("c", "")}, storage.Missing},
		"a missing row is missing in any ETag":   {storage.Op{Verb: storage.Delete, Row: row("c", ""), IfMatch: stale}, storage.Missing},
		"an ETag is quoted":                      {storage.Op{Verb: storage.Delete, Row: row("b", ""), IfMatch: "stale"}, storage.Invalid},
		"an ETag makes no sense with an insert":  {storage.Op{Verb: storage.Insert, Row: row("c", ""), IfMatch: stale}, storage.Invalid},
		"a row key stands once in a transaction": {insert("a", "2"), storage.Invalid},
		"a slash is no part of a key":            {insert("x/y", ""), storage.Invalid},
		"a control character is no part either":  {insert("x\x80y", ""), storage.Invalid},
		"a key has 512 characters":               {insert(strings.Repeat("k", 513), ""), storage.TooLarge},
		"characters count as UTF-16":             {insert(strings.Repeat("😀", 257), ""), storage.TooLarge},
		"a row has 700 KiB":                      {insert("c", strings.Repeat("x", storage.MaxRowBytes+1)), storage.TooLarge},
		"the verb must be one":                   {storage.Op{Row: row("c", "")}, storage.Invalid},
		"a cell has the name of a property":      {storage.Op{Verb: storage.Insert, Row: storage.Row{Key: "c", Cells: map[string][]byte{"a-b": nil}}}, storage.Invalid},
		"a cell is no part of another":           {storage.Op{Verb: storage.Insert, Row: storage.Row{Key: "c", Cells: map[string][]byte{"Long_0": nil}}}, storage.Invalid},
		"a cell is no key":                       {storage.Op{Verb: storage.Insert, Row: storage.Row{Key: "c", Cells: map[string][]byte{"RowKey": nil}}}, storage.Invalid},
		"a row has 252 properties":               {storage.Op{Verb: storage.Insert, Row: wide("c", 253)}, storage.TooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			ops := []storage.Op{{Verb: storage.Merge, Row: row("a", "changed"), IfMatch: etags[0]}, insert("new", ""), test.op}
			_, err := c.Transact(t.Context(), "ttt", "p", ops)
			rejected(t, err, test.reason, 2)
			if now := fmt.Sprint(rows(a)); now != before {
				t.Errorf("something was applied: %s, was %s", now, before)
			}
		})
	}
}

func wide(key string, cells int) storage.Row {
	r := storage.Row{Key: key, Cells: map[string][]byte{}}
	for i := range cells {
		r.Cells[fmt.Sprintf("C%d", i)] = nil
	}
	return r
}

// rows is all that the table holds, ETags included.
func rows(a *simulated.Account) []string {
	var all []string
	for pk, r := range a.State().Rows("ttt") {
		all = append(all, fmt.Sprintf("%s/%s %s %q", pk, r.Key, r.ETag, r.Cells))
	}
	return all
}

func TestATransactionAsAWholeHasLimits(t *testing.T) {
	_, c := open(t, simulated.Config{})
	ops := make([]storage.Op, 0, storage.MaxOps+1)
	for i := range storage.MaxOps + 1 {
		ops = append(ops, insert(fmt.Sprint(i), ""))
	}
	_, err := c.Transact(t.Context(), "ttt", "p", ops)
	rejected(t, err, storage.TooLarge, -1)
	must[[]string](t)(c.Transact(t.Context(), "ttt", "p", ops[:storage.MaxOps]))

	_, err = c.Transact(t.Context(), "ttt", "p", nil)
	rejected(t, err, storage.Invalid, -1)
	_, err = c.Transact(t.Context(), "ttt", "a#b", ops[:1])
	rejected(t, err, storage.Invalid, -1)

	var heavy []storage.Op
	for i := range 5 {
		heavy = append(heavy, insert(fmt.Sprint("heavy", i), strings.Repeat("x", 650<<10)))
	}
	_, err = c.Transact(t.Context(), "ttt", "p", heavy)
	rejected(t, err, storage.TooLarge, -1)
	must[[]string](t)(c.Transact(t.Context(), "ttt", "p", heavy[:4]))

	more := storage.Row{Key: "heavy0", Cells: map[string][]byte{"More": make([]byte, 500<<10)}}
	_, err = c.Transact(t.Context(), "ttt", "p", []storage.Op{{Verb: storage.Merge, Row: more}})
	rejected(t, err, storage.TooLarge, 0)
}

func TestVerbsDoWhatTheySay(t *testing.T) {
	_, c := open(t, simulated.Config{})
	two := storage.Row{Key: "a", Cells: map[string][]byte{"One": []byte("1"), "Empty": nil}}
	for _, step := range []struct {
		verb storage.Verb
		row  storage.Row
		want string
	}{
		{storage.Insert, two, `map["Empty":"" "One":"1"]`},
		{storage.Merge, row("a", "2"), `map["Cell":"2" "Empty":"" "One":"1"]`},
		{storage.Replace, row("a", "3"), `map["Cell":"3"]`},
		{storage.Put, two, `map["Empty":"" "One":"1"]`},
	} {
		etags := must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{{Verb: step.verb, Row: step.row}}))
		got := must[storage.Row](t)(c.Get(t.Context(), "ttt", "p", "a"))
		if fmt.Sprintf("%q", got.Cells) != step.want || got.ETag != etags[0] {
			t.Errorf("after %v: %q %s, want %s %s", step.verb, got.Cells, got.ETag, step.want, etags[0])
		}
	}
	got := must[storage.Row](t)(c.Get(t.Context(), "ttt", "p", "a"))
	if got.Cells["Empty"] == nil {
		t.Error("an empty cell was read as none")
	}
	etags := must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{{Verb: storage.Delete, Row: row("a", "")}}))
	if etags[0] != "" {
		t.Errorf("a deleted row has the ETag %s", etags[0])
	}
	_, err := c.Get(t.Context(), "ttt", "p", "a")
	rejected(t, err, storage.Missing, -1)
}

func TestNobodySharesMemoryWithTheService(t *testing.T) {
	_, c := open(t, simulated.Config{})
	ops := []storage.Op{insert("a", "1")}
	must[[]string](t)(c.Transact(t.Context(), "ttt", "p", ops))
	ops[0].Row.Cells["Cell"][0] = 'x'
	got := must[storage.Row](t)(c.Get(t.Context(), "ttt", "p", "a"))
	got.Cells["Cell"][0] = 'y'
	if got := must[storage.Row](t)(c.Get(t.Context(), "ttt", "p", "a")); string(got.Cells["Cell"]) != "1" {
		t.Errorf("the cell is %q", got.Cells["Cell"])
	}
}

func TestEveryWriteHasAnETagOfItsOwn(t *testing.T) {
	_, c := open(t, simulated.Config{})
	seen := map[string]bool{}
	ascending := 0
	last := ""
	for range 200 {
		etag := must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{{Verb: storage.Put, Row: row("a", "same")}}))[0]
		if seen[etag] {
			t.Fatalf("%s comes twice", etag)
		}
		seen[etag] = true
		if etag > last {
			ascending++
		}
		last = etag
	}
	if ascending > 150 {
		t.Errorf("ETags tell their order: %d of 200 are ascending", ascending)
	}
}

func TestScansGiveEveryRowOnceInOrder(t *testing.T) {
	for seed := range uint64(20) {
		_, c := open(t, simulated.Config{Seed: seed})
		var want []string
		for i := range 100 {
			want = append(want, fmt.Sprintf("k%03d", i))
		}
		for i := range want {
			must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{insert(want[(i*37)%100], "x")}))
		}
		var got []string
		pages := 0
		for r := (storage.Range{From: "k010", To: "k090"}); ; pages++ {
			page := must[storage.Page](t)(c.Scan(t.Context(), "ttt", "p", r, 7, []string{"Other"}))
			for _, row := range page.Rows {
				got = append(got, row.Key)
				if len(row.Cells) != 0 || row.ETag == "" {
					t.Fatalf("row %v has cells that were not asked for, or no ETag", row)
				}
			}
			if len(page.Rows) > 7 {
				t.Fatalf("a page has %d rows", len(page.Rows))
			}
			if page.Next == "" {
				break
			}
			r.From = page.Next
		}
		if fmt.Sprint(got) != fmt.Sprint(want[10:90]) {
			t.Fatalf("seed %d: %v", seed, got)
		}
		if seed == 1 && pages == 80/7 {
			t.Error("no page ended early")
		}
	}
}

func TestAPageHasAtMostAThousandRows(t *testing.T) {
	_, c := open(t, simulated.Config{WholePages: true})
	for i := range 11 {
		var ops []storage.Op
		for j := range storage.MaxOps {
			ops = append(ops, insert(fmt.Sprintf("k%02d%02d", i, j), ""))
		}
		must[[]string](t)(c.Transact(t.Context(), "ttt", "p", ops))
	}
	page := must[storage.Page](t)(c.Scan(t.Context(), "ttt", "p", storage.Range{}, 0, nil))
	if len(page.Rows) != storage.MaxPageRows || page.Next != "k0999\x00" {
		t.Errorf("%d rows, next %q", len(page.Rows), page.Next)
	}
}

func TestPagesTogetherAreNoSnapshot(t *testing.T) {
	_, c := open(t, simulated.Config{WholePages: true})
	must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("a", ""), insert("b", ""), insert("c", "")}))
	first := must[storage.Page](t)(c.Scan(t.Context(), "ttt", "p", storage.Range{}, 2, nil))
	must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{
		{Verb: storage.Delete, Row: row("a", "")}, {Verb: storage.Delete, Row: row("c", "")}, insert("bb", ""),
	}))
	second := must[storage.Page](t)(c.Scan(t.Context(), "ttt", "p", storage.Range{From: first.Next}, 2, nil))
	if len(first.Rows) != 2 || len(second.Rows) != 1 || second.Rows[0].Key != "bb" || second.Next != "" {
		t.Errorf("%v, then %v", first, second)
	}
}

func TestADeletedTableComesBackOnlyAfterAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, c := open(t, simulated.Config{})
		rejected(t, c.CreateTable(t.Context(), "TTT"), storage.Exists, -1)
		rejected(t, c.CreateTable(t.Context(), "t-t"), storage.Invalid, -1)
		must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("a", "1")}))
		if err := c.DeleteTable(t.Context(), "ttt"); err != nil {
			t.Fatal(err)
		}
		is(t, c.DeleteTable(t.Context(), "ttt"), storage.ErrGone)
		_, err := c.Get(t.Context(), "ttt", "p", "a")
		is(t, err, storage.ErrGone)
		for range 4 {
			err := c.CreateTable(t.Context(), "ttt")
			is(t, err, storage.ErrGone)
			if !strings.Contains(err.Error(), "being deleted") {
				t.Errorf("%v does not say why", err)
			}
			<-time.After(simulated.TableReuse / 4)
		}
		if err := c.CreateTable(t.Context(), "ttt"); err != nil {
			t.Fatal(err)
		}
		_, err = c.Get(t.Context(), "ttt", "p", "a")
		rejected(t, err, storage.Missing, -1)
	})
}

func TestOneOfManyWritersOfAVersionWins(t *testing.T) {
	a, c := open(t, simulated.Config{})
	must[[]string](t)(c.Transact(t.Context(), "ttt", "p", []storage.Op{insert("counter", "0")}))
	const writers, rounds = 8, 50
	var wg sync.WaitGroup
	for w := range writers {
		c := a.Client(fmt.Sprint("w", w))
		wg.Go(func() {
			for i := range rounds {
				for {
					r, err := c.Get(t.Context(), "ttt", "p", "counter")
					if err != nil {
						t.Error(err)
						return
					}
					var n int
					_, _ = fmt.Sscan(string(r.Cells["Cell"]), &n)
					_, err = c.Transact(t.Context(), "ttt", "p", []storage.Op{
						insert(fmt.Sprintf("w%d-%d-%d", w, i, n), ""),
						{Verb: storage.Replace, Row: row("counter", fmt.Sprint(n+1)), IfMatch: r.ETag},
					})
					if err == nil {
						break
					}
					if !storage.Is(err, storage.Precondition) {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	r := must[storage.Row](t)(c.Get(t.Context(), "ttt", "p", "counter"))
	if n := len(rows(a)); string(r.Cells["Cell"]) != fmt.Sprint(writers*rounds) || n != writers*rounds+1 {
		t.Errorf("counter %s, %d rows, want %d", r.Cells["Cell"], n, writers*rounds)
	}
}
