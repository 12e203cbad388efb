package audit

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// references are the blobs that were there before any row was read, by hash:
// true for those that a row names, or an activity that others have needs.
type references struct {
	named    map[uint64]bool
	progress reached
}

func newReferences() *references { return &references{map[uint64]bool{}, reached{}} }

// listBlobs lists the blobs, before any row is read.
func (a *auditor) listBlobs(ctx context.Context) error {
	return a.reader.blobs(ctx, "", func(b *storage.Blob) error {
		a.blobs.named[hashed(b.Name)] = false
		a.blobs.progress.add(b.Name)
		a.r.Blobs++
		return nil
	})
}

// named takes note of the blobs that a row names (Z13).
func (a *auditor) named(ctx context.Context, p *partition, r *storage.Row, names []string) error {
	for _, name := range names {
		h := hashed(name)
		if _, there := a.blobs.named[h]; there {
			a.blobs.named[h] = true
			continue
		}
		if err := a.checkBlob(ctx, p, r.Key, name); err != nil {
			return err
		}
	}
	return nil
}

// checkBlob looks for a blob that was not listed. It counts as missing if the
// row that names it did not change while it was looked for.
func (a *auditor) checkBlob(ctx context.Context, p *partition, key, name string) error {
	for range steadyTries {
		before, err := a.get(ctx, p.key, key)
		if err != nil || before == nil {
			return err
		}
		if !slices.Contains(row.Blobs(before.Cells), name) && row.KindOf(key) != row.KindOutbox {
			return nil
		}
		there := false
		err = a.reader.blobs(ctx, name, func(b *storage.Blob) error {
			there = there || b.Name == name
			return nil
		})
		if err != nil || there {
			return err
		}
		after, err := a.get(ctx, p.key, key)
		if err != nil || after == nil {
			return err
		}
		if before.ETag == after.ETag {
			a.r.found(Finding{Invariant: Blobs, Partition: p.number, Row: key, What: fmt.Sprintf("it names the blob %s, which is not there", name)})
			return nil
		}
	}
	a.r.Moving++
	return nil
}

// unlisted: a row lists the blobs in which its values stand, so that they can be
// found without knowing what it is (Z13).
func (a *auditor) unlisted(p *partition, r *storage.Row) error {
	listed := row.Blobs(r.Cells)
	for _, cell := range slices.Sorted(maps.Keys(r.Cells)) {
		if name, away := row.BlobOf(r.Cells, cell); away && !slices.Contains(listed, name) {
			a.r.found(Finding{Invariant: Blobs, Partition: p.number, Row: r.Key, What: fmt.Sprintf("its cell %s stands in the blob %s, which it does not list", cell, name)})
		}
	}
	return nil
}

// checkOrphans notes old blobs that no row names.
func (a *auditor) checkOrphans(ctx context.Context) error {
	for _, named := range a.blobs.named {
		if !named {
			a.r.Orphans++
		}
	}
	if a.r.Orphans == 0 {
		return nil
	}
	old, size, first := 0, int64(0), ""
	err := a.reader.blobs(ctx, payloads, func(b *storage.Blob) error {
		named, listed := a.blobs.named[hashed(b.Name)]
		if !listed || named || a.now.Sub(b.Modified) < a.o.OldBlob {
			return nil
		}
		if old == 0 {
			first = b.Name
		}
		old++
		size += b.Size
		return nil
	})
	if err == nil && old > 0 {
		a.r.noted(Finding{Invariant: Blobs, Partition: -1, What: fmt.Sprintf("%d blobs of %d bytes are named by no row and older than %v, %s the first of them: they are to be collected", old, size, a.o.OldBlob, first)})
	}
	return err
}
