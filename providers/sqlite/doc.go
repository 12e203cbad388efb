// Package sqlite keeps a hub in one file: the embedded default. It needs no
// server and no C compiler, it is as durable as the disk, and one process can do
// thousands of turns a second with it.
//
// # The model
//
// Any number of processes may have the file open as clients: they send, wait
// and read. One of them at a time is the worker: the host that joined holds an
// operating system's lock on a file next to the hub (PATH.worker), which the
// kernel releases however the process ends. Whoever joins second learns who is
// first ([provider.ErrHostTaken]).
//
//	client's process                      worker's process
//
//	Send ──── socket (PATH.bell) ───────▶ writer ──▶ BEGIN, all that waits, COMMIT ──▶ file
//	  └─ no answer? writes itself, rings     │ settled
//	                                         ▼
//	Wait ◀─── socket ◀── waiters ◀──────── broker ──▶ NextTurn, NextActivity
//
// Because there is one worker, everything that is ready stands in its memory,
// in package broker. The file is written while the worker runs, and hardly
// read: for histories that the live-instance cache lost, for clients, and at
// Join, which reads what is outstanding and nothing else.
//
// # Writing
//
// One goroutine owns the connection that writes. It takes every request that
// waits and writes them in one transaction; while that is being synced to disk
// the next ones gather. So a lonely turn costs one sync, and so do a hundred
// turns at once. A usual turn is two statements: an UPDATE of its instance and
// an INSERT of all its events. The caller's goroutine encodes; the writer only
// binds and steps.
//
// The first statement of a commit finds out whether the turn still counts, so a
// commit that is refused changed nothing and needs no savepoint. If the
// transaction fails for another reason its requests are written one by one.
//
// # Other processes
//
// A client writes through the worker's socket, so that its messages share
// transactions with the turns. If nobody answers it writes by itself, and
// leaves notices for the worker in the same transaction; each transaction of
// the worker begins by taking note of them. It is woken by a ring on the
// socket, or else finds out by looking at PRAGMA data_version ten times a
// second. Notices are empty while no worker has joined.
//
// # Files
//
//	PATH          the hub; copy it only while nobody has it open, or with VACUUM INTO
//	PATH-wal      what is committed and not yet copied into PATH: never remove it
//	PATH-shm      an index of PATH-wal; of no value when nobody has the hub open
//	PATH.worker   the worker's lock; empty, and stays
//	PATH.bell     the worker's socket (among the temporary files where PATH is long)
//
// # Invariants
//
//   - S1 What was acknowledged is in the file: with [Full] it survives the loss
//     of power, with [Normal] the death of every process.
//   - S2 The broker learns of a write after its COMMIT and before the caller
//     does, in the order of the writes.
//   - S3 At the beginning of each of its transactions the worker knows all that
//     other processes wrote before.
//   - S4 An instance's key is never another's, nor is that of an instance of the
//     same id after it. Commits name the key, so one that comes too late finds
//     nothing.
//   - S5 instances.tail and history.prev chain the rows of an instance from the
//     newest to the oldest; events count on along the chain.
//   - S6 instances.outstanding is set if and only if the instance has a start
//     that was not consumed, an open activity, or was promised another turn.
//
// # When things fail
//
// A full disk refuses writes ([provider.ErrUnavailable]) and loses nothing: work
// is delayed until there is room. Where the disk fails to sync, the outcome is
// unknown ([provider.ErrUnknown]). An instance of which a row cannot be read is
// set aside with the reason; others are not affected. A file of a newer program
// ([provider.ErrSchema]) is left alone.
package sqlite
