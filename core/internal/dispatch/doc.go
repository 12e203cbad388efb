// Package dispatch is the impure shell around the replay machine: it takes
// turns from a host, has an executor make their decisions, commits them, and
// runs activities.
//
//	          NextTurn            Execute              CommitTurn
//	host ───────────────▶ turn ───────────▶ decisions ───────────▶ host
//	  │                                                              │ after it:
//	  │ NextActivity             user code         CompleteActivity  │ cancel what
//	  └──────────────▶ activity ──────────▶ outcome ───────────▶ host│ runs here
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
//   - D2 After a commit that was not applied, or whose outcome is unknown,
//     nothing is remembered of the instance.
//   - D3 Trouble with the store delays work; it never fails an instance.
//   - D4 What only a deploy or an operator can heal parks the instance, with
//     the reason to be read in its status, and is tried again ever more rarely.
//   - D5 A cancelled activity's context ends as soon as the commit is applied,
//     if it runs in this process.
//   - D6 A renewal that failed is no cancellation.
//   - D7 At shutdown nothing new begins, what is running gets its grace, and
//     Run returns as soon as nothing runs.
//   - D8 Panics and Goexit in user code cost one instance or one attempt, never
//     a loop.
package dispatch
