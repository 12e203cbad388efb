// Package story is what the sample shows: it starts everything, provisions, kills a
// host in the middle, lets a drift be repaired and a failing environment be
// undone, tears down, and checks all it claims against the emulator's ledger.
//
//	story (client) ──▶ store ◀── host 1, host 2     worker processes, one is killed
//	      │                          │
//	      └── ledger, faults ──▶ emulator ◀── the clients of the Azure SDK
//
// With --target azure the same orchestrations run against a subscription
// ([Azure]): one environment is made after its plan was confirmed, and removed
// again, whatever happens in between.
//
// # Rules
//
//   - S1 What is claimed is read from the emulator's ledger and printed as a fact,
//     true or not; one that is not true makes the program fail.
//   - S2 No process is left behind, however the story ends.
//   - S3 Against Azure nothing is created before the plan was confirmed, and what
//     was created is removed before the program ends; if that fails, it says what
//     is left and how to remove it.
//   - S4 Against Azure nothing is touched that this store has not made, unless
//     somebody said yes to that very group.
//   - S5 A host that ends by itself is replaced, and the story goes on.
package story
