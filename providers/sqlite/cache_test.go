package sqlite

import (
	"fmt"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

func cached(id string, status history.Status, custom int) *row {
	return &row{instance: provider.Instance{ID: history.InstanceID(id), Status: status, CustomStatus: make(history.Payload, custom)}}
}

func TestTheCacheKeepsWhatWasUsedLast(t *testing.T) {
	var c cache
	for i := range maxCachedRows {
		c.put(cached(fmt.Sprint("i", i), history.StatusRunning, 0))
	}
	if c.get("i0") == nil {
		t.Fatal("the cache is smaller than its limit")
	}
	c.put(cached("one more", history.StatusRunning, 0))
	if c.get("i0") == nil || c.get("one more") == nil {
		t.Error("what was used last is gone")
	}
	if c.get("i1") != nil {
		t.Error("what was not used for longest is still there")
	}
}

func TestTheCacheIsBoundedInBytes(t *testing.T) {
	var c cache
	for i := range 100 {
		c.put(cached(fmt.Sprint("i", i), history.StatusRunning, 1<<20))
		if c.bytes > maxCachedBytes {
			t.Fatalf("the cache holds %d bytes, more than %d", c.bytes, maxCachedBytes)
		}
	}
	for i := range 100 {
		c.remove(history.InstanceID(fmt.Sprint("i", i)))
	}
	if c.bytes != 0 || c.order.Len() != 0 {
		t.Errorf("the empty cache counts %d bytes in %d rows", c.bytes, c.order.Len())
	}
}

func TestTheCacheForgetsInstancesThatHaveEnded(t *testing.T) {
	var c cache
	c.put(cached("a", history.StatusRunning, 10))
	c.put(cached("a", history.StatusRunning, 20))
	c.put(cached("a", history.StatusCompleted, 10))
	if c.get("a") != nil || c.bytes != 0 {
		t.Errorf("an instance that has ended is still there, with %d bytes", c.bytes)
	}
}

// TestInstancesThatLeftTheCacheGoOn has a turn read its row from the file.
func TestInstancesThatLeftTheCacheGoOn(t *testing.T) {
	s := open(t)
	h := join(t, s)
	must(t, s.Send(soon(t), startMessage("a")))
	for range 3 {
		h.cache.remove("a")
		next(t, h, "a", func(c *turn) {
			c.add(&history.ValueRecorded{})
			c.Again = true
			if c.last > 4 {
				c.finish()
				c.Again = false
			}
		})
	}
	must(t, readAll(t, s, "a"))
	if i, err := s.Instance(soon(t), "a"); err != nil || i.Status != history.StatusRunning && i.Status != history.StatusCompleted {
		t.Errorf("%+v, %v", i, err)
	}
}
