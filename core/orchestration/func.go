package orchestration

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/failure"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

// Func is a declared orchestration: a name, and the types of its input and
// output. Workers implement it, orchestrations call it, clients start it.
type Func[I, O any] struct{ name string }

// Declare declares an orchestration. It never fails: a bad name is reported
// when a worker registers it or a client starts it.
func Declare[I, O any](name string) Func[I, O] { return Func[I, O]{name} }

// Name is the declared name.
func (f Func[I, O]) Name() string { return f.name }

// DefaultVersion is the version of an implementation registered with
// [Func.Func].
const DefaultVersion = "1.0.0"

// Implementation is an orchestration with its code, to be registered with a
// worker.
type Implementation struct {
	orchestration registry.Orchestration
	problem       error
}

// Register adds the implementation to a registry. Workers call it.
func (i Implementation) Register(r *registry.Registry) {
	if i.problem != nil {
		r.Fail(i.problem)
		return
	}
	r.AddOrchestration(i.orchestration)
}

// Func implements the orchestration, as version 1.0.0.
func (f Func[I, O]) Func(fn func(*Context, I) (O, error)) Implementation {
	return f.Version(DefaultVersion, fn)
}

// Version implements a version of the orchestration. Versions are semantic
// (major.minor.patch); several live side by side. A start that names none gets
// the newest; an execution keeps the version that it started with.
func (f Func[I, O]) Version(version string, fn func(*Context, I) (O, error)) Implementation {
	i := Implementation{problem: encodable[I, O]("orchestration", f.name)}
	if fn == nil {
		i.problem = fmt.Errorf("orchestration %q: its function is nil", f.name)
	}
	i.orchestration = registry.Orchestration{Name: f.name, Version: version, Run: func(r *replay.Context, input history.Payload) (history.Payload, error) {
		c := newContext(r)
		return intercept(c, input, func(c *Context, input history.Payload) (history.Payload, error) {
			var in I
			if err := c.env.Codec.Decode(input, &in); err != nil {
				return nil, failure.Invalid(fmt.Errorf("input of orchestration %q: %w", f.name, err))
			}
			out, err := fn(c, in)
			if err != nil {
				return nil, err
			}
			return encode(c, fmt.Sprintf("output of orchestration %q", f.name), out)
		})
	}}
	return i
}

// encodable reports an input or output type that JSON cannot express.
func encodable[I, O any](what, name string) error {
	var in I
	var out O
	if _, err := json.Marshal(in); err != nil {
		return fmt.Errorf("%s %q: input type %T: %w", what, name, in, err)
	}
	if _, err := json.Marshal(out); err != nil {
		return fmt.Errorf("%s %q: output type %T: %w", what, name, out, err)
	}
	return nil
}

// encode turns a value into a payload within the limits.
func encode(c *Context, what string, v any) (history.Payload, error) {
	p, err := c.env.Codec.Encode(v)
	if err != nil {
		return nil, failure.Invalid(fmt.Errorf("%s: %w", what, err))
	}
	if err := history.ValidatePayload(what, len(p)); err != nil {
		return nil, err
	}
	return p, nil
}

// ChildOptions are the options of a call to a child orchestration.
type ChildOptions struct {
	// ID is the child's instance id. Empty derives one that is unique for ever.
	// If the id is taken, the child's future fails with an error that wraps
	// [ErrExists].
	ID history.InstanceID
	// Version is the version to run; empty for the newest registered.
	Version string
	// ParentClose says what becomes of the child when the parent ends first;
	// the default asks it to cancel.
	ParentClose history.ParentClose
	Tags        map[string]string
	// Description is a text for people, shown while the child runs.
	Description string
}

// ParentCloseAbandon lets a child go on when its parent ends.
const ParentCloseAbandon = history.ParentCloseAbandon

// CallOption is an option of [Func.Call]: [ChildOptions].
type CallOption interface{ applyChild(*ChildOptions) }

func (o ChildOptions) applyChild(to *ChildOptions) { *to = o }

// Call starts a child orchestration. Its failure reaches the future as an
// [*Error].
func (f Func[I, O]) Call(c *Context, in I, options ...CallOption) *Future[O] {
	var o ChildOptions
	for _, option := range options {
		option.applyChild(&o)
	}
	if err := validStart(f.name, o.ID, o.Version, o.Tags); err != nil {
		return failed[O](c, err)
	}
	input, err := encode(c, fmt.Sprintf("input of orchestration %q", f.name), in)
	if err != nil {
		return failed[O](c, err)
	}
	task := c.r.Child(&history.ChildScheduled{
		Name: f.name, Version: o.Version, Instance: o.ID, Input: input, ParentClose: o.ParentClose,
		Description: o.Description, Tags: o.Tags, Headers: c.r.Started().Headers,
	})
	return NewFuture(task, func(t *replay.Task) (O, error) {
		var out O
		output, failed, err := t.Result()
		switch {
		case err != nil:
			return out, err
		case failed != nil:
			return out, &Error{Orchestration: f.name, Instance: failed.Child, failure: failed}
		}
		if err := c.env.Codec.Decode(output, &out); err != nil {
			return out, fmt.Errorf("output of orchestration %q: %w", f.name, err)
		}
		return out, nil
	})
}

