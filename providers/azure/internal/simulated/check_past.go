package simulated

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// past is what the row of an instance says of its sealed history.
type past struct {
	Born    string `json:"born"` // tells it from others of its id
	Pruned  int64  `json:"pruned"`
	Purging bool   `json:"purging"`
	Purged  int64  `json:"purged"`
}

// parsePast reads the row of an instance. It is false for what it cannot read: a
// large one is compressed.
func (c *Checker) parsePast(row *storage.Row) (p past, ok bool) {
	if row == nil {
		return p, false
	}
	text, plain := bytes.CutPrefix(row.Cells[c.layout.InstanceCell], []byte("j"))
	return p, plain && json.Unmarshal(text, &p) == nil
}

// remember takes note of the rows of instances that a transaction wrote.
func (c *Checker) remember(at place, w *Applied) {
	for i := range w.Changes {
		key := w.Changes[i].Op.Row.Key
		if strings.HasPrefix(key, c.layout.Instance) {
			c.rememberRow(at, key, w.Changes[i].After)
		}
	}
}

func (c *Checker) rememberRow(at place, key string, row *storage.Row) {
	if c.instances[at] == nil {
		c.instances[at] = map[string]*storage.Row{}
	}
	c.instances[at][key] = row
}

// unsealed checks that a sealed segment is deleted with its instance, or when its
// execution was pruned (Z6).
func (c *Checker) unsealed(at place, w *Applied, key string) {
	escaped, rest, _ := strings.Cut(strings.TrimPrefix(key, c.layout.History), ":")
	digits, _, _ := strings.Cut(rest, ":")
	execution, err := strconv.ParseInt(digits, 16, 64)
	instance := c.layout.Instance + escaped
	now, ok := c.parsePast(c.instances[at][instance])
	if err != nil || !ok || now.Purging || now.Purged != 0 || execution <= now.Pruned {
		return
	}
	for i := range w.Changes {
		if w.Changes[i].Op.Row.Key != instance {
			continue
		}
		if before, ok := c.parsePast(w.Changes[i].Before); ok && before.Born != now.Born {
			return // it was replaced
		}
	}
	c.broken("Z6", w, "sealed segment %s is deleted, of an instance of which executions up to %d are pruned", key, now.Pruned)
}
