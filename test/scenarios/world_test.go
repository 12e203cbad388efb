package scenarios

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/memory"
	"github.com/duroxide/duroxide-go/providers/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// stores are the providers that every scenario runs on.
var stores = map[string]func(t *testing.T) provider.Store{
	"memory": func(*testing.T) provider.Store { return memory.New(memory.Config{}) },
	"sqlite": func(t *testing.T) provider.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Config{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	},
}

// world is a store, a client of it, and the worker that runs on it.
type world struct {
	t      *testing.T
	ctx    context.Context // ends a hanging test
	store  provider.Store
	client *core.Client
	worker *core.Worker
	config core.WorkerConfig
	stop   func()
}

// everywhere runs a scenario on each provider.
func everywhere(t *testing.T, scenario func(t *testing.T, w *world)) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			store := open(t)
			w := &world{t: t, ctx: ctx, store: store, client: core.NewClient(store, core.ClientConfig{})}
			w.config.Logger = slog.New(slog.NewTextHandler(t.Output(), nil))
			defer func() {
				w.halt()
				if err := store.Close(); err != nil {
					t.Error("closing the store:", err)
				}
			}()
			scenario(t, w)
		})
	}
}

// run starts a worker with these handlers, in place of the one before.
func (w *world) run(handlers ...core.Handler) {
	w.t.Helper()
	w.halt()
	ctx, cancel := context.WithCancel(context.Background())
	worker := core.NewWorker(w.store, w.config).Register(handlers...)
	done := make(chan error, 1)
	go func() { done <- worker.Run(ctx) }()
	w.worker = worker
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error("worker:", err)
		}
		w.stop = nil
	}
}

// halt stops the worker gracefully.
func (w *world) halt() {
	if w.stop != nil {
		w.stop()
	}
}
