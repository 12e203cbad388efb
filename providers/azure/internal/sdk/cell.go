package sdk

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

const (
	// maxText is the longest text that is stored as text, in characters. The
	// service's limit is 32 Ki of UTF-16.
	maxText = 16 << 10

	// maxRowText bounds the text that one write stores in a row: the service
	// keeps two bytes per character.
	maxRowText = 128 << 10

	// maxParts is how many parts the longest cell has.
	maxParts = (storage.MaxRowBytes + storage.MaxPropertyBytes - 1) / storage.MaxPropertyBytes

	// maxNameLength is the longest name of a cell, which with "_10" stays far
	// below the service's limit of 255.
	maxNameLength = 64
)

// partName is the name of the property of a part.
func partName(cell string, i int) string { return cell + "_" + strconv.Itoa(i) }

// checkKey refuses what a key cannot hold.
func checkKey(key string) (storage.Reason, error) {
	length := 0 // in UTF-16
	for _, r := range key {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == utf8.RuneError || strings.ContainsRune(`/\#?`, r) {
			return storage.Invalid, fmt.Errorf("a key cannot hold %q", r)
		}
		length += utf16.RuneLen(r)
	}
	if length > storage.MaxKeyLength {
		return storage.TooLarge, fmt.Errorf("a key of %d characters, at most %d fit", length, storage.MaxKeyLength)
	}
	return 0, nil
}

// checkOp refuses what a row cannot hold, and ops that make no sense.
func checkOp(op *storage.Op) (storage.Reason, error) {
	if reason, err := checkKey(op.Row.Key); err != nil {
		return reason, err
	}
	switch op.Verb {
	case storage.Insert, storage.Put:
		if op.IfMatch != "" {
			return storage.Invalid, errors.New("an ETag makes no sense with this verb")
		}
	case storage.Replace, storage.Merge, storage.Delete:
		if op.IfMatch != "" && !etag.MatchString(op.IfMatch) {
			return storage.Invalid, fmt.Errorf("%q is no ETag", op.IfMatch)
		}
	default:
		return storage.Invalid, fmt.Errorf("there is no verb %d", op.Verb)
	}
	size, properties := 0, 0
	for name, cell := range op.Row.Cells {
		if !validName(name) {
			return storage.Invalid, fmt.Errorf("a cell named %q: names are a letter and then letters and digits, at most %d", name, maxNameLength)
		}
		size += len(name) + len(cell)
		properties++
		if len(cell) > storage.MaxPropertyBytes {
			properties += (len(cell) + storage.MaxPropertyBytes - 1) / storage.MaxPropertyBytes
		}
	}
	if size > storage.MaxRowBytes {
		return storage.TooLarge, fmt.Errorf("%d bytes of cells, at most %d fit", size, storage.MaxRowBytes)
	}
	if properties > storage.MaxProperties {
		return storage.TooLarge, fmt.Errorf("%d properties, at most %d fit", properties, storage.MaxProperties)
	}
	return 0, nil
}

// etag is the form of the Table service's ETags.
var etag = regexp.MustCompile(`^W/"[^"\r\n]*"$`)

// The properties that every row has.
const (
	partitionKey = "PartitionKey"
	rowKey       = "RowKey"
	timestamp    = "Timestamp"
)

