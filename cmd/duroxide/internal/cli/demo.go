package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/demo"
	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
)

const (
	workerVerb = "_demo-worker"
	maxKills   = 1_000
)

func newDemo() *cobra.Command {
	var (
		flags storeFlags
		out   outputFlag
		input string
		kills int
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

` + demo.Schema,
		Example: `  duroxide demo
  duroxide demo --kills 10
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
			cfg.Store = place.ref
			cfg.Ledger = cfg.Store.Path + ".ledger"
			if cfg.Worker, err = self(workerVerb); err != nil {
				return err
			}
			cfg.Screen.Line("%s, %s, store %s, ledger %s", count(len(orders), "order"), count(kills, "kill"), cfg.Store, cfg.Ledger)
			report, err := demo.Run(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if err := out.print(cmd, report); err != nil {
				return err
			}
			if !report.Audit.OK() {
				return errAudit
			}
			if n := report.Unexpected(); n > 0 {
				return fmt.Errorf("%s did not end as expected", count(n, "order"))
			}
			return nil
		},
	}
	flags.add(cmd, "where to keep the hub (default: a file in a fresh temporary directory)")
	out.add(cmd)
	cmd.Flags().StringVar(&input, "input", "", "data file of orders, in place of the built-in one; - reads standard input")
	cmd.Flags().IntVar(&kills, "kills", 3, "how often to kill the worker")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the temporary directory")
	cmd.Flags().DurationVar(&limit, "timeout", 5*time.Minute, "give up after this long")
	return cmd
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

// place is where the demo keeps its hub.
type place struct {
	ref  stores.Ref
	dir  string // temporary; empty for a store that the user named
	keep bool
}

func demoPlace(flags *storeFlags, keep bool) (*place, error) {
	if flags.store != "" {
		ref, err := flags.parse()
		if err == nil && !ref.Shared() {
			err = usagef("--store %s: the demo kills its worker process, and a memory store would die with it: write --store sqlite:PATH", ref)
		}
		return &place{ref: ref, keep: true}, err
	}
	dir, err := os.MkdirTemp("", "duroxide-demo-")
	if err != nil {
		return nil, fmt.Errorf("making a temporary directory: %w", err)
	}
	return &place{ref: stores.Ref{Kind: stores.SQLite, Path: filepath.Join(dir, "demo.db"), Hub: flags.hub}, dir: dir, keep: keep}, nil
}

// leave removes what nobody wants to see again, and says how to look at the
// rest: what was asked to be kept, and what went wrong.
func (p *place) leave(ctx context.Context, s *screen.Screen, err error) {
	_, notBegun := errors.AsType[*demo.NotBegunError](err)
	wrong := err != nil && ctx.Err() == nil
	if !notBegun && (p.keep || wrong) {
		s.Line("Look again: duroxide hub verify --store %s --ledger %s", p.ref, p.ref.Path+".ledger")
		return
	}
	if p.dir != "" {
		if err := os.RemoveAll(p.dir); err != nil {
			s.Line("the temporary directory could not be removed: %v", err)
		}
	}
}

// newDemoWorker is the worker process of the demo.
func newDemoWorker() *cobra.Command {
	var (
		flags  storeFlags
		ledger string
		pace   time.Duration
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
				Store: ref, Ledger: ledger, Pace: pace, Life: cmd.InOrStdin(), Log: cmd.OutOrStdout(),
			})
		},
	}
	flags.add(cmd, "the store")
	cmd.Flags().StringVar(&ledger, "ledger", "", "the ledger")
	cmd.Flags().DurationVar(&pace, "pace", 0, "how long an activity takes")
	return cmd
}
