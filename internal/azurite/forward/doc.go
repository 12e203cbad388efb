// Package forward passes the requests of other processes on to an emulator, over
// plain HTTP. What stands in between, to count, to look, or to disturb, is the
// [net/http.RoundTripper] by which the requests leave.
//
//	process ──▶ server (one for each service) ──▶ transport ──▶ emulator
//
// # Rules
//
//   - R1 Paths, queries and headers (but those of the connection) are passed on to
//     the letter: what is signed stays valid.
//   - R2 A request of which the transport fails gets no answer: its connection is
//     broken off, as by a network.
package forward
