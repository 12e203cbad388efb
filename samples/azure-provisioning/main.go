package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/story"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "azure-provisioning:", err)
		os.Exit(1)
	}
}

// run is the program; the first argument may make it a worker or the emulator.
func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) (failed error) {
	if len(args) > 0 {
		switch args[0] {
		case host.WorkerVerb:
			return host.RunWorker(ctx, args[1:], stdin, stdout)
		case host.EmulatorVerb:
			return host.RunEmulator(ctx, args[1:], stdin, stdout)
		}
	}
	o, err := parse(args, stdout)
	if err != nil {
		return err
	}
	log := io.Discard
	if o.log != "" {
		file, err := os.OpenFile(o.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("--log: %w", err)
		}
		defer func() { failed = errors.Join(failed, file.Close()) }()
		log = file
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if o.target == targetAzure {
		signal.Ignore(syscall.SIGPIPE) // a terminal that has gone keeps nothing from being removed
		return story.Azure(ctx, story.AzureConfig{
			Program: program, Store: o.store, Subscription: o.subscription, Location: o.location, Yes: o.yes, TearDown: o.tearDown, In: stdin, Out: stdout, Log: log,
		})
	}
	return story.Run(ctx, story.Config{Program: program, Store: o.store, Fleet: o.fleet, Pace: o.pace, Out: stdout, Log: log, Limit: o.limit})
}
