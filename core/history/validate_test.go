package history_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// Shorthands for the data of test histories.
var (
	started   = &history.ExecutionStarted{Name: "o", Seed: seed}
	scheduled = &history.ActivityScheduled{Name: "a"}
	timer     = &history.TimerCreated{}
	child     = &history.ChildScheduled{Name: "o", Instance: "i::2"}
	wait      = &history.EventAwaited{Name: "e"}
	raised    = &history.EventRaised{Name: "e"}
	completed = &history.ExecutionCompleted{}
	boom      = failure(history.FailureError, "boom")
)

func carrying(n int) *history.ExecutionStarted {
	s := &history.ExecutionStarted{Name: "o", Seed: seed}
	for range n {
		s.Carried = append(s.Carried, history.CarriedEvent{Name: "e"})
	}
	return s
}

// numbered gives data ids 1, 2, 3, … in execution 1.
func numbered(data ...history.Data) []history.Event {
	return theme{events: data}.build()
}

// check runs a history through a Validator.
func check(events []history.Event) error {
	var v history.Validator
	for _, e := range events {
		if err := v.Next(e); err != nil {
			return err
		}
	}
	return nil
}

// broken is a history that breaks a rule at an event.
type broken struct {
	name   string
	events []history.Event
	rule   string
	event  int64
	why    string // part of the reason
}

func (b broken) run(t *testing.T) {
	t.Helper()
	err := check(b.events)
	e, ok := errors.AsType[*history.InvalidError](err)
	if !ok || e.Rule != b.rule || e.Event != b.event || !strings.Contains(e.Why, b.why) {
		t.Errorf("error %v, want event %d to break %s: %s", err, b.event, b.rule, b.why)
		return
	}
	if text := e.Error(); !strings.Contains(text, fmt.Sprintf("event %d breaks rule %s", b.event, b.rule)) {
		t.Errorf("the text does not name event and rule: %s", text)
	}
}

// with returns the events after a change.
func with(events []history.Event, change func([]history.Event)) []history.Event {
	change(events)
	return events
}

