package simulated_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

func TestABlobIsWrittenOnce(t *testing.T) {
	_, c := open(t, simulated.Config{})
	ctx := t.Context()
	rejected(t, c.CreateContainer(ctx, "c-c"), storage.Exists, -1)
	is(t, c.PutBlob(ctx, "other", "a", nil), storage.ErrGone)
	rejected(t, c.PutBlob(ctx, "c-c", "", nil), storage.Invalid, -1)
	data := []byte("data")
	if err := c.PutBlob(ctx, "c-c", "a/b", data); err != nil {
		t.Fatal(err)
	}
	data[0] = 'x'
	rejected(t, c.PutBlob(ctx, "c-c", "a/b", nil), storage.Exists, -1)
	got := must[[]byte](t)(c.GetBlob(ctx, "c-c", "a/b"))
	if string(got) != "data" {
		t.Errorf("read %q", got)
	}
	if err := c.DeleteBlob(ctx, "c-c", "a/b"); err != nil {
		t.Fatal(err)
	}
	rejected(t, c.DeleteBlob(ctx, "c-c", "a/b"), storage.Missing, -1)
	_, err := c.GetBlob(ctx, "c-c", "a/b")
	rejected(t, err, storage.Missing, -1)
}

func TestListingsGiveEveryBlobOnceInOrder(t *testing.T) {
	for seed := range uint64(20) {
		a, c := open(t, simulated.Config{Seed: seed})
		for i := range 50 {
			if err := c.PutBlob(t.Context(), "c-c", fmt.Sprintf("%c/%02d", 'a'+i%2, (i*7)%50), nil); err != nil {
				t.Fatal(err)
			}
		}
		var got, want []string
		for marker := ""; ; {
			page := must[storage.BlobPage](t)(c.ListBlobs(t.Context(), "c-c", "a/", marker))
			for _, b := range page.Blobs {
				got = append(got, b.Name)
			}
			if marker = page.Next; marker == "" {
				break
			}
		}
		for name := range a.State().Blobs("c-c") {
			if name[0] == 'a' {
				want = append(want, name)
			}
		}
		if !slices.Equal(got, want) || len(want) != 25 {
			t.Fatalf("seed %d: %v, want %v", seed, got, want)
		}
	}
}
