package bug

// Names lists the bugs that can be planted.
var Names = []string{
	"no-fence",                // commits do not carry the head's ETag (Z1, Z11, L1)
	"unknown-is-success",      // a commit whose outcome is unknown counts as applied (J1)
	"unknown-is-failure",      // … counts as not applied (J1)
	"etag-reread",             // whoever lost the head reads its ETag and goes on (J2)
	"delete-before-commit",    // rows of the inbox are deleted before the commit that consumes them (Z5)
	"no-dedupe-by-id",         // copies are not known by their messages (Z4, B2)
	"late-copies-count",       // what arrives when ids may be forgotten is applied (Z4)
	"late-starts-count",       // … and makes the instance of a start again (Z10)
	"notices-not-written",     // what was consumed is known to memory alone (J5)
	"orders-repeated",         // a copy of an order is carried out, although it was answered (Z4)
	"order-forgotten",         // a client that finds the owner dead leaves its order in the inbox, and begins anew
	"removal-given-up",        // a removal that is held up leaves an instance that nobody runs (Z9)
	"made-beside-orders",      // an instance is made while an order for its id is judged, which replaces it (Z4)
	"purge-guessed",           // a purge of which the outcome was lost says that there was nothing
	"outbox-deleted-early",    // a row of the outbox goes before it is delivered (Z4)
	"outbox-forgotten",        // a new owner does not send what its predecessor left (Z4)
	"fifo-broken",             // relays send the latest first
	"arrival-overtakes",       // what arrives is taken in although something before it is not known (B3)
	"nonsense-passed-over",    // … or a proxy answers in its place, and it cannot be read (B3)
	"tombstone-dropped",       // a purge leaves nothing (Z10)
	"purge-takes-starts",      // a purge removes the starts that wait at the instance, too (Z10)
	"claim-without-epoch",     // a claim keeps the epoch (Z1, L1)
	"running-forgotten",       // open work that runs elsewhere counts as closed (Z9)
	"running-not-noted",       // a leaver does not say what it still runs
	"done-offered",            // a new owner offers activities of which the completion is in the inbox
	"tombstone-index-kept",    // what takes a purged id leaves the row of the tombstone in the index (Z10)
	"outbox-overtaken",        // what is sent directly overtakes the outbox
	"index-not-moved",         // who ends stays in the index of those that are open (Z2)
	"replaced-put-back",       // an instance that was replaced stays in memory
	"lost-work-forgotten",     // what was lost with a work queue is not offered again
	"buried-although-started", // a message is buried that a turn of its receiver has by now
	"announced-anew",          // who announced that it leaves waits once more for those who have seen it
	"leavers-hold-up",         // nothing is balanced while somebody has announced that it leaves
	"leavers-watched",         // who can be rung reads the heads of what a leaver has announced four times a second
	"tags-held-up",            // what needs a tag waits for a worker that begins nothing any more
	"lost-but-held",           // a turn of which the commit says that its lock was lost stays held (P3)
	"start-forgotten",         // nobody knows that the start of a cold instance was handed on
	"copies-count-as-done",    // a new owner takes a copy of what was consumed for the completion of an activity
	"copies-for-the-next",     // a copy of a client's row that was consumed is for the next instance of its id (Z4)
	"next-instance-ended",     // what is said of an activity counts for the next instance of its id (P9)
	"next-instance-runs",      // what is on its way to another host goes there as the next instance's (P9)
	"events-of-the-former",    // events of activities that were read before a purge are kept for the next instance
	"next-instance-pruned",    // rows go on being removed when the instance is another of its id (Z10)
	"kept-pruned",             // one execution more is removed than was pruned (Z6)
	"sleepers-forgotten",      // timers that were far ahead are not taken in when they come near
	"sleepers-half-awake",     // who takes up an instance that sleeps does not read its timers
	"session-stolen",          // a session is taken although its host lives
	"deadly-diverted",         // what other hosts died with goes there again when its owner is busy
	"guests-left-behind",      // a worker leaves a process, and what it had from work queues stays there
	"own-copies-refused",      // who takes a message of a work queue again, and has it still, loses it
	"adopted-but-lost",        // … or if it extends the lease while it does
	"sessions-come-back",      // a host whose worker has left has the session when another of the tag joins
	"cancelled-begins",        // what was cancelled while it lay in a work queue begins all the same
	"over-but-offered",        // an activity whose completion cannot be sent is taken by others meanwhile
	"delay-not-passed",        // the next owner hears nothing of the delay with which an activity was given back
	"rung-when-gone",          // who gives back an activity of a work queue rings others when it may have left
	"taken-before-joining",    // a session is taken for an incarnation of which there is no row yet
	"session-not-checked",     // an activity begins although another host has its session
	"session-not-recorded",    // what is sent to the host of a session is not noted in the open work (Z9)
	"deaths-not-counted",      // a claim by expiry is like any other
	"borrow-hides-deaths",     // a client that borrows from a dead host does not count its death
	"burial-after-gap",        // a client that stood still takes a row that did not change for that of a dead host
	"borrowed-beside-hosts",   // a client borrows what nobody owns, although hosts are about to take it
	"taken-from-clients",      // a client takes a partition from another that borrows it
	"reserved-borrowed",       // … and what is on its way from host to host
	"not-named",               // what begins is not named in head although owners die
	"self-fencing-off",        // a host out of touch starts things (L6)
	"large-progress-dropped",  // progress that does not fit into the message of a work queue is lost
	"told-before-commit",      // what depends on a commit begins before it is sent (Z3, B1)
	"decision-split",          // messages are consumed by a transaction after that of their turn (Z2)
	"numbers-begin-anew",      // a claim forgets the next numbers to other partitions (J4)
	"no-dedupe-by-number",     // copies from other partitions are not known by their numbers (Z4)
	"no-sweep",                // nobody looks into an inbox for which nobody rang
	"timers-early",            // timers that are read again fire a second before they are due (Z7)
	"blob-after-row",          // a commit is sent before the blobs that its rows name (Z13)
	"blob-before-row",         // blobs are removed before the commit after which no row names them (Z13)
	"dead-not-succeeded",      // nobody takes over from the dead (Z12, L2)
	"completions-dropped",     // a leaver forgets completions that no turn has taken in
	"not-settled",             // a leaver notes what runs while a commit is under way
	"freed-unread",            // work of a host that has gone is offered before its last words are read
	"freed-half-read",         // … or with what was read of its progress before those were
	"host-overwritten",        // a leaver notes what runs here, and forgets what runs elsewhere
	"return-not-recorded",     // that work was given back is known to memory alone
	"lease-ended-blindly",     // the lease of a session is ended whoever has it by now
	"end-not-written",         // head blames a turn that ended for what comes after it
	"taken-is-delivered",      // a start whose id is taken counts as delivered (Z4)
	"requests-forgotten",      // a tombstone does not remember the starts of its instance (Z10)
	"packed-again",            // after an unknown outcome other entries go under the same commit number (J1)
	"rows-twice",              // a transaction has a row of two entries (J6)
	"rejected-again",          // an entry that is rejected holds up the others for ever (J7)
	"notices-by-age",          // what was consumed is forgotten by its age alone (Z5)
	"trials-crowded",          // the last suspect of a partition runs beside those of others
	"purge-not-recorded",      // a purge that is half done is not gone on with
	"dead-come-back",          // the row of a host that was buried comes back (L5)
	"progress-not-passed",     // what an attempt elsewhere has reached is not there for the next one
	"former-owner-silent",     // a former owner does not tell the next one what its activities reach
	"former-progress-kept",    // a row of progress that is replaced leaves its blob
	"returned-progress-kept",  // … and so does a message of a work queue whose activity is given back
	"lease-for-progress",      // the lease of an activity elsewhere ends when its progress cannot be stored
	"loss-while-claiming",     // what is lost while it is being claimed counts as served (L2)
	"reads-counted",           // a row grows older by being read, and not by the clock (L3)
	"buried-by-name",          // the row of a silent host is removed, although it has beaten meanwhile (L4)
	"buried-perhaps",          // a host counts as dead although the removal of its row failed (L4)
	"gone-joins-again",        // a host whose row was removed inserts it again, and goes on (L5)
	"unsafe-judges",           // a host that is unsafe removes the rows of others (L6)
	"unsafe-claims",           // … and claims partitions (L6)
	"strangers-are-dead",      // a head that names a host without a row is believed to be free at once (L7)
	"announced-is-free",       // the target of a hand-over claims before the release (L8)
	"heads-read-at-rest",      // heads are read although living hosts list their partitions (L9)
	"released-twice",          // a leaver releases what is being released already (L10)
	"load-under-mutex",        // a driver is called while the member's mutex is held (L10)
	"leave-does-not-wait",     // Leave returns before claims and hand-overs have ended (L11)
	"all-read",                // who takes a partition over reads the rows of all its instances (Z8)
	"sleepers-read",           // … and all timers, however far ahead they are (Z8)
	"told-aside",              // commits are told of beside each other (J3, B1)
	"taken-in-twice",          // a letter is taken in by whoever finds it, each time (B2)
	"log-under-mutex",         // a record is written to the log while the member's mutex is held (B4)
	"given-up-goes-on",        // what a partition handed out is not lost when it is given up (B5)
	"copies-in-the-turn",      // the copies of what a turn consumes go in its transaction, however many there are
	"parts-not-noticed",       // what was consumed of a letter that waits is handed over if it is sent again (Z4)
	"buried-in-parts",         // what is buried before trouble in the middle of a letter is handed over, too (Z4)
	"copies-not-buried",       // a copy of a message that became a dead letter stays in the inbox
	"delayed-in-a-bundle",     // a letter has a message that is consumed after those behind it
	"page-of-any-size",        // a row of ids takes all that a batch consumes, and is too large
	"writes-repeated",         // the SDK sends a write again of which the outcome is unknown (K1)
	"lost-is-refused",         // a write of which the answer is lost counts as refused (K3)
	"accepted-is-applied",     // the status of a batch is believed, and not what its parts say (K3)
	"continuation-ignored",    // the first page of a query counts as the whole
	"sent-before-resolved",    // Send returns before the receiver can have the message (B6)
}
