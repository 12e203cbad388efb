package simulated

import (
	"errors"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// How long the name of something deleted cannot be used again.
const (
	TableReuse = 40 * time.Second
	QueueReuse = 30 * time.Second // containers too
)

// defaultTryTimeout is how long a client waits for an answer, when time passes.
const defaultTryTimeout = 3 * time.Second

// Config of an [Account]. The zero value is an account that is always there and
// takes no time.
type Config struct {
	// Seed determines everything that is drawn by lot.
	Seed uint64
	// Latency is the time from sending a request to its answer; nil means none.
	Latency Latency
	// TryTimeout is how long a client waits for an answer that does not come. 0
	// means 3 s, or no time at all if Latency is nil.
	TryTimeout time.Duration
	// Decide chooses the fault of each request; nil means none.
	Decide Decider
	// Observe is told all that is applied, in order, under the account's mutex:
	// it must not call the account.
	Observe func(Applied)
	// WholePages fills pages as far as they go, for tests that count requests.
	// Otherwise one page in eight ends early.
	WholePages bool
	// MaxSkew is by how much a host's clock may be wrong before its requests are
	// denied, as Azure does with shared keys from 15 minutes on; 0 means any.
	MaxSkew time.Duration
	// TraceLines is how many lines of the trace are kept; 0 means 200.
	TraceLines int
	// From is the state that the account begins with; nil means empty. The
	// service's clock goes on where the state was taken.
	From *State
}

// Latency is the time that a request takes, there and back. It draws from r
// alone.
type Latency func(c Call, r *rand.Rand) time.Duration

// Fixed is always the same latency.
func Fixed(d time.Duration) Latency {
	return func(Call, *rand.Rand) time.Duration { return d }
}

// Between is evenly distributed between the bounds.
func Between(least, most time.Duration) Latency {
	return func(_ Call, r *rand.Rand) time.Duration {
		return least + time.Duration(r.Int64N(int64(most-least)+1))
	}
}

// Account is a storage account: what the hosts share.
type Account struct {
	cfg   Config
	ahead time.Duration // the service's clock to this machine's
	begun time.Time     // by the service's clock
	done  chan struct{} // closed by Close
	late  sync.WaitGroup

	mu struct {
		sync.Mutex
		closed  bool
		state   *State
		decide  Decider
		clients int
		handles map[string]int // by name
		calls   int
		counts  Counts
		faults  FaultCounts
		trace   trace
	}
}

var errClosed = errors.New("the simulated account is closed")

// New makes an account. [Account.Close] ends it.
func New(cfg Config) *Account {
	if cfg.TryTimeout == 0 && cfg.Latency != nil {
		cfg.TryTimeout = defaultTryTimeout
	}
	if cfg.TraceLines == 0 {
		cfg.TraceLines = defaultTraceLines
	}
	a := &Account{cfg: cfg, done: make(chan struct{})}
	a.mu.decide = cfg.Decide
	a.mu.handles = map[string]int{}
	a.mu.trace = trace{hash: fnv.New64a(), lines: make([]string, 0, cfg.TraceLines)}
	if cfg.From != nil {
		a.mu.state = cfg.From.clone()
		a.ahead = time.Until(cfg.From.at)
	} else {
		a.mu.state = newState()
	}
	a.begun = a.Now()
	return a
}

// Now is the time by the service's clock.
func (a *Account) Now() time.Time { return time.Now().Add(a.ahead) }

// Decide replaces what chooses faults; nil ends them. Requests under way keep
// what was chosen for them.
func (a *Account) Decide(d Decider) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.decide = d
}

// State is what the account holds now. It costs a pointer per row.
func (a *Account) State() *State {
	a.mu.Lock()
	defer a.mu.Unlock()
	s := a.mu.state.clone()
	s.at = a.Now()
	return s
}

// Calls is how many requests were sent so far: the [Call.N] of the latest.
func (a *Account) Calls() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.mu.calls
}

// Close ends the account: calls that wait return, and what is not applied by now
// never is.
func (a *Account) Close() {
	a.mu.Lock()
	if !a.mu.closed {
		a.mu.closed = true
		close(a.done)
	}
	a.mu.Unlock()
	a.late.Wait()
}
