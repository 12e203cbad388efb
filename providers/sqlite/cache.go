package sqlite

import (
	"container/list"
	"sync"

	"github.com/duroxide/duroxide-go/core/history"
)

const (
	// maxCachedRows and maxCachedBytes bound the rows of instances that a
	// worker keeps in memory, so that a turn reads nothing from the database.
	maxCachedRows  = 20_000
	maxCachedBytes = 64 << 20
)

// cache holds rows as of their last commit, the ones used last. A row in it
// is never changed: a commit puts a new one in its place.
type cache struct {
	mu    sync.Mutex
	byID  map[history.InstanceID]*list.Element // of *row
	order list.List                            // the one used last in front
	bytes int
}

func (c *cache) get(id history.InstanceID) *row {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[id]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return e.Value.(*row)
}

// put keeps the row, unless the instance has ended: nobody needs it then.
func (c *cache) put(r *row) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := r.instance.ID
	e := c.byID[id]
	switch {
	case r.instance.Status.Final():
		c.removeLocked(e)
		return
	case e != nil:
		c.bytes += r.bytes() - e.Value.(*row).bytes()
		e.Value = r
		c.order.MoveToFront(e)
	default:
		if c.byID == nil {
			c.byID = map[history.InstanceID]*list.Element{}
		}
		c.byID[id] = c.order.PushFront(r)
		c.bytes += r.bytes()
	}
	for len(c.byID) > maxCachedRows || c.bytes > maxCachedBytes && len(c.byID) > 1 {
		c.removeLocked(c.order.Back())
	}
}

func (c *cache) remove(id history.InstanceID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeLocked(c.byID[id])
}

func (c *cache) removeLocked(e *list.Element) {
	if e == nil {
		return
	}
	r := c.order.Remove(e).(*row)
	delete(c.byID, r.instance.ID)
	c.bytes -= r.bytes()
}

// bytes is roughly what a row keeps in memory.
func (r *row) bytes() int {
	i := &r.instance
	return 600 + len(i.ID) + len(i.CustomStatus) + len(r.start) + 64*len(r.activities) + 64*len(i.Tags)
}
