package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// mixture is what bare groups hold: operations on rows, drawn in proportion.
type mixture struct {
	inserts, changes, deletes float64 // in proportion
	bytes                     float64 // of an operation, on average
	rows                      int     // that stand in each partition
}

// mixtureOf is the mixture of a run that took some time.
func mixtureOf(g groups, partitions int, took time.Duration) mixture {
	all := max(g.rows()+g.Heads, 1)
	m := mixture{
		inserts: float64(g.Inserts), changes: float64(g.Changes - g.Heads), deletes: float64(g.Deletes),
		bytes: float64(g.Bytes) / float64(all),
		rows:  int(max(g.Standing, 0) / took.Seconds() / float64(max(partitions, 1))),
	}
	if g.rows() <= 0 {
		m.inserts = 1
	}
	return m
}

// value is a row's only property: so long that operations have as many bytes as
// those of the run, on average.
func (m mixture) value(around int) string {
	all := m.inserts + m.changes + m.deletes
	return strings.Repeat("x", max(1, int((m.bytes-float64(around))*all/max(all-m.deletes, 1))))
}

// maxGroup is how many operations a group has at most.
const maxGroup = 100

// groupLoop sends entity groups with the headers of a request of the store: they
// sign the address and the time, and not what is in it.
type groupLoop struct {
	model   *http.Request
	pool    http.RoundTripper
	table   string
	mixture mixture
	value   string         // of every row
	writers []*groupWriter // one for each partition
}

// fill makes the partitions as full as those of the run were.
func (l *groupLoop) fill(ctx context.Context, partitions int) error {
	for n := range partitions {
		l.writers = append(l.writers, &groupWriter{loop: l, partition: fmt.Sprintf("rawp%03d", n), draw: rand.New(rand.NewPCG(1, uint64(n)))})
	}
	var empty bytes.Buffer
	l.writers[0].part(&empty, http.MethodPatch, 0)
	l.value = l.mixture.value(empty.Len())
	return l.each(ctx, partitions, func(ctx context.Context, w *groupWriter) error {
		for missing := l.mixture.rows; missing > 0; missing = l.mixture.rows - len(w.there) {
			if err := w.send(ctx, make([]kind, min(missing, maxGroup))); err != nil {
				return err
			}
		}
		return nil
	})
}

// each does something with some of the writers at once.
func (l *groupLoop) each(ctx context.Context, partitions int, do func(context.Context, *groupWriter) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var group sync.WaitGroup
	for _, w := range l.writers[:partitions] {
		group.Go(func() {
			if err := do(ctx, w); err != nil {
				cancel(err)
			}
		})
	}
	group.Wait()
	return context.Cause(ctx)
}

// sent is what a bare loop came to.
type sent struct {
	rows  int
	wall  time.Duration
	times []time.Duration // of each group
}

func (s *sent) add(o sent) {
	s.rows, s.wall, s.times = s.rows+o.rows, s.wall+o.wall, append(s.times, o.times...)
}

func (s *sent) perSecond() float64 { return float64(s.rows) / max(s.wall.Seconds(), 1e-9) }

// run sends groups of a mean size for a while, one at a time to each partition.
func (l *groupLoop) run(ctx context.Context, size float64, d time.Duration, partitions int) (s sent, err error) {
	var mu sync.Mutex
	began := time.Now()
	err = l.each(ctx, partitions, func(ctx context.Context, w *groupWriter) error {
		for time.Since(began) < d {
			at := time.Now()
			ops := w.ops(size)
			if err := w.send(ctx, ops); err != nil {
				return err
			}
			mu.Lock()
			s.rows, s.times = s.rows+len(ops), append(s.times, time.Since(at))
			mu.Unlock()
		}
		return nil
	})
	s.wall = time.Since(began)
	return s, err
}

// kind is what an operation does to a row.
type kind int

const (
	inserting kind = iota
	changing
	deleting
)

// groupWriter writes to one partition: rows are inserted anywhere among the
// others, and any of those that are there are changed and deleted.
type groupWriter struct {
	loop      *groupLoop
	partition string
	draw      *rand.Rand
	there     []int // numbers of rows
	next      int
}

// ops draws the operations of a group. Where the mixture would make the partition
// fuller, inserts and deletes change places, so that it stays as it is.
func (w *groupWriter) ops(size float64) []kind {
	m := w.loop.mixture
	if len(w.there) > m.rows == (m.inserts > m.deletes) {
		m.inserts, m.deletes = m.deletes, m.inserts
	}
	n := int(size)
	if w.draw.Float64() < size-float64(n) {
		n++
	}
	ops := make([]kind, min(max(n, 1), maxGroup))
	left := len(w.there)
	for i := range ops {
		at := w.draw.Float64() * (m.inserts + m.changes + m.deletes)
		switch {
		case left == 0 || at < m.inserts:
			continue
		case at < m.inserts+m.changes:
			ops[i] = changing
		default:
			ops[i] = deleting
		}
		left-- // no row stands twice in a group
	}
	return ops
}

func (w *groupWriter) send(ctx context.Context, ops []kind) error {
	var b bytes.Buffer
	b.WriteString("--batch_raw\r\nContent-Type: multipart/mixed; boundary=changeset_raw\r\n\r\n")
	kept, changed := w.there, []int{}
	for _, op := range ops {
		if op == inserting {
			w.part(&b, http.MethodPost, w.next)
			changed = append(changed, w.next)
			w.next++
			continue
		}
		at, last := w.draw.IntN(len(kept)), len(kept)-1
		row := kept[at]
		kept[at], kept = kept[last], kept[:last]
		if op == changing {
			w.part(&b, http.MethodPatch, row)
			changed = append(changed, row)
		} else {
			w.part(&b, http.MethodDelete, row)
		}
	}
	b.WriteString("--changeset_raw--\r\n--batch_raw--\r\n")
	kept = append(kept, changed...)
	w.there = kept
	return w.loop.send(ctx, b.Bytes())
}

// part writes an operation. The keys are spread, as those of instances are.
func (w *groupWriter) part(b *bytes.Buffer, method string, row int) {
	model := w.loop.model.URL
	key := fmt.Sprintf("%08x-row", uint32(row)*2654435761)
	address := strings.TrimSuffix(model.Scheme+"://"+model.Host+model.Path, "/$batch") + "/" + w.loop.table
	if method != http.MethodPost {
		address += fmt.Sprintf("(PartitionKey='%s',RowKey='%s')", w.partition, key)
	}
	if signature := model.RawQuery; signature != "" {
		address += "?" + signature
	}
	b.WriteString("--changeset_raw\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n")
	fmt.Fprintf(b, "%s %s HTTP/1.1\r\nAccept: application/json;odata=minimalmetadata\r\nContent-Type: application/json\r\nDataServiceVersion: 3.0\r\n", method, address)
	if method == http.MethodPost {
		b.WriteString("Prefer: return-no-content\r\n\r\n")
	} else {
		b.WriteString("If-Match: *\r\n\r\n")
	}
	if method != http.MethodDelete {
		fmt.Fprintf(b, `{"PartitionKey":"%s","RowKey":"%s","Value":"%s"}`, w.partition, key, w.loop.value)
	}
	b.WriteString("\r\n")
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
