package storage

// Limits of Azure Storage, stated once, with the margins that the provider keeps.
// Source: learn.microsoft.com, "Understanding the Table service data model",
// "Performing entity group transactions", "Scalability and performance targets
// for Queue Storage".
const (
	// MaxOps is the most rows of one entity-group transaction.
	MaxOps = 100

	// MaxTransactBytes bounds a transaction as it is encoded. Azure's limit is
	// 4 MiB with the envelope.
	MaxTransactBytes = 3_900 << 10

	// MaxRowBytes bounds the cells of one row together. Azure's limit is 1 MiB of
	// the decoded row, Azurite's 1 MiB of JSON, in which bytes stand as base64.
	MaxRowBytes = 700 << 10

	// MaxPropertyBytes is the largest property: longer cells take several.
	MaxPropertyBytes = 64 << 10

	// MaxProperties is the most properties of a row, besides its keys and
	// timestamp.
	MaxProperties = 252

	// MaxKeyLength is the longest row key, in characters (1 KiB of UTF-16).
	MaxKeyLength = 512

	// MaxMessageBytes is the largest queue message, as encoded.
	MaxMessageBytes = 64 << 10

	// MaxTake is the most messages that one Take returns.
	MaxTake = 32

	// MaxPageRows is the most rows of a page of a scan.
	MaxPageRows = 1_000
)

// RowOverhead is what a row costs in a transaction besides its cells: the
// envelope of its part of the batch and its keys, rounded up.
const RowOverhead = 1_200

// Size is what the row adds to a transaction, at most: bytes are sent as base64.
func (r *Row) Size() int {
	size := RowOverhead + 2*len(r.Key)
	for name, cell := range r.Cells {
		size += len(name) + 64 + len(cell) + len(cell)/3 + len(cell)/64
	}
	return size
}
