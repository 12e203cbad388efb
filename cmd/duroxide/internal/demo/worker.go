package demo

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/internal/ledger"
)

// What the worker writes to its standard output: its log, one JSON object a
// line. These are the messages that the director knows; the messages of
// orchestrations are free text, shown as it is.
const (
	noteReady    = "demo: ready"
	noteBegun    = "demo: activity begun"
	noteFailed   = "demo: activity failed"
	noteRepeated = "demo: activity repeated"
	noteEnded    = "demo: activity ended"
)

// What package sharding logs, and the director follows.
const (
	noteClaimed  = "partition claimed"
	noteReleased = "partition released"
	noteDead     = "host is dead"
)

// WorkerConfig configures the worker process.
type WorkerConfig struct {
	Store  stores.Ref
	Ledger string // path
	Pace   time.Duration
	Name   string        // empty for the usual one
	TTL    time.Duration // 0 for the store's own
	// Life ends the worker when it ends: the director holds the other end.
	Life io.Reader
	Log  io.Writer
}

// RunWorker is the worker process. It returns when the director is gone, or
// when ctx ends.
func RunWorker(ctx context.Context, cfg WorkerConfig) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // ends with the process at the latest: a read cannot be interrupted
		_, _ = io.Copy(io.Discard, cfg.Life)
		cancel()
	}()
	effects, err := ledger.Open(cfg.Ledger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, effects.Close()) }()
	log := slog.New(slog.NewJSONHandler(cfg.Log, nil))
	store, err := cfg.Store.Open(ctx, stores.Options{TTL: cfg.TTL, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	s := &shop{ledger: effects, pace: cfg.Pace}
	return core.NewWorker(store, core.WorkerConfig{
		Name: cfg.Name, Logger: log, ShutdownGrace: shutdownGrace(cfg.Pace),
		Joined: func() { log.Info(noteReady) },
	}).
		Register(s.handlers()...).
		Run(ctx)
}

// shutdownGrace is long enough for every activity to end.
func shutdownGrace(pace time.Duration) time.Duration { return max(time.Second, 2*pace) }
