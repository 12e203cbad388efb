// Package providertest proves that a provider keeps the contract of package
// provider. Whoever writes one, in this module or outside it, makes a [Harness]
// and calls the suite from an ordinary test:
//
//	func TestConforms(t *testing.T)            { providertest.Run(t, harness) }
//	func TestConformsUnderFaults(t *testing.T) { providertest.RunUnderFaults(t, harness) }
//	func BenchmarkProvider(b *testing.B)       { providertest.Benchmark(b, harness) }
//
// # What it does
//
//   - [Run] checks properties, each on a hub of its own. Their names are
//     sentences, and a failure cites the law of package provider that it breaks
//     ("breaks P6 Fair: …"). It ends with a run of Differential.
//   - [Differential] runs random operations against the provider and against a
//     model of a few maps, and compares every answer. A failure prints its seed
//     and operations. Where the contract leaves a choice the model accepts each.
//   - [Stress] runs a workload of many instances, with activities, timers,
//     events, children and continue-as-new, on several goroutines, and audits
//     what is stored at the end.
//   - [RunUnderFaults] runs the workload over package providerfault: calls fail
//     before and after they are applied, turns get lost, and the process dies at
//     each call. Everything is tried again as the contract says; the audit
//     demands exactly-once consumption and histories without gaps all the same.
//   - [Benchmark] measures the provider without an engine on top.
//
// The flag -providertest.many sets how many instances the test of many
// instances has (10,000 unless told; 1,000 with -short), and -providertest.runs
// how often Differential runs (20 times). They are for providers whose requests
// take long.
//
// # How it decides
//
// Nothing is waited for by time. An operation that should succeed gets 10
// seconds, which only a failure spends. That nothing comes is shown by sequence:
// a marker is made ready, and must come first, since whatever was ready before
// would have come before it (P6). Due times are short, and checked against the
// clock: too late is never a failure, too early always. The suite is tested
// with planted bugs, each of which must fail a property.
//
// # Where the properties stand
//
//	turns.go releases.go              locks, order, wake-ups, attempts, parking
//	commits.go executions.go state.go atomicity, histories, statuses, state
//	prunes.go                         histories that nobody needs any more
//	messages.go starts.go             exactly once, order, delays, reuse of ids
//	timers.go activities.go cancels.go
//	reads.go lists.go purge.go        what clients see and remove
//	hosts.go shared.go                hosts that come and go; several stores on a hub
//	durability.go                     closing, opening, kill -9
//	clocks.go                         dead letters; clocks that step
//	limits.go fairness.go concurrency.go
//
// # The list it grew from
//
// Duroxide for Rust validates its providers with 213 tests in 19 categories.
// This is where each category went:
//
//	atomicity              commits, concurrency
//	bulk deletion          not in the contract: a client loops over List and Purge
//	cancellation           cancelled activities, executions
//	capability filtering   routing (Accepts), histories (damaged ones)
//	custom status          "status and state"
//	deletion               purge; cascades are a client's loop over children
//	error handling         turns, commits, histories
//	instance creation      starts, reuse, messages
//	instance locking       turns, releases
//	key-value store        "status and state"; snapshots for turns are not in the
//	                       contract: the state travels in events
//	lock expiration        hosts: a lock lasts as long as its host; the expiry of
//	                       leases needs a provider's own clock and tests
//	long polling           turns and activities that block and wake (P11)
//	management             reads, lists
//	multi-execution        executions
//	poison                 releases, activities (attempts and deliveries)
//	prune                  prunes: in a commit, by its orchestration
//	queue semantics        messages, activities, timers
//	sessions               sessions, for hosts that are a [provider.SessionKeeper]
//	tags                   routing
//
// Beyond that list: fairness and starvation, messages for nobody, commits whose
// outcome is unknown, kill -9, clocks that step, several hosts and several
// clients, streaming of long histories, payloads of 16 MiB, hostile ids, tens of
// thousands of instances.
//
// # What it leaves open
//
// Where the contract is silent, so is the suite: in which order messages of
// different senders come; whether the history of a pending instance is empty or
// not found; how much of the counts of attempts and deliveries a crash leaves;
// whether messages that waited for an instance that is replaced while it runs
// go to the next one.
package providertest
