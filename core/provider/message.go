package provider

import (
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// Message is something on its way to an instance.
type Message struct {
	// ID is unique within the hub. The same ID sent again is the same message:
	// it is applied once (P4). Messages of instances derive theirs from the
	// event that caused them; clients draw theirs. An instance that is purged or
	// replaced takes the memory of what it consumed along: the next one with its
	// id may be sent the same IDs again.
	ID string
	// To is the receiver.
	To history.InstanceID
	// Execution is the execution that the message is for; 0 means whichever is
	// current. The provider hands it on and does not act on it.
	Execution int64
	// Due delays the message: it is not handed over before. Zero means at once.
	Due time.Time
	// Sent is when the sender sent it, for reports.
	Sent time.Time
	// Start is set for a message that starts an instance.
	Start *Start
	// Data is the event that the message becomes; opaque to the provider.
	Data history.Data
}

// Start is what a provider must know of a message that starts an instance.
// [Store.Send] applies it atomically with the message: either the instance
// exists as Pending and will get its first turn, or the send failed.
//
// The start that created an instance is handed over before every other message,
// also before those that were waiting for the instance to exist.
//
// A start sent by a commit never fails the commit: if the id is free it
// creates the instance; if it is taken the message is handed to the existing
// instance, whose owner answers it. Reuse does not apply.
type Start struct {
	Name      string
	Version   string // "" for the newest registered
	RequestID string // the same start sent twice carries the same one
	Parent    *history.ParentRef
	Tags      map[string]string
	Reuse     Reuse
}

// Reuse says what [Store.Send] does with a start when its id is taken. A start
// whose RequestID is that of the existing instance always succeeds and changes
// nothing.
type Reuse int

// The reuse policies.
const (
	// ReuseReject refuses with [ErrExists].
	ReuseReject Reuse = iota
	// ReuseIgnore succeeds and leaves the existing instance alone.
	ReuseIgnore
	// ReuseFinal replaces an instance whose status is final, as if it had been
	// purged in the same step, and refuses otherwise with [ErrExists]. Starts
	// that wait at the old instance are handed to the new one.
	ReuseFinal
	// ReuseReplace replaces the instance whatever its status. A host that
	// holds it loses the lock; its activities are cancelled.
	ReuseReplace
)
