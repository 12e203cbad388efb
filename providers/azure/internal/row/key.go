package row

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
)

// Format is what this program writes.
const Format = 1

const (
	// maxEscaped is the longest escaped id in a key; longer ones are cut and
	// end with a hash. Keys hold one id and at most 60 characters more.
	maxEscaped = 380
	cutHash    = 2 + 32
	cutEscaped = maxEscaped - cutHash

	// Management is the partition key of the hub record and of host rows.
	Management = "~hub"
	// HubRecord is the row key of the hub record.
	HubRecord = "hub"
	// HostPrefix begins the row keys of hosts; their incarnation follows.
	HostPrefix = "host:"
	// SessionPrefix begins the row keys of sessions; see [Session].
	SessionPrefix = "session:"
	// Head is the row key of a partition's owner row.
	Head = "head"
)

// Session is the row key of a session of activities with a tag.
func Session(name, tag string) string {
	return SessionPrefix + Escape(history.InstanceID(name+"\x00"+tag))
}

// Partition is the partition key of a runtime partition.
func Partition(generation string, number int) string {
	return fmt.Sprintf("%sp%03d", generation, number)
}

// The ranges of a partition's rows, by prefix.
const (
	deadPrefix     = "d:"
	historyPrefix  = "h:"
	instancePrefix = "i:"
	statePrefix    = "k:"
	inboxPrefix    = "m:"
	noticePrefix   = "n:"
	outboxPrefix   = "o:"
	progressPrefix = "q:"
	workPrefix     = "r:"
	timerPrefix    = "t:"
	openPrefix     = "x:o:"
	endedPrefix    = "x:e:"
	purgedPrefix   = "x:p:"

	outstandingEnd = "u"
)

const hexDigits = "0123456789abcdef"

// Escape writes an id with letters that keys, blob names and URLs take as they
// are. It is a bijection onto its image, and keeps the order of ids: a byte that
// does not stand for itself becomes a mark and two hex digits, and the mark
// sorts where the byte does. An id of which that is too long is cut and ends
// with a hash of the whole: such ids sort with their neighbours, roughly.
func Escape(id history.InstanceID) string {
	var b strings.Builder
	b.Grow(len(id) + 16)
	for i := range len(id) {
		c := id[i]
		switch {
		case c >= '0' && c <= '9', c >= 'A' && c <= 'Z', c >= 'a' && c <= 'z', c == '-':
			b.WriteByte(c)
			continue
		case c < '-':
			b.WriteByte('!')
		case c < '0': // . and /
			b.WriteByte('.')
		case c < 'A':
			b.WriteByte('=')
		case c < 'a':
			b.WriteByte('_')
		default:
			b.WriteByte('~')
		}
		b.WriteByte(hexDigits[c>>4])
		b.WriteByte(hexDigits[c&15])
	}
	if b.Len() <= maxEscaped {
		return b.String()
	}
	sum := sha256.Sum256([]byte(id))
	return b.String()[:cutEscaped] + "~~" + hex.EncodeToString(sum[:16]) // ~ is otherwise followed by a digit
}

// number writes a number so that it sorts.
func number(n int64) string { return fmt.Sprintf("%016x", uint64(n)) }

func parseNumber(s string) (int64, error) {
	n, err := strconv.ParseUint(s, 16, 64)
	return int64(n), err
}

// Sequence is a number that grows with every epoch of a partition's owner, and
// within it, so that nobody has to remember the last one.
func Sequence(epoch int64, n uint32) int64 { return epoch<<32 | int64(n) }

// Instance is the key of an instance's row.
func Instance(id history.InstanceID) string { return instancePrefix + Escape(id) }

// InstanceEscaped is the key of an instance's row, by its escaped id.
func InstanceEscaped(escaped string) string { return instancePrefix + escaped }

// EscapedOf is the escaped id in the key of a row of open work.
func EscapedOf(key string) string {
	parts := strings.Split(key, ":")
	switch {
	case len(parts) < 2:
		return ""
	case KindOf(key) == KindTimers:
		return parts[len(parts)-1]
	}
	return parts[1]
}

// Segment is the key of a sealed segment of a history that begins with an event.
func Segment(id history.InstanceID, execution, first int64) string {
	return fmt.Sprintf("%s%s:%08x:%08x", historyPrefix, Escape(id), execution, first)
}

// State is the key of an instance's durable state.
func State(id history.InstanceID) string { return statePrefix + Escape(id) }

// Work is the key of an instance's open activities.
func Work(id history.InstanceID) string { return workPrefix + Escape(id) }

// Progress is the key of an open activity's progress.
func Progress(id history.InstanceID, event int64) string {
	return fmt.Sprintf("%s%s:%08x", progressPrefix, Escape(id), event)
}

// Timers is the key of an instance's timers, of which the earliest is due then.
func Timers(due int64, id history.InstanceID) string {
	return timerPrefix + number(due) + ":" + Escape(id)
}

