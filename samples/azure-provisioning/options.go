package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// The targets.
const (
	targetEmulator = "emulator"
	targetAzure    = "azure"
)

const (
	maxFleet = 1000
	minPace  = 20 * time.Millisecond // faster, and an environment is done before a host can be killed
)

// options are what the command line says.
type options struct {
	store                          host.Store
	log                            string
	target, subscription, location string
	yes, tearDown                  bool
	fleet                          int
	pace, limit                    time.Duration
}

// parse reads the command line. Help goes to stdout.
func parse(args []string, stdout io.Writer) (o options, err error) {
	flags := flag.NewFlagSet("azure-provisioning", flag.ContinueOnError)
	store := flags.String("store", "", "where the state is kept: azurite, or sqlite:`PATH` (default azurite; with --target azure sqlite:azure-provisioning.db)")
	flags.StringVar(&o.target, "target", targetEmulator, "where to provision: emulator, or azure, which costs money")
	flags.StringVar(&o.subscription, "subscription", os.Getenv("AZURE_SUBSCRIPTION_ID"), "`ID` of the subscription, for --target azure")
	flags.StringVar(&o.location, "location", "", "the `LOCATION`, such as westeurope, for --target azure")
	flags.BoolVar(&o.yes, "yes", false, "confirm the plan for --target azure")
	flags.BoolVar(&o.tearDown, "teardown", false, "with --target azure: only remove what an earlier run has left")
	flags.IntVar(&o.fleet, "environments", 0, "how many environments to make at once, besides, on the emulator")
	flags.DurationVar(&o.pace, "pace", 0, "how fast the emulator is: its operations take one to five times as long (default 700ms)")
	flags.DurationVar(&o.limit, "timeout", 10*time.Minute, "give up after this long, on the emulator")
	flags.StringVar(&o.log, "log", "", "append what the workers log to this `FILE`, one JSON object a line")
	flags.SetOutput(io.Discard) // errors are told once, by main
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		flags.SetOutput(stdout)
		fmt.Fprintln(stdout, "Usage: go run ./samples/azure-provisioning [flags]; what it shows is in its README.md")
		flags.PrintDefaults()
		return o, err
	} else if err != nil {
		return o, fmt.Errorf("%w; see --help", err)
	}
	given := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%q: there are no arguments besides flags; see --help", flags.Arg(0))
	case o.target != targetEmulator && o.target != targetAzure:
		return o, fmt.Errorf("--target %s: write emulator or azure", o.target)
	case o.fleet < 0 || o.fleet > maxFleet:
		return o, fmt.Errorf("--environments %d: want 0 to %d", o.fleet, maxFleet)
	case o.pace != 0 && o.pace < minPace:
		return o, fmt.Errorf("--pace %v: want %v or more", o.pace, minPace)
	case o.limit <= 0:
		return o, fmt.Errorf("--timeout %v: want more than nothing, such as 10m", o.limit)
	}
	text := *store
	if o.target == targetAzure {
		if text == "" {
			text = "sqlite:azure-provisioning.db"
		}
		if err := o.checkAzure(); err != nil {
			return o, err
		}
		if given["timeout"] {
			return o, fmt.Errorf("--timeout %v is for the emulator: what is in Azure is removed, however long that takes", o.limit)
		}
	} else if o.tearDown || o.yes {
		return o, errors.New("--yes and --teardown are for --target azure: what the emulator has is gone with it")
	} else if given["subscription"] || given["location"] {
		return o, errors.New("--subscription and --location are for --target azure: the emulator has its own")
	}
	if text == "" {
		text = "azurite"
	}
	o.store, err = host.ParseStore(text)
	if err == nil && o.target == targetAzure && o.store.SQLite == "" {
		// What is in Azure outlives this process, and so must the state.
		err = fmt.Errorf("--store %s: it keeps its state in memory, which --target azure must not lose: write --store sqlite:PATH", text)
	}
	return o, err
}

// checkAzure checks what is for a subscription.
func (o options) checkAzure() error {
	err := environment.Spec{Subscription: o.subscription, Location: o.location, Hub: host.Hub}.Check()
	if bad, ok := errors.AsType[*lro.Error](err); ok {
		return fmt.Errorf("--target azure needs --subscription and --location: %s", bad.Message)
	}
	switch {
	case err != nil:
		return err
	case o.fleet > 0:
		return errors.New("--environments is for the emulator: in Azure one environment is made")
	case o.pace > 0:
		return fmt.Errorf("--pace %v is for the emulator: Azure has its own", o.pace)
	}
	return nil
}
