// Package azure keeps a hub in an Azure Storage account: its Table, Queue and
// Blob services, and nothing else. Any number of hosts share the work of a hub,
// and any of them may be killed at any moment. [Open] is where to begin.
//
// # The model
//
// A hub has a fixed number of partitions. An instance lives in one of them for
// ever, by a hash of its id. A host owns some of the partitions, runs their
// instances from memory, and commits what they decide; clients leave messages
// in a partition's inbox and read what was committed.
//
//	client                        host that owns the partition
//
//	Send ── inserts ──▶ inbox ──▶ turn ──▶ commit ──▶ head, instance, history, outbox
//	  └──── wake-up queue ────────┘           │ applied
//	                                          ├──▶ activities of this host start
//	Wait ◀── reads the instance               └──▶ messages to other partitions are sent
//
// All rows of a partition share a partition key, so that one entity-group
// transaction of up to 100 rows changes them all or none. The commit of a turn
// is such a transaction, or a part of one: turns that end while one is in flight
// go together in the next. It consumes the messages of the turn by deleting
// their rows, and carries the partition's head, the row that says who owns it,
// on condition that nobody changed it. So a host that lost its partition cannot
// commit, whatever it believes and whatever its clock says. There are no blob
// leases, and safety depends on no time-out.
//
// # What lives where
//
//	table HUB           partition key ~hub, which is of no partition:
//	                      hub          the hub record: format, number of partitions,
//	                                   generation
//	                      host:        a row for each living host
//	                      session:     which host has a session of activities
//	                      d:           dead letters that were messages in work queues
//	                    Partition keys GENERATIONpNNN, one for each partition:
//	                      head         owner, epoch, last commit
//	                      i:           instances, and the newest of their history
//	                      h: k:        older history; durable state
//	                      m: n:        inbox; what was consumed from it
//	                      o:           outbox: what is for other partitions, and for queues
//	                      r: q: t:     open activities, their progress, timers
//	                      x: d:        index of instances; dead letters
//	queue HUB-wake-…    wake-ups, one queue for each life of a host, which goes
//	                    with it
//	queue HUB-work      activities for any host
//	queues HUB-wh-…     those of sessions, one queue for a life of a host that has
//	                    had a session, which goes with it
//	queues HUB-wt-TAG   those for hosts that serve a tag, made when first needed
//	container HUB       payload/ID/…: what is too large for a row
//
// Ids are escaped in keys, and sort as they are; short printable values can be
// read with any browser of tables. The generation is drawn when a hub is
// created: what is late from a deleted hub does not touch a new one of its name.
//
// # Messages
//
// Whatever was acknowledged is consumed exactly once. A message between
// partitions is written with the commit that sends it, and carried over until
// the other side has it; the other side remembers the numbers it consumed for
// ever. A message of a client is known by its id for 30 minutes after it was
// consumed: a client that did not learn what became of Send may send the same
// message again within 15 minutes, and starts with a request id for much longer.
// What the network holds back for longer becomes a dead letter.
//
// A wake-up is a hint, and may be lost, doubled or late: inboxes are also swept
// once a minute.
//
// # Activities
//
// Activities run on the host that owns their instance, as soon as the commit
// that scheduled them is applied; that costs no request. Those with a tag that
// it does not serve, and those that wait while other hosts are idle, are offered
// in a work queue, where a lease of queue visibility stands for the host that
// runs one. An activity that was begun by a host that died is begun again: see
// the idempotency key in activity.Info.
//
// # Invariants
//
// The tests and the code of this provider cite them by number.
//
//   - Z1 At most one life of a host commits per partition and epoch, and epochs
//     only grow.
//   - Z2 What a turn decided is visible wholly or not at all.
//   - Z3 Nothing leaves (a message elsewhere, the start of an activity, an
//     answer to a client) before the commit that caused it is known to be
//     applied.
//   - Z4 Every committed message is delivered and applied exactly once, however
//     often it is sent.
//   - Z5 The row of a message disappears only in the transaction that applies
//     it, sets it aside, purges it, or finds it applied already.
//   - Z6 Event ids have no gaps; sealed history never changes.
//   - Z7 No timer fires before its time by the service's clock, or twice.
//   - Z8 Who takes over a partition reads what is outstanding, and nothing else.
//   - Z9 Every running instance has a reason to wake up, provable from storage.
//   - Z10 A purge leaves a tombstone, and touches no other instance.
//   - Z11 A transaction on a partition carries its head, or only inserts.
//   - Z12 At rest, with one living host, every partition has an owner.
//   - Z13 A blob is written before the row that names it, and removed after the
//     last such row.
//
// # When things fail
//
//   - A request gets no answer, or 408, 429 or 5xx: it may have been applied.
//     A commit is settled by reading the head, and sent again unchanged if it
//     was not applied. For a client's Send it is [provider.ErrUnknown], unless
//     a read can settle it.
//   - A host dies: its row in ~hub stays as it is, others see that for one
//     [Config].TTL and take its partitions. That takes at most TTL·4/3 and a
//     few requests. Activities it ran are offered again.
//   - A host is cut off from storage: it starts nothing after TTL·2/3, since
//     others may take over at TTL. When it is back it joins again by itself.
//   - The service throttles: everything is delayed, as it asks; nothing is lost.
//   - A row cannot be read: that instance is set aside, with what to do
//     ([provider.ErrCorrupt]); others are not affected.
//   - The credential is refused, a role is missing, the clock of this machine is
//     wrong by more than 15 minutes: [provider.ErrUnavailable]; the error says
//     which, and what to do. Calls succeed again when it is put right.
//   - The hub is deleted while it is in use: every call fails with
//     [provider.ErrUnavailable] and says so, and a worker's Run ends. When it was
//     made anew, what is sent fails with [provider.ErrSchema] until it is opened
//     again; who only reads finds nothing.
//   - The hub is of a newer program: [provider.ErrSchema] from [Open], and it is
//     left alone.
//
// # Choosing partitions and TTL
//
// The number of partitions is for ever; the number of hosts may change at any
// moment, and one host serves all partitions if it must. More hosts than
// partitions are idle, as far as turns go. A partition commits once per round
// trip, with the turns of many instances in each commit. So 1 suits a small
// program, 16 (the default) most, and 64 or more only who knows that 16 do not
// suffice: idle partitions are swept, and that is billed.
//
// A TTL of 15 s (the default) takes over from a killed host within 20 s. A host
// that leaves in order hands over, and its instances stand still for half a second
// at most; without doorbells for some seconds, if the TTL is above 20 s. All hosts
// of a hub need the same.
//
// # Credentials
//
// With a token ([Config].Credential, or the default chain of azidentity) the
// identity needs the roles Storage Table Data Contributor, Storage Queue Data
// Contributor and Storage Blob Data Contributor on the account. A shared access
// signature needs services bqt, resource types sco, permissions rwdlacup. A key
// needs nothing, and may do everything. Tokens go over https only. Keys,
// signatures and tokens appear in no error, no log record and no formatted
// value.
package azure
