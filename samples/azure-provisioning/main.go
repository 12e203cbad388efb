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
	"time"

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
	flags := flag.NewFlagSet("azure-provisioning", flag.ContinueOnError)
	store := flags.String("store", "azurite", "where the state is kept: azurite, or sqlite:`PATH`")
	fleet := flags.Int("environments", 0, "how many environments to make at once, besides")
	limit := flags.Duration("timeout", 10*time.Minute, "give up after this long")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q: there are no arguments besides flags; see --help", flags.Arg(0))
	}
	if *fleet < 0 || *fleet > 1000 {
		return fmt.Errorf("--environments %d: want 0 to 1000", *fleet)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	cfg := story.Config{Program: program, Fleet: *fleet, Out: stdout, Limit: *limit}
	if cfg.Store, err = host.ParseStore(*store); err != nil {
		return err
	}
	return story.Run(ctx, cfg)
}
