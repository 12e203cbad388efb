package bench

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

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

	partitions int           // of the hub
	took       time.Duration // the run

	mu     sync.Mutex
	groups groups
	there  map[string]bool // rows that this process made
	at     time.Time       // to which the groups' standing counts
	model  *http.Request
	times  []time.Duration // of the groups of this process
}

// groups sums up entity groups.
type groups struct {
	Groups  int64 `json:"groups"`
	Heads   int64 `json:"heads"`   // rows that are heads of partitions
	Inserts int64 `json:"inserts"` // upserts that make a row among them
	Changes int64 `json:"changes"`
	Deletes int64 `json:"deletes"`
	Bytes   int64 `json:"bytes"`
	// Standing is the number of rows that stand in the table, integrated over
	// time, in row-seconds. Processes add up: each counts the rows that it made,
	// less those that it deleted, whoever made them.
	Standing float64 `json:"standing"`
}

// rows are all but the heads.
func (g groups) rows() int64 { return g.Inserts + g.Changes + g.Deletes - g.Heads }

func (g groups) plus(o groups, sign int64) groups {
	return groups{
		g.Groups + sign*o.Groups, g.Heads + sign*o.Heads, g.Inserts + sign*o.Inserts,
		g.Changes + sign*o.Changes, g.Deletes + sign*o.Deletes, g.Bytes + sign*o.Bytes,
		g.Standing + float64(sign)*o.Standing,
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
	m := &meter{ref: ref, there: map[string]bool{}}
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
	m.standLocked()
	u.Groups = m.groups
	return u
}

// standLocked counts the rows that stand up to now.
func (m *meter) standLocked() {
	now := time.Now()
	if !m.at.IsZero() {
		m.groups.Standing += float64(m.groups.Inserts-m.groups.Deletes) * now.Sub(m.at).Seconds()
	}
	m.at = now
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
	m.mu.Lock()
	m.standLocked()
	m.countLocked(body)
	m.model = &http.Request{Method: r.Method, URL: r.URL, Header: r.Header.Clone()}
	m.mu.Unlock()
	sent := time.Now()
	answer, err := m.counter.RoundTrip(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.times = append(m.times, time.Since(sent))
	return answer, err
}

// commitMillis is how long an entity group of this process took, at the median.
func (m *meter) commitMillis() float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return medianMillis(m.times)
}

func medianMillis(times []time.Duration) float64 {
	if len(times) == 0 {
		return 0
	}
	return round(float64(slices.Sorted(slices.Values(times))[len(times)/2])/float64(time.Millisecond), 3)
}

// countLocked counts the rows of a group. A row that an upsert names is made by
// it unless this process made it: no other process upserts or changes what it
// has not made.
func (m *meter) countLocked(body []byte) {
	g := groups{Groups: 1, Bytes: int64(len(body))}
	for _, part := range bytes.Split(body, []byte("Content-Transfer-Encoding: binary\r\n\r\n"))[1:] {
		request, content, _ := strings.Cut(string(part), "\r\n\r\n")
		method, rest, _ := strings.Cut(request, " ")
		name := unquote(between(rest, "(PartitionKey=", ",RowKey=")) + " " + unquote(between(rest, ",RowKey=", ")"))
		if method == http.MethodPost {
			name = between(content, `"PartitionKey":"`, `"`) + " " + between(content, `"RowKey":"`, `"`)
		}
		upsert := method == http.MethodPut && !strings.Contains(rest, "\r\nIf-Match:")
		switch {
		case method == http.MethodDelete:
			g.Deletes++
			delete(m.there, name)
		case method == http.MethodPost, upsert && !m.there[name]:
			g.Inserts++
			m.there[name] = true
		default:
			g.Changes++
			if strings.HasSuffix(name, " head") {
				g.Heads++
			}
		}
	}
	m.groups = m.groups.plus(g, 1)
}

// between is what stands between two texts.
func between(s, from, to string) string {
	_, s, _ = strings.Cut(s, from)
	s, _, _ = strings.Cut(s, to)
	return s
}

// unquote removes the quotes around a key in an address.
func unquote(s string) string {
	for _, quote := range []string{"'", "%27"} {
		s = strings.TrimSuffix(strings.TrimPrefix(s, quote), quote)
	}
	return s
}
