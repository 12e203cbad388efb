/*
 * release.pml: hand-over without asking, by a record of what runs. Before a host
 * releases a partition it commits which activities it still runs, itself or as it
 * knows of others. Its successor withholds those until their host reports, gives
 * back, or is dead; all others it offers. None is stranded, none is doubled while
 * its incarnation lives.
 *
 * Two activities of one instance are open. Nobody takes a partition from a living
 * host here: an owner that is fenced while it lives has recorded nothing, and what
 * it runs may run again; only handover.pml, which asks, avoids that. A fenced
 * commit is one atomic step, see commit.pml.
 */
#ifndef RELEASES
#define RELEASES 2
#endif
#define NONE 255
#define ACT 2
#define AT(h, k) ((h) * ACT + (k))

mtype = { nothing, running, finished };        /* what a host has of an activity */

byte owner = NONE, target = NONE;              /* head */
bool done[ACT];                                /* the outcome is in the history */
byte runs[ACT] = NONE;                         /* the record: who else runs it */
bool result[ACT];                              /* inbox: a completion */
byte back[ACT] = NONE;                         /* inbox: this host gives it back */
mtype has[6] = nothing;
bool dead[3], gone[3];
byte releases = RELEASES, deaths = 1, returns = 1, losses = 1;

#define BUSY(h, k) (has[AT(h, k)] != nothing && !dead[h])
#ifdef MUTANT_STARTED_WHILE_LEAVING
#define OPEN (owner == h)
#else
#define OPEN (owner == h && !leaving)
#endif
#ifdef MUTANT_DEATH_NOT_NOTICED
#define FREE(k) (runs[k] == NONE || free[k])
#else
#define FREE(k) (runs[k] == NONE || free[k] || dead[runs[k]])
#endif

/* offered: the owner starts an activity of which nobody else takes care. */
inline offered(k) {
	assert(!BUSY(0, k) && !BUSY(1, k) && !BUSY(2, k));  /* not doubled */
	has[AT(h, k)] = running
}

/* record is a commit: what runs here is added to the record. */
inline record(k) {
	if
	:: has[AT(h, k)] != nothing -> runs[k] = h
#ifdef MUTANT_HOST_OVERWRITTEN /* one host for all activities of an instance */
	:: has[AT(h, k)] == nothing && has[AT(h, 1-k)] != nothing -> runs[k] = NONE
#endif
	:: else
	fi
}

inline ended(k) {
	if
	:: owner == h -> done[k] = true; has[AT(h, k)] = nothing /* commit */
	:: owner != h -> result[k] = true; /* insert, until it is known to be applied */
		if :: has[AT(h, k)] = nothing :: losses > 0 -> losses-- fi
	fi
}

proctype Host(byte h) {
	byte leaving, k; /* leaving: 1 no intake, 2 recorded */
	bool free[ACT];  /* what was given back, as the owner remembers it */
	do
	:: gone[h] -> break
	:: atomic { !dead[h] && owner == NONE -> owner = h; target = NONE } /* claim; target or anyone, after a while */
	:: atomic { owner != NONE && owner != h && dead[owner] && !dead[h] -> owner = h } /* claim by expiry */
	/* release: no intake, then the record, then head */
	:: atomic { releases > 0 && owner == h && !leaving && !dead[h] -> releases--; leaving = 1 }
	:: atomic { leaving == 1 && owner == h && !dead[h] -> leaving = 2;
#ifndef MUTANT_NOT_RECORDED
		record(0); record(1)
#endif
		}
	:: atomic { leaving == 2 && owner == h && !dead[h] -> owner = NONE; leaving = 0; free[0] = false; free[1] = false }
	/* the owner */
	:: atomic { owner == h && (result[0] || result[1]) -> /* commit: consume completions */
		if :: result[0] -> k = 0 :: result[1] -> k = 1 fi;
		result[k] = false; done[k] = true; k = 0 }
	:: atomic { owner == h && (back[0] != NONE || back[1] != NONE) -> /* commit: consume what is given back */
		if :: back[0] != NONE -> k = 0 :: back[1] != NONE -> k = 1 fi;
#ifdef MUTANT_RETURN_NOT_RECORDED
		if :: back[k] == runs[k] -> free[k] = true :: else fi;
#else
		if :: back[k] == runs[k] -> runs[k] = NONE :: else fi;
#endif
		back[k] = NONE; k = 0 }
	:: atomic { OPEN && !dead[h] && !done[0] && !result[0] && has[AT(h, 0)] == nothing && FREE(0) -> offered(0) }
	:: atomic { OPEN && !dead[h] && !done[1] && !result[1] && has[AT(h, 1)] == nothing && FREE(1) -> offered(1) }
	/* the activities */
	:: atomic { has[AT(h, 0)] == running -> has[AT(h, 0)] = finished }
	:: atomic { has[AT(h, 1)] == running -> has[AT(h, 1)] = finished }
	:: atomic { has[AT(h, 0)] == finished -> ended(0) }
	:: atomic { has[AT(h, 1)] == finished -> ended(1) }
	:: atomic { returns > 0 && owner != h && has[AT(h, 0)] == running && !dead[h] -> /* give it back */
		returns--; has[AT(h, 0)] = nothing; back[0] = h }
	:: atomic { deaths > 0 -> deaths--; dead[h] = true; /* it dies, or runs on, cut off, and starts nothing */
		if :: gone[h] = true :: skip fi }
	od
}

init {
	atomic { run Host(0); run Host(1); run Host(2) }
	timeout -> assert(done[0] && done[1] && !result[0] && !result[1] && owner != NONE && !dead[owner])
}
