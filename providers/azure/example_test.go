package azure_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite"
	"github.com/duroxide/duroxide-go/providers/azure"
)

var greet = orchestration.Declare[string, string]("greet")

// A worker and a client of a hub. They may be two processes, and there may be
// any number of each.
func Example() {
	ctx := context.Background()
	emulator, err := azurite.Start(ctx, azurite.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer emulator.Stop() //nolint:errcheck // What it says is of no interest here.
	// In Azure: the URL https://NAME.table.core.windows.net, and nothing else;
	// the credential is the machine's identity, or that of az login.
	account := emulator.ConnectionString()

	store, err := azure.Open(ctx, account, azure.Config{Hub: "orders", Partitions: 4})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close() //nolint:errcheck // The worker has left.
	fmt.Println("partitions:", store.Partitions())

	working, stop := context.WithCancel(ctx)
	defer stop()
	worker := core.NewWorker(store, core.WorkerConfig{Name: "web-1", Logger: slog.New(slog.DiscardHandler)}).Register(
		greet.Func(func(_ *orchestration.Context, name string) (string, error) { return "hello " + name, nil }))
	ended := make(chan error)
	go func() { ended <- worker.Run(working) }()

	client := core.NewClient(store, core.ClientConfig{})
	handle, err := greet.Start(ctx, client, "world", orchestration.StartOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(handle.Wait(ctx))
	stop()
	fmt.Println(<-ended)
	// Output:
	// partitions: 4
	// hello world <nil>
	// <nil>
}

// Programs that only look do not create what they look for.
func ExampleConfig_existing() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	emulator, err := azurite.Start(ctx, azurite.Config{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer emulator.Stop() //nolint:errcheck // What it says is of no interest here.

	_, err = azure.Open(ctx, emulator.ConnectionString(), azure.Config{Hub: "ordres", Existing: true})
	fmt.Println(errors.Is(err, provider.ErrNotFound))
	fmt.Println(err)
	// Output:
	// true
	// azure: opening hub ordres: not found: the account has no hub of that name
}
