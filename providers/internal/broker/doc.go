// Package broker is what providers share that keep in memory what is ready:
// it knows which instances and activities have work, hands it to hosts in a
// fair order, and remembers who holds what. It stores nothing. A provider makes
// a thing durable first and tells the broker afterwards.
//
// # The model
//
//	        Deliver, timer due                NextTurn              Commit
//	idle ───────────────────────▶ ready ────────────────▶ held ─────────────▶ ready or idle
//	                               ▲  ▲                    │ │
//	                               │  └── Release at once ─┘ │ Release with a delay
//	                               └───────── later ◀────────┘
//
// An instance is ready when it exists, has a message that is due (or was
// promised another turn with Again), and is neither held nor set aside by a
// delay. An instance without anything to remember costs nothing: the broker
// forgets it.
//
// What providers put in:
//
//   - [Broker.Deliver]: messages that are accepted, with what is known of their
//     receiver. Messages to instances that do not exist wait apart, as orphans.
//   - [Broker.Restore]: open work and messages, when a provider starts on what
//     an earlier process left.
//   - [Broker.Commit]: the effects of a turn that is durable.
//   - [Broker.Drop]: an instance was purged or replaced.
//   - [Broker.Detach]: instances that belong to another owner from now on.
//
// What hosts take out: [Host.NextTurn], [Host.NextActivity].
//
// # Rules
//
//   - B1 A message waits at most once: the same id delivered again while it
//     waits or is handed over is ignored. What was consumed is the provider's
//     to remember.
//   - B2 Messages are handed over in the order of delivery; a delayed message
//     takes its place when it is due. The message that creates an instance
//     comes before every other: nothing is handed over while it is delayed.
//   - B3 Ready instances are served in the order in which they became ready,
//     among those the host accepts. An instance that is ready again goes to the
//     tail. What no host accepts holds up nobody.
//   - B4 Activities wait in a line per tag. Within a tag instances take turns,
//     one activity each, so that a wide fan-out does not hold up its
//     neighbours; those of one instance go in order.
//   - B5 One caller is woken for one thing to do, and has it when it wakes.
//   - B6 Nothing due fires early: the clock is read again when a timer rings.
//   - B7 A turn or an activity counts only while it is held. Commit, Release,
//     Drop, Detach and Leave end it; whoever comes later gets [provider.ErrLockLost].
//   - B8 No storage and no other waiting happens under the broker's mutex. It
//     may be called while the provider holds a mutex of its own; it calls back
//     only HostInfo.Accepts, Config.Now, and what Detach and Turn.Behind are given.
//   - B9 An activity that a host holds outlives the detaching of its instance.
//     What the host says of it is then answered with [ErrDetached] and changes
//     nothing here, whatever becomes of the instance.
package broker
