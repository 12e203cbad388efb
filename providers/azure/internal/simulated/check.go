package simulated

import (
	"bytes"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Layout is what a [Checker] knows of the provider's rows. Empty fields have the
// value that the design gives.
type Layout struct {
	Head     string // the key of a partition's owner row: "head"
	HeadCell string // its cell with the owner as JSON: "Head"
	Instance string // the prefix of the keys of instances: "i:"
	// InstanceCell is the cell with what an instance is, as JSON after a j: "Instance".
	InstanceCell string
	History      string // of sealed history: "h:"
	Inbox        string // of messages: "m:"
	Index        string // of indices: "x:"
	Blob         string // how the names of cells begin that name blobs, separated by spaces: "Blob"

	// Runtime reports whether a partition key is that of a runtime partition;
	// nil means those that do not begin with ~.
	Runtime func(table, partition string) bool
	// Container is where the blobs lie that a table's rows name; nil means the
	// container of the same name.
	Container func(table string) string
}

func (l Layout) complete() Layout {
	for field, value := range map[*string]string{
		&l.Head: "head", &l.HeadCell: "Head", &l.Instance: "i:", &l.InstanceCell: "Instance", &l.History: "h:", &l.Inbox: "m:", &l.Index: "x:", &l.Blob: "Blob",
	} {
		if *field == "" {
			*field = value
		}
	}
	if l.Runtime == nil {
		l.Runtime = func(_, partition string) bool { return !strings.HasPrefix(partition, "~") }
	}
	if l.Container == nil {
		l.Container = func(table string) string { return table }
	}
	return l
}

// maxViolations bounds what a checker keeps: the first ones tell most.
const maxViolations = 100

// Checker judges what an account applies by the provider's invariants Z1, Z5,
// Z6, Z11 and Z13, as far as one applied write after another shows them:
//
//   - Z1 Epochs of a head only grow; within an epoch the head names one owner,
//     is written through one client, and no commit id comes twice in a row.
//   - Z5 A message row disappears only in a transaction that carries the head.
//   - Z6 A sealed segment is inserted and deleted, never changed; it is deleted
//     with its instance, or when its execution was pruned.
//   - Z11 A transaction on a runtime partition carries the head with its ETag, or
//     only inserts instances, indices, messages and the first head. A message
//     that is put again as it is counts as inserted.
//   - Z13 A blob is there when a row names it, and as long as one does. Deleting
//     the whole table or container is nobody's violation.
//
// [Checker.Observe] goes into [Config].
type Checker struct {
	layout Layout

	mu         sync.Mutex
	heads      map[place]head
	instances  map[place]map[string]*storage.Row // that were written, by key
	blobs      map[blobName]*blobUse
	sent       map[sentBlob]bool
	copies     map[sentBlob]bool // of messages that were inserted once more, and are there
	violations []Violation
}

// place is a partition of a table.
type place struct{ table, partition string }

// Violation is an invariant that a write broke.
type Violation struct {
	Invariant string // its number: "Z1"
	What      string
	By        Applied
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s: request %d of %s.%d at %s: %v", v.Invariant, v.What,
		v.By.Call.N, v.By.Call.Client, v.By.Call.Handle, v.By.At.UTC().Format("15:04:05.000000"), v.By.Call)
}

// NewChecker makes a checker for an account that begins with a state; nil means
// empty.
func NewChecker(layout Layout, from *State) *Checker {
	c := &Checker{layout: layout.complete(), heads: map[place]head{}, instances: map[place]map[string]*storage.Row{}, blobs: map[blobName]*blobUse{}, sent: map[sentBlob]bool{}, copies: map[sentBlob]bool{}}
	if from == nil {
		return c
	}
	for _, in := range from.Containers() {
		for name := range from.Blobs(in) {
			c.use(blobName{in, name}).there = true
		}
	}
	for _, table := range from.Tables() {
		for pk, row := range from.Rows(table) {
			at := place{strings.ToLower(table), pk}
			for name := range c.named(at, &row) {
				c.use(name).rows[at.table]++
				if strings.HasPrefix(row.Key, c.layout.Inbox) && c.use(name).there {
					c.sent[sentBlob{at, row.Key, name}] = true
				}
			}
			if strings.HasPrefix(row.Key, c.layout.Instance) {
				c.rememberRow(at, row.Key, &row)
			}
			if row.Key == c.layout.Head && c.layout.Runtime(table, pk) {
				c.heads[at], _ = c.parse(&row) // What cannot be read is told when somebody writes it.
			}
		}
	}
	return c
}

