package row

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// MaxOutgoing bounds the parcels of a row of the outbox, in bytes as
// [Parcel.Size] counts, so that the row holds them without a blob.
const MaxOutgoing = 96 << 10

// Size is what the parcel adds to a row, in bytes, roughly.
func (p *Parcel) Size() int {
	size := 200 + 2*len(p.To) + len(p.Blob)
	for i := range p.Messages {
		m := &p.Messages[i]
		size += 400 + len(m.ID) + len(m.To) + len(m.Data)
		if s := m.Start; s != nil {
			size += 200 + len(s.RequestID)
			for k, v := range s.Tags {
				size += 8 + len(k) + len(v)
			}
		}
	}
	return size
}

// Cells of a row of the outbox.
func (o *Outgoing) Cells() map[string][]byte {
	cells := map[string][]byte{OutboxCell: Pack(wire.MustJSON(o))}
	names := ""
	for _, p := range o.Parcel {
		if p.Blob != "" {
			names += p.Blob + " "
		}
	}
	if names != "" {
		cells[BlobsCell] = []byte(names[:len(names)-1])
	}
	return cells
}

// ParseOutgoing reads a row of the outbox.
func ParseOutgoing(cells map[string][]byte) (o Outgoing, err error) {
	value, err := Value(context.Background(), cells, OutboxCell, nil)
	if err == nil {
		err = json.Unmarshal(value, &o)
	}
	if err != nil {
		return o, fmt.Errorf("%w: outbox: %w", ErrFormat, err)
	}
	return o, checkFormat(o.Format)
}
