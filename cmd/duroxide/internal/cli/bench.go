package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/bench"
	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
)

const loadVerb = "_bench-load"

// benchFlags are the flags that say what to run; the load's process has the
// same.
type benchFlags struct {
	store    storeFlags
	workload string
	config   bench.Config
}

func (f *benchFlags) add(cmd *cobra.Command) {
	f.store.add(cmd, "the store to measure (default: a file in a fresh temporary directory)")
	cmd.Flags().StringVar(&f.workload, "workload", "hello5", "what to run, see above")
	cmd.Flags().IntVar(&f.config.Instances, "instances", 0, "how many in all (default: the workload's)")
	cmd.Flags().IntVar(&f.config.Concurrency, "concurrency", 0, "how many at once (default: all of them, at most 1000)")
	cmd.Flags().IntVar(&f.config.N, "n", 0, "steps of each instance (default: the workload's)")
	cmd.Flags().IntVar(&f.config.Payload, "payload", bench.DefaultPayload, "bytes of each input, output and event")
}

// parse reads the flags; the store is left to the caller.
func (f *benchFlags) parse() (c bench.Config, err error) {
	c = f.config
	if c.Workload, err = bench.Find(f.workload); err != nil {
		return c, &usageError{err}
	}
	return c, nil
}

// changed refuses a zero that was written out: it stands for the default.
func changed(cmd *cobra.Command, names ...string) error {
	for _, name := range names {
		if f := cmd.Flags().Lookup(name); f.Changed && f.Value.String() == "0" {
			return usagef("--%s 0: want 1 or more", name)
		}
	}
	return nil
}

func newBench() *cobra.Command {
	var (
		flags  benchFlags
		out    outputFlag
		client string
		limit  time.Duration
	)
	cmd := &cobra.Command{
		Use:   "bench",
		Short: "Measure a store on this machine, next to what it could do without an engine",
		Long: `Measure a store on this machine, next to what it could do without an engine.

A worker in this process runs many instances of a workload, started by a client
in the same process or in one of its own (--client separate). Latency counts, for
each instance, from its accepted start to the completion that a client sees.

Before that, in the same process, a bare loop makes the same store operations
without an engine: the raw limit. The ratio says how near the engine comes. Both
are warmed up first. Only figures of one run compare: they depend on the machine,
its disk, and what else it does.

On Azure Storage the run comes first, on a hub of its own that is deleted
afterwards (unless --hub names one), and its transactions are counted. The raw
limit is then what bare entity groups, as large as those of the run, could carry on
this account; what full ones could carry stands beside it.

Workloads (instances and n by default):
` + workloads() + `
The JSON fields are stable: new ones are added at the end. Rates count every
orchestration, children included; storage operations are those that Azure bills;
0 stands where something does not apply.`,
		Example: `  duroxide bench
  duroxide bench --store memory --workload fanout --n 10000
  duroxide bench --store sqlite:bench.db --instances 200 --concurrency 1
  duroxide bench --store azurite --workload hello5 --instances 1000
  duroxide bench --store azure:https://NAME.blob.core.windows.net
  duroxide bench --workload events --client separate -o json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			if err := changed(cmd, "instances", "concurrency", "n"); err != nil {
				return err
			}
			if limit <= 0 {
				return usagef("--timeout %v: want more than nothing", limit)
			}
			c, err := flags.parse()
			if err != nil {
				return err
			}
			c.Client, c.Limit = bench.ClientMode(client), limit
			remove := func() error { return nil }
			if flags.store.store == "" {
				c.Store, remove, err = scratch(flags.store.hub)
			} else {
				c.Store, err = flags.store.parse()
			}
			if err != nil {
				return err
			}
			defer func() {
				if err := remove(); err != nil {
					fmt.Fprintf(cmd.ErrOrStderr(), "the temporary directory could not be removed: %v\n", err)
				}
			}()
			if c, err = c.WithDefaults(); err != nil {
				return &usageError{err}
			}
			if c.Load, err = self(loadVerb); err != nil {
				return err
			}
			report, err := bench.Run(cmd.Context(), c)
			if err != nil {
				return err
			}
			return out.print(cmd, report)
		},
	}
	flags.add(cmd)
	out.add(cmd)
	cmd.Flags().StringVar(&client, "client", string(bench.InProcess), "where the load comes from: in-process or separate")
	cmd.Flags().DurationVar(&limit, "timeout", 15*time.Minute, "give up after this long")
	return cmd
}

func workloads() string {
	var b strings.Builder
	for _, w := range bench.Workloads {
		fmt.Fprintf(&b, "  %-9s %s (%d, %d)\n", w.Name, w.What, w.Instances, w.N)
	}
	return b.String()
}

// scratch is a store in a directory that goes away.
func scratch(hub string) (stores.Ref, func() error, error) {
	dir, err := os.MkdirTemp("", "duroxide-bench-")
	if err != nil {
		return stores.Ref{}, nil, fmt.Errorf("making a temporary directory: %w", err)
	}
	ref := stores.Ref{Kind: stores.SQLite, Path: filepath.Join(dir, "bench.db"), Hub: hub}
	return ref, func() error { return os.RemoveAll(dir) }, nil
}

// newBenchLoad is the client process of the bench.
func newBenchLoad() *cobra.Command {
	var (
		flags  benchFlags
		prefix string
	)
	cmd := &cobra.Command{
		Use:    loadVerb,
		Hidden: true,
		Args:   noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			signal.Ignore(os.Interrupt) // the parent decides when this process ends
			c, err := flags.parse()
			if err != nil {
				return err
			}
			if c.Store, err = flags.store.parse(); err != nil {
				return err
			}
			c.Client = bench.Separate
			if c, err = c.WithDefaults(); err != nil {
				return &usageError{err}
			}
			ctx, cancel := bench.WithLife(cmd.Context(), cmd.InOrStdin())
			defer cancel()
			r, err := bench.Load(ctx, c, prefix)
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(r)
		},
	}
	flags.add(cmd)
	cmd.Flags().StringVar(&prefix, "prefix", "", "of the instance ids")
	return cmd
}
