// Package environment has the orchestrations that make environments in Azure, keep
// them as they should be, and remove them. It knows what resources an environment
// consists of and in which order they come, and nothing of HTTP: what talks to
// Azure is package resources, and how long-running operations are waited for is
// package lro.
//
//	Provision: group ─▶ network ┐
//	                    storage ├▶ app environment ─▶ app ─▶ role ─▶ smoke test ─▶ approval
//	                    identity┘
//	     failed, refused, cancelled ─▶ the same in reverse, then the group
//
//	Watch      for ever: sleep, look at each resource, repair, continue as new
//	Fleet      many Provisions, some at a time
//	Budget     the writes of a subscription: each is asked for
//	TearDown   removes an environment
//	Sweep      finds groups that no environment stands behind
//
// # Rules
//
//   - N1 What an environment consists of follows from its specification and its
//     owner (plan.go): no name is drawn by lot, none is remembered. Asking twice
//     asks for the same.
//   - N2 Everything carries its owner's tags, and nothing is changed or removed
//     that carries others. Role assignments have no tags; their name is derived
//     from the owner.
//   - N3 Whatever ends Provision other than success removes what was made. That is
//     out of reach of cancellation, and knows all there is (lro, L3).
//   - N4 A group goes last, and only when nothing of others is in it, and nothing
//     that did not go. So it is with whatever others need.
//   - N5 What none of this can see is a request of a host that died, arriving
//     after the clean-up of its environment. Sweep finds what it makes.
package environment
