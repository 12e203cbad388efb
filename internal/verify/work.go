package verify

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// lateBy is how much later than in the history a timer may stand in a store
// that keeps coarser times.
const lateBy = time.Second

// checkWork holds what is outstanding against what the current execution
// awaits (V10, V11, V12).
func (x *examination) checkWork(context.Context) error {
	row, out := x.row, x.out
	if row.Parked != nil {
		x.note(Stuck, row.Execution, 0, "it is parked since %s: %s", stamp(row.Parked.Since), row.Parked.Reason)
	}
	switch {
	case row.Status.Final():
		x.checkNothingOpen()
	case row.Execution == 0:
		if !slices.ContainsFunc(out.Messages, starts) {
			x.finding(Stuck, 0, 0, "it is pending, and no message will start it")
		}
	default:
		e := x.current()
		if e == nil || e.ended != nil {
			return nil // said already
		}
		x.checkActivities(e)
		x.checkTimers(e)
		if !out.Again && len(out.Messages) == 0 && !e.awaits() {
			x.finding(Stuck, e.number, int64(len(e.kinds)), "it is %s, and nothing is open or on the way that could wake it", row.Status)
		}
	}
	return nil
}

func starts(m provider.Message) bool {
	_, ok := m.Data.(*history.ExecutionStarted)
	return ok
}

// awaits reports whether anything is open.
func (x *execution) awaits() bool {
	return len(x.activities)+len(x.timers)+len(x.waits) > 0 || slices.ContainsFunc(x.children, child.open)
}

func (c child) open() bool { return c.outcome == nil && !c.cancelled }

func (x *examination) checkNothingOpen() {
	out := x.out
	if len(out.Activities)+len(out.Timers) > 0 || out.Again {
		x.finding(FinalWork, x.row.Execution, 0, "it is %s, and has %d activities and %d timers open (another turn asked for: %v)", x.row.Status, len(out.Activities), len(out.Timers), out.Again)
	}
	if n := len(out.Messages); n > 0 {
		x.note(FinalWork, x.row.Execution, 0, "it is %s, and %d messages wait to be dropped", x.row.Status, n)
	}
}

// checkActivities: an activity is open in the store from the commit that
// scheduled its attempt until the commit that consumes the outcome.
func (x *examination) checkActivities(e *execution) {
	stored := map[int64]int{}
	for _, ref := range x.out.Activities {
		if _, twice := stored[ref.Event]; twice {
			x.finding(OpenWork, e.number, ref.Event, "the activity is outstanding twice")
		}
		stored[ref.Event] = ref.Attempt
	}
	for _, id := range slices.Sorted(maps.Keys(e.activities)) {
		a := e.activities[id]
		attempt, found := stored[id]
		delete(stored, id)
		switch {
		case a.waiting && found:
			x.finding(OpenWork, e.number, id, "attempt %d of activity %q is outstanding, while it waits for its retry", attempt, a.name)
		case a.waiting: // its timer is checked with the timers
		case !found && !x.answered(e, id):
			x.finding(OpenWork, e.number, id, "activity %q is open in the history, and not outstanding in the store", a.name)
		case found && attempt != a.attempt:
			x.finding(OpenWork, e.number, id, "attempt %d of activity %q is outstanding, while %s", attempt, a.name, a)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(stored)) {
		x.finding(OpenWork, e.number, id, "an activity is outstanding in the store that is not open in the history")
	}
}

func (x *examination) checkTimers(e *execution) {
	want := maps.Clone(e.timers)
	for id, a := range e.activities {
		if a.waiting {
			want[id] = a.retry
		}
	}
	stored := map[int64]time.Time{}
	for _, t := range x.out.Timers {
		if _, twice := stored[t.Event]; twice {
			x.finding(OpenWork, e.number, t.Event, "the timer is outstanding twice")
		}
		stored[t.Event] = t.Due
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		due, found := stored[id]
		delete(stored, id)
		switch {
		case !found && !x.answered(e, id):
			x.finding(OpenWork, e.number, id, "a timer is open in the history, due at %s, and not outstanding in the store", stamp(want[id]))
		case found && (due.Before(want[id]) || due.After(want[id].Add(lateBy))):
			x.finding(OpenWork, e.number, id, "the timer is due at %s in the history, and at %s in the store", stamp(want[id]), stamp(due))
		}
	}
	for _, id := range slices.Sorted(maps.Keys(stored)) {
		x.finding(OpenWork, e.number, id, "a timer is outstanding in the store that is not open in the history")
	}
}

// answered reports whether a message that answers an event is on its way.
func (x *examination) answered(e *execution, event int64) bool {
	return slices.ContainsFunc(x.out.Messages, func(m provider.Message) bool {
		a, ok := m.Data.(history.Arrival)
		return ok && a.SourceEvent() == event && (m.Execution == 0 || m.Execution == e.number)
	})
}
