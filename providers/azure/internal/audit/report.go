package audit

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// Options say what to audit. The zero value is good for any hub at any time.
type Options struct {
	// Served says that hosts live and nothing is being handed over: a partition
	// that nobody serves is then a finding (Z12), not a note.
	Served bool
	// OrphanAfter is how long a message waits for an instance that does not
	// exist. Default 24 h.
	OrphanAfter time.Duration
	// OldBlob is from which age on a blob that no row names is noted. Default
	// [DefaultAge].
	OldBlob time.Duration
	// Since is an earlier report of the same hub: epochs must not have fallen.
	Since *Report
	// MaxFindings bounds the findings, and the notes, that are kept. Default
	// 1,000.
	MaxFindings int
}

// DefaultAge is how old a blob must be that no row names to be noted, and
// collected: many times longer than a commit takes from writing a blob to writing
// its row.
const DefaultAge = 24 * time.Hour

func (o Options) withDefaults() Options {
	o.OrphanAfter = cmp.Or(max(o.OrphanAfter, 0), 24*time.Hour)
	o.OldBlob = cmp.Or(max(o.OldBlob, 0), DefaultAge)
	o.MaxFindings = cmp.Or(max(o.MaxFindings, 0), 1_000)
	return o
}

// Invariant is the number of an invariant of the package comment.
type Invariant string

// The invariants.
const (
	OneOwner     Invariant = "Z1"
	Whole        Invariant = "Z2"
	CommitFirst  Invariant = "Z3"
	ExactlyOnce  Invariant = "Z4"
	Consumption  Invariant = "Z5"
	Histories    Invariant = "Z6"
	Timers       Invariant = "Z7"
	Recovery     Invariant = "Z8"
	WakeUps      Invariant = "Z9"
	Purges       Invariant = "Z10"
	Transactions Invariant = "Z11"
	Served       Invariant = "Z12"
	Blobs        Invariant = "Z13"
)

// Finding is a broken invariant, or a note.
type Finding struct {
	Invariant Invariant          `json:"invariant"`
	Partition int                `json:"partition"` // -1 for the hub as a whole
	Instance  history.InstanceID `json:"instance,omitempty"`
	Row       string             `json:"row,omitempty"` // its key, if it is about one
	What      string             `json:"what"`
	// Next is what to do about it; notes have none.
	Next string `json:"next,omitempty"`
}

// Place is what is wrong, with the partition and row in which it is.
func (f Finding) Place() string {
	s := f.What
	if f.Row != "" {
		s = "row " + f.Row + ": " + s
	}
	if f.Partition >= 0 {
		s = fmt.Sprintf("partition %d, ", f.Partition) + s
	}
	return s
}

func (f Finding) String() string {
	s := string(f.Invariant) + " "
	if f.Instance != "" {
		s += fmt.Sprintf("instance %q, ", f.Instance)
	}
	s += f.Place()
	if f.Next != "" {
		s += " (" + f.Next + ")"
	}
	return s
}

// next is what to do about a broken invariant.
func (i Invariant) next() string {
	switch i {
	case OneOwner, Transactions:
		return "stop the hosts of this hub, keep a copy of its table, and report it"
	case CommitFirst, ExactlyOnce, Consumption:
		return "keep a copy of the rows and report it; the instance that waits can be cancelled, or purged and started again"
	case Timers, WakeUps:
		return "restart the host that serves the partition, which reads what is outstanding anew; if it stays, keep a copy of the rows and report it"
	case Recovery:
		return "upgrade the hosts if a newer program wrote the row; otherwise keep a copy and delete it, and restart the host that serves the partition"
	case Served:
		return "see the logs of the hosts, and that they can reach the account; start a host if none lives"
	case Blobs:
		return "restore the blob from a backup or by undeleting it, or purge the instance"
	case Whole, Histories, Purges:
	}
	return "keep a copy of the rows and report it; the instance can be purged and started again"
}

// Report is what an audit found.
type Report struct {
	Hub        string        `json:"hub"`
	Generation string        `json:"generation"`
	Epochs     map[int]int64 `json:"epochs"` // by partition
	Hosts      int           `json:"hosts"`
	Instances  int           `json:"instances"`
	Tombstones int           `json:"tombstones"`
	Messages   int           `json:"messages"` // rows of inboxes
	OnTheirWay int           `json:"onTheirWay"`
	Blobs      int           `json:"blobs"`
	Orphans    int           `json:"orphans"` // blobs that no row names, of any age
	// Suspects looked wrong in passing, and were read again by themselves.
	Suspects int `json:"suspects"`
	// Moving instances, numbers and blobs did not hold still: nothing is said
	// of them.
	Moving int `json:"moving"`

	Findings []Finding `json:"findings"`
	Notes    []Finding `json:"notes"`
	Omitted  int       `json:"omitted"` // findings and notes beyond Options.MaxFindings

	most int
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 }

func (r *Report) found(all ...Finding) {
	for _, f := range all {
		f.Next = f.Invariant.next()
		r.keep(&r.Findings, f)
	}
}

func (r *Report) noted(f Finding) { r.keep(&r.Notes, f) }

func (r *Report) keep(list *[]Finding, f Finding) {
	switch {
	case slices.Contains(*list, f):
	case len(*list) < r.most:
		*list = append(*list, f)
	default:
		r.Omitted++
	}
}

// Tell calls tell for each finding, with what to do next, and for each note, with
// no next step.
func (r *Report) Tell(tell func(rule string, instance history.InstanceID, what, next string)) {
	for _, f := range append(r.Findings, r.Notes...) {
		tell(string(f.Invariant), f.Instance, f.Place(), f.Next)
	}
	if r.Omitted > 0 {
		tell("Z", "", fmt.Sprintf("%d further findings and notes were not kept", r.Omitted), "")
	}
}
