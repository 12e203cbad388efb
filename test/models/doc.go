// Package models has models of the Azure provider's protocols, in Promela, and
// lets the model checker Spin prove them. A test runs some schedules; Spin visits
// every one there is, within small bounds: every order of two or three hosts,
// a few crashes, lost answers and late copies.
//
// # The models
//
//	commit.pml     claim, commit, and the settling of unknown outcomes
//	messages.pml   outbox, relay, inbox, de-duplication between partitions
//	local.pml      messages within one partition
//	clients.pml    messages of clients, wake-ups
//	release.pml    open activities at a hand-over: what runs is recorded
//	notes.pml      what a leaver tells of them, and how the next owner takes it
//	handover.pml   the same by asking whoever had them, after any loss
//	session.pml    the host of a session: its lease, and what is sent to it
//	quarantine.pml owners that die: what kills them is found
//	purge.pml      starts, purge and tombstone, management without a host
//
// Each cites the invariants (Z1 to Z13) that its assertions state. The comment at
// its top tells what is modelled and what is taken as given: commit.pml shows that
// a fenced commit is one atomic step whose outcome gets known, and the others
// build on that. That all work is done when nothing more can happen is asserted
// where Spin's timeout becomes true, so no fairness needs to be assumed.
//
// # Rules
//
//   - Q1 A model as it stands has no errors, all its states are visited, and no
//     statement of it is unreachable: a model that cannot do anything proves
//     nothing.
//   - Q2 A planted error, `#ifdef MUTANT_X`, is refuted by an assertion. What the
//     models forbid is thereby shown to matter.
//   - Q3 A variant, `#ifdef VARIANT_X`, is another way that is right as well.
//   - Q4 A model has less than 150 lines, so that a person can check that it says
//     what the code does.
//
// # Model and code
//
// What the models do, what does it in the packages hub, journal, row and broker
// of the provider, and what that is in storage. Two rows have other names in the
// models, which follow the first design: in: is n:p, and w: is r:.
//
//	model                        | code                                        | what it is in storage
//	commit.pml    idle, s = 0    | life.Claim, Store.writeHead                 | head {epoch+1, me}, If-Match
//	              work, s > 0    | Journal.packSifted, Journal.commit          | head If-Match, with the rows of the turns
//	              settle         | Journal.settle, Journal.compare             | read head: ours, unchanged, or lost
//	              again          | Journal.commit                              | the frozen batch, sent again
//	              done           | Journal.applied, commit.settled             | the ETag of head, from the answer
//	              Network        | -                                           | a copy that the service applies late
//	messages.pml  commit: sends  | commit.encodeSends, batch.take              | o: row, next sequence in head
//	              relay          | relays.serve, away.insert                   | m: rows inserted in another partition
//	              confirmed go   | relays.delivered                            | o: row deleted
//	              sweep          | partition.trySweep, partition.readInbox     | m: rows read, page by page, twice
//	              takes in       | commit.encodeConsumed, draft.add            | m: row deleted, n:p, i: row
//	              applied goes   | partition.resolveLocked, partition.dropAll  | m: row deleted, its number is in n:p
//	              TAKEOVER       | partition.tryLoad                           | m:, n: and o: rows read
//	local.pml     large, small   | commit.encodeSends, commit.sendDirectly     | packed o: row, or m: rows at once
//	              apply          | relays.serve                                | m: rows inserted (VARIANT_NUMBERED)
//	clients.pml   Client         | Store.insertPost                            | m: row inserted, without a fence
//	              consumes       | commit.encodeConsumed, draft.add            | m: row deleted, n:r row
//	              buried         | letter.late, partition.buryLate             | m: row deleted, d: row
//	              swept          | partition.comparedLocked, Journal.Compared  | the inbox read to its end
//	              expire         | draft.ops                                   | n:r row deleted
//	              wake           | waker.wake                                  | message of the wake-up queue
//	release.pml   claim          | life.Claim                                  | head {epoch+1, me}
//	              record         | partition.keepRunning                       | r: row, what runs and where
//	              owner = NONE   | partition.release                           | head {epoch+1, nobody, for target}
//	              ended          | Work.Complete, host.CompleteActivity        | completion in the commit, or as an m: row
//	              back           | host.giveBackDetached, partition.reoffer    | m: row "given back", then the r: row
//	notes.pml     tell           | partition.keepCompletions                   | m: rows with completions
//	                             | partition.keepRunning                       | then r: rows
//	              leaving = 2    | Journal.Settle                              | no commit is under way; the r: row as it is in memory
//	              load           | partition.restoreOne, withholdDone          | m: and r: rows read
//	              free           | partition.deadHosts, partition.freeWithheld | host: row gone, then m: rows read
//	session.pml   where          | sessions.holder, sessions.claim             | session: row, If-Match
//	              send           | commit.placeSessions, partition.sendTo      | r: row {host}, o: row for its queue
//	              take           | host.enter, guest.giveToOwner               | queue wh-…; m: row "given back"
//	              ends, late     | sessions.giveUp                             | session: row deleted, If-Match
//	quarantine    begin          | partition.careful                           | head {crash: named}, before it begins
//	              ended          | probation.shown, partition.calm             | head, with the turn that ends
//	              died           | Store.takenFrom, Crash.Died                 | head {epoch+1, me, crash}
//	handover.pml  ask, answer    | -                                           | the code records instead of asking
//	purge.pml     Start, both    | Store.start, startOps                       | i: Pending, x:, m: inserted
//	              Start, message | away.insert, Store.post                     | m: row alone, after a 409 or from the beginning
//	              decide         | partition.create, commit.encodeConsumed     | i: row, n:r or n:p row
//	              purge          | partition.removePartly                      | i: and r: purging; rows deleted
//	                             | partition.finishRemoval                     | the last of them deleted, tombstone
//	              wanted         | Store.post, partition.execute               | m: row with an order
//	              Manager        | Store.ownerElsewhere, Store.borrow          | a client as the owner for a moment
//
// # Running
//
// Spin and gcc are needed; without them the test is skipped, unless
// DUROXIDE_REQUIRE_SPIN is set. One model or mutant, with larger bounds:
//
//	go test ./test/models -run TestModels/commit/correct -define SUSPECTS=2
//
// For the story of a counterexample, in a folder of its own:
//
//	spin -a -DMUTANT_NO_FENCE commit.pml && gcc -DSAFETY -o pan pan.c && ./pan -E
//	spin -t -p -g -DMUTANT_NO_FENCE commit.pml
package models
