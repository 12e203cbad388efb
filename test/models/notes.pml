/*
 * notes.pml: what a leaver tells the next owner, and what that does with it. The
 * leaver puts completions that wait in its memory into the inbox, and notes in the
 * row of open work what it still runs. The next owner offers neither. A host that
 * goes for good ends what it runs or gives it back, and only then removes its row:
 * what it left is offered when its row is gone and a look into the inbox, after
 * that was seen, shows nothing of it. So a hand-over among hosts that live doubles
 * nothing, runs nothing again that has ended, and strands nothing. Z9, B5.
 *
 * Activity 0 is open from the beginning, activity 1 is opened by a commit that may
 * be under way at the hand-over. The row is as it is known to memory, except by
 * that commit. A host that is fenced while it lives is not here, as in release.pml,
 * which has the chain of owners. A fenced commit is one atomic step, see commit.pml.
 */
#ifndef RELEASES
#define RELEASES 1
#endif
#define NONE 255
#define AT(h, k) ((h) * 2 + (k))

mtype = { nothing, running, waits };  /* what a host has of an activity: its completion waits in memory */

byte owner = NONE;                    /* head */
bool open[2], was;                    /* row of open work; activity 1 was in it */
byte note[2] = NONE;                  /* in the same row: who else runs it */
bool done[2];                         /* the outcome is in the history */
bool result[2], back[2];              /* inbox: a completion; an activity that is given back */
mtype has[6] = nothing;
bool dead[3], left[3], ended[2];      /* ended: and the completion is not lost with a host */
byte releases = RELEASES, deaths = 1, leaves = 1;

#define BUSY(h, k) (has[AT(h, k)] == running)
#define LIVES(h) (!dead[h] && !left[h])
#define OWNS (owner == h && !dead[h])

inline offered(k) {
	assert(!BUSY(0, k) && !BUSY(1, k) && !BUSY(2, k)); /* not doubled */
	assert(!ended[k]);                                  /* not run again */
	has[AT(h, k)] = running
}

inline consume(k) { done[k] = true; open[k] = false; note[k] = NONE; result[k] = false; has[AT(h, k)] = nothing }

/* tell is what a leaver submits: completions that wait, and the row as memory has it. */
inline tell(k) {
	row[k] = open[k];
	if
#ifndef MUTANT_COMPLETIONS_DROPPED
	:: has[AT(h, k)] == waits -> result[k] = true; has[AT(h, k)] = nothing
#else
	:: has[AT(h, k)] == waits -> has[AT(h, k)] = nothing
#endif
#ifndef MUTANT_NOT_NOTED
	:: has[AT(h, k)] == running && open[k] -> note[k] = h
#endif
	:: else
	fi
}

/* load is what a new owner reads. */
inline load(k) {
	freed[k] = false; seen[k] = 0; known[k] = result[k];
#ifdef MUTANT_NOTES_CLOSE
	if :: note[k] != NONE -> open[k] = false :: else fi
#endif
}

#ifdef MUTANT_DONE_OFFERED
#define MAY(k) (note[k] == NONE || freed[k])
#else
#define MAY(k) ((note[k] == NONE || freed[k]) && !known[k])
#endif
#define OFFER(k) (OWNS && !leaving && open[k] && !done[k] && has[AT(h, k)] == nothing && MAY(k))

/* free: its host is gone (1 seen, 2 looked into the inbox after that). */
inline free(k) {
	if
	:: seen[k] == 0 -> seen[k] = 1
#ifdef MUTANT_FREED_WITHOUT_A_LOOK
	:: seen[k] == 1 -> freed[k] = true; seen[k] = 0
#else
	:: seen[k] == 1 && !result[k] && !back[k] -> freed[k] = true; seen[k] = 0
	:: seen[k] == 1 && (result[k] || back[k]) -> seen[k] = 0
#endif
	fi
}

inline stop(k) { /* it ends, or is given back by whoever goes */
	if
	:: OWNS && !leaving -> has[AT(h, k)] = waits; ended[k] = true
	:: !(OWNS && !leaving) -> result[k] = true; has[AT(h, k)] = nothing; ended[k] = true
	:: owner != h && going -> back[k] = true; has[AT(h, k)] = nothing
	fi
}

inline lose(k) {
	if :: has[AT(h, k)] == waits -> ended[k] = false :: else fi;
	has[AT(h, k)] = nothing
}

proctype Host(byte h) {
	byte leaving, seen[2];                  /* leaving: 1 no intake, 2 told, 3 committed */
	bool flight, going, freed[2], known[2], row[2];
	do
	:: atomic { owner == NONE && LIVES(h) && !going -> owner = h; load(0); load(1) }
	:: atomic { owner != NONE && owner != h && dead[owner] && LIVES(h) && !going -> owner = h; load(0); load(1) }
	:: atomic { OWNS && !leaving && !was && !flight -> flight = true } /* a commit opens activity 1 */
	:: atomic { flight -> flight = false; if :: OWNS -> open[1] = true; was = true :: else fi }
	/* release, of its own accord or to go for good */
	:: atomic { leaves > 0 && LIVES(h) -> leaves--; going = true }
	:: atomic { OWNS && !leaving && going -> leaving = 1 }
	:: atomic { OWNS && !leaving && !going && releases > 0 -> releases--; leaving = 1 }
#ifdef MUTANT_NOT_SETTLED
	:: atomic { OWNS && leaving == 1 -> leaving = 2; tell(0); tell(1) }
#else
	:: atomic { OWNS && leaving == 1 && !flight -> leaving = 2; tell(0); tell(1) }
#endif
	:: atomic { OWNS && leaving == 2 && !flight -> leaving = 3; open[0] = row[0]; open[1] = row[1] }
	:: atomic { OWNS && leaving == 3 -> leaving = 0; owner = NONE }
	:: atomic { going && LIVES(h) && owner != h && !flight && has[AT(h, 0)] == nothing && has[AT(h, 1)] == nothing -> left[h] = true; break }
	/* the owner */
	:: atomic { OWNS && !leaving && (result[0] || has[AT(h, 0)] == waits) -> consume(0) }
	:: atomic { OWNS && !leaving && (result[1] || has[AT(h, 1)] == waits) -> consume(1) }
	:: atomic { OWNS && !leaving && back[0] -> back[0] = false; note[0] = NONE }
	:: atomic { OWNS && !leaving && back[1] -> back[1] = false; note[1] = NONE }
	:: atomic { OWNS && !leaving && note[0] != NONE && !freed[0] && !LIVES(note[0]) -> free(0) }
	:: atomic { OWNS && !leaving && note[1] != NONE && !freed[1] && !LIVES(note[1]) -> free(1) }
	:: atomic { OFFER(0) -> offered(0) }
	:: atomic { OFFER(1) -> offered(1) }
	:: atomic { has[AT(h, 0)] == running -> stop(0) }
	:: atomic { has[AT(h, 1)] == running -> stop(1) }
	:: atomic { deaths > 0 && LIVES(h) -> deaths--; dead[h] = true; lose(0); lose(1); break }
	od
}

init {
	atomic { open[0] = true; run Host(0); run Host(1); run Host(2) }
	timeout -> assert(done[0] && done[1] && !result[0] && !result[1] && owner != NONE && LIVES(owner))
}
