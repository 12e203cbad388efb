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
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "azure-provisioning:", err)
		os.Exit(1)
	}
}

// run is the program; the first argument may make it a worker or the emulator.
func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case host.WorkerVerb:
			return host.RunWorker(ctx, args[1:], stdin, stdout)
		case host.EmulatorVerb:
			return host.RunEmulator(ctx, args[1:], stdin, stdout)
		}
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	if o.target == targetAzure {
		return story.Azure(ctx, story.AzureConfig{
			Program: program, Store: o.store, Subscription: o.subscription, Location: o.location, Yes: o.yes, TearDown: o.tearDown, In: stdin, Out: stdout,
		})
	}
	return story.Run(ctx, story.Config{Program: program, Store: o.store, Fleet: o.fleet, Pace: o.pace, Out: stdout, Limit: o.limit})
}
