package broker

import (
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Config of a [Broker]. The zero value is complete.
type Config struct {
	// Now is the clock against which due times are compared; nil means
	// time.Now. Sleeping is always done with package time, so a clock that
	// jumps is noticed late; see [Broker.Wake].
	Now func() time.Time
}

// Broker hands out what is ready. All methods may be called concurrently.
type Broker struct{}

// New makes a broker and starts its timer goroutine, which [Broker.Close] ends.
func New(cfg Config) *Broker

// Close ends every blocked call with [provider.ErrClosed] and waits for the
// timer goroutine. Calls after it are harmless: deliveries are ignored, turns
// are lost.
func (b *Broker) Close()

// Wake compares all due times with the clock once more. A caller whose Now
// was set forward calls it.
func (b *Broker) Wake()

// Receiver says what the provider knows of the receiver of a message.
type Receiver int

const (
	// Missing: there is no such instance. The message waits as an orphan until
	// a delivery to the same id says Exists or Created.
	Missing Receiver = iota
	// Exists: the instance was there before.
	Exists
	// Created: this message, a start, created the instance. Orphans that wait
	// for it are handed over after the start.
	Created
)

// Delivery is a message that is on its way for good.
type Delivery struct {
	Message provider.Message
	// Key is the provider's own, given back in [Turn.Keys]; for example a row
	// id. Messages that the broker makes itself (timers, completions of
	// activities) have 0.
	Key int64
	// Receiver tells whether the instance exists; Name and Version are then
	// those of the instance, for HostInfo.Accepts.
	Receiver Receiver
	Name     string
	Version  string
	// Since is when an orphan began to wait; zero means now.
	Since time.Time
	// Attempts is how often the message was handed over in an earlier life of
	// the provider, usually 0.
	Attempts int
}

// Deliver takes in messages, in order. It reports how many were new: the others
// wait already (B1).
func (b *Broker) Deliver(ds ...Delivery) int

// Restored is the open work of an instance as an earlier process left it.
type Restored struct {
	Instance   history.InstanceID
	Execution  int64
	Name       string
	Version    string
	Again      bool
	Activities []RestoredActivity
	Timers     []provider.Timer
	// Until sets the instance aside until then, as a release with a delay did;
	// Parked as a release with Park did.
	Until  time.Time
	Parked bool
}

// RestoredActivity is an open activity that nobody works on any more.
type RestoredActivity struct {
	// Activity as scheduled. Of Scheduled only the ID is needed; whatever is
	// there is given back in [Work].
	Activity provider.Activity
	// Deliveries made so far, and the progress last stored.
	Deliveries int
	Progress   history.Payload
}

// Restore opens work that is not in the broker. Its messages are delivered with
// [Broker.Deliver], before or after.
func (b *Broker) Restore(r Restored)

// Place is where an instance stands after a commit.
type Place struct {
	Execution int64
	Name      string
	Version   string
	Final     bool
}

// Commit applies a durable commit to the turn's instance, delivers what it sent
// (to any instance, this one included, in order), and ends the turn.
//
// It reads from c: Consumed, NewExecution, Again, and the opening and closing of
// activities and timers. What a commit closes it closes together with messages
// that still wait because of it.
//
// [provider.ErrLockLost], with nothing done, if the turn is not held any more.
// A provider whose commits are durable some time before they are told here
// calls [Turn.Seal] first, and cannot get that error from Leave.
func (b *Broker) Commit(t *Turn, c *provider.Commit, at Place, sent ...Delivery) error

// Drop forgets everything about an instance that was purged or is about to be
// replaced: its messages, activities and timers; a turn that is held, sealed or
// not, is lost. Activities that workers hold are cancelled.
func (b *Broker) Drop(id history.InstanceID)

// Outstanding is what the instance waits for, or has waiting. Messages that the
// broker made (fired timers, completions) are among them.
func (b *Broker) Outstanding(id history.InstanceID) *provider.Outstanding

// Orphans lists messages that wait since before that time for an instance that
// does not exist, oldest first. They keep waiting.
func (b *Broker) Orphans(before time.Time) []Delivery

// DropOrphans forgets orphans by message id. Those that are no orphans (any
// more) are left alone.
func (b *Broker) DropOrphans(ids ...string)

// Stats counts what the broker remembers; for tests and metrics.
type Stats struct {
	Instances  int // with anything to remember
	Ready      int // instances
	Held       int // turns
	Messages   int // waiting, delayed, or in turns; orphans included
	Orphans    int // messages
	Activities int // open
	Working    int // activities handed out
	Timers     int // open
}

// Stats counts.
func (b *Broker) Stats() Stats