func validName(name string) bool {
	if name == "" || len(name) > maxNameLength || name == partitionKey || name == rowKey || name == timestamp {
		return false
	}
	for i := range len(name) {
		c := name[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// isText reports whether a cell is stored as text: printable, not too long, and
// no longer in JSON than base64 would be, which is what [storage.Row.Size]
// counts.
func isText(cell []byte) bool {
	if len(cell) > 4*maxText {
		return false
	}
	characters, escapes := 0, 0
	for i := 0; i < len(cell); characters++ {
		c := cell[i]
		switch {
		case c == '"' || c == '\\' || c == '\n' || c == '\t':
			escapes++
			i++
		case c >= 0x20 && c < 0x7f:
			i++
		case c < utf8.RuneSelf:
			return false
		default:
			r, size := utf8.DecodeRune(cell[i:])
			if r == utf8.RuneError || !unicode.IsPrint(r) {
				return false
			}
			i += size
		}
	}
	return characters <= maxText && escapes <= len(cell)/3+len(cell)/64+16
}

// appendRow writes a row as JSON.
func appendRow(b []byte, partition string, row *storage.Row) []byte {
	b = appendQuoted(append(b, `{"PartitionKey":`...), partition)
	b = appendQuoted(append(b, `,"RowKey":`...), row.Key)
	text := 0
	for _, name := range slices.Sorted(maps.Keys(row.Cells)) {
		cell := row.Cells[name]
		switch {
		case text+len(cell) <= maxRowText && isText(cell):
			text += len(cell)
			b = append(append(append(b, `,"`...), name...), `":`...)
			b = appendQuoted(b, cell)
		case len(cell) <= storage.MaxPropertyBytes:
			b = appendBinary(b, name, cell)
		default:
			b = append(append(append(b, `,"`...), name...), `":`...)
			b = strconv.AppendInt(b, int64(len(cell)), 10)
			i := 0
			for chunk := range slices.Chunk(cell, storage.MaxPropertyBytes) {
				b = appendBinary(b, partName(name, i), chunk)
				i++
			}
		}
	}
	return append(b, '}')
}

func appendBinary(b []byte, name string, cell []byte) []byte {
	b = append(append(append(b, `,"`...), name...), `@odata.type":"Edm.Binary","`...)
	b = append(append(b, name...), `":"`...)
	return append(base64.StdEncoding.AppendEncode(b, cell), '"')
}

// property is one property of a row as read. Its type may stand before it or
// after it, as a property of its own.
type property struct {
	name  string
	types string // the type of the property of that name, if this says nothing else
	value value
}

// properties are those of a row, in the order of the service.
type properties []property

func (all properties) value(name string) (value, bool) {
	for i := range all {
		if all[i].types == "" && all[i].name == name {
			return all[i].value, true
		}
	}
	return value{}, false
}

// typeOf is the property's type, empty for those that JSON tells.
func (all properties) typeOf(name string) string {
	for i := range all {
		if all[i].types != "" && all[i].name == name {
			return all[i].types
		}
	}
	return ""
}

// row makes a row of its properties. It reports whether a cell is in parts that
// were not read, which is fine only if they were not asked for.
func (all properties) row() (row storage.Row, long bool, err error) {
	row.Cells = make(map[string][]byte, len(all)/2)
	var at []byte // the timestamp
	for i := range all {
		switch p := &all[i]; p.name {
		case rowKey:
			row.Key = string(p.value.text)
		case "odata.etag":
			row.ETag = string(p.value.text)
		case timestamp:
			if p.types == "" {
				at = p.value.text
			}
		case partitionKey:
		default:
			if p.types != "" || p.value.kind == null || strings.HasPrefix(p.name, "odata.") || strings.Contains(p.name, "_") {
				continue
			}
			cell, missing, err := all.cell(p)
			if err != nil && row.Key != "" { // the service sends the keys first
				return row, false, fmt.Errorf("%w: row %q: %w", storage.ErrDamaged, row.Key, err)
			}
			if err != nil {
				return row, false, err
			}
			long = long || missing
			row.Cells[p.name] = cell
		}
	}
	if at != nil {
		if row.Changed, err = time.Parse(time.RFC3339Nano, string(at)); err != nil {
			return row, false, fmt.Errorf("the timestamp %.40q is none", at)
		}
		if row.ETag == "" {
			row.ETag = `W/"datetime'` + escapeQuery(string(at)) + `'"`
		}
	}
	return row, long, nil
}

// cell decodes the cell that the property begins.
func (all properties) cell(p *property) (cell []byte, missing bool, err error) {
	types := all.typeOf(p.name)
	switch {
	case p.value.kind == text && (types == "" || types == "Edm.String"):
		return append(make([]byte, 0, len(p.value.text)), p.value.text...), false, nil
	case p.value.kind == text && types == "Edm.Binary":
		cell, err = decodeBinary(p.value.text)
		return cell, false, err
	case p.value.kind != number || types != "" && types != "Edm.Int32":
		return nil, false, fmt.Errorf("cell %s is of type %q: somebody else wrote it", p.name, types)
	}
	length, err := strconv.Atoi(string(p.value.text))
	if err != nil || length <= storage.MaxPropertyBytes || length > storage.MaxRowBytes {
		return nil, false, fmt.Errorf("cell %s has the length %.20q", p.name, p.value.text)
	}
	cell = make([]byte, 0, length)
	for i := 0; len(cell) < length; i++ {
		v, ok := all.value(partName(p.name, i))
		if !ok || v.kind == null {
			return nil, true, nil
		}
		chunk, err := decodeBinary(v.text)
		if err != nil || len(chunk) != min(storage.MaxPropertyBytes, length-len(cell)) {
			return nil, false, fmt.Errorf("part %d of cell %s has %d bytes of a cell of %d", i, p.name, len(chunk), length)
		}
		cell = append(cell, chunk...)
	}
	return cell, false, nil
}

func decodeBinary(text []byte) ([]byte, error) {
	cell := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(cell, text)
	return cell[:n], err
}
