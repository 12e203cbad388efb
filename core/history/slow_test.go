package history_test

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
)

func scansLikeJSON(t interface{ Fatalf(string, ...any) }, value []byte) {
	end, ok := history.ScanValue(value, 0)
	if ok && !json.Valid(value[:end]) {
		t.Fatalf("%q is taken for a value", value[:end])
	}
	var compact bytes.Buffer
	deep := bytes.Count(value, []byte("["))+bytes.Count(value, []byte("{")) > 60
	if !deep && json.Compact(&compact, value) == nil && bytes.Equal(compact.Bytes(), value) && (!ok || end != len(value)) {
		t.Fatalf("%q is not recognised: stopped at %d", value, end)
	}
}

// A program is a history in four bytes an event: kind, source, attempt, and
// flags. It is what the fuzzer of the Validator mutates.
const (
	flagQueue     = 1 << iota // of a queue
	flagOtherName             // of another name
	flagSkipID                // the id is one too high
	flagExecution             // of another execution
	flagEarlier               // time goes back
	flagCarried               // two events are carried
)

func program(events []history.Event) []byte {
	kinds := history.Kinds()
	var code []byte
	for _, e := range events {
		source, attempt, flags := 0, 0, 0
		switch d := e.Data.(type) {
		case *history.ExecutionStarted:
			if len(d.Carried) > 0 {
				flags |= flagCarried
			}
		case *history.EventAwaited:
			source = int(d.Received)
			flags |= channelFlags(d.Name, d.Queue)
		case *history.EventRaised:
			source = int(d.Source)
			flags |= channelFlags(d.Name, d.Queue)
		default:
			source, attempt = int(sourceOf(d)), attemptOf(d)
		}
		code = append(code, byte(slices.Index(kinds, e.Data.Kind())), byte(int8(source)), byte(attempt), byte(flags))
	}
	return code
}

func channelFlags(name string, queue bool) (flags int) {
	if queue {
		flags |= flagQueue
	}
	if len(name)%2 == 1 {
		flags |= flagOtherName
	}
	return flags
}

func interpret(code []byte) []history.Event {
	kinds := history.Kinds()
	var events []history.Event
	for len(code) >= 4 && len(events) < 200 {
		kind := kinds[int(code[0])%len(kinds)]
		source, attempt, flags := int64(int8(code[1])), int(int8(code[2])), code[3]
		code = code[4:]
		e := history.Event{ID: int64(len(events) + 1), Execution: 1, Time: start, Data: history.NewData(kind)}
		if flags&flagSkipID != 0 {
			e.ID++
		}
		if flags&flagExecution != 0 {
			e.Execution++
		}
		if flags&flagEarlier != 0 {
			e.Time = at(-1)
		}
		name, queue := "e", flags&flagQueue != 0
		if flags&flagOtherName != 0 {
			name = "f"
		}
		switch d := e.Data.(type) {
		case *history.ExecutionStarted:
			d.Name = "o"
			if flags&flagCarried != 0 {
				d.Carried = []history.CarriedEvent{{Name: "e"}, {Name: "e", Queue: true}}
			}
		case *history.ExecutionFailed:
			d.Failure = boom
		case *history.ActivityScheduled:
			d.Name = "a"
		case *history.ActivityCompleted:
			d.Source, d.Attempt = source, attempt
		case *history.ActivityFailed:
			d.Source, d.Attempt, d.Failure = source, attempt, boom
		case *history.ActivityAttemptFailed:
			d.Source, d.Attempt, d.Failure = source, attempt, boom
		case *history.ActivityRetried:
			d.Source, d.Attempt = source, attempt
		case *history.ActivityCancelled:
			d.Source = source
		case *history.InlineRan:
			d.Name = "a"
		case *history.TimerFired:
			d.Source = source
		case *history.TimerCancelled:
			d.Source = source
		case *history.EventAwaited:
			d.Name, d.Queue, d.Received = name, queue, source
		case *history.EventRaised:
			d.Name, d.Queue, d.Source = name, queue, source
		case *history.WaitCancelled:
			d.Source = source
		case *history.EventSent:
			d.To, d.Name = "i", name
		case *history.ChildScheduled:
			d.Name, d.Instance = "o", "i::1"
		case *history.ChildCompleted:
			d.Source = source
		case *history.ChildFailed:
			d.Source, d.Failure = source, boom
		case *history.ChildCancelled:
			d.Source = source
		case *history.DetachedStarted:
			d.Name, d.Instance = "o", "i"
		case *history.StateSet:
			d.Key = "k"
		}
		events = append(events, e)
	}
	return events
}

