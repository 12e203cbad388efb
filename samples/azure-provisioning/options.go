package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"time"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/host"
)

// The targets.
const (
	targetEmulator = "emulator"
	targetAzure    = "azure"
)

const maxFleet = 1000

// options are what the command line says.
type options struct {
	store                          host.Store
	target, subscription, location string
	yes, tearDown                  bool
	fleet                          int
	pace, limit                    time.Duration
}

var (
	subscriptionForm = regexp.MustCompile(`^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$`)
	locationForm     = regexp.MustCompile(`^[a-z0-9]+$`)
)

// parse reads the command line.
func parse(args []string) (o options, err error) {
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
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("%q: there are no arguments besides flags; see --help", flags.Arg(0))
	case o.target != targetEmulator && o.target != targetAzure:
		return o, fmt.Errorf("--target %s: write emulator or azure", o.target)
	case o.fleet < 0 || o.fleet > maxFleet:
		return o, fmt.Errorf("--environments %d: want 0 to %d", o.fleet, maxFleet)
	case o.pace < 0 || o.limit <= 0:
		return o, errors.New("--pace must not be negative, and --timeout be more than nothing")
	}
	text := *store
	if o.target == targetAzure {
		switch {
		case !subscriptionForm.MatchString(o.subscription):
			return o, fmt.Errorf("--subscription %q: want an id such as 00000000-0000-0000-0000-000000000000; az account list shows yours", o.subscription)
		case !locationForm.MatchString(o.location):
			return o, fmt.Errorf("--location %q: want one such as westeurope; az account list-locations shows them", o.location)
		case o.fleet > 0:
			return o, errors.New("--environments is for the emulator: in Azure one environment is made")
		}
		if text == "" {
			text = "sqlite:azure-provisioning.db" // what is in Azure outlives this process, and so must the state
		}
	} else if o.tearDown || o.yes {
		return o, errors.New("--yes and --teardown are for --target azure: what the emulator has is gone with it")
	}
	if text == "" {
		text = "azurite"
	}
	o.store, err = host.ParseStore(text)
	return o, err
}
