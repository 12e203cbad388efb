package orchestration

import (
	"errors"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/failure"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

// ErrCancelled is what blocking calls return in a cancelled scope, what a
// cancelled future ends with, and what a client sees of a cancelled instance.
// Test with errors.Is.
var ErrCancelled = replay.ErrCancelled

// ErrExists is wrapped by the error of a child whose instance id is taken.
var ErrExists = errors.New("instance exists")

// ErrPanicked is wrapped by the error of an orchestration that panicked.
var ErrPanicked = errors.New("panicked")

var errNothingToRace = errors.New("Race needs at least one future")

// Error is the failure of an orchestration, as its parent or a client sees it.
// errors.As and errors.AsType find the error that the orchestration returned
// by its type, if the type has exported fields: the value is decoded anew.
// errors.Is finds sentinels registered with [RegisterError], [ErrCancelled],
// [ErrExists] and [ErrPanicked].
type Error struct {
	Orchestration string
	Instance      history.InstanceID
	failure       *history.Failure
}

// NewError makes the error of a failed instance. Clients use it.
func NewError(orchestration string, id history.InstanceID, f *history.Failure) *Error {
	return &Error{Orchestration: orchestration, Instance: id, failure: f}
}

func (e *Error) Error() string {
	return fmt.Sprintf("orchestration %s (instance %s): %s", e.Orchestration, e.Instance, e.failure.Message)
}

// Failure is the whole failure as it is stored: kind, type, details, stack,
// causes.
func (e *Error) Failure() *history.Failure { return e.failure }

// As serves errors.As.
func (e *Error) As(target any) bool { return failure.As(e.failure, target) }

// Is serves errors.Is.
func (e *Error) Is(target error) bool {
	switch target {
	case ErrCancelled:
		return e.failure.Kind == history.FailureCancelled
	case ErrExists:
		return e.failure.Kind == history.FailureExists
	case ErrPanicked:
		return e.failure.Kind == history.FailurePanic
	}
	return failure.Is(e.failure, target)
}

// RegisterError gives a sentinel error a code under which it travels, so that
// errors.Is finds it after a trip through storage. Call it while the program
// starts, with the same code in every program of the hub. A code given to two
// different errors panics.
func RegisterError(code string, sentinel error) { failure.Register(code, sentinel) }
