// Package providerfault makes a provider fail on purpose: it wraps a
// [provider.Store], and the hosts that join it, and lets a call fail before it
// is applied, fail after it was applied, take its time, or be the last one
// before the process dies. The engine's tests run over it, and so does the
// conformance suite.
//
// # Rules
//
// What goes wrong is a list of [Rule]s, which print to text and parse from it:
//
//	commit nth=3 after                 the third commit is applied and nobody learns it
//	send p=0.1 before                  one message in ten is not sent
//	commit instance="order-1" unknown  commits of order-1 are never applied; nobody learns it
//	* p=0.01 delay=5ms                 one call in a hundred takes 5 ms longer
//	activity nth=2 crash               at the second NextActivity the process dies
//
// A rule names an operation, or * for all, then conditions that must all hold,
// then the outcome. Of the rules that apply to a call every delay is served,
// and the first other outcome happens. The choices of one [Injector] depend on
// its seed and on the order of the calls alone.
//
// # Outcomes
//
//	             reaches the store   the caller gets
//	Before       no                  ErrUnavailable
//	Unknown      no                  ErrUnknown
//	After        yes                 ErrUnknown
//	Delay        yes, later          what the store says
//	Crash        no                  ErrClosed
//	CrashAfter   yes                 ErrClosed and ErrUnknown
//
// They keep the contract: errors say truthfully whether anything was applied
// (P12). A read has nothing to apply: it fails with ErrUnavailable. A turn or
// an activity that is handed out and lost on its way (After) is given back, as
// when a lock expires. Leave and Close are applied whatever happens, since
// nobody could try them again.
//
// After a crash every call fails with ErrClosed, blocked ones included (these
// with ErrUnknown as well), and nothing reaches the store any more, not even Leave and Close: who wrapped the
// store does with it what a crash test needs.
package providerfault
