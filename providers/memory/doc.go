// Package memory keeps a hub in memory: for tests, and as the reference to read
// before writing another provider.
//
// It obeys every law of package provider; durable (P2) means for as long as the
// store is open. Several hosts may join at a time.
//
// # How it is built
//
//	send.go     Store.Send: starts, and messages for whoever
//	host.go     turns and activities of a host
//	commit.go   what a commit does
//	read.go     what clients and auditors read
//	record.go   one instance, and the index of ids
//	consumed.go the ids of messages that turns consumed
//
// The store holds what is true: one mutex, and maps under it. Package broker
// holds what is ready, and hands it out. Every change is made first in the maps
// and then told to the broker, under the store's mutex, so that both change in
// the same order. Nothing waits under the mutex.
//
// # Invariants
//
//   - M1 A record exists from the acknowledged start until purge or
//     replacement; a replaced one has another incarnation.
//   - M2 The broker knows an instance as existing if and only if it has a
//     record.
//   - M3 Events of an execution are only appended: a reader may keep a prefix
//     of the slice and read it without the mutex, even once it was pruned.
package memory
