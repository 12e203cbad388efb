package faulty

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/internal/azurite/forward"
)

// idleLimit is less than the five seconds after which Azurite closes a
// connection that is not used: a request that meets the closing is lost.
const idleLimit = 2 * time.Second

// Proxy stands between processes and an emulator, over plain HTTP. Give each
// process its own proxy to cut one of them off.
type Proxy struct {
	*Transport // decides on single requests, as they leave the proxy

	servers  *forward.Servers
	outbound *http.Transport
	line     line
}

// NewProxy starts a proxy on free ports of this machine. A nil decider disturbs
// nothing. Close ends it.
func NewProxy(target azurite.Endpoints, decide Decide) (*Proxy, error) {
	outbound := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: idleLimit, DisableCompression: true}
	p := &Proxy{Transport: New(outbound, decide), outbound: outbound}
	p.line.connections, p.line.changed = map[net.Conn]bool{}, make(chan struct{})
	var err error
	p.servers, err = forward.Open(target, forward.Config{
		Transport:   p,
		Before:      func(r *http.Request) error { return p.line.travel(r.Context()) },
		After:       func(answer *http.Response) error { return p.line.wait(answer.Request.Context()) },
		Connections: p.line.watch,
	})
	if err != nil {
		return nil, fmt.Errorf("faulty: %w", err)
	}
	return p, nil
}

// Endpoints are where the proxy listens.
func (p *Proxy) Endpoints() azurite.Endpoints { return p.servers.Endpoints() }

// Cut breaks every connection, and each new one at once, until [Proxy.Heal].
func (p *Proxy) Cut() { p.line.set(func(s *state) { s.cut = true }) }

// Hang lets requests and answers wait until [Proxy.Heal].
func (p *Proxy) Hang() { p.line.set(func(s *state) { s.hung = true }) }

// Slow lets every request take that much longer, until [Proxy.Heal].
func (p *Proxy) Slow(d time.Duration) { p.line.set(func(s *state) { s.delay = d }) }

// Heal undoes Cut, Hang and Slow. It leaves the decider as it is.
func (p *Proxy) Heal() { p.line.set(func(s *state) { *s = state{} }) }

// Close breaks all connections, delivers late requests, and waits for the end of
// all that the proxy does.
func (p *Proxy) Close() error {
	p.Cut() // what hangs ends, too: its server does not see that its connection is closed
	err := p.servers.Close()
	p.line.open.Wait() // no more of them begin
	p.Flush()
	p.outbound.CloseIdleConnections()
	return err
}

// line is what all connections of a proxy share: a cable.
type line struct {
	mu          sync.Mutex
	state       state
	changed     chan struct{} // closed at the next change of the state
	connections map[net.Conn]bool
	open        sync.WaitGroup // connections, with the requests on them
}

type state struct {
	cut, hung bool
	delay     time.Duration
}

func (l *line) set(change func(*state)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.state)
	close(l.changed)
	l.changed = make(chan struct{})
	if l.state.cut {
		for c := range l.connections {
			reset(c)
		}
	}
}

// watch is told of every connection's beginning and end.
func (l *line) watch(c net.Conn, s http.ConnState) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch s {
	case http.StateNew:
		l.connections[c] = true
		l.open.Add(1)
		if l.state.cut {
			reset(c)
		}
	case http.StateClosed, http.StateHijacked:
		delete(l.connections, c)
		l.open.Done()
	default:
	}
}

// reset breaks a connection in the way that the other side notices.
func reset(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// travel is what a request does first: it takes its time, and waits while the
// line hangs.
func (l *line) travel(ctx context.Context) error {
	l.mu.Lock()
	delay := l.state.delay
	l.mu.Unlock()
	if err := wait(ctx, delay); err != nil {
		return err
	}
	return l.wait(ctx)
}

var errCut = errors.New("the line is cut")

// wait waits while the line hangs.
func (l *line) wait(ctx context.Context) error {
	for {
		l.mu.Lock()
		now, changed := l.state, l.changed
		l.mu.Unlock()
		switch {
		case now.cut:
			return errCut
		case !now.hung:
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
