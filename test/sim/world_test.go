package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/providers/azure/azuretest"
)

// world is an account, the hosts on it, and what is known of them. It lives in a
// bubble.
type world struct {
	seed    uint64
	cfg     azuretest.Config
	account *azuretest.Account
	effects effects
	ended   sync.WaitGroup // processes that were killed, as far as they go on

	mu     sync.Mutex
	hosts  []*host // that run
	names  int
	skewed bool     // clocks of hosts may be wrong
	varied bool     // hosts serve tags or not, and have few slots or many
	exact  bool     // no request fails: nothing is lost of what an activity has reached
	late   int      // except so many ticks, if hosts die
	users  *clients // the latest
	waits  int64
	dead   int            // letters that a test expects
	wrong  []string       // what a test is to report
	told   []string       // what the nemesis did
	noted  []string       // by the audit of what is stored
	met    map[string]int // what happened how often
}

func newWorld(seed uint64, cfg azuretest.Config) *world {
	cfg.Seed = seed
	if cfg.Latency == 0 {
		cfg.Latency = 10 * time.Millisecond
	}
	w := &world{seed: seed, cfg: cfg, account: azuretest.New(cfg), met: map[string]int{}}
	w.effects = newEffects()
	return w
}

// draw is a generator for one purpose.
func draw(seed uint64, purpose ...any) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, purpose...)
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// failed records what is wrong.
func (w *world) failed(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

func (w *world) count(what string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.met[what]++
}

func (w *world) counted(what string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.met[what]
}

// wait waits, until an instant that no other wait ends at. It reports whether
// ctx has not ended.
func (w *world) wait(ctx context.Context, d time.Duration) bool {
	const quantum, mine = 64_000, 63_000 // of nanoseconds; the account uses the rest of each quantum
	w.mu.Lock()
	w.waits++
	n := w.waits
	w.mu.Unlock()
	now := time.Now().UnixNano()
	at := (now+int64(d)+quantum-1)/quantum*quantum + mine + n%1_000
	timer := time.NewTimer(time.Duration(at - now))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// host is a process with a worker.
type host struct {
	world   *world
	name    string
	process *azuretest.Host
	stop    context.CancelFunc
	far     bool          // it serves the tag
	ran     chan struct{} // closed when the worker has ended
	err     error         // of the worker
	mu      sync.Mutex
	resumed chan struct{} // closed when it goes on; nil while it runs
}

var errDead = errors.New("the process is dead")

// open opens the hub for a process, however often that fails; nil if ctx ends
// first.
func (w *world) open(ctx context.Context, name string) *azuretest.Host {
	for {
		tried, cancel := context.WithTimeout(ctx, 20*time.Second)
		p, err := w.account.Open(tried, name)
		cancel()
		if err == nil {
			return p
		}
		if !w.wait(ctx, time.Second) {
			return nil // nobody waits for it any more
		}
	}
}

// start starts a host. It is among those that run when start returns.
func (w *world) start(ctx context.Context) *host {
	w.mu.Lock()
	w.names++
	h := &host{world: w, name: fmt.Sprintf("host-%d", w.names), ran: make(chan struct{})}
	w.mu.Unlock()
	if h.process = w.open(ctx, h.name); h.process == nil {
		return nil
	}
	if r := draw(w.seed, "clock of ", h.name); w.skewed && r.IntN(4) == 0 {
		h.process.Skew(time.Duration(r.Int64N(int64(2*time.Hour))) - time.Hour)
		w.count("skew")
	}
	config := core.WorkerConfig{
		Name: h.name, Logger: slog.New(slog.DiscardHandler), ShutdownGrace: 5 * time.Second, MaxTurns: 16, MaxActivities: 16,
	}
	if r := draw(w.seed, "kind of ", h.name); w.varied {
		if h.far = r.IntN(2) == 0 || !w.reaches(); h.far {
			config.Tags = []string{far}
		}
		if r.IntN(4) == 0 {
			config.MaxActivities = 3
		}
	}
	run, stop := context.WithCancel(context.Background())
	h.stop = stop
	w.mu.Lock()
	w.hosts = append(w.hosts, h)
	w.mu.Unlock()
	w.ended.Go(func() {
		defer close(h.ran)
		for run.Err() == nil {
			worker := core.NewWorker(h.process, config).Register(h.handlers()...)
			if h.err = worker.Run(run); h.err == nil || !w.wait(run, time.Second) {
				return
			}
		}
	})
	// A fault may kill it; what a process takes along ends then.
	w.ended.Go(func() {
		select {
		case <-h.process.Killed():
			w.buried(h)
		case <-h.ran:
		}
	})
	return h
}

// buried ends the goroutines of a process that was killed.
func (w *world) buried(h *host) {
	w.remove(h)
	h.resume()
	h.stop()
	_ = h.process.Close() // of a dead process
	<-h.ran
}

func (w *world) remove(h *host) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, other := range w.hosts {
		if other == h {
			w.hosts = append(w.hosts[:i:i], w.hosts[i+1:]...)
			return
		}
	}
}

func (w *world) running() []*host {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*host(nil), w.hosts...)
}

// reaches reports whether a host that runs serves the tag.
func (w *world) reaches() bool {
	return slices.ContainsFunc(w.running(), func(h *host) bool { return h.far })
}

// kill is kill -9.
func (h *host) kill() {
	h.world.remove(h)
	h.process.Kill()
}

// leave stops a host gracefully and waits for its end.
func (h *host) leave() {
	h.world.remove(h)
	h.stop()
	<-h.ran
	if err := h.process.Close(); err != nil {
		h.world.failed("closing the store of %s: %v", h.name, err)
	}
}

func (h *host) pause() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.resumed == nil {
		h.resumed = make(chan struct{})
		h.process.Pause()
	}
}

func (h *host) resume() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.resumed != nil {
		close(h.resumed)
		h.resumed = nil
		h.process.Resume()
	}
}

// takes lets time pass in an activity. A process that is paused stays there, and
// one that was killed has no effects any more.
func (h *host) takes(ctx context.Context, d time.Duration) error {
	ok := h.world.wait(ctx, d)
	h.mu.Lock()
	resumed := h.resumed
	h.mu.Unlock()
	if resumed != nil {
		select {
		case <-resumed:
			h.world.wait(context.Background(), 0)
		case <-h.process.Killed():
		}
	}
	select {
	case <-h.process.Killed():
		return errDead
	default:
	}
	if !ok {
		return ctx.Err()
	}
	return nil
}

// close ends the world: hosts leave, the account closes, and what dead processes
// left behind ends.
func (w *world) close() {
	for _, h := range w.running() {
		h.kill()
	}
	w.account.Close()
	w.ended.Wait()
	w.wait(context.Background(), time.Minute) // workers do not wait for ever for what they called
}
