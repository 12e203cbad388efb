package orchestrationtest

import (
	"context"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/failure"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/provider"
)

// work is a run of an activity in virtual time.
type work struct {
	took    time.Duration
	limited bool
	limit   time.Duration
	final   bool // the limit is that of all attempts
	cause   error
	cancel  context.CancelCauseFunc
}

type workKey struct{}

// Elapse lets virtual time pass in an activity. It returns the reason if that
// takes the activity beyond its timeout, and ends its context. Use it in fakes,
// with a long duration for one that hangs; in inline activities no time passes.
func Elapse(ctx context.Context, d time.Duration) error {
	if w, ok := ctx.Value(workKey{}).(*work); ok {
		w.elapse(d)
	}
	return context.Cause(ctx)
}

func (w *work) elapse(d time.Duration) {
	w.took += max(d, 0)
	if w.limited && w.took > w.limit {
		w.took = w.limit
		w.cancel(w.cause)
	}
}

// attempt runs an activity. How it ended arrives when the time that it takes
// has passed, unless it is closed before.
func (e *Env) attempt(i *Instance, a provider.Activity, delivery int) {
	e.t.Helper()
	s := a.Scheduled.Data.(*history.ActivityScheduled)
	handler, found := e.registry.Activity(s.Name)
	if !found {
		e.fatal("instance %q calls the activity %q, which is not registered: register it, or a fake: e.Register(%s.Func(fake))", i.id, s.Name, s.Name)
	}
	task := &provider.ActivityTask{
		ID:       history.ActivityID{Instance: i.id, Execution: a.Scheduled.Execution, Event: a.Scheduled.ID},
		Activity: a, Orchestration: i.row.Name, Version: i.row.Version, Delivery: delivery, Progress: i.progress[a.Scheduled.ID],
	}
	started := e.now
	w := e.bounds(s)
	output, f := e.run(w, i, task, s, handler)
	next := func() { e.complete(i, task, started, output, f) }
	if f == nil && e.scripts[s.Name].lost() {
		next = func() { e.attempt(i, a, delivery+1) }
	}
	if i.activities[a.Scheduled.ID] != nil { // it may have cancelled its own instance by now
		i.activities[a.Scheduled.ID] = e.after(w.took, next)
	}
}

// bounds is the time that an attempt may take.
func (e *Env) bounds(s *history.ActivityScheduled) *work {
	w := &work{limit: s.Timeout.Duration()}
	w.limited = w.limit > 0
	w.cause = fmt.Errorf("%w: the attempt took longer than its limit of %v", registry.ErrTimeout, w.limit)
	if s.Deadline != nil {
		if left := s.Deadline.Sub(e.now); !w.limited || left < w.limit {
			w.limited, w.limit, w.final = true, max(left, 0), true
			w.cause = fmt.Errorf("%w: the deadline of all its attempts passed at %s", registry.ErrTimeout, s.Deadline.UTC().Format(time.RFC3339))
		}
	}
	return w
}

func (e *Env) run(w *work, i *Instance, task *provider.ActivityTask, s *history.ActivityScheduled, handler registry.Activity) (output history.Payload, f *history.Failure) {
	ctx, cancel := context.WithCancelCause(context.WithValue(context.Background(), workKey{}, w))
	defer cancel(nil)
	w.cancel = cancel
	invocation := registry.NewInvocation(task, e.env)
	invocation.Heartbeat = func(p history.Payload) error {
		i.progress[task.ID.Event] = p
		return context.Cause(ctx)
	}
	output, f = call(registry.WithInvocation(ctx, invocation), handler, s.Input)
	if w.elapse(e.scripts[s.Name].takes()); ctx.Err() != nil {
		f = &history.Failure{Kind: history.FailureTimeout, Message: w.cause.Error(), NonRetryable: w.final, Cause: f}
	}
	if f != nil {
		output, f.Activity, f.Attempt = nil, s.Name, task.Activity.Attempt
	}
	return output, f
}

// call runs the code of an activity; a panic is its failure.
func call(ctx context.Context, handler registry.Activity, input history.Payload) (output history.Payload, f *history.Failure) {
	defer func() {
		if p := recover(); p != nil {
			output, f = nil, failure.Panic(p, debug.Stack())
		}
	}()
	output, err := handler.Run(ctx, input)
	return output, failure.Of(err)
}

// complete hands in how an attempt ended.
func (e *Env) complete(i *Instance, task *provider.ActivityTask, started time.Time, output history.Payload, f *history.Failure) {
	e.t.Helper()
	m := provider.Message{
		ID: fmt.Sprintf("%s/attempt/%d", task.ID, task.Activity.Attempt), To: i.id, Execution: task.ID.Execution, Sent: e.now,
		Data: &history.ActivityCompleted{Source: task.ID.Event, Attempt: task.Activity.Attempt, Output: output, Started: &started, Worker: "test"},
	}
	if f != nil {
		m.Data = &history.ActivityFailed{Source: task.ID.Event, Attempt: task.Activity.Attempt, Failure: f, Started: &started, Worker: "test"}
	}
	e.arrive(m)
}
