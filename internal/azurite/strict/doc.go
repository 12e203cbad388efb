// Package strict refuses what Azure Storage refuses and Azurite accepts, so that
// a test against the emulator fails where the service would.
//
// A [Checker] is an account's rules and memory; its transports stand between
// clients and the emulator, and share it. A request that breaks a rule is
// answered as Azure answers it, and never reaches the emulator; it is also kept
// as a [Violation], because whoever sent it may take the answer for an ordinary
// one. A test that ends with violations has failed: see azuritetest.Strict.
//
// # Rules of all services
//
//   - header: x-ms-version is present (without it Azure falls back to an old
//     version, which nobody wants), and a date if the request is signed.
//   - name: a table, queue or container has a valid name, a blob too; and a table
//     none that is reserved.
//   - parameter: a query parameter or header that the operation needs is there
//     and in its range: visibility timeouts, numbers of messages, lives of
//     messages, pop receipts, lengths of leases, $top.
//
// # Rules of tables
//
//   - one partition, once, count, size: the entities of a transaction share one
//     partition key and have different row keys; they are at most 100, the whole
//     body is at most 4 MiB; a read stands alone; it names one table.
//   - key: a key has at most 512 UTF-16 units, and no slash, backslash, number
//     sign, question mark or control character.
//   - entity: at most 252 properties and 1 MiB as the service counts it, which
//     is not as JSON; what a merge makes of an entity is not known here.
//   - property: valid names; strings and binaries of at most 64 KiB; values of
//     their types; dates from 1601 on.
//   - filter: literals to the right of their column, at most 15 comparisons.
//     (Azurite cannot read the reverse; Azure can.)
//
// # Rules of queues
//
//   - size: a message has at most 64 KiB.
//
// # Names being deleted
//
// The name of a deleted table, queue or container is not free for a while.
// Requests for it get 409 TableBeingDeleted, QueueBeingDeleted or
// ContainerBeingDeleted. That is an answer which clients must expect, and no
// violation.
package strict
