package orchestration

import (
	"iter"

	"github.com/duroxide/duroxide-go/core/internal/replay"
)

// None is the type of what has no value. It encodes as {}.
type None = struct{}

// Future is a value that will be there later: of an activity, a timer, an
// event, a child, a branch, or a combination of them. Futures are compared as
// pointers, belong to one execution, and are for its code alone.
type Future[T any] struct {
	task   *replay.Task
	result func(*replay.Task) (T, error)
}

// NewFuture makes a future of a task. It serves the other packages of this
// module.
func NewFuture[T any](task *replay.Task, result func(*replay.Task) (T, error)) *Future[T] {
	return &Future[T]{task: task, result: result}
}

// Await blocks until the value is there and returns it, or the error it ended
// with. It may be called any number of times. In a cancelled scope it returns
// [ErrCancelled] rather than block.
func (f *Future[T]) Await() (T, error) {
	if err := f.task.Await(); err != nil {
		var zero T
		return zero, err
	}
	return f.result(f.task)
}

// Ready reports whether Await would return at once.
func (f *Future[T]) Ready() bool { return f.task.Done() }

// Cancel gives up on the future and on what it stands for: a running activity's
// context is cancelled, a child is asked to cancel, a timer or wait is removed
// from storage. Await then returns [ErrCancelled]. A branch is cancelled by its
// scope and completes with what it returns. A future that is ready stays as it
// is.
func (f *Future[T]) Cancel() { f.task.Cancel() }

func (f *Future[T]) completed() bool         { return f.task.Done() }
func (f *Future[T]) awaitable() *replay.Task { return f.task }

// Winner is one of several futures of unlike types, to be compared with ==.
type Winner interface{ completed() bool }

// Awaitable is any future.
type Awaitable interface {
	Winner
	awaitable() *replay.Task
}

func tasksOf[A Awaitable](futures []A) []*replay.Task {
	tasks := make([]*replay.Task, len(futures))
	for i, f := range futures {
		tasks[i] = f.awaitable()
	}
	return tasks
}

// First blocks until one of the futures completes and returns it, for a switch.
// History order decides, and the order of the arguments among those already
// complete. Those that lose go on and may be awaited again. The error is
// [ErrCancelled] in a cancelled scope; a future that was cancelled never wins.
func First(futures ...Awaitable) (Winner, error) {
	i, err := replay.First(tasksOf(futures))
	if err != nil {
		return nil, err
	}
	return futures[i], nil
}

// Race completes with the first of the futures to complete, as [First], and
// cancels the others.
func Race(futures ...Awaitable) *Future[Winner] {
	return NewFuture(replay.Race(tasksOf(futures)), func(t *replay.Task) (Winner, error) {
		if _, _, err := t.Result(); err != nil {
			return nil, err
		}
		i, _ := t.Value.(int)
		if i < 0 {
			return nil, errNothingToRace
		}
		return futures[i], nil
	})
}

// All completes with the values of all futures, in the order of the arguments,
// or with the error of the first that fails; then the others are cancelled.
func All[T any](futures ...*Future[T]) *Future[[]T] {
	return NewFuture(replay.All(tasksOf(futures)), func(t *replay.Task) ([]T, error) {
		if i, _ := t.Value.(int); i >= 0 {
			_, err := futures[i].result(futures[i].task)
			return nil, err
		}
		if _, _, err := t.Result(); err != nil {
			return nil, err
		}
		values := make([]T, len(futures))
		for i, f := range futures {
			var err error
			if values[i], err = f.result(f.task); err != nil {
				return nil, err
			}
		}
		return values, nil
	})
}

// Join completes when all futures have, whatever they ended with: await each
// for its own outcome. Its only error is [ErrCancelled].
func Join(futures ...Awaitable) *Future[None] {
	return none(replay.Join(tasksOf(futures)))
}

// AsCompleted yields the futures as they complete, in history order, each with
// its place among the arguments. The loop ends early in a cancelled scope.
func AsCompleted[T any](futures ...*Future[T]) iter.Seq2[int, *Future[T]] {
	return func(yield func(int, *Future[T]) bool) {
		stream := replay.Stream(tasksOf(futures))
		for {
			i, ok := stream.Next()
			if !ok || !yield(i, futures[i]) {
				return
			}
		}
	}
}

// none is a future without a value.
func none(task *replay.Task) *Future[None] {
	return NewFuture(task, func(t *replay.Task) (None, error) {
		_, _, err := t.Result()
		return None{}, err
	})
}

// failed is a future that has failed from the start, with an error that history
// need not record, since every replay makes it again.
func failed[T any](c *Context, err error) *Future[T] {
	return NewFuture(c.r.Ready(nil, err), func(*replay.Task) (T, error) {
		var zero T
		return zero, err
	})
}
