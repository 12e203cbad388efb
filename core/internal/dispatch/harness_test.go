package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a dispatcher between a scripted host and a scripted executor. It
// runs in a synctest bubble: time is virtual, and settle lets everything happen
// that can happen now.
type world struct {
	t        *testing.T
	host     *fakeHost
	executor *fakeExecutor
	registry *registry.Registry
	log      *logbook
	config   Config
	begun    time.Time

	stop   context.CancelFunc
	result chan error
}

// inWorld runs a test in a world of its own. Whatever the test leaves running
// is shut down.
func inWorld(t *testing.T, test func(w *world)) {
	synctest.Test(t, func(t *testing.T) {
		log := &logbook{}
		w := &world{
			t: t, log: log, registry: registry.New(), begun: time.Now(),
			host:     &fakeHost{turns: make(chan *provider.Turn, 100), activities: make(chan *provider.ActivityTask, 100), closed: make(chan struct{})},
			executor: &fakeExecutor{},
			config:   Config{MaxTurns: 4, MaxActivities: 4, Worker: "w1"},
		}
		w.host.world, w.executor.world = w, w
		w.config.Env = &registry.Env{Hub: "hub", Codec: codec.JSON, Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelInfo}))}
		test(w)
		if w.result != nil {
			if err := w.shutDown(); err != nil {
				t.Error(err)
			}
		}
	})
}

func (w *world) start() {
	ctx, stop := context.WithCancel(w.t.Context())
	w.stop, w.result = stop, make(chan error, 1)
	d := New(w.host, w.executor, w.registry, w.config)
	go func() { w.result <- d.Run(ctx) }()
	w.settle()
}

func (w *world) shutDown() error {
	w.stop()
	err := <-w.result
	w.result = nil
	return err
}

func (w *world) settle() { synctest.Wait() }

// pass lets virtual time pass.
func (w *world) pass(d time.Duration) {
	<-time.After(d)
	w.settle()
}

// elapsed is the virtual time since the test began.
func (w *world) elapsed() time.Duration { return time.Since(w.begun) }

func (w *world) activity(name string, run func(ctx context.Context, input history.Payload) (history.Payload, error)) {
	w.registry.AddActivity(registry.Activity{Name: name, Run: run})
}

// calls lists the calls recorded, of some methods or of all.
func (w *world) calls(methods ...string) []string {
	w.host.mu.Lock()
	defer w.host.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(w.host.calls), func(c string) bool {
		method, _, _ := strings.Cut(c, " ")
		return len(methods) > 0 && !slices.Contains(methods, method)
	})
}

