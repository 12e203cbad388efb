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
// What the models do, by the names that the code has for it:
//
//	model                        | code               | what it is in storage
//	commit.pml    idle, s = 0    | claim              | head {epoch+1, me}, If-Match
//	              work, s > 0    | journal commit     | head If-Match, with the rows of the turns
//	              settle         | settle             | read head: ours, unchanged, or lost
//	              again          | settle             | the frozen batch, sent again
//	              Network        | -                  | a copy that the service applies late
//	messages.pml  commit: sends  | journal commit     | o: row, next sequence in head
//	              relay          | relay              | m: rows inserted in another partition
//	              confirmed go   | journal commit     | o: row deleted
//	              sweep          | sweep              | m: rows read, page by page, twice
//	              takes in       | consume            | m: row deleted, in: row, i: row
//	              applied goes   | consume            | m: row deleted, its number is in in:
//	local.pml     large, small   | journal commit     | packed o: row, or m: rows at once
//	              apply          | relay              | m: rows inserted (VARIANT_NUMBERED)
//	clients.pml   Client         | send               | m: row inserted, without a fence
//	              consumes       | consume            | m: row deleted, n: row
//	              expire         | journal commit     | n: row deleted
//	              wake           | wake               | message of the wake-up queue
//	release.pml   claim          | claim              | head {epoch+1, me}
//	              record         | journal commit     | w: row, what runs and where
//	              owner = NONE   | release            | head {epoch+1, nobody, for target}
//	              ended          | journal commit, send| completion in the commit, or as an m: row
//	              back           | send, consume      | m: row "given back", then the w: row
//	notes.pml     tell           | release            | m: rows with completions, then w: rows
//	              leaving = 2    | settle             | no commit is under way; the w: row as it is in memory
//	              load           | claim              | m: and w: rows read
//	              free           | sweep              | host: row gone, then m: rows read
//	session.pml   where          | sessions.claim     | session: row, If-Match
//	              send           | journal commit     | r: row {host}, o: row for its queue
//	              take           | enter, bounce      | queue wh-…; m: row "given back"
//	              ends, late     | sessions.giveUp    | session: row deleted, If-Match
//	quarantine    begin          | careful            | head {crash: named}, before it begins
//	              ended          | commit             | head, with the turn that ends
//	              died           | claim, Crash.Died  | head {epoch+1, me, crash}
//	handover.pml  dispatch       | journal commit     | open work {incarnation, stamp}
//	              ask, answer    | -                  | the code records instead of asking
//	purge.pml     Start, both    | start              | i: Pending, x:, m: inserted
//	              Start, message | relay, send        | m: row alone, after a 409 or from the beginning
//	              decide         | consume            | i: row, n: or in: row
//	              purge          | purge step         | i: purging with w:; rows deleted; tombstone
//	              Manager        | claim, release     | a client as the owner for a moment
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
