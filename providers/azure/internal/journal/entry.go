package journal

import (
	"errors"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// Errors with which entries fail, besides those of package storage and those
// that their own Valid returns.
var (
	// ErrLost: another owns the partition by now. Nothing of the entry was
	// applied, unless its outcome was unknown when that was found out: what is
	// stored tells.
	ErrLost = errors.New("the partition belongs to another host")
	// ErrStopped: the journal was stopped. The entry was not sent, or its
	// outcome is not known: what is stored tells.
	ErrStopped = errors.New("the journal was stopped")
	// ErrTooLarge: the entry alone does not fit into a transaction.
	ErrTooLarge = errors.New("too large for one transaction")
)

// Entry is what becomes visible together. Its fields must not change once it is
// submitted.
type Entry struct {
	// Ops are on rows of the partition; none of them on head or a notice.
	Ops []storage.Op
	// Consumed are rows of the inbox that the entry consumes whole: they are
	// deleted, and noticed.
	Consumed []Consumed
	// Noticed are hashes of messages that the entry consumes of rows that stay.
	Noticed []string
	// Direct are those of Ops that insert rows into inboxes of this partition:
	// their keys are given when the entry is packed.
	Direct []Direct
	// Send, if not nil, becomes a row of the outbox.
	Send *row.Outgoing

	// Head, if not nil, changes the owner row, besides what the journal keeps
	// there. It is called when the entry is packed, and must not block.
	Head func(*row.Owner)

	// Valid, if not nil, is asked when the entry is packed; an error fails it.
	Valid func() error
	// Rejected, if not nil, is asked when the service rejected one of Ops, or of
	// Consumed, which count on after Ops: the entry it returns is submitted in
	// its place. Nil fails the entry with the rejection.
	Rejected func(op int, r *storage.Rejection) *Entry
	// Applied is called when the entry is durable. It must not block.
	Applied func(Applied)
	// Failed is called with the reason when it never will be.
	Failed func(error)
}

// Direct is a row for an inbox of the own partition.
type Direct struct {
	Op int // its index in Ops
	To history.InstanceID
}

// Applied is what an entry became.
type Applied struct {
	Direct []int64 // the numbers of its rows for inboxes
	Outbox string  // the key of the row that Send became
	Send   row.Outgoing
}

// Consumed is a row of the inbox.
type Consumed struct {
	Key  string
	From row.Sender
	Seq  int64
	Hash []string // of its messages, see row.Hash
}

// ops is how many rows the entry has, notices not counted.
func (e *Entry) ops() int {
	n := len(e.Ops) + len(e.Consumed)
	if e.Send != nil {
		n++
	}
	return n
}

// keys calls f for the keys of rows that the entry changes.
func (e *Entry) keys(f func(string)) {
	for i := range e.Ops {
		if key := e.Ops[i].Row.Key; key != "" {
			f(key)
		}
	}
	for i := range e.Consumed {
		f(e.Consumed[i].Key)
	}
}

func (e *Entry) failed(err error) {
	if e.Failed != nil {
		e.Failed(err)
	}
}