func (w *world) want(what string, got, want []string) {
	w.t.Helper()
	if !slices.Equal(got, want) {
		w.t.Errorf("%s:\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

// fakeHost hands out what the test puts into its channels, records calls, and
// fails where the test says so.
type fakeHost struct {
	provider.Host
	world      *world
	turns      chan *provider.Turn
	activities chan *provider.ActivityTask
	closed     chan struct{}
	announce   func(ctx context.Context) // nil if nobody wants to know

	mu     sync.Mutex
	calls  []string
	errors map[string][]error // by method, the next first

	// Called with what was handed over, if not nil.
	committed func(*provider.Turn, *provider.Commit)
	completed func(provider.Message)
	extended  func(history.Payload) provider.Signals
	released  func(*provider.Turn, provider.Release)
}

func (h *fakeHost) AnnounceLeave(ctx context.Context) {
	if h.announce != nil {
		h.announce(ctx)
	}
}

// fail makes the next calls of a method return errors; nil lets one pass.
func (h *fakeHost) fail(method string, errs ...error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.errors == nil {
		h.errors = map[string][]error{}
	}
	h.errors[method] = append(h.errors[method], errs...)
}

func (h *fakeHost) record(format string, args ...any) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	call := fmt.Sprintf(format, args...)
	method, _, _ := strings.Cut(call, " ")
	h.calls = append(h.calls, call)
	if errs := h.errors[method]; len(errs) > 0 {
		h.errors[method] = errs[1:]
		return errs[0]
	}
	return nil
}

// scripted is the next error of a method that is not recorded.
func (h *fakeHost) scripted(method string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if errs := h.errors[method]; len(errs) > 0 {
		h.errors[method] = errs[1:]
		return errs[0]
	}
	return nil
}

func (h *fakeHost) NextTurn(ctx context.Context) (*provider.Turn, error) {
	if err := h.scripted("NextTurn"); err != nil {
		return nil, err
	}
	select {
	case t := <-h.turns:
		return t, nil
	case <-h.closed:
		return nil, provider.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *fakeHost) NextActivity(ctx context.Context) (*provider.ActivityTask, error) {
	select {
	case t := <-h.activities:
		return t, nil
	case <-h.closed:
		return nil, provider.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *fakeHost) History(context.Context, history.InstanceID, int64, int64) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		if err := h.scripted("History"); err != nil {
			yield(history.Event{}, err)
		}
	}
}

func (h *fakeHost) CommitTurn(_ context.Context, t *provider.Turn, c *provider.Commit) error {
	err := h.record("CommitTurn %s", t.Instance.ID)
	if err == nil && h.committed != nil {
		h.committed(t, c)
	}
	return err
}

func (h *fakeHost) ReleaseTurn(_ context.Context, t *provider.Turn, r provider.Release) error {
	err := h.record("ReleaseTurn %s after %v%s", t.Instance.ID, r.Delay, released(r))
	if err == nil && h.released != nil {
		h.released(t, r)
	}
	return err
}

func released(r provider.Release) string {
	s := ""
	if r.Uncounted {
		s += " uncounted"
	}
	if r.Park != "" {
		s += " parked"
	}
	return s
}

func (h *fakeHost) CompleteActivity(_ context.Context, t *provider.ActivityTask, m provider.Message) error {
	err := h.record("CompleteActivity %s", t.ID)
	if err == nil && h.completed != nil {
		h.completed(m)
	}
	return err
}

func (h *fakeHost) ExtendActivity(_ context.Context, t *provider.ActivityTask, detail history.Payload) (provider.Signals, error) {
	err := h.record("ExtendActivity %s %s", t.ID, detail)
	if err == nil && h.extended != nil {
		return h.extended(detail), nil
	}
	return provider.Signals{}, err
}

func (h *fakeHost) ReleaseActivity(_ context.Context, t *provider.ActivityTask, r provider.Release) error {
	return h.record("ReleaseActivity %s after %v%s", t.ID, r.Delay, released(r))
}

func (h *fakeHost) Leave(context.Context) error { return h.record("Leave") }

// fakeExecutor consumes all messages of a turn and commits nothing else, unless
// the test says otherwise. Its calls are recorded among the host's.
type fakeExecutor struct {
	world   *world
	execute func(ctx context.Context, w Work) (*provider.Commit, error)
}

func (e *fakeExecutor) Accepts(string, string) bool { return true }

func (e *fakeExecutor) Execute(ctx context.Context, w Work) (*provider.Commit, error) {
	if err := e.world.host.record("Execute %s", w.Turn.Instance.ID); err != nil {
		return nil, err
	}
	if e.execute != nil {
		return e.execute(ctx, w)
	}
	return &provider.Commit{Consumed: len(w.Turn.Messages)}, nil
}

func (e *fakeExecutor) Settle(id history.InstanceID, applied bool) {
	_ = e.world.host.record("Settle %s %v", id, applied)
}

func turn(id history.InstanceID) *provider.Turn {
	return &provider.Turn{
		Instance: provider.Instance{ID: id, Name: "order", Version: "1.0.0", Status: history.StatusRunning, Execution: 1, LastEvent: 3},
		Messages: []provider.Message{{ID: "m", To: id, Data: &history.TimerFired{Source: 2}}},
		Attempt:  1,
	}
}

func task(id history.InstanceID, event int64, s history.ActivityScheduled) *provider.ActivityTask {
	if s.Name == "" {
		s.Name = "work"
	}
	return &provider.ActivityTask{
		ID:            history.ActivityID{Instance: id, Execution: 1, Event: event},
		Activity:      provider.Activity{Scheduled: history.Event{ID: event, Execution: 1, Data: &s}, Attempt: 1},
		Orchestration: "order", Version: "1.0.0", Delivery: 1,
	}
}

// logbook collects the log.
type logbook struct {
	mu  sync.Mutex
	all bytes.Buffer
}

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all.Write(p)
}

// count is how many records contain a text.
func (l *logbook) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for line := range strings.Lines(l.all.String()) {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

var errWild = errors.New("something unheard of")