// slowRule names the rule that an event breaks after a valid history, by
// looking at all of it again. Contents (H9) are kept valid by interpret.
func slowRule(before []history.Event, e history.Event) string {
	n := int64(len(before))
	first := n == 0
	_, isStart := e.Data.(*history.ExecutionStarted)
	switch {
	case e.ID != n+1:
		return "H1"
	case first && e.Execution < 1, !first && e.Execution != before[0].Execution:
		return "H2"
	case first != isStart:
		return "H3"
	case !first && history.Ends(before[n-1].Data):
		return "H4"
	case !first && e.Time.Before(before[n-1].Time):
		return "H8"
	}
	source, want := sourceOf(e.Data), wantedKind(e.Data)
	if want == "" {
		return ""
	}
	carried := want == history.KindEventRaised && source < 0 && int(-source) <= len(before[0].Data.(*history.ExecutionStarted).Carried)
	if !carried && (source < 1 || source > n) {
		return "H5"
	}
	if !opened(before, source) || closed(before, source) {
		return "H6"
	}
	name, queue := channelAt(before, source)
	if !carried && before[source-1].Data.Kind() != want {
		return "H5"
	}
	switch d := e.Data.(type) {
	case *history.EventAwaited:
		if d.Name != name || d.Queue != queue {
			return "H5"
		}
	case *history.EventRaised:
		if d.Name != name || d.Queue != queue {
			return "H5"
		}
	}
	if want == history.KindActivityScheduled && !attemptFits(before, e.Data, source) {
		return "H7"
	}
	return ""
}

// opened: the event is one that can be answered.
func opened(events []history.Event, id int64) bool {
	if id < 0 {
		return true
	}
	switch d := events[id-1].Data.(type) {
	case *history.ActivityScheduled, *history.TimerCreated, *history.ChildScheduled:
		return true
	case *history.EventAwaited:
		return d.Received == 0
	case *history.EventRaised:
		return d.Source == 0
	}
	return false
}

// closed: an event answers it for good.
func closed(events []history.Event, id int64) bool {
	return slices.ContainsFunc(events, func(e history.Event) bool {
		switch e.Data.(type) {
		case *history.ActivityAttemptFailed, *history.ActivityRetried:
			return false
		}
		return wantedKind(e.Data) != "" && sourceOf(e.Data) == id
	})
}

func channelAt(events []history.Event, id int64) (string, bool) {
	if id < 0 {
		c := events[0].Data.(*history.ExecutionStarted).Carried[-id-1]
		return c.Name, c.Queue
	}
	switch d := events[id-1].Data.(type) {
	case *history.EventAwaited:
		return d.Name, d.Queue
	case *history.EventRaised:
		return d.Name, d.Queue
	}
	return "", false
}

// attemptFits: the attempt is the one that is due, by counting those before.
func attemptFits(events []history.Event, d history.Data, id int64) bool {
	failed, retried := 0, 0
	for _, e := range events {
		switch d := e.Data.(type) {
		case *history.ActivityAttemptFailed:
			if d.Source == id {
				failed++
			}
		case *history.ActivityRetried:
			if d.Source == id {
				retried++
			}
		}
	}
	newest := retried + 1
	attempt := attemptOf(d)
	switch d.(type) {
	case *history.ActivityAttemptFailed:
		return failed == retried && attempt == newest
	case *history.ActivityRetried:
		return failed > retried && attempt == newest+1
	case *history.ActivityCompleted:
		return 0 <= attempt && attempt <= newest
	case *history.ActivityFailed:
		return attempt == 0 || attempt == newest
	}
	return true
}

// wantedKind is the kind of event that one with this data answers.
func wantedKind(d history.Data) history.Kind {
	switch d := d.(type) {
	case *history.ActivityCompleted, *history.ActivityFailed, *history.ActivityAttemptFailed, *history.ActivityRetried, *history.ActivityCancelled:
		return history.KindActivityScheduled
	case *history.TimerFired, *history.TimerCancelled:
		return history.KindTimerCreated
	case *history.ChildCompleted, *history.ChildFailed, *history.ChildCancelled:
		return history.KindChildScheduled
	case *history.WaitCancelled:
		return history.KindEventAwaited
	case *history.EventRaised:
		if d.Source != 0 {
			return history.KindEventAwaited
		}
	case *history.EventAwaited:
		if d.Received != 0 {
			return history.KindEventRaised
		}
	}
	return ""
}

func sourceOf(d history.Data) int64 {
	switch d := d.(type) {
	case history.Arrival:
		return d.SourceEvent()
	case *history.ActivityCancelled:
		return d.Source
	case *history.TimerCancelled:
		return d.Source
	case *history.WaitCancelled:
		return d.Source
	case *history.ChildCancelled:
		return d.Source
	case *history.EventAwaited:
		return d.Received
	}
	return 0
}

func attemptOf(d history.Data) int {
	switch d := d.(type) {
	case *history.ActivityCompleted:
		return d.Attempt
	case *history.ActivityFailed:
		return d.Attempt
	case *history.ActivityAttemptFailed:
		return d.Attempt
	case *history.ActivityRetried:
		return d.Attempt
	}
	return 0
}
