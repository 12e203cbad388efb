/*
 * commit.pml: how hosts claim a partition, commit, and find out what became of
 * a write whose answer was lost. Z1, Z2, Z3, Z12.
 *
 * The row `head` is {epoch, incarnation, commit id}. A commit takes in the next
 * message: one transaction writes head (If-Match) and the instance row `i`, and
 * removes an `m:` row. A write may be applied with its answer lost, be applied
 * later, or never. A host may suspect a healthy owner. Hosts crash and come back.
 */
#ifndef SUSPECTS
#define SUSPECTS 1
#endif
#define WORK 2 /* messages that wait at the start */
mtype = { applied, refused, unknown, ejected };
byte epoch, inc, id, etag = 1; /* head */
byte i, m = WORK;              /* the instance's last event, the messages left */
byte times[WORK];              /* how often each message was applied */
byte serving[2];               /* host rows: the epoch that each host lists */
bool claiming[2];              /* its claim is younger than the TTL */
byte incs, crashes = 1, lost = 2, suspects = SUSPECTS;
chan late = [2] of { byte, byte, byte, byte, byte }; /* copies on their way */

#define SERVED (epoch > 0 && (serving[0] == epoch || serving[1] == epoch))
#ifdef MUTANT_TWO_ROWS /* the lease is one row, the epoch another */
byte lease = 2;
#define MAYCLAIM (lease == 2 || serving[lease] == 0)
#else
#define MAYCLAIM (!SERVED && !claiming[1-h])
#endif
/* transact is what the table does: a claim (s = 0), or the commit of message s. */
inline transact(e, ep, in, c, s) {
#ifdef MUTANT_NO_FENCE /* head goes without If-Match */
	if :: s > 0 -> e = etag :: else fi;
#endif
	if
	:: e == etag -> /* If-Match */
		assert(s > 0 || ep == epoch + 1);             /* Z1: epochs grow */
		assert(s == 0 || (ep == epoch && in == inc)); /* Z1: nobody else's epoch */
		etag++; epoch = ep; inc = in; id = c; ans = applied; got = etag;
		if :: s > 0 -> i = s; times[s-1]++; m--; assert(times[s-1] == 1) :: else fi;
#ifdef MUTANT_SPLIT_DECISION /* the message goes with a transaction of its own */
		if :: s > 0 -> m++ :: else fi;
#endif
		assert(i + m == WORK)                         /* Z2 */
#ifdef MUTANT_HEAD_LAST /* the table names the first operation that fails */
	:: e != etag && s > 0 && i >= s -> ans = ejected
#endif
	:: else -> ans = refused
	fi
}
#define CRASH crashes > 0 -> crashes--; goto restart
#define FORGET rtag = 0; rep = 0; rid = 0; rs = 0; got = 0; ans = 0

proctype Host(byte h) {
	byte me, my, tag, c, mem;     /* incarnation, epoch, ETag, commit number, last event */
	byte rtag, rep, rid, rs, got; /* the one write in flight; its answer and ETag */
	mtype ans;
restart: atomic { incs++; me = incs; c = 0 }
idle:	atomic { serving[h] = 0; claiming[h] = false; my = 0; mem = 0; tag = 0; FORGET }
#ifdef MUTANT_LOAD_BEFORE_CLAIM
	mem = i;
#endif
	atomic { /* read head; nobody lists its epoch, or so it seems: claim */
		if :: MAYCLAIM :: !MAYCLAIM && suspects > 0 -> suspects-- fi;
#ifdef MUTANT_TWO_ROWS
		lease = h
	}
	atomic {
#endif
		rtag = etag; rep = epoch + 1; claiming[h] = true
	}
#ifdef VARIANT_LOAD_WHILE_CLAIMING
	mem = i;
#endif
send:
	atomic {
		if
		:: transact(rtag, rep, me, rid, rs)
		:: lost > 0 -> lost--;
			if :: transact(rtag, rep, me, rid, rs) :: late!rtag, rep, me, rid, rs :: skip fi; ans = unknown
		:: CRASH /* before or after the write */
		:: crashes > 0 -> transact(rtag, rep, me, rid, rs); CRASH
		:: crashes > 0 && lost > 0 -> lost--; late!rtag, rep, me, rid, rs; CRASH
		fi
	}
	if
	:: ans == applied -> goto done
#ifdef MUTANT_TIMEOUT_IS_SUCCESS
	:: ans == unknown -> got = rtag + 1; goto done
#endif
#ifdef MUTANT_TIMEOUT_IS_FAILURE
	:: ans == unknown && rs > 0 && inc == me && epoch == my -> tag = etag; goto work
#endif
#ifdef MUTANT_HEAD_LAST /* a record that was refused for good is decided anew */
	:: ans == ejected -> mem = i; goto work
#endif
	:: else
	fi;
	atomic { /* settle: read head */
		if
		:: inc == me && epoch == rep && id == rid -> got = etag; goto done /* applied */
#ifdef MUTANT_SETTLE_BY_OWNER
		:: inc == me && epoch == rep && id != rid -> got = etag; goto done
#endif
		:: etag == rtag -> goto again /* the identical batch again */
		:: else -> assert(inc != me || epoch != my); goto idle /* lost; head never moves under its owner */
		fi
	}
again:
#ifdef MUTANT_NOT_FROZEN
	c++; rid = c;
#endif
	goto send;
done:
#ifdef MUTANT_ETAG_REREAD
	got = etag;
#endif
	atomic {
		tag = got;
		if
		:: rs == 0 -> my = rep; serving[h] = my; claiming[h] = false
		:: else -> assert(times[rs-1] == 1); mem = rs /* Z3: the answer leaves now */
		fi;
		FORGET
	}
#if !defined(VARIANT_LOAD_WHILE_CLAIMING) && !defined(MUTANT_LOAD_BEFORE_CLAIM)
	if :: mem == 0 -> mem = i :: else fi;
#endif
work:
	do
#ifdef MUTANT_SEND_FIRST
	:: mem < WORK -> assert(times[mem] == 1)
#endif
	:: atomic { mem < WORK -> rtag = tag; rep = my; c++; rid = c; rs = mem + 1; goto send }
	:: atomic { CRASH }
#ifdef MUTANT_TWO_ROWS
	:: lease != h -> goto idle
#endif
	od
}
proctype Network() {
	byte e, ep, in, c, s, got; mtype ans;
end:	do :: atomic { late??e, ep, in, c, s -> transact(e, ep, in, c, s) } od
}

init {
	atomic { run Host(0); run Host(1); run Network() }
	timeout -> assert(i == WORK && m == 0 && SERVED) /* at rest all is done; Z12 */
}
