package journal

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

const (
	// Remember is how long the ids of consumed messages of clients are
	// remembered. A client that did not learn of its success sends again within
	// that time, and gives up long before.
	Remember = 30 * time.Minute

	// pageIDs and pageTime bound a row of ids: when it is full, or covers that
	// time, the next one begins. The row is written with each commit that
	// consumes messages of clients.
	pageIDs  = 128
	pageTime = time.Minute

	// maxExpired bounds how many old rows one transaction removes.
	maxExpired = 2
)

// notices are what was consumed: for ever by numbers where the sender is a
// partition, for a time by ids where it is a client.
type notices struct {
	numbers map[int]row.Numbers
	ids     map[string]bool
	pages   []page // oldest first; the last one may grow
}

type page struct {
	key   string
	since int64
	ids   []string
}

func newNotices() notices {
	return notices{numbers: map[int]row.Numbers{}, ids: map[string]bool{}}
}

// load takes in a notice row, in the order of their keys.
func (n *notices) load(r *storage.Row) error {
	if cell, ok := r.Cells[row.NumbersCell]; ok {
		var from int
		var numbers row.Numbers
		if _, err := fmt.Sscanf(r.Key, "n:p%d", &from); err != nil {
			return fmt.Errorf("%w: notice %q: %w", row.ErrFormat, r.Key, err)
		}
		if err := json.Unmarshal(cell, &numbers); err != nil {
			return fmt.Errorf("%w: notice %q: %w", row.ErrFormat, r.Key, err)
		}
		n.numbers[from] = numbers
		return nil
	}
	var ids row.IDs
	if err := json.Unmarshal(r.Cells[row.IDsCell], &ids); err != nil {
		return fmt.Errorf("%w: notice %q: %w", row.ErrFormat, r.Key, err)
	}
	n.pages = append(n.pages, page{r.Key, ids.Since, ids.IDs})
	for _, id := range ids.IDs {
		n.ids[id] = true
	}
	return nil
}

// has reports whether a row of the inbox was consumed.
func (n *notices) has(from row.Sender, seq int64, hashes []string) bool {
	if p, ok := from.Partition(); ok {
		return n.numbers[p].Has(seq)
	}
	for _, h := range hashes {
		if !n.ids[h] {
			return false
		}
	}
	return len(hashes) > 0
}

// draft is what a batch makes of the notices.
type draft struct {
	numbers map[int]row.Numbers
	ids     []string
	page    page // with ids, if there are any
	opens   bool // the page is a new one
	expired []string
}

func (d *draft) add(n *notices, c *Consumed) {
	if p, ok := c.From.Partition(); ok {
		if d.numbers == nil {
			d.numbers = map[int]row.Numbers{}
		}
		s, changed := d.numbers[p]
		if !changed {
			s = n.numbers[p]
		}
		d.numbers[p] = s.With(c.Seq)
		return
	}
	d.ids = append(d.ids, c.Hash...)
}

// rowsWith is how many rows the notices may take if the entry joins.
func (d *draft) rowsWith(e *Entry) int {
	rows := len(d.numbers) + 1 + maxExpired
	seen := map[int]bool{}
	for i := range e.Consumed {
		if p, ok := e.Consumed[i].From.Partition(); ok && !seen[p] {
			seen[p] = true
			if _, ok := d.numbers[p]; !ok {
				rows++
			}
		}
	}
	return rows
}

// ops completes the draft and returns its rows.
func (d *draft) ops(n *notices, now time.Time, newKey func() string) (ops []storage.Op) {
	for _, p := range sortedKeys(d.numbers) {
		ops = append(ops, storage.Op{Verb: storage.Put, Row: storage.Row{
			Key:   row.FromPartition(p),
			Cells: map[string][]byte{row.NumbersCell: wire.MustJSON(d.numbers[p])},
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
		d.page.ids = append(d.page.ids[:len(d.page.ids):len(d.page.ids)], d.ids...)
		ops = append(ops, storage.Op{Verb: storage.Put, Row: storage.Row{
			Key:   d.page.key,
			Cells: map[string][]byte{row.IDsCell: wire.MustJSON(row.IDs{Since: d.page.since, IDs: d.page.ids})},
		}})
	}
	for i := 0; i < len(n.pages)-1 && len(d.expired) < maxExpired; i++ {
		// A page's successor began after its last id was added.
		if at-n.pages[i+1].since <= int64(Remember) {
			break
		}
		d.expired = append(d.expired, n.pages[i].key)
		ops = append(ops, storage.Op{Verb: storage.Delete, Row: storage.Row{Key: n.pages[i].key}})
	}
	return ops
}

// settle makes the draft what is.
func (n *notices) settle(d *draft) {
	for p, s := range d.numbers {
		n.numbers[p] = s
	}
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
