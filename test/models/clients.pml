/*
 * clients.pml: a message of a client, known again by its id. Z4, Z5.
 *
 * The client inserts one m: row, with its id and the date of its first attempt,
 * again and again until it gets an answer or gives up after the horizon H. The
 * commit that consumes it leaves a row `n:` that remembers the id. A copy that
 * arrives later than H goes to the dead letters. The owner expires `n:` rows, and
 * may change or be away for as long as you like. The wake-up is only a hint.
 * Time goes in units of H; the message was first sent at 0.
 */
#ifndef ATTEMPTS
#define ATTEMPTS 3
#endif
#define END 4 /* of time */

byte now, arrived;         /* service time; the date of the m: row */
bool m, remembered, wake;  /* the m: row, the n: row, a wake-up in the queue */
byte times, buried;        /* how often it was applied, put to the dead letters */
bool acked;                /* what the client was told in time */
chan late = [ATTEMPTS] of { bool };

inline insert() {
	if
	:: !m -> m = true; arrived = now
#ifdef MUTANT_PUT_OVER_INSERT /* the row gets a new date */
	:: m -> arrived = now
#else
	:: m /* 409: it is there already */
#endif
	fi
}

proctype Client() {
	byte n;
	do
	:: atomic { n < ATTEMPTS && now <= 1 -> n++;
		if
		:: insert(); if :: now <= 1 -> acked = true :: else fi; break
		:: insert() /* the answer is lost */
		:: late!true
		:: skip
		fi }
	:: n == ATTEMPTS || now > 1 -> break /* unknown */
	od;
	if :: wake = true :: skip fi /* or lost */
}

proctype Network() {
	bool x;
end:	do :: atomic { late?x -> insert() } od
}

proctype Clock() {
	do :: atomic { now < END -> now++ } :: now == END -> break od
}

proctype Owner() {
	byte swept;      /* when the last complete sweep began */
#ifdef MUTANT_EXPIRE_BY_AGE
	byte since;
#endif
	bool seen, over;
	do
#ifdef MUTANT_NO_SWEEP
	:: atomic { wake && !seen -> wake = false; seen = m; swept = now }
#else
	:: atomic { m && !seen -> seen = m; wake = false } /* sweep, woken or not */
	:: atomic { !m && swept != now -> swept = now }    /* a sweep that found nothing unread */
#endif
	:: atomic { seen -> /* a commit consumes the row */
		if
#ifdef MUTANT_NO_DEDUPE
		:: arrived <= 1 -> times++; remembered = true
#else
		:: remembered -> skip                                 /* applied already */
		:: !remembered && arrived <= 1 -> times++; remembered = true
#endif
		:: !remembered && arrived > 1 -> buried++
		fi;
#ifdef MUTANT_EXPIRE_BY_AGE
		since = now;
#endif
		m = false; seen = false;
		assert(times <= 1) }                                  /* Z4 */
#ifdef MUTANT_EXPIRE_BY_AGE
	:: atomic { remembered && now >= since + 2 -> remembered = false }
#else
	:: atomic { remembered && swept > 1 && !seen -> remembered = false } /* all copies of its time were read */
#endif
	:: atomic { !over -> over = true; seen = false; swept = 0 } /* another owner, or the same after a crash */
	od
}

init {
	atomic { run Client(); run Network(); run Clock(); run Owner() }
	timeout -> assert(!m && (!acked || times == 1)) /* Z4, Z5: what was acknowledged in time was applied */
}
