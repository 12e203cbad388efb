// Package hub is the provider itself: a hub in a storage account, with its
// partitions, hosts and clients. It knows Azure Storage only through package
// storage.
//
// # The model
//
//	client                          owner of the partition
//
//	Send ── inserts m:, i: ──▶ table ──▶ intake ──▶ broker ──▶ NextTurn
//	  └───── wake-up queue ────────────────┘                      │ CommitTurn
//	Wait ◀── reads i: ◀────── table ◀── one transaction ◀── journal ◀── rows
//	                                           │ applied
//	                                           ├──▶ waiters, local activities
//	                                           └──▶ relays ── insert m: into other partitions
//
// A [Store] is what a process has open. When it joins, it becomes a member of the
// hub: package sharding gives it partitions, and takes them away. For each it
// keeps a partition: what is outstanding there, in memory, and a journal that
// commits. All of its partitions share one broker, from which the hosts of the
// process take turns and activities.
//
// # Where to look
//
//	store.go create.go repeat.go  opening, creating and deleting a hub; its storage
//	client.go gather.go read.go list.go  what clients do, together, and see
//	hosts.go errors.go        who serves what, and lives; errors as callers see them
//	order.go remove.go        purge, and starts that replace: only an owner may
//	answers.go                what came of them, for as long as somebody may ask
//	history.go prune.go       histories as they are read; those that are kept no longer
//	member.go driver.go       joining; claims, releases; host rows
//	measure.go                what a partition costs, for the balance of hosts
//	partition.go load.go      a partition in memory; what a new owner reads
//	record.go recall.go damage.go  an instance in memory, read again, and damaged
//	intake.go letter.go       rows of the inbox become letters
//	posthumous.go             starts that come when their instance is forgotten
//	behind.go                 what arrives does not overtake what is not known yet
//	resolve.go sweep.go       letters find their receiver, whoever sent them
//	commit.go encode.go       a turn's decisions become rows
//	mail.go relay.go          messages for others: at once, or by the outbox
//	host.go activity.go       what a worker calls
//	queued.go divert.go returned.go  activities that are offered to other hosts, and come back
//	takework.go guest.go      work queues, and the activities of others that are here
//	progress.go reached.go    what activities have reached, with the owner and elsewhere
//	withheld.go               activities of former owners, until it is known what came of them
//	session.go affinity.go    which host has a session, and how work gets there
//	wake.go ring.go ask.go    wake-ups; the doorbell, and those who wait at it
//	bury.go poison.go         what nobody takes, and what is in a work queue and should not be
//	dismiss.go                what a worker leaves behind in a process that stays a host
//	quarantine.go trials.go   owners that die one after the other
//	lost.go                   what was lost with a work queue
//	sleep.go                  timers far ahead are in storage alone
//	maintain.go               tombstones and blobs that nobody needs any more
//
// # Rules
//
//   - B1 Memory follows storage: what a commit changes in memory changes after
//     it is known to be applied, on the journal's goroutine, in its order.
//   - B2 A letter, that is a row of the inbox, is taken in once, whoever finds it:
//     the sender in this process, a sweep, or the load. What was consumed before
//     is known by its notice, and dropped.
//   - B3 Letters for one instance are handed on in the order in which they were
//     found; those of one sender are found in the order of their numbers.
//   - B4 No mutex is held across a request, while anybody waits, or while a log
//     record is written.
//     They are locked in this order: a partition's, the member's, the broker's.
//   - B5 A partition that is given up takes nothing in any more, and what it had
//     handed out is lost; activities that run go on, and report to the inbox.
//   - B6 When Send returns and a host of this process owns the receiver, the next
//     turn of it has the message, unless the receiver cannot be read or is being
//     purged. So it is with what a commit sends directly.
package hub