func TestAHistoryThatBreaksARuleIsRefused(t *testing.T) {
	long := strings.Repeat("n", history.MaxNameLength+1)
	huge := history.Payload(make([]byte, history.MaxPayloadBytes+1))
	for _, b := range []broken{
		{"H1 it begins with event 2", numbered(started, completed)[1:], "H1", 2, "event 1 is expected"},
		{"H1 an id is left out", with(numbered(started, scheduled, scheduled), func(e []history.Event) { e[2].ID = 4 }), "H1", 4, "event 3 is expected"},
		{"H1 an id comes twice", with(numbered(started, scheduled, scheduled), func(e []history.Event) { e[2].ID = 2 }), "H1", 2, "event 3 is expected"},

		{"H2 executions count from 1", with(numbered(started), func(e []history.Event) { e[0].Execution = 0 }), "H2", 1, "count from 1"},
		{"H2 an event of another execution", with(numbered(started, scheduled), func(e []history.Event) { e[1].Execution = 2 }), "H2", 2, "belongs to execution 2, the history to 1"},

		{"H3 it begins otherwise", numbered(scheduled), "H3", 1, "ActivityScheduled"},
		{"H3 it begins twice", numbered(started, started), "H3", 2, "ExecutionStarted"},

		{"H4 after completion", numbered(started, completed, scheduled), "H4", 3, "ActivityScheduled follows ExecutionCompleted"},
		{"H4 after failure", numbered(started, &history.ExecutionFailed{Failure: boom}, scheduled), "H4", 3, "follows ExecutionFailed"},
		{"H4 after cancellation", numbered(started, &history.ExecutionCancelled{}, scheduled), "H4", 3, "follows ExecutionCancelled"},
		{"H4 after termination", numbered(started, &history.ExecutionTerminated{}, scheduled), "H4", 3, "follows ExecutionTerminated"},
		{"H4 after continue-as-new", numbered(started, &history.ContinuedAsNew{}, scheduled), "H4", 3, "follows ContinuedAsNew"},

		{"H5 a source of its own", numbered(started, &history.TimerFired{Source: 2}), "H5", 2, "which is not before it"},
		{"H5 a source to come", numbered(started, &history.TimerFired{Source: 3}, timer), "H5", 2, "which is not before it"},
		{"H5 no source", numbered(started, timer, &history.TimerFired{}), "H5", 3, "names event 0"},
		{"H5 a carried event as the source of a completion", numbered(carrying(1), &history.ActivityCompleted{Source: -1}), "H5", 2, "names event -1"},
		{"H5 a carried event that does not exist", numbered(carrying(1), &history.EventAwaited{Name: "e", Received: -2}), "H5", 2, "names event -2"},
		{"H5 a completion of a timer", numbered(started, timer, &history.ActivityCompleted{Source: 2}), "H5", 3, "which is TimerCreated, not ActivityScheduled"},
		{"H5 a wait meets an event of another name", numbered(started, &history.EventRaised{Name: "f"}, &history.EventAwaited{Name: "e", Received: 2}), "H5", 3, `EventAwaited is of event "e", and the event 2 it names of event "f"`},
		{"H5 an event meets a wait of another sort", numbered(started, wait, &history.EventRaised{Name: "e", Queue: true, Source: 2}), "H5", 3, `EventRaised is of queue "e", and the event 2 it names of event "e"`},

		{"H6 an activity completes twice", numbered(started, scheduled, &history.ActivityCompleted{Source: 2}, &history.ActivityCompleted{Source: 2}), "H6", 4, "not an open ActivityScheduled"},
		{"H6 a completed activity fails", numbered(started, scheduled, &history.ActivityCompleted{Source: 2}, &history.ActivityFailed{Source: 2, Failure: boom}), "H6", 4, "not an open ActivityScheduled"},
		{"H6 a cancelled activity completes", numbered(started, scheduled, &history.ActivityCancelled{Source: 2}, &history.ActivityCompleted{Source: 2}), "H6", 4, "not an open ActivityScheduled"},
		{"H6 a failed activity is cancelled", numbered(started, scheduled, &history.ActivityFailed{Source: 2, Failure: boom}, &history.ActivityCancelled{Source: 2}), "H6", 4, "not an open ActivityScheduled"},
		{"H6 a failed activity is retried", numbered(started, scheduled, &history.ActivityFailed{Source: 2, Failure: boom}, &history.ActivityRetried{Source: 2, Attempt: 2}), "H6", 4, "not an open ActivityScheduled"},
		{"H6 a timer fires twice", numbered(started, timer, &history.TimerFired{Source: 2}, &history.TimerFired{Source: 2}), "H6", 4, "not an open TimerCreated"},
		{"H6 a cancelled timer fires", numbered(started, timer, &history.TimerCancelled{Source: 2}, &history.TimerFired{Source: 2}), "H6", 4, "not an open TimerCreated"},
		{"H6 a child ends twice", numbered(started, child, &history.ChildCompleted{Source: 2}, &history.ChildFailed{Source: 2, Failure: boom}), "H6", 4, "not an open ChildScheduled"},
		{"H6 a child is given up after its end", numbered(started, child, &history.ChildCompleted{Source: 2}, &history.ChildCancelled{Source: 2}), "H6", 4, "not an open ChildScheduled"},
		{"H6 a wait receives twice", numbered(started, wait, &history.EventRaised{Name: "e", Source: 2}, &history.EventRaised{Name: "e", Source: 2}), "H6", 4, "not an open EventAwaited"},
		{"H6 a cancelled wait receives", numbered(started, wait, &history.WaitCancelled{Source: 2}, &history.EventRaised{Name: "e", Source: 2}), "H6", 4, "not an open EventAwaited"},
		{"H6 a wait is cancelled that received", numbered(started, raised, &history.EventAwaited{Name: "e", Received: 2}, &history.WaitCancelled{Source: 3}), "H6", 4, "not an open EventAwaited"},
		{"H6 an event is received twice", numbered(started, raised, &history.EventAwaited{Name: "e", Received: 2}, &history.EventAwaited{Name: "e", Received: 2}), "H6", 4, "not an open EventRaised"},
		{"H6 a carried event is received twice", numbered(carrying(2), &history.EventAwaited{Name: "e", Received: -2}, &history.EventAwaited{Name: "e", Received: -2}), "H6", 3, "not an open EventRaised"},

		{"H7 a retry without a failure", numbered(started, scheduled, &history.ActivityRetried{Source: 2, Attempt: 2}), "H7", 3, "attempt 2 of activity 2 began, while attempt 1 is running"},
		{"H7 a retry of the wrong number", numbered(started, scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, &history.ActivityRetried{Source: 2, Attempt: 3}), "H7", 4, "while attempt 1 has failed and attempt 2 is due"},
		{"H7 the wrong attempt fails", numbered(started, scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 2, Failure: boom}), "H7", 3, "attempt 2 of activity 2 failed, while attempt 1 is running"},
		{"H7 an attempt fails twice", numbered(started, scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}), "H7", 4, "attempt 1 has failed"},
		{"H7 an attempt to come completes", numbered(started, scheduled, &history.ActivityCompleted{Source: 2, Attempt: 2}), "H7", 3, "ActivityCompleted is of attempt 2 of activity 2, while attempt 1 is running"},
		{"H7 an attempt below 1 completes", numbered(started, scheduled, &history.ActivityCompleted{Source: 2, Attempt: -1}), "H7", 3, "attempt -1"},
		{"H7 an old attempt fails for good", numbered(started, scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, &history.ActivityRetried{Source: 2, Attempt: 2}, &history.ActivityFailed{Source: 2, Attempt: 1, Failure: boom}), "H7", 5, "while attempt 2 is running"},
		{"H7 an attempt to come fails for good", numbered(started, scheduled, &history.ActivityFailed{Source: 2, Attempt: 2, Failure: boom}), "H7", 3, "ActivityFailed is of attempt 2"},

		{"H8 time goes back", with(numbered(started, scheduled), func(e []history.Event) { e[1].Time = e[0].Time.Add(-1) }), "H8", 2, "is before"},

		{"H9 an orchestration without a name", numbered(&history.ExecutionStarted{}), "H9", 1, "orchestration name is empty"},
		{"H9 an activity without a name", numbered(started, &history.ActivityScheduled{}), "H9", 2, "activity name is empty"},
		{"H9 an unprintable name", numbered(started, &history.ActivityScheduled{Name: "a\x00"}), "H9", 2, "unprintable character U+0000 at byte 1"},
		{"H9 a name that is no UTF-8", numbered(started, &history.EventAwaited{Name: "\xff"}), "H9", 2, "not valid UTF-8"},
		{"H9 a long name", numbered(started, &history.InlineRan{Name: long}), "H9", 2, "is 257 bytes, more than the limit of 256"},
		{"H9 a child without a name", numbered(started, &history.ChildScheduled{Instance: "i::2"}), "H9", 2, "orchestration name is empty"},
		{"H9 a child without an id", numbered(started, &history.ChildScheduled{Name: "o"}), "H9", 2, "instance id is empty"},
		{"H9 a detached start without an id", numbered(started, &history.DetachedStarted{Name: "o"}), "H9", 2, "instance id is empty"},
		{"H9 an event sent to nobody", numbered(started, &history.EventSent{Name: "e"}), "H9", 2, "instance id is empty"},
		{"H9 an event without a name", numbered(started, &history.EventRaised{}), "H9", 2, "event name is empty"},
		{"H9 a carried event without a name", numbered(&history.ExecutionStarted{Name: "o", Carried: []history.CarriedEvent{{Name: "e"}, {}}}), "H9", 1, "carried event 2: event name is empty"},
		{"H9 state without a key", numbered(started, &history.StateSet{}), "H9", 2, "state name is empty"},
		{"H9 a huge input", numbered(&history.ExecutionStarted{Name: "o", Input: huge}), "H9", 1, "input is 16777217 bytes, more than the limit of 16777216"},
		{"H9 a huge input of an activity", numbered(started, &history.ActivityScheduled{Name: "a", Input: huge}), "H9", 2, "input is 16777217 bytes"},
		{"H9 a huge output", numbered(started, scheduled, &history.ActivityCompleted{Source: 2, Output: huge}), "H9", 3, "output is 16777217 bytes"},
		{"H9 a huge result", numbered(started, &history.ExecutionCompleted{Output: huge}), "H9", 2, "output is 16777217 bytes"},
		{"H9 a huge result at termination", numbered(started, &history.ExecutionTerminated{Output: huge}), "H9", 2, "output is 16777217 bytes"},
		{"H9 a huge input of the next execution", numbered(started, &history.ContinuedAsNew{Input: huge}), "H9", 2, "input is 16777217 bytes"},
		{"H9 a huge value", numbered(started, &history.ValueRecorded{Value: huge}), "H9", 2, "value is 16777217 bytes"},
		{"H9 a huge payload", numbered(started, &history.EventRaised{Name: "e", Payload: huge}), "H9", 2, "payload is 16777217 bytes"},
		{"H9 a large status", numbered(started, &history.StatusSet{Status: huge[:history.MaxStatusBytes+1]}), "H9", 2, "status is 262145 bytes, more than the limit of 262144"},
		{"H9 a large state", numbered(started, &history.StateSet{Key: "k", Value: huge[:history.MaxStateValueBytes+1]}), "H9", 2, `state "k" is 65537 bytes, more than the limit of 65536`},
		{"H9 an execution fails without saying how", numbered(started, &history.ExecutionFailed{}), "H9", 2, "does not say what failed"},
		{"H9 an activity fails without saying how", numbered(started, scheduled, &history.ActivityFailed{Source: 2}), "H9", 3, "does not say what failed"},
		{"H9 an attempt fails without saying how", numbered(started, scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 1}), "H9", 3, "does not say what failed"},
		{"H9 a child fails without saying how", numbered(started, child, &history.ChildFailed{Source: 2}), "H9", 3, "does not say what failed"},

		{"H10 an event without data", with(numbered(started, scheduled), func(e []history.Event) { e[1].Data = nil }), "H10", 2, "no data"},
	} {
		t.Run(b.name, b.run)
	}
}

