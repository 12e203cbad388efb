package bench

import (
	"bytes"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/internal/azurite/tally"
)

type answering func(*http.Request) (*http.Response, error)

func (a answering) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// accepting is a meter in front of an account that takes everything.
func accepting() *meter {
	return &meter{
		ref: stores.Ref{Kind: stores.Azure}, there: map[string]bool{},
		counter: tally.New(answering(func(r *http.Request) (*http.Response, error) {
			_, err := io.Copy(io.Discard, r.Body)
			return &http.Response{StatusCode: http.StatusAccepted, Body: io.NopCloser(strings.NewReader("HTTP/1.1 204"))}, err
		})),
	}
}

func accept(t *testing.T, m *meter, r mixture, partitions int) *groupLoop {
	t.Helper()
	model, err := http.NewRequest(http.MethodPost, "https://shop.table.core.windows.net/$batch", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	l := &groupLoop{model: model, pool: m, table: "t", mixture: r}
	if err := l.fill(t.Context(), partitions); err != nil {
		t.Fatal(err)
	}
	return l
}

// The bare loop writes what the meter is made to count: so both are right, or
// wrong in the same way.
func TestTheBareLoopWritesWhatTheRunWrote(t *testing.T) {
	run := groups{Groups: 100, Heads: 60, Inserts: 400, Changes: 1060, Deletes: 300, Bytes: 1760 * 700, Standing: 10 * 4 * 250}
	const partitions = 4
	mixture := mixtureOf(run, partitions, 10*time.Second)
	m := accepting()
	l := accept(t, m, mixture, partitions)
	if g := m.usage().Groups; g.Inserts != 4*250 || g.rows() != 4*250 {
		t.Fatalf("the partitions were filled with %+v", g)
	}
	for _, size := range []float64{100, 17, 1} {
		before, sent := m.usage().Groups, 0
		for sent < 20_000 {
			for _, w := range l.writers {
				ops := w.ops(size)
				if err := w.send(t.Context(), ops); err != nil {
					t.Fatal(err)
				}
				sent += len(ops)
				if n := len(w.there); n < 200 || n > 300 {
					t.Fatalf("%d rows in a partition", n)
				}
			}
		}
		g := m.usage().Groups.plus(before, -1)
		about := func(what string, got, want, within float64) {
			t.Helper()
			if math.Abs(got-want) > within*want {
				t.Errorf("groups of %v: %s: %v, want %v", size, what, got, want)
			}
		}
		about("rows", float64(g.rows()), float64(sent), 0)
		about("rows in a group", float64(g.rows())/float64(g.Groups), size, 0.02)
		about("changes", float64(g.Changes)/float64(sent), 1000./1700, 0.05)
		about("inserts and deletes", float64(g.Inserts+g.Deletes)/float64(sent), 700./1700, 0.05)
		if size > 1 {
			about("bytes", float64(g.Bytes)/float64(sent), 700, 0.05)
		}
	}
}

func TestTheBareLoopOfNothingInserts(t *testing.T) {
	m := accepting()
	l := accept(t, m, mixtureOf(groups{}, 1, time.Second), 1)
	if err := l.writers[0].send(t.Context(), l.writers[0].ops(0)); err != nil {
		t.Fatal(err)
	}
	if g := m.usage().Groups; g.Inserts != 1 || g.rows() != 1 {
		t.Errorf("%+v", g)
	}
}

func TestTheMeterKnowsHowManyRowsStand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := accepting()
		send := func(ops ...string) {
			var b bytes.Buffer
			for _, op := range ops {
				method, key, _ := strings.Cut(op, " ")
				address, match, body := "http://h/t", "", ""
				switch method {
				case "POST":
					body = `{"PartitionKey":"p","RowKey":"` + key + `","Value":"x"}`
				default:
					address += "(PartitionKey=%27p%27,RowKey=%27" + key + "%27)"
				}
				if method == "REPLACE" {
					method, match = "PUT", "If-Match: *\r\n"
				}
				b.WriteString("--c\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n" + method + " " + address + " HTTP/1.1\r\nAccept: a\r\n" + match + "\r\n" + body + "\r\n")
			}
			r, err := http.NewRequest(http.MethodPost, "https://shop.table.core.windows.net/$batch", &b)
			if err != nil {
				t.Fatal(err)
			}
			answer, err := m.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := answer.Body.Close(); err != nil {
				t.Fatal(err)
			}
		}
		send("POST a", "POST b", "REPLACE head") // two
		<-time.After(10 * time.Second)
		send("PUT c", "PATCH a", "DELETE b", "DELETE of-another-process") // one
		<-time.After(10 * time.Second)
		send("PUT c", "DELETE a") // none
		<-time.After(10 * time.Second)
		g := m.usage().Groups
		if g.Standing != 30 {
			t.Errorf("%v row-seconds, want 30", g.Standing)
		}
		g.Standing, g.Bytes = 0, 0
		if want := (groups{Groups: 3, Heads: 1, Inserts: 3, Changes: 3, Deletes: 3}); g != want {
			t.Errorf("%+v, want %+v", g, want)
		}
	})
}
