package verify_test

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// fake is a store made by hand, so that it can be wrong in any way. An audit
// only reads; what else it might call panics.
type fake struct {
	provider.Store

	rows   map[history.InstanceID]*provider.Instance
	events map[history.InstanceID][][]history.Event // by execution
	state  map[history.InstanceID]map[string]history.Payload
	out    map[history.InstanceID]*provider.Outstanding
	dead   []provider.DeadLetter

	unreadable map[history.InstanceID]error // instead of the last event
	down       error                        // of every call
	onRead     func(f *fake, id history.InstanceID)
}

func newFake() *fake {
	return &fake{
		rows:       map[history.InstanceID]*provider.Instance{},
		events:     map[history.InstanceID][][]history.Event{},
		state:      map[history.InstanceID]map[string]history.Payload{},
		out:        map[history.InstanceID]*provider.Outstanding{},
		unreadable: map[history.InstanceID]error{},
	}
}

func (f *fake) Instance(_ context.Context, id history.InstanceID) (*provider.Instance, error) {
	if f.onRead != nil {
		f.onRead(f, id)
	}
	row := f.rows[id]
	if row == nil {
		return nil, fmt.Errorf("%s: %w", id, provider.ErrNotFound)
	}
	read := *row
	return &read, f.down
}

func (f *fake) List(_ context.Context, q provider.Query) ([]provider.Instance, error) {
	var page []provider.Instance
	for _, id := range slices.Sorted(maps.Keys(f.rows)) {
		if strings.HasPrefix(string(id), q.Prefix) && id > q.After && len(page) < min(q.Limit, 3) {
			page = append(page, *f.rows[id])
		}
	}
	return page, f.down
}

func (f *fake) History(_ context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		if execution == 0 && f.rows[id] != nil {
			execution = f.rows[id].Execution
		}
		if execution == 0 && f.rows[id] != nil {
			return
		}
		if execution < 1 || execution > int64(len(f.events[id])) || f.events[id][execution-1] == nil {
			yield(history.Event{}, fmt.Errorf("execution %d of %s: %w", execution, id, provider.ErrNotFound))
			return
		}
		events := f.events[id][execution-1]
		for i, e := range events {
			if err := f.unreadable[id]; err != nil && i == len(events)-1 {
				yield(history.Event{}, err)
				return
			}
			if int64(i) >= after && !yield(e, nil) {
				return
			}
		}
	}
}

func (f *fake) State(_ context.Context, id history.InstanceID, key string) (history.Payload, error) {
	return f.state[id][key], f.down
}

func (f *fake) Outstanding(_ context.Context, id history.InstanceID) (*provider.Outstanding, error) {
	if f.rows[id] == nil {
		return nil, fmt.Errorf("%s: %w", id, provider.ErrNotFound)
	}
	if out := f.out[id]; out != nil {
		return out, nil
	}
	return &provider.Outstanding{}, nil
}

func (f *fake) DeadLetters(_ context.Context, limit int) ([]provider.DeadLetter, error) {
	return f.dead[:min(limit, len(f.dead))], nil
}

// purge removes an instance as if it had never been.
func (f *fake) purge(id history.InstanceID) {
	delete(f.rows, id)
	delete(f.events, id)
	delete(f.out, id)
	delete(f.state, id)
}

// at is an event of an instance's current execution.
func (f *fake) at(id history.InstanceID, event int) *history.Event {
	executions := f.events[id]
	return &executions[len(executions)-1][event-1]
}

// data is what an event of the current execution holds.
func data[D history.Data](f *fake, id history.InstanceID, event int) D {
	return f.at(id, event).Data.(D)
}

// change replaces what an event holds.
func (f *fake) change(id history.InstanceID, event int, d history.Data) { f.at(id, event).Data = d }

