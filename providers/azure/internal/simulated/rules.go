package simulated

import (
	"fmt"
	"regexp"
	"unicode/utf8"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// maxRow is Azure's limit of a row, decoded. A merge can exceed it although
// neither side is beyond [storage.MaxRowBytes].
const maxRow = 1 << 20

var (
	tableName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{2,62}$`)
	// Queues and containers: hyphens stand between letters or digits.
	queueName = regexp.MustCompile(`^[a-z0-9](-?[a-z0-9])*$`)
	// Cells: narrower than Azure's names, so that long cells can have parts.
	cellName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]{0,63}$`)
	etag     = regexp.MustCompile(`^W/"[^"]*"$`)
)

// checkQueueName judges the name of a queue or container.
func checkQueueName(kind, name string) error {
	if len(name) < 3 || len(name) > 63 || !queueName.MatchString(name) {
		return reject(storage.Invalid, -1, kind+" "+name, "400 InvalidResourceName")
	}
	return nil
}

// reject is a rejection of op i, or -1 for a call as a whole.
func reject(reason storage.Reason, i int, what, code string) *storage.Rejection {
	return &storage.Rejection{Reason: reason, Index: i, What: what, Cause: said(code)}
}

// gone is the error of something that is not there.
func gone(what, code string) error {
	return fmt.Errorf("%s: %w: %w", what, storage.ErrGone, said(code))
}

// checkKey judges a partition or row key.
func checkKey(key string) (reason storage.Reason, code string) {
	length := 0
	for _, r := range key {
		switch {
		case r == '/', r == '\\', r == '#', r == '?', r < 0x20, r >= 0x7f && r <= 0x9f, r == utf8.RuneError:
			return storage.Invalid, "400 OutOfRangeInput"
		}
		length++
		if r > 0xffff {
			length++
		}
	}
	if length > storage.MaxKeyLength {
		return storage.TooLarge, "400 KeyValueTooLarge"
	}
	return 0, ""
}

// checkOps judges a transaction by itself, whatever the table holds, before it is
// sent.
func checkOps(partition string, ops []storage.Op) error {
	if reason, code := checkKey(partition); reason != 0 {
		return reject(reason, -1, "partition "+partition, code)
	}
	switch {
	case len(ops) == 0:
		return reject(storage.Invalid, -1, "transaction", "400 InvalidInput: no ops")
	case len(ops) > storage.MaxOps:
		return reject(storage.TooLarge, -1, "transaction", fmt.Sprintf("400 InvalidInput: %d ops", len(ops)))
	}
	size := 0
	for i := range ops {
		size += ops[i].Row.Size()
	}
	if size > storage.MaxTransactBytes {
		return reject(storage.TooLarge, -1, "transaction", fmt.Sprintf("413 RequestBodyTooLarge: %d bytes", size))
	}
	seen := make(map[string]bool, len(ops))
	for i := range ops {
		if reason, code := checkOp(&ops[i], seen); reason != 0 {
			return reject(reason, i, what(&ops[i].Row), code)
		}
	}
	return nil
}

func checkOp(op *storage.Op, seen map[string]bool) (reason storage.Reason, code string) {
	if reason, code := checkKey(op.Row.Key); reason != 0 {
		return reason, code
	}
	if seen[op.Row.Key] {
		return storage.Invalid, "400 InvalidDuplicateRow"
	}
	seen[op.Row.Key] = true
	switch op.Verb {
	case storage.Insert, storage.Put:
		if op.IfMatch != "" {
			return storage.Invalid, "an ETag makes no sense with this verb"
		}
	case storage.Replace, storage.Merge, storage.Delete:
		if op.IfMatch != "" && !etag.MatchString(op.IfMatch) {
			return storage.Invalid, "400 InvalidInput: malformed ETag " + op.IfMatch
		}
	default:
		return storage.Invalid, fmt.Sprintf("verb %d", op.Verb)
	}
	size := 0
	for name, cell := range op.Row.Cells {
		if name == "PartitionKey" || name == "RowKey" || name == "Timestamp" || !cellName.MatchString(name) {
			return storage.Invalid, "400 PropertyNameInvalid: " + name
		}
		size += len(name) + len(cell)
	}
	if size > storage.MaxRowBytes {
		return storage.TooLarge, fmt.Sprintf("%d bytes of cells, the limit is %d", size, storage.MaxRowBytes)
	}
	return 0, ""
}

// checkRow judges a row as it would be after the transaction.
func checkRow(partition string, row *storage.Row) (reason storage.Reason, code string) {
	size, properties := 4+2*(len(partition)+len(row.Key)), 0
	for name, cell := range row.Cells {
		parts := max(1, (len(cell)+storage.MaxPropertyBytes-1)/storage.MaxPropertyBytes)
		properties += parts
		size += parts*(8+2*len(name)) + len(cell)
	}
	switch {
	case properties > storage.MaxProperties:
		return storage.TooLarge, fmt.Sprintf("400 TooManyProperties: %d", properties)
	case size > maxRow:
		return storage.TooLarge, fmt.Sprintf("400 EntityTooLarge: %d bytes", size)
	}
	return 0, ""
}

func what(r *storage.Row) string { return "row " + r.Key }
