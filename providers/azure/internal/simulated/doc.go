// Package simulated is a storage account in memory, for tests: [Account] is the
// service, [Client] is the handle by which one host reaches it and implements
// [storage.Account]. It has Azure's rules, not the leniency of an emulator, and
// it fails on purpose. It runs inside a testing/synctest bubble, where latency
// costs no time and a run replays from its seed, and outside of one.
//
// # The life of a request
//
//	sent ── half the latency ──▶ arrives, applied at once ── the rest ──▶ answered
//	 │                            │                                        │
//	 ├ Pause: waits here          ├ Cut, LostRequest: never                ├ Pause: waits here
//	 └ Kill, CrashBefore: dead    ├ Busy, Throttle, Reset, Denied: refused ├ CutAnswers, LostAnswer: lost
//	                              └ Late, or the caller left: afterwards   └ Kill, CrashAfter: dead
//
// What the service does with a request it does at one instant, under the
// account's mutex. Nobody waits under that mutex. An account made in a bubble must be
// closed there: [Account.Close] lets go of all calls that wait, and ends the
// applications that are late.
//
// # Rules
//
//   - S1 The service refuses what Azure refuses: key alphabet and lengths, more
//     than 100 ops, a row key twice, limits of rows, properties and messages,
//     stale ETags and receipts, names of tables, queues and containers that were
//     deleted less than [TableReuse] or [QueueReuse] ago. The limits of package
//     storage, which are narrower than Azure's, count as Azure's. What is wrong
//     in itself is refused before it is sent, as package sdk does it: names of
//     cells are letters and digits, and no ETag goes with an Insert or a Put.
//   - S2 What Azure does not promise does not hold: ETags, receipts and ids have
//     no order, messages come in any order, a page may hold fewer rows than it
//     could, or be followed by an empty one, and several pages are not a
//     snapshot.
//   - S3 A write that is lost is [storage.ErrUnknown], a read [storage.ErrBusy].
//     Take is a write: it hides messages. The caller whose context ends gets the
//     same error, which wraps the context's as well; its request may still be
//     applied.
//   - S4 A killed client's requests never arrive, except those that were on
//     their way as [Late]; its calls return when their context ends. A paused
//     client's calls return after Resume and not before, whatever their context,
//     as those of a stopped process.
//   - S5 All that is drawn by lot for a request comes from a generator of its own,
//     which the account's seed, the client, what the request asks and how often
//     it did determine: of two that are sent at one instant it does not matter
//     which is first. With latency every wait ends at an instant of its own. So a
//     run in a bubble depends on the seed and on the program, not on the machine;
//     [Account.Hash] tells. Without latency nothing sleeps, except faults whose
//     nature it is.
//   - S6 Rows, messages and blobs are never changed in place: what
//     [Account.State] returns, and what an observer is shown, stays as it is.
//   - S7 A request that arrives and is answered by the tables, queues or blobs
//     themselves is one billed transaction, rejected or not. See [Counts].
//
// # Invariants of the provider
//
// A [Checker] observes an account and judges each applied transaction by those
// invariants of the provider that can be judged so. It knows of the provider
// only the [Layout] of its rows.
//
// # Over HTTP
//
// Package overhttp puts a client behind the requests that package sdk sends, so that
// the real client of the service meets all this.
package simulated
