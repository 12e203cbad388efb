package verify

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// Report is what an audit found. It prints as text ([Report.WriteText]) and
// encodes as JSON.
type Report struct {
	Started     time.Time              `json:"started"`
	Instances   int                    `json:"instances"`
	Statuses    map[history.Status]int `json:"statuses"`
	Counts      Counts                 `json:"counts"`
	DeadLetters int                    `json:"deadLetters"`
	// Busy instances did not hold still: of them only the histories were
	// judged.
	Busy int `json:"busy"`
	// Effects is what [Effects] counted, nil if it was not asked.
	Effects *EffectCounts `json:"effects,omitempty"`

	Findings     []Finding `json:"findings"`
	Notes        []Finding `json:"notes"`
	Omitted      int       `json:"omitted"`      // findings beyond Options.MaxFindings, seen once
	OmittedNotes int       `json:"omittedNotes"` // notes beyond it

	options    Options
	activities map[history.ActivityID]activityRecord
	pruned     map[history.InstanceID]int64 // executions, of those with any
}

// Counts are what the histories hold.
type Counts struct {
	Executions int64          `json:"executions"`
	Pruned     int64          `json:"pruned"` // executions whose histories were removed
	Events     int64          `json:"events"`
	Activities ActivityCounts `json:"activities"`
	Inline     int64          `json:"inline"` // activities run inside a turn
	Timers     int64          `json:"timers"`
	Raised     int64          `json:"raised"` // external events
	Children   int64          `json:"children"`
}

// ActivityCounts say what became of the scheduled activities.
type ActivityCounts struct {
	Scheduled int64 `json:"scheduled"`
	Completed int64 `json:"completed"`
	Failed    int64 `json:"failed"`
	Cancelled int64 `json:"cancelled"`
	Closed    int64 `json:"closed"` // by the end of their execution
	Open      int64 `json:"open"`
	Retried   int64 `json:"retried"` // attempts after the first
}

// activityRecord is what [Effects] must know of an activity.
type activityRecord struct {
	name      string
	completed bool
}

// OK reports whether nothing is wrong.
func (r *Report) OK() bool { return len(r.Findings) == 0 && r.Omitted == 0 }

// found and noted keep findings and notes up to Options.MaxFindings.
func (r *Report) found(f Finding) {
	if len(r.Findings) < r.options.MaxFindings {
		r.Findings = append(r.Findings, f)
	} else {
		r.Omitted++
	}
}

func (r *Report) noted(f Finding) {
	if len(r.Notes) < r.options.MaxFindings {
		r.Notes = append(r.Notes, f)
	} else {
		r.OmittedNotes++
	}
}

// add takes an examination in.
func (r *Report) add(x *examination) {
	r.Instances++
	r.Statuses[x.row.Status]++
	if x.busy {
		r.Busy++
	}
	if x.row.Pruned > 0 {
		r.pruned[x.id] = x.row.Pruned
		r.Counts.Pruned += x.row.Pruned
	}
	for _, e := range x.executions {
		r.Counts.add(e.counts)
		for id, a := range e.scheduled {
			if slices.Contains(r.options.Effects, a.name) {
				r.activities[history.ActivityID{Instance: x.id, Execution: e.number, Event: id}] = activityRecord(a)
			}
		}
	}
}

func (c *Counts) add(more Counts) {
	c.Executions++
	c.Events += more.Events
	c.Inline += more.Inline
	c.Timers += more.Timers
	c.Raised += more.Raised
	c.Children += more.Children
	a, b := &c.Activities, more.Activities
	a.Scheduled += b.Scheduled
	a.Completed += b.Completed
	a.Failed += b.Failed
	a.Cancelled += b.Cancelled
	a.Closed += b.Closed
	a.Retried += b.Retried
	a.Open = a.Scheduled - a.Completed - a.Failed - a.Cancelled - a.Closed
}

// WriteText prints the report as a table.
func (r *Report) WriteText(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, value any, details string) { fmt.Fprintf(table, "%s\t%v\t%s\n", name, value, details) }
	row("instances", r.Instances, r.statusText())
	row("executions", r.Counts.Executions, some("%d more were pruned", r.Counts.Pruned))
	row("events", r.Counts.Events, "")
	a := r.Counts.Activities
	row("activities", a.Scheduled, some("%d completed", a.Completed, "%d failed", a.Failed, "%d cancelled", a.Cancelled,
		"%d closed by the end", a.Closed, "%d open", a.Open, "%d attempts after the first", a.Retried, "%d more inline", r.Counts.Inline))
	row("timers", r.Counts.Timers, "")
	row("external events", r.Counts.Raised, "")
	row("children", r.Counts.Children, "")
	row("dead letters", r.DeadLetters, "")
	if r.Busy > 0 {
		row("busy", r.Busy, "only the histories of these instances were judged")
	}
	if e := r.Effects; e != nil {
		row("effects", e.Effects, some("of %d completed activities", e.Completed, "%d of activities that did not complete", e.Other))
		row("runs above one", e.Repeats, "found their effect applied")
	}
	row("findings", len(r.Findings)+r.Omitted, "")
	row("notes", len(r.Notes)+r.OmittedNotes, "")
	if err := table.Flush(); err != nil {
		return err
	}
	list(w, "findings", r.Findings, r.Omitted)
	list(w, "notes", r.Notes, r.OmittedNotes)
	verdict := "the audit passed"
	if !r.OK() {
		verdict = "THE AUDIT FAILED"
	}
	_, err := fmt.Fprintf(w, "\n%s\n", verdict)
	return err
}

func (r *Report) statusText() string {
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(r.Statuses)) {
		parts = append(parts, fmt.Sprintf("%d %s", r.Statuses[status], status))
	}
	return strings.Join(parts, ", ")
}

func list(w io.Writer, title string, findings []Finding, omitted int) {
	if len(findings) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	for _, f := range findings {
		fmt.Fprintf(w, "  %-4s %s: %s\n", f.Rule, f.Place(), f.What)
		if f.Next != "" {
			fmt.Fprintf(w, "       next: %s\n", f.Next)
		}
	}
	if omitted > 0 {
		fmt.Fprintf(w, "  and %d more\n", omitted)
	}
}

// some joins those of the texts whose number is not zero.
func some(pairs ...any) string {
	var parts []string
	for i := 0; i+1 < len(pairs); i += 2 {
		if n := pairs[i+1].(int64); n != 0 {
			parts = append(parts, fmt.Sprintf(pairs[i].(string), n))
		}
	}
	return strings.Join(parts, ", ")
}
