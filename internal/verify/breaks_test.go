package verify_test

import (
	"fmt"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/verify"
)

// Instances of the healthy store.
const order, warehouse, slow = history.InstanceID("order-7"), history.InstanceID("warehouse-1"), history.InstanceID("slow-1")

// alone puts an instance of its own into the store, running and waiting.
func alone(data ...history.Data) func(f *fake) {
	return func(f *fake) {
		f.put("alone", append([]history.Data{started("o")}, data...))
		f.add("alone", &history.EventAwaited{Name: "for ever"})
	}
}

var (
	scheduled = &history.ActivityScheduled{Name: "a", Retry: &history.RetryPolicy{MaxAttempts: 2}}
	boom      = failure(history.FailureError, "boom")
)

var historyBreaks = []breaks{
	{"a gap", func(f *fake) { f.at(order, 19).ID = 20 }, verify.Order, "order-7/1/20", "event 19 is expected"},
	{"an id twice", func(f *fake) { f.at(order, 3).ID = 2 }, verify.Order, "order-7/1/2", "event 3 is expected"},
	{"another execution", func(f *fake) { f.at(order, 3).Execution = 2 }, verify.Order, "order-7/1/3", "belongs to execution 2"},
	{"no start", func(f *fake) { f.change(order, 1, &history.Patched{ID: "p"}) }, verify.Order, "order-7/1/1", "it is Patched"},
	{"two starts", func(f *fake) { f.change(order, 18, started("fulfil")) }, verify.Order, "order-7/1/18", "it is ExecutionStarted"},
	{"an event after the end", func(f *fake) { f.add(order, &history.Patched{ID: "p"}) }, verify.Order, "order-7/1/20", "Patched follows ExecutionCompleted"},
	{"no data", func(f *fake) { f.change(order, 18, nil) }, verify.Order, "order-7/1/18", "no data"},

	{"it goes back", func(f *fake) { f.at(order, 18).Time = at(3) }, verify.Time, "order-7/1/18", "is before that of the event before it"},
	{"a timer fires early", alone(&history.TimerCreated{Due: at(3)}, &history.TimerFired{Source: 2}), verify.Time, "alone/1/3", "the timer was due at 2026-01-02T03:04:08Z and came at 2026-01-02T03:04:07Z"},
	{"a retry comes early", func(f *fake) { data[*history.ActivityAttemptFailed](f, order, 3).Retry = at(4) }, verify.Time, "order-7/1/4", "the retry was due"},
	{"a start comes early", func(f *fake) { data[*history.ExecutionStarted](f, order, 1).Scheduled = new(at(1)) }, verify.Time, "order-7/1/1", "the start was due"},

	{"a second outcome", alone(scheduled, &history.ActivityCompleted{Source: 2}, &history.ActivityCompleted{Source: 2}), verify.Answers, "alone/1/4", "ActivityCompleted answers event 2, which was answered by event 3"},
	{"a failure after the outcome", alone(scheduled, &history.ActivityCompleted{Source: 2}, &history.ActivityFailed{Source: 2, Failure: boom}), verify.Answers, "alone/1/4", "ActivityFailed answers event 2"},
	{"an outcome after giving up", alone(scheduled, &history.ActivityCancelled{Source: 2}, &history.ActivityCompleted{Source: 2}), verify.Answers, "alone/1/4", "answered by event 3"},
	{"a retry after the outcome", alone(scheduled, &history.ActivityCompleted{Source: 2}, &history.ActivityRetried{Source: 2, Attempt: 2}), verify.Answers, "alone/1/4", "ActivityRetried answers event 2"},
	{"an attempt fails after the outcome", alone(scheduled, &history.ActivityCompleted{Source: 2}, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}), verify.Answers, "alone/1/4", "ActivityAttemptFailed answers event 2"},
	{"giving up after the outcome", alone(scheduled, &history.ActivityCompleted{Source: 2}, &history.ActivityCancelled{Source: 2}), verify.Answers, "alone/1/4", "ActivityCancelled answers event 2"},
	{"an outcome of another kind", alone(&history.TimerCreated{Due: epoch}, &history.TimerCancelled{Source: 2}, &history.ActivityCompleted{Source: 2}), verify.Answers, "alone/1/4", "which is TimerCreated, not ActivityScheduled"},
	{"an outcome of nothing", alone(&history.ActivityCompleted{Source: 9}), verify.Answers, "alone/1/2", "event 9, which is not before it"},
	{"a timer fires twice", alone(&history.TimerCreated{Due: epoch}, &history.TimerFired{Source: 2}, &history.TimerFired{Source: 2}), verify.Answers, "alone/1/4", "TimerFired answers event 2"},
	{"a cancelled timer is cancelled", alone(&history.TimerCreated{Due: epoch}, &history.TimerCancelled{Source: 2}, &history.TimerCancelled{Source: 2}), verify.Answers, "alone/1/4", "TimerCancelled answers event 2"},
	{"a child ends twice", func(f *fake) { f.change(order, 18, &history.ChildCompleted{Source: 10}) }, verify.Answers, "order-7/1/18", "ChildCompleted answers event 10, which was answered by event 11"},
	{"a wait receives twice", alone(&history.EventAwaited{Name: "e"}, &history.EventRaised{Name: "e", Source: 2}, &history.EventRaised{Name: "e", Source: 2}), verify.Answers, "alone/1/4", "EventRaised answers event 2"},
	{"a wait is given up that received", alone(&history.EventAwaited{Name: "e"}, &history.EventRaised{Name: "e", Source: 2}, &history.WaitCancelled{Source: 2}), verify.Answers, "alone/1/4", "WaitCancelled answers event 2"},
	{"an event is received twice", alone(&history.EventRaised{Name: "e"}, &history.EventAwaited{Name: "e", Received: 2}, &history.EventAwaited{Name: "e", Received: 2}), verify.Answers, "alone/1/4", "EventAwaited answers event 2, which was answered by event 3"},
	{"a received event is received", alone(&history.EventAwaited{Name: "e"}, &history.EventRaised{Name: "e", Source: 2}, &history.EventAwaited{Name: "e", Received: 3}), verify.Answers, "alone/1/4", "EventAwaited answers event 3"},
	{"a carried event is received twice", func(f *fake) { data[*history.EventAwaited](f, warehouse, 3).Received = -1 }, verify.Answers, "warehouse-1/2/3", "carried event 1, which was received by event 2"},
	{"a carried event too many", func(f *fake) { data[*history.EventAwaited](f, warehouse, 3).Received = -3 }, verify.Answers, "warehouse-1/2/3", "carried event 3 of 2"},

	{"a retry without a failure", alone(scheduled, &history.ActivityRetried{Source: 2, Attempt: 2}, &history.ActivityCancelled{Source: 2}), verify.Attempts, "alone/1/3", "attempt 2 of activity 2 began, while attempt 1 is running"},
	{"the wrong attempt fails", alone(scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 0, Failure: boom}, &history.ActivityCancelled{Source: 2}), verify.Attempts, "alone/1/3", "attempt 0 of activity 2 failed"},
	{"an attempt fails twice", alone(scheduled, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, &history.ActivityCancelled{Source: 2}), verify.Attempts, "alone/1/4", "while attempt 1 has failed"},
	{"more attempts than allowed", alone(&history.ActivityScheduled{Name: "a"}, &history.ActivityAttemptFailed{Source: 2, Attempt: 1, Failure: boom}, &history.ActivityCancelled{Source: 2}), verify.Attempts, "alone/1/3", "its policy allows 1"},
	{"an attempt completes that never began", func(f *fake) { data[*history.ActivityCompleted](f, order, 5).Attempt = 3 }, verify.Attempts, "order-7/1/5", "attempt 3 of activity 2 completed, while attempt 2 is running"},
	{"an old attempt fails for good", func(f *fake) { f.change(order, 5, &history.ActivityFailed{Source: 2, Attempt: 1, Failure: boom}) }, verify.Attempts, "order-7/1/5", "attempt 1 of activity 2 failed for good"},

	{"a younger wait receives", alone(&history.EventAwaited{Name: "e"}, &history.EventAwaited{Name: "e"}, &history.EventRaised{Name: "e", Source: 3}), verify.Events, "alone/1/4", `event "e" was received by wait 3, while wait 2 is older`},
	{"nobody receives although somebody waits", alone(&history.EventAwaited{Name: "e"}, &history.EventRaised{Name: "e"}), verify.Events, "alone/1/3", `nobody received event "e", while wait 2 was open`},
	{"a wait for another name receives", alone(&history.EventAwaited{Name: "f"}, &history.EventRaised{Name: "e", Source: 2}), verify.Events, "alone/1/3", `event "e" was received by wait 2, which is for event "f"`},
	{"a wait receives a younger event", alone(&history.EventRaised{Name: "e"}, &history.EventRaised{Name: "e"}, &history.EventAwaited{Name: "e", Received: 3}), verify.Events, "alone/1/4", "received event 3, while event 2 is older"},
	{"a wait receives nothing although there is something", alone(&history.EventRaised{Name: "e"}, &history.EventAwaited{Name: "e"}), verify.Events, "alone/1/3", "received nothing, while event 2 had not been received"},
	{"a wait receives what has another name", alone(&history.EventRaised{Name: "f", Queue: true}, &history.EventAwaited{Name: "e", Received: 2}), verify.Events, "alone/1/3", `received event 2, which is queue "f"`},
	{"a message is received twice", func(f *fake) {
		f.add(warehouse, &history.EventRaised{Source: 3, Name: "pick", Queue: true, MessageID: "m-3"})
	}, verify.Events, "warehouse-1/2/5", `message "m-3" was received before, by event 7 of execution 1`},

	{"an empty name", func(f *fake) { data[*history.ActivityScheduled](f, order, 2).Name = "" }, verify.Contents, "order-7/1/2", "Name is empty"},
	{"a long name", func(f *fake) { data[*history.InlineRan](f, order, 16).Name = strings.Repeat("n", 257) }, verify.Contents, "order-7/1/16", "Name is 257 bytes, more than the limit of 256"},
	{"a name that is no text", func(f *fake) { data[*history.InlineRan](f, order, 16).Name = "\xff" }, verify.Contents, "order-7/1/16", "not valid UTF-8"},
	{"a key that is empty", func(f *fake) { f.change(order, 18, &history.StateSet{}) }, verify.Contents, "order-7/1/18", "Key is empty"},
	{"an event for nobody", func(f *fake) { data[*history.EventSent](f, order, 12).To = "" }, verify.Contents, "order-7/1/12", "To is empty"},
	{"a payload that is no JSON", func(f *fake) { data[*history.ValueRecorded](f, order, 17).Value = payload("{") }, verify.Contents, "order-7/1/17", "Value is not valid JSON"},
	{"a payload that is too large", func(f *fake) {
		data[*history.ValueRecorded](f, order, 17).Value = make([]byte, history.MaxPayloadBytes+1)
	}, verify.Contents, "order-7/1/17", "more than the limit"},
	{"a status that is too large", func(f *fake) {
		large := payload(`"` + strings.Repeat("s", history.MaxStatusBytes) + `"`)
		data[*history.StatusSet](f, order, 14).Status = large
		f.rows[order].CustomStatus = large
	}, verify.Contents, "order-7/1/14", "Status is 262146 bytes"},
	{"a carried payload that is no JSON", func(f *fake) {
		alone()(f)
		data[*history.ExecutionStarted](f, "alone", 1).Carried = []history.CarriedEvent{{Name: "e", Payload: payload("{")}}
	}, verify.Contents, "alone/1/1", "carried event 1 is not valid JSON"},
	{"a state that is no JSON", func(f *fake) {
		alone()(f)
		data[*history.ExecutionStarted](f, "alone", 1).State = map[string]history.Payload{"k": payload("{")}
		f.state["alone"]["k"] = payload("{")
	}, verify.Contents, "alone/1/1", "State k is not valid JSON"},
	{"a failure of nothing", func(f *fake) { data[*history.ActivityAttemptFailed](f, order, 3).Failure = nil }, verify.Contents, "order-7/1/3", "does not say what failed"},
}