func TestAHistoryThatKeepsTheRulesIsAccepted(t *testing.T) {
	for name, data := range map[string][]history.Data{
		"nothing at all":                                          {},
		"the start alone":                                         {started},
		"an activity that is open":                                {started, scheduled},
		"a timer, a child and a wait that are open":               {started, timer, child, wait},
		"an end with everything open":                             {started, scheduled, timer, child, wait, completed},
		"the same activity twice":                                 {started, scheduled, scheduled, &history.ActivityCompleted{Source: 3}, &history.ActivityCompleted{Source: 2}, completed},
		"the same timer twice":                                    {started, timer, timer, &history.TimerFired{Source: 3}, &history.TimerFired{Source: 2}},
		"the same wait twice":                                     {started, wait, wait, &history.EventRaised{Name: "e", Source: 2}, &history.EventRaised{Name: "e", Source: 3}},
		"an event that nobody waits for":                          {started, raised, completed},
		"an event before its wait":                                {started, raised, &history.EventAwaited{Name: "e", Received: 2}, completed},
		"carried events in any order":                             {carrying(2), &history.EventAwaited{Name: "e", Received: -2}, &history.EventAwaited{Name: "e", Received: -1}},
		"an activity that fails, is retried and ends":             {started, scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, &history.ActivityRetried{Source: 2, Attempt: 2}, &history.ActivityCompleted{Source: 2, Attempt: 2}},
		"an activity that runs out of time between attempts":      {started, scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, &history.ActivityFailed{Source: 2, Attempt: 1, Failure: boom}},
		"an activity cancelled between attempts":                  {started, scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, &history.ActivityCancelled{Source: 2}},
		"an attempt that completes late":                          {started, scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, &history.ActivityRetried{Source: 2, Attempt: 2}, &history.ActivityCompleted{Source: 2, Attempt: 1}},
		"an attempt that completes after it was taken for failed": {started, scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, &history.ActivityCompleted{Source: 2, Attempt: 1}},
		"cancel asked for more than once":                         {started, &history.CancelRequested{}, &history.CancelRequested{}, &history.ExecutionCancelled{}},
	} {
		t.Run(name, func(t *testing.T) {
			if err := check(numbered(data...)); err != nil {
				t.Error(err)
			}
		})
	}
}

