package orchestrationtest

import (
	"bytes"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/dispatch"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// T is what the package needs of a test: *testing.T, *testing.B and
// testing.TB are one, and so are those of most test frameworks.
type T interface {
	Helper()
	Cleanup(func())
	Logf(format string, args ...any)
	Fatalf(format string, args ...any) // does not return
}

// Config changes what [New] makes. The zero value is what most tests want.
type Config struct {
	// Start is the virtual time at which everything begins. Default: the first
	// of January 2026, midnight, UTC.
	Start time.Time
	// Codec is that of the workers and clients in production. Default:
	// codec.JSON.
	Codec codec.Codec
	// OrchestrationInterceptors and ActivityInterceptors wrap what runs, the
	// first outermost.
	OrchestrationInterceptors []orchestration.Interceptor
	ActivityInterceptors      []activity.Interceptor
	// NoForcedReplay leaves the live machines where they are, as production
	// does, instead of replaying after each message (K1). It is for histories of
	// many thousands of events.
	NoForcedReplay bool
}

// Env is a world for orchestrations under test: instances, their histories, and
// what is to happen to them. It is for one goroutine, that of the test.
type Env struct {
	t        T
	config   Config
	handlers handlers
	env      *registry.Env
	registry *registry.Registry // nil until the handlers are needed
	native   *dispatch.Native

	strict bool // forced replay compares contents, too

	now     time.Time
	coming  comings
	running bool

	instances map[history.InstanceID]*Instance
	order     []*Instance
	orphans   map[history.InstanceID][]provider.Message
	seen      map[string]bool // message ids
	ids       int

	scripts  map[string]*script
	onStart  []func(id history.InstanceID) // for the next start
	limit    int64                         // of generations
	stopping bool                          // the limit was asked for
	logs     *logs
}

// New makes an empty world. It is cleaned up with the test.
func New(t T, config ...Config) *Env {
	t.Helper()
	e := &Env{
		t: t, handlers: newHandlers(), instances: map[history.InstanceID]*Instance{},
		orphans: map[history.InstanceID][]provider.Message{}, seen: map[string]bool{},
		scripts: map[string]*script{}, limit: defaultGenerations,
	}
	for _, c := range config {
		e.config = c
	}
	if e.config.Start.IsZero() {
		e.config.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	e.config.Start = e.config.Start.UTC().Round(0)
	if e.config.Codec == nil {
		e.config.Codec = codec.JSON
	}
	e.now = e.config.Start
	e.strict = repeats(e.config.Codec)
	e.logs = &logs{env: e}
	e.env = &registry.Env{
		Hub: "test", Codec: e.config.Codec, Logger: slog.New(&logHandler{to: e.logs}),
		OrchestrationInterceptors: e.config.OrchestrationInterceptors,
		ActivityInterceptors:      e.config.ActivityInterceptors,
	}
	t.Cleanup(e.close)
	return e
}

// repeats reports whether a codec encodes a value to the same bytes each time.
// One that encrypts does not.
func repeats(c codec.Codec) bool {
	const value = "does it repeat itself?"
	a, errA := c.Encode(value)
	b, errB := c.Encode(value)
	return errA == nil && errB == nil && bytes.Equal(a, b)
}

func (e *Env) close() {
	if e.native != nil {
		e.native.Close()
	}
}

// Register adds orchestrations and activities, real ones and fakes. One that is
// registered already, in the same version, is replaced: a test registers what
// production registers, and then its fakes. Registering between two calls of an
// Env is a deploy: instances go on with the new code.
func (e *Env) Register(handlers ...core.Handler) *Env {
	e.t.Helper()
	if e.running {
		e.fatal("Register is for the test, not for what runs in it")
	}
	for _, h := range handlers {
		if err := e.handlers.add(h); err != nil {
			e.t.Fatalf("orchestrationtest: %v", err)
		}
	}
	e.close()
	e.registry, e.native = nil, nil
	return e
}

// ready builds what the handlers amount to.
func (e *Env) ready() {
	if e.registry != nil {
		return
	}
	e.registry = e.handlers.registry(e)
	// Virtual time jumps; machines do not grow old by it.
	cache := dispatch.CacheConfig{Idle: math.MaxInt64}
	e.native = dispatch.NewNative(e.registry, e.env, cache, e.Now)
}

// Now is the virtual time.
func (e *Env) Now() time.Time { return e.now }

// Elapsed is how much virtual time has passed since [New].
func (e *Env) Elapsed() time.Duration { return e.now.Sub(e.config.Start) }

// defaultGenerations is where continue-as-new fails the test unless StopAfter
// says otherwise: no test wants to wait for so many.
const defaultGenerations = 1_000

// StopAfter ends the run of an instance where it continues as new for the n-th
// time: for orchestrations that never end. [Run] and Result then return
// [ErrStopped]. Without it an instance that continues as new 1,000 times fails
// the test.
func (e *Env) StopAfter(generations int) *Env {
	e.t.Helper()
	if generations < 1 {
		e.t.Fatalf("orchestrationtest: StopAfter(%d): it counts executions, from 1", generations)
	}
	e.limit, e.stopping = int64(generations), true
	return e
}

// Settle runs until nothing can happen any more: detached orchestrations and
// abandoned children have ended, or wait.
func (e *Env) Settle() {
	e.t.Helper()
	e.until(func() bool { return false })
}

// Advance lets virtual time pass, and happen what happens within it.
func (e *Env) Advance(d time.Duration) {
	e.t.Helper()
	to := e.now.Add(d)
	e.until(func() bool { return e.coming.next().After(to) })
	e.now = to
}

// until lets things happen, one after the other, until done says so or nothing
// is left. It reports whether done did.
func (e *Env) until(done func() bool) bool {
	e.t.Helper()
	if e.running {
		e.fatal("it runs already: activities may send messages through a client, but not wait for anything")
	}
	e.running = true
	defer func() { e.running = false }()
	e.ready()
	for len(e.coming.heap) > 0 {
		if done() {
			return true
		}
		e.happen()
	}
	return done()
}

func (e *Env) fatal(format string, args ...any) {
	e.t.Helper()
	e.t.Fatalf("orchestrationtest: %s", fmt.Sprintf(format, args...))
}

// after puts something on the agenda.
func (e *Env) after(d time.Duration, do func()) *coming { return e.at(e.now.Add(max(d, 0)), do) }
