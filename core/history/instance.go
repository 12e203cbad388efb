package history

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// InstanceID names an instance within a hub. It is chosen by whoever starts
// the instance, is case-sensitive, and may hold any printable Unicode text of
// 1 to [MaxInstanceIDLength] bytes.
type InstanceID string

// ChildSeparator stands between a parent's id and the derived part of a
// child's id. Ids chosen by users must not contain it, so that a derived id
// never meets a chosen one.
const ChildSeparator = "::"

// Validate reports whether the id may be given to a new instance by a user.
func (id InstanceID) Validate() error {
	if err := validText("instance id", string(id), MaxInstanceIDLength); err != nil {
		return err
	}
	if strings.Contains(string(id), ChildSeparator) {
		return fmt.Errorf("instance id %s contains %q, which is reserved for the ids of children: use another separator", quote(string(id)), ChildSeparator)
	}
	return nil
}

// ValidateName reports whether a name may be used for what (an orchestration,
// an activity, an event, …). Names hold printable Unicode text of 1 to
// [MaxNameLength] bytes.
func ValidateName(what, name string) error {
	return validText(what+" name", name, MaxNameLength)
}

// ValidateTags reports whether an instance may have these tags: at most [MaxTags],
// each with a key that is a name, and a value of at most [MaxNameLength] bytes. The
// error is the same for the same tags.
func ValidateTags(tags map[string]string) error {
	if len(tags) > MaxTags {
		return &LimitError{What: "the tags of an instance", Size: len(tags), Limit: MaxTags, Unit: "tags"}
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		if err := ValidateName("tag", key); err != nil {
			return err
		}
		if size := len(tags[key]); size > MaxNameLength {
			return &LimitError{What: "the value of tag " + quote(key), Size: size, Limit: MaxNameLength, Unit: "bytes"}
		}
	}
	return nil
}

// ValidatePayload reports whether an encoded payload keeps the limit of
// [MaxPayloadBytes]. The error says what it is, its size, and the limit.
func ValidatePayload(what string, size int) error {
	if size > MaxPayloadBytes {
		return &LimitError{What: what, Size: size, Limit: MaxPayloadBytes, Unit: "bytes",
			Hint: "keep the data in a store of its own and pass a reference"}
	}
	return nil
}

// LimitError says what exceeded which limit. Callers find it with errors.As.
type LimitError struct {
	What  string // what was too large, e.g. `input of activity "charge"`
	Size  int    // how large it was
	Limit int    // the limit
	Unit  string // the unit of both, e.g. "bytes"
	Hint  string // what to do about it
}

func (e *LimitError) Error() string {
	s := fmt.Sprintf("%s is %d %s, more than the limit of %d", e.What, e.Size, e.Unit, e.Limit)
	if e.Hint != "" {
		s += ": " + e.Hint
	}
	return s
}

func validText(what, s string, limit int) error {
	if s == "" {
		return fmt.Errorf("%s is empty", what)
	}
	if len(s) > limit {
		return &LimitError{What: what + " " + quote(s), Size: len(s), Limit: limit, Unit: "bytes", Hint: "choose a shorter one"}
	}
	if !utf8.ValidString(s) {
		return fmt.Errorf("%s %s is not valid UTF-8", what, quote(s))
	}
	for i, r := range s {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%s %s contains the unprintable character %U at byte %d", what, quote(s), r, i)
		}
	}
	return nil
}

// quote prints a name that may be hostile: escaped, and short.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%+q…", s[:most])
	}
	return fmt.Sprintf("%+q", s)
}

// Status is where an instance stands.
type Status string

// The life of an instance: Pending until its first turn is committed, Running
// until an event ends it; Completed, Failed and Cancelled are final.
// Terminated and Suspended are reserved in format 1.
const (
	StatusPending    Status = "pending"
	StatusRunning    Status = "running"
	StatusSuspended  Status = "suspended"
	StatusCompleted  Status = "completed"
	StatusFailed     Status = "failed"
	StatusCancelled  Status = "cancelled"
	StatusTerminated Status = "terminated"
)

// Final reports whether an instance with this status has ended for good.
func (s Status) Final() bool {
	switch s {
	case StatusCompleted, StatusFailed, StatusCancelled, StatusTerminated:
		return true
	default:
		return false
	}
}

// ParentRef names the event by which a parent scheduled a child: where the
// child's outcome is to be sent.
type ParentRef struct {
	Instance  InstanceID `json:"instance"`
	Execution int64      `json:"execution"`
	Event     int64      `json:"event"`
	Name      string     `json:"name,omitempty"` // of the parent orchestration
	Version   string     `json:"version,omitempty"`
	// Seed is that of the execution, which tells it from the one of the same number
	// that an instance has which is started under the id when this one is purged.
	Seed string `json:"seed,omitempty"`
}

// ActivityID names one scheduled activity for ever: the event that scheduled
// it, in an execution of an instance. All its attempts share it.
type ActivityID struct {
	Instance  InstanceID `json:"instance"`
	Execution int64      `json:"execution"`
	Event     int64      `json:"event"`
}

func (id ActivityID) String() string {
	return fmt.Sprintf("%s/%d/%d", id.Instance, id.Execution, id.Event)
}
