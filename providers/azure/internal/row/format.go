package row

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// ErrFormat says that a row is not what this program can read.
var ErrFormat = errors.New("unreadable row")

// HeadCell is the cell of the head row with [Owner], as JSON.
const HeadCell = "Head"

// Owner is the head row: who may commit on the partition, and where it stands.
type Owner struct {
	Format int    `json:"format"`
	Owner  string `json:"owner,omitempty"` // host incarnation, "" for nobody
	For    string `json:"for,omitempty"`   // whom a leaver meant to be next
	Epoch  int64  `json:"epoch"`           // grows with every change of owner
	Commit int64  `json:"commit"`          // of this owner in this epoch
	// Next are the numbers of the next rows to other partitions, by partition.
	Next map[int]int64 `json:"next,omitempty"`
	// Crash is there while owners die.
	Crash *Crash `json:"crash,omitempty"`
}

// Cells of the head row.
func (o *Owner) Cells() map[string][]byte {
	return map[string][]byte{HeadCell: wire.MustJSON(o)}
}

// ParseOwner reads a head row.
func ParseOwner(cells map[string][]byte) (o Owner, err error) {
	if err := json.Unmarshal(cells[HeadCell], &o); err != nil {
		return o, fmt.Errorf("%w: head: %w", ErrFormat, err)
	}
	return o, checkFormat(o.Format)
}

func checkFormat(format int) error {
	if format < 1 || format > Format {
		return fmt.Errorf("%w: its format is %d and this program reads up to %d: upgrade the program", ErrFormat, format, Format)
	}
	return nil
}

// Cells of an instance's row.
const (
	InstanceCell = "Instance" // [Meta]
	CustomCell   = "Custom"   // custom status
	OutputCell   = "Output"
	FailureCell  = "Failure"
	TailCell     = "Tail" // the last events, as of Meta.Tail
)

// Meta is what an instance's row says of it, besides the values in cells of
// their own. A row with Purged is what a purge left: a tombstone.
type Meta struct {
	Format    int                `json:"format"`
	ID        history.InstanceID `json:"id"`
	Name      string             `json:"name,omitempty"`
	Version   string             `json:"version,omitempty"`
	Status    history.Status     `json:"status,omitempty"`
	Execution int64              `json:"execution,omitempty"`
	Last      int64              `json:"last,omitempty"` // event
	Tail      int64              `json:"tail,omitempty"` // first event in the tail, 0 for none
	// Pruned is the last execution of those that were pruned. Some of the rows of
	// their histories may be there still.
	Pruned   int64              `json:"pruned,omitempty"`
	Request  string             `json:"request,omitempty"`
	Origin   string             `json:"origin,omitempty"` // id of the message that started it
	Born     string             `json:"born,omitempty"`   // tells it from others of its id
	Parent   *history.ParentRef `json:"parent,omitempty"`
	Tags     map[string]string  `json:"tags,omitempty"`
	Created  int64              `json:"created,omitempty"` // times are nanoseconds
	Updated  int64              `json:"updated,omitempty"`
	Finished int64              `json:"finished,omitempty"`
	Revision int64              `json:"revision,omitempty"`
	Parked   string             `json:"parked,omitempty"`
	ParkedAt int64              `json:"parkedAt,omitempty"`
	Timer    int64              `json:"timer,omitempty"` // due time in the key of its timers, 0 for none
	State    bool               `json:"state,omitempty"` // it has a row of durable state
	// Purging says that rows of it are being removed.
	Purging bool `json:"purging,omitempty"`
	// Purged is when it was removed; Requests are those that it had answered.
	Purged   int64    `json:"purged,omitempty"`
	Requests []string `json:"requests,omitempty"`
}

// AnswersCell is the cell of an instance's row with answers to orders, by id.
const AnswersCell = "Answers"

// Answer is what came of an order.
type Answer struct {
	Error string `json:"error,omitempty"` // class: "", exists, conflict, not found
	Text  string `json:"text,omitempty"`
	Time  int64  `json:"time"`
}

// Exists reports whether the row is that of an instance that clients see.
func (m *Meta) Exists() bool { return m != nil && m.Purged == 0 && !m.Purging }

