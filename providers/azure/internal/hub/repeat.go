package hub

import (
	"context"
	"errors"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// repeating is an account whose reads are repeated when their answer makes no
// sense: mostly a proxy sent a page of HTML. What makes no sense again and again is
// trouble with the way to the service, and not damage of what is stored.
type repeating struct{ storage.Account }

// maxRepeats bounds how often a read is repeated.
const maxRepeats = 5

func repeat[T any](ctx context.Context, read func() (T, error)) (T, error) {
	for n := 0; ; n++ {
		v, err := read()
		if n == maxRepeats || !errors.Is(err, storage.ErrCorrupt) || errors.Is(err, storage.ErrUnknown) || ctx.Err() != nil {
			return v, err
		}
		pause(ctx, backoff(n))
	}
}

func (r repeating) Get(ctx context.Context, table, partition, key string) (storage.Row, error) {
	return repeat(ctx, func() (storage.Row, error) { return r.Account.Get(ctx, table, partition, key) })
}

func (r repeating) Scan(ctx context.Context, table, partition string, rows storage.Range, limit int, cells []string) (storage.Page, error) {
	return repeat(ctx, func() (storage.Page, error) { return r.Account.Scan(ctx, table, partition, rows, limit, cells) })
}

func (r repeating) GetBlob(ctx context.Context, container, name string) ([]byte, error) {
	return repeat(ctx, func() ([]byte, error) { return r.Account.GetBlob(ctx, container, name) })
}
