package providertest

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// fullCommit decides one of everything for the instance "order": it sends to
// "neighbour", which is running, and starts "child".
func fullCommit(e *env, t *provider.Turn) *draft {
	d := take(t)
	d.schedule("charge")
	d.schedule("ship")
	d.timer(time.Now().Add(far))
	d.status(quoted("working")).set("step", quoted("one"))
	d.send(e.event("neighbour", "hello"), e.event("order", "to myself"), e.start("child"))
	return d
}

var commitProperties = []property{
	{"everything that a commit decides lands", p1, func(e *env) {
		e.running("neighbour", nil)
		e.send(e.start("order"))
		t := e.turnOf("order")
		d := fullCommit(e, t)
		e.commit(t, d)

		e.wantHistory("order", d.Events)
		i := e.instance("order")
		if i.Status != history.StatusRunning || i.Execution != 1 || i.LastEvent != d.last {
			e.breaks("the instance is %+v, want running at event %d of execution 1", i, d.last)
		}
		e.wantPayload("custom status", i.CustomStatus, quoted("working"))
		e.wantPayload("state", e.state("order", "step"), quoted("one"))
		e.wantOpen("order", []int64{2, 3}, []int64{4})
		if c := e.instance("child"); c.Status != history.StatusPending {
			e.breaks("the child that the commit started has status %q, want pending", c.Status)
		}
		seen := map[history.InstanceID][]string{}
		for range 3 {
			t := e.turn()
			seen[t.Instance.ID] = names(t.Messages)
			e.commit(t, take(t))
		}
		for id, want := range map[history.InstanceID]string{"neighbour": "hello", "order": "to myself", "child": "start"} {
			if !slices.Equal(seen[id], []string{want}) {
				e.breaks("%q received %v, want %q", id, seen[id], want)
			}
		}
		e.activityOf("order", 1, 2)
		e.activityOf("order", 1, 3)
	}},
	{"nothing of a refused commit lands", p1, func(e *env) {
		e.running("neighbour", nil)
		e.send(e.start("order"))
		t := e.turnOf("order")
		d := fullCommit(e, t)
		for i := range d.Events {
			d.Events[i].ID++
		}
		e.wants(e.tryCommit(t, &d.Commit), provider.ErrConflict, "a commit whose first event is 2")
		e.gone("child")
		i := e.instance("order")
		if i.Status != history.StatusPending || i.LastEvent != 0 || i.CustomStatus != nil || i.StatusRevision != 0 {
			e.breaks("the instance is %+v, want it untouched", i)
		}
		e.wantPayload("state", e.state("order", "step"), nil)
		e.wantOpen("order", []int64{}, []int64{})
		e.release(t, provider.Release{})
		t = e.turnWith("order", "start")
		e.commit(t, take(t))
		e.noTurn()
		e.noActivity()
	}},
	{"events that do not follow the last committed one are refused", p7, func(e *env) {
		d := e.running("order", func(d *draft) { d.status(quoted("a")) })
		e.send(e.event("order", "a"))
		for _, wrong := range []struct {
			what             string
			execution, first int64
			new              bool
		}{
			{"leaving a gap", 1, d.last + 2, false},
			{"repeating the last one", 1, d.last, false},
			{"beginning again", 1, 1, false},
			{"in an execution that has passed", 0, d.last + 1, false},
			{"two executions later", 3, 1, true},
			{"beginning the next execution with 2", 2, 2, true},
			{"in the next execution with the ids of this one", 2, d.last + 1, true},
		} {
			t := e.turnWith("order", "a")
			c := provider.Commit{Consumed: 1, NewExecution: wrong.new, Events: []history.Event{
				{ID: wrong.first, Execution: wrong.execution, Time: now(), Data: t.Messages[0].Data},
			}}
			e.wants(e.tryCommit(t, &c), provider.ErrConflict, "a commit with an event %s", wrong.what)
			e.wantHistory("order", d.Events)
			e.release(t, provider.Release{})
		}
		t := e.turnWith("order", "a")
		e.commit(t, take(t))
	}},
	{"a turn whose commit was refused is held until it is released, as long as that says", p7, func(e *env) {
		e.send(e.start("order"))
		t := e.turnOf("order")
		d := take(t)
		d.Events[0].ID = 7
		e.wants(e.tryCommit(t, &d.Commit), provider.ErrConflict, "a commit whose first event is 7")
		e.noTurn()
		e.release(t, provider.Release{Delay: far})
		e.noTurn()
	}},
	{"events with a gap between them are refused", p7, func(e *env) {
		e.send(e.start("order"))
		t := e.turnOf("order")
		d := take(t).status(quoted("a")).status(quoted("b"))
		d.Events = slices.Delete(d.Events, 1, 2)
		e.wantsAny(e.tryCommit(t, &d.Commit), "a commit of events 1 and 3", provider.ErrConflict, provider.ErrInvalid)
		if got := len(e.history("order")); got != 0 {
			e.breaks("the history has %d events, want none", got)
		}
	}},
	{"a first commit that does not begin the instance and consume its start is refused", pX, func(e *env) {
		e.send(e.start("order"), e.event("order", "a"))
		for _, wrong := range []struct {
			what  string
			spoil func(d *draft)
		}{
			{"leaves the start", func(d *draft) { d.Consumed = 0 }},
			{"has no events", func(d *draft) { d.Events, d.NewExecution = nil, false }},
			{"does nothing", func(d *draft) { d.Commit = provider.Commit{} }},
		} {
			t := e.turnWith("order", "start", "a")
			d := take(t)
			wrong.spoil(d)
			e.wants(e.tryCommit(t, &d.Commit), provider.ErrInvalid, "a first commit that %s", wrong.what)
			if i := e.instance("order"); i.Status != history.StatusPending || i.Execution != 0 {
				e.breaks("after a first commit that %s the instance is %+v, want it pending", wrong.what, i)
			}
			e.release(t, provider.Release{})
		}
		e.next("order", nil)
	}},
	{"a commit that consumes more than the turn has is refused", p4, func(e *env) {
		e.send(e.start("order"))
		t := e.turnOf("order")
		e.send(e.event("order", "a"))
		d := take(t)
		d.Consumed = 2
		if err := e.tryCommit(t, &d.Commit); err == nil {
			e.breaks("a commit of a turn with 1 message consumed 2")
		}
		e.release(t, provider.Release{})
		e.turnWith("order", "start", "a")
	}},
	{"a commit may change nothing", p1, func(e *env) {
		d := e.running("order", func(d *draft) { d.schedule("charge"); d.status(quoted("a")) })
		before := e.instance("order")
		e.send(e.event("order", "late"))
		t := e.turnOf("order")
		c := nothing(t)
		c.Consumed = 1
		e.commit(t, c)
		after := e.instance("order")
		if after.Status != before.Status || after.LastEvent != before.LastEvent || after.Name != before.Name ||
			after.Version != before.Version || after.StatusRevision != before.StatusRevision {
			e.breaks("the instance went from %+v to %+v", before, after)
		}
		e.wantHistory("order", d.Events)
		e.wantOpen("order", []int64{2}, []int64{})
		e.noTurn()
	}},
	{"events of many commits read as one history without gaps", p7, func(e *env) {
		want := e.running("order", nil).Events
		for n := range 50 {
			e.send(e.event("order", fmt.Sprintf("event %d", n)))
			d := e.next("order", func(d *draft) { d.set("n", quoted(fmt.Sprint(n))) })
			want = append(want, d.Events...)
			if n%10 == 0 {
				e.wantHistory("order", want)
			}
		}
		e.wantHistory("order", want)
		var v history.Validator
		for _, event := range e.history("order") {
			e.wants(v.Next(event), nil, "validating what was read")
		}
	}},
	{"a reader never sees half a commit", p1, func(e *env) {
		const commits, step = 60, 4
		e.running("order", func(d *draft) { d.status(quoted("1")).status(quoted("2")).status(quoted("3")) })
		ctx, stop := context.WithCancel(e.Context())
		readers := make([]func() (int, error), 3)
		for i := range readers {
			readers[i] = async(e, func(context.Context) (int, error) { return readWhole(ctx, e.store, step) })
		}
		for range commits {
			e.send(e.event("order", "a"))
			e.next("order", func(d *draft) { d.status(quoted("1")).status(quoted("2")).status(quoted("3")) })
		}
		stop()
		for _, r := range readers {
			_, err := r()
			e.wants(err, nil, "reading while commits of %d events run", step)
		}
	}},
	{"names and versions are as the commits say", pX, func(e *env) {
		e.send(e.startNamed("order", "story", ""))
		if i := e.instance("order"); i.Name != "story" || i.Version != "" {
			e.breaks("pending instance is %q %q, want story without a version", i.Name, i.Version)
		}
		e.next("order", func(d *draft) { d.Version = "2.1.0" })
		if i := e.instance("order"); i.Name != "story" || i.Version != "2.1.0" {
			e.breaks("instance is %q %q, want story 2.1.0", i.Name, i.Version)
		}
		e.send(e.event("order", "a"))
		e.next("order", nil)
		if i := e.instance("order"); i.Name != "story" || i.Version != "2.1.0" {
			e.breaks("instance is %q %q after a commit that gives neither, want story 2.1.0", i.Name, i.Version)
		}
	}},
	{"what is handed to a provider may be used again by the caller", pX, func(e *env) {
		m := e.start("order")
		m.Start.Tags = map[string]string{"region": "north"}
		m.Start.Parent = &history.ParentRef{Instance: "parent", Execution: 1, Event: 2}
		e.send(m)
		m.Start.Tags["region"], m.Start.Parent.Instance = "changed", "changed"
		m.Start.Name, m.Start.RequestID = "changed", "changed"
		t := e.turnOf("order")
		if s := t.Messages[0].Start; s.Name != "story" || s.Tags["region"] != "north" || s.Parent.Instance != "parent" {
			e.breaks("the provider kept what the caller changed later: %+v", s)
		}
		d := take(t)
		d.schedule("charge")
		d.timer(time.Now().Add(far))
		d.set("a", quoted("1")).send(e.event("order", "first"))
		want := slices.Clone(d.Events)
		e.commit(t, d)
		d.Events[0].ID, d.Send[0].To, d.Activities[0].Attempt, d.Timers[0].Event, d.State[0].Key = 99, "nobody", 99, 99, "changed"
		e.wantHistory("order", want)
		e.wantOpen("order", []int64{2}, []int64{3})
		e.wantPayload("state", e.state("order", "a"), quoted("1"))
		e.turnWith("order", "first")
		if a := e.activity(); a.Activity.Attempt != 1 {
			e.breaks("attempt is %d, want 1", a.Activity.Attempt)
		}
	}},
}

// readWhole reads instance and history until ctx ends: both must always show
// whole commits of step events, and never go back.
func readWhole(ctx context.Context, s provider.Store, step int) (int, error) {
	seen := 0
	for ctx.Err() == nil {
		i, err := s.Instance(ctx, "order")
		var events []history.Event
		if err == nil {
			events, err = collect(s.History(ctx, "order", 1, 0))
		}
		switch {
		case ctx.Err() != nil:
			return seen, nil //nolint:nilerr // That is the end that was asked for.
		case err != nil:
			return seen, err
		}
		switch {
		case len(events)%step != 0 || int(i.LastEvent)%step != 0:
			return seen, fmt.Errorf("a history of %d events, an instance at event %d: half a commit", len(events), i.LastEvent)
		case int(i.LastEvent) < seen || len(events) < int(i.LastEvent):
			return seen, fmt.Errorf("after %d events were read the instance is at %d and the history has %d", seen, i.LastEvent, len(events))
		}
		seen = len(events)
	}
	return seen, nil
}
