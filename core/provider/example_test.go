package provider_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
)

// Errors of a provider wrap one of a few classes; callers decide by the class.
func Example() {
	throttled := &provider.UnavailableError{After: 3 * time.Second, Cause: errors.New("429 Too Many Requests")}
	for _, err := range []error{
		fmt.Errorf("send to order-7: %w", throttled),
		fmt.Errorf("send to order-7: %w", provider.ErrUnknown),
		fmt.Errorf("send to order-7: %w", provider.ErrExists),
	} {
		fmt.Println(provider.Retryable(err), provider.RetryAfter(err, time.Second))
	}
	// Output:
	// true 3s
	// true 1s
	// false 1s
}
