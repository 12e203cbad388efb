package scenarios

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/core/provider/providerfault"
	"github.com/duroxide/duroxide-go/internal/azurite/azuritetest"
	"github.com/duroxide/duroxide-go/internal/invariant"
	"github.com/duroxide/duroxide-go/internal/verify"
	"github.com/duroxide/duroxide-go/providers/memory"
	"github.com/duroxide/duroxide-go/providers/sqlite"
)

func TestMain(m *testing.M) {
	orchestration.RegisterError("shop.sold-out", errSoldOut)
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil { // scenarios mostly wait
		panic(err)
	}
	goleak.VerifyTestMain(azuritetest.Stopping(m))
}

// Short names for what scenarios are made of.
type (
	octx  = orchestration.Context
	start = orchestration.StartOptions
	none  = orchestration.None
)

// stores are the providers that every scenario runs on.
var stores = opened()

type opener struct {
	name string
	open func(t *testing.T) provider.Store
}

func opened() []opener {
	all := []opener{
		{"memory", func(*testing.T) provider.Store { return memory.New(memory.Config{}) }},
		{"sqlite", func(t *testing.T) provider.Store {
			s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Config{Synchronous: sqlite.Normal})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}},
	}
	if invariant.Enabled { // by the race detector, which sees the provider in its own tests: here it would take minutes
		return all
	}
	return append(all, opener{"azure", simulated})
}

// world is a store, a client of it, and the worker that runs on it.
type world struct {
	t      *testing.T
	ctx    context.Context // ends a hanging test
	store  provider.Store
	client *core.Client
	worker *core.Worker
	config core.WorkerConfig
	purged bool // instances were purged or replaced: the audit misses some
	stop   func()

	faults *providerfault.Injector // nil for a store that does not fail
	host   provider.Host           // of the worker that runs, below the faults
}

// everywhere runs a scenario on each provider, and audits the store afterwards.
func everywhere(t *testing.T, scenario func(t *testing.T, w *world)) {
	for _, s := range stores {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			inWorld(t, s.open(t), nil, scenario)
		})
	}
	if test, _, _ := strings.Cut(t.Name(), "/"); *allOnAzurite || slices.Contains(onAzurite, test) && !testing.Short() {
		t.Run("azurite", func(t *testing.T) {
			if reason := notOnAzurite[test]; reason != "" {
				t.Skip(reason)
			}
			t.Parallel()
			inWorld(t, emulated(t), nil, scenario)
		})
	}
}

// unreliable lets every kind of call fail now and then, before it is applied
// and after.
var unreliable = providerfault.MustParse(`
	send p=0.05 before
	send p=0.05 after
	send p=0.02 unknown
	wait p=0.05 before
	wait p=0.05 after
	history p=0.05 before
	turn p=0.02 before
	turn p=0.02 after
	commit p=0.05 before
	commit p=0.05 after
	commit p=0.02 unknown
	release p=0.05 before
	release p=0.05 after
	activity p=0.02 before
	activity p=0.02 after
	complete p=0.05 before
	complete p=0.05 after
	extend p=0.05 before
	extend p=0.05 after
	release-activity p=0.05 before
	release-activity p=0.05 after
`)

// everywhereAndUnreliable runs a scenario on each provider, and on each once
// more with failures. It starts, waits and raises only: other calls of clients
// report failures rather than try again.
func everywhereAndUnreliable(t *testing.T, scenario func(t *testing.T, w *world)) {
	everywhere(t, scenario)
	for _, s := range stores {
		t.Run("unreliable "+s.name, func(t *testing.T) {
			t.Parallel()
			faults := providerfault.New(7, unreliable...)
			inWorld(t, s.open(t), faults, scenario)
			t.Logf("%d of %d calls failed", faults.Total(), faults.Calls(providerfault.Any))
		})
	}
}

func inWorld(t *testing.T, store provider.Store, faults *providerfault.Injector, scenario func(t *testing.T, w *world)) {
	limit := 50 * time.Second
	if *allOnAzurite {
		limit *= 4 // some take thousands of requests, and all share one server
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	w := &world{t: t, ctx: ctx, store: store, faults: faults}
	w.client = core.NewClient(w.seen(), core.ClientConfig{})
	w.config.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
	defer func() {
		w.halt()
		w.audit()
		if err := store.Close(); err != nil {
			t.Error("closing the store:", err)
		}
	}()
	scenario(t, w)
}

// seen is the store as workers and clients see it.
func (w *world) seen() provider.Store {
	below := hostKeeper{w.store, w}
	if w.faults == nil {
		return below
	}
	return providerfault.Wrap(below, w.faults)
}

// hostKeeper remembers who joined.
type hostKeeper struct {
	provider.Store
	w *world
}

func (k hostKeeper) Join(ctx context.Context, info provider.HostInfo) (provider.Host, error) {
	h, err := k.Store.Join(ctx, info)
	k.w.host = h
	return h, err
}

// run starts a worker with these handlers, in place of the one before.
func (w *world) run(handlers ...core.Handler) {
	w.t.Helper()
	w.halt()
	worker, stop := begin(w.seen(), w.config, handlers...)
	w.worker = worker
	w.stop = func() {
		if err := stop(); err != nil && !errors.Is(err, provider.ErrUnknown) {
			w.t.Error("worker:", err)
		}
	}
}

// begin starts a worker. The returned function stops it gracefully.
func begin(store provider.Store, config core.WorkerConfig, handlers ...core.Handler) (worker *core.Worker, stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	worker = core.NewWorker(store, config).Register(handlers...)
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx) }()
	return worker, func() error {
		cancel()
		return <-done
	}
}