// Violations are those found so far, at most a hundred.
func (c *Checker) Violations() []Violation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]Violation(nil), c.violations...)
}

func (c *Checker) broken(invariant string, by *Applied, format string, args ...any) {
	if len(c.violations) < maxViolations {
		c.violations = append(c.violations, Violation{invariant, fmt.Sprintf(format, args...), *by})
	}
}

// Observe judges a write that was applied.
func (c *Checker) Observe(w Applied) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch w.Call.Kind {
	case Transact:
		at := place{strings.ToLower(w.Call.Resource), w.Call.Partition}
		if c.layout.Runtime(w.Call.Resource, w.Call.Partition) {
			c.fenced(at, &w)
			c.remember(at, &w)
			for i := range w.Changes {
				c.judge(at, &w, &w.Changes[i])
			}
		}
		c.references(at, &w)
	case PutBlob:
		c.use(blobName{w.Call.Resource, w.Call.Key}).there = true
	case DeleteBlob:
		c.removed(&w)
	case DeleteTable:
		c.forgetTable(strings.ToLower(w.Call.Resource))
	case DeleteContainer:
		maps.DeleteFunc(c.blobs, func(name blobName, _ *blobUse) bool { return name.container == w.Call.Resource })
	default:
		// Queues carry hints and work, which no invariant here speaks of.
	}
}

// judge checks Z1, Z5 and Z6 of one row.
func (c *Checker) judge(at place, w *Applied, ch *Change) {
	key := ch.Op.Row.Key
	switch {
	case key == c.layout.Head:
		c.owner(at, w, ch)
	case strings.HasPrefix(key, c.layout.Inbox) && ch.Before != nil && ch.After == nil && !c.carriesHead(w):
		c.broken("Z5", w, "message %s disappears without the head", key)
	case strings.HasPrefix(key, c.layout.History) && ch.Before != nil && ch.After != nil && !sameCells(ch.Before, ch.After):
		c.broken("Z6", w, "sealed segment %s changes", key)
	case strings.HasPrefix(key, c.layout.History) && ch.Before != nil && ch.After == nil:
		c.unsealed(at, w, key)
	}
}

// carriesHead reports whether the transaction writes the head.
func (c *Checker) carriesHead(w *Applied) bool {
	for i := range w.Changes {
		if w.Changes[i].Op.Row.Key == c.layout.Head && w.Changes[i].After != nil {
			return true
		}
	}
	return false
}

// fenced checks Z11.
func (c *Checker) fenced(at place, w *Applied) {
	for i := range w.Changes {
		op := &w.Changes[i].Op
		if op.Row.Key == c.layout.Head && (op.Verb == storage.Replace || op.Verb == storage.Merge) && op.IfMatch != "" {
			return
		}
	}
	for i := range w.Changes {
		ch := &w.Changes[i]
		if !c.insertable(ch) {
			c.broken("Z11", w, "%s of %s on partition %s without the head's ETag", verbNames[ch.Op.Verb], ch.Op.Row.Key, at.partition)
			return
		}
	}
}

// insertable reports whether anybody may do this to a runtime partition.
func (c *Checker) insertable(ch *Change) bool {
	key, inbox := ch.Op.Row.Key, strings.HasPrefix(ch.Op.Row.Key, c.layout.Inbox)
	switch ch.Op.Verb {
	case storage.Insert:
		return inbox || key == c.layout.Head || strings.HasPrefix(key, c.layout.Instance) || strings.HasPrefix(key, c.layout.Index)
	case storage.Put:
		return inbox && (ch.Before == nil || sameCells(ch.Before, ch.After))
	default:
		return false
	}
}

func sameCells(a, b *storage.Row) bool { return maps.EqualFunc(a.Cells, b.Cells, bytes.Equal) }
