// Package chaos kills real processes and audits what is left.
//
// A test starts a worker as a process of its own, on a store that outlives it,
// and talks to it as a client from another process. It kills the worker with
// SIGKILL at random moments, many times over, starting work all the while. In
// the end a last worker finishes everything, and the auditor reads the store
// and a ledger of effects: nothing lost, nothing doubled.
//
// The number of kills and the seed are flags, for more of the same:
//
//	go test ./test/chaos -kills 5000 -seed 7 -timeout 1h
//
// The soak does that to several workers that share a hub on Azurite: kills them,
// pauses them for longer than they may be silent, asks them to leave, and starts
// others; now and then it pauses Azurite. It lasts as long as it is told, and does
// not run otherwise:
//
//	go test ./test/chaos -run TestSoak -soak 10m -timeout 30m -v
package chaos
