package activity

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/failure"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/internal/replay"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// None is the type of what has no value.
type None = orchestration.None

// Func is a declared activity: a name, and the types of its input and output.
// Workers implement it, orchestrations call it.
type Func[I, O any] struct{ name string }

// Declare declares an activity. It never fails: a bad name is reported when a
// worker registers it.
func Declare[I, O any](name string) Func[I, O] { return Func[I, O]{name} }

// Name is the declared name.
func (f Func[I, O]) Name() string { return f.name }

// Implementation is an activity with its code, to be registered with a worker.
type Implementation struct {
	activity registry.Activity
	problem  error
}

// Register adds the implementation to a registry. Workers call it.
func (i Implementation) Register(r *registry.Registry) {
	if i.problem != nil {
		r.Fail(i.problem)
		return
	}
	r.AddActivity(i.activity)
}

// Func implements the activity. The function may run on several goroutines at
// once.
func (f Func[I, O]) Func(fn func(context.Context, I) (O, error)) Implementation {
	i := Implementation{problem: encodable[I, O](f.name)}
	if fn == nil {
		i.problem = fmt.Errorf("activity %q: its function is nil", f.name)
	}
	i.activity = registry.Activity{Name: f.name, Run: func(ctx context.Context, input history.Payload) (history.Payload, error) {
		return intercept(ctx, input, func(ctx context.Context, input history.Payload) (history.Payload, error) {
			codec := registry.InvocationFrom(ctx).Env.Codec
			var in I
			if err := codec.Decode(input, &in); err != nil {
				return nil, failure.Invalid(fmt.Errorf("input of activity %q: %w", f.name, err))
			}
			out, err := fn(ctx, in)
			if err != nil {
				return nil, err
			}
			output, err := codec.Encode(out)
			if err != nil {
				return nil, failure.Invalid(fmt.Errorf("output of activity %q: %w", f.name, err))
			}
			what := fmt.Sprintf("output of activity %q", f.name)
			return output, history.ValidatePayload(what, len(output))
		})
	}}
	return i
}

func encodable[I, O any](name string) error {
	var in I
	var out O
	if _, err := json.Marshal(in); err != nil {
		return fmt.Errorf("activity %q: input type %T: %w", name, in, err)
	}
	if _, err := json.Marshal(out); err != nil {
		return fmt.Errorf("activity %q: output type %T: %w", name, out, err)
	}
	return nil
}

// Call schedules the activity and returns the future of its result. It runs
// when the turn is committed, on any worker that serves it.
func (f Func[I, O]) Call(c *orchestration.Context, in I, options ...Option) *orchestration.Future[O] {
	r, env := orchestration.Bridge(c)
	var call call
	for _, option := range options {
		option.apply(&call)
	}
	fail := func(err error) *orchestration.Future[O] {
		return orchestration.NewFuture(r.Ready(nil, err), func(*replay.Task) (O, error) {
			var zero O
			return zero, err
		})
	}
	d, err := call.scheduled(f.name, r)
	if err != nil {
		return fail(err)
	}
	if d.Input, err = env.Codec.Encode(in); err != nil {
		return fail(failure.Invalid(fmt.Errorf("input of activity %q: %w", f.name, err)))
	}
	if err := history.ValidatePayload(fmt.Sprintf("input of activity %q", f.name), len(d.Input)); err != nil {
		return fail(err)
	}
	var task *replay.Task
	if call.Local {
		task = r.Inline(d)
	} else {
		task = r.Activity(d)
	}
	return orchestration.NewFuture(task, func(t *replay.Task) (O, error) {
		var out O
		output, failed, err := t.Result()
		switch {
		case err != nil:
			return out, err
		case failed != nil:
			return out, newError(f.name, failed)
		}
		if err := env.Codec.Decode(output, &out); err != nil {
			return out, fmt.Errorf("output of activity %q: %w", f.name, err)
		}
		return out, nil
	})
}

// Interceptor wraps every execution of an activity on a worker: for tracing,
// authorisation, or limits. It calls next at most once.
type Interceptor func(ctx context.Context, input history.Payload, next func(context.Context, history.Payload) (history.Payload, error)) (history.Payload, error)

// intercept runs the interceptors of the worker, the first outermost.
func intercept(ctx context.Context, input history.Payload, run func(context.Context, history.Payload) (history.Payload, error)) (history.Payload, error) {
	interceptors, _ := registry.InvocationFrom(ctx).Env.ActivityInterceptors.([]Interceptor)
	for _, interceptor := range slices.Backward(interceptors) {
		next := run
		run = func(ctx context.Context, input history.Payload) (history.Payload, error) {
			return interceptor(ctx, input, next)
		}
	}
	return run(ctx, input)
}
