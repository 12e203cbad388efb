package failure

import (
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
)

// NonRetryable marks an error: no retry policy tries again after it. The mark
// is invisible to errors.Is, errors.As and in the text. It holds for wrappers
// of the error too, up to the activity that returns it.
func NonRetryable(err error) error {
	if err == nil {
		return nil
	}
	return &nonRetryable{err}
}

type nonRetryable struct{ err error }

func (e *nonRetryable) Error() string { return e.err.Error() }
func (e *nonRetryable) Unwrap() error { return e.err }

// marked looks for the mark of NonRetryable, but not beyond a carrier.
func marked(err error) bool {
	return find(err, func(err error) bool {
		_, mark := err.(*nonRetryable)
		carried, own := carriedBy(err)
		return mark || own && carried.NonRetryable
	})
}

// Retryable reports whether another attempt is allowed after a failure. It is
// not if the error was marked, if trying again cannot help (a limit, a value
// that cannot be encoded), or if the policy names the failure: by its kind, or
// by the code or type of the failure or one of its causes. Types are named in
// full, "example.com/shop.Declined", or as in code, "shop.Declined".
func Retryable(f *history.Failure, policy *history.RetryPolicy) bool {
	if f == nil || f.NonRetryable || f.Kind == history.FailureLimit || f.Kind == history.FailureInvalid {
		return false
	}
	if policy == nil || len(policy.NonRetryable) == 0 {
		return true
	}
	if slices.Contains(policy.NonRetryable, string(f.Kind)) {
		return false
	}
	for n := range All(f) {
		if n.Type == "" {
			continue
		}
		short := n.Type[strings.LastIndex(n.Type, "/")+1:]
		if slices.Contains(policy.NonRetryable, n.Type) || slices.Contains(policy.NonRetryable, short) {
			return false
		}
	}
	return true
}
