package host

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/resources"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// WorkerVerb is the argument that makes the program a worker.
const WorkerVerb = "_worker"

// Worker says what a worker process works on.
type Worker struct {
	Name         string
	Store        Store
	Subscription string
	Endpoint     string // of the emulator; empty for Azure
	Key          []byte // seals resume tokens; the same for all workers of a hub
}

// command is the arguments and the environment of the worker.
func (w Worker) command() (args, variables []string) {
	args = []string{WorkerVerb, "--name", w.Name, "--store", w.Store.String(), "--subscription", w.Subscription, "--endpoint", w.Endpoint}
	return args, append(w.Store.environment(), keyVariable+"="+base64.StdEncoding.EncodeToString(w.Key))
}

// RunWorker is the worker process. It works until its standard input or ctx ends.
func RunWorker(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	var w Worker
	var store string
	flags := flag.NewFlagSet(WorkerVerb, flag.ContinueOnError)
	flags.StringVar(&w.Name, "name", "", "of the host")
	flags.StringVar(&store, "store", "", "the store")
	flags.StringVar(&w.Subscription, "subscription", "", "the subscription")
	flags.StringVar(&w.Endpoint, "endpoint", "", "of the emulator")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var err error
	if w.Store, err = inherited(store); err != nil {
		return err
	}
	if w.Key, err = base64.StdEncoding.DecodeString(os.Getenv(keyVariable)); err != nil {
		return fmt.Errorf("%s: %w", keyVariable, err)
	}
	ctx, cancel := untilClosed(ctx, stdin)
	defer cancel()
	return w.run(ctx, slog.New(slog.NewJSONHandler(stdout, nil)).With("worker", w.Name))
}

func (w Worker) run(ctx context.Context, log *slog.Logger) (err error) {
	sealer, err := lro.NewSealer(w.Key)
	if err != nil {
		return err
	}
	manager, err := resources.Open(resources.Config{Subscription: w.Subscription, Endpoint: w.Endpoint, Sealer: sealer})
	if err != nil {
		return err
	}
	store, err := w.Store.Open(ctx, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return core.NewWorker(store, core.WorkerConfig{
		Name: w.Name, Logger: log, ShutdownGrace: 2 * time.Second,
		Joined: func() { log.Info(noteReady) }, ActivityInterceptors: []activity.Interceptor{announce(log)},
	}).
		Register(environment.Handlers(core.NewClient(store, core.ClientConfig{}))...).
		Register(append(manager.Handlers(), claiming.Func(claim))...).
		Run(ctx)
}

// announce notes each request to Azure, with what it is about and nothing else of
// its input.
func announce(log *slog.Logger) activity.Interceptor {
	return func(ctx context.Context, input history.Payload, next func(context.Context, history.Payload) (history.Payload, error)) (history.Payload, error) {
		var about struct {
			In environment.Resource `json:"in"`
		}
		what := ""
		if json.Unmarshal(input, &about) == nil && about.In.ID != "" {
			what = about.In.String()
		}
		info := activity.Info(ctx)
		log := log.With("instance", string(info.Instance), "activity", info.Activity, "what", what, "delivery", info.Delivery)
		log.Info(noteBegun)
		output, err := next(ctx, input)
		log.Info(noteEnded)
		return output, err
	}
}

// untilClosed ends a context when a child's standard input does. An interrupt
// typed at the terminal, and its hang-up, reach the child, too; they are for the
// parent.
func untilClosed(ctx context.Context, stdin io.Reader) (context.Context, context.CancelFunc) {
	signal.Ignore(os.Interrupt, syscall.SIGHUP)
	ctx, cancel := context.WithCancel(ctx)
	go func() { // ends with the process at the latest: a read cannot be interrupted
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	return ctx, cancel
}
