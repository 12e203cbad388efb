// Package tally counts requests to Azure Storage, as its bill does: by service
// and operation. Tests assert with it that a protocol costs what it promises,
// and the benchmarks print it.
//
// A [Counter] stands between a client and the transport that sends. Several
// clients may share one.
//
//	counter := tally.New(next, endpoints)
//	client := &http.Client{Transport: counter}
//	…
//	fmt.Fprint(w, counter.Total())
//
// # Rules
//
//   - One request is one transaction, an entity group transaction and a page of
//     a list included.
//   - What the client got wrong (409, 412, …) is billed. What the service could
//     not do (429 and every 5xx) is not, and is counted apart; so is a request
//     without an answer, which may have been billed.
//   - Requests to no service of the account, such as those for tokens, are handed
//     on and not counted.
package tally
