package registry

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Invocation is one run of an activity, as its code may see it.
type Invocation struct {
	Task *provider.ActivityTask
	Env  *Env
	// IdempotencyKey is the same for every attempt and delivery of the call.
	IdempotencyKey string
	Logger         *slog.Logger
	// Heartbeat keeps a detail for a later delivery.
	Heartbeat func(history.Payload) error
}

// NewInvocation describes a run whose heartbeats go nowhere.
func NewInvocation(task *provider.ActivityTask, env *Env) *Invocation {
	name := ""
	if s, ok := task.Activity.Scheduled.Data.(*history.ActivityScheduled); ok {
		name = s.Name
	}
	return &Invocation{
		Task: task, Env: env,
		IdempotencyKey: env.Hub + "/" + task.ID.String(),
		Logger: env.Logger.With("instance", string(task.ID.Instance), "execution", task.ID.Execution,
			"activity", name, "event", task.ID.Event, "attempt", task.Activity.Attempt),
		Heartbeat: func(history.Payload) error { return nil },
	}
}

type invocationKey struct{}

// WithInvocation gives an activity's context its invocation.
func WithInvocation(ctx context.Context, i *Invocation) context.Context {
	return context.WithValue(ctx, invocationKey{}, i)
}

// InvocationFrom is the invocation of an activity's context. It panics for any
// other context: that is a mistake in the calling code.
func InvocationFrom(ctx context.Context) *Invocation {
	i, ok := ctx.Value(invocationKey{}).(*Invocation)
	if !ok {
		// panic: a mistake in the calling code, which the activity loop recovers
		panic(fmt.Sprintf("duroxide: the context is not that of a running activity (%v)", ctx))
	}
	return i
}