// Place is a part of the index of instances, in the order of their ids: those
// that are open, or those that ended with one status.
type Place string

// PlaceOf is where instances of a status stand in the index.
func PlaceOf(s history.Status) Place {
	if s.Final() {
		return Place(endedPrefix + string(s) + ":")
	}
	return openPrefix
}

// Places are all parts of the index of instances.
func Places() []Place {
	return []Place{
		openPrefix, PlaceOf(history.StatusCompleted), PlaceOf(history.StatusFailed),
		PlaceOf(history.StatusCancelled), PlaceOf(history.StatusTerminated),
	}
}

// Key is the key of an instance in the index.
func (p Place) Key(id history.InstanceID) string { return string(p) + Escape(id) }

// Range are the rows of instances whose ids begin with prefix and come after
// another.
func (p Place) Range(prefix string, after history.InstanceID) Range {
	return ofIDs(string(p), prefix, after)
}

// Open is the key of an instance in the index of those that are open.
func Open(id history.InstanceID) string { return Place(openPrefix).Key(id) }

// Purged is the key of a tombstone in the index of those.
func Purged(at int64, id history.InstanceID) string {
	return purgedPrefix + number(at) + ":" + Escape(id)
}

// PurgedBefore are the tombstones of purges before a time.
func PurgedBefore(at int64) Range { return Range{purgedPrefix, purgedPrefix + number(at)} }

// Outbox is the key of a row of the outbox.
func Outbox(seq int64) string { return outboxPrefix + number(seq) }

// FromPartitions is the key of the row that remembers which numbers of
// partitions were consumed.
const FromPartitions = noticePrefix + "p"

// RecentIDs is the key of a row of ids of messages that were consumed lately.
func RecentIDs(seq int64) string { return noticePrefix + "r" + number(seq) }

// Dead is the key of a dead letter.
func Dead(time, n int64) string { return deadPrefix + number(time) + ":" + number(n) }

// Blob begins the names of an instance's blobs; the rest is unique to the
// attempt to write it.
func Blob(id history.InstanceID, unique string) string {
	return "payload/" + Escape(id) + "/" + unique
}

// parcelMark begins the unique part of the names of blobs of parcels.
const parcelMark = "parcel-"

// ParcelBlob begins the name of a blob that a row of the outbox names, and then
// a row of the inbox as well. Which of them goes first is not known, so nobody
// removes such a blob with a row: the collection of orphans does.
func ParcelBlob(id history.InstanceID, unique string) string { return Blob(id, parcelMark+unique) }

// Shared reports whether a blob is that of a parcel.
func Shared(blob string) bool {
	return strings.HasPrefix(blob[strings.LastIndexByte(blob, '/')+1:], parcelMark)
}

// progressMark begins the unique part of the names of blobs of progress.
const progressMark = "progress-"

// ProgressBlob names a blob with the progress of an activity that is offered in a
// work queue. The queue's message names it, and no row does: it is needed while the
// activity is open.
func ProgressBlob(id history.InstanceID, execution, event int64, unique string) string {
	return Blob(id, fmt.Sprintf("%s%d-%d-%s", progressMark, execution, event, unique))
}

// ProgressIn says of a blob of progress which row of open work has its activity, if
// that is open.
func ProgressIn(blob string) (work string, execution, event int64, ok bool) {
	parts := strings.Split(blob, "/")
	if len(parts) != 3 || !strings.HasPrefix(parts[2], progressMark) {
		return "", 0, 0, false
	}
	n, err := fmt.Sscanf(parts[2], progressMark+"%d-%d-", &execution, &event)
	return workPrefix + parts[1], execution, event, n == 2 && err == nil
}

// Sender is who inserts rows into an inbox: a client incarnation, or a
// partition, which may be the inbox's own.
type Sender string

// PartitionSender is a partition as a sender.
func PartitionSender(from int) Sender { return Sender(fmt.Sprintf("p%03d", from)) }

// ClientSender is the sender that an incarnation of a client is. Incarnations
// sort by the time they began.
func ClientSender(incarnation string) Sender { return Sender("c" + incarnation) }

// Partition is the number of the partition that the sender is.
func (s Sender) Partition() (from int, ok bool) {
	if len(s) != 4 || s[0] != 'p' {
		return 0, false
	}
	from, err := strconv.Atoi(string(s[1:]))
	return from, err == nil
}

// Client reports whether the sender is a client.
func (s Sender) Client() bool { return strings.HasPrefix(string(s), "c") }

// Message is the key of a row of the inbox.
func Message(id history.InstanceID, from Sender, seq int64) string {
	return inboxPrefix + Escape(id) + ":" + string(from) + ":" + number(seq)
}

// ParseMessage takes a key of the inbox apart. The receiver stands in the row.
func ParseMessage(key string) (from Sender, seq int64, err error) {
	parts := strings.Split(key, ":")
	if len(parts) != 4 || parts[0]+":" != inboxPrefix {
		return "", 0, fmt.Errorf("%q is no key of an inbox", key)
	}
	seq, err = parseNumber(parts[3])
	return Sender(parts[2]), seq, err
}

