/*
 * session.pml: the activities of a session run on one host. A row, the lease, says
 * which: it is written and deleted on condition of the version that was read. The
 * host that has it ends it; others take it only when that host is dead, that is
 * when its own row is gone. Whoever owns the partition sends an activity to the
 * lease's host, and notes that in the same commit (Z3, Z9): the record tells the
 * next owner whom to leave it to.
 *
 * Two activities of one session are open, in two partitions. A fenced commit is one atomic step, see
 * commit.pml, and so is reading the lease and writing it on condition. A deletion
 * whose outcome is unknown may be lost, or be applied late. No living host begins
 * while another living host runs any of them, and none is doubled or stranded.
 */
#define NONE 255
#define ACT 2
#define AT(h, k) ((h) * ACT + (k))

byte owner[ACT];                               /* heads: each activity is of another partition */
byte lease = NONE, version;                    /* the session's row and its ETag */
byte late = NONE;                              /* a deletion on its way, of that version */
bool done[ACT];                                /* the outcome is in the history */
byte rec[ACT] = NONE, out[ACT] = NONE;         /* open work: who has it; outbox: to whom it goes */
byte back[ACT] = NONE;                         /* inbox: this host does not run it */
bool dead[4], queued[6], running[6];
bool held[3]; byte heldv[3];                   /* what a host remembers of its lease */
byte seen[3] = NONE;                           /* what an owner remembers of another's */
byte ends = 2, deaths = 1, again = 1;

#define RUNS(h) (!dead[h] && (running[AT(h, 0)] || running[AT(h, 1)]))
#ifdef MUTANT_ENDED_WHILE_USED
#define UNUSED(h) true
#else
#define UNUSED(h) !RUNS(h)
#endif
#define SENDS(k) (owner[k] == h && out[k] != NONE)
#define GETS(k) (owner[k] == h && back[k] != NONE)
#define OPEN(k) (owner[k] == h && !done[k] && (rec[k] == NONE || dead[rec[k]]) && !running[AT(h, k)])

inline start(k) {
	assert((h == 0 || !RUNS(0)) && (h == 1 || !RUNS(1)) && (h == 2 || !RUNS(2)));  /* one host */
	assert(!running[AT(h, k)]);                                                    /* not doubled */
	running[AT(h, k)] = true
}

/* where is the host of the session, which is this one if nobody has it. */
inline where() {
	if
	:: held[h] -> to = h
	:: !held[h] && seen[h] != NONE && seen[h] != h && !dead[seen[h]] -> to = seen[h]
	:: else ->
		if
#ifdef MUTANT_TAKEN_UP_UNWRITTEN
		:: lease == h -> held[h] = true; heldv[h] = version; to = h
		:: lease == NONE || (lease != h && dead[lease]) ->
#else
		:: lease == NONE || lease == h || dead[lease] ->
#endif
			lease = h; version++; held[h] = true; heldv[h] = version; to = h
		:: else -> to = lease; seen[h] = lease
		fi
	fi
}

/* send: where the owner has an activity run. */
inline send(k) {
	where();
	if :: to == h -> start(k) :: else -> out[k] = to;
#ifdef MUTANT_HOST_NOT_RECORDED /* that it was sent, but not to whom */
		rec[k] = 3
#else
		rec[k] = to
#endif
	fi
}

/* take: what the host finds in its own queue. It is dropped if it is not open, or here already. */
inline take(k) {
	queued[AT(h, k)] = false;
	if
	:: done[k] || rec[k] != h || running[AT(h, k)]
	:: else ->
#ifdef MUTANT_NOT_CHECKED
		to = h;
#else
		where();
#endif
		if :: to == h -> start(k) :: else -> back[k] = h fi
	fi
}

proctype Host(byte h) {
	byte to, k;
	do
	:: dead[h] -> break
	:: atomic { !dead[h] && (dead[owner[0]] || dead[owner[1]]) -> /* claim by expiry */
		if :: dead[owner[0]] -> owner[0] = h :: dead[owner[1]] -> owner[1] = h fi }
	/* the owner: commits, and the relay of the outbox */
	:: atomic { !dead[h] && (OPEN(0) || OPEN(1)) ->
		if :: OPEN(0) -> k = 0 :: OPEN(1) -> k = 1 fi;
		send(k); to = 0; k = 0 }
	:: atomic { again > 0 && owner[1] == h && !dead[h] && done[1] -> /* the next one, its partition having moved */
		again--; done[1] = false; rec[1] = NONE; owner[1] = (h + 1) % 3 }
	:: atomic { !dead[h] && (SENDS(0) || SENDS(1)) ->
		if :: SENDS(0) -> k = 0 :: SENDS(1) -> k = 1 fi;
		if :: !dead[out[k]] -> queued[AT(out[k], k)] = true :: dead[out[k]] fi;
		if :: out[k] = NONE :: skip fi; /* or it is put again, by this owner or the next */
		k = 0 }
	:: atomic { !dead[h] && (GETS(0) || GETS(1)) -> /* commit: take back */
		if :: GETS(0) -> k = 0 :: GETS(1) -> k = 1 fi;
#ifndef MUTANT_RETURN_NOT_RECORDED
		if :: back[k] == rec[k] -> rec[k] = NONE :: else fi;
#endif
		seen[h] = NONE; back[k] = NONE; k = 0 }
	/* the session's host */
	:: atomic { !dead[h] && (queued[AT(h, 0)] || queued[AT(h, 1)]) ->
		if :: queued[AT(h, 0)] -> k = 0 :: queued[AT(h, 1)] -> k = 1 fi;
		take(k); to = 0; k = 0 }
	:: atomic { RUNS(h) ->
		if :: running[AT(h, 0)] -> k = 0 :: running[AT(h, 1)] -> k = 1 fi;
		running[AT(h, k)] = false; done[k] = true; k = 0 }
	:: atomic { ends > 0 && !dead[h] && held[h] && UNUSED(h) -> ends--; held[h] = false;
		if
		:: version == heldv[h] -> lease = NONE; version++
		:: late == NONE -> late = heldv[h]
		:: skip
		fi }
	:: atomic { deaths > 0 && !dead[h] -> deaths--; dead[h] = true } /* it dies, or is cut off and begins nothing */
	od
}

proctype Network() {
	do
	:: atomic { late != NONE ->
		if
#ifdef MUTANT_DELETED_BLINDLY
		:: lease != NONE -> lease = NONE; version++
#else
		:: lease != NONE && version == late -> lease = NONE; version++
#endif
		:: else
		fi;
		late = NONE }
	od
}

init {
	atomic { owner[1] = 1; run Host(0); run Host(1); run Host(2); run Network() }
	timeout -> assert(done[0] && done[1])
}
