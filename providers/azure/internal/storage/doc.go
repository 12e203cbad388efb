// Package storage is the one narrow door to Azure Storage: the protocols of the
// provider are written against it, and know neither the SDK nor HTTP. It has two
// implementations: package sdk talks to a real account or to Azurite, package
// simulated is an account in memory with Azure's rules, for tests.
//
// # Outcomes
//
// What became of a call is one of these, and nothing else:
//
//   - applied: the error is nil.
//   - not applied, for ever: a [*Rejection], which names the row and the reason.
//   - unknown: [ErrUnknown]. The write may have been applied, may be applied
//     later, or never. A timeout, a broken connection, 408, 429, and every 5xx of
//     a write are unknown: whoever needs to know reads.
//   - busy: [ErrBusy], of reads only. Nothing happened; try again, see
//     [RetryAfter].
//   - refused: [ErrDenied] (the credential may not do this) and [ErrGone] (the
//     table, queue or container does not exist, or is being deleted). Nothing
//     happened.
//   - corrupt: [ErrCorrupt], an answer that makes no sense: perhaps a proxy's.
//   - damaged: [ErrDamaged], of reads only. A row was found, and has cells that
//     nobody wrote through this door.
//
// Writes are sent once: no implementation ever repeats one by itself. Reads may
// be repeated.
//
// # Rules
//
//   - One [Account.Transact] is one entity-group transaction: atomic, on one
//     partition key, at most [MaxOps] rows of at most [MaxTransactBytes]; no row
//     key twice.
//   - A row is a bag of cells. A cell is bytes; implementations may store text as
//     text. Rows beyond [MaxRowBytes] are refused before they are sent.
//   - ETags come from the answer of the write itself.
//   - All methods may be called from several goroutines at once.
package storage
