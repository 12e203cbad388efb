package hub

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

const (
	// maxDirect is to how many rows of its own partition's inboxes a commit
	// sends directly; more go by way of the outbox, so that a commit is one
	// transaction whatever it sends.
	maxDirect = 8

	// maxParcel is the largest parcel, in bytes of messages, that travels
	// without a blob.
	maxParcel = 24 << 10
)

// mail is what a commit sends.
type mail struct {
	direct []*direct
	out    *row.Outgoing
}

// direct is a row for an inbox of the own partition. Its number is given when it
// is committed.
type direct struct {
	letter  *letter
	cells   map[string][]byte
	created *row.Meta // of the instance that its start makes; nil if it makes none
	meta    row.Cells
}

// bundle are messages to one instance that go together, as one letter, of which a
// number tells how many were consumed. So they are consumed in their order: what is
// delayed goes alone. A start does, too: it comes before what was sent before it, and
// stays when its instance is purged.
type bundle struct {
	to       history.InstanceID
	messages []*provider.Message
}

// bundles groups messages by their receivers, in order.
func bundles(sends []provider.Message) (all []*bundle) {
	last := map[history.InstanceID]*bundle{}
	for i := range sends {
		m := admit.Keep(sends[i])
		b := last[m.To]
		if b == nil || alone(&m) || alone(b.messages[0]) {
			b = &bundle{to: m.To}
			last[m.To] = b
			all = append(all, b)
		}
		b.messages = append(b.messages, &m)
	}
	return all
}

// alone reports whether a message shares no bundle.
func alone(m *provider.Message) bool {
	return m.Start != nil || !m.Due.IsZero() && !bug.Planted("delayed-in-a-bundle")
}

// encodeSends addresses what the turn sends: directly to a few in the own
// partition, otherwise by way of the outbox.
func (c *commit) encodeSends() error {
	if len(c.given.Send)+len(c.offers) == 0 {
		return nil
	}
	all := bundles(c.given.Send)
	home := 0
	for _, b := range all {
		if c.p.store.Partition(b.to) == c.p.number {
			home++
		}
	}
	// What is still in the outbox for this partition must not be overtaken.
	directly := home <= maxDirect && 3*home < c.room() && (!c.p.relays.busy(c.p.number) || bug.Planted("outbox-overtaken"))
	out := &row.Outgoing{}
	at := map[int]int{} // index in out.Parts, by partition
	for _, b := range all {
		to := c.p.store.Partition(b.to)
		if to == c.p.number && directly {
			if err := c.sendDirectly(b); err != nil {
				return err
			}
			continue
		}
		parcel, err := c.parcel(b)
		if err != nil {
			return err
		}
		i, ok := at[to]
		if !ok {
			i = len(out.Parts)
			at[to] = i
			out.Parts = append(out.Parts, row.Part{To: to})
		}
		out.Parts[i].Parcels = append(out.Parts[i].Parcels, parcel)
	}
	for _, queue := range slices.Sorted(maps.Keys(c.offers)) {
		out.Parts = append(out.Parts, row.Part{Queue: queue, Offers: c.offers[queue]})
	}
	if len(out.Parts) > 0 {
		c.blobs = append(c.blobs, out.Spill(func() string { return c.p.store.blobName(c.after.id) })...)
		c.mail.out = out
	}
	return nil
}

func (c *commit) sendDirectly(b *bundle) error {
	p := c.p
	now := p.store.cfg.Now()
	d := &direct{letter: &letter{
		partition: p, to: b.to, from: row.PartitionSender(p.number),
		envelope: row.Envelope{Format: row.Format, To: b.to, Sent: wire.Nanos(now), Count: len(b.messages), Start: b.messages[0].Start != nil},
	}}
	for _, m := range b.messages {
		d.letter.messages = append(d.letter.messages, *m)
	}
	lines, err := row.Lines(b.messages)
	if err != nil {
		return fmt.Errorf("%w: a message to %s: %w", provider.ErrInvalid, quote(b.to), err)
	}
	cells := row.Cells{Name: func() string { return p.store.blobName(b.to) }}
	cells.Set(row.MessagesCell, lines)
	d.cells = cells.Map
	d.letter.blobs = row.Blobs(d.cells)
	c.blobs = append(c.blobs, cells.Blobs...)
	if first := b.messages[0]; first.Start != nil && p.get(b.to) == nil && !c.mail.starts(b.to) {
		d.created = row.Pending(first, p.store.born(), now)
		d.meta = row.Cells{Name: func() string { return p.store.blobName(b.to) }}
		d.meta.Set(row.InstanceCell, wire.MustJSON(d.created))
		c.blobs = append(c.blobs, d.meta.Blobs...)
		d.letter.envelope.Born, d.letter.envelope.Created = d.created.Born, d.created.Created
	}
	c.mail.direct = append(c.mail.direct, d)
	return nil
}

