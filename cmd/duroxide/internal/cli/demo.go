package cli

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"time"

	"github.com/spf13/cobra"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/demo"
	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
)

const (
	workerVerb   = "_demo-worker"
	maxKills     = 1_000
	minHosts     = 2
	maxHosts     = 8
	defaultHosts = 3
	// rounds is how often the built-in orders come in where several hosts share
	// them.
	rounds = 4
)

func newDemo() *cobra.Command {
	var (
		flags storeFlags
		out   outputFlag
		input string
		kills int
		hosts int
		keep  bool
		limit time.Duration
	)
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch orders survive kill -9, with every effect applied exactly once",
		Long: `Watch orders survive kill -9, with every effect applied exactly once.

Orders are fulfilled by a worker process: an approval races a deadline, a flaky
bank is tried again, missing stock undoes what was done, parcels ship side by
side, the invoice is a child, and an inventory counts in an eternal loop. This
process places the orders, answers for the approver, and kills the worker with
SIGKILL while activities run; the next worker takes over where it stood.

Every activity writes its effect to a ledger, a file outside the store, under its
idempotency key. In the end an independent audit reads store and ledger. The exit
code is 0 only if it passes (otherwise 8) and every order ended as the data file
expects (otherwise 1).

On Azure Storage, or its emulator (--store azurite, which needs Node.js), several
hosts share the hub: worker processes that divide its partitions among them. One
is killed with kill -9, one joins, one is paused for longer than hosts may be
silent and woken again, and one leaves.

` + demo.Schema,
		Example: `  duroxide demo
  duroxide demo --kills 10
  duroxide demo --store azurite --hosts 3
  duroxide demo --input my-orders.json
  duroxide demo --store sqlite:demo.db && duroxide hub verify --store sqlite:demo.db --ledger demo.db.ledger`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := out.check(); err != nil {
				return err
			}
			if kills < 0 || kills > maxKills {
				return usagef("--kills %d: want 0 to %d", kills, maxKills)
			}
			if limit <= 0 {
				return usagef("--timeout %v: want more than nothing", limit)
			}
			orders, err := readOrders(input)
			if err != nil {
				return err
			}
			cfg := demo.Config{Orders: orders, Kills: kills, Limit: limit, Screen: screen.New(cmd.OutOrStdout())}
			if out.json() {
				cfg.Screen = screen.New(cmd.ErrOrStderr())
			}
			place, err := demoPlace(&flags, keep)
			if err != nil {
				return err
			}
			defer func() { place.leave(cmd.Context(), cfg.Screen, err) }()
			if cfg.Hosts, err = howMany(cmd, place.ref, hosts); err != nil {
				return err
			}
			what := count(kills, "kill")
			if cfg.Hosts > 0 {
				cfg.Kills, what = 1, count(cfg.Hosts, "host")
				if input == "" {
					cfg.Orders = demo.Repeat(orders, rounds)
				}
			}
			if err := place.begin(cmd.Context(), cfg.Screen); err != nil {
				return err
			}
			cfg.Store, cfg.Ledger = place.ref, place.ledger
			if cfg.Worker, err = self(workerVerb); err != nil {
				return err
			}
			cfg.Screen.Line("%s, %s, store %s, ledger %s", count(len(cfg.Orders), "order"), what, cfg.Store, cfg.Ledger)
			report, err := demo.Run(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if err := out.print(cmd, report); err != nil {
				return err
			}
			return verdict(report)
		},
	}
	flags.add(cmd, "where to keep the hub (default: a file in a fresh temporary directory)")
	out.add(cmd)
	cmd.Flags().StringVar(&input, "input", "", "data file of orders, in place of the built-in one; - reads standard input")
	cmd.Flags().IntVar(&kills, "kills", 3, "how often to kill the worker")
	cmd.Flags().IntVar(&hosts, "hosts", defaultHosts, "how many hosts share the hub, on Azure Storage")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the temporary directory")
	cmd.Flags().DurationVar(&limit, "timeout", 5*time.Minute, "give up after this long")
	return cmd
}

// verdict is the error of a story that did not end well.
func verdict(r *demo.Report) error {
	if !r.Audit.OK() {
		return errAudit
	}
	if n := r.Unexpected(); n > 0 {
		return fmt.Errorf("%s did not end as expected", count(n, "order"))
	}
	return nil
}

// howMany hosts share the hub: 0 where a single worker is killed time and again.
func howMany(cmd *cobra.Command, ref stores.Ref, hosts int) (int, error) {
	changed := func(flag string) bool { return cmd.Flags().Changed(flag) }
	switch {
	case !ref.OnAzure() && changed("hosts"):
		return 0, usagef("--hosts %d: a SQLite hub has one worker process at a time: write --store azurite", hosts)
	case !ref.OnAzure():
		return 0, nil
	case changed("kills"):
		return 0, usagef("--kills: of several hosts one is killed; leave it out, or use SQLite")
	case hosts < minHosts || hosts > maxHosts:
		return 0, usagef("--hosts %d: want %d to %d", hosts, minHosts, maxHosts)
	}
	return hosts, nil
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func readOrders(path string) ([]demo.Order, error) {
	switch path {
	case "":
		return demo.Committed()
	case "-":
		return demo.Parse("standard input", os.Stdin)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--input: %w", err)
	}
	orders, err := demo.Parse(path, f)
	return orders, errors.Join(err, f.Close())
}

// newDemoWorker is the worker process of the demo.
func newDemoWorker() *cobra.Command {
	var (
		flags  storeFlags
		ledger string
		name   string
		pace   time.Duration
		ttl    time.Duration
	)
	cmd := &cobra.Command{
		Use:    workerVerb,
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// An interrupt at the terminal reaches the whole process group. The
			// director decides when the worker ends.
			signal.Ignore(os.Interrupt)
			ref, err := flags.parse()
			if err != nil {
				return err
			}
			return demo.RunWorker(cmd.Context(), demo.WorkerConfig{
				Store: ref, Ledger: ledger, Name: name, Pace: pace, TTL: ttl, Life: cmd.InOrStdin(), Log: cmd.OutOrStdout(),
			})
		},
	}
	flags.add(cmd, "the store")
	cmd.Flags().StringVar(&ledger, "ledger", "", "the ledger")
	cmd.Flags().StringVar(&name, "name", "", "of the host")
	cmd.Flags().DurationVar(&pace, "pace", 0, "how long an activity takes")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "how long a host may be silent")
	return cmd
}
