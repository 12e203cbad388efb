package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const rawGroupsDescription = "orchestrations per second that a bare loop of entity groups could carry, run afterwards against the same account: " +
	"full groups, as many rows inserted, changed and deleted and as large as the run wrote for an orchestration, one group at a time to each of 16 partitions"

// runOnAzure measures a hub of its own, and then what the account can do for
// rows like those.
func runOnAzure(ctx context.Context, c Config, prefix string) (r *Report, err error) {
	name := c.Store.String()
	started, stop, err := c.Store.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stop()) }()
	c.Store = started
	if c.Store.Hub == "" {
		c.Store.Hub = scratchHub()
		defer func() { err = errors.Join(err, c.Store.Remove(context.WithoutCancel(ctx))) }()
	}
	m := newMeter(c.Store)
	if r, err = measure(ctx, c, prefix, m); err != nil {
		return nil, explain(ctx, err)
	}
	r.Store = name
	if err := measureGroups(ctx, c, m, r); err != nil {
		return nil, fmt.Errorf("measuring the raw limit: %w", explain(ctx, err))
	}
	return r, nil
}

func scratchHub() string { return "bench" + strings.ToLower(rand.Text()[:10]) }

// How the bare loop runs.
const (
	rawPartitions = 16 // with one group at a time in each: what a hub has by default
	rawTime       = 3 * time.Second
)

// measureGroups runs the bare loops, on a hub's table that goes away.
func measureGroups(ctx context.Context, c Config, m *meter, r *Report) (err error) {
	ref := c.Store
	ref.Hub = scratchHub()
	scratch := newMeter(ref)
	defer scratch.close()
	store, err := ref.Open(ctx, scratch.options())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ref.Remove(context.WithoutCancel(ctx))) }()
	if err := store.Close(); err != nil {
		return err
	}
	loop := &groupLoop{model: scratch.model, pool: scratch.pool, table: ref.Hub}
	g, orchestrations := m.used.Groups, float64(c.orchestrations())
	e := &Entities{
		TransactionsPerOrchestration: round(float64(r.StorageOperations.Total)/orchestrations, 3),
		RowsPerOrchestration:         round(float64(g.rows())/orchestrations, 2),
		RowsInserted:                 round(float64(g.Inserts)/orchestrations, 2),
		RowsChanged:                  round(float64(g.Changes-g.Heads)/orchestrations, 2),
		RowsDeleted:                  round(float64(g.Deletes)/orchestrations, 2),
		RowsPerGroup:                 round(float64(g.rows())/max(float64(g.Groups), 1), 2),
	}
	if n := c.activities(); n > 0 {
		e.TransactionsPerActivity = round(float64(r.StorageOperations.Total)/float64(n), 3)
	}
	rows, _, err := loop.run(ctx, full(g), rawTime, rawPartitions)
	if err != nil {
		return err
	}
	e.RawRowsPerSecond = round(rows, 0)
	r.RawLimit = RawLimit{Description: rawGroupsDescription, PerSecond: round(rows/max(e.RowsPerOrchestration, 1e-9), 4)}
	r.RatioToRawLimit = round(r.OrchestrationsPerSecond/max(r.RawLimit.PerSecond, 1e-9), 3)
	one := shape{inserts: 1, bytes: full(g).bytes}
	if c.Workload.dtf != nil {
		singles, _, err := loop.run(ctx, one, rawTime/2, rawPartitions)
		if err != nil {
			return err
		}
		e.DTFTransactions = c.Workload.dtf(c.N)
		e.DTFPerSecond = round(singles/float64(e.DTFTransactions), 3)
		e.TimesDTF = round(r.OrchestrationsPerSecond/max(e.DTFPerSecond, 1e-9), 1)
	}
	_, times, err := loop.run(ctx, one, rawTime/4, 1)
	if err != nil {
		return err
	}
	slices.Sort(times)
	e.RawGroupMillis = round(float64(times[len(times)/2])/float64(time.Millisecond), 3)
	r.Entities = e
	return nil
}

// shape is what a group of the bare loop holds.
type shape struct {
	inserts, changes, deletes int
	bytes                     int // of a row's only property
}

// full is a group of a hundred rows, with the run's mixture and sizes.
func full(g groups) shape {
	const most, envelope = 100, 700 // bytes of a row's part besides its property
	all := float64(max(g.rows(), 1))
	s := shape{
		deletes: int(most * float64(g.Deletes) / all),
		changes: int(most * float64(g.Changes-g.Heads) / all),
		bytes:   max(1, int(float64(g.Bytes)/float64(max(g.rows()+g.Heads, 1)))-envelope),
	}
	s.inserts = most - s.deletes - s.changes
	return s
}

