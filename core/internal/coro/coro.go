package coro

import (
	"fmt"
	"iter"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// Coroutine is one coroutine. Resume, Stop and Dump are for its owner, one at
// a time, from any goroutine; Park is for the coroutine's own code.
type Coroutine interface {
	// Resume runs the coroutine until it parks (true) or ends (false).
	Resume() (parked bool)
	// Park gives control back to the caller of Resume, until the next Resume.
	// If the coroutine is stopped instead, Park does not return: deferred calls
	// run and the coroutine ends.
	Park()
	// Stop ends a coroutine that is parked, new or ended, and returns when its
	// deferred calls have run.
	Stop()
	// Dump is the stack of a parked coroutine.
	Dump() []byte
	// Panic is what the code panicked with, nil if it did not.
	Panic() *Panic
}

// Panic is a panic of the code in a coroutine.
type Panic struct {
	Value any
	Stack []byte
}

func (p *Panic) Error() string { return fmt.Sprintf("panic: %v", p.Value) }

// New makes a coroutine that will run fn.
func New(fn func(Coroutine)) Coroutine {
	if useChannels {
		return NewChannel(fn)
	}
	return NewPull(fn)
}

// state is what both implementations share.
type state struct {
	running  atomic.Bool
	stopping atomic.Bool
	dumping  bool
	stack    []byte
	panicked *Panic
}

func (s *state) Panic() *Panic { return s.panicked }

// leave marks the coroutine as parked, or refuses (C3).
func (s *state) leave() {
	if s.stopping.Load() {
		runtime.Goexit()
	}
	if !s.running.CompareAndSwap(true, false) {
		// panic: a mistake in the calling code; the coroutine turns it into the failure of its instance
		panic("duroxide: awaited outside the orchestration's own code, for example from a goroutine: use orchestration.Go for concurrent branches")
	}
}

// guard runs the code of a coroutine and keeps what it panics with (C2).
func (s *state) guard(fn func()) {
	defer func() {
		if r := recover(); r != nil {
			s.panicked = &Panic{Value: r, Stack: debug.Stack()}
		}
	}()
	fn()
}

// pull is the implementation on iter.Pull.
type pull struct {
	state
	next  func() (struct{}, bool)
	stop  func()
	yield func(struct{}) bool
	live  bool // begun and not ended
}

// NewPull makes a coroutine on iter.Pull.
func NewPull(fn func(Coroutine)) Coroutine {
	c := &pull{}
	c.next, c.stop = iter.Pull(func(yield func(struct{}) bool) {
		c.yield = yield
		c.guard(func() { fn(c) })
		c.running.Store(false)
	})
	return c
}

func (c *pull) Resume() bool {
	c.running.Store(true)
	_, c.live = c.next()
	return c.live
}

func (c *pull) Park() {
	c.leave()
	for {
		if !c.yield(struct{}{}) {
			runtime.Goexit()
		}
		if !c.dumping {
			return
		}
		c.stack = debug.Stack()
	}
}

func (c *pull) Stop() {
	c.stopping.Store(true)
	done := make(chan struct{})
	go func() { // C1: Goexit ends this goroutine, not the caller
		defer close(done)
		c.stop()
	}()
	<-done
}

func (c *pull) Dump() []byte {
	c.stack = nil
	if c.stopping.Load() || !c.live {
		return nil
	}
	c.dumping = true
	c.next()
	c.dumping = false
	return c.stack
}
