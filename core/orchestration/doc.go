// Package orchestration is what authors of orchestrations import: declared
// orchestrations, events, queues and state, the [Context] they act through, and
// the futures they await.
//
// An orchestration is an ordinary Go function that survives crashes, deploys
// and moves between machines. What it does is recorded as it happens; after a
// crash its code runs again from the top, and everything it had already done
// returns at once what it returned before. So it must be deterministic: the
// same history, the same calls. Time, ids, random numbers and loggers come from
// the [Context]; work in the world is done by activities (package activity).
//
//	func fulfil(ctx *orchestration.Context, o Order) (Result, error) {
//		receipt, err := Charge.Call(ctx, o, activity.Retry{MaxAttempts: 5}).Await()
//		…
//	}
//
// # Futures
//
// Calls return futures at once: what they stand for is scheduled at the call.
// [Future.Await] blocks. [First] blocks for one of several, to be used in an
// ordinary switch. [Race], [All], [Join] and [Go] return futures themselves, so
// they nest: Race(All(a, b), timer). History order decides every race, the same
// way in every replay.
//
// # Cancellation
//
// A request to cancel an instance reaches its code as [ErrCancelled] from the
// call that blocks, and cancels what is open: running activities, timers, waits
// and children. Cleanup runs in [Context.Shield]. An orchestration that returns
// the error ends as cancelled; one that returns a result has completed.
//
// # The end
//
// When an orchestration returns, activities, timers and branches that it did
// not await are cancelled in the same commit. Children follow their
// ParentClose. Detached orchestrations go on.
//
// # Rules
//
// No time.Now, no math/rand, no go statement, no channel or select, no I/O, no
// iteration over a map whose order matters, no global state that changes. Code
// that breaks them is found at the next replay: the instance parks with an
// error that names the event and the line, until fitting code is deployed.
package orchestration
