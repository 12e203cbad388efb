package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/screen"
	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/internal/redact"
)

// The exit codes.
const (
	ExitOK    = 0
	ExitError = 1
	ExitUsage = 2
	ExitAudit = 8
)

// Main runs the program and returns its exit code. A first interrupt ends the
// work in good order, a second one at once.
func Main() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return Run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}

// Run runs a command line and returns the exit code.
func Run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return ExitOK
	}
	_, usage := errors.AsType[*usageError](err)
	audit := errors.Is(err, errAudit)
	if ctx.Err() != nil && !audit {
		err = errors.New("interrupted")
	}
	// An account that stands where none belongs is quoted by whoever refuses it.
	fmt.Fprintf(stderr, "%s: %s\n", cmd.CommandPath(), redact.Secrets(strings.TrimSpace(err.Error())))
	switch {
	case audit:
		return ExitAudit
	case usage:
		fmt.Fprintf(stderr, "Run '%s --help' for usage.\n", cmd.CommandPath())
		return ExitUsage
	}
	return ExitError
}

// errAudit says that an audit found problems; they were printed already.
var errAudit = errors.New("the audit found problems")

// usageError is an error of the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "duroxide",
		Short: "Durable orchestrations in Go: see them, measure them, check them",
		Long: `Durable orchestrations in Go: see them, measure them, check them.

Orchestrations are ordinary Go functions that survive crashes, deploys and moves
between machines. This program shows them at work and looks after their stores;
your own programs import the packages core, core/orchestration and core/activity.`,
		Example: `  duroxide demo                                   watch orders survive kill -9
  duroxide bench --store memory --workload hello5 how fast is this machine?
  duroxide hub verify --store sqlite:orders.db    is everything in order?`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs, // group says what is wrong with them
		RunE:          group,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flagError(err) })
	root.AddCommand(newDemo(), newBench(), newHub(), newVersion(), newDemoWorker(), newBenchLoad())
	return root
}

// flagError says what a flag takes, where its value is none.
func flagError(err error) error {
	wrong, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return &usageError{err}
	}
	want := map[string]string{
		"int": "a whole number", "bool": "true or false", "duration": "a duration such as 30s or 5m",
	}[wrong.GetFlag().Value.Type()]
	if want == "" {
		return &usageError{err}
	}
	return usagef("--%s %q: want %s", wrong.GetFlag().Name, wrong.GetValue(), want)
}

// group is what a command does that only has commands below it.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	text := fmt.Sprintf("there is no command %q", args[0])
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		text += fmt.Sprintf(": did you mean %q?", near[0])
	}
	return usagef("%s", text)
}

// noArgs refuses what is not a flag.
func noArgs(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usagef("unexpected argument %q", args[0])
	}
	return nil
}

// storeFlags are the flags that name a hub, the same for every verb.
type storeFlags struct{ store, hub string }

func (f *storeFlags) add(cmd *cobra.Command, what string) {
	cmd.Flags().StringVar(&f.store, "store", "", what+": "+stores.Grammar)
	cmd.Flags().StringVar(&f.hub, "hub", "", "name of the hub in the store (default: the store's own)")
}

func (f *storeFlags) parse() (stores.Ref, error) {
	ref, err := stores.Parse(f.store, f.hub)
	if err != nil {
		return ref, &usageError{err}
	}
	return ref, nil
}

// outputFlag is how a result is printed.
type outputFlag struct{ format string }

func (o *outputFlag) add(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&o.format, "output", "o", "table", "how to print the result: table or json")
}

func (o *outputFlag) check() error {
	if o.format != "table" && o.format != "json" {
		return usagef("--output %s: want table or json", o.format)
	}
	return nil
}

func (o *outputFlag) json() bool { return o.format == "json" }

// print prints a result.
func (o *outputFlag) print(cmd *cobra.Command, result interface{ Show(*screen.Screen) }) error {
	if o.json() {
		return printJSON(cmd.OutOrStdout(), result)
	}
	result.Show(screen.New(cmd.OutOrStdout()))
	return nil
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// self is the command that runs a hidden verb of this program.
func self(verb string) ([]string, error) {
	path, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("this program does not know its own file, which it must start again: %w", err)
	}
	return []string{path, verb}, nil
}
