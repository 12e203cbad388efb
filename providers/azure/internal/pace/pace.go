package pace

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

const (
	// Most is how many requests may be under way when nothing is throttled.
	Most = 256
	// Least is how many may be when everything is.
	Least = 4

	// once is the time in which several refusals count as one: they answer
	// requests that were sent before the first refusal was known.
	once = time.Second
)

// Account limits the requests to another account. It implements
// [storage.Account].
type Account struct {
	storage.Account
	// Exempt is the partition key that is never held up.
	Exempt string
	// Changed, if not nil, is told of the limit when it was halved.
	Changed func(limit int)

	mu      sync.Mutex
	limit   float64 // 0 means Most
	used    int
	waiting []chan struct{} // the longest waiting first
	halved  time.Time
}

// Limit is how many requests may be under way.
func (a *Account) Limit() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limitLocked()
}

func (a *Account) limitLocked() int {
	if a.limit == 0 {
		a.limit = Most
	}
	return int(a.limit)
}

// enter waits until a request may be sent.
func (a *Account) enter(ctx context.Context) error {
	a.mu.Lock()
	if a.used < a.limitLocked() && len(a.waiting) == 0 {
		a.used++
		a.mu.Unlock()
		return nil
	}
	turn := make(chan struct{})
	a.waiting = append(a.waiting, turn)
	a.mu.Unlock()
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for i, w := range a.waiting {
		if w == turn {
			a.waiting = append(a.waiting[:i], a.waiting[i+1:]...)
			return ctx.Err()
		}
	}
	a.used-- // it was its turn at this moment
	a.admitLocked()
	return ctx.Err()
}

// admitLocked lets those in who may be.
func (a *Account) admitLocked() {
	for len(a.waiting) > 0 && a.used < a.limitLocked() {
		a.used++
		close(a.waiting[0])
		a.waiting = a.waiting[1:]
	}
}

// leave notes how a request was answered.
func (a *Account) leave(err error) {
	a.mu.Lock()
	a.used--
	halved := false
	if throttled(err) {
		if now := time.Now(); now.Sub(a.halved) > once {
			a.halved, halved = now, true
			a.limit = max(a.limit/2, Least)
		}
	} else if err == nil {
		a.limit = min(a.limit+1/a.limit, Most)
	}
	limit := a.limitLocked()
	a.admitLocked()
	a.mu.Unlock()
	if halved && a.Changed != nil {
		a.Changed(limit)
	}
}

// throttled reports whether the account answered that it cannot do it now, or was too
// busy to answer. A caller who gave up tells nothing about the account.
func throttled(err error) bool {
	_, refused := errors.AsType[*storage.WaitError](err)
	gaveUp := errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
	return refused || errors.Is(err, storage.ErrBusy) && !gaveUp
}

// do sends a request when it may be. Nothing was sent if ctx ended before.
func do[T any](ctx context.Context, a *Account, send func() (T, error)) (T, error) {
	if err := a.enter(ctx); err != nil {
		var none T
		return none, errors.Join(storage.ErrBusy, err)
	}
	v, err := send()
	a.leave(err)
	return v, err
}

// Get implements [storage.Tables].
func (a *Account) Get(ctx context.Context, table, partition, key string) (storage.Row, error) {
	if partition == a.Exempt {
		return a.Account.Get(ctx, table, partition, key)
	}
	return do(ctx, a, func() (storage.Row, error) { return a.Account.Get(ctx, table, partition, key) })
}

// Scan implements [storage.Tables].
func (a *Account) Scan(ctx context.Context, table, partition string, r storage.Range, limit int, cells []string) (storage.Page, error) {
	if partition == a.Exempt {
		return a.Account.Scan(ctx, table, partition, r, limit, cells)
	}
	return do(ctx, a, func() (storage.Page, error) { return a.Account.Scan(ctx, table, partition, r, limit, cells) })
}

// Transact implements [storage.Tables].
func (a *Account) Transact(ctx context.Context, table, partition string, ops []storage.Op) ([]string, error) {
	if partition == a.Exempt {
		return a.Account.Transact(ctx, table, partition, ops)
	}
	return do(ctx, a, func() ([]string, error) { return a.Account.Transact(ctx, table, partition, ops) })
}

// Enqueue implements [storage.Queues].
func (a *Account) Enqueue(ctx context.Context, queue string, body []byte, delay time.Duration) error {
	_, err := do(ctx, a, func() (struct{}, error) { return struct{}{}, a.Account.Enqueue(ctx, queue, body, delay) })
	return err
}

// PutBlob implements [storage.Blobs].
func (a *Account) PutBlob(ctx context.Context, container, name string, data []byte) error {
	_, err := do(ctx, a, func() (struct{}, error) { return struct{}{}, a.Account.PutBlob(ctx, container, name, data) })
	return err
}

// GetBlob implements [storage.Blobs].
func (a *Account) GetBlob(ctx context.Context, container, name string) ([]byte, error) {
	return do(ctx, a, func() ([]byte, error) { return a.Account.GetBlob(ctx, container, name) })
}
