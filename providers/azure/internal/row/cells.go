package row

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// A cell with a value begins with a byte that says how the value stands there.
const (
	plain      = 'j' // as it is
	compressed = 'z' // zstd
	inBlob     = 'b' // the name of a blob with the value, in a cell's form
)

const (
	// compressAbove is from which size on a value is compressed, in bytes.
	compressAbove = 4 << 10

	// inlineAtMost is the largest value that stands in its row, in bytes as
	// stored. At most four values of a row can be that long.
	inlineAtMost = 128 << 10
)

// BlobsCell lists the blobs that the row names, separated by spaces.
const BlobsCell = "Blobs"

// codec is shared: both halves are safe for concurrent use in this way. It is
// made with the program, and used once, since it keeps channels: those that a
// test made in a synctest bubble would be of no use to the next one.
var codec = func() (c struct {
	enc *zstd.Encoder
	dec *zstd.Decoder
}) {
	var err error
	if c.enc, err = zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1)); err != nil {
		panic(err) // panic: the options are constant
	}
	if c.dec, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(0), zstd.WithDecoderMaxMemory(1<<30)); err != nil {
		panic(err) // panic: the options are constant
	}
	c.enc.EncodeAll(nil, nil)
	return c
}()

// BlobData is a blob to be written before the row that names it.
type BlobData struct {
	Name string
	Data []byte
}

// Cells builds the cells of a row. Values that do not fit become blobs.
type Cells struct {
	// Name makes a name for a blob that nobody used before.
	Name func() string

	Map   map[string][]byte
	Blobs []BlobData
}

// Set puts a value into a cell.
func (c *Cells) Set(cell string, value []byte) {
	if c.Map == nil {
		c.Map = map[string][]byte{}
	}
	stored := Pack(value)
	if len(stored) > inlineAtMost {
		name := c.Name()
		c.Blobs = append(c.Blobs, BlobData{name, stored})
		stored = append([]byte{inBlob}, name...)
	}
	c.Map[cell] = stored
	if len(c.Blobs) > 0 {
		names := make([]string, len(c.Blobs))
		for i, b := range c.Blobs {
			names[i] = b.Name
		}
		c.Map[BlobsCell] = []byte(strings.Join(names, " "))
	}
}

// Pack is a value as it stands in a cell or a blob.
func Pack(value []byte) []byte {
	if len(value) > compressAbove {
		z := codec.enc.EncodeAll(value, append(make([]byte, 0, len(value)/2), compressed))
		if len(z) < len(value)-len(value)/8 {
			return z
		}
	}
	return append(append(make([]byte, 0, len(value)+1), plain), value...)
}

// Blobs are the names of the blobs that a row with these cells names.
func Blobs(cells map[string][]byte) []string { return strings.Fields(string(cells[BlobsCell])) }

// GetBlob reads a blob that a row names.
type GetBlob func(ctx context.Context, name string) ([]byte, error)

// Value reads a value from a cell; nil, without an error, if the cell is absent.
func Value(ctx context.Context, cells map[string][]byte, cell string, get GetBlob) ([]byte, error) {
	stored, ok := cells[cell]
	if !ok || len(stored) == 0 {
		return nil, nil
	}
	if stored[0] == inBlob {
		name := string(stored[1:])
		data, err := get(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("cell %s: blob %s: %w", cell, name, err)
		}
		stored = data
	}
	value, err := unpack(stored)
	if err != nil {
		return nil, fmt.Errorf("cell %s: %w", cell, err)
	}
	return value, nil
}

func unpack(stored []byte) ([]byte, error) {
	switch {
	case len(stored) == 0:
		return nil, fmt.Errorf("%w: it is empty", ErrFormat)
	case stored[0] == plain:
		return bytes.Clone(stored[1:]), nil
	case stored[0] == compressed:
		value, err := codec.dec.DecodeAll(stored[1:], nil)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrFormat, err)
		}
		return value, nil
	}
	return nil, fmt.Errorf("%w: it begins with %q", ErrFormat, stored[0])
}

// BlobOf is the blob in which the value of a cell stands, if it does.
func BlobOf(cells map[string][]byte, cell string) (name string, ok bool) {
	if cell == BlobsCell {
		return "", false
	}
	if stored := cells[cell]; len(stored) > 1 && stored[0] == inBlob {
		return string(stored[1:]), true
	}
	return "", false
}

// BlobList is the cell that lists blobs.
func BlobList(blobs map[string]string) []byte {
	return []byte(strings.Join(slices.Sorted(maps.Values(blobs)), " "))
}

// InBlob is a cell of which the value stands in a blob.
func InBlob(name string) []byte { return append([]byte{inBlob}, name...) }
