package verify

import (
	"fmt"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
)

// channel names a stream of external events.
type channel struct {
	name  string
	queue bool
}

func (c channel) String() string {
	if c.queue {
		return fmt.Sprintf("queue %q", c.name)
	}
	return fmt.Sprintf("event %q", c.name)
}

// line is a channel's open waits or its events that nobody has received, in
// order. In a valid history one of the two is empty.
type line struct {
	waits []int64
	kept  []kept
}

type kept struct {
	id    int64 // of the event, or -1, -2, … for carried ones
	event history.CarriedEvent
}

func (l *line) removeWait(id int64) {
	l.waits = slices.DeleteFunc(l.waits, func(w int64) bool { return w == id })
}

func (l *line) removeKept(id int64) {
	l.kept = slices.DeleteFunc(l.kept, func(k kept) bool { return k.id == id })
}

func (x *execution) line(c channel) *line {
	l := x.channels[c]
	if l == nil {
		l = &line{}
		x.channels[c] = l
	}
	return l
}

// raise takes in an external event: the oldest open wait of its channel
// receives it (V5).
func (x *execution) raise(id int64, d *history.EventRaised) {
	own := channel{d.Name, d.Queue}
	l := x.line(own)
	if d.Source == 0 {
		if len(l.waits) > 0 {
			x.report(Events, id, "nobody received %s, while wait %d was open", own, l.waits[0])
		}
		l.kept = append(l.kept, kept{id, history.CarriedEvent{Name: d.Name, Queue: d.Queue, Payload: d.Payload, MessageID: d.MessageID}})
		return
	}
	x.answers[id-1] = id // it is received
	if !x.answer(id, d.Source, history.KindEventAwaited) {
		return
	}
	waiting := x.waits[d.Source]
	switch {
	case waiting != own:
		x.report(Events, id, "%s was received by wait %d, which is for %s", own, d.Source, waiting)
	case l.waits[0] != d.Source:
		x.report(Events, id, "%s was received by wait %d, while wait %d is older", own, d.Source, l.waits[0])
	}
	x.line(waiting).removeWait(d.Source)
	delete(x.waits, d.Source)
}

// await takes in a wait: the oldest event of its channel that nobody has
// received meets it at once.
func (x *execution) await(id int64, d *history.EventAwaited) {
	own := channel{d.Name, d.Queue}
	l := x.line(own)
	if d.Received == 0 {
		if len(l.kept) > 0 {
			x.report(Events, id, "the wait for %s received nothing, while event %d had not been received", own, l.kept[0].id)
		}
		l.waits = append(l.waits, id)
		x.waits[id] = own
		return
	}
	x.answers[id-1] = id // it has received
	if !x.receivable(id, d.Received) {
		return
	}
	from := own
	if !slices.ContainsFunc(l.kept, func(k kept) bool { return k.id == d.Received }) {
		for c, other := range x.channels { // one at most has it
			if slices.ContainsFunc(other.kept, func(k kept) bool { return k.id == d.Received }) {
				from = c
			}
		}
		x.report(Events, id, "the wait for %s received event %d, which is %s", own, d.Received, from)
	} else if l.kept[0].id != d.Received {
		x.report(Events, id, "the wait for %s received event %d, while event %d is older", own, d.Received, l.kept[0].id)
	}
	x.line(from).removeKept(d.Received)
}

// receivable checks that an event, or a carried one, can be received, and marks
// it as received.
func (x *execution) receivable(wait, event int64) bool {
	if event > 0 {
		return x.answer(wait, event, history.KindEventRaised)
	}
	i := int(-event) - 1
	switch {
	case i >= len(x.carried):
		x.report(Answers, wait, "it received carried event %d of %d", -event, len(x.carried))
	case x.carried[i] != 0:
		x.report(Answers, wait, "it received carried event %d, which was received by event %d", -event, x.carried[i])
	default:
		x.carried[i] = wait
		return true
	}
	return false
}

// left are the external events that nobody received, in the order in which they
// came.
func (x *execution) left() []history.CarriedEvent {
	var all []kept
	for _, l := range x.channels {
		all = append(all, l.kept...)
	}
	slices.SortFunc(all, func(a, b kept) int {
		if a.id < 0 && b.id < 0 {
			return int(b.id - a.id) // -1 came first
		}
		return int(a.id - b.id)
	})
	var events []history.CarriedEvent
	for _, k := range all {
		events = append(events, k.event)
	}
	return events
}
