package row_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
)

func id(t *rapid.T, label string) history.InstanceID {
	return history.InstanceID(rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z0-9_.:/%'~-]{1,12}`), rapid.StringN(1, -1, 60)).Draw(t, label))
}

func TestEscapedIDsSortAsIDsDoAndAreTheirOwn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := id(t, "a"), id(t, "b")
		x, y := row.Escape(a), row.Escape(b)
		if len(x) < 380 && len(y) < 380 && cmp.Compare(a, b) != cmp.Compare(x, y) {
			t.Fatalf("%q and %q are escaped as %q and %q, which sort otherwise", a, b, x, y)
		}
		if (a == b) != (x == y) {
			t.Fatalf("%q and %q are escaped as %q and %q", a, b, x, y)
		}
	})
}

func TestEscapedIDsAreWhatKeysAndURLsTake(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for _, c := range row.Escape(id(t, "id")) {
			if !strings.ContainsRune("!-.=_~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", c) {
				t.Fatalf("an escaped id has %q", c)
			}
		}
	})
}

func TestLongIDsAreCutAndStayApart(t *testing.T) {
	long := strings.Repeat("日", 600)
	a, b := row.Escape(history.InstanceID(long+"a")), row.Escape(history.InstanceID(long+"b"))
	if a == b || len(a) > 380 || len(b) > 380 || !row.Unordered("i:"+a) || row.Unordered("i:order") {
		t.Errorf("long ids are escaped as %q and %q", a, b)
	}
	if len(row.Message(history.InstanceID(long), row.ClientSender(strings.Repeat("x", 30)), 1<<40)) > 512 {
		t.Error("the key of a message to a long id is longer than a key may be")
	}
}

// What belongs to an instance lies in ranges in which nothing of another lies,
// however much their ids look alike.
func TestRangesOfAnInstanceHoldNothingOfAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := id(t, "a")
		b := rapid.OneOf(rapid.Just(a+"0"), rapid.Just(a+":"), rapid.Just(a+"%"), rapid.Just(a+"::1.2"), rapid.Custom(func(t *rapid.T) history.InstanceID { return id(t, "b") })).Draw(t, "b")
		in := func(r row.Range, key string) bool { return r.From <= key && key < r.To }
		for _, test := range []struct {
			r          row.Range
			mine, his  string
			everywhere bool
		}{
			{r: row.InboxOf(a), mine: row.Message(a, row.PartitionSender(3), 7), his: row.Message(b, row.PartitionSender(3), 7)},
			{r: row.HistoryOf(a), mine: row.Segment(a, 2, 5), his: row.Segment(b, 2, 5)},
			{r: row.ExecutionOf(a, 2), mine: row.Segment(a, 2, 5), his: row.Segment(a, 3, 5)},
			{r: row.ProgressOf(a), mine: row.Progress(a, 5), his: row.Progress(b, 5)},
			{r: row.Only(row.Work(a)), mine: row.Work(a), his: row.Work(b)},
		} {
			if !in(test.r, test.mine) || in(test.r, test.his) && test.his != test.mine {
				t.Fatalf("the range %+v holds %q: %t, and %q: %t", test.r, test.mine, in(test.r, test.mine), test.his, in(test.r, test.his))
			}
		}
	})
}

func TestANewOwnerReadsWhatIsOutstandingAndNothingElse(t *testing.T) {
	const a = "order"
	r := row.Outstanding()
	for key, want := range map[string]bool{
		row.Message(a, row.ClientSender("x"), 1): true, row.FromPartitions: true, row.RecentIDs(4): true, row.Outbox(3): true,
		row.Progress(a, 1): true, row.Work(a): true, row.Timers(5, a): true,
		row.Head: false, row.Instance(a): false, row.Segment(a, 1, 1): false, row.State(a): false, row.Open(a): false,
		row.PlaceOf(history.StatusFailed).Key(a): false, row.Purged(5, a): false, row.Dead(5, 1): false,
	} {
		if got := r.From <= key && key < r.To; got != want {
			t.Errorf("%q is outstanding: %t, want %t", key, got, want)
		}
	}
}

func TestKeysOfTheInboxComeApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.SampledFrom([]row.Sender{row.PartitionSender(0), row.PartitionSender(255), row.ClientSender("0123abc")}).Draw(t, "from")
		seq := rapid.Int64Range(0, 1<<62).Draw(t, "seq")
		gotFrom, gotSeq, err := row.ParseMessage(row.Message(id(t, "id"), from, seq))
		if err != nil || gotFrom != from || gotSeq != seq {
			t.Fatalf("%q %d came back as %q %d, %v", from, seq, gotFrom, gotSeq, err)
		}
	})
}

func TestMessagesOfASenderSortByTheirNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Int64Range(0, 1<<62).Draw(t, "a"), rapid.Int64Range(0, 1<<62).Draw(t, "b")
		if cmp.Compare(a, b) != cmp.Compare(row.Message("x", "p001", a), row.Message("x", "p001", b)) {
			t.Fatalf("%d and %d sort otherwise in keys", a, b)
		}
	})
}

func TestSequencesGrowWithEpochs(t *testing.T) {
	all := []int64{row.Sequence(1, 0), row.Sequence(1, 1), row.Sequence(1, 1<<32-1), row.Sequence(2, 0), row.Sequence(2, 5)}
	if !slices.IsSorted(all) || len(slices.Compact(slices.Clone(all))) != len(all) {
		t.Errorf("sequences are %d", all)
	}
}

func TestTagsBecomePartsOfQueueNames(t *testing.T) {
	seen := map[string]string{}
	for _, tag := range []string{"gpu", "GPU", "a--b", "-a", "a-", "x-1", "with space", "日本", strings.Repeat("a", 300), strings.Repeat("a", 301), "x"} {
		part := row.QueuePart(tag)
		if other, taken := seen[part]; taken {
			t.Errorf("%q and %q share the queue %q", tag, other, part)
		}
		seen[part] = tag
		if len(part) > 26 || strings.Contains(part, "--") || part != strings.ToLower(part) {
			t.Errorf("the queue of %q is called %q", tag, part)
		}
	}
	if row.QueuePart("gpu") != "gpu" {
		t.Error("a plain tag does not stand for itself")
	}
}
