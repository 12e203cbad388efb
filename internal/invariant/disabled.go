//go:build !invariants && !race

package invariant

// Enabled reports whether costly checks are compiled in: true under the build
// tag invariants and under the race detector, false in release builds.
const Enabled = false
