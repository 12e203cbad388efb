package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// A session is a name under which activities, of any instance, run on one host. A
// row beside those of the hosts says which: its lease.
//
//	          first use                     idle for SessionIdle: deleted
//	(no row) ──────────▶ [leased to host a] ────────────────────────────▶ (no row)
//	                        │ a is dead: its host row is gone
//	                        └──────▶ replaced by the next host that uses it
//
// No clocks are compared: the host that has the lease ends it, and nobody else
// does while that host has its row. Every write of the row is conditional on what
// was read, and a host that takes up a lease which it finds in its own name
// writes it again, so that a late deletion of its own meets another version.
//
// Which host runs an activity is decided before the commit that opens it. What
// goes to another host is recorded as running there, in the same commit that puts
// it into that host's queue, by way of the outbox: see release.pml for what the
// record does when the host or the owner dies.

// SessionIdle is how long a host keeps a session of which it runs nothing.
const SessionIdle = 5 * time.Minute

// maxSeen bounds how many sessions of other hosts are remembered.
const maxSeen = 10_000

// sessionKey names a session. Activities with different tags are of different
// sessions, since no host need serve both.
type sessionKey struct{ name, tag string }

// sessions is what a member knows of sessions.
type sessions struct {
	m *member

	mu    sync.Mutex
	held  map[sessionKey]*lease
	seen  map[sessionKey]string        // those of other hosts, by incarnation, as last read
	busy  map[sessionKey]chan struct{} // closed when a request about it is over
	work  map[*broker.Work]sessionKey  // that runs here
	queue string                       // the incarnation for which a queue was made
}

// lease is a session that this process has.
type lease struct {
	host string // incarnation
	etag string
	used time.Time
}

func newSessions(m *member) *sessions {
	return &sessions{
		m: m, held: map[sessionKey]*lease{}, seen: map[sessionKey]string{},
		busy: map[sessionKey]chan struct{}{}, work: map[*broker.Work]sessionKey{},
	}
}

// hostQueue is the queue of activities for one host alone.
func (s *Store) hostQueue(incarnation string) string { return s.cfg.Name + hostSuffix + incarnation }

// holder finds out which host has a session, and takes it for this one if nobody
// has and this host serves the tag. It is empty if nobody has.
func (ss *sessions) holder(ctx context.Context, key sessionKey) (string, error) {
	for {
		host, busy := ss.known(ctx, key)
		if host != "" {
			return host, nil
		}
		if busy == nil {
			break
		}
		if await(ctx, busy); ctx.Err() != nil {
			return "", ctx.Err()
		}
	}
	defer ss.free(key)
	for n := 0; ctx.Err() == nil; n++ {
		host, l, err := ss.claim(ctx, key)
		switch {
		case errors.Is(err, errRace):
			pause(ctx, storage.RetryAfter(err, backoff(n)))
			continue
		case err != nil:
			return "", err
		}
		ss.learned(key, host, l)
		return host, nil
	}
	return "", ctx.Err()
}

// learned keeps what was found out about a session.
func (ss *sessions) learned(key sessionKey, host string, l *lease) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if l != nil {
		ss.held[key] = l
	} else if host != "" {
		if len(ss.seen) >= maxSeen {
			clear(ss.seen)
		}
		ss.seen[key] = host
	}
}

// known is the session's host if that is known here. Otherwise it gives a channel
// to wait for, or nil: then the caller is to find out, and to call free.
func (ss *sessions) known(ctx context.Context, key sessionKey) (host string, busy <-chan struct{}) {
	me := ss.m.called()
	serves := ss.m.serves(key.tag)
	ss.mu.Lock()
	if c := ss.busy[key]; c != nil {
		ss.mu.Unlock()
		return "", c
	}
	if l := ss.held[key]; l != nil && l.host == me && serves {
		l.used = time.Now()
		ss.mu.Unlock()
		return me, nil
	}
	other := ss.seen[key]
	ss.busy[key] = make(chan struct{})
	ss.mu.Unlock()
	if other != "" && other != me && ss.m.alive(ctx, other) {
		ss.free(key)
		return other, nil
	}
	return "", nil
}

func (ss *sessions) free(key sessionKey) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	close(ss.busy[key])
	delete(ss.busy, key)
}

