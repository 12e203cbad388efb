package row

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// maxOutgoing is how many bytes of parcels, as [Parcel.Size] counts, a row of the
// outbox holds without a blob.
const maxOutgoing = 64 << 10

// Size is what the parcel takes, in bytes, roughly.
func (p *Parcel) Size() int {
	size := 100 + 2*len(p.To) + len(p.Blob)
	for i := range p.Messages {
		m := &p.Messages[i]
		size += 200 + len(m.ID) + len(m.To) + len(m.Data)
		if s := m.Start; s != nil {
			size += 200 + len(s.RequestID)
			for k, v := range s.Tags {
				size += 8 + len(k) + len(v)
			}
		}
	}
	return size
}

// Size is what the row takes in a transaction, in bytes, at most.
func (o *Outgoing) Size() int {
	size := 200
	for i := range o.Parts {
		size += 60
		if o.Blob == "" {
			for j := range o.Parts[i].Parcels {
				size += o.Parts[i].Parcels[j].Size()
			}
			for j := range o.Parts[i].Offers {
				size += o.Parts[i].Offers[j].Size()
			}
		}
	}
	return 2 * size
}

// Spill moves the parcels into a blob if they are too much for a row. They stay
// in memory as well.
func (o *Outgoing) Spill(name func() string) []BlobData {
	if o.Size() <= 2*maxOutgoing {
		return nil
	}
	o.Blob = name()
	return []BlobData{{Name: o.Blob, Data: Pack(wire.MustJSON(o.Parts))}}
}

// Cells of a row of the outbox.
func (o *Outgoing) Cells() map[string][]byte {
	shown := *o
	cells := map[string][]byte{}
	var names []string
	if o.Blob != "" {
		names = append(names, o.Blob)
		shown.Parts = make([]Part, len(o.Parts))
		for i, p := range o.Parts {
			shown.Parts[i] = Part{To: p.To, First: p.First, Queue: p.Queue}
		}
	}
	// A blob that holds messages is named by this row, and later by the row of
	// the inbox that the parcel becomes.
	for _, p := range o.Parts {
		for _, parcel := range p.Parcels {
			if parcel.Blob != "" {
				names = append(names, parcel.Blob)
			}
		}
	}
	cells[OutboxCell] = Pack(wire.MustJSON(&shown))
	if len(names) > 0 {
		cells[BlobsCell] = []byte(strings.Join(names, " "))
	}
	return cells
}

// ParseOutgoing reads a row of the outbox.
func ParseOutgoing(ctx context.Context, cells map[string][]byte, get GetBlob) (o Outgoing, err error) {
	value, err := Value(ctx, cells, OutboxCell, get)
	if err == nil {
		err = Parse(value, &o)
	}
	if err == nil {
		err = checkFormat(o.Format)
	}
	if err != nil || o.Blob == "" {
		return o, err
	}
	data, err := get(ctx, o.Blob)
	if err != nil {
		return o, err
	}
	if data, err = unpack(data); err != nil {
		return o, err
	}
	var parts []Part
	if err := json.Unmarshal(data, &parts); err != nil || len(parts) != len(o.Parts) {
		return o, fmt.Errorf("%w: outbox: the blob %s does not fit its row", ErrFormat, o.Blob)
	}
	for i := range parts {
		o.Parts[i].Parcels, o.Parts[i].Offers = parts[i].Parcels, parts[i].Offers
	}
	return o, nil
}

// Size is what the offer takes, in bytes, roughly.
func (o *Offer) Size() int {
	return 300 + len(o.ID) + len(o.Name) + len(o.Version) + len(o.Tag) + len(o.Session) + len(o.Scheduled) + len(o.Progress)
}

// Offer adds an offer for a work queue.
func (o *Outgoing) Offer(queue string, offer Offer) {
	for i := range o.Parts {
		if o.Parts[i].Queue == queue {
			o.Parts[i].Offers = append(o.Parts[i].Offers, offer)
			return
		}
	}
	o.Parts = append(o.Parts, Part{Queue: queue, Offers: []Offer{offer}})
}
