package activity

import (
	"context"
	"errors"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/failure"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// Errors that [Error] matches by errors.Is, besides those registered.
var (
	// ErrTimeout: an attempt, or all of them together, took too long. It also
	// matches context.DeadlineExceeded.
	ErrTimeout = errors.New("activity timed out")
	// ErrPanicked: the activity panicked; Error.Stack says where.
	ErrPanicked = orchestration.ErrPanicked
	// ErrLost: the workers that ran it were lost, and no attempt is left.
	ErrLost = errors.New("activity lost")
	// ErrCancelled: the orchestration gave up on it.
	ErrCancelled = orchestration.ErrCancelled
)

// Error is the failure of an activity, as the orchestration sees it.
type Error struct {
	Activity string
	Attempt  int             // the attempt that failed last
	Type     string          // of the Go error, or the code it is registered by
	Message  string          // of the Go error
	Details  history.Payload // the Go error, encoded
	Stack    string          // of a panic
	failure  *history.Failure
}

func newError(name string, f *history.Failure) *Error {
	return &Error{Activity: name, Attempt: f.Attempt, Type: f.Type, Message: f.Message, Details: f.Details, Stack: f.Stack, failure: f}
}

func (e *Error) Error() string {
	if e.Attempt > 1 {
		return fmt.Sprintf("activity %s (attempt %d): %s", e.Activity, e.Attempt, e.Message)
	}
	return fmt.Sprintf("activity %s: %s", e.Activity, e.Message)
}

// Failure is the whole failure as it is stored.
func (e *Error) Failure() *history.Failure { return e.failure }

// As serves errors.As: it finds the activity's own error by its type, and
// decodes it.
func (e *Error) As(target any) bool { return failure.As(e.failure, target) }

// Is serves errors.Is.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrTimeout, context.DeadlineExceeded:
		return e.failure.Kind == history.FailureTimeout
	case ErrPanicked:
		return e.failure.Kind == history.FailurePanic
	case ErrLost:
		return e.failure.Kind == history.FailureLost
	case ErrCancelled:
		return e.failure.Kind == history.FailureCancelled
	}
	return failure.Is(e.failure, target)
}

// NonRetryable marks an error as one that no retry will heal. It is transparent
// to errors.Is and errors.As.
func NonRetryable(err error) error { return failure.NonRetryable(err) }

// RegisterError gives a sentinel error a code under which it travels, so that
// errors.Is finds it in the orchestration. Call it while the program starts,
// with the same code in every program of the hub. A code given to two
// different errors panics.
func RegisterError(code string, sentinel error) { failure.Register(code, sentinel) }
