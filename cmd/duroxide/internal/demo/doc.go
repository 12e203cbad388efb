// Package demo is a story of durable execution for people to watch: orders are
// fulfilled by a worker process that is killed, again and again, in the middle
// of its work, and every effect happens exactly once all the same.
//
// # The cast
//
// The director is the process that the user started. It is a client of the
// store: it places the orders, answers for the approver, kills the worker with
// SIGKILL while activities run, starts the next one, and watches. The worker is
// a process of its own (the same program with a hidden verb); it alone runs
// orchestrations and activities, and ends when its standard input does, so that
// it never outlives the director.
//
//	          store (a file)
//	director ───────────────▶ starts, approvals, reads
//	   │ kill -9
//	   ▼      ◀─────────────── turns, activities, commits
//	worker ─────────────────▶ ledger (a file of effects, outside the store)
//
// On Azure Storage several workers share the hub as its hosts, and the story is
// theirs: one is killed, one joins, one is paused for longer than hosts may be
// silent and woken, one leaves (acts.go). Where the account is an emulator, a
// gate stands between each host and it, counts the host's requests, and sees
// what becomes of its commits.
//
//	          hub (a storage account)
//	director ───────────────────────▶ starts, approvals, reads
//	   │ kill -9, SIGSTOP, SIGCONT, SIGTERM
//	   ▼
//	hosts ────▶ gates ────▶ partitions, leased and handed over
//	   └──────▶ ledger
//
// # The story
//
//   - fulfil: approval against a deadline (a race), payment at a flaky bank
//     (retries), reservations side by side (a saga: what cannot be reserved
//     undoes the others and the payment), one parcel per item (fan-out and
//     fan-in), and the invoice (a child).
//   - reconcile: counts a shelf, sleeps, continues as new, until the shop closes
//     (an eternal loop that ends on an event).
//
// # The data file
//
// Orders come from a JSON file: orders.json here, or another given by the user.
// [Schema] describes its fields. Errors name line, order and field.
//
// # What is claimed
//
//   - D1 Every activity with an effect writes it to the ledger under its
//     idempotency key. After the story the audit (internal/verify) demands one
//     completion per scheduled activity and exactly one effect for each that
//     completed. Runs above one are shown: they are the work of the kills.
//   - D2 Every order ends as the data file expects.
//   - D3 No process is left behind, however the director ends.
//   - D4 A host that was paused until others had taken over commits nothing
//     under the name it had, after it woke. Its gate says so.
package demo
