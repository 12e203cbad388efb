package orchestration

import (
	"context"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
)

// State is a declared value that an instance keeps, durably, and that clients
// may read. It survives continue-as-new.
type State[T any] struct{ key string }

// DeclareState declares a state value under a key.
func DeclareState[T any](key string) State[T] { return State[T]{key} }

// Key is the declared key.
func (s State[T]) Key() string { return s.key }

// Get returns the value, or the zero value if it was never set. The error says
// that what is stored does not decode into T.
func (s State[T]) Get(c *Context) (T, error) {
	var v T
	if err := c.env.Codec.Decode(c.r.State(s.key), &v); err != nil {
		return v, fmt.Errorf("state %q: %w", s.key, err)
	}
	return v, nil
}

// Set changes the value. It is visible to clients when the turn is committed.
// The error names a limit that would be exceeded, or says that the value cannot
// be encoded; then nothing changes.
func (s State[T]) Set(c *Context, v T) error {
	if err := history.ValidateName("state", s.key); err != nil {
		return err
	}
	p, err := encode(c, fmt.Sprintf("state %q", s.key), v)
	if err != nil {
		return err
	}
	return c.r.SetState(s.key, p)
}

// Clear removes the value.
func (s State[T]) Clear(c *Context) error { return c.r.SetState(s.key, nil) }

// Read returns the value as of the last commit of an instance, or the zero
// value if it is not set.
func (s State[T]) Read(ctx context.Context, client Client, id history.InstanceID) (T, error) {
	var v T
	err := client.State(ctx, id, s.key, &v)
	return v, err
}