// What the engine of another family tests as corrupt or unusual histories,
// restated for ours (its cases are listed by what they are about).
func TestCorruptHistoriesKnownFromElsewhere(t *testing.T) {
	long := strings.Repeat("长", history.MaxNameLength/3)
	later := func(e []history.Event) { e[2].Execution = 2 }
	for _, c := range []broken{
		{name: "an empty history", rule: ""},
		{"the start is missing", numbered(scheduled, completed), "H3", 1, ""},
		{"the start is not first", numbered(scheduled, started), "H3", 1, ""},
		{"event id zero", with(numbered(started), func(e []history.Event) { e[0].ID = 0 }), "H1", 0, ""},
		{"a gap in the ids", with(numbered(started, scheduled), func(e []history.Event) { e[1].ID = 3 }), "H1", 3, ""},
		{"ids that go back", with(numbered(started, scheduled, timer), func(e []history.Event) { e[2].ID = 1 }), "H1", 1, ""},
		{"the source of a completion is not found", numbered(started, &history.ActivityCompleted{Source: 99}), "H5", 2, ""},
		{"the source of a completion has the wrong kind", numbered(started, timer, &history.ActivityCompleted{Source: 2}), "H5", 3, ""},
		{"several completions of one source", numbered(started, scheduled, &history.ActivityCompleted{Source: 2}, &history.ActivityCompleted{Source: 2}), "H6", 4, ""},
		{"a completion of another execution", with(numbered(started, scheduled, &history.ActivityCompleted{Source: 2}), later), "H2", 3, ""},
		{"an end by completion", numbered(started, completed), "", 0, ""},
		{"an end by failure", numbered(started, &history.ExecutionFailed{Failure: boom}), "", 0, ""},
		{"an end by continue-as-new", numbered(started, &history.ContinuedAsNew{}), "", 0, ""},
		{"several ends", numbered(started, completed, completed), "H4", 3, ""},
		{"events after the end", numbered(started, completed, timer), "H4", 3, ""},
		{"a request to cancel after completion", numbered(started, completed, &history.CancelRequested{}), "H4", 3, ""},
		{"the end of another execution", with(numbered(started, scheduled, completed), later), "H2", 3, ""},
		{"an activity with an empty name", numbered(started, &history.ActivityScheduled{}), "H9", 2, ""},
		{"unicode in names", numbered(started, &history.ActivityScheduled{Name: "活动-🎉-ä"}), "", 0, ""},
		{"very long strings", numbered(started, &history.ActivityScheduled{Name: long, Input: payload(`"` + strings.Repeat("x", 1<<20) + `"`)}), "", 0, ""},
		{"special characters", numbered(started, &history.ActivityScheduled{Name: `a/b\c:"d" <e>&'f' {g}`}), "", 0, ""},
		{"a control character", numbered(started, &history.ActivityScheduled{Name: "a\nb"}), "H9", 2, ""},
		{"a timer fires before it is created", numbered(started, &history.TimerFired{Source: 3}, timer), "H5", 2, ""},
		{"an activity completes before it is scheduled", numbered(started, &history.ActivityCompleted{Source: 3}, scheduled), "H5", 2, ""},
		{"an orphan completion", numbered(started, timer, &history.TimerFired{Source: 2}, &history.ActivityCompleted{Source: 2}), "H6", 4, ""},
		{"an orphan timer", numbered(started, wait, &history.TimerFired{Source: 1}), "H6", 3, ""},
		{"an orphan event", numbered(started, &history.EventRaised{Name: "e", Source: 1}), "H6", 2, ""},
		{"an external event that nobody awaits yet", numbered(started, raised), "", 0, ""},
		{"an orphan outcome of a child", numbered(started, wait, &history.ChildCompleted{Source: 1}), "H6", 3, ""},
		{"the same activity scheduled twice under one id", with(numbered(started, scheduled, scheduled), func(e []history.Event) { e[2].ID = 2 }), "H1", 2, ""},
		{"the same timer created twice under one id", with(numbered(started, timer, timer), func(e []history.Event) { e[2].ID = 2 }), "H1", 2, ""},
		{"the same wait made twice under one id", with(numbered(started, wait, wait), func(e []history.Event) { e[2].ID = 2 }), "H1", 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.rule != "" {
				c.run(t)
			} else if err := check(c.events); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestOpenCountsWhatAwaitsAnAnswer(t *testing.T) {
	var v history.Validator
	steps := []struct {
		data history.Data
		open int
	}{
		{carrying(1), 1},
		{scheduled, 2},
		{timer, 3},
		{wait, 4},
		{&history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, 4},
		{&history.ActivityRetried{Source: 2, Attempt: 2}, 4},
		{&history.ActivityCompleted{Source: 2, Attempt: 2}, 3},
		{&history.TimerFired{Source: 3}, 2},
		{&history.EventRaised{Name: "e", Source: 4}, 1},
		{&history.EventRaised{Name: "e"}, 2},
		{&history.EventAwaited{Name: "e", Received: -1}, 1},
		{&history.EventAwaited{Name: "e", Received: 10}, 0},
		{child, 1},
		{&history.ChildCancelled{Source: 13}, 0},
	}
	for i, step := range steps {
		if err := v.Next(history.Event{ID: int64(i + 1), Execution: 1, Data: step.data}); err != nil {
			t.Fatal(err)
		}
		if v.Open() != step.open {
			t.Errorf("%d are open after event %d, want %d", v.Open(), i+1, step.open)
		}
	}
}

func TestEventsOfOneTurnMayShareTheirTime(t *testing.T) {
	events := numbered(started, scheduled, timer)
	for i := range events {
		events[i].Time = time.Time{}
	}
	if err := check(events); err != nil {
		t.Error(err)
	}
}
