// Package faulty disturbs requests as networks and services do: it loses a
// request, or the answer to one that was applied; answers that the service is
// busy; delivers a request after its sender has given up; breaks off an answer;
// is slow.
//
// A [Transport] does that within a program, between a client and the transport
// that sends. A [Proxy] does it between processes, and can be cut, hung and
// healed as a cable can. Which request suffers which [Fault] is decided by a
// [Decide] function: [Nth], [Script], [Seeded], [Only], or one of the test's own.
//
//	transport := faulty.New(next, faulty.Only(faulty.Kinds(endpoints, operation.EntityGroupTransaction),
//		faulty.Nth(2, faulty.Fault{Kind: faulty.LoseAnswer})))
//
// # Rules
//
//   - F1 A client cannot tell [LoseRequest], [LoseAnswer] and [Late] apart: all
//     end with [ErrLost].
//   - F2 The same decider and the same order of requests give the same faults.
//     Requests that are made at once have no order.
//   - F3 A fault never changes a request or an answer that it lets through.
//   - F4 What was injected is counted, so that a test can tell whether it tested
//     anything.
package faulty
