package environment_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/memory"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/resources"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

const (
	subscription = "00000000-0000-0000-0000-000000000001"
	hub          = "test"
	pace         = time.Second // of the emulator, in virtual time
)

// spec is what tests ask for.
func spec() environment.Spec {
	return environment.Spec{Subscription: subscription, Location: "westeurope", Hub: hub, Pace: pace}
}

// plan is what an environment consists of.
func plan(name string) environment.Plan {
	return environment.Plan{Spec: spec(), Owner: environment.Owner{Hub: hub, Instance: name}}
}

// world is a cloud, and hosts that work on it.
type world struct {
	t     *testing.T
	ctx   context.Context
	cloud *emulator.Server
	pace  time.Duration
	key   []byte
	// hear is told of each request to the cloud before it arrives and after it was
	// served, and may kill or cancel something.
	hear func(h *host, r *http.Request, served bool)
	// outage says whether a request does not arrive.
	outage func(r *http.Request) bool
	// Requests on their way arrive, although who sent them has given up.
	unstoppable bool

	mu    sync.Mutex
	hosts []*host
	names int
	log   strings.Builder // of all hosts
}

func newWorld(t *testing.T, cfg emulator.Config) *world {
	t.Helper()
	cfg.Pace, cfg.Latency = cmp.Or(cfg.Pace, pace), cmp.Or(cfg.Latency, 20*time.Millisecond)
	w := &world{t: t, ctx: t.Context(), cloud: emulator.New(cfg), pace: cfg.Pace, key: lro.NewKey()}
	t.Cleanup(w.stop)
	return w
}

// inBubble runs a test in virtual time, with one host on a store in memory.
func inBubble(t *testing.T, cfg emulator.Config, test func(w *world, client *core.Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, cfg)
		store := memory.New(memory.Config{})
		t.Cleanup(func() {
			w.stop()
			if err := store.Close(); err != nil {
				t.Error(err)
			}
		})
		w.run(store)
		test(w, core.NewClient(store, core.ClientConfig{}))
	})
}

// host is a worker.
type host struct {
	world  *world
	name   string
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// run starts a host on a store.
func (w *world) run(store provider.Store) *host {
	w.t.Helper()
	sealer, err := lro.NewSealer(w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	w.mu.Lock()
	w.names++
	ctx, cancel := context.WithCancel(context.Background())
	h := &host{world: w, name: fmt.Sprint("host-", w.names), cancel: cancel, done: make(chan struct{})}
	w.hosts = append(w.hosts, h)
	w.mu.Unlock()
	manager, err := resources.Open(resources.Config{
		Subscription: subscription, Endpoint: "http://cloud.test", Sealer: sealer, Transport: &http.Client{Transport: h},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	worker := core.NewWorker(store, core.WorkerConfig{Name: h.name, Logger: slog.New(slog.NewTextHandler(w, nil)), ShutdownGrace: time.Millisecond}).
		Register(environment.Handlers(core.NewClient(store, core.ClientConfig{}))...).Register(manager.Handlers()...)
	go func() {
		defer close(h.done)
		h.err = worker.Run(ctx)
	}()
	return h
}

// stop ends all hosts.
func (w *world) stop() {
	w.mu.Lock()
	hosts := slices.Clone(w.hosts)
	w.mu.Unlock()
	for _, h := range hosts {
		h.stop()
	}
}

func (h *host) stop() {
	h.cancel()
	<-h.done
}

// Write is the log of all hosts.
func (w *world) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.log.Write(b)
}

// RoundTrip sends a request of a host to the cloud, without a network.
func (h *host) RoundTrip(r *http.Request) (resp *http.Response, err error) {
	hear := h.world.hear
	if hear != nil {
		hear(h, r, false)
	}
	if err := r.Context().Err(); err != nil && !h.world.unstoppable {
		return nil, err
	}
	if h.world.outage != nil && h.world.outage(r) {
		return nil, errors.New("connection refused")
	}
	arrived := r.Clone(context.WithoutCancel(r.Context()))
	arrived.Host = cmp.Or(r.Host, r.URL.Host)
	if arrived.Body == nil {
		arrived.Body = http.NoBody
	}
	recorder := httptest.NewRecorder()
	defer func() {
		if aborted := recover(); aborted != nil {
			if err, ok := aborted.(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
				panic(aborted)
			}
			resp, err = nil, errors.New("the connection was closed before an answer came")
		}
	}()
	h.world.cloud.ServeHTTP(recorder, arrived)
	if hear != nil {
		hear(h, r, true)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp = recorder.Result()
	resp.Request = r
	return resp, nil
}

// start starts an environment.
func start(w *world, client *core.Client, name string, s environment.Spec) *orchestration.Handle[environment.Outputs] {
	w.t.Helper()
	h, err := environment.Provision.Start(w.ctx, client, s, orchestration.StartOptions{ID: orchestration.InstanceID(name)})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// provision makes an environment that has to succeed.
func provision(w *world, client *core.Client, name string, s environment.Spec) environment.Outputs {
	w.t.Helper()
	out, err := start(w, client, name, s).Wait(w.ctx)
	if err != nil {
		w.t.Fatal(err)
	}
	return out
}

// tearDown removes an environment.
func tearDown(w *world, client *core.Client, name string) error {
	w.t.Helper()
	w.names++
	h, err := environment.TearDown.Start(w.ctx, client, plan(name), orchestration.StartOptions{ID: orchestration.InstanceID(fmt.Sprint("teardown-", name, w.names))})
	if err != nil {
		w.t.Fatal(err)
	}
	_, err = h.Wait(w.ctx)
	return err
}

// exactly demands that exactly the resources of some environments exist, each
// complete, each created once.
func (w *world) exactly(names ...string) {
	w.t.Helper()
	if problems := w.problems(names...); len(problems) > 0 {
		w.t.Error(strings.Join(problems, "\n"))
	}
}

func (w *world) problems(names ...string) (problems []string) {
	created := map[string]int{}
	for _, r := range w.cloud.Ledger().Records {
		if r.What == emulator.Created {
			created[strings.ToLower(r.ID)]++
		}
	}
	wanted := map[string]bool{}
	for _, name := range names {
		for _, r := range plan(name).Resources() {
			id := strings.ToLower(r.ID)
			wanted[id] = true
			if created[id] != 1 {
				problems = append(problems, fmt.Sprintf("%s of %s was created %d times", r, name, created[id]))
			}
		}
	}
	for _, r := range w.cloud.Resources() {
		id := strings.ToLower(r.ID)
		if !wanted[id] {
			problems = append(problems, "an orphan: "+r.ID)
		} else if r.State != "Succeeded" {
			problems = append(problems, fmt.Sprintf("%s is %s", r.ID, r.State))
		}
		delete(wanted, id)
	}
	for id := range wanted {
		problems = append(problems, "missing: "+id)
	}
	return problems
}

// nothing demands that nothing exists, and that everything that was created was
// deleted.
func (w *world) nothing() {
	w.t.Helper()
	w.exactly()
	l := w.cloud.Ledger()
	if created, deleted := l.Count(emulator.Created, ""), l.Count(emulator.Deleted, ""); created != deleted {
		w.t.Errorf("%d resources were created and %d deleted", created, deleted)
	}
}

// code is that of the error of the cloud in an error.
func code(err error) string {
	if e, ok := errors.AsType[*lro.Error](err); ok {
		return e.Code
	}
	return fmt.Sprint("none: ", err)
}
