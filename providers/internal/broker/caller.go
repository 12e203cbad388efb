package broker

import (
	"context"
	"fmt"
	"sync"

	"github.com/duroxide/duroxide-go/core/provider"
)

// caller is a blocked NextTurn or NextActivity. What it waits for is put into
// its hand while the mutex is held, so nobody else can take it (B5).
type caller[T any] struct {
	place link[caller[T]]
	since uint64  // the broker's count of callers
	hand  chan *T // capacity 1; nil says that the host has left
}

// desk is where the callers of one host wait for one kind of thing.
type desk[T any] struct{ line list[caller[T]] }

// callerPools keep callers, with their channels, for use again. They belong to
// one broker, since channels must not leave the synctest bubble they were made in.
type callerPools struct{ turns, works sync.Pool }

// takeCaller takes a caller from a pool.
func takeCaller[T any](pool *sync.Pool) *caller[T] {
	if c, ok := pool.Get().(*caller[T]); ok {
		return c
	}
	c := &caller[T]{hand: make(chan *T, 1)}
	c.place.value = c
	return c
}

// joinLocked puts a caller at the end of the line.
func (d *desk[T]) joinLocked(b *Broker, c *caller[T]) {
	b.callers++
	c.since = b.callers
	d.line.pushBack(&c.place)
}

// since tells which host's callers wait longest; ok is false if none waits.
func (d *desk[T]) since() (count uint64, ok bool) {
	c := d.line.front()
	if c == nil {
		return 0, false
	}
	return c.since, true
}

// giveLocked wakes the first caller with what it waited for.
func (d *desk[T]) giveLocked(t *T) {
	c := d.line.front()
	c.place.unlink()
	c.hand <- t
}

func (d *desk[T]) dismissLocked() {
	for d.line.len > 0 {
		d.giveLocked(nil)
	}
}

// await blocks a caller that stands in a line. If ctx ends at the moment in
// which it is served, it takes what it was given.
func await[T any](ctx context.Context, h *Host, c *caller[T], pool *sync.Pool) (*T, error) {
	var got *T
	select {
	case got = <-c.hand:
	case <-ctx.Done():
		h.broker.mu.Lock()
		waits := c.place.in != nil
		c.place.unlink()
		h.broker.mu.Unlock()
		if waits {
			pool.Put(c)
			return nil, ctx.Err()
		}
		got = <-c.hand
	}
	pool.Put(c)
	if got == nil {
		return nil, h.closedError()
	}
	return got, nil
}

func (h *Host) closedError() error {
	return fmt.Errorf("%w: host %q has left", provider.ErrClosed, h.info.Name)
}
