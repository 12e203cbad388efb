package doorbell

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/lograte"
)

// ServerConfig of a [Server]. Secret, Hub, Incarnation, Ring, Look, Work and
// Wait are required.
type ServerConfig struct {
	// Secret is the hub's, at least 16 bytes.
	Secret []byte
	// Hub is its name.
	Hub string
	// Incarnation is the host's current one; requests for another are refused.
	Incarnation func() string

	// Ring says that the inbox of an instance has something new, or if that is
	// empty that of some instance of the partition. It returns at once.
	Ring func(partition int, instance history.InstanceID)
	// Look says that the host rows have something new. It returns at once.
	Look func()
	// Work says that a work queue has something new. It returns at once.
	Work func()
	// Wait returns true once the client is to read the instance, and false when
	// the context ends before. An error says that this host cannot tell.
	Wait func(ctx context.Context, partition int, instance history.InstanceID, until Until) (bool, error)

	// Now is the clock by which requests are dated; nil for this machine's.
	Now func() time.Time
	// Log hears what an operator can act on; nil for nothing.
	Log *slog.Logger
	// Limits keep a busy or hostile peer from being a burden.
	Limits Limits
}

// Server is a host's doorbell.
type Server struct {
	cfg   ServerConfig
	gate  *gate
	waits chan struct{}
	ctx   context.Context // ends with Close
	stop  context.CancelFunc

	mu       sync.Mutex
	closed   bool
	working  sync.WaitGroup // listeners and requests
	servers  []*http.Server
	troubles map[string]*lograte.Limiter // by what is the matter
}

var _ http.Handler = (*Server)(nil)

// NewServer makes a doorbell. It is heard after [Server.Serve].
func NewServer(cfg ServerConfig) (*Server, error) {
	if len(cfg.Secret) < minSecretBytes {
		return nil, fmt.Errorf("doorbell: the secret has %d bytes: at least %d", len(cfg.Secret), minSecretBytes)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Limits = cfg.Limits.withDefaults()
	s := &Server{cfg: cfg, gate: newGate(cfg.Limits), waits: make(chan struct{}, cfg.Limits.Waits), troubles: map[string]*lograte.Limiter{}}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// Serve answers on a listener, which it closes in the end, until Close.
func (s *Server) Serve(l net.Listener) {
	server := &http.Server{
		Handler:           s,
		Protocols:         protocols(true),
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: s.cfg.Limits.Waits + s.cfg.Limits.Burst},
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		ReadHeaderTimeout: headerTimeout, // a ReadTimeout would end long waits, and no body is read
		WriteTimeout:      s.cfg.Limits.Wait + answerTimeout,
		IdleTimeout:       serverIdle,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.cfg.Log.Handler(), slog.LevelDebug),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = l.Close()
		return
	}
	s.servers = append(s.servers, server)
	l = &limited{Listener: l, free: make(chan struct{}, s.cfg.Limits.Connections), closed: make(chan struct{})}
	s.working.Go(func() {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.cfg.Log.Error("the doorbell is not heard any more: wake-ups go through the queue until the process starts again", "address", l.Addr().String(), "error", err)
		}
	})
}

// Close ends everything that is under way, and waits for it.
func (s *Server) Close() {
	s.mu.Lock()
	s.closed = true
	servers := s.servers
	s.mu.Unlock()
	s.stop()
	for _, server := range servers {
		_ = server.Close() // what it could not close is closed
	}
	s.working.Wait()
}

// begin reports whether requests are still answered; then Done must follow.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.working.Add(1)
	return true
}

// ServeHTTP answers a request, with a status and nothing else.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if !s.begin() {
		refuse(w, http.StatusServiceUnavailable)
		return
	}
	defer s.working.Done()
	asked, status := s.read(r)
	if status != 0 {
		refuse(w, status)
		return
	}
	switch asked.kind {
	case ring:
		s.cfg.Ring(asked.partition, asked.instance)
	case look:
		s.cfg.Look()
	case work:
		s.cfg.Work()
	case wait:
		w.WriteHeader(s.wait(r.Context(), &asked))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// refuse answers who said nothing useful, and hangs up: strangers hold no
// connections, and what follows of a body is not read.
func refuse(w http.ResponseWriter, status int) {
	if status != http.StatusGone && status != http.StatusTooManyRequests { // said to friends
		w.Header().Set("Connection", "close")
	}
	w.WriteHeader(status)
}

// read reads a request that is to be answered. Otherwise it returns the status.
func (s *Server) read(r *http.Request) (asked request, status int) {
	k := kind(-1)
	for i := range kinds {
		if r.URL.Path == kinds[i].path && r.URL.RawPath == "" {
			k = kind(i)
		}
	}
	switch {
	case k < 0:
		return asked, http.StatusNotFound
	case r.Method != kinds[k].method:
		return asked, http.StatusMethodNotAllowed
	case r.ContentLength != 0 || len(r.TransferEncoding) > 0:
		return asked, http.StatusRequestEntityTooLarge
	case len(r.URL.RawQuery) > maxQueryBytes:
		return asked, http.StatusRequestURITooLong
	}
	headers := r.Header["Authorization"]
	if len(headers) != 1 {
		return asked, http.StatusUnauthorized
	}
	p, ok := parseProof(headers[0])
	if !ok || !p.proves(s.cfg.Secret, s.cfg.Hub, k, r.URL.RawQuery) {
		s.trouble(r, "it is not signed with the hub's secret: a stranger, or a program that has a deleted hub of this name open")
		return asked, http.StatusUnauthorized
	}
	asked, err := parseQuery(k, r.URL.RawQuery)
	if err != nil {
		return asked, http.StatusBadRequest
	}
	if asked.incarnation != s.cfg.Incarnation() {
		return asked, http.StatusGone
	}
	switch s.gate.admit(&p, s.cfg.Now()) {
	case stale:
		s.trouble(r, "its time is more than 5 minutes off: correct the clock of that machine or of this one")
		return asked, http.StatusUnauthorized
	case repeated:
		s.trouble(r, "it came before: something between the hosts repeats requests")
		return asked, http.StatusUnauthorized
	case tooMany:
		s.trouble(r, "there are more than the limit: the others take the way through the queue")
		return asked, http.StatusTooManyRequests
	case admitted:
	}
	return asked, 0
}

// wait answers a wait.
func (s *Server) wait(ctx context.Context, asked *request) (status int) {
	select {
	case s.waits <- struct{}{}:
		defer func() { <-s.waits }()
	default:
		return http.StatusTooManyRequests
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Limits.Wait)
	defer cancel()
	stop := context.AfterFunc(s.ctx, cancel) // also for who calls ServeHTTP by himself
	defer stop()
	changed, err := s.cfg.Wait(ctx, asked.partition, asked.instance, asked.until)
	switch {
	case s.ctx.Err() != nil:
		return http.StatusServiceUnavailable
	case err != nil:
		return http.StatusGone
	case changed:
		return http.StatusOK
	}
	return http.StatusNoContent
}

// trouble tells the log now and then why a request was refused.
func (s *Server) trouble(r *http.Request, why string) {
	s.mu.Lock()
	t := s.troubles[why]
	if t == nil {
		t = &lograte.Limiter{}
		s.troubles[why] = t
	}
	s.mu.Unlock()
	if n, due := t.Due(); due {
		s.cfg.Log.Warn("a ring was refused", "from", r.RemoteAddr, "reason", why, "unlogged", n)
	}
}
