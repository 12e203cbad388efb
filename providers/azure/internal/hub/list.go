package hub

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

const (
	// maxListed is the longest page of a list.
	maxListed = 1_000
	// partitionsAtOnce is how many partitions a list reads at a time, and
	// rowsAtOnce how many rows that stand alone.
	partitionsAtOnce = 8
	rowsAtOnce       = 16
)

// List implements [provider.Store].
func (s *Store) List(ctx context.Context, q provider.Query) ([]provider.Instance, error) {
	const op = "listing instances"
	if err := s.check(ctx, op); err != nil {
		return nil, err
	}
	limit := q.Limit
	switch {
	case limit == 0:
		limit = 100
	case limit < 0 || limit > maxListed:
		return nil, fmt.Errorf("azure: %s: %w: the page is to have %d instances: choose from 1 to 1,000", op, provider.ErrInvalid, limit)
	}
	list := s.listAll
	if places := placesOf(&q); len(places) > 0 {
		list = func(ctx context.Context, q *provider.Query, limit int) ([]provider.Instance, error) {
			return s.listIndexed(ctx, q, places, limit)
		}
	}
	found, err := list(ctx, &q, limit)
	if err != nil {
		return nil, reading(ctx, op, err)
	}
	return found[:min(limit, len(found))], nil
}

// placesOf are where the index has what a query selects; none if it asks for
// instances of every status. The open ones come first, since it is from there
// that an instance moves while the places are read.
func placesOf(q *provider.Query) (places []row.Place) {
	if q.Parked && len(q.Statuses) == 0 {
		return []row.Place{row.PlaceOf(history.StatusRunning)} // what has ended is not parked
	}
	for _, place := range row.Places() {
		if slices.ContainsFunc(q.Statuses, func(s history.Status) bool { return row.PlaceOf(s) == place }) {
			places = append(places, place)
		}
	}
	return places
}

// listAll reads the rows of instances one after the other. Each partition lists
// by id; the page is the least of all of them.
func (s *Store) listAll(ctx context.Context, q *provider.Query, limit int) ([]provider.Instance, error) {
	return s.ofPartitions(func(n int) ([]provider.Instance, error) { return s.listPartition(ctx, n, q, limit) })
}

// ofPartitions gathers instances from all partitions, by id.
func (s *Store) ofPartitions(of func(n int) ([]provider.Instance, error)) ([]provider.Instance, error) {
	pages := make([][]provider.Instance, s.hub.Partitions)
	errs := make([]error, s.hub.Partitions)
	gather(s.hub.Partitions, partitionsAtOnce, func(n int) { pages[n], errs[n] = of(n) })
	all := slices.Concat(pages...)
	slices.SortFunc(all, func(a, b provider.Instance) int { return cmp.Compare(a.ID, b.ID) })
	return all, errors.Join(errs...)
}

// gather calls f for 0 to n-1, some at a time, and waits.
func gather(n, atOnce int, f func(int)) {
	next := make(chan int)
	done := make(chan struct{})
	workers := min(n, atOnce)
	for range workers {
		go func() {
			for i := range next {
				f(i)
			}
			done <- struct{}{}
		}()
	}
	for i := range n {
		next <- i
	}
	close(next)
	for range workers {
		<-done
	}
}

