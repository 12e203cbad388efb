package simulated

import (
	"fmt"
	"hash/fnv"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Kind is a method of [storage.Account].
type Kind int

// The kinds of calls.
const (
	CreateTable Kind = iota
	DeleteTable
	Get
	Scan
	Transact
	CreateQueue
	DeleteQueue
	Enqueue
	Take
	Extend
	Remove
	Peek
	CountMessages
	ListQueues
	CreateContainer
	DeleteContainer
	PutBlob
	GetBlob
	DeleteBlob
	ListBlobs
	Empty

	kinds = iota
)

var kindNames = [kinds]string{
	"create-table", "delete-table", "get", "scan", "transact",
	"create-queue", "delete-queue", "enqueue", "take", "extend", "remove", "peek", "count-messages", "list-queues",
	"create-container", "delete-container", "put-blob", "get-blob", "delete-blob", "list-blobs", "empty",
}

func (k Kind) String() string { return kindNames[k] }

// Reads reports whether calls of the kind change nothing.
func (k Kind) Reads() bool {
	switch k {
	case Get, Scan, Peek, CountMessages, ListQueues, GetBlob, ListBlobs, Empty:
		return true
	default:
		return false
	}
}

// Call is one request.
type Call struct {
	Client   string
	Handle   int // which handle of that name, from 1 on
	Kind     Kind
	Resource string // the table, queue or container; a prefix of ListQueues

	Partition string        // of Get, Scan and Transact
	Key       string        // the row key, the id of the message, or the name or prefix of blobs
	Range     storage.Range // of Scan
	Ops       []storage.Op  // of Transact, not to be changed
	Body      []byte        // of Enqueue, Extend and PutBlob, not to be changed

	N       int // its number among all requests of the account, from 1 on
	NClient int // its number among those of the client's handle, from 1 on
	Again   int // its number among those of the handle that ask the same, from 1 on
}

// hash tells the request from others of its handle, whichever of two that are
// sent at one instant is sent first.
func (c Call) hash() uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%v %d", c, c.Again) // A hash takes everything.
	return h.Sum64()
}

var verbNames = map[storage.Verb]string{
	storage.Insert: "insert", storage.Put: "put", storage.Replace: "replace", storage.Merge: "merge", storage.Delete: "delete",
}

func (c Call) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %s", c.Kind, c.Resource)
	if c.Partition != "" {
		b.WriteString("/" + c.Partition)
	}
	if c.Key != "" {
		b.WriteString(" " + c.Key)
	}
	if c.Range != (storage.Range{}) {
		fmt.Fprintf(&b, " %s..%s", c.Range.From, c.Range.To)
	}
	for i := range c.Ops {
		op := &c.Ops[i]
		fmt.Fprintf(&b, " %s:%s", verbNames[op.Verb], op.Row.Key)
		if op.IfMatch != "" {
			b.WriteString("@" + op.IfMatch)
		}
	}
	return b.String()
}

// Applied is a write that the service applied: what an observer is told.
type Applied struct {
	Call Call
	At   time.Time // by the service's clock
	Late bool      // its caller left before it arrived
	// Changes are those of a transaction, op by op.
	Changes []Change
	// Messages are those that a call of a queue put, took, extended or removed.
	Messages []storage.Message
}

// Change is what became of one row. The rows must not be changed.
type Change struct {
	Op            storage.Op
	Before, After *storage.Row // nil if there is none
}