// Kind is what a row is, told by its key.
type Kind byte

// The kinds of rows, by the letter with which their keys begin.
const (
	KindHead     Kind = 0
	KindDead     Kind = 'd'
	KindHistory  Kind = 'h'
	KindInstance Kind = 'i'
	KindState    Kind = 'k'
	KindInbox    Kind = 'm'
	KindNotice   Kind = 'n'
	KindOutbox   Kind = 'o'
	KindProgress Kind = 'q'
	KindWork     Kind = 'r'
	KindTimers   Kind = 't'
	KindIndex    Kind = 'x'
	KindUnknown  Kind = '?'
)

// KindOf tells what a row is.
func KindOf(key string) Kind {
	if key == Head {
		return KindHead
	}
	if len(key) > 2 && key[1] == ':' {
		switch k := Kind(key[0]); k {
		case KindDead, KindHistory, KindInstance, KindState, KindInbox, KindNotice, KindOutbox, KindProgress, KindWork, KindTimers, KindIndex:
			return k
		case KindHead, KindUnknown: // no prefixes
		}
	}
	return KindUnknown
}

// Range is the keys from From up to, and without, To.
type Range struct{ From, To string }

func prefixed(prefix string) Range {
	last := len(prefix) - 1
	return Range{prefix, prefix[:last] + string(prefix[last]+1)}
}

// Outstanding is what the owner of a partition reads when it takes over.
func Outstanding() Range { return Range{inboxPrefix, outstandingEnd} }

// OutstandingBefore is likewise, without timers of which the earliest of an
// instance is due at a time or later.
func OutstandingBefore(due int64) Range { return Range{inboxPrefix, timerPrefix + number(due)} }

// TimersDue are the timers of instances of which the earliest is due in a time,
// its end not included.
func TimersDue(from, until int64) Range {
	return Range{timerPrefix + number(from), timerPrefix + number(until)}
}

// Inbox is the inbox of the whole partition.
func Inbox() Range { return prefixed(inboxPrefix) }

// InboxOf is the inbox of one instance.
func InboxOf(id history.InstanceID) Range { return prefixed(inboxPrefix + Escape(id) + ":") }

// HistoryOf is the sealed history of one instance, all executions.
func HistoryOf(id history.InstanceID) Range { return prefixed(historyPrefix + Escape(id) + ":") }

// ExecutionOf is the sealed history of one execution.
func ExecutionOf(id history.InstanceID, execution int64) Range {
	return prefixed(fmt.Sprintf("%s%s:%08x:", historyPrefix, Escape(id), execution))
}

// ExecutionsTo is the sealed history of the executions of one instance up to one.
func ExecutionsTo(id history.InstanceID, last int64) Range {
	prefix := historyPrefix + Escape(id) + ":"
	return Range{prefix, fmt.Sprintf("%s%08x", prefix, last+1)}
}

// ProgressOf is the progress of the open activities of one instance.
func ProgressOf(id history.InstanceID) Range { return prefixed(progressPrefix + Escape(id) + ":") }

// Instances are the rows of instances whose ids begin with prefix and come
// after another.
func Instances(prefix string, after history.InstanceID) Range {
	return ofIDs(instancePrefix, prefix, after)
}

// ofIDs are the keys that begin with kind and go on with ids that begin with
// prefix and come after another.
func ofIDs(kind, prefix string, after history.InstanceID) Range {
	r := prefixed(kind)
	if prefix != "" {
		if e := Escape(history.InstanceID(prefix)); len(e) < cutEscaped {
			r = prefixed(kind + e)
		}
	}
	if after != "" {
		from := Escape(after) + "!" // no id goes on with less
		r.From = max(r.From, kind+from[:min(len(from), cutEscaped)])
	}
	return r
}

// DeadLetters are the dead letters of a partition.
func DeadLetters() Range { return prefixed(deadPrefix) }

// Unordered reports whether the id at the end of a key is so long that others
// which share its beginning may be cut: they come in no order.
func Unordered(key string) bool { return len(key)-1-strings.LastIndexByte(key, ':') > cutEscaped }

// Notices are the notice rows of a partition.
func Notices() Range { return prefixed(noticePrefix) }

// Only is one row.
func Only(key string) Range { return Range{key, key + "!"} }

// QueuePart writes a tag as a part of a queue's name: lower-case letters, digits
// and single dashes stand for themselves, everything else is hashed.
func QueuePart(tag string) string {
	plain := len(tag) <= 24 && tag != "" && !strings.HasPrefix(tag, "x-") && !strings.Contains(tag, "--") && tag[0] != '-' && tag[len(tag)-1] != '-'
	for i := range len(tag) {
		c := tag[i]
		plain = plain && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if plain {
		return tag
	}
	sum := sha256.Sum256([]byte(tag))
	return "x-" + hex.EncodeToString(sum[:12])
}
