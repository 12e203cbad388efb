package overhttp

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// entity is a row as JSON: its properties, and their types under their names with a
// suffix.
type entity map[string]json.RawMessage

const typeSuffix = "@odata.type"

func parseEntity(body []byte) (e entity, err error) {
	err = json.Unmarshal(body, &e)
	return e, err
}

// binary is a property of that type.
func (e entity) binary(name string) ([]byte, error) {
	var types string
	var value []byte // which JSON holds as base64
	if err := json.Unmarshal(e[name+typeSuffix], &types); err != nil || types != "Edm.Binary" {
		return nil, fmt.Errorf("the property %s is no binary", name)
	}
	err := json.Unmarshal(e[name], &value)
	if value == nil {
		value = []byte{}
	}
	return value, err
}

// cells are what the properties say; see package sdk for how it writes them.
func (e entity) cells() (map[string][]byte, error) {
	cells := map[string][]byte{}
	for name, raw := range e {
		if name == "PartitionKey" || name == "RowKey" || strings.Contains(name, "@") || strings.Contains(name, "_") {
			continue
		}
		var err error
		var length int
		var text string
		switch {
		case e[name+typeSuffix] != nil:
			cells[name], err = e.binary(name)
		case json.Unmarshal(raw, &length) == nil:
			cells[name], err = e.parts(name, length)
		default:
			err = json.Unmarshal(raw, &text)
			cells[name] = []byte(text)
		}
		if err != nil {
			return nil, fmt.Errorf("property %s: %w", name, err)
		}
	}
	return cells, nil
}

// parts is a cell that takes several properties.
func (e entity) parts(name string, length int) (cell []byte, err error) {
	for i := 0; len(cell) < length; i++ {
		part, err := e.binary(partName(name, i))
		if err != nil || len(part) == 0 {
			return nil, fmt.Errorf("part %d has %d bytes: %w", i, len(part), err)
		}
		cell = append(cell, part...)
	}
	if len(cell) != length {
		return nil, fmt.Errorf("%d bytes in parts, and it says %d", len(cell), length)
	}
	return cell, nil
}

func partName(cell string, i int) string { return cell + "_" + strconv.Itoa(i) }

// selected are the names that a query asks for, nil for all.
func selected(list string) []string {
	if list == "" {
		return nil
	}
	return strings.Split(list, ",")
}

// cellsOf are the cells that have some of these properties.
func cellsOf(names []string) []string {
	if names == nil {
		return nil
	}
	cells := []string{}
	for _, name := range names {
		if name != "PartitionKey" && name != "RowKey" && name != "Timestamp" && !strings.Contains(name, "_") {
			cells = append(cells, name)
		}
	}
	return cells
}

// appendEntity writes a row with these properties alone, or with all. Those that it has
// not are null.
func appendEntity(b []byte, partition string, row *storage.Row, names []string) []byte {
	all := map[string]string{
		"PartitionKey": string(marshalled(partition)), "RowKey": string(marshalled(row.Key)),
		"Timestamp": string(marshalled(row.Changed.UTC().Truncate(100 * time.Nanosecond).Format(time.RFC3339Nano))),
	}
	types := map[string]string{}
	for name, cell := range row.Cells {
		switch {
		case len(cell) <= storage.MaxPropertyBytes && utf8.Valid(cell):
			all[name] = string(marshalled(string(cell)))
		case len(cell) <= storage.MaxPropertyBytes:
			all[name], types[name] = `"`+base64.StdEncoding.EncodeToString(cell)+`"`, "Edm.Binary"
		default:
			all[name] = strconv.Itoa(len(cell))
			i := 0
			for part := range slices.Chunk(cell, storage.MaxPropertyBytes) {
				all[partName(name, i)], types[partName(name, i)] = `"`+base64.StdEncoding.EncodeToString(part)+`"`, "Edm.Binary"
				i++
			}
		}
	}
	if names == nil {
		names = slices.Sorted(maps.Keys(all))
	}
	b = fmt.Appendf(b, `{"odata.etag":%s`, marshalled(row.ETag))
	for _, name := range names {
		value, ok := all[name]
		if !ok {
			value = "null"
		}
		if types[name] != "" {
			b = fmt.Appendf(b, `,"%s%s":"%s"`, name, typeSuffix, types[name])
		}
		b = fmt.Appendf(b, `,"%s":%s`, name, value)
	}
	return append(b, '}')
}
