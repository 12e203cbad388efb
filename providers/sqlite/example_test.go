package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/sqlite"
)

// One process is the worker of a file; any number of others start, signal and
// read.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "hub")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir) //nolint:errcheck // What is left is in the temporary folder.

	store, err := sqlite.Open(ctx, filepath.Join(dir, "orders.db"), sqlite.Config{Hub: "orders"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer store.Close() //nolint:errcheck // Nothing was written since the last acknowledgement.

	// core.NewWorker(store, …).Run(ctx) joins; so nobody else can.
	worker, err := store.Join(ctx, provider.HostInfo{Name: "web-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = store.Join(ctx, provider.HostInfo{Name: "web-2"})
	fmt.Println("a second worker is refused:", errors.Is(err, provider.ErrHostTaken))
	fmt.Println(worker.Leave(ctx))
	// Output:
	// a second worker is refused: true
	// <nil>
}
