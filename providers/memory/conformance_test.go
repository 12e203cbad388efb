package memory_test

import (
	"testing"
	"time"

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
	OpenImpatient: func(testing.TB) provider.Store {
		return memory.New(memory.Config{OrphanAfter: time.Millisecond})
	},
	OpenWithClock: func(_ testing.TB, now func() time.Time) provider.Store {
		return memory.New(memory.Config{Now: now})
	},
}

func TestMemoryConforms(t *testing.T) { providertest.Run(t, harness) }

func TestMemoryConformsUnderFaults(t *testing.T) { providertest.RunUnderFaults(t, harness) }

func BenchmarkMemory(b *testing.B) { providertest.Benchmark(b, harness) }
