package bench

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/internal/azurite/tally"
)

// meter stands between a store and the account, counts requests by kind and the
// rows of entity groups, and keeps a request as a model for the bare loop.
type meter struct {
	ref     stores.Ref
	pool    *http.Transport // nil where there is nothing to count
	counter *tally.Counter
	used    usage // of the run, once it is over

	mu     sync.Mutex
	groups groups
	model  *http.Request
}

// groups sums up entity groups.
type groups struct {
	Groups  int64 `json:"groups"`
	Heads   int64 `json:"heads"` // rows that are heads of partitions
	Inserts int64 `json:"inserts"`
	Changes int64 `json:"changes"`
	Deletes int64 `json:"deletes"`
	Bytes   int64 `json:"bytes"`
}

// rows are all but the heads.
func (g groups) rows() int64 { return g.Inserts + g.Changes + g.Deletes - g.Heads }

func (g groups) plus(o groups, sign int64) groups {
	return groups{
		g.Groups + sign*o.Groups, g.Heads + sign*o.Heads, g.Inserts + sign*o.Inserts,
		g.Changes + sign*o.Changes, g.Deletes + sign*o.Deletes, g.Bytes + sign*o.Bytes,
	}
}

// usage is what was asked of the account.
type usage struct {
	Billed map[string]int64 `json:"billed"` // by service and kind
	Groups groups           `json:"groups"`
}

func (u usage) minus(o usage) usage { return u.add(o, -1) }
func (u usage) plus(o usage) usage  { return u.add(o, 1) }

func (u usage) add(o usage, sign int64) usage {
	sum := usage{maps.Clone(u.Billed), u.Groups.plus(o.Groups, sign)}
	for name, n := range o.Billed {
		if sum.Billed[name] += sign * n; sum.Billed[name] == 0 {
			delete(sum.Billed, name)
		}
	}
	return sum
}

// operations is the usage as the report has it.
func (u usage) operations() Operations {
	o := Operations{ByName: map[string]int64{}}
	for name, n := range u.Billed {
		o.ByName[name] = n
		o.Total += n
		switch service, _, _ := strings.Cut(name, ": "); service {
		case "Table":
			o.Table += n
		case "Queue":
			o.Queue += n
		case "Blob":
			o.Blob += n
		}
	}
	return o
}

func newMeter(ref stores.Ref) *meter {
	m := &meter{ref: ref}
	if ref.OnAzure() {
		m.pool = ref.NewTransport()
		m.counter = tally.New(m.pool, ref.Endpoints())
	}
	return m
}

func (m *meter) close() {
	if m.pool != nil {
		m.pool.CloseIdleConnections()
	}
}

func (m *meter) options() stores.Options {
	if m.pool == nil {
		return stores.Options{}
	}
	return stores.Options{Transport: m}
}

func (m *meter) usage() usage {
	u := usage{Billed: map[string]int64{}}
	if m.counter == nil {
		return u
	}
	for key, count := range m.counter.Total() {
		u.Billed[string(key.Service)+": "+string(key.Kind)] += int64(count.Billed)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	u.Groups = m.groups
	return u
}

// RoundTrip passes a request on.
func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/$batch") {
		return m.counter.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	begins := func(method string) int64 { return int64(bytes.Count(body, []byte("\r\n\r\n"+method+" http"))) }
	g := groups{
		Groups: 1, Heads: int64(bytes.Count(body, []byte(`,"RowKey":"head",`))),
		Inserts: begins(http.MethodPost), Changes: begins(http.MethodPut) + begins(http.MethodPatch), Deletes: begins(http.MethodDelete),
		Bytes: int64(len(body)),
	}
	m.mu.Lock()
	m.groups = m.groups.plus(g, 1)
	m.model = &http.Request{Method: r.Method, URL: r.URL, Header: r.Header.Clone()}
	m.mu.Unlock()
	return m.counter.RoundTrip(r)
}
