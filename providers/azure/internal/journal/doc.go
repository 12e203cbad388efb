// Package journal makes the commits of one partition durable, one after the
// other, for as long as this host owns the partition.
//
// # The model
//
//	Submit ──▶ queue ──▶ pack ──▶ one entity-group transaction ──▶ applied: callbacks, in order
//	             ▲         │              │
//	             │         │              ├─ an inner row rejected: that entry is ejected, the rest goes on
//	             └─────────┘              ├─ unknown: frozen; read head; then applied, again, or lost
//	        next batch gathers            └─ head belongs to another: lost
//
// An [Entry] is what must become visible wholly or not at all: the rows of a
// turn, for example. While one transaction is in flight the next entries gather,
// and go together: group commit, without a timer that delays a lonely one.
//
// Every transaction writes the head row with If-Match, so a stale owner cannot
// commit (Z1). Each has a commit number of its own, so that after an unknown
// outcome a look at head tells what became of it: exactly our incarnation, epoch
// and commit number means applied; our old ETag means that it was not, and the
// identical transaction is sent again, where a late first copy makes one of the
// two fail; anything else means that the partition is another's.
//
// # Rules
//
//   - J1 At most one transaction of a partition is in flight, and what is sent
//     again after an unknown outcome is identical.
//   - J2 The ETag of head comes from the answer of the transaction that wrote
//     it, or from a read that shows exactly our incarnation, epoch and commit.
//   - J3 An entry's Applied or Failed is called once, in the order of the
//     transactions, and before anything of it may leave (Z3).
//   - J4 Numbers to other partitions are given when a batch is packed, densely,
//     to exactly what is sent; a batch that was not applied gives them back.
//   - J5 A row of the inbox is deleted together with the notice that it was
//     consumed, so that a copy that comes later is known (Z4, Z5).
//   - J6 One row key occurs once in a transaction: an entry that changes a row of
//     another waits for the next.
//   - J7 One bad entry never blocks a partition: what the service rejects goes
//     out alone, and the others go on.
package journal
