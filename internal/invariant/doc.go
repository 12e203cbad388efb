// Package invariant states what only a bug can break, and stops the one
// instance that met the bug.
//
// Go code meets two kinds of trouble. The world breaks things: storage answers
// late, a user sends a payload that is too large, a history arrives corrupted.
// Those are errors; they are returned, classified and handled. A bug breaks
// things too: a decision that was never made is committed, an epoch runs
// backwards. No caller can handle that, and going on would write the damage
// down. Those are invariants, and they are asserted here.
//
// # Use
//
// State the condition, then a message that names the invariant and both values:
//
//	invariant.Assert(next == last+1, "H1: event %d follows %d", next, last)
//
// A leading name such as H1 or T2 leads the reader to the paragraph of the
// package documentation that explains the rule.
//
// Checks that cost more than a comparison stand behind [Enabled], a constant
// that is true only under the build tag invariants or the race detector, so
// that release builds carry none of their code:
//
//	if invariant.Enabled {
//		invariant.Assert(slices.IsSorted(ids), "D3: ids out of order: %v", ids)
//	}
//
// # Failure
//
// I1. A broken invariant panics with a *[Violation], which is also an error.
//
// I2. The engine recovers it at the boundary of an instance: that instance
// stops with the violation as its reason, every other instance and the process
// go on. Nothing of the turn that broke the invariant is committed.
//
// I3. A violation carries file and line of the assertion, never a directory of
// the machine that built the program, so it may be stored and shown.
package invariant