// second is the start of the loop's second execution.
func second(f *fake) *history.ExecutionStarted {
	return f.events[warehouse][1][0].Data.(*history.ExecutionStarted)
}

var instanceBreaks = []breaks{
	{"the next execution is missing", func(f *fake) {
		f.events[warehouse] = f.events[warehouse][:1]
		f.rows[warehouse].Execution, f.rows[warehouse].LastEvent = 1, 10
	}, verify.Chain, "warehouse-1/1/10", "there is no execution after it"},
	{"the current execution is missing", func(f *fake) { f.events[warehouse] = f.events[warehouse][:1] }, verify.Chain, "warehouse-1/2", "has no history"},
	{"an execution in between is missing", func(f *fake) { f.events[warehouse][0] = nil; f.purge(order); f.purge("order-7::1.10") }, verify.Chain, "warehouse-1/1", "has no history"},
	{"there is one too many", func(f *fake) {
		f.events[order] = append(f.events[order], []history.Event{{ID: 1, Execution: 2, Data: started("fulfil")}})
	}, verify.Chain, "order-7/2/1", "while execution 1 is the current one"},
	{"there is one after a result", func(f *fake) {
		f.events[warehouse][0][9].Data = &history.ExecutionCompleted{}
	}, verify.Chain, "warehouse-1/2/1", "it follows execution 1, which ended by ExecutionCompleted"},
	{"there is one after what goes on", func(f *fake) {
		f.events[warehouse][0] = f.events[warehouse][0][:9]
	}, verify.Chain, "warehouse-1/2/1", "which has not ended"},
	{"another input", func(f *fake) { second(f).Input = payload(`3`) }, verify.Chain, "warehouse-1/2/1", "input"},
	{"another version", func(f *fake) {
		f.events[warehouse][0][9].Data.(*history.ContinuedAsNew).Version = "2.0.0"
	}, verify.Chain, "warehouse-1/2/1", "version"},
	{"another custom status", func(f *fake) { second(f).Status = nil; f.rows[warehouse].CustomStatus = nil }, verify.Chain, "warehouse-1/2/1", "custom status"},
	{"another state", func(f *fake) { second(f).State = nil; f.state[warehouse] = nil }, verify.Chain, "warehouse-1/2/1", "state"},
	{"another orchestration", func(f *fake) { second(f).Name = "x"; f.rows[warehouse].Name = "x" }, verify.Chain, "warehouse-1/2/1", "orchestration"},
	{"the same seed", func(f *fake) { second(f).Seed = started("x").Seed }, verify.Chain, "warehouse-1/2/1", "seed"},
	{"an event is lost on the way", func(f *fake) { second(f).Carried = second(f).Carried[:1] }, verify.Chain, "warehouse-1/2/1", "it carries over 1 external events, and execution 1 left 2"},
	{"events change places on the way", func(f *fake) {
		c := second(f).Carried
		c[0], c[1] = c[1], c[0]
		data[*history.EventAwaited](f, warehouse, 2).Received = -2
	}, verify.Chain, "warehouse-1/2/1", `number 1 is event "audit", not queue "pick"`},
	{"an event changes on the way", func(f *fake) { second(f).Carried[0].Payload = payload(`8`) }, verify.Chain, "warehouse-1/2/1", "number 1"},
	{"a parent appears on the way", func(f *fake) {
		ref := &history.ParentRef{Instance: slow, Execution: 1, Event: 7}
		second(f).Parent, f.rows[warehouse].Parent = ref, ref
		data[*history.ChildScheduled](f, slow, 7).Instance = warehouse
		data[*history.ChildScheduled](f, slow, 7).Name = "warehouse"
		f.purge("slow-1::1.7")
	}, verify.Chain, "warehouse-1/2/1", "parent"},

	{"the status", func(f *fake) { f.rows[order].Status = history.StatusFailed }, verify.Row, "order-7/1/19", "it is completed, and the row says failed"},
	{"it is said to be final", func(f *fake) {
		f.rows["slow-1::1.7"].Status, f.rows["slow-1::1.7"].Finished = history.StatusCompleted, at(9)
		f.rows["slow-1::1.7"].Parent, f.events["slow-1::1.7"][0][0].Data.(*history.ExecutionStarted).Parent = nil, nil
		data[*history.ChildScheduled](f, slow, 7).Instance = "parent-1::1.3" // out of the way
		f.out["parent-1::1.3"].Messages = []provider.Message{{To: "parent-1::1.3", Data: childStarted("sub", slow, 1, 7)}}
	}, verify.Row, "slow-1::1.7/1/2", "it is running, and the row says completed"},
	{"the last event", func(f *fake) { f.rows[order].LastEvent = 18 }, verify.Row, "order-7/1", "ends with event 19, and the row says 18"},
	{"the output", func(f *fake) { f.rows[order].Output = payload(`1`) }, verify.Row, "order-7/1/19", `the output is {"ok":true} in the history, and 1 in the row`},
	{"the failure", func(f *fake) { f.rows["slow-1::1.10"].Failure = failure(history.FailureError, "bang") }, verify.Row, "slow-1::1.10/1/2", "the failure is"},
	{"a failure of what completed", func(f *fake) { f.rows[order].Failure = boom }, verify.Row, "order-7/1/19", "the failure is"},
	{"a cancelled one says otherwise", func(f *fake) { f.rows["parent-1"].Failure = boom }, verify.Row, "parent-1/1", "it was cancelled"},
	{"the custom status", func(f *fake) { f.rows[order].CustomStatus = nil }, verify.Row, "order-7/1", `the custom status is "shipped" in the history, and none in the row`},
	{"the time of its end", func(f *fake) { f.rows[order].Finished = time.Time{} }, verify.Row, "order-7", "finished at"},
	{"an end to what goes on", func(f *fake) { f.rows[slow].Finished = at(9) }, verify.Row, "slow-1", "its status is running, and it finished at"},
	{"the orchestration", func(f *fake) { f.rows[order].Name = "x" }, verify.Row, "order-7/1/1", `it runs "fulfil", and the row says "x"`},
	{"the version", func(f *fake) { data[*history.ExecutionStarted](f, order, 1).Version = "1" }, verify.Row, "order-7/1/1", `it runs version "1"`},
	{"the parent", func(f *fake) { data[*history.ExecutionStarted](f, "order-7::1.10", 1).Parent = nil }, verify.Row, "order-7::1.10/1/1", "its parent is none, and the row says order-7/1/10"},
	{"the tags", func(f *fake) { f.rows[order].Tags = map[string]string{"a": "b"} }, verify.Row, "order-7/1/1", "its tags"},
	{"the request", func(f *fake) { f.rows[order].RequestID = "x" }, verify.Row, "order-7/1/1", `started by request "r-fulfil", and the row says "x"`},
	{"pending with a last event", func(f *fake) { f.rows["invoice-7"].LastEvent = 3 }, verify.Row, "invoice-7", "it has no execution"},

	{"another value", func(f *fake) { f.state[order]["cents"] = payload(`1`) }, verify.State, "order-7/1", `state "cents" is 1999 by the history, and 1 in the store`},
	{"a value that was removed", func(f *fake) { f.state[warehouse]["gone"] = payload(`1`) }, verify.State, "warehouse-1/2", `state "gone" is none by the history, and 1 in the store`},
	{"a value that is lost", func(f *fake) { delete(f.state[warehouse], "picked") }, verify.State, "warehouse-1/2", `state "picked" is 1 by the history, and none in the store`},

	{"an activity is forgotten", func(f *fake) { f.out[slow].Activities = nil }, verify.OpenWork, "slow-1/1/2", `activity "long" is open in the history, and not outstanding`},
	{"an activity too many", func(f *fake) {
		f.out[slow].Activities = append(f.out[slow].Activities, provider.ActivityRef{Event: 4, Attempt: 1})
	}, verify.OpenWork, "slow-1/1/4", "not open in the history"},
	{"an activity twice", func(f *fake) {
		f.out[slow].Activities = append(f.out[slow].Activities, f.out[slow].Activities...)
	}, verify.OpenWork, "slow-1/1/2", "outstanding twice"},
	{"an activity in another attempt", func(f *fake) { f.out[slow].Activities[0].Attempt = 2 }, verify.OpenWork, "slow-1/1/2", "attempt 2 of activity \"long\" is outstanding, while attempt 1 is running"},
	{"an activity that waits for its retry", func(f *fake) {
		f.out[slow].Activities = append(f.out[slow].Activities, provider.ActivityRef{Event: 3, Attempt: 1})
	}, verify.OpenWork, "slow-1/1/3", "while it waits for its retry"},
	{"a timer is forgotten", func(f *fake) { f.out[slow].Timers = f.out[slow].Timers[:1] }, verify.OpenWork, "slow-1/1/5", "a timer is open in the history"},
	{"a retry is forgotten", func(f *fake) { f.out[slow].Timers = f.out[slow].Timers[1:] }, verify.OpenWork, "slow-1/1/3", "a timer is open in the history"},
	{"a timer too many", func(f *fake) { f.out[slow].Timers = append(f.out[slow].Timers, provider.Timer{Event: 9}) }, verify.OpenWork, "slow-1/1/9", "not open in the history"},
	{"a timer twice", func(f *fake) { f.out[slow].Timers = append(f.out[slow].Timers, f.out[slow].Timers[0]) }, verify.OpenWork, "slow-1/1/3", "outstanding twice"},
	{"a timer that is due too early", func(f *fake) { f.out[slow].Timers[1].Due = at(599) }, verify.OpenWork, "slow-1/1/5", "the timer is due at"},
	{"a timer that is due too late", func(f *fake) { f.out[slow].Timers[1].Due = at(602) }, verify.OpenWork, "slow-1/1/5", "the timer is due at"},
	{"an outcome of another execution does not count", func(f *fake) {
		f.out[slow].Messages[0].Execution = 2
	}, verify.OpenWork, "slow-1/1/6", "a timer is open in the history"},

	{"an activity", func(f *fake) { f.out[order] = &provider.Outstanding{Activities: []provider.ActivityRef{{Event: 2}}} }, verify.FinalWork, "order-7/1", "it is completed, and has 1 activities and 0 timers open"},
	{"a timer", func(f *fake) { f.out[order] = &provider.Outstanding{Timers: []provider.Timer{{Event: 7}}} }, verify.FinalWork, "order-7/1", "0 activities and 1 timers"},
	{"another turn", func(f *fake) { f.out[order] = &provider.Outstanding{Again: true} }, verify.FinalWork, "order-7/1", "another turn asked for: true"},

	{"nothing will start it", func(f *fake) { f.out["invoice-7"] = nil }, verify.Stuck, "invoice-7", "no message will start it"},
	{"a message that starts nothing", func(f *fake) { f.out["invoice-7"].Messages[0].Data = &history.EventRaised{Name: "e"} }, verify.Stuck, "invoice-7", "no message will start it"},
	{"nothing will wake it", func(f *fake) { f.out["parent-1::1.3"] = nil }, verify.Stuck, "parent-1::1.3/1/1", "nothing is open or on the way that could wake it"},
	{"everything that it waited for has come", func(f *fake) {
		f.add("slow-1::1.7", &history.EventRaised{Name: "never", Source: 2})
	}, verify.Stuck, "slow-1::1.7/1/3", "nothing is open"},

	{"a history", func(f *fake) { f.unreadable[order] = fmt.Errorf("row 19: %w", provider.ErrCorrupt) }, verify.Readable, "order-7/1/19", "row 19"},
	{"an event of a later format", func(f *fake) { f.unreadable[slow] = fmt.Errorf("row 12: %w", history.ErrFormat) }, verify.Readable, "slow-1/1/12", "row 12"},
	{"a kind that nobody knows", func(f *fake) { f.change(order, 18, new(novelty)) }, verify.Readable, "order-7/1/18", "Novelty is not known"},
}

