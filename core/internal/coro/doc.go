// Package coro gives orchestrations their coroutines: code that runs until it
// parks, and goes on from there when it is resumed.
//
//	        Resume                 Park
//	new ─────────────▶ running ─────────────▶ parked
//	                    │    ▲                 │  │
//	             return │    └──── Resume ─────┘  │ Stop
//	                    ▼                         ▼
//	                  ended ◀──── deferred calls run, nothing else
//
// There are two implementations of one behaviour. The ordinary one stands on
// iter.Pull, whose switch costs a third of a channel's. Its twin stands on a
// goroutine and two channels: the race detector understands it better, and a
// differential test holds the two against each other. Builds with -race use
// the twin.
//
// Guards, each of which answers a trap of iter.Pull:
//
//   - C1 Stopping cannot be swallowed. A parked coroutine is stopped with
//     runtime.Goexit, which no recover() of user code catches; since iter.Pull
//     passes Goexit on to whoever called stop, that happens on a goroutine made
//     for it.
//   - C2 A panic is caught inside the coroutine, with its stack.
//   - C3 Park checks that the coroutine runs: parking from elsewhere, or twice,
//     panics with a text that names the mistake.
//
// What remains the caller's: code that calls runtime.Goexit itself (as
// testing.T.FailNow does) ends the goroutine that called Resume, so Resume must
// be called where a lost goroutine is noticed and replaced. And code that calls
// runtime.LockOSThread must unlock before it parks.
package coro
