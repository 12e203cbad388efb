package row_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
)

func TestValuesComeBackAsTheyWereHoweverLargeTheyAre(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.OneOf(rapid.IntRange(0, 100), rapid.IntRange(4_000, 5_000), rapid.IntRange(100_000, 500_000)).Draw(t, "size")
		value := make([]byte, size)
		if rapid.Bool().Draw(t, "random") {
			seed := rapid.Uint64().Draw(t, "seed")
			for i := range value {
				seed = seed*6364136223846793005 + 1442695040888963407
				value[i] = byte(seed >> 56)
			}
		}
		n := 0
		c := row.Cells{Name: func() string { n++; return fmt.Sprint("blob-", n) }}
		c.Set("Cell", value)
		blobs := map[string][]byte{}
		for _, b := range c.Blobs {
			blobs[b.Name] = b.Data
		}
		got, err := row.Value(context.Background(), c.Map, "Cell", func(_ context.Context, name string) ([]byte, error) {
			if data, ok := blobs[name]; ok {
				return data, nil
			}
			return nil, errors.New("no such blob")
		})
		if err != nil || !bytes.Equal(got, value) {
			t.Fatalf("%d bytes came back as %d, %v", len(value), len(got), err)
		}
		if len(c.Map["Cell"]) > 130<<10 {
			t.Fatalf("%d bytes stand in the row", len(c.Map["Cell"]))
		}
		if names := row.Blobs(c.Map); len(names) != len(c.Blobs) {
			t.Fatalf("the row names the blobs %q, and has %d", names, len(c.Blobs))
		}
	})
}

func TestWhatIsNoValueIsAnError(t *testing.T) {
	for name, cell := range map[string][]byte{"unknown form": []byte("?x"), "damaged": []byte("znot compressed")} {
		if _, err := row.Value(t.Context(), map[string][]byte{"Cell": cell}, "Cell", nil); !errors.Is(err, row.ErrFormat) {
			t.Errorf("%s: %v, want ErrFormat", name, err)
		}
	}
	if v, err := row.Value(t.Context(), nil, "Cell", nil); v != nil || err != nil {
		t.Errorf("an absent cell is %v, %v; want nothing", v, err)
	}
}

func TestNumbersAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s row.Numbers
		model := map[int64]bool{}
		for range rapid.IntRange(0, 60).Draw(t, "n") {
			n := rapid.Int64Range(1, 40).Draw(t, "number")
			before := fmt.Sprint(s)
			with := s.With(n)
			if rapid.IntRange(0, 9).Draw(t, "up to") == 0 {
				with = s.UpTo(n)
				for m := range n {
					model[m+1] = true
				}
			}
			if fmt.Sprint(s) != before {
				t.Fatal("adding a number changed the set itself")
			}
			s, model[n] = with, true
		}
		for n := range int64(45) {
			if s.Has(n) != model[n] {
				t.Fatalf("%v has %d: %t, want %t", s, n, s.Has(n), model[n])
			}
		}
		for i, r := range s {
			if r[0] > r[1] || i > 0 && s[i-1][1]+1 >= r[0] {
				t.Fatalf("%v is not in ascending ranges that do not touch", s)
			}
		}
	})
}

func TestADenseSetIsOneRange(t *testing.T) {
	var s row.Numbers
	for n := range int64(1_000) {
		s = s.With(n + 1)
	}
	if len(s) != 1 {
		t.Errorf("the first thousand numbers are %d ranges", len(s))
	}
}

func TestHashesTellMessagesReceiversAndIncarnationsApart(t *testing.T) {
	seen := map[string]bool{}
	for _, h := range []string{row.Hash("a", "b", "c"), row.Hash("ab", "", "c"), row.Hash("a", "bc", ""), row.Hash("", "a", "bc"), row.Hash("a", "b", "d")} {
		if seen[h] {
			t.Error("two messages share a hash")
		}
		seen[h] = true
	}
}

func TestOutgoingComesBackFromItsRowOrItsBlob(t *testing.T) {
	for _, parcels := range []int{1, 2_000} {
		out := row.Outgoing{Format: row.Format, Parts: []row.Part{{To: 3, First: 7}, {Queue: "hub-work", Offers: []row.Offer{{Format: 1, ID: "a", Event: 5}}}}}
		for n := range parcels {
			out.Parts[0].Parcels = append(out.Parts[0].Parcels, row.Parcel{To: "receiver", Sent: int64(n), Count: 1, Blob: fmt.Sprint("parcel-", n%3)})
		}
		blobs := out.Spill(func() string { return "spilled" })
		if (len(blobs) > 0) != (parcels > 1) {
			t.Errorf("%d parcels: %d blobs", parcels, len(blobs))
		}
		got, err := row.ParseOutgoing(t.Context(), out.Cells(), func(context.Context, string) ([]byte, error) { return blobs[0].Data, nil })
		if err != nil || len(got.Parts) != 2 || len(got.Parts[0].Parcels) != parcels || got.Parts[0].First != 7 || got.Parts[1].Offers[0].Event != 5 {
			t.Errorf("%d parcels came back as %+v, %v", parcels, got, err)
		}
		if names := row.Blobs(out.Cells()); len(names) < 1 {
			t.Errorf("the row names no blobs")
		}
	}
}
