package journal_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// door notes which transactions the account refuses for their size.
type door struct {
	storage.Account
	desk *desk
}

func (w door) Transact(ctx context.Context, table, partition string, ops []storage.Op) ([]string, error) {
	etags, err := w.Account.Transact(ctx, table, partition, ops)
	if storage.Is(err, storage.TooLarge) {
		w.desk.refused = append(w.desk.refused, err)
	}
	return etags, err
}

// consuming is an entry that consumes a row with so many messages.
func (d *desk) consuming(n int64, messages int) (e *journal.Entry, done chan error) {
	d.Helper()
	key := row.Message("a", row.PartitionSender(7), n)
	put, done := d.entry(key)
	d.journal.Submit(put)
	d.ok(done)
	e, done = d.entry(fmt.Sprint("k:", n))
	c := journal.Consumed{Key: key, From: row.PartitionSender(7), Seq: n}
	for i := range messages {
		c.Hash = append(c.Hash, row.Hash(fmt.Sprint(n, "/", i), "a", "born"))
	}
	e.Consumed = []journal.Consumed{c}
	return e, done
}

// The row that notices what a batch consumes has its limit, whatever the entries are.
func TestABatchConsumesNoMoreMessagesThanARowNotices(t *testing.T) {
	within(t, func(d *desk) {
		var entries []*journal.Entry
		var all []chan error
		for n := range int64(12) {
			e, done := d.consuming(n+1, 4_000)
			entries, all = append(entries, e), append(all, done)
		}
		for _, e := range entries {
			d.journal.Submit(e)
		}
		for _, done := range all {
			d.ok(done)
		}
		if len(d.refused) > 0 {
			d.Errorf("%d transactions are refused: %v", len(d.refused), d.refused[0])
		}
		for n := range entries {
			for _, hash := range entries[n].Consumed[0].Hash {
				if !d.journal.Noticed(hash) {
					d.Fatalf("a message of entry %d is not noticed", n)
				}
			}
		}
	})
}
