/*
 * messages.pml: the way of a message from one partition to another: outbox row,
 * relay, m: row, consuming commit, outbox row removed. Z4, Z5, and FIFO from one
 * sender to one instance.
 *
 * Partition S sends messages 1..3 to partition T: 1 to instance B, 2 and 3 to
 * instance A. Each partition has two owners, one after the other; the
 * first goes on, fenced, until it meets the fence. A fenced commit is one atomic
 * step here, its outcome known: commit.pml shows why it may be. Inserts of m:
 * rows carry no fence: they may be repeated, lost, or applied late.
 */
#ifndef LOST
#define LOST 1
#endif
#define BIT(k)  (1 << (k))
#define HAS(set, k) ((set) & BIT(k))

byte ownerS;           /* head of S: which owner, 0 for none */
byte next = 1, out;    /* S: next sequence (in head), o: rows */
byte rows, in;         /* T: m: rows, in: row (highest contiguous and exceptions, as one set) */
byte times[4];         /* how often each was applied */
byte lost = LOST;
chan late = [LOST] of { byte };

#define TOSEND(k) HAS(mem & ~sent, k)

proctype Sender(byte me) {
	byte mem, sent, k, mine; /* o: rows it knows of, those confirmed, the one being relayed */
	atomic {
		ownerS == me - 1 -> ownerS = me;
#ifndef MUTANT_OUTBOX_NOT_RECOVERED
		mem = out;
#endif
#ifdef MUTANT_NEXT_NOT_IN_HEAD /* numbered by what the outbox shows */
		mine = 1; do :: out >> mine -> mine++ :: else -> break od
#endif
	}
	do
	:: atomic { next <= 3 -> /* commit: a turn sends a message */
		if :: ownerS != me -> break :: else fi;
#ifndef MUTANT_NEXT_NOT_IN_HEAD
		mine = next;
#endif
		out = out | BIT(mine); mem = mem | BIT(mine); mine++; next++ }
#ifdef MUTANT_OUTBOX_ROW_DELETED_FIRST
	:: atomic { mem & ~sent & out -> /* commit: the row goes before it was relayed */
		if :: ownerS != me -> break :: else -> out = out & ~(mem & ~sent) fi }
#endif
	:: atomic { mem & ~sent -> /* relay: the lowest first, one in flight */
		if
		:: TOSEND(1) -> k = 1
#if defined(MUTANT_PARALLEL_RELAY) || defined(VARIANT_GAPS_WAIT)
		:: TOSEND(2) -> k = 2
		:: TOSEND(3) -> k = 3
#else
		:: !TOSEND(1) && TOSEND(2) -> k = 2
		:: !TOSEND(1) && !TOSEND(2) -> k = 3
#endif
		fi;
		if
		:: rows = rows | BIT(k); sent = sent | BIT(k)
		:: lost > 0 -> lost--; if :: rows = rows | BIT(k) :: late!k :: skip fi
#ifdef MUTANT_TIMEOUT_IS_SUCCESS
			; sent = sent | BIT(k)
#endif
		fi;
		k = 0 }
	:: atomic { sent & mem -> /* commit: confirmed rows go */
		if :: ownerS != me -> break :: else -> out = out & ~sent; mem = mem & ~sent; sent = 0 fi }
	od
}

proctype Network() {
	byte k;
end:	do :: atomic { late??k -> rows = rows | BIT(k); k = 0 } od
}

/* READY: the owner has row k, and none of lower number for the same instance. */
#define UPTO(k) (BIT(k) - 2)
#define SAME(k) ((k) == 1 -> 2 : 12)
#ifdef VARIANT_GAPS_WAIT /* a row waits for all lower numbers, whoever they are for */
#define GAPS(k) (UPTO(k) & ~(seen | done))
#else
#define GAPS(k) false
#endif
#define READY(k) (HAS(seen & ~done, k) && !(seen & ~done & UPTO(k) & SAME(k)) && !GAPS(k))
/* LATEST: all numbers up to the highest that was read, by instance. */
#define LATEST ((found & 8 -> 12 : found & 4) | (found & 2))

#ifdef MUTANT_DEDUPE_NOT_LOADED
#define TAKEOVER over = true; seen = 0; k = 0; done = 0
#else
#define TAKEOVER over = true; seen = 0; k = 0; done = in
#endif

proctype Receiver() {
	byte done, seen, k, found, again; /* in: as the owner knows it, m: rows that it has */
	bool over;                        /* the owner has changed */
#ifdef MUTANT_ZOMBIE_DROP
	byte stale;
#endif
loop:
	do
	:: rows & ~seen -> /* sweep: two pages are no snapshot, so it reads twice */
		found = rows & BIT(2);
		found = found | (rows & ~BIT(2));
#if !defined(MUTANT_READ_ONCE) && !defined(VARIANT_GAPS_WAIT)
		again = rows & BIT(2) & LATEST;
		found = again | (rows & ~BIT(2) & LATEST);
#endif
		atomic { seen = seen | found; found = 0; again = 0 }
	:: atomic { READY(1) || READY(2) || READY(3) -> /* commit: a turn takes a message in */
		if :: READY(1) -> k = 1 :: READY(2) -> k = 2 :: READY(3) -> k = 3 fi;
#ifdef MUTANT_DELETE_BEFORE_COMMIT
		rows = rows & ~BIT(k);
		if :: !over -> TAKEOVER; goto loop :: skip fi;
#endif
		times[k]++;
		assert(times[k] == 1 && (k != 3 || times[2] == 1)); /* Z4: once; FIFO */
		rows = rows & ~BIT(k); seen = seen & ~BIT(k); done = done | BIT(k);
#ifdef MUTANT_DEDUPE_COMMITTED_LATER
		if :: !over -> TAKEOVER; goto loop :: skip fi;
#endif
		in = done; k = 0 }
	:: atomic { seen & done -> /* commit: what was applied already goes */
#ifdef MUTANT_NO_DEDUPE
		done = done & ~seen
#else
		rows = rows & ~(seen & done); seen = seen & ~done
#endif
		}
	:: atomic { !over -> /* claim by another owner; the old one has no memory that counts */
#ifdef MUTANT_ZOMBIE_DROP
		stale = seen;
#endif
		TAKEOVER }
#ifdef MUTANT_ZOMBIE_DROP
	:: atomic { stale -> rows = rows & ~stale; stale = 0 } /* "not for now", it thinks */
#endif
	od
}

init {
	atomic { run Sender(1); run Sender(2); run Receiver(); run Network() }
	timeout -> /* at rest */
	assert(times[1] == 1 && times[2] == 1 && times[3] == 1); /* Z4: all applied; Z5 */
	assert(out == 0 && rows == 0 && in == 14)
}