// halt stops the worker gracefully.
func (w *world) halt() {
	if stop := w.stop; stop != nil {
		w.stop = nil
		stop()
	}
}

// audit checks everything that the store holds against the rules of a valid
// history.
func (w *world) audit() {
	report, err := verify.Store(w.ctx, w.store, verify.Options{Complete: !w.purged, Settle: time.Millisecond})
	if err != nil {
		w.t.Error("audit:", err)
		return
	}
	for _, f := range report.Findings {
		w.t.Errorf("audit: %+v", f)
	}
}

// begun starts an instance.
func begun[I, O any](w *world, f orchestration.Func[I, O], in I, o start) *orchestration.Handle[O] {
	w.t.Helper()
	h, err := f.Start(w.ctx, w.client, in, o)
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// gives waits for the result of an instance and compares it.
func gives[O comparable](w *world, h *orchestration.Handle[O], want O) {
	w.t.Helper()
	got, err := h.Wait(w.ctx)
	if err != nil || got != want {
		w.t.Fatalf("%s gave %v, %v; want %v", h.ID(), got, err, want)
	}
}

// fails waits for an instance that must not complete and returns its error.
func fails[O any](w *world, h *orchestration.Handle[O]) *orchestration.Error {
	w.t.Helper()
	got, err := h.Wait(w.ctx)
	e, ok := errors.AsType[*orchestration.Error](err)
	if !ok {
		w.t.Fatalf("%s gave %v, %v; want that it fails", h.ID(), got, err)
	}
	return e
}

// failsWith waits for an instance that must fail with a text in its error.
func failsWith[O any](w *world, h *orchestration.Handle[O], text string) {
	w.t.Helper()
	if err := fails(w, h); !strings.Contains(err.Error(), text) {
		w.t.Fatalf("%s failed with %q; want %q in it", h.ID(), err, text)
	}
}

// raise raises an event.
func raise[T any](w *world, e orchestration.Event[T], id history.InstanceID, value T) {
	w.t.Helper()
	if err := e.Raise(w.ctx, w.client, id, value); err != nil {
		w.t.Fatal(err)
	}
}

// put puts messages into a queue.
func put[T any](w *world, q orchestration.Queue[T], id history.InstanceID, values ...T) {
	w.t.Helper()
	for _, v := range values {
		if err := q.Put(w.ctx, w.client, id, v); err != nil {
			w.t.Fatal(err)
		}
	}
}

// cancel asks an instance to cancel.
func (w *world) cancel(id history.InstanceID, reason string) {
	w.t.Helper()
	if err := w.client.Cancel(w.ctx, id, reason); err != nil {
		w.t.Fatal(err)
	}
}

// instance reads an instance.
func (w *world) instance(id history.InstanceID) *provider.Instance {
	w.t.Helper()
	i, err := w.store.Instance(w.ctx, id)
	if err != nil {
		w.t.Fatal(err)
	}
	return i
}

// ended waits until an instance has ended and returns it.
func (w *world) ended(id history.InstanceID) *provider.Instance {
	w.t.Helper()
	i, err := w.client.Wait(w.ctx, id, provider.Until{Final: true})
	if err != nil {
		w.t.Fatalf("waiting for the end of %s: %v", id, err)
	}
	return i
}

// events reads the history of an execution, 0 for the current one.
func (w *world) events(id history.InstanceID, execution int64) []history.Event {
	w.t.Helper()
	var events []history.Event
	for e, err := range w.store.History(w.ctx, id, execution, 0) {
		if err != nil {
			w.t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// count counts the events of a kind in the history of an execution.
func (w *world) count(id history.InstanceID, execution int64, kind history.Kind) int {
	w.t.Helper()
	n := 0
	for _, e := range w.events(id, execution) {
		if e.Data.Kind() == kind {
			n++
		}
	}
	return n
}

// reaches waits until an instance has so many events of a kind in its current
// history.
func (w *world) reaches(id history.InstanceID, kind history.Kind, n int) {
	w.t.Helper()
	w.until(string(kind)+" in "+string(id), func() bool { return w.instance(id).Execution > 0 && w.count(id, 0, kind) >= n })
}

// until waits for what no call of the client waits for.
func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-tick.C:
		case <-w.ctx.Done():
			w.t.Fatal("it never came to: ", what)
		}
	}
}

// parked waits until an instance is parked, for a reason that contains a text.
func (w *world) parked(id history.InstanceID, reason string) {
	w.t.Helper()
	w.until("parked "+string(id)+": "+reason, func() bool {
		p := w.instance(id).Parked
		return p != nil && strings.Contains(p.Reason, reason)
	})
}

// signal waits for a channel.
func signal[T any](w *world, c <-chan T) (v T) {
	w.t.Helper()
	select {
	case v = <-c:
	case <-w.ctx.Done():
		w.t.Fatal("the signal never came")
	}
	return v
}
