package azurite

import (
	"context"
	"log/slog"
	"testing"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/internal/verify"
)

// engine is a worker on a hub of its own, and a client in another process.
type engine struct {
	t      *testing.T
	ctx    context.Context
	place  *place
	hub    string
	client *core.Client
	user   *process // of the client
	stops  []func()
}

// newEngine opens the hub for a client. The engine ends with the test, before the
// hub is deleted.
func newEngine(t *testing.T, p *place, partitions int) *engine {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	e := &engine{t: t, ctx: ctx, place: p, hub: p.newHub()}
	cfg := p.config(e.hub)
	cfg.Partitions = partitions
	e.user = p.open(t, cfg)
	e.client = core.NewClient(e.user.Store, core.ClientConfig{})
	t.Cleanup(func() {
		defer cancel()
		e.end()
		if err := e.user.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

// end stops all workers.
func (e *engine) end() {
	for len(e.stops) > 0 {
		last := len(e.stops) - 1
		stop := e.stops[last]
		e.stops = e.stops[:last]
		stop()
	}
}

// open opens the hub for another process.
func (e *engine) open() *process {
	e.t.Helper()
	return e.place.open(e.t, e.user.cfg)
}

// work runs a worker in a process, until the engine ends or the process is killed.
func (e *engine) work(p *process, cfg core.WorkerConfig, handlers ...core.Handler) {
	cfg.Logger = slog.New(slog.DiscardHandler)
	ctx, stop := context.WithCancel(context.WithoutCancel(e.ctx))
	done := make(chan error, 1)
	go func() { done <- core.NewWorker(p.Store, cfg).Register(handlers...).Run(ctx) }()
	e.stops = append(e.stops, func() {
		stop()
		err := <-done
		if p.line.cut.Load() {
			return // it was killed
		}
		if err != nil {
			e.t.Error("worker:", err)
		}
		if err := p.Close(); err != nil {
			e.t.Error(err)
		}
	})
}

// audit holds all that the hub stores against the rules of histories, and the
// invariants Z1 to Z13.
func (e *engine) audit(complete bool) {
	e.t.Helper()
	report, err := verify.Store(e.ctx, e.user.Store, verify.Options{Complete: complete})
	if err != nil {
		e.t.Fatal(err)
	}
	for _, f := range report.Findings {
		e.t.Error(f)
	}
	if report.Instances == 0 && complete {
		e.t.Error("there was nothing to audit")
	}
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}