// errRace says that a row was changed by another between a read and a write.
var errRace = errors.New("the session's row has changed")

// claim reads a session's row, and writes it if the session is to be had. The
// lease is nil if another host has it, or nobody.
func (ss *sessions) claim(ctx context.Context, key sessionKey) (host string, _ *lease, err error) {
	s, l, serves := ss.m.store, ss.m.current(), ss.m.serves(key.tag)
	me := l.incarnation
	if l.sharded() == nil && !bug.Planted("taken-before-joining") {
		// Its row is not there yet: whoever found it in a lease would count it as dead,
		// which nobody is for a while.
		return "", nil, fmt.Errorf("%w: session %q: this host is joining again", provider.ErrUnavailable, key.name)
	}
	r, err := s.account.Get(ctx, s.cfg.Name, row.Management, row.Session(key.name, key.tag))
	var was row.Lease
	switch {
	case storage.Is(err, storage.Missing):
		err = nil
	case err == nil:
		was, err = row.ParseLease(r.Cells)
	}
	if err != nil {
		return "", nil, fmt.Errorf("session %q: %w", key.name, err)
	}
	free := was.Host == "" || was.Host == me || !ss.m.alive(ctx, was.Host)
	switch {
	case !free && !bug.Planted("session-stolen"):
		return was.Host, nil, nil
	case !serves && was.Host == me: // it did, and whoever takes the next activity is to have the session
		ss.disown(key)
		return "", nil, ss.write(ctx, storage.Op{Verb: storage.Delete, IfMatch: r.ETag, Row: storage.Row{Key: r.Key}}, nil)
	case !serves:
		return "", nil, nil
	}
	if err := ss.makeQueue(ctx, me); err != nil {
		return "", nil, err
	}
	op := storage.Op{Verb: storage.Replace, IfMatch: r.ETag, Row: storage.Row{
		Key: row.Session(key.name, key.tag),
		Cells: map[string][]byte{row.SessionCell: wire.MustJSON(row.Lease{
			Format: row.Format, Session: key.name, Tag: key.tag, Host: me,
		})},
	}}
	if was.Host == "" {
		op.Verb, op.IfMatch = storage.Insert, ""
	}
	taken := &lease{host: me, used: time.Now()}
	if err := ss.write(ctx, op, taken); err != nil {
		return "", nil, err
	}
	return me, taken, nil
}

// write changes a session's row. What another changed first, and what may have
// been applied or not, is to be read again.
func (ss *sessions) write(ctx context.Context, op storage.Op, l *lease) error {
	s := ss.m.store
	etags, err := s.account.Transact(ctx, s.cfg.Name, row.Management, []storage.Op{op})
	switch {
	case err == nil:
		if l != nil {
			l.etag = etags[0]
		}
		return nil
	case storage.Is(err, storage.Exists), storage.Is(err, storage.Missing), storage.Is(err, storage.Precondition), errors.Is(err, storage.ErrUnknown):
		return fmt.Errorf("%w: %w", errRace, err)
	}
	return err
}

// makeQueue makes this host's own work queue, before anybody can learn that it has
// a session. Nobody else makes it: a queue that is gone says that its host is.
func (ss *sessions) makeQueue(ctx context.Context, me string) error {
	ss.mu.Lock()
	made := ss.queue == me
	ss.mu.Unlock()
	if made {
		return nil
	}
	if err := ss.m.store.account.CreateQueue(ctx, ss.m.store.hostQueue(me)); err != nil {
		return err
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.queue = me
	return nil
}

// made is the incarnation for which there is a queue: empty if this host never had
// a session.
func (ss *sessions) made() string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	return ss.queue
}

// forget makes the next question about a session of another host read its row.
func (ss *sessions) forget(key sessionKey) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.seen, key)
}

// disown forgets that this host has a session.
func (ss *sessions) disown(key sessionKey) {
	if bug.Planted("sessions-come-back") {
		return
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.held, key)
}

// begin says that work of a session begins here, if this host has it. Otherwise
// it tells who does.
func (ss *sessions) begin(ctx context.Context, w *broker.Work) (mine bool, err error) {
	key := sessionKey{w.Activity.Session, w.Activity.Tag}
	host, err := ss.holder(ctx, key)
	if err != nil || host != ss.m.called() {
		return false, err
	}
	ss.mu.Lock()
	defer ss.mu.Unlock()
	ss.work[w] = key
	return true, nil
}

