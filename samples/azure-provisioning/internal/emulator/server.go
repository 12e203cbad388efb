package emulator

import (
	"cmp"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Config of a [Server]; zeros are defaults.
type Config struct {
	// Pace is what long-running operations are measured in: they take one to
	// five times as long. Default one second.
	Pace time.Duration
	// WritesPerSecond and Burst are what a subscription may write. Default: no
	// limit.
	WritesPerSecond float64
	Burst           int
	// Latency is how long an answer is on its way. Default: none.
	Latency time.Duration
	// Registered says that all namespaces are registered from the start.
	Registered bool
	// Now is the clock. Default time.Now.
	Now func() time.Time
}

// Server is the emulator. Make it with [New]; it is an [http.Handler].
type Server struct {
	cfg    Config
	secret []byte // signs addresses

	mu         sync.Mutex
	resources  map[string]*resource // by lower-case id
	operations map[string]*operation
	registered map[string]time.Time // namespaces, and since when
	buckets    map[string]*bucket   // by subscription
	ledger     Ledger
	faults     []*Fault
	serial     int
}

// New makes a server without resources.
func New(cfg Config) *Server {
	cfg.Pace = cmp.Or(cfg.Pace, time.Second)
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{
		cfg: cfg, secret: make([]byte, 32),
		resources: map[string]*resource{}, operations: map[string]*operation{},
		registered: map[string]time.Time{}, buckets: map[string]*bucket{}, ledger: Ledger{Refused: map[string]int{}},
	}
	_, _ = rand.Read(s.secret) // never fails
	return s
}

// ServeHTTP implements [http.Handler].
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, adminPath) {
		s.serveAdmin(w, r)
		return
	}
	if strings.HasSuffix(hostname(r.Host), AppDomain) {
		s.serveApp(w, r)
		return
	}
	a := s.served(r)
	if !s.delay(r) {
		return
	}
	if a.lost {
		panic(http.ErrAbortHandler) // panic: the way to tell net/http to close the connection without an answer
	}
	a.write(w)
}

// served does what a request asks for.
func (s *Server) served(r *http.Request) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	a := s.answer(r)
	if a.code != "" {
		s.ledger.Refused[a.code]++
	}
	return a
}

// delay is the way of an answer, unless nobody waits for it any more.
func (s *Server) delay(r *http.Request) bool {
	if s.cfg.Latency <= 0 {
		return true
	}
	timer := time.NewTimer(s.cfg.Latency)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

// answer is what a request is answered with.
type answer struct {
	status int
	code   string // of an error
	header http.Header
	body   any
	lost   bool
}

func (a answer) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(a.status)
	_ = json.NewEncoder(w).Encode(a.body) //nolint:errchkjson // The client may be gone.
}

func (a answer) with(name, value string) answer {
	if a.header == nil {
		a.header = http.Header{}
	}
	a.header.Set(name, value)
	return a
}

// after asks to wait, in milliseconds and in whole seconds.
func (a answer) after(d time.Duration) answer {
	return a.with("Retry-After-Ms", fmt.Sprint(max(1, d.Milliseconds()))).with("Retry-After", fmt.Sprint(int((d+time.Second-1)/time.Second)))
}

func failure(status int, code, format string, args ...any) answer {
	return answer{status: status, code: code, body: map[string]any{"error": fault(code, fmt.Sprintf(format, args...))}}
}

func fault(code, message string) map[string]any {
	return map[string]any{"code": code, "message": message}
}

// answer does what a request asks for, unless a fault comes between.
func (s *Server) answer(r *http.Request) answer {
	if operation, ok := s.operationOf(r); ok {
		injected := s.inject(r, "")
		if injected != nil && !injected.lost {
			return *injected
		}
		a := s.poll(r, operation)
		a.lost = injected != nil
		return a
	}
	at, ok := parse(r.URL.Path)
	if !ok {
		return failure(http.StatusBadRequest, "InvalidRequestPath", "the emulator knows nothing at %s", r.URL.Path)
	}
	if write := r.Method != http.MethodGet && r.Method != http.MethodHead; write {
		if wait := s.throttle(at.subscription); wait > 0 {
			return failure(http.StatusTooManyRequests, "SubscriptionRequestsThrottled", "subscription %s has no writes left", at.subscription).
				after(wait).with("X-Ms-Ratelimit-Remaining-Subscription-Writes", "0")
		}
	}
	injected := s.inject(r, at.kind)
	if injected != nil && !injected.lost {
		return *injected
	}
	a := s.route(r, at)
	a.lost = injected != nil // it has happened, and nobody hears of it
	return a
}

func (s *Server) route(r *http.Request, at place) answer {
	switch at.form {
	case formList:
		return s.list(r, at)
	case formNamespace:
		return s.namespace(r, at)
	case formResource:
	}
	switch r.Method {
	case http.MethodGet:
		return s.get(at)
	case http.MethodPut:
		return s.put(r, at)
	case http.MethodDelete:
		return s.delete(r, at)
	}
	return failure(http.StatusMethodNotAllowed, "MethodNotAllowed", "the emulator does not know %s of %s", r.Method, at.kind)
}

// sign makes the signature of an operation's address.
func (s *Server) sign(id string) string {
	mac := hmac.New(sha256.New, s.secret)
	mac.Write([]byte(id))
	return hex.EncodeToString(mac.Sum(nil))
}

// bucket holds tokens for writes.
type bucket struct {
	tokens float64
	at     time.Time
}

// throttle takes a token of a subscription, or says how long to wait for one.
func (s *Server) throttle(subscription string) time.Duration {
	if s.cfg.WritesPerSecond <= 0 {
		return 0
	}
	now, full := s.cfg.Now(), float64(max(1, s.cfg.Burst))
	b := s.buckets[subscription]
	if b == nil {
		b = &bucket{tokens: full, at: now}
		s.buckets[subscription] = b
	}
	b.tokens = min(full, b.tokens+now.Sub(b.at).Seconds()*s.cfg.WritesPerSecond)
	b.at = now
	if b.tokens >= 1 {
		b.tokens--
		return 0
	}
	s.ledger.Throttled++
	return max(s.cfg.Pace, time.Duration((1-b.tokens)/s.cfg.WritesPerSecond*float64(time.Second)))
}
