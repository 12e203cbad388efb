package history_test

import (
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

// theme is a history that shows one side of the format.
type theme struct {
	name      string
	execution int64
	events    []history.Data
	remote    bool // events carry ids given by a remote worker
}

var start = time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

// payload is a payload as text.
func payload(s string) history.Payload { return history.Payload(s) }

const seed = "00112233445566778899aabbccddeeff"

// build gives the data of a theme its places in a history, a second apart.
func (th theme) build() []history.Event {
	var events []history.Event
	for i, data := range th.events {
		e := history.Event{
			ID:        int64(i + 1),
			Execution: max(th.execution, 1),
			Time:      at(time.Duration(i) * time.Second),
			Data:      data,
		}
		if th.remote {
			e.Remote = new(int32(i - 1))
		}
		events = append(events, e)
	}
	return events
}

func failure(kind history.FailureKind, message string) *history.Failure {
	return &history.Failure{Kind: kind, Message: message}
}

// themes are the golden histories. Together they hold every kind of event and
// every field.
var themes = []theme{
	{name: "sequence", events: []history.Data{
		&history.ExecutionStarted{Name: "greet-all", Version: "1.2.0", Input: payload(`["Gabbar","Samba"]`), RequestID: "request-1", Seed: seed},
		&history.ActivityScheduled{Name: "greet", Input: payload(`"Gabbar"`)},
		&history.ActivityCompleted{Source: 2, Attempt: 1, Output: payload(`"Hello, Gabbar!"`), Started: new(at(time.Second)), Worker: "web-1 pid 4711"},
		&history.ActivityScheduled{Name: "greet", Input: payload(`"Samba"`)},
		&history.ActivityCompleted{Source: 4, Attempt: 1, Output: payload(`"Hello, Samba!"`)},
		&history.ExecutionCompleted{Output: payload(`["Hello, Gabbar!","Hello, Samba!"]`)},
	}},
	{name: "started", events: []history.Data{
		&history.ExecutionStarted{
			Name: "fulfil", Seed: seed,
			Parent:    &history.ParentRef{Instance: "order-7", Execution: 2, Event: 5, Name: "shop", Version: "2.0.0", Seed: seed},
			Tags:      map[string]string{"customer": "ann", "region": "north"},
			Scheduled: new(at(-time.Hour)),
			Deadline:  new(at(24 * time.Hour)),
			Trace:     &history.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", State: "vendor=1"},
			Headers:   map[string]string{"tenant": "blue"},
		},
		&history.ExecutionCompleted{},
	}},
	{name: "activities", events: []history.Data{
		&history.ExecutionStarted{Name: "activities", Seed: seed},
		&history.ActivityScheduled{
			Name: "charge", Version: "3.0.0", Input: payload(`{"cents":1999}`),
			Retry: &history.RetryPolicy{
				MaxAttempts: 5, First: 1_000, Factor: 1.5, Max: 60_000, Linear: true, Jitter: 0.25,
				NonRetryable: []string{"Declined"},
			},
			Timeout: 30_000, Deadline: new(at(time.Hour)), Tag: "gpu", Session: "cart-9", Description: "charge the card",
			InputHash: "sha256:2c26b46b", Tags: map[string]string{"team": "payments"},
			Trace: &history.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, Headers: map[string]string{"tenant": "blue"},
		},
		&history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: failure(history.FailureTimeout, "no answer within 30s"), Retry: at(4 * time.Second), Started: new(at(time.Second)), Worker: "web-1"},
		&history.ActivityScheduled{Name: "slow"},
		&history.ActivityRetried{Source: 2, Attempt: 2},
		&history.ActivityCancelled{Source: 4},
		&history.InlineRan{Name: "price", Attempt: 2, Output: payload(`42`)},
		&history.InlineRan{Name: "price", Attempt: 1, Failure: failure(history.FailureError, "no such article")},
		&history.ActivityFailed{
			Source: 2, Attempt: 2, Started: new(at(5 * time.Second)), Worker: "web-2",
			Failure: &history.Failure{
				Kind: history.FailureError, Type: "*shop.Declined", Message: "declined", Details: payload(`{"Code":"51"}`),
				NonRetryable: true, Stack: "goroutine 1 [running]:\n\tmain.main()", Activity: "charge", Child: "order-7::2", Attempt: 2,
				Properties: map[string]history.Payload{"code": payload(`51`)},
				Cause:      failure(history.FailureError, "insufficient funds"),
			},
		},
		&history.ExecutionFailed{Failure: failure(history.FailureError, "order-7: declined")},
	}},
	{name: "timers", events: []history.Data{
		&history.ExecutionStarted{Name: "timers", Seed: seed},
		&history.TimerCreated{Due: at(2 * time.Second), Description: "a short rest"},
		&history.TimerCreated{Due: at(72 * time.Hour)},
		&history.TimerFired{Source: 2},
		&history.TimerCancelled{Source: 3},
		&history.ExecutionCompleted{Output: payload(`null`)},
	}},
	{name: "events", events: []history.Data{
		&history.ExecutionStarted{Name: "approval", Seed: seed},
		&history.EventAwaited{Name: "approve", Description: "a manager's word"},
		&history.EventAwaited{Name: "reject"},
		&history.EventRaised{Name: "mail", Queue: true, Payload: payload(`"first"`), MessageID: "m-1"},
		&history.EventRaised{Source: 2, Name: "approve", Payload: payload(`{"by":"ann"}`)},
		&history.WaitCancelled{Source: 3},
		&history.EventAwaited{Name: "mail", Queue: true, Received: 4},
		&history.EventSent{To: "warehouse-1", Name: "pick", Queue: true, Payload: payload(`{"item":7}`)},
		&history.ExecutionCompleted{},
	}},
	{name: "children", events: []history.Data{
		&history.ExecutionStarted{Name: "shop", Seed: seed},
		&history.ChildScheduled{
			Name: "fulfil", Version: "2.0.0", Instance: "order-7::2", Input: payload(`{"item":7}`), ParentClose: history.ParentCloseAbandon,
			Description: "the first parcel", Tags: map[string]string{"customer": "ann"},
			Trace: &history.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, Headers: map[string]string{"tenant": "blue"},
		},
		&history.ChildScheduled{Name: "fulfil", Instance: "order-7::3"},
		&history.ChildScheduled{Name: "fulfil", Instance: "order-7::4"},
		&history.ChildCompleted{Source: 2, Output: payload(`{"parcel":"P1"}`), Seed: seed},
		&history.ChildFailed{Source: 3, Failure: failure(history.FailureExists, "an instance order-7::3 exists"), Seed: seed},
		&history.ChildCancelled{Source: 4},
		&history.DetachedStarted{
			Name: "invoice", Version: "1.0.0", Instance: "invoice-7", Input: payload(`7`), Scheduled: new(at(time.Hour)),
			Tags:  map[string]string{"customer": "ann"},
			Trace: &history.Trace{Parent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}, Headers: map[string]string{"tenant": "blue"},
		},
		&history.ExecutionCompleted{},
	}},
	{name: "state", events: []history.Data{
		&history.ExecutionStarted{Name: "cart", Seed: seed},
		&history.StatusSet{Status: payload(`{"step":"collecting"}`)},
		&history.StateSet{Key: "items", Value: payload(`[7]`)},
		&history.StateSet{Key: "items"},
		&history.ValueRecorded{Value: payload(`0.25`)},
		&history.Patched{ID: "use-new-prices"},
		&history.StatusSet{},
		&history.ExecutionCompleted{},
	}},
	{name: "continues", events: []history.Data{
		&history.ExecutionStarted{Name: "loop", Seed: seed},
		&history.EventRaised{Name: "mail", Queue: true, Payload: payload(`"one"`), MessageID: "m-1"},
		&history.ContinuedAsNew{Input: payload(`{"round":2}`), Version: "1.1.0"},
	}},
	{name: "continued", execution: 2, events: []history.Data{
		&history.ExecutionStarted{
			Name: "loop", Version: "1.1.0", Input: payload(`{"round":2}`), Seed: "ffeeddccbbaa99887766554433221100",
			Carried: []history.CarriedEvent{
				{Name: "mail", Queue: true, Payload: payload(`"one"`), MessageID: "m-1"},
				{Name: "stop"},
			},
			State:  map[string]history.Payload{"items": payload(`[7]`), "total": payload(`1999`)},
			Status: payload(`"round 2"`),
		},
		&history.EventAwaited{Name: "mail", Queue: true, Received: -1},
		&history.ContinuedAsNew{},
	}},
	{name: "cancelled", events: []history.Data{
		&history.ExecutionStarted{Name: "long", Seed: seed},
		&history.EventAwaited{Name: "never"},
		&history.CancelRequested{Parent: &history.ParentRef{Instance: "order-1", Execution: 1, Event: 4}, Reason: "the customer left", MessageID: "m-2"},
		&history.WaitCancelled{Source: 2},
		&history.ExecutionCancelled{Reason: "the customer left"},
	}},
	{name: "terminated", events: []history.Data{
		&history.ExecutionStarted{Name: "stuck", Seed: seed},
		&history.ExecutionTerminated{Reason: "by an operator", Output: payload(`{"partial":true}`)},
	}},
	{name: "remote", remote: true, events: []history.Data{
		&history.ExecutionStarted{Name: "elsewhere", Seed: seed},
		&history.ActivityScheduled{Name: "greet"},
		&history.ActivityCompleted{Source: 2},
		&history.ExecutionCompleted{},
	}},
	{name: "text", events: []history.Data{
		&history.ExecutionStarted{Name: "größe <&> \"quoted\" \\ 日本語 🎉", Input: payload(`"\u0000\ud800 <&> 日本語 \u2028"`), Seed: seed},
		&history.ActivityScheduled{Name: "a", Input: payload(`{"big":123456789012345678901234567890,"exact":1.10,"exp":1E+2,"a":1,"a":2}`), Description: "line\nbreak\tand \u2028"},
		&history.ActivityCompleted{Source: 2, Output: payload(`null`)},
		&history.ExecutionFailed{Failure: &history.Failure{Kind: history.FailurePanic, Message: "\x00 <script>", Stack: "a\nb\r\n"}},
	}},
}
