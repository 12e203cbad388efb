// Package operation tells what a request to Azure Storage is: the service, the
// operation as Microsoft's reference names it, and what it is about. Transports
// that count, check or disturb requests are written against it, so that none of
// them reads paths and queries by itself.
//
// The services of a real account are told apart by their host names, those of an
// emulator by their ports, which a [Reader] must therefore know.
//
//	Queue  GET /account/orders/messages?numofmessages=8   Get Messages of orders
//	Table  POST /account/$batch                           Entity Group Transaction
//
// # Rules
//
//   - Reading is total: a request that is none of a known service, or no
//     operation of it, is read as [Unknown].
//   - The request's body is not touched. The parts of an entity group
//     transaction are read by [Changes], from its bytes.
package operation
