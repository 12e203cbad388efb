/*
 * handover.pml: a partition changes hosts while an activity of it is open, and
 * the new owner asks the incarnation that has it. The activity is neither
 * stranded, nor doubled while that incarnation lives, even if its host lost the
 * partition without a release. Z3, Z12.
 *
 * The open work of the instance is one entry {incarnation, stamp}: who runs the
 * activity, and the epoch of the commit that gave it to him. A host learns that
 * its commit was applied later than it is. Claims come after a release, for the
 * target or for anyone after a while; when nobody alive lists the partition; or
 * by false suspicion. Asks may get lost and be repeated. A host that is declared
 * dead may have died, or may run on, cut off: then what it runs may run again,
 * and it starts nothing more, since it fences itself by its own clock.
 * A fenced commit is one atomic step here, see commit.pml.
 */
#ifndef HOSTS
#define HOSTS 3
#endif
#ifndef RELEASES
#define RELEASES 1
#endif
#ifndef SUSPECTS
#define SUSPECTS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#define NONE 255

mtype = { nothing, sent, queued, running, finished }; /* what a host has of the activity */

byte owner = NONE, epoch, target = NONE;   /* head; target of a release */
byte at = NONE, stamp;                     /* the entry of the open work */
bool done;                                 /* the outcome is in the history */
bool result;                               /* inbox: an m: row with a result */
byte notheld;                              /* inbox: answers "not held", by the stamp asked about */
mtype has[HOSTS] = nothing;
byte hasstamp[HOSTS], serving[HOSTS];
bool dead[HOSTS], gone[HOSTS], started[HOSTS];
byte releases = RELEASES, suspects = SUSPECTS, deaths = DEATHS, losses = 1;
chan ask[HOSTS] = [2] of { byte, byte };   /* the asker's epoch, the stamp */

#define LISTED(h) (!dead[h] && serving[h] > 0 && serving[h] == epoch)
#if HOSTS == 3
#define SERVED (LISTED(0) || LISTED(1) || LISTED(2))
#else
#define SERVED (LISTED(0) || LISTED(1))
#endif
#define OWNS(h) (serving[h] > 0 && owner == h && serving[h] == epoch)

/* dispatch is the commit that gives the activity to its owner. */
inline dispatch(h) { at = h; stamp = epoch; has[h] = sent; hasstamp[h] = epoch; asked = false }

inline drop(h) { /* the partition is lost: what has not started is forgotten */
	serving[h] = 0; asked = false;
	if :: has[h] == sent || has[h] == queued -> has[h] = nothing :: else fi
}

proctype Host(byte h) {
	bool asked, answer;
	byte e, s, about;
	do
	:: gone[h] -> break
	/* the partition */
	:: atomic { !dead[h] && serving[h] == 0 && owner == NONE -> /* claim after a release */
#ifdef MUTANT_FOR_TARGET_ONLY
		target == NONE || target == h;
#endif
		epoch++; owner = h; target = NONE; serving[h] = epoch }
	:: atomic { !dead[h] && serving[h] == 0 && owner != NONE && (!SERVED || suspects > 0) -> /* claim by expiry */
		if :: SERVED -> suspects-- :: else fi;
		epoch++; owner = h; serving[h] = epoch }
	:: atomic { releases > 0 && OWNS(h) && has[h] != sent -> releases--; /* graceful release */
		epoch++; owner = NONE; if :: target = 0 :: target = 1 fi; drop(h) }
	:: atomic { serving[h] > 0 && !OWNS(h) && has[h] != sent -> drop(h) } /* it meets the fence */
	/* what the owner does */
	:: atomic { OWNS(h) && !done && at == NONE -> dispatch(h) } /* a turn schedules the activity */
	:: atomic { OWNS(h) && result -> result = false; if :: !done -> done = true :: else fi }
#ifdef MUTANT_ANSWER_BEFORE_RESULT
	:: atomic { OWNS(h) && !done && at == h && has[h] == nothing -> dispatch(h) }
#else
	:: atomic { OWNS(h) && !done && !result && at == h && has[h] == nothing -> dispatch(h) } /* its own, lost at a fence */
#endif
#ifndef MUTANT_DEATH_NOT_NOTICED
	:: atomic { OWNS(h) && !done && at != NONE && at != h && dead[at] -> dispatch(h) }
#else
	:: atomic { OWNS(h) && !done && at != NONE && at != h && dead[at] && !asked -> dispatch(h) }
#endif
#ifdef MUTANT_REDISPATCH_WITHOUT_ASKING
	:: atomic { OWNS(h) && !done && at != NONE && at != h -> dispatch(h) }
#endif
	:: atomic { OWNS(h) && !done && at != NONE && at != h && !dead[at] && !asked && nfull(ask[at]) -> /* ask */
		if :: losses > 0 -> losses--; if :: skip :: ask[at]!epoch, stamp fi
		:: ask[at]!epoch, stamp; asked = true fi }
#ifdef MUTANT_ANSWER_WITHOUT_STAMP
	:: atomic { OWNS(h) && !answer && notheld -> answer = true; about = stamp; notheld = 0 }
#else
	:: atomic { OWNS(h) && !answer && notheld -> /* read an answer; one about another dispatch is void */
		if :: notheld & (1 << stamp) -> answer = true; about = stamp :: else fi; notheld = 0 }
#endif
#ifdef MUTANT_ANSWER_BEFORE_RESULT
	:: atomic { answer -> answer = false;
#else
	:: atomic { answer && !result -> answer = false; /* nothing came from him before his answer */
#endif
		if :: OWNS(h) && !done && at != NONE && stamp == about -> dispatch(h) :: else fi; about = 0 }
	/* what the runner does */
	:: atomic { has[h] == sent -> /* it learns that its commit was applied */
		has[h] = queued }
	:: atomic { has[h] == queued && serving[h] > 0 && !dead[h] -> /* start */
		assert(!started[h]);                               /* not doubled by itself */
		assert(!started[0] || dead[0]);                    /* nor by others */
		assert(!started[1] || dead[1]);
		assert(HOSTS < 3 || !started[HOSTS-1] || dead[HOSTS-1]);
		started[h] = true; has[h] = running }
	:: atomic { has[h] == running -> has[h] = finished }
	:: atomic { has[h] == finished && OWNS(h) -> /* commit of the completion */
		done = true; has[h] = nothing }
#ifdef MUTANT_FENCED_DROPS
	:: atomic { has[h] == finished && !OWNS(h) -> has[h] = nothing }
#else
	:: atomic { has[h] == finished && !OWNS(h) -> /* insert an m: row, until it is known applied */
		result = true; if :: has[h] = nothing :: losses > 0 -> losses-- fi }
#endif
	:: atomic { ask[h]?e, s -> /* answer; the asker's epoch says that the partition is lost */
		if
		:: has[h] == running || has[h] == finished -> skip /* "running" */
		:: else ->
			notheld = notheld | (1 << s);
#ifndef MUTANT_NOT_HELD_THEN_STARTED
			if :: e > serving[h] -> drop(h) :: else fi
#endif
		fi; e = 0; s = 0 }
	:: atomic { deaths > 0 -> deaths--; dead[h] = true; drop(h);
		if :: gone[h] = true :: skip fi }
	od
}

init {
	byte n;
	atomic { do :: n < HOSTS -> run Host(n); n++ :: else -> break od; n = 0 }
	timeout -> assert(done && !result && SERVED && at != NONE) /* not stranded */
}
