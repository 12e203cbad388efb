// Package history holds the nouns of durable execution: the events that make
// up an instance's history, the failures they carry, the limits they respect,
// the JSON in which they are stored, and the rules a valid history obeys.
//
// # The model
//
// An instance is one run of an orchestration under an id chosen by its
// starter. Each continue-as-new begins a new execution of the same instance,
// counted from 1. The history of an execution is a list of events, numbered
// from 1 without gaps, only ever appended to. Replaying an orchestration means
// feeding it that list again.
//
// Events come in three groups:
//
//   - the start: [ExecutionStarted], always event 1;
//   - decisions, which orchestration code made: [ActivityScheduled],
//     [TimerCreated], [ChildScheduled], [StatusSet], … and the event that ends
//     the execution ([ExecutionCompleted], [ExecutionFailed],
//     [ExecutionCancelled], [ContinuedAsNew]);
//   - arrivals, which reached the instance from outside: [ActivityCompleted],
//     [TimerFired], [EventRaised], [CancelRequested], …
//
// The order of events is the order in which things happened to the
// orchestration: an arrival, then every decision its code made because of it,
// then the next arrival. History order alone decides each select.
//
// A message between instances, or from a client, carries the [Data] of the
// arrival that it will become; the id and the time are given when a turn
// takes it in.
//
// # Format
//
// [Marshal] and [Unmarshal] define format 1 (see format.go for the story of
// each version). Every event names its format. Fields are never reused;
// unknown fields are ignored on reading; an unknown kind or a format from the
// future is an error that says so.
//
// # Rules of a valid history
//
// [Validator] checks these while a history streams by, and its error names the
// event and the rule. A history that breaks one never reaches user code.
//
//   - H1 Event ids count 1, 2, 3, … within an execution.
//   - H2 Every event carries the execution it belongs to.
//   - H3 Event 1 is ExecutionStarted, and no other event is.
//   - H4 Nothing follows the event that ends the execution.
//   - H5 An event that answers another names, as its source, an earlier event
//     of the fitting kind in the same execution; a wait and an external event
//     that meet are of the same name and sort.
//   - H6 A source is answered at most once: completed, failed, fired, received
//     or cancelled.
//   - H7 The attempts of an activity count 1, 2, 3, …: each retry follows the
//     failure of the attempt before it, and the outcome is of one that began.
//   - H8 Time does not go back from one event to the next.
//   - H9 Names and payloads keep the limits of limits.go, and what failed says
//     how.
//   - H10 The format is one that this program knows.
package history
