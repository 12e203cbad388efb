package simulated_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// A commit is applied and its answer lost: who committed reads what became of it.
func ExampleAccount() {
	ctx := context.Background()
	checker := simulated.NewChecker(simulated.Layout{}, nil)
	account := simulated.New(simulated.Config{Seed: 1, Observe: checker.Observe})
	defer account.Close()

	host := account.Client("host")
	head := storage.Row{Key: "head", Cells: map[string][]byte{"Head": []byte(`{"owner":"host","epoch":1,"commit":1}`)}}
	fmt.Println("created:", host.CreateTable(ctx, "hub"))

	account.Decide(simulated.At(2, simulated.Fault{Kind: simulated.LostAnswer}))
	_, err := host.Transact(ctx, "hub", "p000", []storage.Op{{Verb: storage.Insert, Row: head}})
	fmt.Println("unknown:", errors.Is(err, storage.ErrUnknown))

	row, err := host.Get(ctx, "hub", "p000", "head")
	fmt.Println("found:", string(row.Cells["Head"]), err)
	fmt.Println("violations:", len(checker.Violations()))
	fmt.Println(account.Counts())
	// Output:
	// created: <nil>
	// unknown: true
	// found: {"owner":"host","epoch":1,"commit":1} <nil>
	// violations: 0
	// 3 transactions, create-table 1, get 1, transact 1; empty takes 0, rows 1, 37 bytes sent, 37 received
}
