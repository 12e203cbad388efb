package sharding

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/duroxide/duroxide-go/core/history"
)

// The golden values are part of every hub that exists: a change here moves
// instances away from their state.
func TestPlacementNeverChanges(t *testing.T) {
	for _, c := range []struct {
		id           string
		of16, of256  int
		hash64       uint64
		homeIfNotAll string
	}{
		{id: "", of16: 14, of256: 239, hash64: 0xefd01f60ba992926},
		{id: "a", of16: 8, of256: 130, hash64: 0x82a2a958a9bece5b},
		{id: "order-1", of16: 4, of256: 73, hash64: 0x491b422e3af0d9a5},
		{id: "order-10", of16: 11, of256: 181, hash64: 0xb5b2d5dd256546a6},
		{id: "order-2", of16: 10, of256: 170, hash64: 0xaaca0c2aeae39bab},
		{id: "héllo/%2F'", of16: 4, of256: 76, hash64: 0x4cc015b09e8870aa},
		{id: "order-1::1.2", of16: 4, of256: 73, hash64: 0x491b422e3af0d9a5, homeIfNotAll: "order-1"},
		{id: "order-1::1.65", of16: 3, of256: 63, hash64: 0x3f397c85e982738e},
		{id: "order-1::1.8::1.8", of16: 4, of256: 73, hash64: 0x491b422e3af0d9a5, homeIfNotAll: "order-1"},
		{id: "order-1::1.8::1.9", of16: 1, of256: 28, hash64: 0x1c8594617143a7bc},
	} {
		home := c.id
		if c.homeIfNotAll != "" {
			home = c.homeIfNotAll
		}
		if got := hash(home); got != c.hash64 {
			t.Errorf("hash of %q is %#x, was %#x", home, got, c.hash64)
		}
		if a, b := Partition(c.id, 16), Partition(c.id, 256); a != c.of16 || b != c.of256 {
			t.Errorf("%q is in %d of 16 and %d of 256, was in %d and %d", c.id, a, b, c.of16, c.of256)
		}
	}
}

func TestTheSeparatorIsThatOfHistory(t *testing.T) {
	if childSeparator != history.ChildSeparator {
		t.Errorf("children are separated by %q here and by %q in history", childSeparator, history.ChildSeparator)
	}
}

func TestAChildLivesWithItsParentUntilTheFamilyIsLarge(t *testing.T) {
	for id, want := range map[string]string{
		"p":                                 "p",
		"p::1.2":                            "p",
		"p::1.64":                           "p",
		"p::1.65":                           "p::1.65",
		"p::900.3":                          "p",
		"p::1.65::1.3":                      "p::1.65",
		"p::1.40::1.3":                      "p::1.40::1.3",
		"p::1.40::1.3::1.2":                 "p::1.40::1.3",
		"p::1.2::1.2::1.2::1.2::1.2::1.2":   "p",
		"p" + strings.Repeat("::1.2", 7):    "p" + strings.Repeat("::1.2", 7),
		"p" + strings.Repeat("::1.1", 7):    "p" + strings.Repeat("::1.1", 7),
		"p" + strings.Repeat("::1.2", 8):    "p" + strings.Repeat("::1.2", 7),
		"p:::1.2":                           "p:",
		"p::1.02":                           "p::1.02",
		"p::0.2":                            "p::0.2",
		"p::1.":                             "p::1.",
		"p::1.2x":                           "p::1.2x",
		"p::x::1.2":                         "p::x",
		"::1.2":                             "",
		"p::1.99999999999999999999999":      "p::1.99999999999999999999999",
		"p::99999999999999999999999.2":      "p",
		"p::1.9223372036854775807::1.2":     "p::1.9223372036854775807",
		"p::1.2.3":                          "p::1.2.3",
		"p::-1.2":                           "p::-1.2",
		"1.2::1.2":                          "1.2",
		"p::1.18446744073709551618::1.2::a": "p::1.18446744073709551618::1.2::a",
	} {
		if got := home(id); got != want {
			t.Errorf("the home of %q is %q, want %q", id, got, want)
		}
	}
}

func TestEveryIDLivesWithItsParentOrFoundsAHome(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parent := rapid.StringMatching(`[a-z:]{0,6}(::[1-9]\.[1-9][0-9]?){0,6}`).Draw(t, "parent")
		child := fmt.Sprintf("%s::%d.%d", parent, rapid.Int64Min(1).Draw(t, "execution"), rapid.Int64Range(1, 200).Draw(t, "event"))
		count := rapid.IntRange(1, MaxPartitions).Draw(t, "count")
		if got := home(child); got != home(parent) && got != child {
			t.Fatalf("the home of %q is %q, neither its own nor %q, its parent's", child, got, home(parent))
		}
		if p := Partition(child, count); p < 0 || p >= count {
			t.Fatalf("%q is in partition %d of %d", child, p, count)
		}
	})
}

func TestIDsSpreadEvenly(t *testing.T) {
	kinds := map[string]func(i int) string{
		"short":       func(i int) string { return fmt.Sprint(i) },
		"two letters": func(i int) string { return string([]byte{byte(i / 256), byte(i)}) },
		"orders":      func(i int) string { return fmt.Sprintf("order-%d", i) },
		"padded":      func(i int) string { return fmt.Sprintf("2024-05-%08d", i) },
		"long":        func(i int) string { return strings.Repeat("x", 300) + fmt.Sprint(i) },
		"fan-out":     func(i int) string { return fmt.Sprintf("p::1.%d", i+NearChildren+1) },
	}
	for name, id := range kinds {
		for _, count := range []int{2, 3, 7, 16, 17, 64, 256} {
			const ids = 20_000
			counts := make([]int, count)
			for i := range ids {
				counts[Partition(id(i), count)]++
			}
			mean, chi := float64(ids)/float64(count), 0.0
			for _, c := range counts {
				chi += (float64(c) - mean) * (float64(c) - mean) / mean
			}
			// Chi-square has mean count-1 and variance 2(count-1).
			if free := float64(count - 1); chi > free+5*math.Sqrt(2*free) {
				t.Errorf("%s over %d partitions: chi-square %.0f", name, count, chi)
			}
		}
	}
}

func TestAFamilyInOnePartitionIsBounded(t *testing.T) {
	var size func(product int) int
	size = func(product int) int {
		n := 0
		for event := 2; product*event <= NearChildren; event++ {
			n += 1 + size(product*event)
		}
		return n
	}
	if n := size(1); n != 440 {
		t.Errorf("%d descendants share a home, the documentation says 440", n)
	}
}

func BenchmarkPartition(b *testing.B) {
	for b.Loop() {
		Partition("order-2024-000017::1.12::1.3", 16)
	}
}
