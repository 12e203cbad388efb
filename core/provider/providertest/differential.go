package providertest

import "testing"

// DifferentialConfig x.
type DifferentialConfig struct{}

// Differential x.
func Differential(t *testing.T, h Harness, cfg DifferentialConfig) {}
