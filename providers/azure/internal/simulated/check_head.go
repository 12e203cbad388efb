package simulated

import (
	"encoding/json"
	"fmt"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// head is what the owner row of a partition says, and who wrote its epoch. Owner
// and commit are whatever JSON they are.
type head struct {
	Owner  json.RawMessage `json:"owner"`
	Epoch  int64           `json:"epoch"`
	Commit json.RawMessage `json:"commit"`

	client string
}

func (c *Checker) parse(row *storage.Row) (h head, err error) {
	err = json.Unmarshal(row.Cells[c.layout.HeadCell], &h)
	return h, err
}

// owner checks Z1.
func (c *Checker) owner(at place, w *Applied, ch *Change) {
	last, known := c.heads[at]
	if ch.After == nil {
		c.broken("Z1", w, "the head of %s is deleted, in epoch %d", at.partition, last.Epoch)
		return
	}
	h, err := c.parse(ch.After)
	if err != nil {
		c.broken("Z1", w, "the head of %s cannot be read: %v", at.partition, err)
		return
	}
	h.client = fmt.Sprintf("%s.%d", w.Call.Client, w.Call.Handle)
	switch {
	case !known || h.Epoch > last.Epoch:
	case h.Epoch < last.Epoch:
		c.broken("Z1", w, "the epoch of %s falls from %d to %d", at.partition, last.Epoch, h.Epoch)
		return // The highest epoch stays the measure.
	case string(h.Owner) != string(last.Owner):
		c.broken("Z1", w, "epoch %d of %s has two owners, %s and %s", h.Epoch, at.partition, last.Owner, h.Owner)
	case last.client != "" && h.client != last.client:
		c.broken("Z1", w, "epoch %d of %s is written by two clients, %s and %s", h.Epoch, at.partition, last.client, h.client)
	case string(h.Commit) == string(last.Commit):
		c.broken("Z1", w, "commit %s of epoch %d of %s comes twice: whoever asks cannot tell which was applied", h.Commit, h.Epoch, at.partition)
	}
	c.heads[at] = h
}
