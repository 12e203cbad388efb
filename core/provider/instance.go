package provider

import (
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// Instance is what a store shows of an instance without reading its history.
type Instance struct {
	ID        history.InstanceID
	Name      string
	Version   string
	Status    history.Status
	Execution int64 // current execution, 0 before the first turn is committed
	LastEvent int64 // id of its last committed event, 0 likewise
	// Pruned says that the histories of executions up to this one were removed
	// ([Commit.PruneThrough]); 0 for none.
	Pruned    int64
	RequestID string
	Parent    *history.ParentRef
	Tags      map[string]string
	Created   time.Time
	Updated   time.Time // of the last commit
	Finished  time.Time // zero until final
	// CustomStatus is what the orchestration last set; StatusRevision counts
	// the changes, and the change to a final status.
	CustomStatus   history.Payload
	StatusRevision int64
	// Output or Failure, once final.
	Output  history.Payload
	Failure *history.Failure
	// Parked is set while the instance cannot proceed for a reason outside
	// itself.
	Parked *Parked
}

// Parked says why an instance is set aside.
type Parked struct {
	Reason string // for the operator: what is wrong and what will heal it
	Since  time.Time
}

// Query selects instances for [Store.List]. The zero value selects all.
type Query struct {
	Prefix   string           // of the id
	Name     string           // of the orchestration
	Statuses []history.Status // any of
	Parked   bool             // only parked ones
	After    history.InstanceID
	Limit    int // of the page; 0 means 100, at most 1,000
}

// Outstanding is what an instance still waits for, or has waiting. Auditors
// read it: a running instance without any of it is stuck.
type Outstanding struct {
	Messages   []Message // accepted and not consumed, in order
	Activities []ActivityRef
	Timers     []Timer
	// Again says that the last commit asked for another turn.
	Again bool
}

// DeadLetter is a message that could not be applied.
type DeadLetter struct {
	Message Message
	Reason  string
	Time    time.Time
}

// Until is the condition on which [Store.Wait] returns: all of it must hold.
// The zero value holds for every instance.
type Until struct {
	Final          bool  // the status is final
	Started        bool  // the status is no longer pending
	StatusRevision int64 // Instance.StatusRevision is at least this: 1 for the first change
}

// Holds reports whether the condition holds for an instance as read. Statuses
// that are final satisfy every condition, since nothing will change any more.
func (u Until) Holds(i *Instance) bool {
	if i.Status.Final() {
		return true
	}
	return !u.Final &&
		(!u.Started || i.Status != history.StatusPending) &&
		i.StatusRevision >= u.StatusRevision
}