func (s *Store) listPartition(ctx context.Context, n int, q *provider.Query, limit int) ([]provider.Instance, error) {
	var found []provider.Instance
	err := s.scan(ctx, s.partitionKey(n), row.Instances(q.Prefix, q.After), cellsSeen, func(rows []storage.Row) error {
		for at := range rows {
			r := &rows[at]
			one, err := s.selected(ctx, r, q)
			if err != nil {
				return err
			}
			if one == nil {
				continue
			}
			if found = append(found, *one); len(found) >= limit && !row.Unordered(r.Key) {
				return errEnough
			}
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

// selected reads an instance's row; nil if the query does not select it.
func (s *Store) selected(ctx context.Context, r *storage.Row, q *provider.Query) (*provider.Instance, error) {
	got, err := readSeen(ctx, r.Cells, s.getBlob)
	if err != nil {
		return nil, fmt.Errorf("row %s: %w", r.Key, err)
	}
	if !got.meta.Exists() || !matches(&got.meta, q) {
		return nil, nil
	}
	i := got.instance()
	return &i, nil
}

// candidate is an instance that the index has where a query looks. Whether it is
// what the query selects is told by its row.
type candidate struct {
	id        history.InstanceID
	partition int
}

// listIndexed reads the index of all partitions, and then the rows of those that
// come first. Not all of them are what the query selects, nor there still: then
// it goes on, with twice as many.
func (s *Store) listIndexed(ctx context.Context, q *provider.Query, places []row.Place, limit int) (found []provider.Instance, err error) {
	rest := *q
	slots := make(chan struct{}, rowsAtOnce)
	for some := limit; ; some = min(2*some, maxListed) {
		first, more, err := s.candidates(ctx, &rest, places, some)
		if err != nil {
			return nil, err
		}
		keys := make([][]string, s.hub.Partitions)
		for _, c := range first {
			keys[c.partition] = append(keys[c.partition], row.Instance(c.id))
		}
		these, err := s.ofPartitions(func(n int) ([]provider.Instance, error) { return s.readListed(ctx, n, keys[n], q, slots) })
		if err != nil {
			return nil, err
		}
		if found = append(found, these...); !more || len(found) >= limit {
			return found, nil
		}
		rest.After = first[len(first)-1].id
	}
}

// candidates are the first instances in some places of the index, by id. More
// says that there are others after them.
func (s *Store) candidates(ctx context.Context, q *provider.Query, places []row.Place, limit int) (all []candidate, more bool, err error) {
	pages := make([][]candidate, s.hub.Partitions)
	cut := make([]bool, s.hub.Partitions)
	errs := make([]error, s.hub.Partitions)
	gather(s.hub.Partitions, partitionsAtOnce, func(n int) {
		for _, place := range places {
			if errs[n] == nil {
				pages[n], cut[n], errs[n] = s.readPlace(ctx, n, place, q, limit, pages[n], cut[n])
			}
		}
	})
	if err := errors.Join(errs...); err != nil {
		return nil, false, err
	}
	all = slices.Concat(pages...)
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Compare(a.id, b.id) })
	all = slices.Compact(all) // who moved meanwhile may be there twice
	// Whatever was cut has given as many as are wanted itself: none is left out.
	more = len(all) > limit || slices.Contains(cut, true)
	return all[:min(limit, len(all))], more, nil
}

// readPlace adds the first instances in one place of the index of a partition.
// Cut says that there are more, here or where it was true before.
func (s *Store) readPlace(ctx context.Context, n int, place row.Place, q *provider.Query, limit int, all []candidate, cut bool) ([]candidate, bool, error) {
	at, size := storage.Range(place.Range(q.Prefix, q.After)), limit
	if q.Name != "" {
		size = maxListed // of which few may have it
	}
	for count, last := 0, ""; ; {
		page, err := s.scanPage(ctx, s.partitionKey(n), at, size, nil)
		if err != nil {
			return nil, false, err
		}
		for i := range page.Rows {
			last = page.Rows[i].Key
			x, err := row.ParseIndexed(page.Rows[i].Cells)
			if err != nil {
				return nil, false, fmt.Errorf("row %s: %w", last, err)
			}
			if strings.HasPrefix(string(x.ID), q.Prefix) && x.ID > q.After && (q.Name == "" || x.Name == "" || x.Name == q.Name) {
				all = append(all, candidate{x.ID, n})
				count++
			}
		}
		switch {
		case page.Next == "":
			return all, cut, nil
		case count >= limit && !row.Unordered(last):
			return all, true, nil
		}
		at.From = page.Next
	}
}

// leastRows is how many rows a page has at least, where room for twice as many as
// were found before would be less.
const leastRows = 16

// readListed reads the rows of some instances of a partition, if the query
// selects them. Where they stand close together a page has many of them. Where
// they stand alone, as a page tells that has one of them and others besides, the
// next are read each by itself, as many at a time as there are slots, and then a
// page again.
func (s *Store) readListed(ctx context.Context, n int, keys []string, q *provider.Query, slots chan struct{}) (found []provider.Instance, err error) {
	slices.Sort(keys)
	for size := len(keys); len(keys) > 0; {
		at := storage.Range{From: keys[0], To: row.Only(keys[len(keys)-1]).To}
		page, err := s.scanPage(ctx, s.partitionKey(n), at, size, cellsSeen)
		if err != nil {
			return nil, err
		}
		hits := 0
		for i := range page.Rows {
			at, wanted := slices.BinarySearch(keys, page.Rows[i].Key)
			if keys = keys[at:]; !wanted {
				continue
			}
			hits++
			one, err := s.selected(ctx, &page.Rows[i], q)
			if err != nil {
				return nil, err
			}
			if one != nil {
				found = append(found, *one)
			}
		}
		if page.Next == "" {
			break
		}
		gone, _ := slices.BinarySearch(keys, page.Next)
		keys, size = keys[gone:], max(leastRows, min(2*hits, maxListed))
		if hits > 1 || len(page.Rows) == 1 {
			continue
		}
		alone := keys[:min(len(keys), rowsAtOnce)]
		keys = keys[len(alone):]
		these, err := s.readAlone(ctx, n, alone, q, slots)
		if err != nil {
			return nil, err
		}
		found = append(found, these...)
	}
	return found, nil
}

// readAlone is readListed for instances that stand far from each other.
func (s *Store) readAlone(ctx context.Context, n int, keys []string, q *provider.Query, slots chan struct{}) (found []provider.Instance, err error) {
	each := make([]*provider.Instance, len(keys))
	errs := make([]error, len(keys))
	gather(len(keys), rowsAtOnce, func(k int) {
		slots <- struct{}{}
		defer func() { <-slots }()
		page, err := s.scanPage(ctx, s.partitionKey(n), storage.Range(row.Only(keys[k])), 1, cellsSeen)
		if errs[k] = err; err != nil || len(page.Rows) == 0 {
			return
		}
		each[k], errs[k] = s.selected(ctx, &page.Rows[0], q)
	})
	for _, one := range each {
		if one != nil {
			found = append(found, *one)
		}
	}
	return found, errors.Join(errs...)
}

func matches(m *row.Meta, q *provider.Query) bool {
	return strings.HasPrefix(string(m.ID), q.Prefix) &&
		(q.After == "" || m.ID > q.After) &&
		(q.Name == "" || m.Name == q.Name) &&
		(len(q.Statuses) == 0 || slices.Contains(q.Statuses, m.Status)) &&
		(!q.Parked || m.ParkedAt != 0)
}
