package simulated

import (
	"iter"
	"maps"
	"strings"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// blobName names a blob of an account.
type blobName struct{ container, name string }

// blobUse is whether a blob is there, and how many times rows name it, by table.
type blobUse struct {
	there bool
	rows  map[string]int
}

func (c *Checker) use(name blobName) *blobUse {
	u := c.blobs[name]
	if u == nil {
		u = &blobUse{rows: map[string]int{}}
		c.blobs[name] = u
	}
	return u
}

// named are the blobs that a row names, one by one. The row may be nil.
func (c *Checker) named(at place, row *storage.Row) iter.Seq[blobName] {
	return func(yield func(blobName) bool) {
		if row == nil {
			return
		}
		for cell, value := range row.Cells {
			if !strings.HasPrefix(cell, c.layout.Blob) {
				continue
			}
			for name := range strings.FieldsSeq(string(value)) {
				if !yield(blobName{c.layout.Container(at.table), name}) {
					return
				}
			}
		}
	}
}

// sentBlob is a blob that a message named when it was inserted, and that was there.
type sentBlob struct {
	at   place
	key  string
	blob blobName
}

// references checks Z13 of a transaction: what it names anew is there. A message
// that is inserted once more is a copy of one that was consumed: nobody uses a key of
// the inbox twice. Its blob is removed, or soon will be.
func (c *Checker) references(at place, w *Applied) {
	for i := range w.Changes {
		ch := &w.Changes[i]
		old := map[blobName]bool{}
		for name := range c.named(at, ch.Before) {
			old[name] = true
		}
		for name := range c.named(at, ch.After) {
			sent := sentBlob{at, ch.Op.Row.Key, name}
			message := ch.Op.Verb == storage.Insert && strings.HasPrefix(sent.key, c.layout.Inbox)
			if message && c.sent[sent] {
				c.copies[sent] = true
			}
			if c.copies[sent] {
				continue
			}
			u := c.use(name)
			u.rows[at.table]++
			switch {
			case u.there && message:
				c.sent[sent] = true
			case !u.there && !old[name]:
				c.broken("Z13", w, "row %s names the blob %s, which is not there", sent.key, name.name)
			}
		}
		for name := range c.named(at, ch.Before) {
			if sent := (sentBlob{at, ch.Op.Row.Key, name}); !c.copies[sent] {
				c.unname(at, name)
			} else if ch.After == nil {
				delete(c.copies, sent)
			}
		}
	}
}

// unname takes back that a row names a blob.
func (c *Checker) unname(at place, name blobName) {
	u := c.use(name)
	if u.rows[at.table]--; u.rows[at.table] <= 0 {
		delete(u.rows, at.table)
	}
	c.tidy(name, u)
}

// tidy forgets a blob of which there is nothing to know.
func (c *Checker) tidy(name blobName, u *blobUse) {
	if !u.there && len(u.rows) == 0 {
		delete(c.blobs, name)
	}
}

// removed checks Z13 of a blob that was deleted.
func (c *Checker) removed(w *Applied) {
	name := blobName{w.Call.Resource, w.Call.Key}
	u := c.use(name)
	u.there = false
	if len(u.rows) > 0 {
		c.broken("Z13", w, "the blob %s is removed while a row names it", name.name)
	}
	c.tidy(name, u)
}

// forgetTable drops what is known of a table that was deleted with its rows.
func (c *Checker) forgetTable(table string) {
	maps.DeleteFunc(c.heads, func(at place, _ head) bool { return at.table == table })
	for _, of := range []map[sentBlob]bool{c.sent, c.copies} {
		maps.DeleteFunc(of, func(s sentBlob, _ bool) bool { return s.at.table == table })
	}
	for name, u := range c.blobs {
		delete(u.rows, table)
		c.tidy(name, u)
	}
}
