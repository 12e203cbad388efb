package sharding

import (
	"time"

	"github.com/duroxide/duroxide-go/internal/bug"
)

// watch is one host's observation of the others' rows. It compares readings of
// one clock, its own, with each other, and never with what a row says.
type watch struct {
	ttl     time.Duration
	lastEnd time.Time            // of the last successful read
	rows    map[string]*sighting // by incarnation
	absent  map[int]time.Time    // partitions that no living host lists, and the end of the first read that showed it
}

// sighting is a version of a row, and since when it is known.
type sighting struct {
	etag  string
	first time.Time // end of the first read that showed it
}

func newWatch(ttl time.Duration) *watch {
	w := &watch{ttl: ttl}
	w.restart()
	return w
}

// restart forgets how long anything has been as it is.
func (w *watch) restart() {
	w.rows, w.absent = map[string]*sighting{}, map[int]time.Time{}
}

// read takes in a successful read. It returns the rows that have been in one
// version for the whole TTL, from the end of the first read that showed it to
// the start of this one.
func (w *watch) read(start, end time.Time, rows []Seen) (expired []Seen) {
	if !w.lastEnd.IsZero() && start.Sub(w.lastEnd) > w.ttl/2 {
		w.restart()
	}
	last, before := w.lastEnd, w.rows
	w.lastEnd = end
	w.rows = make(map[string]*sighting, len(rows))
	for _, row := range rows {
		s := before[row.Host.Incarnation]
		if s == nil || s.etag != row.ETag {
			s = &sighting{etag: row.ETag, first: end}
		} else if bug.Planted("reads-counted") {
			s.first = start.Add(s.first.Sub(last) - w.ttl/3)
		}
		w.rows[row.Host.Incarnation] = s
		if start.Sub(s.first) >= w.ttl {
			expired = append(expired, row)
		}
	}
	return expired
}

// alive says that a row which had expired was written after all.
func (w *watch) alive(incarnation string) {
	if s := w.rows[incarnation]; s != nil {
		s.first = w.lastEnd
	}
}

// unlisted notes whether any living host lists the partition, as the last read
// showed, and reports whether none has for the whole TTL.
func (w *watch) unlisted(partition int, listed bool, start time.Time) bool {
	if listed {
		delete(w.absent, partition)
		return false
	}
	first, ok := w.absent[partition]
	if !ok {
		w.absent[partition] = w.lastEnd
		return false
	}
	return start.Sub(first) >= w.ttl
}

// next is when the first row will have been in one version for the whole TTL;
// zero if there is no row. Rows that beat put it off again and again.
func (w *watch) next(except string) (at time.Time) {
	for incarnation, s := range w.rows {
		if t := s.first.Add(w.ttl); incarnation != except && (at.IsZero() || t.Before(at)) {
			at = t
		}
	}
	return at
}
