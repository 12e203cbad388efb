package registry

import (
	"context"
	"errors"

	"github.com/duroxide/duroxide-go/core/internal/replay"
)

// Why the context of an activity ended: context.Cause gives one of these.
var (
	// ErrCancelled: the orchestration gave up on the activity, or ended.
	ErrCancelled = replay.ErrCancelled
	// ErrTimeout: the attempt, or all attempts together, took too long. It
	// wraps context.DeadlineExceeded.
	ErrTimeout error = timeoutError{}
	// ErrShutdown: the worker stops. The activity will run again.
	ErrShutdown = errors.New("the worker is shutting down")
	// ErrLost: the store took the activity for lost and gave it to another
	// worker. What this run returns no longer counts.
	ErrLost = errors.New("the activity was given to another worker")
)

type timeoutError struct{}

func (timeoutError) Error() string { return "activity timed out" }
func (timeoutError) Unwrap() error { return context.DeadlineExceeded }