// Instance is what clients see, without the values in other cells.
func (m *Meta) Instance() provider.Instance {
	i := provider.Instance{
		ID: m.ID, Name: m.Name, Version: m.Version, Status: m.Status,
		Execution: m.Execution, LastEvent: m.Last, Pruned: m.Pruned, RequestID: m.Request,
		Parent: m.Parent, Tags: m.Tags,
		Created: wire.FromNanos(m.Created), Updated: wire.FromNanos(m.Updated), Finished: wire.FromNanos(m.Finished),
		StatusRevision: m.Revision,
	}
	if m.ParkedAt != 0 {
		i.Parked = &provider.Parked{Reason: m.Parked, Since: wire.FromNanos(m.ParkedAt)}
	}
	return i
}

// Pending is the row of an instance that a message starts.
func Pending(m *provider.Message, born string, now time.Time) *Meta {
	s := m.Start
	at := wire.Nanos(now)
	return &Meta{
		Format: Format, ID: m.To, Name: s.Name, Version: s.Version, Status: history.StatusPending,
		Request: s.RequestID, Origin: m.ID, Born: born, Parent: s.Parent, Tags: s.Tags,
		Created: at, Updated: at,
	}
}

// ParseMeta reads the meta cell of an instance's row.
func ParseMeta(value []byte) (*Meta, error) {
	m := &Meta{}
	if err := json.Unmarshal(value, m); err != nil {
		return nil, fmt.Errorf("%w: instance: %w", ErrFormat, err)
	}
	return m, checkFormat(m.Format)
}

// EventsCell is the cell of a sealed segment with its events, as lines.
const EventsCell = "Events"

// StateCell is the cell with an instance's durable state, a JSON object.
const StateCell = "State"

// Cells of an inbox row. That of an activity which was given back, or failed where
// others run it, or has reached something there, has [ProgressCell].
const (
	MessagesCell = "Messages" // [wire.Message], a line each
	EnvelopeCell = "Envelope" // [Envelope]
)

// Envelope is what an inbox row says besides its messages.
type Envelope struct {
	Format int                `json:"format"`
	To     history.InstanceID `json:"to"`
	Sent   int64              `json:"sent"` // when it was first sent, service time
	// Arrived is when the row was inserted, service time, in one that its owner
	// changed since.
	Arrived int64 `json:"arrived,omitempty"`
	// Count is how many messages there are, and Done how many of them, from
	// the first, were consumed.
	Count int `json:"count"`
	Done  int `json:"done,omitempty"`
	// Start says that the first message starts an instance.
	Start bool `json:"start,omitempty"`
	// Born, of a row whose first message started the instance in the same
	// transaction, is what tells the instance from others of its id; Created
	// is the instance's time of creation.
	Born    string `json:"born,omitempty"`
	Created int64  `json:"created,omitempty"`
	// Requests are those that purged instances of its id had answered.
	Requests []string `json:"requests,omitempty"`
	// Parked is why the instance that the start made is parked, and since when.
	Parked   string `json:"parked,omitempty"`
	ParkedAt int64  `json:"parkedAt,omitempty"`
	// Order says that the row asks the owner for something.
	Order *Order `json:"order,omitempty"`
	// Returned is an activity that a host gives back unfinished, Reached one that a
	// former owner still runs.
	Returned *Returned `json:"returned,omitempty"`
	Reached  *Returned `json:"reached,omitempty"`
	// Of, of what a host says of an activity whose instance another owns, is what
	// tells that instance from others of its id.
	Of string `json:"of,omitempty"`
}

// Returned names an activity that a host does not run any more, or will not, or of
// which it says what it has reached.
type Returned struct {
	Execution int64 `json:"execution"`
	Event     int64 `json:"event"`
	Attempt   int   `json:"attempt"`
	// Queued says that it came from a work queue for anyone, Host from the one
	// of that host; without either a former owner had it.
	Queued bool   `json:"queued,omitempty"`
	Host   string `json:"host,omitempty"`
	// Due says that it is not to be offered before; 0 for at once.
	Due int64 `json:"due,omitempty"`
	// Deliveries are those made so far, of one from a work queue.
	Deliveries int `json:"deliveries,omitempty"`
}

