package replay

import (
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
)

// scope is what cancellation reaches: the whole execution, a branch, or a
// shielded part of one.
type scope struct {
	parent    *scope
	shielded  bool
	cancelled bool
}

// isCancelled reports whether cancellation has reached the scope: its own, or
// that of a scope around it with no shield between.
func (s *scope) isCancelled() bool {
	for ; s != nil; s = s.parent {
		if s.cancelled {
			return true
		}
		if s.shielded {
			return false
		}
	}
	return false
}

// cancelScope cancels everything open in a scope, in the order in which it was
// scheduled, and wakes every coroutine that is parked in it.
func (m *Machine) cancelScope(s *scope) {
	if s.cancelled {
		return
	}
	s.cancelled = true
	var ids []int64
	for id, t := range m.open {
		if t.scope.isCancelled() {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		if t := m.open[id]; t != nil {
			t.cancel()
		}
	}
	for _, f := range slices.Clone(m.fibers) {
		if f.parked && f.scope.isCancelled() {
			m.wake(f)
		}
	}
}

// Context is what orchestration code acts through: the machine, and the scope
// that its calls belong to.
type Context struct {
	m     *Machine
	scope *scope
}

// Shield runs fn in a scope that cancellation does not reach.
func (c *Context) Shield(fn func(*Context) error) error {
	f := c.m.inside()
	inner := &scope{parent: c.scope, shielded: true}
	outer := f.scope
	f.scope = inner
	defer func() { f.scope = outer }()
	return fn(&Context{m: c.m, scope: inner})
}

// Go runs fn as a branch. Its task completes with what fn returns; cancelling
// the task cancels the branch's scope.
func (c *Context) Go(fn func(*Context) (value any, err error)) *Task {
	m := c.m
	m.inside()
	s := &scope{parent: c.scope}
	t := &Task{m: m, kind: taskBranch, scope: c.scope, branch: s}
	m.spawn(s, func(c *Context) {
		value, err := fn(c)
		t.Value = value
		t.finish(nil, nil, err)
	})
	return t
}

// Cancelled reports whether cancellation has reached this context.
func (c *Context) Cancelled() bool { return c.scope.isCancelled() }

// CancelReason is the reason given with the request to cancel the instance.
func (c *Context) CancelReason() (reason string, requested bool) {
	if c.m.cancel == nil {
		return "", false
	}
	return c.m.cancel.Reason, true
}

// Replaying reports whether the code runs again what history already records.
func (c *Context) Replaying() bool { return c.m.replaying || c.m.stopping }

// Started is the first event of the execution.
func (c *Context) Started() *history.ExecutionStarted { return c.m.started }

// Instance is the id of the instance.
func (c *Context) Instance() history.InstanceID { return c.m.cfg.Instance }

// Execution is the number of the execution.
func (c *Context) Execution() int64 { return c.m.execution }

// HistoryLength is how many events the execution has.
func (c *Context) HistoryLength() int64 { return c.m.lastEvent }

// Env is what the configuration of the machine handed through.
func (c *Context) Env() any { return c.m.cfg.Env }
