package provider

import (
	"iter"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// Turn is an instance locked for one host, with the messages it is to take in.
type Turn struct {
	// Instance is as of the last commit. Instance.Execution and
	// Instance.LastEvent say which memory of it is current.
	Instance Instance
	// Messages are the first of those that are due, in order: as many as the
	// provider can consume in one commit, at most [history.MaxTurnMessages]. In
	// the first turn of an instance its start comes first. It may be empty if the
	// last commit asked for another turn.
	Messages []Message
	// Behind visits the messages that are due and not among Messages, in order,
	// and none once the turn is no longer held. This turn cannot consume them: it
	// looks ahead for those that overtake the others. The loop must be quick and
	// must not call the provider.
	Behind iter.Seq[*Message]
	// Attempt counts how often the first message has been handed over without
	// being consumed, from 1.
	Attempt int
	// Lock belongs to the provider.
	Lock any
}

// Commit is everything that a turn decided. Applying it is atomic (P1).
type Commit struct {
	// Consumed is how many of the turn's messages, from the first, the commit
	// consumes. The others are handed over again. The first commit of an
	// instance consumes its start and has events; any other is refused with
	// [ErrInvalid].
	Consumed int
	// Events are appended. Their ids follow Instance.LastEvent without a gap;
	// where the Execution steps up by one, ids begin again at 1. The last
	// event's Execution and ID become the instance's.
	Events []history.Event
	// Name and Version are the resolved ones, given with the first events of
	// an execution; empty means unchanged.
	Name    string
	Version string
	// Status is the new status; empty means unchanged. A final status removes
	// all open activities and timers, and Again.
	Status  history.Status
	Output  history.Payload
	Failure *history.Failure
	// NewExecution says that Events begin a new execution (continue-as-new, or
	// the first). Activities and timers open before this commit are removed;
	// the ones in this commit are of the new execution.
	NewExecution bool
	// CustomStatus, if not nil, replaces the custom status; a pointer to nil
	// clears it.
	CustomStatus *history.Payload
	// State are changes of the durable state, for clients to read. Only the
	// last change of a key matters.
	State []StateChange
	// Activities become open and are offered to workers. Cancelled ones, open
	// or offered, are withdrawn: an unstarted one is never offered any more.
	Activities       []Activity
	CancelActivities []int64 // event ids in the current execution
	// CompletedActivities are those whose completion the turn took in: they
	// are no longer open.
	CompletedActivities []int64
	// Timers become open. When due, the provider hands the instance a message
	// {Execution, Data: Timer.Fire}.
	Timers       []Timer
	CancelTimers []int64 // event ids in the current execution
	FiredTimers  []int64 // taken in by this turn: no longer open
	// Send are messages to instances, this one included. Starts among them
	// never fail the commit (see [Start]).
	Send []Message
	// Again asks for another turn, even without messages.
	Again bool
	// PruneThrough says that the histories of executions up to this one are not
	// needed any more: from this commit on reading them gives [ErrNotFound],
	// with an error that says so and which is the oldest one kept, and their
	// storage is freed with the commit or soon after. It must be below the
	// execution to which the commit leads. 0, or less than an earlier commit
	// said, removes nothing; nothing else of the instance changes with it.
	PruneThrough int64
}

// StateChange sets a key of the durable state; a nil Value removes it.
type StateChange struct {
	Key   string
	Value history.Payload
}

// Timer is due at a time.
type Timer struct {
	// Event names the timer within the current execution: the event that
	// created it, or that scheduled the activity whose retry it delays. One
	// event has at most one open timer.
	Event int64
	Due   time.Time
	// Fire is the data of the message that the due timer becomes.
	Fire history.Data
}

// Activity is an activity to be offered to workers.
type Activity struct {
	// Scheduled is the event that scheduled it: worker code reads name and
	// input from it. A provider need not store it with the open work: it may
	// read it back from the history by its id.
	Scheduled history.Event
	// Attempt counts from 1.
	Attempt int
	// Tag and Session route it; empty for any worker. See [HostInfo.Tags] and
	// [SessionKeeper].
	Tag     string
	Session string
}

// ActivityRef is open work by reference.
type ActivityRef struct {
	Event   int64
	Attempt int
}

// Release says how a turn or an activity is given back.
type Release struct {
	// Delay really delays: it is not handed over again before.
	Delay time.Duration
	// Uncounted leaves the attempt count as it was.
	Uncounted bool
	// Park, for a turn, shows the instance as parked with this reason, until
	// its next commit. Hosts that join later try it at once.
	Park string
}

// ActivityTask is an activity locked for one host.
type ActivityTask struct {
	ID       history.ActivityID
	Activity Activity
	// Instance names what worker code may ask about its orchestration.
	Orchestration string
	Version       string
	// Delivery counts how often this attempt has been handed over, from 1: more
	// than 1 means that a worker was lost.
	Delivery int
	// Progress is the last heartbeat detail that an earlier delivery or attempt
	// stored, nil for none.
	Progress history.Payload
	// Lease is how long the lock lasts without [Host.ExtendActivity]; 0 means
	// as long as the host lives.
	Lease time.Duration
	// Lock belongs to the provider.
	Lock any
}

// Signals is what a worker learns when it extends an activity.
type Signals struct {
	// Cancelled says definitely that the outcome no longer counts.
	Cancelled bool
}
