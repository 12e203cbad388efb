// Package orchestrationtest runs orchestrations in unit tests: the code that
// production runs, without a store, in virtual time, and the same in every run.
//
//	func TestLargeOrdersNeedApproval(t *testing.T) {
//		e := orchestrationtest.New(t)
//		e.Register(Fulfil.Func(fulfil), Charge.Func(fakeCharge), Ship.Func(fakeShip))
//		orchestrationtest.RaiseAt(e, 2*time.Hour, Approve, Decision{By: "ann"})
//
//		result, err := orchestrationtest.Run(e, Fulfil, Order{Cents: 500_00})
//		…
//	}
//
// # What runs
//
// Orchestrations run on the replay machine of the engine; retries, timeouts,
// races, cancellation and continue-as-new are the engine's. An [Env] plays the
// part of the store and of the world: it keeps histories and hands over one
// message at a time. Activities are called one after the other, on the
// goroutine of the test: t.Fatal works in them. Inline ones run inside the turn,
// where a real clock holds their timeouts. A fake is the handle with
// another function, Charge.Func(fake); so is the fake of a child.
//
//	               ┌──────────── Env: virtual time ─────────────┐
//	Run, Client ──▶│ what is to happen, by time  ──▶  message    │
//	               │       ▲                             │       │
//	               │       └─ timers, activities ◀──── turn      │
//	               └─────────────────────────────────────┴───────┘
//	                                                  history
//
// # Time
//
// Time stands still while something can happen, and then skips to whatever
// comes next: a timer, a retry, the end of a delayed activity, a scripted event.
// A month takes milliseconds. Activities take no time unless [Env.Delay] or
// [Elapse] says so; one that takes longer than its timeout times out. An
// activity whose delay runs is dropped if it is cancelled. Since it is called
// where its delay begins, a fake must not wait for its context to end: it calls
// [Elapse] with a long duration instead.
//
// # What is checked without being asked
//
//   - K1 After each message a fresh machine replays the whole history, read
//     back from JSON, and takes the place of the live one. Code that decides
//     otherwise, or decides the same with other contents (an input made of
//     time.Now, say), fails the test with the event and the line. Contents
//     are not compared if the codec encodes a value differently each time, as
//     encryption does. Histories above 256 events are replayed each time they have grown by a thirty-second.
//   - K2 Every activity and child that is called is registered.
//   - K3 What is waited for can come: an orchestration that would wait for ever
//     fails the test, with what it waits for and where.
//   - K4 Continue-as-new ends: see [Env.StopAfter].
//
// # Stored histories
//
// [Replay] holds today's code against histories of production, in CI: it finds
// the change that running instances could not follow before it is deployed.
package orchestrationtest
