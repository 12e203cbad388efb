package orchestrationtest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// blocked says what an instance waits for, and where, when nothing is left that
// could happen.
func (i *Instance) blocked() string {
	var b strings.Builder
	e := i.env
	fmt.Fprintf(&b, "instance %q of orchestration %q waits for ever: nothing is left that could happen, at %s, %v after the beginning", i.id, i.row.Name, e.now.Format(time.RFC3339), e.Elapsed())
	i.describe(&b, "  ", map[history.InstanceID]bool{})
	b.WriteString("\nRaise what it waits for (RaiseAt, PutAt, or Raise with a client), cancel it (CancelAt), or let it wait beside a timer")
	return b.String()
}

// describe lists what the instance waits for, and what its children do.
func (i *Instance) describe(b *strings.Builder, indent string, told map[history.InstanceID]bool) {
	told[i.id] = true
	for _, w := range i.waiting() {
		fmt.Fprintf(b, "\n%sevent %d: %s", indent, w.event, w.text)
		if child := i.env.instances[w.child]; child != nil && !told[w.child] {
			fmt.Fprintf(b, ", which is %s", child.row.Status)
			child.describe(b, indent+"  ", told)
		}
	}
	for _, place := range i.places() {
		fmt.Fprintf(b, "\n%sparked at %s", indent, place)
	}
}

// waiting is something that the instance waits for.
type waiting struct {
	event int64
	text  string
	child history.InstanceID
}

// waiting reads from the history what nothing has answered.
func (i *Instance) waiting() []waiting {
	open := map[int64]waiting{}
	for _, event := range i.History(0) {
		w := waiting{event: event.ID}
		switch d := event.Data.(type) {
		case *history.EventAwaited:
			if d.Received != 0 {
				continue
			}
			kind := "event"
			if d.Queue {
				kind = "queue"
			}
			w.text = fmt.Sprintf("it waits for %s %q%s", kind, d.Name, inBrackets(d.Description))
		case *history.ActivityScheduled:
			w.text = fmt.Sprintf("activity %q%s runs", d.Name, inBrackets(d.Description))
		case *history.TimerCreated:
			w.text = fmt.Sprintf("a timer%s is due at %s", inBrackets(d.Description), d.Due.Format(time.RFC3339))
		case *history.ChildScheduled:
			w.text, w.child = fmt.Sprintf("child %q%s, instance %q", d.Name, inBrackets(d.Description), d.Instance), d.Instance
		default:
			if source, ok := answers(event.Data); ok {
				delete(open, source)
			}
			continue
		}
		open[event.ID] = w
	}
	var all []waiting
	for _, w := range open {
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b waiting) int { return int(a.event - b.event) })
	return all
}

func inBrackets(description string) string {
	if description == "" {
		return ""
	}
	return " (" + description + ")"
}

// answers is the event that an event closes.
func answers(d history.Data) (source int64, ok bool) {
	switch d := d.(type) {
	case *history.ActivityAttemptFailed, *history.ActivityRetried:
		return 0, false
	case history.Arrival:
		return d.SourceEvent(), d.SourceEvent() != 0
	case *history.ActivityCancelled:
		return d.Source, true
	case *history.TimerCancelled:
		return d.Source, true
	case *history.WaitCancelled:
		return d.Source, true
	case *history.ChildCancelled:
		return d.Source, true
	}
	return 0, false
}

// places are the lines at which the instance's code is parked: of the main
// function, and of branches.
func (i *Instance) places() []string {
	if len(i.encoded(0)) == 0 {
		return nil
	}
	m, err := i.env.rebuild(i, i.row.Execution)
	defer m.Stop()
	if err != nil {
		return nil
	}
	var places []string
	for _, stack := range m.Stacks() {
		if place := userLine(string(stack)); place != "" {
			places = append(places, place)
		}
	}
	return places
}

// userLine is the innermost line of a stack that belongs neither to this module
// nor to the runtime.
func userLine(stack string) string {
	lines := strings.Split(stack, "\n")
	for n := 1; n+1 < len(lines); n += 2 {
		function := lines[n]
		if end := strings.LastIndexByte(function, '('); end > 0 {
			function = function[:end]
		}
		if !ours(function) {
			place, _, _ := strings.Cut(strings.TrimSpace(lines[n+1]), " ")
			return place
		}
	}
	return ""
}

func ours(function string) bool {
	for _, prefix := range []string{
		"github.com/duroxide/duroxide-go/core/internal/",
		"github.com/duroxide/duroxide-go/core/orchestration.",
		"github.com/duroxide/duroxide-go/core/activity.",
		"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest.",
		"runtime.", "runtime/debug.", "iter.",
	} {
		if strings.HasPrefix(function, prefix) {
			return true
		}
	}
	return function == ""
}
