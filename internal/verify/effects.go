package verify

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/ledger"
)

// EffectCounts are what a ledger holds.
type EffectCounts struct {
	Completed int64 `json:"completed"` // activities, by the store
	Effects   int64 `json:"effects"`
	Other     int64 `json:"other"`   // effects of activities that did not complete, or not yet
	Repeats   int64 `json:"repeats"` // runs that found their effect applied
}

// Ledger reads the rows of the ledger in a file, for [Effects].
func Ledger(path string) iter.Seq2[ledger.Row, error] { return ledger.Read(path) }

// Effects holds the effects in a ledger against the activities that the audit
// of a store saw, and adds what it finds to the report (V18). The activities
// are those named in [Options.Effects], of the instances of [Options.Prefix];
// other rows are passed over. The ledger is read after the store: an effect comes before its completion.
func Effects(r *Report, rows iter.Seq2[ledger.Row, error]) error {
	e := &effects{report: r, byKey: map[string]history.ActivityID{}, byActivity: map[history.ActivityID]string{}}
	r.Effects = &e.counts
	for row, err := range rows {
		if err != nil {
			return fmt.Errorf("verify: %w", err)
		}
		if strings.HasPrefix(row.Instance, r.options.Prefix) && slices.Contains(r.options.Effects, row.Activity) {
			e.row(row)
		}
	}
	e.completed()
	return nil
}

type effects struct {
	report     *Report
	counts     EffectCounts
	byKey      map[string]history.ActivityID
	byActivity map[history.ActivityID]string
}

func (e *effects) finding(id history.ActivityID, what string, args ...any) {
	e.report.found(Finding{
		Rule: OneEffect, Instance: id.Instance, Execution: id.Execution, Event: id.Event,
		What: fmt.Sprintf(what, args...), Next: OneEffect.next(),
	})
}

// row takes a row of the ledger in.
func (e *effects) row(row ledger.Row) {
	id := history.ActivityID{Instance: history.InstanceID(row.Instance), Execution: row.Execution, Event: row.Event}
	before, seen := e.byKey[row.Key]
	if row.Repeat {
		e.counts.Repeats++
		switch {
		case !seen:
			e.finding(id, "key %q was repeated by process %d before it had an effect", row.Key, row.PID)
		case before != id:
			e.finding(id, "key %q was used by process %d, and it belongs to activity %s", row.Key, row.PID, before)
		}
		return
	}
	e.counts.Effects++
	if seen {
		e.finding(id, "the effect of key %q was applied twice, the second time by process %d in attempt %d", row.Key, row.PID, row.Attempt)
		return
	}
	e.byKey[row.Key] = id
	if key, other := e.byActivity[id]; other {
		e.finding(id, "the activity had an effect under key %q, and another one under key %q", key, row.Key)
		return
	}
	e.byActivity[id] = row.Key
	a, known := e.report.activities[id]
	switch {
	case !known && !row.Time.Before(e.report.Started):
		e.counts.Other++ // scheduled after the store was read
	case !known && id.Execution <= e.report.pruned[id.Instance]:
		e.counts.Other++ // nobody can tell any more
	case !known && e.report.options.Complete:
		e.finding(id, "the effect of key %q belongs to no activity that the store knows", row.Key)
	case !known:
		e.counts.Other++
		e.report.noted(Finding{
			Rule: OneEffect, Instance: id.Instance, Execution: id.Execution, Event: id.Event,
			What: fmt.Sprintf("the effect of key %q belongs to no activity that the store knows: was the instance purged?", row.Key),
		})
	case a.name != row.Activity:
		e.finding(id, "the effect of key %q is of %q, and the activity is %q", row.Key, row.Activity, a.name)
	case !a.completed:
		e.counts.Other++
	}
}

// completed looks for completed activities without an effect.
func (e *effects) completed() {
	ids := slices.SortedFunc(maps.Keys(e.report.activities), func(a, b history.ActivityID) int {
		return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Execution, b.Execution), cmp.Compare(a.Event, b.Event))
	})
	for _, id := range ids {
		a := e.report.activities[id]
		if !a.completed {
			continue
		}
		e.counts.Completed++
		if _, found := e.byActivity[id]; !found {
			e.finding(id, "%q completed, and the ledger has no effect of it", a.name)
		}
	}
}
