package orchestrationtest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

// handlers are what was registered, by name; orchestrations by name@version.
type handlers struct {
	orchestrations map[string]registry.Orchestration
	activities     map[string]registry.Activity
}

func newHandlers() handlers {
	return handlers{orchestrations: map[string]registry.Orchestration{}, activities: map[string]registry.Activity{}}
}

// add takes a handler in, in place of one of the same name and version.
func (hs handlers) add(h core.Handler) error {
	r := registry.New()
	h.Register(r)
	if err := r.Err(); err != nil {
		return fmt.Errorf("registering: %w", err)
	}
	orchestrations, activities := r.Names()
	for _, key := range orchestrations {
		at := strings.LastIndexByte(key, '@')
		hs.orchestrations[key], _ = r.Orchestration(key[:at], key[at+1:])
	}
	for _, name := range activities {
		hs.activities[name], _ = r.Activity(name)
	}
	return nil
}

// registry is a registry of all handlers, wrapped for the test.
func (hs handlers) registry(e *Env) *registry.Registry {
	r := registry.New()
	for _, key := range slices.Sorted(maps.Keys(hs.orchestrations)) {
		o := hs.orchestrations[key]
		o.Run = e.bounded(o.Run)
		r.AddOrchestration(o)
	}
	for _, name := range slices.Sorted(maps.Keys(hs.activities)) {
		a := hs.activities[name]
		a.Run = e.scripted(a)
		r.AddActivity(a)
	}
	return r
}

// bounded parks the code of executions beyond the limit for ever: they are cut
// off when their turn is committed.
func (e *Env) bounded(run replay.Func) replay.Func {
	return func(c *replay.Context, input history.Payload) (history.Payload, error) {
		if c.Execution() > e.limit {
			var never *replay.Task
			never = c.Go(func(*replay.Context) (any, error) { return nil, never.Await() })
			return nil, never.Await()
		}
		return run(c, input)
	}
}

// scripted fails where the script says so, instead of running the activity.
func (e *Env) scripted(a registry.Activity) func(context.Context, history.Payload) (history.Payload, error) {
	return func(ctx context.Context, input history.Payload) (history.Payload, error) {
		if err := e.scripts[a.Name].nextFailure(); err != nil {
			return nil, err
		}
		return a.Run(ctx, input)
	}
}
