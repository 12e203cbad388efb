package providertest_test

import (
	"testing"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/core/provider/providertest"
	"github.com/duroxide/duroxide-go/providers/memory"
)

// The test of a provider is one call. What the suite must know of it stands in
// the harness.
func Example() {
	// func TestConformance(t *testing.T)
	_ = func(t *testing.T) {
		providertest.Run(t, providertest.Harness{
			Open:          func(testing.TB) provider.Store { return memory.New(memory.Config{}) },
			Persists:      providertest.No,
			ManyHosts:     providertest.Yes,
			SharedClients: providertest.No,
		})
	}
}
