// Package doorbell lets processes of a hub ring each other at once, where a
// message in a storage queue would cost three transactions and be found a moment
// later. A host that listens is a [Server]; clients and other hosts are
// [Client]s. It is off unless a host is told to listen.
//
// # What can be said
//
//	POST /duroxide/v1/ring?for=…&partition=3&instance=order-1   look into the inbox
//	POST /duroxide/v1/look?for=…                                look at the host rows
//	POST /duroxide/v1/work?for=…                                look into the work queues
//	GET  /duroxide/v1/wait?for=…&partition=3&instance=order-1   tell when I should read
//
// Parameters stand in the query, in the one order that [net/url.Values.Encode]
// gives them; "for" is the incarnation that is meant. Answers have no body:
//
//	200  wait: the instance changed, read it
//	204  heard; wait: nothing changed yet, ask again
//	401  the signature, the time or the nonce is not right
//	410  another incarnation listens here, or it does not serve the partition
//	429  too much at once
//
// # Signatures
//
// Each request carries its time, 16 bytes that are used once, and an
// HMAC-SHA256 under the hub's secret over method, path, query, hub, time and
// those bytes:
//
//	Authorization: Duroxide-1 <milliseconds>.<nonce>.<mac>
//
// The secret stands in the hub's record: who may read the hub's table may ring.
//
// # Rules
//
//   - D1 Nothing that is accepted changes state or shows any. A ring makes the
//     owner look where it would look anyway; the answer to a wait is whether to
//     read, and reading takes rights to the account.
//   - D2 A ring is a hint. It may be lost, doubled or late without harm, and
//     whoever rings in vain says the same through the queue.
//   - D3 Nothing is believed before its signature: strangers fill no memory and
//     take no place among those who wait, and learn nothing from a refusal.
//   - D4 Everything is bounded: headers, time, connections, requests a second,
//     nonces, waits, lines in the log.
//   - D5 An address that does not answer costs one short try now and then.
//   - D6 The secret appears in no log, error or answer.
//
// # Failures
//
//	nobody listens        1 s at the most, then the queue; tried again after 1 s to 1 min
//	the host died         the same, until its row is gone
//	it began a new life   410: the host rows are read again
//	clocks differ         both go by the service's clock; 5 minutes are forgiven
//	the hub was deleted   its successor has another secret: 401, and a line in the log
//	wrong advertised name 410 or no answer: work goes on through the queue
package doorbell