// Order is something that only a partition's owner may do.
type Order struct {
	ID    string `json:"id"`
	Purge bool   `json:"purge,omitempty"` // otherwise: start the message, by its reuse policy
	Force bool   `json:"force,omitempty"`
	Born  string `json:"born,omitempty"` // of the instance to be purged; none for whichever there is
}

// ParseEnvelope reads an inbox row without its messages.
func ParseEnvelope(cells map[string][]byte) (e Envelope, err error) {
	if err := json.Unmarshal(cells[EnvelopeCell], &e); err != nil {
		return e, fmt.Errorf("%w: envelope: %w", ErrFormat, err)
	}
	return e, checkFormat(e.Format)
}

// Lines are messages as they stand in a cell.
func Lines(messages []*provider.Message) ([]byte, error) {
	var b []byte
	for _, m := range messages {
		line, err := wire.Encode(m)
		if err != nil {
			return nil, err
		}
		b = append(append(b, line...), '\n')
	}
	return b, nil
}

// WorkCell is the cell with [OpenWork], ProgressCell that with an activity's
// progress.
const (
	WorkCell     = "Work"
	ProgressCell = "Progress"
)

// OpenWork is the open work of an instance besides its timers: what its next owner
// must know to go on.
type OpenWork struct {
	Format     int                `json:"format"`
	ID         history.InstanceID `json:"id"`
	Born       string             `json:"born,omitempty"`
	Execution  int64              `json:"execution"`
	Name       string             `json:"name"`
	Version    string             `json:"version,omitempty"`
	Again      bool               `json:"again,omitempty"`
	Activities string             `json:"activities,omitempty"` // [spans.Set], encoded
	// Queued are those of the activities that were offered to other hosts.
	Queued string `json:"queued,omitempty"`
	// Running are those that one host has, by incarnation: what a former owner
	// still ran when it handed the partition over, and what was sent to the host
	// of its session.
	Running map[string]string `json:"running,omitempty"`
	// Purging says that the instance is being removed.
	Purging bool `json:"purging,omitempty"`
}

// WhoseCell is the cell of a row of progress with [Whose].
const WhoseCell = "Whose"

// Whose says whose progress a row holds.
type Whose struct {
	ID        history.InstanceID `json:"id"`
	Execution int64              `json:"execution"`
	Event     int64              `json:"event"`
	// From and Seq are those of the message in which a former owner of the instance
	// said it, if one did.
	From Sender `json:"from,omitempty"`
	Seq  int64  `json:"seq,omitempty"`
}

// TimersCell is the cell with [Timers].
const TimersCell = "Timers"

// TimerSet are the open timers of an instance.
type TimerSet struct {
	Format    int                `json:"format"`
	ID        history.InstanceID `json:"id"`
	Born      string             `json:"born,omitempty"`
	Execution int64              `json:"execution"`
	Name      string             `json:"name"`
	Version   string             `json:"version,omitempty"`
	Timers    []Timer            `json:"timers"`
}

// Timer is an open timer.
type Timer struct {
	Event int64           `json:"event"`
	Due   int64           `json:"due"`
	Fire  json.RawMessage `json:"fire"`
}

// OutboxCell is the cell with [Outgoing], as JSON.
const OutboxCell = "Outbox"

// Outgoing is what a commit sends by way of the outbox: one row, however much
// it is.
type Outgoing struct {
	Format int    `json:"format"`
	Parts  []Part `json:"parts"`
	// Blob holds the parcels of all parts, instead of the row.
	Blob string `json:"blob,omitempty"`
}

// Part is what goes to one partition, or to one work queue, in order.
type Part struct {
	To int `json:"to"`
	// First is the number of the first parcel; the others follow.
	First   int64    `json:"first,omitempty"`
	Parcels []Parcel `json:"parcels,omitempty"`
	// Queue is the work queue, and Offers what goes there.
	Queue  string  `json:"queue,omitempty"`
	Offers []Offer `json:"offers,omitempty"`
}

