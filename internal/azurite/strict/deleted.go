package strict

import (
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// deleted remembers the names of what was deleted not long ago.
type deleted struct {
	now  func() time.Time
	hold map[operation.Service]time.Duration

	mu    sync.Mutex
	until map[resource]time.Time
}

type resource struct {
	service operation.Service
	name    string
}

func newDeleted(hold time.Duration, now func() time.Time) *deleted {
	d := &deleted{now: now, hold: map[operation.Service]time.Duration{}, until: map[resource]time.Time{}}
	if hold >= 0 {
		// As documented under Delete Table, Delete Queue and Delete Container.
		d.hold[operation.Table] = orElse(hold, 40*time.Second)
		d.hold[operation.Queue] = orElse(hold, 30*time.Second)
		d.hold[operation.Blob] = orElse(hold, 30*time.Second)
	}
	return d
}

func orElse(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// of is what the operation is about. Names of tables are the same in any case.
func of(o operation.Operation) resource {
	if o.Service == operation.Table {
		return resource{o.Service, strings.ToLower(o.Name)}
	}
	return resource{o.Service, o.Name}
}

// note remembers a deletion that was applied.
func (d *deleted) note(o operation.Operation) {
	switch o.Kind {
	case operation.DeleteTable, operation.DeleteQueue, operation.DeleteContainer:
		d.mu.Lock()
		defer d.mu.Unlock()
		d.until[of(o)] = d.now().Add(d.hold[o.Service])
	default:
	}
}

// check refuses operations on a name that is being deleted. Another deletion is
// left to the emulator, which does not find it.
func (d *deleted) check(o operation.Operation) *refusal {
	switch o.Kind {
	case operation.DeleteTable, operation.DeleteQueue, operation.DeleteContainer:
		return nil
	default:
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	until, known := d.until[of(o)]
	if !known {
		return nil
	}
	if !d.now().Before(until) {
		delete(d.until, of(o))
		return nil
	}
	thing := map[operation.Service]string{operation.Table: "Table", operation.Queue: "Queue", operation.Blob: "Container"}[o.Service]
	return &refusal{
		status: http.StatusConflict, code: thing + "BeingDeleted",
		message: "The specified " + strings.ToLower(thing) + " is being deleted. Try operation later.",
	}
}