// groupLoop sends entity groups with the headers of a request of the store: they
// sign the address and the time, and not what is in it.
type groupLoop struct {
	model *http.Request
	pool  http.RoundTripper
	table string
	runs  int
}

// run sends groups for a while, one at a time to each partition. It returns the
// rows per second, and how long each group took.
func (l *groupLoop) run(ctx context.Context, s shape, d time.Duration, partitions int) (perSecond float64, times []time.Duration, err error) {
	l.runs++
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var rows atomic.Int64
	var mu sync.Mutex
	var group sync.WaitGroup
	began := time.Now()
	for n := range partitions {
		group.Go(func() {
			w := &groupWriter{loop: l, shape: s, partition: fmt.Sprintf("raw%dp%03d", l.runs, n)}
			for time.Since(began) < d {
				sent := time.Now()
				wrote, err := w.write(ctx)
				if err != nil {
					cancel(err)
					return
				}
				rows.Add(int64(wrote))
				mu.Lock()
				times = append(times, time.Since(sent))
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return 0, nil, err
	}
	return float64(rows.Load()) / time.Since(began).Seconds(), times, nil
}

// groupWriter writes to one partition. Rows are inserted at the end; the oldest
// are deleted, and those after them changed.
type groupWriter struct {
	loop         *groupLoop
	shape        shape
	partition    string
	first, after int // rows that exist
}

func (w *groupWriter) write(ctx context.Context) (rows int, err error) {
	s := w.shape
	if w.after-w.first < s.deletes+s.changes { // what is to be changed must be there
		s = shape{inserts: s.inserts + s.changes + s.deletes, bytes: s.bytes}
	}
	var b bytes.Buffer
	b.WriteString("--batch_raw\r\nContent-Type: multipart/mixed; boundary=changeset_raw\r\n\r\n")
	endpoint := strings.TrimSuffix(w.loop.model.URL.Scheme+"://"+w.loop.model.URL.Host+w.loop.model.URL.Path, "/$batch")
	part := func(method string, n int) {
		key := fmt.Sprintf("row%09d", n)
		b.WriteString("--changeset_raw\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n")
		address := endpoint + "/" + w.loop.table
		if method != http.MethodPost {
			address += fmt.Sprintf("(PartitionKey='%s',RowKey='%s')", w.partition, key)
		}
		if signature := w.loop.model.URL.RawQuery; signature != "" {
			address += "?" + signature
		}
		fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nContent-Type: application/json\r\nDataServiceVersion: 3.0\r\n", method, address)
		if method == http.MethodPost {
			b.WriteString("Prefer: return-no-content\r\n\r\n")
		} else {
			b.WriteString("If-Match: *\r\n\r\n")
		}
		if method != http.MethodDelete {
			fmt.Fprintf(&b, `{"PartitionKey":"%s","RowKey":"%s","Value":"%s"}`, w.partition, key, strings.Repeat("x", s.bytes))
		}
		b.WriteString("\r\n")
	}
	for n := range s.deletes {
		part(http.MethodDelete, w.first+n)
	}
	for n := range s.changes {
		part(http.MethodPatch, w.first+s.deletes+n)
	}
	for n := range s.inserts {
		part(http.MethodPost, w.after+n)
	}
	b.WriteString("--changeset_raw--\r\n--batch_raw--\r\n")
	if err := w.loop.send(ctx, b.Bytes()); err != nil {
		return 0, err
	}
	w.first, w.after = w.first+s.deletes, w.after+s.inserts
	return s.deletes + s.changes + s.inserts, nil
}

func (l *groupLoop) send(ctx context.Context, body []byte) error {
	r, err := http.NewRequestWithContext(ctx, l.model.Method, l.model.URL.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header = l.model.Header.Clone()
	r.Header.Del("Content-Length")
	r.Header.Set("Content-Type", "multipart/mixed; boundary=batch_raw")
	answer, err := l.pool.RoundTrip(r)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return err
	}
	if answer.StatusCode != http.StatusAccepted || bytes.Contains(text, []byte("HTTP/1.1 4")) || bytes.Contains(text, []byte("HTTP/1.1 5")) {
		return fmt.Errorf("a group was refused: %s: %.500s", answer.Status, text)
	}
	return nil
}

var _ http.RoundTripper = (*meter)(nil)
