package replay

// Ready is a task that is done from the start.
func (c *Context) Ready(value any, err error) *Task {
	return &Task{m: c.m, kind: taskReady, scope: c.scope, Value: value, done: true, err: err}
}

// Race completes with the index of the first task to complete, other than by
// being cancelled, as its Value, and cancels the others.
func Race(tasks []*Task) *Task { return combine(taskRace, tasks) }

// All completes when all tasks have; the first failure completes it at once
// and cancels the others. Its Value is the index of the failed task, or -1.
func All(tasks []*Task) *Task { return combine(taskAll, tasks) }

// Join completes when all tasks have, whatever their outcomes.
func Join(tasks []*Task) *Task { return combine(taskJoin, tasks) }

// Stream yields its tasks as they complete; see [Task.Next].
func Stream(tasks []*Task) *Task { return combine(taskStream, tasks) }

func combine(kind taskKind, parts []*Task) *Task {
	t := &Task{kind: kind, parts: parts, left: len(parts), Value: -1}
	if len(parts) == 0 {
		t.done = true
		return t
	}
	if t.m = machineOf(parts); t.m != nil {
		t.scope = t.m.inside().scope
	}
	for i, part := range parts {
		if t.done {
			break
		}
		if part.done {
			t.partDone(i, part)
		} else {
			part.heirs = append(part.heirs, heir{of: t, index: i})
		}
	}
	return t
}

// partDone takes note that a part has its outcome.
func (t *Task) partDone(index int, part *Task) {
	if t.done && t.kind != taskStream {
		return
	}
	t.left--
	switch t.kind {
	case taskRace:
		switch {
		case !part.cancelled:
			t.Value = index
			t.finish(nil, nil, nil)
			t.cancelOthers(index)
		case t.left == 0:
			t.finish(nil, nil, ErrCancelled)
		}
	case taskAll:
		switch {
		case part.failure != nil || part.err != nil:
			t.Value = index
			t.finish(nil, part.failure, part.err)
			t.cancelOthers(index)
		case t.left == 0:
			t.finish(nil, nil, nil)
		}
	case taskJoin:
		if t.left == 0 {
			t.finish(nil, nil, nil)
		}
	case taskStream:
		t.queue = append(t.queue, index)
		for len(t.waiters) > 0 {
			t.m.wake(t.waiters[0])
		}
	default: // the others have no parts
	}
}

func (t *Task) cancelOthers(index int) {
	for i, part := range t.parts {
		if i != index {
			part.cancel()
		}
	}
}

// Next blocks until another part of a stream is done and returns its index, in
// history order. ok is false after the last, and in a cancelled scope.
func (t *Task) Next() (index int, ok bool) {
	for len(t.queue) == 0 {
		if t.left == 0 {
			return 0, false
		}
		f := t.m.inside()
		if f.scope.isCancelled() {
			return 0, false
		}
		f.block(t)
	}
	index, t.queue = t.queue[0], t.queue[1:]
	return index, true
}
