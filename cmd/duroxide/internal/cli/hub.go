package cli

import (
	"context"
	"errors"
	"slices"

	"github.com/spf13/cobra"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/internal/verify"
)

func newHub() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "hub",
		Short: "Look after a hub",
		Long:  "Look after a hub: the instances and messages of one name in a store.",
		Args:  cobra.ArbitraryArgs, // group says what is wrong with them
		RunE:  group,
	}
	cmd.AddCommand(newHubVerify())
	return cmd
}

func newHubVerify() *cobra.Command {
	var (
		flags    storeFlags
		out      outputFlag
		ledger   string
		effects  []string
		prefix   string
		complete bool
	)
	cmd := &cobra.Command{
		Use:   "verify --store STORE",
		Short: "Audit a hub: is what it holds the work of a sound engine?",
		Long: `Audit a hub: is what it holds the work of a sound engine?

The auditor shares no code with the engine. It reads every instance, its history
and what it waits for, and holds them against each other: events in order, one
completion per scheduled activity, no message lost or applied twice, no instance
stuck, children and parents in agreement. It only reads, and it works while a
worker does: what looks wrong is looked at again before it is reported.

On Azure Storage it also reads every row and blob, and holds them against the
invariants of that store: one owner for each partition, no number of a message
lost or used twice, no row without its instance, no blob missing.

With --ledger it also holds a ledger of effects against the activities: exactly
one effect for each that completed.

The exit code is 8 if a rule is broken. Notes are not broken rules: they are
worth knowing and have innocent explanations.`,
		Example: `  duroxide hub verify --store sqlite:orders.db
  duroxide hub verify --store sqlite:orders.db --prefix order- -o json
  duroxide hub verify --store sqlite:demo.db --ledger demo.db.ledger
  duroxide hub verify --store azure:https://NAME.blob.core.windows.net --hub shop`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := out.check(); err != nil {
				return err
			}
			ref, err := flags.parse()
			if err != nil {
				return err
			}
			if !ref.Shared() {
				return usagef("--store %s: a memory store ends with its process, so there is nothing to read: write --store sqlite:PATH", ref)
			}
			if err := ref.Running(); err != nil {
				return &usageError{err}
			}
			if len(effects) > 0 && ledger == "" {
				return usagef("--effects needs --ledger, the file that holds them")
			}
			if ledger != "" && len(effects) == 0 {
				if effects, err = activitiesIn(ledger); err != nil {
					return err
				}
			}
			r, err := audit(cmd.Context(), ref, verify.Options{Prefix: prefix, Complete: complete, Effects: effects})
			if err != nil {
				return err
			}
			if ledger != "" {
				if err := verify.Effects(r, verify.Ledger(ledger)); err != nil {
					return err
				}
			}
			if out.json() {
				err = printJSON(cmd.OutOrStdout(), r)
			} else {
				err = r.WriteText(cmd.OutOrStdout())
			}
			if err == nil && !r.OK() {
				err = errAudit
			}
			return err
		},
	}
	flags.add(cmd, "the store to read (required)")
	cmd.Flag("store").Usage = "the store to read (required): sqlite:PATH|azure:ACCOUNT_URL"
	out.add(cmd)
	cmd.Flags().StringVar(&ledger, "ledger", "", "file of effects to hold against the activities")
	cmd.Flags().StringSliceVar(&effects, "effects", nil, "names of the activities that have effects (default: those in the ledger)")
	cmd.Flags().StringVar(&prefix, "prefix", "", "audit only the instances whose ids begin with it")
	cmd.Flags().BoolVar(&complete, "complete", false, "nothing was ever purged: what is missing is a problem")
	return cmd
}

// audit opens a store for reading and has it audited.
func audit(ctx context.Context, ref stores.Ref, o verify.Options) (r *verify.Report, err error) {
	store, err := ref.OpenForReading(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	return verify.Store(ctx, store, o)
}

// activitiesIn are the names of the activities that a ledger has effects of.
func activitiesIn(path string) (names []string, err error) {
	for row, err := range verify.Ledger(path) {
		if err != nil {
			return nil, err
		}
		if !slices.Contains(names, row.Activity) {
			names = append(names, row.Activity)
		}
	}
	return names, nil
}