// end says that work does not run here any more.
func (ss *sessions) end(w *broker.Work) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	key, ok := ss.work[w]
	if !ok {
		return
	}
	delete(ss.work, w)
	if l := ss.held[key]; l != nil {
		l.used = time.Now()
	}
}

// giveUpIdle ends the leases of sessions that were not used for long, until the
// member leaves.
func (ss *sessions) giveUpIdle() {
	tick := time.NewTicker(SessionIdle / 10)
	defer tick.Stop()
	for {
		select {
		case <-ss.m.ctx.Done():
			return
		case <-tick.C:
		}
		for _, key := range ss.idle() {
			ss.giveUp(ss.m.ctx, key, SessionIdle)
		}
	}
}

// idle are the sessions that were not used for SessionIdle, in order. Those of a
// former life are forgotten: they went with it.
func (ss *sessions) idle() (keys []sessionKey) {
	me := ss.m.called()
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for w, key := range ss.work {
		l := ss.held[key]
		switch {
		case w.Over(): // cancelled, and nobody came to say that it has ended
			delete(ss.work, w)
		case l != nil:
			l.used = time.Now()
		}
	}
	for key, l := range ss.held {
		switch {
		case l.host != me:
			delete(ss.held, key)
		case time.Since(l.used) >= SessionIdle:
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, compareSessions)
	return keys
}

// giveUp ends a lease that was not used for so long. What uses the session
// meanwhile waits, and takes it anew.
func (ss *sessions) giveUp(ctx context.Context, key sessionKey, unused time.Duration) {
	ss.mu.Lock()
	l := ss.held[key]
	if l == nil || ss.busy[key] != nil || time.Since(l.used) < unused {
		ss.mu.Unlock()
		return
	}
	delete(ss.held, key)
	ss.busy[key] = make(chan struct{})
	ss.mu.Unlock()
	defer ss.free(key)
	// What fails leaves the row in this host's name: the next use takes it up, here
	// at once, elsewhere when this host is gone.
	end := storage.Op{Verb: storage.Delete, IfMatch: l.etag, Row: storage.Row{Key: row.Session(key.name, key.tag)}}
	if bug.Planted("lease-ended-blindly") {
		end.IfMatch = ""
	}
	_ = ss.write(ctx, end, nil)
}

// leave gives up all sessions of a life that ends, as far as there is time, and
// removes its queue.
func (ss *sessions) leave(ctx context.Context, incarnation string) error {
	ss.mu.Lock()
	var keys []sessionKey
	for key, l := range ss.held {
		if l.host == incarnation {
			keys = append(keys, key)
		}
	}
	made := ss.queue == incarnation
	ss.mu.Unlock()
	slices.SortFunc(keys, compareSessions)
	for _, key := range keys {
		if ctx.Err() == nil {
			ss.giveUp(ctx, key, 0)
		}
	}
	if !made {
		return nil
	}
	err := ss.m.store.account.DeleteQueue(context.WithoutCancel(ctx), ss.m.store.hostQueue(incarnation))
	if errors.Is(err, storage.ErrGone) { // by those who took this host for dead
		return nil
	}
	return err
}

// dropSessions removes the rows of sessions whose hosts are dead, and that nobody
// used since.
func (m *member) dropSessions(ctx context.Context) {
	s := m.store
	r := row.Range{From: row.SessionPrefix, To: row.SessionPrefix + "~~"}
	err := s.scan(ctx, row.Management, r, nil, func(rows []storage.Row) error {
		for i := range rows {
			l, err := row.ParseLease(rows[i].Cells)
			if err != nil || m.alive(ctx, l.Host) {
				continue
			}
			// What is used meanwhile has another version, and stays.
			_, _ = s.account.Transact(ctx, s.cfg.Name, row.Management, []storage.Op{{
				Verb: storage.Delete, IfMatch: rows[i].ETag, Row: storage.Row{Key: rows[i].Key},
			}})
		}
		return nil
	})
	if err != nil && ctx.Err() == nil {
		s.cfg.Log.Warn("sessions of hosts that are dead could not be removed; it is tried again in an hour", "error", err)
	}
}
