package orchestrationtest

import (
	"context"
	"errors"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// ErrStopped is the error of an instance that was stopped by [Env.StopAfter].
var ErrStopped = errors.New("stopped after the executions that StopAfter allows")

// Run starts an instance, lets everything happen until it ends, and returns its
// result. The error of one that failed or was cancelled is an
// *orchestration.Error, as a client gets it.
func Run[I, O any](e *Env, f orchestration.Func[I, O], in I, options ...orchestration.StartOptions) (O, error) {
	e.t.Helper()
	return Start(e, f, in, options...).Result()
}

// Start starts an instance and lets nothing happen yet: [Env.Advance] does, and
// Result of what it returns.
func Start[I, O any](e *Env, f orchestration.Func[I, O], in I, options ...orchestration.StartOptions) *Started[O] {
	e.t.Helper()
	var o orchestration.StartOptions
	for _, option := range options {
		o = option
	}
	e.ready()
	e.checkScripts()
	h, err := f.Start(context.Background(), e.Client(), in, o)
	if err != nil {
		e.fatal("%v", err)
	}
	scripts := e.onStart
	e.onStart = nil
	for _, script := range scripts {
		script(h.ID())
	}
	return &Started[O]{e.instances[h.ID()]}
}

// Started is an instance that the test started.
type Started[O any] struct{ *Instance }

// Result lets everything happen until the instance ends, and returns its
// result. It fails the test if the instance waits for what will never come.
func (s *Started[O]) Result() (O, error) {
	s.env.t.Helper()
	var out O
	err := s.result(&out)
	return out, err
}

// result runs to the end of the instance and decodes its output.
func (i *Instance) result(output any) error {
	e := i.env
	e.t.Helper()
	ended := func() bool { return i.row.Status.Final() || i.stopped }
	if !ended() && !e.until(ended) {
		e.fatal("%s", i.blocked())
	}
	switch {
	case i.stopped && !i.row.Status.Final():
		return ErrStopped
	case i.row.Status == history.StatusCompleted:
		return e.config.Codec.Decode(i.row.Output, output)
	}
	return orchestration.NewError(i.row.Name, i.id, i.row.Failure)
}
