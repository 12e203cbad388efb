package audit

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// reader reads a hub, again while the service is busy.
type reader struct {
	account storage.Account
	hub     string
}

// maxTries bounds how often a read is repeated while the service is busy.
const maxTries = 10

// again calls f until the service is not busy.
func again(ctx context.Context, f func() error) error {
	for n := 0; ; n++ {
		err := f()
		if !errors.Is(err, storage.ErrBusy) || n == maxTries || ctx.Err() != nil {
			return err
		}
		pause(ctx, storage.RetryAfter(err, min(20*time.Millisecond<<n, 2*time.Second)))
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// scan calls each for the rows of a range, in order. Cells, if not nil, are the
// only ones to read.
func (r *reader) scan(ctx context.Context, partition string, in row.Range, cells []string, each func(*storage.Row) error) error {
	at := storage.Range(in)
	for {
		var page storage.Page
		err := again(ctx, func() (err error) {
			page, err = r.account.Scan(ctx, r.hub, partition, at, 0, cells)
			return err
		})
		if err != nil {
			return fmt.Errorf("reading rows of %s from %q: %w", partition, at.From, err)
		}
		for i := range page.Rows {
			if err := each(&page.Rows[i]); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		at.From = page.Next
	}
}

// get reads a row; nil if there is none.
func (r *reader) get(ctx context.Context, partition, key string) (*storage.Row, error) {
	var got storage.Row
	err := again(ctx, func() (err error) {
		got, err = r.account.Get(ctx, r.hub, partition, key)
		return err
	})
	switch {
	case storage.Is(err, storage.Missing):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading row %s of %s: %w", key, partition, err)
	}
	return &got, nil
}

// blob reads a blob, and is a [row.GetBlob].
func (r *reader) blob(ctx context.Context, name string) (data []byte, err error) {
	err = again(ctx, func() (err error) {
		data, err = r.account.GetBlob(ctx, r.hub, name)
		return err
	})
	return data, err
}

// blobs calls each for every blob that a listing shows.
func (r *reader) blobs(ctx context.Context, prefix string, each func(*storage.Blob) error) error {
	for marker := ""; ; {
		var page storage.BlobPage
		err := again(ctx, func() (err error) {
			page, err = r.account.ListBlobs(ctx, r.hub, prefix, marker)
			return err
		})
		if err != nil {
			return fmt.Errorf("listing blobs: %w", err)
		}
		for i := range page.Blobs {
			if err := each(&page.Blobs[i]); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		marker = page.Next
	}
}

// record is the hub record.
type record struct {
	Format     int    `json:"format"`
	Partitions int    `json:"partitions"`
	Generation string `json:"generation"`
}

// recordCell is the cell of the hub record, hostCell that of a host's row.
const (
	recordCell = "Hub"
	hostCell   = "Host"
)

// record reads the hub record. Of a hub in a newer format nothing can be said.
func (r *reader) record(ctx context.Context) (record, error) {
	var rec record
	got, err := r.get(ctx, row.Management, row.HubRecord)
	switch {
	case err != nil:
		return rec, err
	case got == nil:
		return rec, fmt.Errorf("there is no hub %s: its record is missing", r.hub)
	}
	if err := row.Parse(got.Cells[recordCell], &rec); err != nil {
		return rec, fmt.Errorf("the hub record: %w", err)
	}
	if rec.Format < 1 || rec.Format > row.Format || rec.Partitions < 1 || rec.Generation == "" {
		return rec, fmt.Errorf("the hub record has format %d, and this program knows up to %d: upgrade the program", rec.Format, row.Format)
	}
	return rec, nil
}

// unavailable reports whether err says nothing about what is stored.
func unavailable(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || errors.Is(err, storage.ErrBusy) || errors.Is(err, storage.ErrDenied) || errors.Is(err, storage.ErrGone))
}
