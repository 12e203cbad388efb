package audit

import (
	"context"
	"fmt"
	"slices"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
)

// reached are blobs of progress, by the key of the row that says whether their
// activities are with others: messages of work queues name them, and no row does.
type reached map[string][]string

// add takes note of a blob, if it is one of progress.
func (all reached) add(blob string) {
	if key, _, _, ok := row.ProgressIn(blob); ok {
		all[key] = append(all[key], blob)
	}
}

// neededBy calls f with the blobs of activities that a row of open work has left to
// others. What is with the owner has a row of progress.
func (all reached) neededBy(key string, w *work, f func(blob string)) {
	for _, blob := range all[key] {
		_, execution, event, _ := row.ProgressIn(blob)
		if execution == w.Execution && w.elsewhere(event) {
			f(blob)
		}
	}
}

// elsewhere reports whether an open activity was left to others.
func (w *work) elsewhere(event int64) bool {
	_, open := w.open.Find(event)
	_, given := w.given.Find(event)
	return open && (given || slices.ContainsFunc(w.left, func(set spans.Set) bool {
		_, runs := set.Find(event)
		return runs
	}))
}

// progress adds the blobs of progress that are needed in a partition.
func (r *reader) progress(ctx context.Context, partition string, all reached, named map[uint64]bool) error {
	if len(all) == 0 {
		return nil
	}
	prefix := row.Work("")[:prefixLength-1] // without the colon
	return r.scan(ctx, partition, row.Range{From: prefix + ":", To: prefix + ";"}, nil, func(one *storage.Row) error {
		if all[one.Key] == nil {
			return nil
		}
		w, err := readWork(ctx, r, one)
		if err != nil {
			return fmt.Errorf("row %s of %s: %w", one.Key, partition, err)
		}
		all.neededBy(one.Key, w, func(blob string) { named[hashed(blob)] = true })
		return nil
	})
}
