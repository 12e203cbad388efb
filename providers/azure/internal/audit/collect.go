package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// payloads begins the names of blobs that belong to rows. Others are not
// collected.
const payloads = "payload/"

// Collected is what a collection came to.
type Collected struct {
	Blobs  int   // removed
	Bytes  int64 // of those
	Failed int   // to be tried again by the next collection
	Kept   int   // named by a row, or too young
}

// Collect removes the blobs of a hub that no row names and that are older than
// an age, 0 for [DefaultAge]. Such blobs are left by writers that died between
// writing a blob and writing its row, and by removals that failed.
//
// It may run beside anything else, by any number of hosts:
//
//   - A blob is written before the row that names it. Its age says that this row
//     was written long ago, or that its writer gave up. An age shorter than the
//     longest time that a writer may be stopped and go on is not safe.
//   - Once written, a name moves only from a row of an outbox to one of an
//     inbox, which may be in a partition that was read before. So all rows are
//     read twice, and what either reading showed is kept.
//   - A blob of progress is written while its activity is left to others, and
//     needed until that is closed or with its owner again. What is left to others
//     stands in a row, and what comes back or goes once more needs another blob.
//   - The blobs are listed after both, and their age counts from before the
//     first.
//
// If any row cannot be read it removes nothing, and says why: what that row
// names is not known.
func Collect(ctx context.Context, account storage.Account, hub string, olderThan time.Duration) (c Collected, err error) {
	if olderThan <= 0 {
		olderThan = DefaultAge
	}
	r := &reader{account, hub}
	if err := r.collect(ctx, account.Now().Add(-olderThan), &c); err != nil {
		return c, fmt.Errorf("collecting blobs of hub %s: %w", hub, err)
	}
	return c, nil
}

func (r *reader) collect(ctx context.Context, before time.Time, c *Collected) error {
	rec, err := r.record(ctx)
	if err != nil {
		return err
	}
	old, progress := false, reached{}
	if err := r.blobs(ctx, payloads, func(b *storage.Blob) error {
		progress.add(b.Name)
		old = old || b.Modified.Before(before)
		return nil
	}); err != nil || !old {
		return err
	}
	named := map[uint64]bool{}
	for range 2 {
		for n := range rec.Partitions {
			key := row.Partition(rec.Generation, n)
			if err := errors.Join(r.references(ctx, key, named), r.progress(ctx, key, progress, named)); err != nil {
				return err
			}
		}
	}
	// The hub may have been deleted and made anew meanwhile: then these are not
	// its blobs.
	if now, err := r.record(ctx); err != nil || now != rec {
		return errors.Join(errors.New("the hub was changed meanwhile"), err)
	}
	return r.blobs(ctx, payloads, func(b *storage.Blob) error {
		if named[hashed(b.Name)] || !b.Modified.Before(before) {
			c.Kept++
			return nil
		}
		err := r.account.DeleteBlob(ctx, r.hub, b.Name)
		switch {
		case err == nil:
			c.Blobs++
			c.Bytes += b.Size
		case storage.Is(err, storage.Missing): // another was faster
		case errors.Is(err, storage.ErrUnknown), errors.Is(err, storage.ErrBusy):
			c.Failed++
		default:
			return err
		}
		return ctx.Err()
	})
}

// references adds the blobs that the rows of a partition name.
func (r *reader) references(ctx context.Context, partition string, named map[uint64]bool) error {
	err := r.scan(ctx, partition, row.Range{}, []string{row.BlobsCell}, func(one *storage.Row) error {
		if row.KindOf(one.Key) == row.KindUnknown {
			return fmt.Errorf("row %s of %s is of a kind that this program does not know: upgrade it", one.Key, partition)
		}
		for _, name := range row.Blobs(one.Cells) {
			named[hashed(name)] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	// The parcels of a row of the outbox may stand in a blob, and name others.
	outbox := row.Range{From: row.Outbox(0)[:prefixLength], To: "o;"}
	return r.scan(ctx, partition, outbox, nil, func(one *storage.Row) error {
		out, err := row.ParseOutgoing(ctx, one.Cells, r.blob)
		if storage.Is(err, storage.Missing) {
			// What was delivered goes, and its blob after it.
			if now, err := r.get(ctx, partition, one.Key); err != nil || now == nil {
				return err
			}
		}
		if err != nil {
			return fmt.Errorf("row %s of %s: %w", one.Key, partition, err)
		}
		for _, part := range out.Parts {
			for i := range part.Parcels {
				if name := part.Parcels[i].Blob; name != "" {
					named[hashed(name)] = true
				}
			}
		}
		return nil
	})
}
