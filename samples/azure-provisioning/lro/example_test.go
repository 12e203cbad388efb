package lro_test

import (
	"context"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// Vault is what is asked for.
type Vault struct{ Name string }

// ensureVault is known to workers and orchestrations.
var ensureVault = lro.Declare[Vault, string]("vault")

// newVault waits for a vault, for as long as that takes.
func newVault(ctx *orchestration.Context, v Vault) (string, error) {
	return ensureVault.Run(ctx, v, lro.Options{Limit: time.Hour, Describe: "vault " + v.Name})
}

// outsideOfTests stands for the *testing.T of a test.
type outsideOfTests struct{}

func (outsideOfTests) Helper()                      {}
func (outsideOfTests) Cleanup(func())               {}
func (outsideOfTests) Logf(string, ...any)          {}
func (outsideOfTests) Fatalf(f string, args ...any) { fmt.Printf(f, args...) }

// A service that has no pollers accepts the request; the resource is looked at
// until it is there. Clients of the Azure SDK return lro.From(…) instead of nil.
func Example() {
	sealer, err := lro.NewSealer(lro.NewKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	looks := 0
	client := lro.Client[Vault, string]{
		Begin: func(context.Context, Vault, string) (lro.Poller[string], error) { return nil, nil },
		Look: func(_ context.Context, v Vault) (lro.Reading[string], error) {
			if looks++; looks < 3 {
				return lro.Reading[string]{Exists: true, State: "Creating"}, nil
			}
			return lro.Reading[string]{Exists: true, Wanted: true, Value: "https://" + v.Name + ".example"}, nil
		},
	}

	vaults := orchestration.Declare[Vault, string]("new vault")
	e := orchestrationtest.New(outsideOfTests{}).Register(vaults.Func(newVault)).Register(ensureVault.Implement(client, sealer)...)
	address, err := orchestrationtest.Run(e, vaults, Vault{Name: "keys"})
	fmt.Println(address, err, "after", e.Elapsed())
	// Output: https://keys.example <nil> after 30s
}
