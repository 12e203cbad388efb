package operation

import (
	"fmt"
	"strings"
)

// Row is the address of an entity in its table.
type Row struct{ Partition, Key string }

func (r Row) String() string { return fmt.Sprintf("(%q, %q)", r.Partition, r.Key) }

// parseRow reads (PartitionKey='…',RowKey='…'), in either order; a quote within
// a key is doubled.
func parseRow(address string) (Row, bool) {
	var row Row
	rest, ok := strings.CutPrefix(address, "(")
	for range 2 {
		name, after, found := strings.Cut(rest, "='")
		if !ok || !found {
			return Row{}, false
		}
		var value string
		if value, rest, ok = quoted(after); !ok {
			return Row{}, false
		}
		switch strings.TrimSpace(name) {
		case "PartitionKey":
			row.Partition = value
		case "RowKey":
			row.Key = value
		default:
			return Row{}, false
		}
		rest = strings.TrimPrefix(rest, ",")
	}
	return row, rest == ")"
}

// quoted reads up to the closing quote, which is the first that is not doubled.
func quoted(text string) (value, rest string, ok bool) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "'")
		if !found {
			return "", "", false
		}
		b.WriteString(before)
		if !strings.HasPrefix(after, "'") {
			return b.String(), after, true
		}
		b.WriteByte('\'')
		text = after[1:]
	}
}
