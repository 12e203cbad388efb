package memory_test

import (
	"testing"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/core/provider/providertest"
	"github.com/duroxide/duroxide-go/providers/memory"
)

// harness opens hubs for the conformance suite.
var harness = providertest.Harness{
	Open:          func(testing.TB) provider.Store { return memory.New(memory.Config{}) },
	Persists:      providertest.No,
	ManyHosts:     providertest.Yes,
	SharedClients: providertest.No, // a hub in memory is one store, used by whoever has it
}

func TestMemoryConforms(t *testing.T) { providertest.Run(t, harness) }

func TestMemoryConformsUnderFaults(t *testing.T) { providertest.RunUnderFaults(t, harness) }
