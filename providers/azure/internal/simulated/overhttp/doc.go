// Package overhttp is a simulated account behind HTTP: a [Transport] takes the requests
// that package sdk sends, does what they ask by a [simulated.Client], and answers as
// Azure's documentation says that the service does. So the real codecs, batches, pages,
// time-outs and the reading of errors run on storage that fails on purpose, in virtual
// time.
//
//	hub ── sdk ── Azure SDK ──▶ Transport ──▶ simulated.Client ──▶ simulated.Account
//	                 ◀── status, headers, body ──┘
//
// There is no socket and no goroutine: a request is answered where it is sent.
//
// # How faults look
//
//	lost, or the client is killed   nothing, until the request's context ends
//	reset, late                     an error of the connection
//	garbled                         a body that ends early, or a page of somebody else's
//	busy, throttle                  503, 500 or 429, with Retry-After if it says when
//	denied                          403
//
// # Rules
//
//   - O1 One request is one call of the client, and so one transaction that is billed:
//     nothing is repeated or answered from memory.
//   - O2 What package sdk does not send is refused with 400, never guessed at.
//   - O3 Answers are the service's, and not those of package sdk's encoders: both were
//     written from the documentation. A page may be empty although more follows, and
//     lists of queues come in short pages.
//   - O4 The account holds cells and bodies as callers of package storage gave them:
//     clients with and without HTTP share it. So a merge that shortens a cell in parts
//     leaves none of them, as it would at the service. Signatures are not verified.
package overhttp
