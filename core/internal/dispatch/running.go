package dispatch

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/provider"
)

// runningActivities are the activities whose code runs in this process, with
// the means to end their contexts.
type runningActivities struct {
	mu         sync.Mutex
	byInstance map[history.InstanceID][]*run
	closing    bool
}

// run is one run of an activity's code.
type run struct {
	id     history.ActivityID
	name   string
	cancel context.CancelCauseFunc
}

// add enters a run. Once the worker closes, its context ends at once.
func (r *runningActivities) add(a *run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byInstance == nil {
		r.byInstance = map[history.InstanceID][]*run{}
	}
	r.byInstance[a.id.Instance] = append(r.byInstance[a.id.Instance], a)
	if r.closing {
		a.cancel(registry.ErrShutdown)
	}
}

func (r *runningActivities) remove(a *run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	runs := r.byInstance[a.id.Instance]
	if i := slices.Index(runs, a); i >= 0 {
		runs = slices.Delete(runs, i, i+1)
	}
	if len(runs) == 0 {
		delete(r.byInstance, a.id.Instance)
	} else {
		r.byInstance[a.id.Instance] = runs
	}
}

// afterCommit ends the contexts of what the commit made void (D5): the
// activities that it cancels, or all of the execution that it ends. The
// instance is as it was before.
func (r *runningActivities) afterCommit(at *provider.Instance, c *provider.Commit) {
	ended := c.Status.Final() || c.NewExecution
	if !ended && len(c.CancelActivities) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.byInstance[at.ID] {
		if a.id.Execution < at.Execution || a.id.Execution == at.Execution && (ended || slices.Contains(c.CancelActivities, a.id.Event)) {
			a.cancel(registry.ErrCancelled)
		}
	}
}

// shutDown ends the contexts of all runs, and of those to come.
func (r *runningActivities) shutDown() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closing = true
	for _, runs := range r.byInstance {
		for _, a := range runs {
			a.cancel(registry.ErrShutdown)
		}
	}
}

// names describes what runs.
func (r *runningActivities) names() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, runs := range r.byInstance {
		for _, a := range runs {
			names = append(names, fmt.Sprintf("activity %s (%s)", a.name, a.id))
		}
	}
	slices.Sort(names)
	return names
}
