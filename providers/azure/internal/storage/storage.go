package storage

import (
	"context"
	"time"
)

// Account is a storage account. See the package comment for what errors mean.
type Account interface {
	Tables
	Queues
	Blobs

	// Now is the time by the service's clock, as the Date of the latest answers
	// and the time since tell. Setting this machine's clock does not change it.
	// Before the first answer it is this machine's time.
	Now() time.Time
}

// Row is a row of a table, within a partition key that the call names.
type Row struct {
	Key  string
	ETag string // as read or written; not sent
	// Changed is when the row was written last, by the service's clock, in a row
	// that was read. It is not sent.
	Changed time.Time
	Cells   map[string][]byte
}

// Verb is what a transaction does to a row.
type Verb int

// The verbs. IfMatch of an [Op] applies to Replace, Merge and Delete, which
// need the row to exist; the empty string means any version of it.
const (
	Insert  Verb = iota + 1 // rejected with Exists if the row is there
	Put                     // inserts or replaces
	Replace                 // all cells
	Merge                   // the cells given; others stay
	Delete
)

// Op is one row's part of a transaction.
type Op struct {
	Verb    Verb
	Row     Row
	IfMatch string // an ETag, or "" for any
}

// Range selects the rows with From <= key < To; an empty To has no end.
type Range struct {
	From, To string
}

// Page is a part of a scan. Rows are in ascending order of their keys. A page is
// a snapshot; several pages together are not.
type Page struct {
	Rows []Row
	// Next continues the scan: it is the From of the next page's range. Empty
	// at the end.
	Next string
}

// Tables is the Table service.
type Tables interface {
	// CreateTable makes a table; one that exists is rejected with Exists.
	CreateTable(ctx context.Context, table string) error
	// DeleteTable removes a table with its rows; one that does not exist is
	// [ErrGone]. A table of that name can be made again only after a while.
	DeleteTable(ctx context.Context, table string) error
	// Empty reports whether a table has no row in any partition.
	Empty(ctx context.Context, table string) (bool, error)

	// Get reads a row: rejected with Missing if there is none.
	Get(ctx context.Context, table, partition, key string) (Row, error)
	// Scan reads one page of at most limit rows, 0 for as many as fit. Cells, if
	// not nil, names the only ones to read.
	Scan(ctx context.Context, table, partition string, r Range, limit int, cells []string) (Page, error)
	// Transact applies all ops or none, and returns the ETags that the rows
	// have afterwards, op by op ("" for deletes). A rejection names the op.
	Transact(ctx context.Context, table, partition string, ops []Op) ([]string, error)
}

// Message is a queue message that was taken.
type Message struct {
	ID       string
	Receipt  string // of this take, for Extend and Remove
	Body     []byte
	Inserted time.Time // by the service's clock
	Taken    int       // how often it was taken, this time included
}

// Queues is the Queue service. Messages are delivered at least once, in no
// promised order, and never expire.
type Queues interface {
	// CreateQueue makes a queue; one that exists is no error.
	CreateQueue(ctx context.Context, queue string) error
	// DeleteQueue removes a queue; one that does not exist is [ErrGone].
	DeleteQueue(ctx context.Context, queue string) error

	// Enqueue adds a message that becomes visible after the delay.
	Enqueue(ctx context.Context, queue string, body []byte, delay time.Duration) error
	// Take takes at most n messages and hides them for a while, whole seconds
	// from 1 on. It returns at once, also with none.
	Take(ctx context.Context, queue string, n int, hide time.Duration) ([]Message, error)
	// Extend hides a taken message anew, replaces its body unless that is nil,
	// and returns its new receipt. Rejected with Missing or Precondition if it
	// was removed or taken again.
	Extend(ctx context.Context, queue string, m Message, hide time.Duration, body []byte) (receipt string, err error)
	// Remove deletes a taken message. Rejected as Extend is.
	Remove(ctx context.Context, queue string, m Message) error
	// Peek reads at most n visible messages and takes none; Receipt is empty.
	Peek(ctx context.Context, queue string, n int) ([]Message, error)
	// Count is how many messages there are, hidden ones included. It may be more
	// than there are, and is never fewer.
	Count(ctx context.Context, queue string) (int, error)
	// Queues lists the names that begin with prefix, in ascending order.
	Queues(ctx context.Context, prefix string) ([]string, error)
}

// Blob is an entry of a listing.
type Blob struct {
	Name     string
	Size     int64
	Modified time.Time // by the service's clock
}

// BlobPage is a part of a listing.
type BlobPage struct {
	Blobs []Blob
	Next  string // the marker of the next page; empty at the end
}

// Blobs is the Blob service.
type Blobs interface {
	// CreateContainer makes a container; one that exists is rejected with Exists.
	CreateContainer(ctx context.Context, container string) error
	// DeleteContainer removes a container; one that does not exist is [ErrGone].
	DeleteContainer(ctx context.Context, container string) error

	// PutBlob writes a blob that must not exist: otherwise rejected with Exists.
	PutBlob(ctx context.Context, container, name string, data []byte) error
	// GetBlob reads a blob: rejected with Missing if there is none.
	GetBlob(ctx context.Context, container, name string) ([]byte, error)
	// DeleteBlob removes a blob: rejected with Missing if there is none.
	DeleteBlob(ctx context.Context, container, name string) error
	// ListBlobs lists blobs by prefix in ascending order of name.
	ListBlobs(ctx context.Context, container, prefix, marker string) (BlobPage, error)
}
