// Package sharding spreads the partitions of a hub over its hosts: it decides
// in which partition an instance lives, which host serves which partition, and
// who takes over when a host leaves, dies, or has too much to do. It stores
// nothing itself. Storage stands behind two interfaces: a [Directory] of hosts
// and a [Driver] that owns partitions.
//
// # The model
//
// A hub has a fixed number of partitions. An instance lives in one of them for
// ever, and which one is a function of its id: see [Partition]. A partition is
// served by one host at a time; a host serves any number of them, all if need
// be. A host that starts, or was declared dead and goes on, is a new
// incarnation.
//
// There are two kinds of rows, and no leases:
//
//	host row, one an incarnation            head, one a partition
//	┌───────────────────────────────┐       ┌──────────────────────────────┐
//	│ incarnation  a                │       │ owner  a  (or nobody, for b) │
//	│ address, slots, formats       │       │ epoch  7                     │
//	│ serves  3 in epoch 7, load    │       └──────────────────────────────┘
//	│         9 in epoch 2, load    │       the truth: written on condition of
//	└───────────────────────────────┘       its version, by claims, releases and
//	a heartbeat: written by a every         and by each commit of the owner
//	TTL/3, read by all as often
//
// Safety hangs on the head alone. Whoever owns a partition commits on condition
// that the head is as it left it, so a host that was slow, paused or cut off
// fails at its next commit, whatever it believes and whatever its clock says.
// Host rows only decide who tries what, and when: if they are wrong, something
// is late.
//
// # A partition
//
//	           claim: {epoch+1, a}                 announce in a's row
//	┌──────┐ ───────────────────────▶ ┌──────────┐ ─────────────────▶ ┌─────────────────┐
//	│ free │                          │ owned, a │                    │ owned, a; to: b │
//	└──────┘ ◀─────────────────────── └──────────┘ ◀───────────────── └─────────────────┘
//	   ▲ a dies; or nobody lists it        ▲         called off               │
//	   │ for a TTL                         │                                  │ a drains and
//	   │                                   │ b claims: {epoch+2, b}           │ releases: {epoch+1,
//	   │ a grace passes: anyone may        │                                  │ nobody, for: b}, rings b
//	   │                              ┌────┴────────┐                         │
//	   └───────────────────────────── │ free, for b │ ◀───────────────────────┘
//	                                  └─────────────┘
//
// At rest every partition is listed in a living host's row, so the rows say it
// all and nobody reads a head. The head of a partition is read when no living
// host lists it, or when it is announced to the reader. What a head says then:
//
//	nobody, for b     the host b claims at once; after the grace (2 s), anyone
//	nobody            the host that the plan chooses does; after the grace, anyone
//	this host         its own claim whose answer was lost: it claims again, at once
//	a host that is    it has claimed lately, and its row will say so. If no living
//	alive             host lists the partition for a TTL, anyone claims it
//	a host that is    dead, if the rows still lack it in a read made after this
//	not in the rows   one (it might just have joined): free, as above
//
// # A host
//
//	         Join: row inserted              TTL - TTL/3 after sending the last
//	                                          heartbeat that was applied
//	(start) ────────────────────▶ [safe] ─────────────────────────▶ [unsafe]
//	                               │  ▲                               │   │
//	                        Leave  │  └──── a heartbeat is applied ───┘   │ its row
//	                               ▼                                      ▼ is gone
//	                            [over] ◀──────────────────────────────────┘
//
// While it is unsafe a host starts no turn and no activity, claims nothing and
// judges nobody: see [Member.Safe]. It may still commit what it began, as long
// as the head allows. Over is for good ([Member.Done]): everything is dropped,
// and the process joins under a new incarnation.
//
// # Death
//
// A death is observed: no row carries a time, and no two clocks are compared. An
// observer reads all rows every TTL/3. With its own monotonic clock it measures
// for each row
//
//	unchanged = start of this read - end of the first read that showed this version
//
// and takes the host for silent when unchanged ≥ TTL. An extra read is made at
// the moment when that can first be so. Then it removes the row, on condition of
// the version that it saw. That one write decides between the observer and a
// late heartbeat. If it is applied the host is dead for everybody, itself
// included, because its next heartbeat finds no row. If it is not, the host
// lives, and is watched anew.
//
// The observation starts anew
//
//   - after a gap of more than TTL/2 between two reads: in an outage everybody
//     is silent, and nobody is dead;
//   - after this host was unsafe: if its own heartbeats did not get through, it
//     learns nothing from missing those of others.
//
// The host itself counts from earlier and stops sooner. With s the moment when
// the last applied heartbeat was sent, on any true clock,
//
//	it stops starting things at   s + TTL - TTL/3
//	others can find it silent at  s + TTL, at the earliest
//
// so a host that is cut off from storage has stopped TTL/3 before anybody takes
// over. A machine whose clock stands still while it sleeps may break this bound;
// it cannot break the head.
//
// # A host dies
//
// With TTL = 15 s, a beats for the last time at 0 and is killed:
//
//	 0 s     last heartbeat of a
//	 ≤ 5 s   b reads the row in its last version for the first time
//	10 s     (a, if it were cut off and not dead, starts nothing any more)
//	≤ 20 s   b reads it unchanged for a TTL, removes it, rings the others
//	         b and c read the rows and the heads of what a served, and plan:
//	         each claims its share
//	+2 s     whoever is not the planned one may claim what is still free
//
// Instances progress again after at most TTL + TTL/3 and a few calls; the bound
// that the tests assert, also with lost calls, is TTL + 2·TTL/3 + 2 s.
//
// # A host hands over
//
//	before   a's row: 3 in epoch 7, to b. a goes on serving
//	 0 ms    a stops taking work in, and finishes or drops what is under way
//	         a writes the head {epoch 8, nobody, for b} and rings b
//	+1 call  b reads the rows, where 3 is announced to it
//	+1 call  b reads the head: it is free, for b
//	+1 call  b writes {epoch 9, b} and serves
//
// That is three calls from the release. Because of the announcement, b knows what
// the ring is about, and others know that the partition is on its way. Until it is
// released b looks at the head every TTL/60: for a TTL if it has an [Host.Address],
// since what comes later is from a leaver, and rings; or else for as long as it takes.
// A host without an Address cannot be rung: then a keeps serving for another beat, so
// that b has seen the announcement. If b dies, anyone claims after the grace; if a dies,
// it is a death as above.
//
// [Member.Leave] does this with all partitions at once, and then removes its row.
// Hand-overs that are only announced by then are called off, and go along. The last
// quarter of the time that it has is for the releases, whoever has seen what. Who calls
// [Member.Announce] before goes on serving until the others know, and for as long as it
// likes: what is left for Leave begins at 0 ms, with a doorbell and without.
//
// # Balance
//
// After every read each host makes the same plan for all, from the rows, and
// carries out its own part (plan.go, a pure function). With for each partition
//
//	busy = rate + backlog / 10 s      messages a second: [Load]
//	cost = 1 + busy
//
// and for each host
//
//	load = sum of the costs of its partitions / slots      [Host.Slots]
//
// free partitions go, the busiest first, to the host that will carry the least.
// When none is free, and from the most loaded host on, a partition moves if
//
//	load of the receiver with it + ½ / slots of the giver
//	    + ¼ · the busier one's sum of busy / slots  <  load of the giver
//
// which makes the pair's larger load fall, so that with constant loads
// balancing ends. Idle partitions are shared out to within one; busy ones only as
// far as rates that go up and down by an eighth, all of a host's together, do not move
// them to and fro, and what makes a difference of less than half an idle partition moves
// nothing. In one round at most 2 partitions move, or 1 in 16 of them, not counting those of a
// host that leaves; one that was claimed less than a TTL ago stays.
//
// A host that took a partition over cannot tell its rate yet. For a TTL its row
// says at least what that of the last owner said, so that it does not look idle. Of
// a partition whose owner died every host remembers the load that it saw last.
//
// Partitions go to hosts that can read their format, and to no others, even if
// nobody serves them then. Which code a host has plays no part: the instances of a
// partition are there by a hash of their ids, and need all of it. No host is ever
// full: the last one owns everything.
//
// # What it costs
//
// At rest a host writes one heartbeat and reads the rows once every TTL/3: 24
// operations a minute, whatever the number of partitions. A death costs one
// removal, two reads of the rows by each survivor, and for each partition a read
// of its head by each survivor and a claim. A hand-over costs two reads, a
// release, a claim, and three heartbeats. While a leaver serves on, those to whom its
// partitions go read their heads, and the rows, every TTL/60. Hosts that can be rung do
// so for a TTL, and then every TTL/3.
//
// # When things fail
//
//	a heartbeat fails         It is tried again after TTL/30 to TTL/15. One may be
//	                          missed altogether. Later the host is unsafe, until one
//	                          is applied or the row turns out to be gone.
//	a read fails              Likewise. After TTL/2 the observation starts anew.
//	an outage                 Hosts become unsafe, keep what they own, and go on when
//	                          it is over. Nobody takes over anything.
//	a head cannot be read     Nothing is planned for that partition. The others are
//	                          claimed and balanced; it is read again at once.
//	a removal's answer is     The next read shows whether the row is there.
//	lost
//	a claim's answer is lost  The head says it: this host claims again, in a higher
//	                          epoch. If it cannot, anyone does after a TTL.
//	two claim at once         One has [ErrLost]. It is the head that chooses.
//	a release fails           The releaser has dropped it. The head says whose it is,
//	                          and it is claimed as after a lost answer.
//	a ring is lost            The partition is claimed at the target's next look, or
//	                          after the grace by another.
//	a host is paused and      It is unsafe at once. Its late claims fail on the head's
//	wakes                     version, its late heartbeats on the missing row.
//	a host is not told that   It sees a higher epoch in another's row, or its next
//	it lost a partition       commit fails ([Member.Lost]): it drops it.
//	clocks are wrong          Nothing: nobody compares them. Only how fast they run
//	                          matters, and a third is allowed for.
//	hosts disagree about TTL  Those with the longer one are taken for dead between
//	                          their heartbeats. They must agree.
//
// # Rules
//
//   - L1 A partition has at most one owner in an epoch, and epochs only grow:
//     claims and releases write the head on condition of the version that was
//     read, with epoch + 1. (Z1)
//   - L2 At rest with a living host that can read it, a partition has an owner
//     that knows its epoch. (Z12)
//   - L3 Times are differences of readings of one monotonic clock. No row has one.
//   - L4 A host is dead when its row is gone. A row is removed by its host when it
//     leaves, or by another after a TTL of silence, in the version that was silent.
//   - L5 An incarnation whose row is gone never comes back.
//   - L6 Who is unsafe starts nothing, claims nothing and declares nobody dead.
//   - L7 A head that names a host without a row is believed to be free only after
//     a read of the rows that began later.
//   - L8 A partition that its living owner lists is the owner's until it releases
//     it.
//   - L9 At rest heads are not read.
//   - L10 Calls of a driver for one partition come one at a time; no mutex is held
//     across any call.
//   - L11 Everything that a member began has ended when Leave returns.
//
// For each there is a bug in internal/bug that breaks it, and test/sim shows that a
// test fails when it is planted. L1 and part of L2, L5 and L6 are for the driver and
// the directory to keep: so are their bugs, in providers/azure.
//
// # Reading
//
// hash.go where instances live; host.go and driver.go what is stored and who
// stores it; watch.go observation; plan.go balance; member.go, beat.go, look.go
// and move.go the member's goroutines: one beats, one looks and decides, and
// each claim or hand-over has its own. An [Observer] reads along for clients.
package sharding
