package sharding

import (
	"context"
	"errors"
)

// What [Directory] and [Driver] say in their errors; they may wrap them. Every
// other error means that the outcome is not known.
var (
	// ErrGone: the row of this incarnation does not exist.
	ErrGone = errors.New("the host's row is gone")
	// ErrChanged: the row is there in another version.
	ErrChanged = errors.New("the host's row has changed")
	// ErrLost: the head of the partition is not what it was.
	ErrLost = errors.New("the partition has another owner")
)

// Directory is the table of host rows. Each call is one storage operation, is
// sent once, and returns soon after its context ends; calls come from several
// goroutines at once. Reads are never stale.
type Directory interface {
	// Join inserts the row of a new incarnation. It may refuse a host that
	// cannot read the hub's format.
	Join(ctx context.Context, h Host) error

	// Beat replaces the row of h, which has another ETag afterwards. It is
	// [ErrGone] if there is no row, and never inserts one. The same incarnation
	// has one beat in flight, and later ones carry what is newer.
	Beat(ctx context.Context, h Host) error

	// Remove deletes a row in the version etag, or in any if that is empty. It
	// is [ErrChanged] if the row has another version; a row that is not there is
	// no error.
	Remove(ctx context.Context, incarnation, etag string) error

	// Hosts reads all rows.
	Hosts(ctx context.Context) ([]Seen, error)
}

// Driver is what owns partitions: it reads and writes heads, and serves what is
// claimed. Calls for one partition come one at a time, Load excepted; calls for
// different partitions at once. Those with a context return soon after it ends.
// A driver may call the [Member] from within them.
type Driver interface {
	// Head reads the owner row; the zero Head if there is none yet.
	Head(ctx context.Context, partition int) (Head, error)

	// Claim writes the head {Epoch: h.Epoch+1, Owner: this incarnation}, on
	// condition that its version is still h.ETag, and begins to serve the
	// partition. It returns when the head is written: reading the partition's
	// state comes after that, in the driver's own time, and if it fails for
	// good the driver says so with [Member.Lost]. [ErrLost] says that somebody
	// was faster. After every other error the driver serves nothing; whether
	// the head was written will show when it is read again.
	//
	// A head with an owner was not released: its owner died or lost its memory.
	Claim(ctx context.Context, partition int, h Head) (epoch int64, err error)

	// Release stops taking work in, finishes or drops what is under way, writes
	// the head {epoch + 1, no owner, For: target}, and returns. An empty target
	// stands for anyone. When the context is about to end it drops the rest. It
	// serves nothing afterwards, whatever it returns.
	Release(ctx context.Context, partition int, target string) error

	// Drop forgets a partition that was lost, and writes nothing. It is harmless
	// for one that is not served.
	Drop(partition int)

	// Load is what the partition costs; it is asked at every beat.
	Load(partition int) Load

	// Ring asks another host to look now, which is to call [Member.Nudge]. It
	// is a hint, and may be lost.
	Ring(ctx context.Context, h Host)
}
