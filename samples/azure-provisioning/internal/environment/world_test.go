package environment_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/memory"
	"github.com/duroxide/duroxide-go/providers/sqlite"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/resources"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

const (
	subscription = "00000000-0000-0000-0000-000000000001"
	hub          = "test"
	pace         = 4 * time.Millisecond // of the emulator, and of whoever waits
)

// spec is what tests ask for.
func spec() environment.Spec {
	return environment.Spec{Subscription: subscription, Location: "westeurope", Hub: hub, Pace: pace}
}

// world is a cloud and a store.
type world struct {
	t       *testing.T
	cloud   *emulator.Server
	url     string
	store   provider.Store
	client  *core.Client
	key     []byte
	hear    func(http.RoundTripper) http.RoundTripper // stands between hosts and the cloud; nil for nothing
	serials atomic.Int64
}

func newWorld(t *testing.T, cfg emulator.Config, store provider.Store) *world {
	t.Helper()
	if cfg.Pace == 0 {
		cfg.Pace = pace
	}
	cloud := emulator.New(cfg)
	server := httptest.NewServer(cloud)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	t.Cleanup(server.Close)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	return &world{t: t, cloud: cloud, url: server.URL, store: store, client: core.NewClient(store, core.ClientConfig{}), key: lro.NewKey()}
}

// inMemory is a store for one host.
func inMemory(t *testing.T) provider.Store {
	t.Helper()
	s := memory.New(memory.Config{})
	t.Cleanup(func() { closing(t, s) })
	return s
}

func onSQLite(t *testing.T) provider.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closing(t, s) })
	return s
}

func closing(t *testing.T, s provider.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// host is a worker that runs until the test ends, or is killed.
type host struct {
	cancel context.CancelFunc
	done   chan error
}

// run starts a host on a store: the world's own, unless another is given.
func (w *world) run(store provider.Store) *host {
	w.t.Helper()
	sealer, err := lro.NewSealer(w.key)
	if err != nil {
		w.t.Fatal(err)
	}
	transport := http.RoundTripper(&http.Transport{MaxIdleConnsPerHost: 64})
	own := transport
	if w.hear != nil {
		transport = w.hear(transport)
	}
	manager, err := resources.Open(resources.Config{
		Subscription: subscription, Endpoint: w.url, Sealer: sealer, Transport: &http.Client{Transport: transport},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.t.Context()))
	h := &host{cancel: cancel, done: make(chan error, 1)}
	worker := core.NewWorker(store, core.WorkerConfig{Name: fmt.Sprint("host-", w.serials.Add(1)), Logger: slog.New(slog.DiscardHandler), ShutdownGrace: time.Millisecond}).
		Register(environment.Handlers(w.client)...).Register(manager.Handlers()...)
	go func() {
		h.done <- worker.Run(ctx)
		own.(*http.Transport).CloseIdleConnections()
	}()
	w.t.Cleanup(h.stop)
	return h
}

func (h *host) stop() {
	h.cancel()
	if err, ok := <-h.done; ok {
		_ = err // a host that was killed has an error of its store
		close(h.done)
	}
}

// provision starts an environment.
func (w *world) provision(name string, s environment.Spec) *orchestration.Handle[environment.Outputs] {
	w.t.Helper()
	h, err := environment.Provision.Start(w.t.Context(), w.client, s, orchestration.StartOptions{ID: orchestration.InstanceID(name)})
	if err != nil {
		w.t.Fatal(err)
	}
	return h
}

// plan is what an environment consists of.
func plan(name string) environment.Plan {
	return environment.Plan{Spec: spec(), Owner: environment.Owner{Hub: hub, Instance: name}}
}

// exactly demands that exactly the resources of some environments exist, each
// complete, each created as often as wanted.
func (w *world) exactly(created int, names ...string) {
	w.t.Helper()
	if problems := w.problems(created, names...); len(problems) > 0 {
		w.t.Error(strings.Join(problems, "\n"))
	}
}

func (w *world) problems(created int, names ...string) (problems []string) {
	ledger := w.cloud.Ledger()
	wanted := map[string]bool{}
	for _, name := range names {
		for _, r := range plan(name).Resources() {
			wanted[strings.ToLower(r.ID)] = true
			if n := ledger.Count(emulator.Created, r.ID); n != created {
				problems = append(problems, fmt.Sprintf("%s of %s was created %d times, not %d", r, name, n, created))
			}
		}
	}
	for _, r := range w.cloud.Resources() {
		if !wanted[strings.ToLower(r.ID)] {
			problems = append(problems, "an orphan: "+r.ID)
		} else if r.State != "Succeeded" {
			problems = append(problems, fmt.Sprintf("%s is %s", r.ID, r.State))
		}
		delete(wanted, strings.ToLower(r.ID))
	}
	for id := range wanted {
		problems = append(problems, "missing: "+id)
	}
	return problems
}

// code is that of the error of the cloud in an error.
func code(err error) string {
	if e, ok := errors.AsType[*lro.Error](err); ok {
		return e.Code
	}
	return fmt.Sprint("none: ", err)
}
