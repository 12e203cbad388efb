package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// partition is a runtime partition while it is read.
type partition struct {
	number int
	key    string // partition key
	head   row.Owner
	owned  bool // there is a head
	// unknown says that the head cannot be read: nothing is held against it.
	unknown bool

	subjects map[string]*subject // with something outstanding, by escaped id
	consumed map[int]row.Numbers // by sender
	// Hashes of what the keys show, and no row of an instance has explained yet.
	index  map[uint64]bool // keys of the index
	sealed map[uint64]bool // escaped ids with sealed history
	states map[uint64]bool // escaped ids with durable state
}

var seed = maphash.MakeSeed()

func hashed(s string) uint64 { return maphash.String(seed, s) }

// take reports whether s is in the set, and takes it out.
func take(set map[uint64]bool, s string) bool {
	h := hashed(s)
	found := set[h]
	delete(set, h)
	return found
}

// The prefixes of keys that go on with an escaped id.
const prefixLength = 2

// escapedIn is the escaped id in a key of sealed history or of durable state.
func escapedIn(key string) string {
	rest := key[prefixLength:]
	if row.KindOf(key) == row.KindHistory {
		rest, _, _ = strings.Cut(rest, ":")
	}
	return rest
}

// readKeys reads the keys of all rows, and the blobs they name.
func (a *auditor) readKeys(ctx context.Context, p *partition) error {
	p.index, p.sealed, p.states = map[uint64]bool{}, map[uint64]bool{}, map[uint64]bool{}
	unfenced := ""
	err := a.scan(ctx, p.key, row.Range{}, []string{row.BlobsCell}, func(r *storage.Row) error {
		switch kind := row.KindOf(r.Key); kind {
		case row.KindHead, row.KindInstance, row.KindInbox:
		case row.KindIndex:
			p.index[hashed(r.Key)] = true
		case row.KindHistory:
			p.sealed[hashed(escapedIn(r.Key))] = true
			unfenced = r.Key
		case row.KindState:
			p.states[hashed(escapedIn(r.Key))] = true
			unfenced = r.Key
		case row.KindUnknown:
			a.r.found(Finding{Invariant: Transactions, Partition: p.number, Row: r.Key, What: "no row of this format has such a key"})
		default:
			unfenced = r.Key
		}
		return a.named(ctx, p, r, row.Blobs(r.Cells))
	})
	if err != nil || p.owned || unfenced == "" {
		return err
	}
	// Heads are never deleted: one that is not there now was not there then.
	if err := a.readHead(ctx, p); err != nil || p.owned {
		return err
	}
	a.r.found(Finding{Invariant: Transactions, Partition: p.number, Row: unfenced, What: "only an owner writes such a row, and the partition has no head"})
	return nil
}

// readInstances reads the rows of all instances and judges them.
func (a *auditor) readInstances(ctx context.Context, p *partition) error {
	return a.scan(ctx, p.key, row.Instances("", ""), nil, func(r *storage.Row) error {
		escaped := r.Key[prefixLength:]
		s := p.subjects[escaped]
		delete(p.subjects, escaped)
		if s == nil {
			s = &subject{p: p, escaped: escaped}
		}
		s.sealed, s.state = take(p.sealed, escaped), take(p.states, escaped)
		if err := s.readRow(ctx, &a.reader, r); err != nil {
			return err
		}
		if s.meta != nil {
			if key := indexKey(s.meta); take(p.index, key) {
				s.index = []string{key}
			}
		}
		a.count(s)
		if err := a.unlisted(p, r); err != nil {
			return err
		}
		v, err := a.judge(ctx, s)
		switch {
		case err != nil:
			return err
		case len(v.findings) > 0:
			return a.examine(ctx, p, escaped, s.strays())
		}
		for _, n := range v.notes {
			a.r.noted(n)
		}
		return nil
	})
}

func (a *auditor) count(s *subject) {
	switch {
	case s.meta == nil:
	case s.meta.Purged != 0:
		a.r.Tombstones++
	default:
		a.r.Instances++
	}
}

// indexKey is where an instance stands in the index.
func indexKey(m *row.Meta) string {
	if m.Purged != 0 {
		return row.Purged(m.Purged, m.ID)
	}
	return row.PlaceOf(m.Status).Key(m.ID)
}

// readLeft looks for the instances of the rows that no row of an instance has
// explained.
func (a *auditor) readLeft(ctx context.Context, p *partition) error {
	for _, escaped := range slices.Sorted(maps.Keys(p.subjects)) {
		s := p.subjects[escaped]
		v, err := a.judge(ctx, s)
		if err != nil {
			return err
		}
		if len(v.findings) == 0 {
			for _, n := range v.notes {
				a.r.noted(n)
			}
			continue
		}
		if err := a.examine(ctx, p, escaped, s.strays()); err != nil {
			return err
		}
	}
	left := len(p.index) + len(p.sealed) + len(p.states)
	if left == 0 {
		return nil
	}
	return a.scan(ctx, p.key, row.Range{}, []string{row.IndexCell}, func(r *storage.Row) error {
		switch row.KindOf(r.Key) {
		case row.KindIndex:
			if take(p.index, r.Key) {
				return a.leftInIndex(ctx, p, r)
			}
		case row.KindHistory:
			if escaped := escapedIn(r.Key); take(p.sealed, escaped) {
				return a.examine(ctx, p, escaped, nil)
			}
		case row.KindState:
			if escaped := escapedIn(r.Key); take(p.states, escaped) {
				return a.examine(ctx, p, escaped, nil)
			}
		default:
		}
		return nil
	})
}

// leftInIndex looks for the instance of a row of the index.
func (a *auditor) leftInIndex(ctx context.Context, p *partition, r *storage.Row) error {
	var indexed struct {
		ID history.InstanceID `json:"id"`
	}
	if err := json.Unmarshal(r.Cells[row.IndexCell], &indexed); err != nil {
		a.r.found(Finding{Invariant: Whole, Partition: p.number, Row: r.Key, What: fmt.Sprintf("it cannot be read: %v", err)})
		return nil
	}
	return a.examine(ctx, p, row.Escape(indexed.ID), []string{r.Key})
}