// parcel makes a parcel of a bundle; its number is given when it is committed.
func (c *commit) parcel(b *bundle) (row.Parcel, error) {
	parcel := row.Parcel{To: b.to, Sent: wire.Nanos(c.p.store.cfg.Now()), Count: len(b.messages)}
	size := 0
	for _, m := range b.messages {
		w, err := wire.ToWire(m)
		if err != nil {
			return parcel, fmt.Errorf("%w: a message to %s: %w", provider.ErrInvalid, quote(b.to), err)
		}
		size += len(w.Data) + len(w.ID) + 200
		parcel.Messages = append(parcel.Messages, w)
	}
	if size <= maxParcel {
		return parcel, nil
	}
	lines, err := row.Lines(b.messages)
	if err != nil {
		return parcel, fmt.Errorf("%w: a message to %s: %w", provider.ErrInvalid, quote(b.to), err)
	}
	parcel.Blob = row.ParcelBlob(b.to, c.p.store.uniqueName())
	c.blobs = append(c.blobs, row.BlobData{Name: parcel.Blob, Data: row.Pack(lines)})
	first := parcel.Messages[0]
	parcel.Messages = nil
	if first.Start != nil {
		first.Data = nil
		parcel.Messages = []wire.Message{first}
	}
	return parcel, nil
}

// starts reports whether an instance is made by what goes directly.
func (m *mail) starts(id history.InstanceID) bool {
	return slices.ContainsFunc(m.direct, func(d *direct) bool { return d.created != nil && d.created.ID == id })
}

// ops adds the rows of what goes directly to those of an entry.
func (m *mail) ops(e *journal.Entry) {
	for _, d := range m.direct {
		e.Ops = append(e.Ops, startOps(d.created, d.meta.Map)...)
		d.cells[row.EnvelopeCell] = wire.MustJSON(d.letter.envelope)
		e.Direct = append(e.Direct, journal.Direct{Op: len(e.Ops), To: d.letter.to})
		e.Ops = append(e.Ops, storage.Op{Verb: storage.Insert, Row: storage.Row{Cells: d.cells}})
	}
}

// startOps insert an instance that is started; none if created is nil.
func startOps(created *row.Meta, cells map[string][]byte) []storage.Op {
	if created == nil {
		return nil
	}
	return []storage.Op{
		{Verb: storage.Insert, Row: storage.Row{Key: row.Instance(created.ID), Cells: cells}},
		{Verb: storage.Insert, Row: storage.Row{Key: row.Open(created.ID), Cells: row.IndexCells(created)}},
	}
}

// taken says that a row exists already: the start that was to make it becomes a
// message to who is there.
func (m *mail) taken(key string) bool {
	for _, d := range m.direct {
		if d.created != nil && (key == row.Instance(d.created.ID) || key == row.Open(d.created.ID)) {
			d.created = nil
			d.letter.envelope.Born, d.letter.envelope.Created = "", 0
			return true
		}
	}
	return false
}

// letters are those that went directly, with the numbers that they got.
func (m *mail) letters(numbers []int64) []*letter {
	all := make([]*letter, len(m.direct))
	for i, d := range m.direct {
		l := d.letter
		l.seq = numbers[i]
		l.key = row.Message(l.to, l.from, l.seq)
		all[i] = l
	}
	return all
}

// rowOf is the inbox row that a parcel becomes, from a partition, with the
// instance that its start makes unless that is known to exist.
func (s *Store) rowOf(parcel *row.Parcel, key string, fresh bool) (r storage.Row, created *row.Meta, meta row.Cells, err error) {
	starts := len(parcel.Messages) > 0 && parcel.Messages[0].Start != nil
	envelope := row.Envelope{Format: row.Format, To: parcel.To, Sent: parcel.Sent, Count: parcel.Count, Start: starts}
	if fresh && starts {
		first, err := parcel.Messages[0].Message()
		if err != nil {
			return r, nil, meta, err
		}
		created = row.Pending(&first, s.born(), s.cfg.Now())
		meta.Name = func() string { return s.blobName(parcel.To) }
		meta.Set(row.InstanceCell, wire.MustJSON(created))
		envelope.Born, envelope.Created = created.Born, created.Created
	}
	cells := map[string][]byte{row.EnvelopeCell: wire.MustJSON(envelope)}
	if parcel.Blob != "" {
		cells[row.MessagesCell] = row.InBlob(parcel.Blob)
		cells[row.BlobsCell] = []byte(parcel.Blob)
	} else {
		var lines bytes.Buffer
		for i := range parcel.Messages {
			lines.Write(wire.MustJSON(&parcel.Messages[i]))
			lines.WriteByte('\n')
		}
		cells[row.MessagesCell] = row.Pack(lines.Bytes())
	}
	return storage.Row{Key: key, Cells: cells}, created, meta, nil
}
