package coro

import (
	"runtime"
	"runtime/debug"
)

// channel is the implementation on a goroutine and two channels.
type channel struct {
	state
	fn     func(Coroutine)
	resume chan bool // false: stop
	parked chan bool // false: ended
	begun  bool
	ended  bool
	exited bool // by a Goexit of user code
}

// NewChannel makes a coroutine on a goroutine and channels.
func NewChannel(fn func(Coroutine)) Coroutine {
	return &channel{fn: fn, resume: make(chan bool), parked: make(chan bool)}
}

func (c *channel) begin() {
	c.begun = true
	go func() {
		normal := false
		defer func() {
			c.exited = !normal && !c.stopping.Load()
			c.running.Store(false)
			c.parked <- false
		}()
		if <-c.resume {
			c.guard(func() { c.fn(c) })
		}
		normal = true
	}()
}

func (c *channel) Resume() bool {
	if c.ended {
		return false
	}
	if !c.begun {
		c.begin()
	}
	c.running.Store(true)
	return c.turn(true)
}

func (c *channel) turn(resume bool) bool {
	c.resume <- resume
	parked := <-c.parked
	c.ended = !parked
	if c.exited {
		runtime.Goexit() // as iter.Pull does
	}
	return parked
}

func (c *channel) Park() {
	c.leave()
	for {
		c.parked <- true
		if !<-c.resume {
			runtime.Goexit()
		}
		if !c.dumping {
			return
		}
		c.stack = debug.Stack()
	}
}

func (c *channel) Stop() {
	c.stopping.Store(true)
	if c.begun && !c.ended {
		c.turn(false)
	}
	c.ended = true
}

func (c *channel) Dump() []byte {
	c.stack = nil
	if c.stopping.Load() || !c.begun || c.ended {
		return nil
	}
	c.dumping = true
	c.turn(true)
	c.dumping = false
	return c.stack
}
