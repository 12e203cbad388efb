/*
 * purge.pml: the life of one instance id: inserted starts, starts that the owner
 * decides, purge and tombstone, and late copies of all of them. A start runs
 * once, its sender gets a true answer, and nothing is resurrected. Z4, Z10, Z11.
 *
 * Start 1 comes from a client: it only inserts {i: Pending, m: start}. Start 2
 * comes from another partition: its relay inserts the same, and after a 409 the
 * m: row alone. Start 3 is a client's that may reuse an id: an m: row, which the
 * owner decides. Any of them may be lost, repeated, or applied late. Then the id
 * is purged: by its owner, or, when no host owns the partition, by a client that
 * claims it for a moment. Both may stop at any point. Fenced commits are atomic,
 * see commit.pml.
 */
#define LOST 2
#define BIT(r) (1 << (r))
mtype = { both, message };                             /* what a start inserts */
mtype = { none, pending, running, ended, purging, tomb }; /* states of the row i: */
mtype = { nobody, host, next, client };                /* owners */

mtype i = none;
byte req;                 /* the row i: is this state, and the request id of its execution */
byte known;               /* i: all request ids that were decided here, kept in the tombstone */
byte inbox;               /* m: rows of starts */
byte dedupe;              /* in: and n: rows: starts whose message was applied */
byte rows, rowsof;        /* other rows of the id (history, index, timer), and whose they are */
bool w;                   /* the row w:, "a purge is under way" */
mtype owner = nobody;     /* head */
byte runs[4], acked, denied, lost = LOST, takeovers = 1;
bool purged, wanted;      /* wanted: a message asks the owner to purge */
chan late = [LOST] of { byte, byte };

/* insert is what the table does: no fence, inserts only; i: and the message, or the message. */
inline insert(what, r) {
	ok = (what == message || i == none);
	if :: ok && what == both -> i = pending; req = r :: else fi;
	if :: ok -> inbox = inbox | BIT(r) :: else fi
}

proctype Start(byte r) {
	bool ok, answer;
	mtype what = (r == 3 -> message : both);
	do
	:: atomic {
		if
		:: insert(what, r); answer = true
		:: lost > 0 -> lost--; answer = false; if :: insert(what, r) :: late!what, r :: skip fi
		fi;
		if
		:: answer && ok -> acked = acked | BIT(r); break
		:: answer && !ok && r == 1 -> /* read i: */
			if
			:: i == pending && req == r || (known & BIT(r)) -> acked = acked | BIT(r)
			:: else -> denied = denied | BIT(r); assert(runs[r] == 0 && !(inbox & BIT(r))) /* "exists", truly */
			fi; break
		:: answer && !ok && r == 2 ->
#ifdef MUTANT_CONFLICT_IS_DELIVERY
			acked = acked | BIT(r); break
#else
			what = message
#endif
		:: else
		fi }
	od
}

proctype Network() { mtype what; byte r; bool ok;
end:	do :: atomic { late??what, r -> insert(what, r); what = 0; r = 0 } od
}

/* begin starts an execution for request r in a commit, whatever was before. */
inline begin(r) {
	i = running; req = r; known = known | BIT(r); rows = 2; rowsof = r; runs[r]++;
	assert(runs[r] == 1 && !(denied & BIT(r)))               /* once, and not after "exists"; Z10 */
}

/* purge is one step of a purge, in any state; each step is a commit. */
inline purge() {
	if
#ifdef MUTANT_ROWS_AFTER_TOMBSTONE
	:: i == ended -> i = tomb; w = true; wanted = false
	:: i != ended && rows > 0 -> assert(i == tomb); rows--
	:: i != ended && rows == 0 -> w = false; purged = true
#else
	:: i == ended -> i = purging; wanted = false;
#ifndef MUTANT_PURGE_NOT_RECORDED /* no row w: */
		w = true
#endif
	:: i == purging && rows > 0 -> rows--
#ifdef MUTANT_PURGE_TAKES_STARTS
	:: i == purging && inbox -> dedupe = dedupe | inbox; inbox = 0
#endif
	:: i == purging && rows == 0 -> w = false; purged = true;
		i = tomb;
#ifdef MUTANT_TOMBSTONE_DROPPED
		i = none;
#endif
#ifdef MUTANT_REQUEST_IDS_DROPPED
		known = 0
#endif
#endif
	fi
}

proctype Host(mtype me) {
	byte r;
	do
	:: atomic { owner == nobody || owner == client -> owner = me } /* no live host lists it: claim */
	:: atomic { owner != nobody && owner != client && owner != me && takeovers > 0 -> takeovers--; owner = me }
	:: atomic { owner == me && inbox && i != purging -> /* commit: decide a start */
		if :: inbox & 2 -> r = 1 :: inbox & 4 -> r = 2 :: inbox & 8 -> r = 3 fi;
		inbox = inbox & ~BIT(r);
		if
		:: dedupe & BIT(r) -> skip
		:: !(dedupe & BIT(r)) && (i == none || i == tomb || (i == pending && req == r) || (i == ended && r == 3)) -> begin(r)
		:: else -> known = known | BIT(r) /* "exists" */
		fi;
		dedupe = dedupe | BIT(r); r = 0 }
	:: atomic { owner == me && i == running -> i = ended } /* commit: the execution ends */
	:: atomic { owner == me && (wanted && i == ended || w) -> purge() }
	od
}

proctype Manager() {
	bool mine; /* it has begun */
	atomic { i == ended -> /* a terminal instance; who owns the partition? */
		if
		:: owner == nobody -> owner = client
		:: owner != nobody && takeovers > 0 -> takeovers--; owner = client /* nobody alive, it seems */
		:: owner != nobody -> wanted = true; goto asked
		fi }
	do
	:: atomic { owner == client && (i == purging || i == ended && !mine) -> mine = true; purge() }
#ifdef MUTANT_PURGE_UNFENCED
	:: atomic { mine && owner != client && rows > 0 -> assert(i == purging); rows-- }
#endif
	:: atomic { owner == client && mine && i != purging -> owner = nobody; break } /* release */
	:: break /* it is fenced, or dies */
	od;
	atomic { if :: !purged && !w && i != purging -> wanted = true :: else fi } /* or someone asks again */
asked:	skip
}

init {
	atomic { run Start(1); run Start(2); run Start(3); run Network(); run Host(host); run Host(next); run Manager() }
	timeout ->
	assert(inbox == 0 && (acked & ~known) == 0 && purged && !w); /* each accepted start has its answer */
	assert(i == ended && rows == 2 || i == tomb && rows == 0)
}
