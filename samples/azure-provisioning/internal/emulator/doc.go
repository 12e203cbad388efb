// Package emulator is a small Azure Resource Manager: an HTTP server with enough
// of it for resource groups, virtual networks, storage accounts, managed
// identities, container apps and role assignments, as the Azure SDK talks to
// them. It is for the sample and its tests, which kill their workers: it is a
// process of its own, or a handler inside a test.
//
// # What it does as the service does
//
//   - Each type of resource has its style of long-running operation: an
//     Azure-AsyncOperation address (virtual networks, environments of container
//     apps, deletions), a Location address that answers 202 (storage accounts,
//     deletions of groups), or the provisioningState of the resource itself
//     (container apps). Addresses are signed; a wrong signature is refused.
//   - While an operation is in progress, another on the same resource is refused
//     with 409, or joins it, by type.
//   - A failed operation answers HTTP 200, status Failed, and leaves the resource
//     in provisioningState Failed.
//   - Writes are throttled by a bucket of tokens per subscription: 429 with
//     Retry-After.
//   - A PUT that changes nothing changes nothing. If-Match is honoured (412).
//     A new identity's principal is not visible for a while, and not to the first
//     who looks for it (PrincipalNotFound).
//     A namespace must be registered (MissingSubscriptionRegistration). What
//     others refer to cannot be deleted.
//
// It has no authorization, no regions, no policies, and keeps all in memory.
//
// # What it adds
//
// A [Ledger] of everything that happened to resources; [Fault]s, which fail
// requests or operations on purpose; and a way to change resources behind
// everybody's back ([Server.Change]). Other processes reach these through
// [Admin].
//
// # Rules
//
//   - E1 No goroutine, and no timer but the latency of answers: what is due is done
//     when a request comes. So a test may give it any clock.
//   - E2 A resource is created when its PUT is accepted, whether or not anybody
//     hears the answer; the ledger says so once for each creation.
//   - E3 The ledger tells only of what changed a resource. Its order is the order
//     in which that happened.
package emulator
