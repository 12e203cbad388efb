package sqlite

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// dialTimeout is how long a worker on this machine may take to pick up.
const dialTimeout = time.Second

// remote is a client's end of the worker's socket. It connects when first
// needed, and again when the worker is another one.
type remote struct {
	store *Store
	ctx   context.Context //nolint:containedctx // The life of the store: close ends it.
	end   context.CancelFunc

	dialing sync.Mutex // held while connecting

	mu     sync.Mutex
	line   *line
	closed bool
}

// line is a connection to a worker.
type line struct {
	conn net.Conn
	over chan struct{} // closed when the connection is

	writing sync.Mutex

	mu      sync.Mutex
	n       int64
	pending map[int64]func(*wireError)
}

func newRemote(s *Store) *remote {
	r := &remote{store: s}
	r.ctx, r.end = context.WithCancel(context.Background())
	return r
}

func (r *remote) close() {
	r.end()
	r.mu.Lock()
	r.closed = true
	l := r.line
	r.mu.Unlock()
	if l != nil {
		l.hangUp()
		<-l.over
	}
}

func (r *remote) current() (l *line, closed bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.line, r.closed
}

// dial is the line to the worker, nil if there is none.
func (r *remote) dial(ctx context.Context) *line {
	if l, closed := r.current(); l != nil || closed {
		return l
	}
	r.dialing.Lock()
	defer r.dialing.Unlock()
	if l, closed := r.current(); l != nil || closed {
		return l
	}
	w, err := r.store.readWorker(ctx)
	if err != nil || w.Address == "" {
		return nil
	}
	// Anybody may ask; what ends the attempt is the store's end, not the asker's.
	conn, err := dialBell(r.ctx, w.Address)
	if err != nil {
		return nil
	}
	l := &line{conn: conn, over: make(chan struct{}), pending: map[int64]func(*wireError){}}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		l.hangUp()
		return nil
	}
	r.line = l
	go r.listen(l) // close waits for it
	return l
}

func dialBell(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	return new(net.Dialer).DialContext(ctx, "unix", address)
}

// listen takes the answers until the connection ends.
func (r *remote) listen(l *line) {
	lines := bufio.NewScanner(l.conn)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			break
		}
		l.answered(a.N, a.Error)
	}
	l.hangUp()
	r.mu.Lock()
	if r.line == l {
		r.line = nil
	}
	r.mu.Unlock()
	l.mu.Lock()
	left := l.pending
	l.pending = nil
	l.mu.Unlock()
	for _, answered := range left {
		answered(&wireError{Kind: goneKind})
	}
	close(l.over)
}

// goneKind is never sent: the connection ended before the answer.
const goneKind = "gone"

func (l *line) hangUp() { _ = l.conn.Close() } // closed is closed

func (l *line) answered(n int64, err *wireError) {
	l.mu.Lock()
	f := l.pending[n]
	delete(l.pending, n)
	l.mu.Unlock()
	if f != nil {
		f(err)
	}
}

// call sends a call and arranges for its answer. False means that the
// connection is over.
func (l *line) call(c call, answered func(*wireError)) (n int64, ok bool) {
	l.mu.Lock()
	if l.pending == nil {
		l.mu.Unlock()
		return 0, false
	}
	l.n++
	c.N = l.n
	if answered != nil {
		l.pending[c.N] = answered
	}
	l.mu.Unlock()
	l.write(c)
	return c.N, true
}

// Patience with a worker that lives and does nothing: stopped in a debugger, or
// waiting for a disk. Whoever runs out of it goes on without the worker.
const (
	writePatience  = time.Second
	answerPatience = 5 * time.Second
)

// write hangs up if it fails, or takes too long: then listen answers everything
// that is pending.
func (l *line) write(c call) {
	l.writing.Lock()
	defer l.writing.Unlock()
	err := l.conn.SetWriteDeadline(time.Now().Add(writePatience))
	if err == nil {
		_, err = l.conn.Write(append(wire.MustJSON(c), '\n'))
	}
	if err != nil {
		l.hangUp()
	}
}

// send has the worker write a message. False means that it did not, or that it
// is not known whether it did: sending is idempotent, so the caller writes it
// himself.
func (r *remote) send(ctx context.Context, w *wire.Message) (sent bool, err error) {
	l := r.dial(ctx)
	if l == nil {
		return false, nil
	}
	done := make(chan *wireError, 1)
	n, ok := l.call(call{Send: wire.MustJSON(w)}, func(e *wireError) { done <- e })
	if !ok {
		return false, nil
	}
	patience := time.AfterFunc(answerPatience, l.hangUp) // then it is answered as gone
	defer patience.Stop()
	select {
	case e := <-done:
		if e != nil && (e.Kind == goneKind || e.Kind == "closed") {
			return false, nil
		}
		return true, e.err()
	case <-ctx.Done():
		l.mu.Lock()
		delete(l.pending, n)
		l.mu.Unlock()
		return true, fmt.Errorf("sqlite: sending to %s: %w: %w", wire.Quote(w.To), provider.ErrUnknown, ctx.Err())
	}
}

// ring tells the worker that the file changed. If it does not hear, it looks
// by itself before long.
func (r *remote) ring() {
	if l := r.dial(r.ctx); l != nil {
		l.call(call{Ring: true}, nil)
	}
}

// subscription is the worker's promise to ring when a condition holds.
type subscription struct {
	line *line
	n    int64

	mu   sync.Mutex
	over bool
}

func (s *subscription) alive() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.over
}

// cancel takes the promise back.
func (s *subscription) cancel() {
	if s.alive() {
		s.line.answered(s.n, nil)
		s.line.write(call{Cancel: s.n})
	}
}

// subscribe keeps a subscription, or makes one. Nil means that the worker
// cannot be asked.
func (r *remote) subscribe(ctx context.Context, old *subscription, id history.InstanceID, until provider.Until) *subscription {
	if old.alive() {
		return old
	}
	l := r.dial(ctx)
	if l == nil {
		return nil
	}
	sub := &subscription{line: l}
	n, ok := l.call(call{Wait: &wireWait{id, until.Final, until.Started, until.StatusRevision}}, func(*wireError) {
		sub.mu.Lock()
		sub.over = true
		sub.mu.Unlock()
		r.store.waiters.Look(id)
	})
	if !ok {
		return nil
	}
	sub.mu.Lock()
	sub.n = n
	sub.mu.Unlock()
	return sub
}
