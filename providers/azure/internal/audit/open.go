package audit

import (
	"maps"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
)

// checkActivities holds the row of work against the history: an activity is open
// from the commit that schedules an attempt until the one that takes in its
// outcome.
func checkActivities(v *verdict, now *past) {
	key := row.Work(v.s.meta.ID)
	stored := map[int64]int{}
	if v.s.work != nil {
		v.s.work.open.Each(func(event int64, a spans.Span) { stored[event] = a.Attempt })
	}
	if v.s.work != nil {
		v.s.work.given.Each(func(event int64, _ spans.Span) {
			if _, open := stored[event]; !open {
				v.find(Whole, key, "activity %d was offered to other hosts, and is not open", event)
			}
		})
	}
	for _, event := range slices.Sorted(maps.Keys(now.open)) {
		o := now.open[event]
		if o.kind != history.KindActivityScheduled {
			continue
		}
		attempt, found := stored[event]
		delete(stored, event)
		switch {
		case o.waiting && found:
			v.find(Whole, key, "attempt %d of activity %d is open, and by the history it waits for its retry", attempt, event)
		case o.waiting:
		case !found:
			v.find(WakeUps, key, "activity %d is open in the history, and not in the row of open work", event)
		case attempt != o.attempt:
			v.find(Whole, key, "attempt %d of activity %d is open, and by the history attempt %d", attempt, event, o.attempt)
		}
	}
	for _, event := range slices.Sorted(maps.Keys(stored)) {
		v.find(Whole, key, "activity %d is open, and by the history it is not", event)
	}
}

// lateBy is how much later than in the history a timer may stand in its row.
const lateBy = int64(time.Second)

// checkTimers holds the row of timers against the history (Z7).
func checkTimers(v *verdict, now *past) {
	s := v.s
	stored := map[int64]int64{}
	key := s.key()
	for i := range s.timers {
		t := &s.timers[i]
		key = t.key
		earliest := int64(never)
		for _, one := range t.Timers {
			if _, twice := stored[one.Event]; twice {
				v.find(Timers, t.key, "timer %d is open twice", one.Event)
			}
			stored[one.Event] = max(one.Due, 1)
			earliest = min(earliest, max(one.Due, 1))
		}
		switch {
		case row.Timers(earliest, s.meta.ID) != t.key:
			v.find(Timers, t.key, "it has %d timers, of which the earliest is due at %d: that is not its key", len(t.Timers), earliest)
		case s.meta.Timer != earliest:
			v.find(Timers, t.key, "the row of the instance says that its timers are due at %d", s.meta.Timer)
		}
	}
	if len(s.timers) == 0 && s.meta.Timer != 0 {
		key = row.Timers(s.meta.Timer, s.meta.ID)
		v.find(WakeUps, key, "the row of the instance names it, and it is not there")
		return
	}
	for _, event := range slices.Sorted(maps.Keys(now.open)) {
		o := now.open[event]
		if o.kind != history.KindTimerCreated && !o.waiting {
			continue
		}
		due, found := stored[event]
		delete(stored, event)
		switch {
		case !found:
			v.find(WakeUps, key, "timer %d is open in the history, and in no row of timers", event)
		case due < o.dueNanos() || due-lateBy > o.dueNanos():
			v.find(Timers, key, "timer %d is due at %d, and by the history at %d", event, due, o.dueNanos())
		}
	}
	for _, event := range slices.Sorted(maps.Keys(stored)) {
		v.find(Timers, key, "timer %d is open, and by the history it is not", event)
	}
}
