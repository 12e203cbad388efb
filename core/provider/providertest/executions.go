package providertest

import (
	"fmt"
	"reflect"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

var executionProperties = []property{
	{"a first commit begins execution 1 with event 1", p7, func(e *env) {
		e.send(e.start("order"))
		for _, wrong := range []struct{ execution, id int64 }{{1, 2}, {2, 1}, {0, 1}, {1, 0}} {
			t := e.turnOf("order")
			d := take(t)
			d.Events[0].Execution, d.Events[0].ID = wrong.execution, wrong.id
			e.wants(e.tryCommit(t, &d.Commit), provider.ErrConflict, "a first commit with event %d of execution %d", wrong.id, wrong.execution)
			e.release(t, provider.Release{})
		}
		e.next("order", nil)
	}},
	{"a final status ends everything that is open", p1, func(e *env) {
		e.running("order", func(d *draft) {
			d.schedule("charge")
			d.timer(time.Now().Add(far))
			d.Again = true
		})
		t := e.turnWith("order")
		d := take(t).finish()
		d.Again = true
		e.commit(t, d)
		o := e.outstanding("order")
		if len(o.Activities)+len(o.Timers)+len(o.Messages) != 0 || o.Again {
			e.breaks("a finished instance still waits for %+v", o)
		}
		e.noTurn()
		e.noActivity()
	}},
	{"every final status is kept with its outcome", pX, func(e *env) {
		failure := &history.Failure{
			Kind: history.FailureError, Type: "*shop.DeclinedError", Message: "card declined: \"no funds\"",
			Details: history.Payload(`{"code":51}`), NonRetryable: true, Stack: "goroutine 1", Activity: "charge", Attempt: 3,
			Cause:      &history.Failure{Kind: history.FailureTimeout, Message: "the bank did not answer"},
			Properties: map[string]history.Payload{"a": history.Payload(`1`)},
		}
		for _, end := range []struct {
			status  history.Status
			output  history.Payload
			failure *history.Failure
		}{
			{history.StatusCompleted, history.Payload(`{"total":42}`), nil},
			{history.StatusCompleted, nil, nil},
			{history.StatusFailed, nil, failure},
			{history.StatusCancelled, nil, &history.Failure{Kind: history.FailureCancelled, Message: "not wanted any more"}},
			{history.StatusTerminated, history.Payload(`null`), nil},
		} {
			id := history.InstanceID(e.unique(string(end.status)))
			e.running(id, func(d *draft) {
				d.event(&history.ExecutionTerminated{})
				d.Status, d.Output, d.Failure = end.status, end.output, end.failure
			})
			i := e.instance(id)
			if i.Status != end.status || !reflect.DeepEqual(i.Failure, end.failure) {
				e.breaks("the instance ended %q with %+v, want %q with %+v", i.Status, i.Failure, end.status, end.failure)
			}
			e.wantPayload("output", i.Output, end.output)
			if i.Finished.IsZero() {
				e.breaks("an instance that is %q has no time of its end", end.status)
			}
		}
	}},
	{"what an instance ended with stays, also if it is parked afterwards", pX, func(e *env) {
		failure := &history.Failure{Kind: history.FailureError, Message: "card declined", Details: history.Payload(`{"code":51}`)}
		e.running("order", func(d *draft) {
			d.event(&history.ExecutionFailed{Failure: failure})
			d.Status, d.Output, d.Failure = history.StatusFailed, history.Payload(`"half"`), failure
		})
		ended := e.instance("order").Finished
		e.send(e.event("order", "late"))
		e.release(e.turnWith("order", "late"), provider.Release{Park: "the store is full"})
		t := e.turnWith("order", "late")
		ignored := nothing(t)
		ignored.Consumed = 1
		e.commit(t, ignored)
		i := e.instance("order")
		if i.Parked != nil {
			e.breaks("the instance is still parked after a commit: %+v", i.Parked)
		}
		if i.Status != history.StatusFailed || !reflect.DeepEqual(i.Failure, failure) || !i.Finished.Equal(ended) {
			e.breaks("the instance ended %q at %v with %+v, want %q at %v with %+v", i.Status, i.Finished, i.Failure, history.StatusFailed, ended, failure)
		}
		e.wantPayload("output", i.Output, history.Payload(`"half"`))
	}},
	{"an instance that is not final has no time of its end", pX, func(e *env) {
		e.running("order", nil)
		if i := e.instance("order"); !i.Finished.IsZero() || i.Output != nil || i.Failure != nil {
			e.breaks("a running instance has %+v", i)
		}
	}},
	{"continue-as-new begins a new execution with event 1", p7, func(e *env) {
		e.running("order", nil)
		e.send(e.event("order", "a"))
		d := e.next("order", func(d *draft) { d.continueAsNew() })
		i := e.instance("order")
		if i.Execution != 2 || i.LastEvent != 1 || i.Status != history.StatusRunning {
			e.breaks("the instance is %+v, want running at event 1 of execution 2", i)
		}
		e.wantHistory("order", d.Events[2:])
		if diff := sameEvents(e.historyOf("order", 1, 1), d.Events[:2]); diff != "" {
			e.breaks("the end of execution 1: %s", diff)
		}
	}},
	{"executions have histories of their own", p7, func(e *env) {
		want := map[int64][]history.Event{}
		keep := func(d *draft) {
			for _, event := range d.Events {
				want[event.Execution] = append(want[event.Execution], event)
			}
		}
		keep(e.running("order", nil))
		for n := range 4 {
			e.send(e.event("order", fmt.Sprintf("a%d", n)))
			keep(e.next("order", func(d *draft) {
				if n%2 == 0 {
					d.continueAsNew()
				}
				d.status(quoted(fmt.Sprint(n)))
			}))
		}
		for execution := int64(1); execution <= 3; execution++ {
			if diff := sameEvents(e.historyOf("order", execution, 0), want[execution]); diff != "" {
				e.breaks("execution %d: %s", execution, diff)
			}
		}
		e.wantHistory("order", want[3])
		_, err := e.tryHistory("order", 4, 0)
		e.wants(err, provider.ErrNotFound, "reading an execution that there is not yet")
	}},
	{"a new execution may begin in every commit, with nothing before it", p7, func(e *env) {
		e.running("order", func(d *draft) { d.continueAsNew(); d.Again = true })
		for execution := int64(3); execution < 10; execution++ {
			d := e.next("order", func(d *draft) { d.continueAsNew(); d.Again = true })
			if d.execution != execution {
				e.breaks("the turn showed execution %d, want %d", d.execution-1, execution-1)
			}
		}
	}},
	{"a new execution closes what the one before had open, and keeps what it opens itself", p9, func(e *env) {
		e.running("order", func(d *draft) {
			d.schedule("old")
			d.timer(time.Now().Add(far))
		})
		e.send(e.event("order", "a"))
		d := e.next("order", func(d *draft) {
			d.continueAsNew()
			d.schedule("new") // event 2, as the old one was
			d.timer(time.Now().Add(far))
		})
		e.wantOpen("order", []int64{2}, []int64{3})
		a := e.activityOf("order", d.execution, 2)
		if diff := sameEvent(a.Activity.Scheduled, d.Activities[0].Scheduled); diff != "" {
			e.breaks("the activity of the new execution: %s", diff)
		}
		e.noActivity()
	}},
	{"a completion for an execution that has passed no longer counts", p9, func(e *env) {
		e.running("order", func(d *draft) { d.schedule("old") })
		old := e.activityOf("order", 1, 2)
		e.send(e.event("order", "a"))
		e.next("order", func(d *draft) { d.continueAsNew(); d.schedule("new") })
		if s := e.extend(old, nil); !s.Cancelled {
			e.breaks("the worker of an activity of execution 1 does not learn that it no longer counts")
		}
		e.wants(e.tryComplete(old), provider.ErrLockLost, "completing an activity of execution 1 in execution 2")
		e.noTurn()
		e.activityOf("order", 2, 2)
	}},
	{"messages for another execution are handed on all the same", p10, func(e *env) {
		e.running("order", nil)
		for _, execution := range []int64{1, 7, 0} {
			m := e.event("order", fmt.Sprint("for ", execution))
			m.Execution = execution
			e.send(m)
		}
		t := e.turnWith("order", "for 1", "for 7", "for 0")
		for i, want := range []int64{1, 7, 0} {
			if got := t.Messages[i].Execution; got != want {
				e.breaks("message %d is for execution %d, want %d", i, got, want)
			}
		}
	}},
}
