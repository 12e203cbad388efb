// Package dispatch is the impure shell around the replay machine: it takes
// turns from a host, has an executor make their decisions, commits them, and
// runs activities. It decides nothing about orchestrations and stores nothing.
//
//	host ─NextTurn─▶ gate ─▶ Execute ─▶ CommitTurn ─▶ Settle ─▶ cancel what runs here
//	                            │ error      │ error
//	                            └─▶ judge ◀──┘ ─▶ Settle(false) ─▶ ReleaseTurn
//
//	host ─NextActivity─▶ user code, on a goroutine of its own ─▶ CompleteActivity
//	                       │ meanwhile: lease, heartbeats, time limits
//
// Turns and activities have loops of their own, [Config.MaxTurns] and
// [Config.MaxActivities] of each; timers are the store's, and come as messages.
// Many turn loops wait for a commit at the same time: the store groups them.
//
// [Native] executes orchestrations written in Go. It keeps the machines of live
// instances, and a turn whose instance is live goes on without replay.
//
// Rules, cited by tests:
//
//   - D1 Nothing of a turn happens before its commit is applied.
//   - D2 Every Execute is followed by one Settle. After a commit that was not
//     applied, or whose outcome is unknown, nothing is remembered of the
//     instance; the turn is given back only then.
//   - D3 Trouble with the store delays work; it never fails an instance. What
//     becomes of a turn that failed is decided in one function, judge, by the
//     class of the error.
//   - D4 What only a deploy or an operator can heal parks the instance, with
//     the reason to be read in its status, and is tried again ever more rarely.
//     It is logged once.
//   - D5 A cancelled activity's context ends as soon as the commit is applied,
//     if it runs in this process.
//   - D6 A renewal that failed is no cancellation.
//   - D7 At shutdown everything goes on until the others know that this host
//     leaves, if others take over ([provider.LeaveAnnouncer]). Then no activity begins,
//     what is running gets its grace, turns go on until the outcomes are recorded,
//     and Run returns as soon as nothing runs. Activities that shutdown interrupts
//     are given back uncounted. What ignores the end of its context for as long
//     again is given up, and named.
//   - D8 Panics, Goexit and code that ignores its context cost one instance or
//     one attempt, never a loop.
//   - D9 One turn of an instance at a time: the store may hand over the next one
//     as soon as the commit is applied; it waits until the one before is
//     settled.
//   - D10 What an activity returned is handed in until the store takes it or
//     says that it no longer counts.
package dispatch
