package journal

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

const (
	// Late is how long a message of a client may be on its way. What takes
	// longer is not consumed.
	Late = 15 * time.Minute

	// Remember is how long the ids of consumed messages of clients are
	// remembered, at least: a client that did not learn of its success may send
	// again within Late, and that copy may be on its way for as long.
	Remember = 2 * Late

	// pageIDs and pageTime bound a row of ids: when it is full, or covers that
	// time, the next one begins. The row is written with each commit that
	// consumes messages of clients.
	pageIDs  = 128
	pageTime = time.Minute

	// maxIDs bounds the ids that one transaction adds to a row, and idBytes is the
	// size of one, as the row has it and as it is sent.
	maxIDs  = 16_000
	idBytes = 32

	// maxExpired bounds how many old rows one transaction removes.
	maxExpired = 2
)

// A page that is not full must have room for the ids of one more transaction, which
// must hold those of a turn: of the messages that it takes in, and of their rows.
const (
	_ = uint(storage.MaxRowBytes - (pageIDs+maxIDs)*idBytes)
	_ = uint(maxIDs - history.MaxTurnMessages - storage.MaxOps)
)

// Notices are what was consumed: rows of partitions by their numbers, for ever;
// messages by their ids, for a time.
type Notices struct {
	numbers map[int]row.Numbers
	ids     map[string]bool
	pages   []page // oldest first; the last one may grow
	// compared is up to when whatever was in the inbox was compared with the ids.
	compared int64
}

type page struct {
	key   string
	since int64
	ids   []string
}

// ReadNotices reads the notice rows of a partition, in the order of their keys.
func ReadNotices(rows []storage.Row) (*Notices, error) {
	n := &Notices{numbers: map[int]row.Numbers{}, ids: map[string]bool{}}
	for i := range rows {
		if err := n.load(&rows[i]); err != nil {
			return nil, err
		}
	}
	return n, nil
}

func (n *Notices) load(r *storage.Row) error {
	if cell, ok := r.Cells[row.NumbersCell]; ok {
		if err := row.Parse(cell, &n.numbers); err != nil {
			return fmt.Errorf("row %s: %w", r.Key, err)
		}
		return nil
	}
	var ids row.IDs
	if err := row.Parse(r.Cells[row.IDsCell], &ids); err != nil {
		return fmt.Errorf("row %s: %w", r.Key, err)
	}
	n.pages = append(n.pages, page{r.Key, ids.Since, ids.IDs})
	for _, id := range ids.IDs {
		n.ids[id] = true
	}
	return nil
}

// Noticed reports whether a message was consumed lately, by its hash.
func (n *Notices) Noticed(hash string) bool { return n.ids[hash] && !bug.Planted("no-dedupe-by-id") }

// Latest are the highest numbers that were consumed of rows of each partition.
func (n *Notices) Latest() map[int]int64 {
	latest := map[int]int64{}
	for p, numbers := range n.numbers {
		latest[p] = numbers.Latest()
	}
	return latest
}

// Numbered reports whether a row of the inbox with that number was consumed.
func (n *Notices) Numbered(from row.Sender, seq int64) bool {
	p, ok := from.Partition()
	return ok && n.numbers[p].Has(seq) && !bug.Planted("no-dedupe-by-number")
}

// draft is what a batch makes of the notices.
type draft struct {
	numbers map[int]row.Numbers
	ids     []string
	page    page // with ids, if there are any
	opens   bool // the page is a new one
	expired []string
}

func (d *draft) add(n *Notices, c *Consumed) {
	if p, ok := c.From.Partition(); ok {
		if d.numbers == nil {
			d.numbers = map[int]row.Numbers{}
		}
		s, changed := d.numbers[p]
		if !changed {
			s = n.numbers[p]
		}
		d.numbers[p] = s.With(c.Seq)
	}
	d.ids = append(d.ids, c.Hash...)
}

// NoticeRows is how many rows of a transaction the notices take, at most.
const NoticeRows = 2 + maxExpired

// ops completes the draft and returns its rows.
func (d *draft) ops(n *Notices, now time.Time, newKey func() string) (ops []storage.Op) {
	if len(d.numbers) > 0 {
		all := maps.Clone(n.numbers)
		maps.Copy(all, d.numbers)
		ops = append(ops, storage.Op{Verb: storage.Put, Row: storage.Row{
			Key:   row.FromPartitions,
			Cells: map[string][]byte{row.NumbersCell: wire.MustJSON(all)},
		}})
	}
	at := now.UnixNano()
	if len(d.ids) > 0 {
		d.opens = true
		if last := len(n.pages) - 1; last >= 0 {
			d.page = n.pages[last]
			d.opens = len(d.page.ids) >= pageIDs || at-d.page.since > int64(pageTime) || at < d.page.since
		}
		if d.opens {
			d.page = page{key: newKey(), since: at}
		}
		d.page.ids = append(slices.Clip(d.page.ids), d.ids...)
		ops = append(ops, storage.Op{Verb: storage.Put, Row: storage.Row{
			Key:   d.page.key,
			Cells: map[string][]byte{row.IDsCell: wire.MustJSON(row.IDs{Since: d.page.since, IDs: d.page.ids})},
		}})
	}
	for i := 0; i < len(n.pages)-1 && len(d.expired) < maxExpired; i++ {
		// A page's successor began after its last id was added. Copies arrive
		// within Late, and may lie unread for as long as nobody looks.
		last := n.pages[i+1].since
		if at-last <= int64(Remember) || n.compared-last <= int64(Late) && !bug.Planted("notices-by-age") {
			break
		}
		d.expired = append(d.expired, n.pages[i].key)
		ops = append(ops, storage.Op{Verb: storage.Delete, Row: storage.Row{Key: n.pages[i].key}})
	}
	if bug.Planted("notices-not-written") {
		return nil
	}
	return ops
}

// settle makes the draft what is.
func (n *Notices) settle(d *draft) {
	maps.Copy(n.numbers, d.numbers)
	if len(d.ids) > 0 {
		if d.opens {
			n.pages = append(n.pages, d.page)
		} else {
			n.pages[len(n.pages)-1] = d.page
		}
		for _, id := range d.ids {
			n.ids[id] = true
		}
	}
	for range d.expired {
		for _, id := range n.pages[0].ids {
			delete(n.ids, id)
		}
		n.pages = n.pages[1:]
	}
}
