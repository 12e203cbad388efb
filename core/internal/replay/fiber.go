package replay

import (
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/coro"
	"github.com/duroxide/duroxide-go/core/internal/failure"
)

// fiber is one coroutine of an orchestration: the main function, or a branch.
type fiber struct {
	m     *Machine
	co    coro.Coroutine
	scope *scope // the scope its code is in now; Shield changes it
	// waiting are the tasks it is parked on; nil while it runs or is runnable.
	waiting []*Task
	parked  bool
}

// spawn makes a fiber and puts it at the end of the run queue.
func (m *Machine) spawn(s *scope, fn func(c *Context)) *fiber {
	f := &fiber{m: m, scope: s}
	f.co = coro.New(func(coro.Coroutine) { fn(&Context{m: m, scope: s}) })
	m.fibers = append(m.fibers, f)
	m.runq = append(m.runq, f)
	m.size += baseSize
	return f
}

// run resumes runnable fibers, in the order in which they became so, until all
// are parked, the main function has returned, or one awaits a recorded value
// that history has not yet shown.
func (m *Machine) run() {
	for m.err == nil && m.ending == nil && m.stalled == nil && len(m.runq) > 0 {
		f := m.runq[0]
		m.runq = m.runq[1:]
		m.resume(f)
	}
}

func (m *Machine) resume(f *fiber) {
	m.current = f
	parked := f.co.Resume()
	m.current = nil
	if parked {
		return
	}
	for i, other := range m.fibers {
		if other == f {
			m.fibers = append(m.fibers[:i], m.fibers[i+1:]...)
			break
		}
	}
	m.size -= baseSize
	if p := f.co.Panic(); p != nil && m.ending == nil {
		m.fatal(panicFailure(p))
	}
}

func panicFailure(p *coro.Panic) *history.Failure {
	if limit, ok := p.Value.(*history.LimitError); ok {
		return limitFailure(limit)
	}
	return failure.Panic(p.Value, p.Stack)
}

// wake makes a parked fiber runnable.
func (m *Machine) wake(f *fiber) {
	if !f.parked {
		return
	}
	f.parked = false
	for _, t := range f.waiting {
		t.forget(f)
	}
	f.waiting = nil
	m.runq = append(m.runq, f)
}

// inside is the fiber whose code is running. Its absence means that a method
// was called from elsewhere, which would break determinism.
func (m *Machine) inside() *fiber {
	if m.current == nil {
		// panic: a mistake in the calling code; it must not go on as if nothing were
		panic("duroxide: used outside the orchestration's own code, for example from a goroutine: use orchestration.Go for concurrent branches")
	}
	return m.current
}

// block parks the running fiber until wake. Stopping ends it there.
func (f *fiber) block(tasks ...*Task) {
	f.waiting = tasks
	for _, t := range tasks {
		t.waiters = append(t.waiters, f)
	}
	f.parked = true
	f.co.Park()
}
