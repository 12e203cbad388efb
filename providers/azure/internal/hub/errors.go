package hub

import (
	"context"
	"errors"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// classify maps an error of storage or of a journal to the class of the
// contract. It is the only place that does.
func classify(err error) error {
	if r := storage.Rejected(err); r != nil {
		switch r.Reason {
		case storage.Exists:
			return provider.ErrExists
		case storage.Missing:
			return provider.ErrNotFound
		case storage.Precondition:
			return provider.ErrConflict
		case storage.TooLarge, storage.Invalid:
			return provider.ErrInvalid
		}
	}
	for _, c := range [...]struct{ err, class error }{
		{journal.ErrLost, provider.ErrLockLost},
		{journal.ErrStopped, provider.ErrLockLost},
		{journal.ErrTooLarge, provider.ErrInvalid},
		{storage.ErrUnknown, provider.ErrUnknown},
		{storage.ErrBusy, provider.ErrUnavailable},
		{storage.ErrDenied, provider.ErrUnavailable},
		{storage.ErrGone, provider.ErrUnavailable},
		{storage.ErrCorrupt, provider.ErrUnavailable}, // it says nothing of what is stored
		{storage.ErrDamaged, provider.ErrCorrupt},
		{row.ErrFormat, provider.ErrCorrupt},
	} {
		if errors.Is(err, c.err) {
			return c.class
		}
	}
	return nil
}

// transient reports whether the same may succeed soon.
func transient(err error) bool {
	return errors.Is(err, storage.ErrBusy) || errors.Is(err, storage.ErrUnknown) || errors.Is(err, storage.ErrCorrupt) && !bug.Planted("nonsense-passed-over")
}

// failed adds to an error what was to be done, and its class.
func failed(operation string, err error) error {
	if err == nil {
		return nil
	}
	class := classify(err)
	if errors.Is(err, provider.ErrUnknown) {
		class = nil // whatever the cause was: something may have been applied
	}
	if errors.Is(err, storage.ErrGone) {
		err = fmt.Errorf("%w: the hub was deleted, and its name is free after about a minute: opening it then makes a new one", err)
	}
	if class == nil || errors.Is(err, class) {
		return fmt.Errorf("azure: %s: %w", operation, err)
	}
	if errors.Is(class, provider.ErrUnavailable) {
		if after := storage.RetryAfter(err, 0); after > 0 {
			return fmt.Errorf("azure: %s: %w", operation, &provider.UnavailableError{After: after, Cause: err})
		}
	}
	return fmt.Errorf("azure: %s: %w: %w", operation, class, err)
}

// reading is failed for reads, of which an unknown outcome means that nothing
// happened.
func reading(ctx context.Context, operation string, err error) error {
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("azure: %s: %w", operation, context.Cause(ctx))
	}
	if errors.Is(err, storage.ErrUnknown) {
		return fmt.Errorf("azure: %s: %w: %w", operation, provider.ErrUnavailable, err)
	}
	return failed(operation, err)
}

func quote(id history.InstanceID) string { return wire.Quote(id) }

// corrupt names what cannot be read, and what an operator can do.
func corrupt(id history.InstanceID, where string, err error) error {
	return fmt.Errorf("azure: %w: %s of %s cannot be read: %w: upgrade the program if a newer one wrote it, or else purge the instance; other instances are not affected",
		provider.ErrCorrupt, where, quote(id), err)
}

func notFound(operation string, id history.InstanceID) error {
	return fmt.Errorf("azure: %s: %w: there is no %s", operation, provider.ErrNotFound, quote(id))
}
