/*
 * quarantine.pml: what kills its process is found, and nobody else is blamed. Who
 * claims from an owner that died counts that in head, in the same write. From then
 * on an owner names in head what it begins, before it begins. What was named at
 * every death is suspect: suspects run one at a time, and where only one is left it
 * runs alone if it begins before all others. What dies alone as often as ALONE is in
 * quarantine.
 *
 * Three pieces of work are open in one partition; piece 0 kills whoever runs it, at
 * any later moment, and the owner may also die once for another reason. A fenced
 * write is one atomic step, see commit.pml. Innocents end, or run for so long that
 * they are acquitted, which is the same here.
 */
#define N 3
#define ALONE 2

bool calm = true;                              /* head: no owner has died lately */
bool named[N], suspect[N];                     /* head: what runs; what ran at every death */
byte alone; bool trial;                        /* head: the last suspect ran alone */
bool quarantined[N], done[N], runs[N];
byte deaths = 1;                               /* for other reasons */

#define SUSPECTS (suspect[0] + suspect[1] + suspect[2])
#define RUNNING ((suspect[0] && runs[0]) + (suspect[1] && runs[1]) + (suspect[2] && runs[2]))
#define OPEN(k) (!done[k] && !quarantined[k] && !runs[k])
#ifdef MUTANT_ALL_AT_ONCE
#define MAY(k) true
#else
#ifdef MUTANT_CROWDED_TRIAL
#define MAY(k) (!suspect[k] || RUNNING == 0)
#else
#define MAY(k) (!trial && (!suspect[k] || RUNNING == 0))
#endif
#endif
#define BOTH(k) (suspect[k] && named[k])
#define NAMED (named[0] || named[1] || named[2])

/* begin: named in head first, while owners die. */
inline begin(k) {
	if
	:: !calm ->
		if :: suspect[k] && SUSPECTS == 1 && !runs[0] && !runs[1] && !runs[2] -> trial = true :: else fi;
		named[k] = true
	:: calm
	fi;
	runs[k] = true
}

/* ended: with its commit, which writes head. */
inline ended(k) {
	runs[k] = false; done[k] = true;
#ifndef MUTANT_END_NOT_WRITTEN
	named[k] = false;
	if :: suspect[k] -> suspect[k] = false; trial = false; alone = 0 :: else fi
#endif
}

/* died: the next owner's claim. */
inline died() {
	runs[0] = false; runs[1] = false; runs[2] = false;
	if
	:: calm -> calm = false
	:: !calm && !NAMED /* it ran nothing: nobody is to blame */
	:: !calm && NAMED && !(BOTH(0) || BOTH(1) || BOTH(2)) ->
		suspect[0] = named[0]; suspect[1] = named[1]; suspect[2] = named[2]; alone = 0
	:: else ->
		suspect[0] = BOTH(0); suspect[1] = BOTH(1); suspect[2] = BOTH(2);
#ifdef MUTANT_BLAMED_IN_COMPANY
		if :: SUSPECTS == 1 -> alone++ :: else fi
#else
		if :: trial -> alone++ :: else fi
#endif
	fi;
	named[0] = false; named[1] = false; named[2] = false; trial = false;
	if
	:: alone == ALONE ->
		quarantined[0] = suspect[0]; quarantined[1] = suspect[1]; quarantined[2] = suspect[2];
		suspect[0] = false; suspect[1] = false; suspect[2] = false; alone = 0; calm = true
	:: else
	fi;
	assert(!quarantined[1] && !quarantined[2]) /* nobody else is blamed */
}

active proctype Owners() {
	do
	:: atomic { OPEN(0) && MAY(0) -> begin(0) }
	:: atomic { OPEN(1) && MAY(1) -> begin(1) }
	:: atomic { OPEN(2) && MAY(2) -> begin(2) }
	:: atomic { runs[1] -> ended(1) }
	:: atomic { runs[2] -> ended(2) }
	:: atomic { runs[0] -> died() }
	:: atomic { deaths > 0 -> deaths--; died() }
	od
}

init {
	timeout -> assert(quarantined[0] && done[1] && done[2])
}