// add appends an event, one second after the last, and lets the row know.
func (f *fake) add(id history.InstanceID, d history.Data) {
	executions := f.events[id]
	events := &executions[len(executions)-1]
	last := (*events)[len(*events)-1]
	*events = append(*events, history.Event{ID: last.ID + 1, Execution: last.Execution, Time: last.Time.Add(time.Second), Data: d})
	f.rows[id].LastEvent++
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

func payload(s string) history.Payload { return history.Payload(s) }

func failure(kind history.FailureKind, message string) *history.Failure {
	return &history.Failure{Kind: kind, Message: message}
}

// put adds an instance with its executions, of which all events are a second
// apart, and a row that agrees with them. Instances begin at the epoch.
func (f *fake) put(id history.InstanceID, executions ...[]history.Data) *provider.Instance {
	row := &provider.Instance{ID: id, Status: history.StatusRunning, Created: epoch}
	f.state[id] = map[string]history.Payload{}
	seconds := 0
	for n, all := range executions {
		var events []history.Event
		for i, d := range all {
			events = append(events, history.Event{ID: int64(i + 1), Execution: int64(n + 1), Time: at(seconds), Data: d})
			seconds++
		}
		f.events[id] = append(f.events[id], events)
		row.Execution, row.LastEvent, row.Updated = int64(n+1), int64(len(events)), events[len(events)-1].Time
		f.project(row, all)
	}
	f.rows[id] = row
	return row
}

// project writes into the row what events say.
func (f *fake) project(row *provider.Instance, all []history.Data) {
	for _, d := range all {
		switch d := d.(type) {
		case *history.ExecutionStarted:
			row.Name, row.Version, row.RequestID = d.Name, d.Version, d.RequestID
			row.Parent, row.Tags, row.CustomStatus = d.Parent, d.Tags, d.Status
		case *history.StatusSet:
			row.CustomStatus = d.Status
		case *history.StateSet:
			f.state[row.ID][d.Key] = d.Value
		case *history.ExecutionCompleted:
			row.Status, row.Output, row.Finished = history.StatusCompleted, d.Output, row.Updated
		case *history.ExecutionFailed:
			row.Status, row.Failure, row.Finished = history.StatusFailed, d.Failure, row.Updated
		case *history.ExecutionCancelled:
			row.Status, row.Failure, row.Finished = history.StatusCancelled, failure(history.FailureCancelled, "cancelled"), row.Updated
		case *history.ExecutionTerminated:
			row.Status, row.Output, row.Finished = history.StatusTerminated, d.Output, row.Updated
		}
	}
}

func started(name string) *history.ExecutionStarted {
	return &history.ExecutionStarted{Name: name, RequestID: "r-" + name, Seed: "00112233445566778899aabbccddeeff"}
}

func childStarted(name string, parent history.InstanceID, execution, event int64) *history.ExecutionStarted {
	s := started(name)
	s.RequestID = fmt.Sprintf("%s/%d/%d/start", parent, execution, event)
	s.Parent = &history.ParentRef{Instance: parent, Execution: execution, Event: event}
	return s
}

// healthy is a store in which everything is as it should be, and nearly
// everything occurs.
func healthy() *fake {
	f := newFake()

	// A finished order: activities, one of them retried, a timer that lost, an
	// event, a child, an event for another instance, a detached start, state.
	f.put("order-7", []history.Data{
		started("fulfil"),
		&history.ActivityScheduled{Name: "charge", Retry: &history.RetryPolicy{MaxAttempts: 3}},
		&history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: failure(history.FailureError, "busy"), Retry: at(3)},
		&history.ActivityRetried{Source: 2, Attempt: 2},
		&history.ActivityCompleted{Source: 2, Attempt: 2, Output: payload(`"ok"`)},
		&history.EventAwaited{Name: "approve"},
		&history.TimerCreated{Due: at(60)},
		&history.EventRaised{Source: 6, Name: "approve", MessageID: "m-1"},
		&history.TimerCancelled{Source: 7},
		&history.ChildScheduled{Name: "ship", Instance: "order-7::1.10"},
		&history.ChildCompleted{Source: 10, Output: payload(`{"parcel": 1}`)},
		&history.EventSent{To: "warehouse-1", Name: "pick", Queue: true, Payload: payload(`7`)},
		&history.DetachedStarted{Name: "invoice", Instance: "invoice-7"},
		&history.StatusSet{Status: payload(`"shipped"`)},
		&history.StateSet{Key: "cents", Value: payload(`1999`)},
		&history.InlineRan{Name: "price", Attempt: 1},
		&history.ValueRecorded{Value: payload(`0.5`)},
		&history.Patched{ID: "p"},
		&history.ExecutionCompleted{Output: payload(`{"ok":true}`)},
	}).Tags = map[string]string{}
	f.put("order-7::1.10", []history.Data{
		childStarted("ship", "order-7", 1, 10),
		&history.ActivityScheduled{Name: "pack"},
		&history.ActivityCompleted{Source: 2, Attempt: 1},
		&history.ExecutionCompleted{Output: payload(`{"parcel":1}`)},
	})

	// What it started and left is yet to begin.
	f.rows["invoice-7"] = &provider.Instance{ID: "invoice-7", Name: "invoice", Status: history.StatusPending, Created: at(13)}
	f.out["invoice-7"] = &provider.Outstanding{Messages: []provider.Message{{ID: "order-7/1/13/start", To: "invoice-7", Due: at(9999), Data: started("invoice")}}}

	// An eternal loop that has continued as new, with one event carried over.
	second := started("warehouse")
	second.Seed = "ffeeddccbbaa99887766554433221100"
	second.Input, second.Status = payload(`2`), payload(`"open"`)
	second.Carried = []history.CarriedEvent{{Name: "pick", Queue: true, Payload: payload(`7`), MessageID: "order-7/1/12/event"}, {Name: "audit", MessageID: "m-2"}}
	second.State = map[string]history.Payload{"picked": payload(`1`)}
	f.put("warehouse-1", []history.Data{
		started("warehouse"),
		&history.StatusSet{Status: payload(`"open"`)},
		&history.StateSet{Key: "picked", Value: payload(`1`)},
		&history.StateSet{Key: "gone", Value: payload(`1`)},
		&history.StateSet{Key: "gone"},
		&history.EventAwaited{Name: "pick", Queue: true},
		&history.EventRaised{Source: 6, Name: "pick", Queue: true, MessageID: "m-3"},
		&history.EventRaised{Name: "pick", Queue: true, Payload: payload(`7`), MessageID: "order-7/1/12/event"},
		&history.EventRaised{Name: "audit", MessageID: "m-2"},
		&history.ContinuedAsNew{Input: payload(`2`)},
	}, []history.Data{
		second,
		&history.EventAwaited{Name: "pick", Queue: true, Received: -1},
		&history.EventAwaited{Name: "pick", Queue: true},
		&history.EventAwaited{Name: "pick", Queue: true},
	})

	// One with everything open: an activity, a retry, a timer, a timer that is
	// due, a child, a child that was given up, a child whose outcome is coming.
	f.put("slow-1", []history.Data{
		started("slow"),
		&history.ActivityScheduled{Name: "long"},
		&history.ActivityScheduled{Name: "flaky", Retry: &history.RetryPolicy{MaxAttempts: 2}},
		&history.ActivityAttemptFailed{Source: 3, Attempt: 1, Failure: failure(history.FailureError, "busy"), Retry: at(500)},
		&history.TimerCreated{Due: at(600)},
		&history.TimerCreated{Due: at(5)},
		&history.ChildScheduled{Name: "sub", Instance: "slow-1::1.7"},
		&history.ChildScheduled{Name: "sub", Instance: "slow-1::1.8"},
		&history.ChildCancelled{Source: 8},
		&history.ChildScheduled{Name: "sub", Instance: "slow-1::1.10"},
		&history.ChildScheduled{Name: "sub", Instance: "taken"},
		&history.ChildFailed{Source: 11, Failure: failure(history.FailureExists, "taken")},
	})
	f.out["slow-1"] = &provider.Outstanding{
		Activities: []provider.ActivityRef{{Event: 2, Attempt: 1}},
		Timers:     []provider.Timer{{Event: 3, Due: at(500)}, {Event: 5, Due: at(600)}},
		Messages: []provider.Message{
			{ID: "t", To: "slow-1", Execution: 1, Data: &history.TimerFired{Source: 6}},
			{ID: "slow-1::1.10/1/1/outcome", To: "slow-1", Execution: 1, Data: &history.ChildFailed{Source: 10, Failure: failure(history.FailureError, "boom")}},
		},
	}
	f.put("slow-1::1.7", []history.Data{childStarted("sub", "slow-1", 1, 7), &history.EventAwaited{Name: "never"}})
	f.put("slow-1::1.8", []history.Data{childStarted("sub", "slow-1", 1, 8), &history.EventAwaited{Name: "never"}, &history.CancelRequested{MessageID: "slow-1/1/8/cancel"}})
	f.put("slow-1::1.10", []history.Data{childStarted("sub", "slow-1", 1, 10), &history.ExecutionFailed{Failure: failure(history.FailureError, "boom")}})
	f.put("taken", []history.Data{started("other"), &history.ExecutionTerminated{Reason: "by hand", Output: payload(`1`)}})

	// A parent that ended before its children: one was asked to cancel and has
	// not yet heard, one goes on.
	f.put("parent-1", []history.Data{
		started("parent"),
		&history.ChildScheduled{Name: "sub", Instance: "parent-1::1.2"},
		&history.ChildScheduled{Name: "sub", Instance: "parent-1::1.3", ParentClose: history.ParentCloseAbandon},
		&history.ActivityScheduled{Name: "left"},
		&history.CancelRequested{MessageID: "m-4"},
		&history.ExecutionCancelled{},
	})
	f.put("parent-1::1.2", []history.Data{childStarted("sub", "parent-1", 1, 2), &history.EventAwaited{Name: "never"}})
	f.out["parent-1::1.2"] = &provider.Outstanding{Messages: []provider.Message{{ID: "parent-1/1/2/cancel", To: "parent-1::1.2", Data: &history.CancelRequested{}}}}
	f.put("parent-1::1.3", []history.Data{childStarted("sub", "parent-1", 1, 3)})
	f.out["parent-1::1.3"] = &provider.Outstanding{Again: true}
	return f
}
