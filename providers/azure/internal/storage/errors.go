package storage

import (
	"errors"
	"fmt"
	"time"
)

// The classes of errors; see the package comment. Implementations wrap them with
// what they know; callers test with errors.Is.
var (
	// ErrUnknown: the write may have been applied, or may still be.
	ErrUnknown = errors.New("outcome unknown")
	// ErrBusy: the service cannot answer a read now.
	ErrBusy = errors.New("storage busy")
	// ErrDenied: the credential is not allowed to do this. The error says what
	// role or permission is missing.
	ErrDenied = errors.New("access denied")
	// ErrGone: the table, queue or container does not exist, or is being deleted.
	ErrGone = errors.New("no such table, queue or container")
	// ErrCorrupt: the answer cannot be understood.
	ErrCorrupt = errors.New("storage answer corrupt")
	// ErrDamaged: a row was read that has cells which no implementation writes.
	ErrDamaged = errors.New("stored row damaged")
)

// Reason says why a call can never succeed as it stands.
type Reason int

// The reasons.
const (
	Exists       Reason = iota + 1 // the row, table, container or blob is there already
	Missing                        // the row, message or blob is not there
	Precondition                   // it is there in another version
	TooLarge                       // a limit of the service
	Invalid                        // the service calls the request malformed
)

func (r Reason) String() string {
	switch r {
	case Exists:
		return "exists already"
	case Missing:
		return "does not exist"
	case Precondition:
		return "was changed by another"
	case TooLarge:
		return "is too large"
	case Invalid:
		return "is invalid"
	}
	return fmt.Sprintf("reason %d", int(r))
}

// Rejection is the definite answer that nothing was applied.
type Rejection struct {
	Reason Reason
	// Index is the op of a transaction that was rejected, and what says which
	// thing it was. A transaction that is too large or malformed as a whole has
	// the index -1.
	Index int
	What  string
	Cause error // as the service put it, may be nil
}

func (r *Rejection) Error() string {
	s := r.What + " " + r.Reason.String()
	if r.Cause != nil {
		s += ": " + r.Cause.Error()
	}
	return s
}

// Unwrap gives the cause.
func (r *Rejection) Unwrap() error { return r.Cause }

// Rejected returns the rejection in err, nil if it is none.
func Rejected(err error) *Rejection {
	r, _ := errors.AsType[*Rejection](err)
	return r
}

// Is reports whether err is a rejection for that reason.
func Is(err error, reason Reason) bool {
	r := Rejected(err)
	return r != nil && r.Reason == reason
}

// WaitError is an [ErrBusy] or [ErrUnknown] of a service that answered that it cannot
// do it now, and may have said when to come back.
type WaitError struct {
	After time.Duration // 0 if it did not say
	Cause error         // wraps ErrBusy or ErrUnknown
}

func (e *WaitError) Error() string {
	if e.After == 0 {
		return e.Cause.Error()
	}
	return fmt.Sprintf("%v (asked to wait %v)", e.Cause, e.After)
}

// Unwrap gives the cause.
func (e *WaitError) Unwrap() error { return e.Cause }

// RetryAfter is the delay that the service asked for, or otherwise.
func RetryAfter(err error, otherwise time.Duration) time.Duration {
	if w, ok := errors.AsType[*WaitError](err); ok && w.After > 0 {
		return w.After
	}
	return otherwise
}
