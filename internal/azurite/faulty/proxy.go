package faulty

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite"
)

// idleLimit is less than the five seconds after which Azurite closes a
// connection that is not used: a request that meets the closing is lost.
const idleLimit = 2 * time.Second

// Proxy stands between processes and an emulator, over plain HTTP. Give each
// process its own proxy to cut one of them off.
type Proxy struct {
	*Transport // decides on single requests, as they leave the proxy

	endpoints azurite.Endpoints
	outbound  *http.Transport
	servers   []*http.Server
	running   sync.WaitGroup // servers
	line      line
}

// NewProxy starts a proxy on free ports of this machine. A nil decider disturbs
// nothing. Close ends it.
func NewProxy(target azurite.Endpoints, decide Decide) (*Proxy, error) {
	outbound := &http.Transport{MaxIdleConnsPerHost: 64, IdleConnTimeout: idleLimit, DisableCompression: true}
	p := &Proxy{Transport: New(outbound, decide), outbound: outbound}
	p.line.connections, p.line.changed = map[net.Conn]bool{}, make(chan struct{})
	for _, service := range []struct{ target, here *string }{
		{&target.Blob, &p.endpoints.Blob}, {&target.Queue, &p.endpoints.Queue}, {&target.Table, &p.endpoints.Table},
	} {
		address, err := p.serve(*service.target)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("faulty: %w", err), p.Close())
		}
		*service.here = address
	}
	return p, nil
}

// serve starts the server of one service, and returns its address.
func (p *Proxy) serve(target string) (string, error) {
	u, err := url.Parse(target)
	if err != nil {
		return "", err
	}
	if u.Scheme != "http" {
		return "", fmt.Errorf("the target %s does not speak plain HTTP", target)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // It is at once.
	if err != nil {
		return "", err
	}
	reverse := &httputil.ReverseProxy{
		Transport: p,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: u.Scheme, Host: u.Host})
			r.Out.URL.RawQuery = r.In.URL.RawQuery // to the letter, it is signed
		},
		ModifyResponse: func(answer *http.Response) error { return p.line.wait(answer.Request.Context()) },
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) {
			panic(http.ErrAbortHandler) // panic: the server knows no other way to break off without an answer.
		},
		ErrorLog: log.New(io.Discard, "", 0),
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if p.line.travel(r.Context()) != nil {
				panic(http.ErrAbortHandler) // panic: as above.
			}
			reverse.ServeHTTP(w, r)
		}),
		ConnState:         p.line.watch,
		ReadHeaderTimeout: time.Minute,
		ErrorLog:          log.New(io.Discard, "", 0),
	}
	p.servers = append(p.servers, server)
	p.running.Go(func() { _ = server.Serve(listener) }) // ends with an error when it is closed
	return "http://" + listener.Addr().String() + u.Path, nil
}

// Endpoints are where the proxy listens.
func (p *Proxy) Endpoints() azurite.Endpoints { return p.endpoints }

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
	var errs []error
	for _, s := range p.servers {
		errs = append(errs, s.Close())
	}
	p.running.Wait()
	p.line.open.Wait() // no more of them begin
	p.Flush()
	p.outbound.CloseIdleConnections()
	return errors.Join(errs...)
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

// wait waits while the line hangs.
func (l *line) wait(ctx context.Context) error {
	for {
		l.mu.Lock()
		hung, changed := l.state.hung, l.changed
		l.mu.Unlock()
		if !hung {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
