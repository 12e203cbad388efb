// Package ledger is a list of effects in a file outside every store: the
// witness against which an audit holds what the engine says of itself.
//
// An activity applies its effect with [Ledger.Apply] under its idempotency
// key. The effect is "insert if the key is absent", so it happens once however
// often the activity runs; each further run leaves a row as well, marked as a
// repeat, so that runs above one can be counted and shown.
//
// # The file
//
// One row of JSON a line, only ever appended to, by any number of processes:
//
//	{"key":"demo/order-7/1/2","activity":"charge","instance":"order-7","execution":1,"event":2,"attempt":1,"pid":4711,"time":"…"}
//	{"key":"demo/order-7/1/2",…,"pid":4712,"time":"…","repeat":true}
//
// # Rules
//
//   - L1 A key has one row that is not a repeat, and it is the first.
//   - L2 Looking for the key and appending the row are one step: a lock on a file
//     beside it, which the system gives up for a process that dies, excludes all
//     others.
//   - L3 A last line without its line break is the trace of a process that was
//     killed while writing. It is no effect: readers ignore it, and whoever
//     appends next cuts it off.
//   - L4 A row is in the hands of the operating system when Apply returns: it
//     outlives the process, not a loss of power.
package ledger
