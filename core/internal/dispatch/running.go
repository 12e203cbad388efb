package dispatch

import (
	"context"
	"errors"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
)

// errGivenUp is the cause with which the context of an activity ends that its
// orchestration gave up on.
var errGivenUp = errors.New("the orchestration gave up on the activity")

// runningActivities are the activities that run in this process, with the
// means to cancel them.
type runningActivities struct {
	mu         *sync.Mutex
	byInstance map[history.InstanceID]map[history.ActivityID]context.CancelCauseFunc
}

func newRunningActivities() runningActivities {
	return runningActivities{mu: new(sync.Mutex), byInstance: map[history.InstanceID]map[history.ActivityID]context.CancelCauseFunc{}}
}

func (r runningActivities) add(id history.ActivityID, cancel context.CancelCauseFunc) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.byInstance[id.Instance]
	if all == nil {
		all = map[history.ActivityID]context.CancelCauseFunc{}
		r.byInstance[id.Instance] = all
	}
	all[id] = cancel
}

func (r runningActivities) remove(id history.ActivityID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := r.byInstance[id.Instance]
	delete(all, id)
	if len(all) == 0 {
		delete(r.byInstance, id.Instance)
	}
}

// cancel ends the context of one activity, if it runs here.
func (r runningActivities) cancel(id history.ActivityID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if cancel := r.byInstance[id.Instance][id]; cancel != nil {
		cancel(errGivenUp)
	}
}

// cancelInstance ends the contexts of all activities of an instance up to an
// execution.
func (r runningActivities) cancelInstance(instance history.InstanceID, through int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, cancel := range r.byInstance[instance] {
		if id.Execution <= through {
			cancel(errGivenUp)
		}
	}
}
