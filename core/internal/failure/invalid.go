package failure

import "github.com/duroxide/duroxide-go/core/history"

// Invalid marks an error as one of a value that cannot be encoded or decoded:
// no retry heals it.
func Invalid(err error) error { return &invalid{err} }

type invalid struct{ err error }

func (e *invalid) Error() string { return e.err.Error() }
func (e *invalid) Unwrap() error { return e.err }
func (e *invalid) Failure() *history.Failure {
	return &history.Failure{Kind: history.FailureInvalid, Message: e.err.Error(), NonRetryable: true}
}