type novelty struct{}

func (*novelty) Kind() history.Kind { return "Novelty" }

var familyBreaks = []breaks{
	{"a child that does not exist", func(f *fake) { f.purge("slow-1::1.7") }, verify.Children, "slow-1/1/7", `child "slow-1::1.7" does not exist`},
	{"a child that ended, and nobody says so", func(f *fake) { f.out[slow].Messages = f.out[slow].Messages[:1] }, verify.Children, "slow-1/1/10", `child "slow-1::1.10" is failed, and its outcome is neither in the history nor on the way`},
	{"an outcome for another execution", func(f *fake) { f.out[slow].Messages[1].Execution = 2 }, verify.Children, "slow-1/1/10", "neither in the history nor on the way"},
	{"a child that could not start, and nobody says so", func(f *fake) {
		data[*history.ChildScheduled](f, slow, 7).Instance = "taken"
		f.purge("slow-1::1.7")
	}, verify.Children, "slow-1/1/7", "its id is taken, and nobody tells its parent"},
	{"an outcome of a child that goes on", func(f *fake) {
		f.change(slow, 9, &history.ChildCompleted{Source: 8})
	}, verify.Children, "slow-1/1/9", `the outcome of child "slow-1::1.8" is known, and it is running`},
	{"an outcome that is not the child's", func(f *fake) {
		f.change(order, 11, &history.ChildFailed{Source: 10, Failure: boom})
	}, verify.Children, "order-7/1/11", "ChildFailed is the outcome of child \"order-7::1.10\", which is completed"},
	{"an output that is not the child's", func(f *fake) {
		data[*history.ChildCompleted](f, order, 11).Output = payload(`{}`)
	}, verify.Children, "order-7/1/11", `is {"parcel":1}, and its parent received {}`},
	{"a child that is said not to have started", func(f *fake) {
		f.change(order, 11, &history.ChildFailed{Source: 10, Failure: failure(history.FailureExists, "taken")})
	}, verify.Children, "order-7/1/11", "and it did"},
	{"a child that was given up, and goes on", func(f *fake) { f.change("slow-1::1.8", 3, &history.Patched{ID: "p"}) }, verify.Children, "slow-1/1/8", `child "slow-1::1.8" goes on, and was not asked to cancel`},
	{"a child that outlives its parent", func(f *fake) { f.out["parent-1::1.2"] = nil }, verify.Children, "parent-1/1/2", "was not asked to cancel"},

	{"a parent that did not schedule it", func(f *fake) {
		f.put("orphan", []history.Data{childStarted("sub", "parent-1", 1, 4), &history.EventAwaited{Name: "never"}})
	}, verify.Parents, "orphan", "its parent parent-1/1/4 did not schedule it"},
	{"a parent that scheduled another", func(f *fake) {
		f.put("orphan", []history.Data{childStarted("sub", "parent-1", 1, 2), &history.EventAwaited{Name: "never"}})
	}, verify.Parents, "orphan", "did not schedule it"},
	{"a parent's execution that never was", func(f *fake) {
		f.put("orphan", []history.Data{childStarted("sub", "parent-1", 9, 2), &history.EventAwaited{Name: "never"}})
	}, verify.Parents, "orphan", "did not schedule it"},
	{"a parent that does not exist", func(f *fake) {
		f.put("orphan", []history.Data{childStarted("sub", "nobody", 1, 2), &history.EventAwaited{Name: "never"}})
	}, verify.Parents, "orphan", "its parent nobody/1/2 does not exist"},

	{"an event that did not arrive", func(f *fake) {
		f.put("sender", []history.Data{started("o"), &history.EventSent{To: slow, Name: "e"}, &history.ExecutionCompleted{}})
	}, verify.Sent, "sender/1/2", `the event sent to instance "slow-1", which is running, was neither received there nor is on the way`},
	{"an event that did not arrive before the start", func(f *fake) {
		f.put("sender", []history.Data{started("o"), &history.EventSent{To: "invoice-7", Name: "e"}, &history.ExecutionCompleted{}})
	}, verify.Sent, "sender/1/2", "which is pending"},
	{"a start that did not arrive", func(f *fake) { f.purge("invoice-7") }, verify.Sent, "order-7/1/13", `instance "invoice-7", which was started here, does not exist`},

	{"a message to one that lives", func(f *fake) {
		f.dead = []provider.DeadLetter{{Message: provider.Message{ID: "m", To: slow}, Reason: "too large", Time: at(99)}}
	}, verify.DeadLetters, "slow-1", `message "m" for it is a dead letter, and it is running: too large`},
}
