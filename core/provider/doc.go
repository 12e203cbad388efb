// Package provider is the contract between the engine and storage: the waist
// of the hourglass. Everything above it knows nothing of storage, everything
// below it nothing of orchestrations. Who writes a provider reads this package
// and nothing else, and proves it with package providertest.
//
// # Roles
//
// A [Store] is what clients use: it takes messages and answers reads. A [Host]
// is what a running worker gets from [Store.Join]: turns to take and
// activities to run. Any number of processes may have a Store open; how many
// hosts may join at a time is the provider's to say ([ErrHostTaken]).
//
// # A turn
//
//	      Send                NextTurn              CommitTurn
//	─────────────▶ waiting ─────────────▶ locked ─────────────▶ waiting, idle or final
//	                  ▲                      │
//	                  └──────────────────────┘
//	               ReleaseTurn (after its delay), or the host is gone
//
// An instance with messages waits for a turn. NextTurn locks it for the host
// and hands over its messages in order. CommitTurn writes everything that the
// turn decided, in one atomic step, consumes the messages, and unlocks.
//
// # Laws
//
// Each is cited by its number in the conformance suite.
//
//   - P1 Atomic: a commit is visible wholly or not at all, to every reader,
//     across any crash.
//   - P2 Durable: what a nil error acknowledged survives kill -9 of every
//     process (for providers that persist).
//   - P3 Exclusive: at most one host holds the lock of an instance, and only
//     the commit of the holder is applied; any other gets [ErrLockLost].
//   - P4 Exactly once: a message accepted by Send, or sent by a commit, is
//     consumed by exactly one commit, however often it was sent under its id.
//     A turn that is released or lost gives its messages back, in their order.
//   - P5 Ordered: messages from one sender to one instance are handed over in
//     the order in which they were sent.
//   - P6 Fair: an instance that is ready gets a turn after every other that
//     was ready before it got one. Messages for instances that do not exist,
//     that are parked, or that no host can run, hold up nobody.
//   - P7 Append-only: events, once committed, never change; their ids are
//     gap-free; a commit whose first event does not follow the last committed
//     one is refused with [ErrConflict].
//   - P8 Timers never fire early, fire at most once per commit that consumes
//     them, survive crashes, and leave nothing behind when cancelled.
//   - P9 Activities: from the commit that scheduled it until the commit that
//     consumes its completion, cancels it or ends its execution, an activity
//     is never forgotten: if its worker is lost it is offered again. It is
//     offered only after that commit is durable.
//   - P10 Opaque: a provider never interprets the data of events or messages.
//     What it must know stands in fields of its own.
//   - P11 No polling by callers: NextTurn, NextActivity and Wait block, and
//     wake promptly when there is something.
//   - P12 Honest outcomes: an error that does not wrap [ErrUnknown] means
//     that nothing was applied. A provider settles unknown outcomes itself
//     whenever it can.
//
// # Ownership and concurrency
//
// All methods may be called from several goroutines at once. A provider must
// not change what it is given, nor keep it after returning, except for events,
// data and payloads, which nobody changes once they are handed over. The same
// holds for callers and what they receive.
package provider