// Offer is an activity that is offered to other hosts: a message of a work queue.
type Offer struct {
	Format    int                `json:"format"`
	Partition int                `json:"partition"`
	ID        history.InstanceID `json:"id"`
	Born      string             `json:"born,omitempty"` // of the instance
	Execution int64              `json:"execution"`
	Event     int64              `json:"event"`
	Attempt   int                `json:"attempt"`
	Tag       string             `json:"tag,omitempty"`
	Session   string             `json:"session,omitempty"`
	Name      string             `json:"name"` // of the orchestration
	Version   string             `json:"version,omitempty"`
	// Scheduled is the event that scheduled it; without it the history is read.
	Scheduled json.RawMessage `json:"scheduled,omitempty"`
	// Deliveries and Progress are those made and stored so far.
	Deliveries int             `json:"deliveries,omitempty"`
	Progress   history.Payload `json:"progress,omitempty"`
	// Blob has the progress if that is too large for a message: see [ProgressBlob].
	Blob string `json:"blob,omitempty"`
	// Stored says that it stands in the activity's row of progress.
	Stored bool `json:"stored,omitempty"`
	// Again says that it may have been offered before: who takes it looks first
	// whether it is still open.
	Again bool `json:"again,omitempty"`
	// Host is the incarnation that has its session, if it is for that one alone.
	Host string `json:"host,omitempty"`
}

// SessionCell is the cell of a session's row with [Lease], as JSON.
const SessionCell = "Session"

// Lease says which host runs the activities of a session. It has no time in it:
// its host gives it up, or is dead.
type Lease struct {
	Format  int    `json:"format"`
	Session string `json:"session"`
	Tag     string `json:"tag,omitempty"`
	Host    string `json:"host"` // incarnation
}

// ParseLease reads a session's row.
func ParseLease(cells map[string][]byte) (l Lease, err error) {
	if err := Parse(cells[SessionCell], &l); err != nil {
		return l, err
	}
	return l, checkFormat(l.Format)
}

// Parcel is one row of an inbox to be inserted: messages for one instance.
type Parcel struct {
	To    history.InstanceID `json:"to"`
	Sent  int64              `json:"sent"`
	Count int                `json:"count"` // messages
	// Messages are all of them, or only the first, without its data, where
	// Blob holds them and the first is a start.
	Messages []wire.Message `json:"messages,omitempty"`
	Blob     string         `json:"blob,omitempty"`
}

// Cells of the notice rows.
const (
	NumbersCell = "Numbers" // [Numbers] by partition
	IDsCell     = "IDs"     // [IDs]
)

// IDs are hashes of ids of consumed messages, see [Hash].
type IDs struct {
	Since int64    `json:"since"`
	IDs   []string `json:"ids"`
}

// Cells of a dead letter.
const (
	LetterCell = "Letter"
)

// Letter is a message that could not be applied.
type Letter struct {
	Format int    `json:"format"`
	Reason string `json:"reason"`
	Time   int64  `json:"time"`
	// Queue, ID, Sent and Body are of a message that was in a work queue. The row
	// of such a letter stands beside those of the hosts.
	Queue string `json:"queue,omitempty"`
	ID    string `json:"id,omitempty"`
	Sent  int64  `json:"sent,omitempty"`
	Body  []byte `json:"body,omitempty"`
}

// IndexCells are the cells of an instance's row in the index.
func IndexCells(m *Meta) map[string][]byte {
	return map[string][]byte{IndexCell: wire.MustJSON(Indexed{m.ID, m.Name})}
}

// IndexCell is the cell of a row of the index with [Indexed], as JSON.
const IndexCell = "Indexed"

// Indexed is what a row of the index says of an instance. The name of the
// orchestration is that of the instance's own row: whatever changes that changes
// both. A tombstone has none.
type Indexed struct {
	ID   history.InstanceID `json:"id"`
	Name string             `json:"name,omitempty"`
}

// Parse reads a cell that is JSON as it stands.
func Parse(cell []byte, into any) error {
	if err := json.Unmarshal(cell, into); err != nil {
		return fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return nil
}

// ParseIndexed reads a row of the index.
func ParseIndexed(cells map[string][]byte) (x Indexed, err error) {
	err = Parse(cells[IndexCell], &x)
	return x, err
}

// RequestOf is what a tombstone remembers of a start: the request, or else the
// message.
func RequestOf(request, message string) string {
	if request != "" {
		return request
	}
	return "message:" + message
}
