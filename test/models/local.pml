/*
 * local.pml: messages within one partition. Z4, and FIFO.
 *
 * An instance sends 1 (to A) and 2 (to B) in a commit with so many messages that
 * they go as one packed outbox row to the own partition; later it sends 3 to A,
 * which the commit inserts directly, unless packed rows for the own partition
 * are pending: then it queues behind them. Packed rows are applied by commits
 * that insert m: rows and shrink the outbox row at once. No sequence and no in:
 * row is needed: all of it happens under the fence. The variant relays packed rows
 * as to other partitions, without the fence, and knows copies by their numbers.
 * Two owners follow one another; the first goes on until it meets the fence.
 */
#define BIT(k)  (1 << (k))

byte owner;          /* head */
byte turns;          /* how many turns of the sender are committed */
byte packed;         /* the messages in outbox rows for the own partition */
byte rows, in;       /* m: rows; in: the numbers that were consumed */
byte times[4];

#define FENCE if :: owner != me -> break :: else fi
#ifdef MUTANT_LOCAL_OVERTAKES
#define PENDING false
#elif defined(VARIANT_NUMBERED)
#define PENDING mem
#else
#define PENDING packed
#endif

proctype Owner(byte me) {
	byte mem, sent, k; /* packed messages that it knows of, those relayed */
	atomic { owner == me - 1 -> owner = me;
#ifndef MUTANT_OUTBOX_NOT_RECOVERED
		mem = packed
#endif
	}
loop:	do
	:: atomic { turns == 0 -> FENCE; /* commit: a large decision */
		turns = 1; packed = BIT(1) | BIT(2); mem = packed }
	:: atomic { turns == 1 -> FENCE; /* commit: a small one */
		turns = 2; if :: PENDING -> packed = packed | BIT(3); mem = mem | BIT(3) :: else -> rows = rows | BIT(3) fi }
	:: atomic { mem -> /* apply the packed messages in order, as many as fit */
		if :: mem & BIT(1) -> k = 1 :: !(mem & BIT(1)) && mem & BIT(2) -> k = 2 :: mem == BIT(3) -> k = 3 fi;
#if !defined(MUTANT_APPLIED_WITHOUT_FENCE) && !defined(VARIANT_NUMBERED)
		FENCE;
#endif
		rows = rows | BIT(k); mem = mem & ~BIT(k);
#ifdef VARIANT_NUMBERED
		sent = sent | BIT(k); k = 0 }
	:: atomic { sent -> FENCE; k = sent; sent = 0; /* commit: relayed rows go */
		packed = packed & ~k; k = 0 }
#else
#ifdef MUTANT_SHRUNK_LATER
	   }
	   atomic {
		FENCE;
#endif
		packed = packed & ~BIT(k); k = 0 }
#endif
	:: atomic { rows -> FENCE; /* commit: a turn consumes the first message of an instance */
		if :: rows & BIT(1) -> k = 1 :: rows & BIT(2) -> k = 2 :: rows & BIT(3) && !(rows & BIT(1)) -> k = 3 fi;
		rows = rows & ~BIT(k);
#ifdef VARIANT_NUMBERED
		if :: in & BIT(k) -> goto loop :: else fi;
#endif
		in = in | BIT(k); times[k]++;
		assert(times[k] == 1 && (k != 3 || times[1] == 1)); /* Z4: once; FIFO */
		k = 0 }
	od
}

init {
	atomic { run Owner(1); run Owner(2) }
	timeout -> assert(times[1] == 1 && times[2] == 1 && times[3] == 1 && packed == 0 && rows == 0)
}
