// Package verify is the auditor: it reads a store, through the reads of its
// contract alone, and says whether what stands there can be the work of an
// engine that keeps its promises.
//
// It shares no code with the engine. What a valid history is it works out anew,
// so that an error in the engine's own checks is seen here, and the other way
// round.
//
// # How it works
//
// [Store] walks over all instances in the order of their ids. For each it reads
// the row, the histories of all executions, and what is outstanding, and holds
// them against each other and against parents, children and receivers. It keeps
// one instance at a time in memory, and of each only what others must match:
// the ids of events sent between instances that were not seen to arrive, and
// the activities whose effects are to be audited.
//
// A store that is in use changes while it is read. Reads of one instance count
// only if its row was the same before and after them. What still looks wrong is
// read again, several times, with a pause before each; only what stays is
// reported. Of an instance that never holds still, only its histories are
// judged: events do not change.
//
// # Findings and notes
//
// A finding is a broken rule: the audit has failed. A note is something that an
// operator may want to know and that has an innocent explanation, such as a
// child that was purged. With [Options.Complete] nothing was ever purged, and
// what is missing is a finding.
//
// Of executions that were pruned nothing can be said, nor of what they sent,
// received, scheduled or started: rules that would have to look there are silent.
// That they cannot be read any more is part of V7.
//
// # Rules
//
// Of each history:
//
//   - V1 Order: event ids count 1, 2, 3, …; each event carries its execution;
//     event 1 is ExecutionStarted and no other is; nothing follows the end.
//   - V2 Time does not go back, and no timer, retry or scheduled start comes
//     before its time.
//   - V3 Answers: an event that answers another names an earlier one of the
//     fitting kind, and none is answered twice. So each scheduled activity has
//     at most one outcome.
//   - V4 Attempts of an activity count 1, 2, 3, …, each retry follows a
//     failure, and there are no more than the policy allows.
//   - V5 External events: each is received at most once, each wait receives at
//     most one, the oldest open wait of a name receives the next event and the
//     oldest waiting event meets the next wait; no message became two events.
//   - V6 Contents: names and payloads are present where they must be, well
//     formed, and within the limits.
//
// Of each instance:
//
//   - V7 Chain: an execution ended by ContinuedAsNew has exactly one successor,
//     no other has one, and the successor starts with what was left: input,
//     state, custom status, and the external events that nobody received.
//   - V8 Row: status, last event, output, failure, custom status, name, tags
//     and parent agree with the histories.
//   - V9 State: each key holds what the histories last set.
//   - V10 Open work: the activities and timers outstanding in the store are
//     those open in the history of the current execution.
//   - V11 A final instance has no open work.
//   - V12 Nothing is stuck: an instance that is not final has a message, work,
//     a timer, a child or a wait, or was promised another turn.
//
// Between instances:
//
//   - V13 Children: the outcome of a child that has ended is in its parent's
//     history or on the way there, and agrees with the child; a child that was
//     given up, or outlived its parent, was asked to cancel.
//   - V14 Parents: what names a parent was scheduled by it.
//   - V15 Sent: an event sent to an instance that lives was received there or
//     is on the way; an instance that was started and left exists.
//   - V16 Dead letters hold nothing for an instance that lives.
//   - V17 Everything stored can be read.
//
// Of the storage, where the store can tell what stands there ([Audited]), the
// rules of its own, numbered by its own letter.
//
// With a ledger of effects ([Effects]):
//
//   - V18 Each completed activity has exactly one effect, under a key of its
//     own, and each effect belongs to an activity that was scheduled.
package verify
