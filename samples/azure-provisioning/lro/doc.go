// Package lro runs the long-running operations of Azure Resource Manager from
// orchestrations: operations that are begun with one request, go on in the
// service for seconds or hours, and are polled until they have ended.
//
// A loop that polls inside an activity holds a worker for an hour, and begins
// from the start when the worker dies. Here each step is an activity of its
// own, and the wait between two of them is a durable timer: no process waits,
// none is missed.
//
//	     refused for now, no answer:          under way, refused for now, no answer:
//	     the same again                       the same again
//	         ┌──────┐                              ┌──────┐
//	         ▼      │                              ▼      │
//	Run ──▶ begin ──┴── accepted ──▶ (timer) ──▶ poll ────┴──▶ done, or *Error
//	         ▲ │                     Retry-After   │
//	         │ │ 409 in progress, 412              │ token not accepted
//	         │ ▼                                   ▼
//	         └─── not as asked for ◀── look at the resource ──▶ done, or *Error
//	                                   again, while something is under way there
//
// # Use
//
// Declare an operation once; orchestrations call it, workers implement it with a
// client of the Azure SDK:
//
//	var EnsureVault = lro.Declare[Vault, string]("vault")
//
//	id, err := EnsureVault.Run(ctx, vault, lro.Options{Describe: "vault " + vault.Name}) // in an orchestration
//
//	worker.Register(EnsureVault.Implement(lro.Client[Vault, string]{ // in a worker
//		Begin: func(ctx context.Context, v Vault, resume string) (lro.Poller[string], error) {
//			p, err := vaults.BeginCreateOrUpdate(ctx, v.Group, v.Name, v.Parameters(), &armkeyvault.VaultsClientBeginCreateOrUpdateOptions{ResumeToken: resume})
//			return lro.From(p, err, func(r armkeyvault.VaultsClientCreateOrUpdateResponse) string { return *r.ID })
//		},
//		Look: …,
//	}, sealer)...)
//
// Give the client of the SDK no retries of its own (Retry.MaxRetries: -1), so that
// it never sleeps inside an activity, and no registration of resource providers
// (DisableRPRegistration: true).
//
// # Rules
//
//   - L1 One step, one activity. It makes at most one request that changes
//     anything, and may read before. Its answer says what to do next ([Step]) and
//     how long the service asks to wait; the orchestration waits.
//   - L2 A begin may be sent twice, when its answer was lost: Begin must be a PUT
//     or a DELETE under a name that is the same each time. What it began the
//     first time answers the second with 409 or with itself. A DELETE of what is
//     gone is done: that is for Begin and Look to say.
//   - L3 A begin that was scheduled is never given up, not even by cancellation:
//     Run returns when it was answered, or its attempts are used up, so whoever
//     cleans up knows of it. Polls are given up. What nobody can know of is a
//     request of a host that died, or without an answer, that arrives later.
//   - L4 A token that the service or the SDK does not accept any more is no
//     failure, whatever the reason (400, 401, 403, 404, 410): the resource itself
//     is looked at, until it is as it should be. A look that is denied is one. So
//     is a 400 where the operation's address is a Location: there it is how an
//     operation ends that has failed (Azure Resource Manager RPC contract,
//     asynchronous operations).
//   - L5 Tokens are secrets, since they contain signed addresses. They leave the
//     worker sealed ([Sealer]), print as "(token)", and no error contains an
//     address, not even one that the service puts into its message.
//   - L6 An [*Error] is what no wait can heal: a bad request, a denied one, a
//     quota, an operation that ended as failed (whose HTTP status is 200, but at a
//     Location), three operations after which the resource is not as asked for.
//     Anything else, an outage of the network or of the workers too, is asked
//     again until Options.Limit; that it was reached is an *Error as well. A panic,
//     and a request that the store gave up since its workers were lost with it
//     again and again (activity.ErrLost), are the activity's own error.
package lro
