package activity

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
)

// Details is what a running activity may know about itself.
type Details struct {
	Instance      history.InstanceID
	Execution     int64
	Event         int64 // the event that scheduled it
	Orchestration string
	Activity      string
	// Attempt counts the attempts of the retry policy, from 1. Delivery counts
	// how often this attempt was handed to a worker: more than 1 means that one
	// was lost.
	Attempt  int
	Delivery int
	// IdempotencyKey is the same for every attempt and delivery, on every host,
	// and unique to this call while its instance's id is used once: what begins
	// anew under an id that was purged or replaced has the same keys again.
	IdempotencyKey string
	// Deadline is when all attempts together must be done; zero for none.
	Deadline time.Time
	Headers  map[string]string
}

// Info describes the running activity. It panics if ctx is not the context
// that an activity was given, or one made from it.
func Info(ctx context.Context) Details {
	i := registry.InvocationFrom(ctx)
	d := Details{
		Instance: i.Task.ID.Instance, Execution: i.Task.ID.Execution, Event: i.Task.ID.Event,
		Orchestration: i.Task.Orchestration, Attempt: i.Task.Activity.Attempt, Delivery: i.Task.Delivery,
		IdempotencyKey: i.IdempotencyKey,
	}
	if s, ok := i.Task.Activity.Scheduled.Data.(*history.ActivityScheduled); ok {
		d.Activity, d.Headers = s.Name, s.Headers
		if s.Deadline != nil {
			d.Deadline = *s.Deadline
		}
	}
	return d
}

// Logger is the worker's logger, with the activity, its instance and attempt.
func Logger(ctx context.Context) *slog.Logger { return registry.InvocationFrom(ctx).Logger }

// Heartbeat shows that the activity lives, and keeps a detail for the next
// delivery or attempt, should this one be lost: see [Progress]. Details are
// coalesced: calling it often is cheap. A local activity keeps none.
func Heartbeat(ctx context.Context, detail any) error {
	i := registry.InvocationFrom(ctx)
	p, err := i.Env.Codec.Encode(detail)
	if err != nil {
		return fmt.Errorf("heartbeat of activity: %w", err)
	}
	if err := history.ValidatePayload("heartbeat detail", len(p)); err != nil {
		return err
	}
	return i.Heartbeat(p)
}

// Progress decodes the last heartbeat detail of an earlier delivery or attempt
// into what detail points to, and reports whether there was one.
func Progress(ctx context.Context, detail any) (bool, error) {
	i := registry.InvocationFrom(ctx)
	if i.Task.Progress == nil {
		return false, nil
	}
	return true, i.Env.Codec.Decode(i.Task.Progress, detail)
}
