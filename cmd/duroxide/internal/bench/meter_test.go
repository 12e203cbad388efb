package bench

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/internal/azurite/tally"
)

type answering func(*http.Request) (*http.Response, error)

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// The bare loop writes what the meter is made to count: so both are right, or
// wrong in the same way.
func TestTheBareLoopWritesGroupsOfTheShape(t *testing.T) {
	accepts := answering(func(r *http.Request) (*http.Response, error) {
		_, err := io.Copy(io.Discard, r.Body)
		return &http.Response{StatusCode: http.StatusAccepted, Body: io.NopCloser(strings.NewReader("HTTP/1.1 204"))}, err
	})
	m := &meter{ref: stores.Ref{Kind: stores.Azure}, counter: tally.New(accepts)}
	model, err := http.NewRequest(http.MethodPost, "https://shop.table.core.windows.net/$batch", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	w := &groupWriter{loop: &groupLoop{model: model, pool: m, table: "t"}, shape: shape{inserts: 50, changes: 30, deletes: 20, bytes: 10}, partition: "p"}
	var seen []groups
	for range 3 {
		before := m.usage().Groups
		if rows, err := w.write(t.Context()); err != nil || rows != 100 {
			t.Fatalf("%d rows, %v", rows, err)
		}
		seen = append(seen, m.usage().Groups.plus(before, -1))
	}
	for n, want := range []groups{{Inserts: 100}, {Inserts: 50, Changes: 30, Deletes: 20}, {Inserts: 50, Changes: 30, Deletes: 20}} {
		got := seen[n]
		if got.Bytes < 5000 || got.Groups != 1 {
			t.Errorf("group %d: %+v", n, got)
		}
		got.Bytes, got.Groups = 0, 0
		if got != want {
			t.Errorf("group %d: %+v, want %+v", n, got, want)
		}
	}
	if u := m.usage(); u.Billed["Table: Entity Group Transaction"] != 3 {
		t.Errorf("billed %v", u.Billed)
	}
}

func TestAFullGroupHasTheMixtureOfTheRun(t *testing.T) {
	s := full(groups{Groups: 10, Heads: 10, Inserts: 40, Changes: 50, Deletes: 20, Bytes: 110 * 1000})
	if s.inserts != 40 || s.changes != 40 || s.deletes != 20 || s.bytes != 300 {
		t.Errorf("%+v", s)
	}
	if s := full(groups{}); s.inserts != 100 || s.bytes != 1 {
		t.Errorf("of nothing: %+v", s)
	}
}
