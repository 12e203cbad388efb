package replay

import (
	"errors"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
)

// ErrCancelled is what blocking calls return in a cancelled scope, and what a
// cancelled task ends with.
var ErrCancelled = errors.New("cancelled")

type taskKind uint8

const (
	taskActivity taskKind = iota + 1
	taskTimer
	taskWait
	taskChild
	taskBranch
	taskRace
	taskAll
	taskJoin
	taskStream
	taskReady // complete from the start
)

// Task is something that an orchestration can await.
type Task struct {
	m     *Machine
	kind  taskKind
	id    int64 // of the event that scheduled it; 0 for what has none
	scope *scope

	// Value is the result of a branch, a race or a join of other tasks.
	Value any

	done      bool
	cancelled bool
	output    history.Payload
	failure   *history.Failure
	err       error

	waiters []*fiber
	heirs   []heir // combinations that this task is part of

	// Of an activity: what was scheduled, the attempt that runs or is due, and
	// whether its retry waits for a timer.
	scheduled *history.ActivityScheduled
	attempt   int
	retrying  bool

	child  history.InstanceID // of a child
	close  history.ParentClose
	key    channelKey // of a wait
	branch *scope     // of a branch
	parts  []*Task    // of a combination
	left   int        // parts not yet done
	queue  []int      // of a stream: parts done and not yet taken
}

// heir is a combination, and the place of a task among its parts.
type heir struct {
	of    *Task
	index int
}

// Done reports whether the task has an outcome.
func (t *Task) Done() bool { return t.done }

// Cancelled reports whether the outcome is that the task was cancelled.
func (t *Task) Cancelled() bool { return t.cancelled }

// Result is the outcome of a done task: at most one of the three is set, and
// none means a result of nothing.
func (t *Task) Result() (history.Payload, *history.Failure, error) {
	return t.output, t.failure, t.err
}

// Await blocks the running coroutine until the task is done. It returns
// [ErrCancelled] if the scope of the code that awaits is cancelled first.
func (t *Task) Await() error {
	if t.m == nil { // a combination of nothing
		return nil
	}
	f := t.m.inside()
	for !t.done {
		if f.scope.isCancelled() {
			return ErrCancelled
		}
		f.block(t)
	}
	return nil
}

// First blocks until one of the tasks has completed, other than by being
// cancelled, and returns its index: the earlier one in history, or the earlier
// argument of those already complete. In a cancelled scope, and when all tasks
// were cancelled, it returns [ErrCancelled].
func First(tasks []*Task) (int, error) {
	if len(tasks) == 0 {
		return 0, errors.New("First needs at least one future")
	}
	m := machineOf(tasks)
	if m == nil {
		return 0, nil
	}
	f := m.inside()
	for {
		if f.scope.isCancelled() {
			return 0, ErrCancelled
		}
		open := false
		for i, t := range tasks {
			if t.done && !t.cancelled {
				return i, nil
			}
			open = open || !t.done
		}
		if !open {
			return 0, ErrCancelled
		}
		f.block(tasks...)
	}
}

// machineOf is the machine of the tasks; nil if all are combinations of nothing,
// which are done.
func machineOf(tasks []*Task) *Machine {
	for _, t := range tasks {
		if t.m != nil {
			return t.m
		}
	}
	return nil
}

// forget removes a fiber from the waiters.
func (t *Task) forget(f *fiber) {
	if i := slices.Index(t.waiters, f); i >= 0 {
		t.waiters = slices.Delete(t.waiters, i, i+1)
	}
}

// finish gives the task its outcome, tells the combinations it is part of, and
// wakes who awaits it.
func (t *Task) finish(output history.Payload, f *history.Failure, err error) {
	if t.done {
		return
	}
	t.done, t.output, t.failure, t.err = true, output, f, err
	t.cancelled = errors.Is(err, ErrCancelled) && (t.branch == nil || t.branch.isCancelled())
	if t.id != 0 {
		delete(t.m.open, t.id)
		t.m.size -= t.weight()
	}
	t.scheduled = nil
	heirs := t.heirs
	t.heirs = nil
	for _, h := range heirs {
		h.of.partDone(h.index, t)
	}
	for len(t.waiters) > 0 {
		t.m.wake(t.waiters[0])
	}
}

// weight estimates the bytes an open task holds.
func (t *Task) weight() int {
	w := 256
	if t.scheduled != nil {
		w += len(t.scheduled.Input)
	}
	return w
}

// Cancel gives up on the task, and on what it consists of. A task that is done
// stays as it is. It is for orchestration code.
func (t *Task) Cancel() {
	if !t.done {
		t.m.inside()
		t.cancel()
	}
}

func (t *Task) cancel() {
	if t.done {
		return
	}
	m := t.m
	switch t.kind {
	case taskActivity:
		m.decide(&history.ActivityCancelled{Source: t.id})
	case taskTimer:
		m.decide(&history.TimerCancelled{Source: t.id})
	case taskChild:
		m.decide(&history.ChildCancelled{Source: t.id})
	case taskWait:
		m.decide(&history.WaitCancelled{Source: t.id})
		m.unwait(t)
	case taskBranch:
		m.cancelScope(t.branch)
		return // the branch decides how it ends
	default:
		for _, part := range t.parts {
			part.cancel()
		}
	}
	t.finish(nil, nil, ErrCancelled)
}
