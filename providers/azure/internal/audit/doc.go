// Package audit reads what an Azure hub has stored, and says whether it can be
// the work of a provider that keeps its invariants Z1 to Z13. It also collects
// the blobs that nobody needs any more.
//
// It shares no code with the provider's packages hub and journal: what must hold
// between rows it works out anew. It knows their keys and formats from package
// row, and reads through package storage. Package internal/verify judges the
// same hub through the provider's contract, by the rules V1 to V18.
//
// # How it reads
//
// One pass over every partition: first all heads and outboxes, then, partition
// by partition, what is outstanding (m: to t:), the keys of all rows with the
// blobs they name, and the rows of instances with their histories, each a page
// at a time. What is outstanding is kept in memory for one partition at a time;
// of everything else only hashes are kept: of rows of the index, of durable
// states, of instances with sealed history, and of blobs, a few bytes each.
//
// # A hub that is in use
//
// Such a hub changes between any two requests, so what the pass finds wrong is
// only suspected. Each suspect is then read again, by itself, in a way that
// shows a state which existed:
//
//   - An instance: every commit that changes a row of an instance also changes
//     its row i:, except that messages and progress come and go by themselves, and
//     that segments of executions which were pruned go.
//     So its row is read, then all the others, then its row again; if its ETag
//     is the same, the others are those of that commit. What is missing before
//     and after is missing. It is tried several times; an instance that never
//     holds still counts as moving ([Report.Moving]), and nothing is said of it.
//   - Numbers between partitions: a number is in the sender's outbox, then in
//     the receiver's inbox, then among the consumed ones, and never goes back.
//     So the sender's head is read before its outbox, that before the receiver's
//     inbox, and that before what was consumed: a number that was given before
//     the first read is in one of the others. Whether a number was given at all
//     is judged by a head that is read last. Both are done twice.
//   - A blob: it counts as missing if it was not there between two reads of the
//     row that names it, which show the same ETag.
//   - A row that cannot be read, or should not be there: it is read again, with
//     the instance's row before and after.
//
// So a finding is a state that storage was in, never a mixture of two. At rest
// the pass finds nothing suspect, and there is nothing to read again.
//
// # What is judged
//
//   - Z1 Heads can be read; epochs are at least 1; no host lists a partition in
//     an epoch that its head has not reached, or in one that its head gives to
//     another; no row carries a sequence of an epoch to come. That epochs grow
//     shows only over time: [Options.Since] compares with an earlier report.
//   - Z2 Rows that one commit writes agree: the row of an instance with its place
//     in the index, its durable state, its open work and its last event.
//   - Z3 Nothing has left that was not committed: no inbox and no notice has a
//     number that the sender's head has not given.
//   - Z4 Of the numbers from one partition to another each is consumed, waiting,
//     or on its way; none has two rows in an inbox or in the outbox; and every
//     message lies in the partition and under the key of its receiver.
//   - Z5 A message row that is consumed in part says so within its bounds. That a
//     row disappeared unapplied shows as Z4 for a number, and as Z9 for a start.
//   - Z6 The segments and the tail of each execution continue each other, from
//     event 1 to the last one that the row names, and keep the rules of
//     [history.Validator]. Executions follow each other by continue-as-new, from
//     the first that was not pruned. Rows of those pruned long ago are noted.
//   - Z7 Timers in the store are those open in the history, not before their
//     time, in one row under the time of the earliest; none fired early.
//   - Z8 What a new owner reads can be read, and holds no work of instances that
//     are final.
//   - Z9 Every instance that is not final has a message, open work, a timer, a
//     child, or waits for an event; one that is pending has its start; and what
//     is open in the history is so in the store.
//   - Z10 Nothing is left of what was purged or never existed, and an instance's
//     rows stand under its own id and in its partition.
//   - Z11 A partition without a head holds only what clients insert, and no
//     partition has rows of an unknown kind.
//   - Z12 With [Options.Served]: every partition has an owner that lists it in
//     its epoch and can be rung, and no message waits longer than orphans do.
//     Without it, as for operators, who may look in the middle of a hand-over,
//     these are notes.
//   - Z13 Every blob that a row names is there, and every row lists the blobs in
//     which its values stand. Old blobs that no row names are noted, except the
//     progress of activities that others have, which messages of work queues name.
//
// What cannot be told from storage: whether something left before its commit
// was known to be applied (Z3) if it was applied; who removed a message of a
// client (Z5); which transactions were sent (Z11). The checker of package
// simulated judges these write by write.
package audit