// validStart checks what code says of an instance that it starts. What passes is
// never refused by a store: that would refuse the turn, and so park the instance.
func validStart(name string, id history.InstanceID, version string, tags map[string]string) error {
	if err := history.ValidateName("orchestration", name); err != nil {
		return err
	}
	if id != "" {
		if err := id.Validate(); err != nil {
			return err
		}
	}
	if len(version) > history.MaxNameLength {
		return &history.LimitError{What: fmt.Sprintf("the version of orchestration %q", name), Size: len(version), Limit: history.MaxNameLength, Unit: "bytes"}
	}
	return history.ValidateTags(tags)
}

// DetachOptions are the options of [Func.Detach].
type DetachOptions struct {
	ID      history.InstanceID // empty derives one
	Version string             // empty for the newest registered
	At      time.Time          // not before; zero for at once
	Tags    map[string]string
}

// Detach starts an orchestration that goes its own way: nothing of it comes
// back. It returns the id of the new instance. If the id is taken nothing
// happens.
func (f Func[I, O]) Detach(c *Context, in I, options ...DetachOptions) (history.InstanceID, error) {
	var o DetachOptions
	for _, option := range options {
		o = option
	}
	if err := validStart(f.name, o.ID, o.Version, o.Tags); err != nil {
		return "", err
	}
	if delay := o.At.Sub(c.Now()); delay > history.MaxTimerDelay {
		return "", &history.LimitError{What: fmt.Sprintf("the delay of orchestration %q", f.name), Size: int(delay / time.Hour), Limit: int(history.MaxTimerDelay / time.Hour), Unit: "hours"}
	}
	input, err := encode(c, fmt.Sprintf("input of orchestration %q", f.name), in)
	if err != nil {
		return "", err
	}
	d := &history.DetachedStarted{Name: f.name, Version: o.Version, Instance: o.ID, Input: input, Tags: o.Tags, Headers: c.r.Started().Headers}
	if !o.At.IsZero() {
		at := o.At.UTC().Round(0)
		d.Scheduled = &at
	}
	return c.r.Detach(d), nil
}

// ContinueOptions are the options of [Func.ContinueAsNew].
type ContinueOptions struct {
	// Keep is how many executions' histories are kept, the new one among them;
	// earlier ones are removed, and cannot be read any more. 0 keeps all. It is
	// not remembered: each execution says it again.
	Keep int
}

// ContinueAsNew ends this execution and begins the next of the same instance,
// with a fresh history: return what it returns.
//
//	return Poll.ContinueAsNew(ctx, next)
//
// State, custom status, and events that nobody received carry over. The newest
// registered version runs next.
func (f Func[I, O]) ContinueAsNew(c *Context, in I, options ...ContinueOptions) (O, error) {
	var zero O
	var o ContinueOptions
	for _, option := range options {
		o = option
	}
	if o.Keep < 0 {
		return zero, failure.Invalid(fmt.Errorf("orchestration %q continued as new with ContinueOptions.Keep %d: it is at least 1, for the new execution, or 0 to keep all", f.name, o.Keep))
	}
	if running := c.r.Started().Name; running != f.name {
		return zero, fmt.Errorf("orchestration %q continued as %q: an instance continues as itself only; start the other one with Detach", running, f.name)
	}
	input, err := encode(c, fmt.Sprintf("input of orchestration %q", f.name), in)
	if err != nil {
		return zero, err
	}
	return zero, &replay.ContinueAsNew{Input: input, Keep: o.Keep}
}

// Interceptor wraps the execution of orchestrations on a worker: for tracing,
// authorisation, or what travels in headers. It runs in the orchestration,
// replays included, so it must be deterministic; it calls next once.
type Interceptor func(c *Context, input history.Payload, next func(*Context, history.Payload) (history.Payload, error)) (history.Payload, error)

// intercept runs the interceptors of the worker, the first outermost.
func intercept(c *Context, input history.Payload, run func(*Context, history.Payload) (history.Payload, error)) (history.Payload, error) {
	interceptors, _ := c.env.OrchestrationInterceptors.([]Interceptor)
	for _, interceptor := range slices.Backward(interceptors) {
		next := run
		run = func(c *Context, input history.Payload) (history.Payload, error) { return interceptor(c, input, next) }
	}
	return run(c, input)
}
