package provider

import (
	"errors"
	"fmt"
	"time"
)

// Errors of the contract. Providers wrap them with what they know (operation,
// instance, cause); callers test with errors.Is. Each provider maps the errors
// of its driver or SDK to them in one function.
var (
	// ErrNotFound: there is no such instance, or no such execution.
	ErrNotFound = errors.New("not found")
	// ErrExists: the instance id is taken and the reuse policy refuses.
	ErrExists = errors.New("instance exists")
	// ErrLockLost: the caller no longer holds the turn or the activity; what it
	// decided is void. It drops what it holds in memory and asks for the next: there is
	// nothing to release.
	ErrLockLost = errors.New("lock lost")
	// ErrConflict: the commit does not follow the last committed event. The
	// caller's memory is stale: it drops it, releases the turn and reads anew.
	ErrConflict = errors.New("conflict")
	// ErrInvalid: the request can never succeed as it stands, for example
	// because it exceeds a limit of the store, which the error names.
	ErrInvalid = errors.New("invalid")
	// ErrUnavailable: the store cannot be reached, is throttling or is full;
	// nothing was applied. Try again later; see [RetryAfter].
	ErrUnavailable = errors.New("store unavailable")
	// ErrUnknown: the outcome could not be learned; it may have been applied,
	// or may still be.
	ErrUnknown = errors.New("outcome unknown")
	// ErrCorrupt: what is stored cannot be read. The error names the instance
	// and what an operator can do.
	ErrCorrupt = errors.New("stored data corrupt")
	// ErrHostTaken: the store admits no further host; the error names the
	// holder.
	ErrHostTaken = errors.New("another host holds the store")
	// ErrSchema: the store was written by a newer program, or is none of ours.
	ErrSchema = errors.New("incompatible store")
	// ErrReadOnly: the store was opened for reading only.
	ErrReadOnly = errors.New("store is read-only")
	// ErrClosed: the store or host was closed.
	ErrClosed = errors.New("closed")
)

// UnavailableError is an [ErrUnavailable] that knows when to come back.
type UnavailableError struct {
	After time.Duration // earliest sensible next try
	Cause error
}

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("store unavailable (try again after %v): %v", e.After, e.Cause)
}

// Unwrap gives both the sentinel and the cause.
func (e *UnavailableError) Unwrap() []error { return []error{ErrUnavailable, e.Cause} }

// RetryAfter is the delay that an error asks for, or otherwise.
func RetryAfter(err error, otherwise time.Duration) time.Duration {
	if u, ok := errors.AsType[*UnavailableError](err); ok && u.After > 0 {
		return u.After
	}
	return otherwise
}

// Retryable reports whether the same call may succeed later.
func Retryable(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrUnknown)
}
