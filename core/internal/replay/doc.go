// Package replay is the pure machine at the heart of the engine: events and
// messages in, decisions out. It knows no clock, no randomness, no I/O and no
// storage; the same input gives the same output in every process, for ever.
//
// # How it works
//
// A [Machine] is one execution of an instance. Its orchestration's code runs in
// coroutines: the main function, and one for each concurrent branch. All run
// until they are blocked; then the next arrival is delivered, and they run
// again. Scheduling takes effect at the call, in call order.
//
//	             Replay(event)                 Receive(message)
//	committed ───────────────▶ replaying ─▶ live ─────────────▶ arrival event
//	history                        │          ▲                      │ deliver
//	                               │          │ Begin                ▼
//	                       decisions are      │              coroutines run until
//	                       matched with ──────┘              all are blocked
//	                       history                                   │
//	                                             Finish ◀── decisions become events
//
// While replaying, each decision of the code must be the next one in history:
// same kind, same name, same documented attributes. Anything else is a
// [NonDeterminismError]. While live, each decision becomes a new event, with
// its effects in the turn's commit. A machine that has committed a turn stays
// as it is and takes the next one without replay.
//
// # Invariants
//
//   - M1 History order alone decides: arrivals are delivered one at a time, and
//     all coroutines are blocked before the next one.
//   - M2 Coroutines run in the order in which they became runnable.
//   - M3 The id of a decision's event is known at the call, and is the same in
//     every replay: decisions follow their arrival without a gap.
//   - M4 A replayed decision has no effect: its effects were committed with it.
//   - M5 Decisions that follow the whole history are new ones. So code may do
//     more than it did at the point where its history ends.
//   - M6 An answer to something that is no longer open leaves no trace.
//   - M7 Once stopped, code has no effect: deferred calls run, and end at their
//     first blocking or deciding call.
//   - M8 The clock of an orchestration is the time of the newest arrival; it
//     never goes back.
//
// Values that code makes itself (side effects, inline activities) are recorded
// as decisions. A replay needs the value at the call, before history has shown
// it, so the coroutine stalls there, alone, until the next event brings it.
package replay
