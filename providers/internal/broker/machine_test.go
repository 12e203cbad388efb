package broker_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
)

// machine drives the broker and the model side by side.
type machine struct {
	b      *broker.Broker
	h      *broker.Host
	m      *model
	events int64
	ids    int
	lost   []*broker.Turn
	gone   []*broker.Work // detached
}

var someInstances = []history.InstanceID{"a", "b", "c", "d"}

func drawInstance(t *rapid.T) history.InstanceID {
	return rapid.SampledFrom(someInstances).Draw(t, "instance")
}

func drawDelay(t *rapid.T) time.Duration {
	return time.Duration(rapid.IntRange(0, 3).Draw(t, "delay")) * time.Second
}

func (x *machine) unique() string {
	x.ids++
	return fmt.Sprint("m", x.ids)
}

func (x *machine) delivery(to history.InstanceID, id string, due time.Time) broker.Delivery {
	d := broker.Delivery{Message: message(to, id), Name: "story"}
	d.Message.Due = due
	if x.m.instance(to).exists {
		d.Receiver = broker.Exists
	}
	return d
}

func (x *machine) Deliver(t *rapid.T) {
	to, id := drawInstance(t), x.unique()
	var due time.Time
	if delay := drawDelay(t); delay > 0 {
		due = time.Now().Add(delay)
	}
	for range rapid.IntRange(1, 2).Draw(t, "times") {
		want := x.m.waits(id)
		if _, got := x.b.Waits(id); got != want {
			t.Fatalf("message %q waits: %t, want %t", id, got, want)
		}
		x.b.Deliver(x.delivery(to, id, due))
		x.m.deliver(to, id, due)
	}
}

func (x *machine) Create(t *rapid.T) {
	to, id := drawInstance(t), x.unique()
	if x.m.instance(to).exists {
		return
	}
	d := x.delivery(to, id, time.Time{})
	d.Receiver = broker.Created
	x.b.Deliver(d)
	x.m.create(to, id)
}

func (x *machine) Drop(t *rapid.T) {
	id := drawInstance(t)
	if i := x.m.instance(id); i.turn != nil {
		x.lost = append(x.lost, i.turn)
	}
	x.b.Drop(id)
	x.m.drop(id)
}

func (x *machine) Detach(t *rapid.T) {
	left := rapid.SliceOfDistinct(rapid.SampledFrom(someInstances), rapid.ID).Draw(t, "left")
	slices.Sort(left)
	var want []string
	for _, id := range left {
		i := x.m.instance(id)
		if i.turn != nil {
			x.lost = append(x.lost, i.turn)
		}
		for _, event := range slices.Sorted(maps.Keys(i.activities)) {
			if work := i.activities[event].work; work != nil {
				x.gone = append(x.gone, work)
			}
		}
		want = append(want, x.m.detach(id)...)
	}
	got, _ := x.b.Detach(func(id history.InstanceID) bool { return slices.Contains(left, id) })
	if ids(got) != fmt.Sprint(want) {
		t.Fatalf("detaching %q gave the completions %s, want %s", left, ids(got), want)
	}
}

func (x *machine) EndDetachedWork(t *rapid.T) {
	if len(x.gone) == 0 {
		return
	}
	work := rapid.SampledFrom(x.gone).Draw(t, "work")
	if err := work.Complete(message(work.ID.Instance, x.unique())); !errors.Is(err, broker.ErrDetached) {
		t.Fatalf("completing detached work: %v, want ErrDetached", err)
	}
	if s, err := work.Extend(history.Payload("1")); s.Cancelled || !errors.Is(err, broker.ErrDetached) {
		t.Fatalf("extending detached work: %+v, %v; want ErrDetached", s, err)
	}
	work.Release(provider.Release{})
}

func (x *machine) NextTurn(t *rapid.T) {
	if len(x.m.ready) == 0 {
		return // Check compares the number
	}
	turn, err := x.h.NextTurn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id := x.m.ready[0]
	x.m.ready = x.m.ready[1:]
	i := x.m.instance(id)
	if turn.Instance != id {
		t.Fatalf("got the turn of %q, want %q", turn.Instance, id)
	}
	i.turn, i.handed = turn, len(i.queue)
	if len(turn.Messages) != len(i.queue) {
		t.Fatalf("the turn has messages %s, want %+v", ids(turn.Messages), i.queue)
	}
	attempt := 0
	if len(i.queue) == 0 {
		i.againCount++
		attempt = i.againCount
	}
	for n := range i.queue {
		i.queue[n].handed++
		if got, want := turn.Messages[n], i.queue[n]; !want.timer && got.ID != want.id {
			t.Fatalf("message %d is %q, want %q", n, got.ID, want.id)
		} else if d, ok := got.Data.(*history.TimerFired); want.timer && (!ok || d.Source != want.event) {
			t.Fatalf("message %d is %+v, want the firing of timer %d", n, got, want.event)
		}
		attempt = i.queue[0].handed
	}
	if turn.Attempt != attempt {
		t.Fatalf("attempt %d, want %d", turn.Attempt, attempt)
	}
}

// held draws an instance with a turn, if there is one.
func (x *machine) held(t *rapid.T) (id history.InstanceID, i *modelInstance, ok bool) {
	held := slices.DeleteFunc(slices.Clone(someInstances), func(id history.InstanceID) bool { return x.m.instance(id).turn == nil })
	if len(held) == 0 {
		return "", nil, false
	}
	id = rapid.SampledFrom(held).Draw(t, "held")
	return id, x.m.instance(id), true
}

func (x *machine) Release(t *rapid.T) {
	id, i, ok := x.held(t)
	if !ok {
		return
	}
	r := provider.Release{Delay: drawDelay(t), Uncounted: rapid.Bool().Draw(t, "uncounted")}
	i.turn.Release(r)
	if r.Uncounted {
		for n := range i.handed {
			i.queue[n].handed--
		}
		if i.handed == 0 {
			i.againCount--
		}
	}
	i.turn = nil
	if r.Delay > 0 {
		i.aside, i.asideSeq = time.Now().Add(r.Delay), x.m.next()
	}
	x.m.settle(id)
}

func (x *machine) Commit(t *rapid.T) {
	id, i, ok := x.held(t)
	if !ok {
		return
	}
	at := running
	at.Final = rapid.IntRange(0, 9).Draw(t, "final") == 0
	c := provider.Commit{
		Consumed:     rapid.IntRange(0, i.handed).Draw(t, "consumed"),
		Again:        rapid.IntRange(0, 4).Draw(t, "again") == 0,
		NewExecution: rapid.IntRange(0, 9).Draw(t, "new execution") == 0,
	}
	var sent []broker.Delivery
	for range rapid.IntRange(0, 2).Draw(t, "sent") {
		sent = append(sent, x.delivery(drawInstance(t), x.unique(), time.Time{}))
	}
	for range rapid.IntRange(0, 3).Draw(t, "activities") {
		x.events++
		c.Activities = append(c.Activities, activity(x.events, ""))
	}
	for range rapid.IntRange(0, 2).Draw(t, "timers") {
		x.events++
		c.Timers = append(c.Timers, timer(x.events, time.Now().Add(drawDelay(t))))
	}
	for _, event := range slices.Sorted(maps.Keys(i.activities)) {
		if rapid.IntRange(0, 2).Draw(t, "cancel") == 0 {
			c.CancelActivities = append(c.CancelActivities, event)
		}
	}
	for _, event := range slices.Sorted(maps.Keys(i.timers)) {
		if rapid.IntRange(0, 2).Draw(t, "cancel") == 0 {
			c.CancelTimers = append(c.CancelTimers, event)
		}
	}
	if err := x.b.Commit(i.turn, &c, at, sent...); err != nil {
		t.Fatal(err)
	}
	synctest.Wait() // for timers that are due at once
	x.m.commit(id, i, &c, at.Final, sent)
	x.m.pass()
}

func (x *machine) CommitOfALostTurn(t *rapid.T) {
	if len(x.lost) == 0 {
		return
	}
	turn := rapid.SampledFrom(x.lost).Draw(t, "turn")
	turn.Release(provider.Release{})
	if err := x.b.Commit(turn, &provider.Commit{Again: true}, running); err == nil {
		t.Fatal("the commit of a lost turn was applied")
	}
}

func (x *machine) NextActivity(t *rapid.T) {
	if len(x.m.offered) == 0 {
		return
	}
	work, err := x.h.NextActivity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	id, event := x.m.take()
	a := x.m.instance(id).activities[event]
	a.work = work
	a.count++
	if work.ID.Instance != id || work.ID.Event != event || work.Delivery != a.count {
		t.Fatalf("got delivery %d of activity %s, want %d of %s/%d", work.Delivery, work.ID, a.count, id, event)
	}
}

func (x *machine) EndActivity(t *rapid.T) {
	id := drawInstance(t)
	i := x.m.instance(id)
	for _, event := range slices.Sorted(maps.Keys(i.activities)) {
		a := i.activities[event]
		if a.work == nil {
			continue
		}
		if rapid.Bool().Draw(t, "complete") {
			done := x.unique()
			if err := a.work.Complete(message(id, done)); err != nil {
				t.Fatal(err)
			}
			a.done = true
			i.queue = append(i.queue, modelMessage{to: id, id: done, event: event})
			x.m.settle(id)
		} else {
			r := provider.Release{Delay: drawDelay(t), Uncounted: rapid.Bool().Draw(t, "uncounted")}
			a.work.Release(r)
			if r.Uncounted {
				a.count--
			}
			if r.Delay > 0 {
				a.aside, a.sequence = time.Now().Add(r.Delay), x.m.next()
			} else {
				x.m.offer(id, event)
			}
		}
		a.work = nil
		return
	}
}

func (x *machine) Pass(t *rapid.T) {
	pass(drawDelay(t))
	x.m.pass()
}

// Check compares what broker and model hold, after each step.
func (x *machine) Check(t *rapid.T) {
	var want broker.Stats
	want.Orphans, want.Messages, want.Ready = len(x.m.orphans), len(x.m.orphans), len(x.m.ready)
	for _, i := range x.m.instances {
		fires := 0
		for _, msg := range i.delayed {
			if msg.timer {
				fires++
			}
		}
		if i.turn != nil {
			want.Held++
		}
		for _, a := range i.activities {
			if a.work != nil {
				want.Working++
			}
		}
		want.Messages += len(i.queue) + len(i.delayed) - fires
		want.Activities += len(i.activities)
		want.Timers += len(i.timers)
		if i.turn != nil || !i.aside.IsZero() || i.again || len(i.queue)+len(i.delayed)+len(i.activities)+len(i.timers) > 0 {
			want.Instances++
		}
	}
	if got := x.b.Stats(); got != want {
		t.Fatalf("the broker has %+v, want %+v", got, want)
	}
}

func TestTheBrokerIsItsModelMadeFast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Within the bubble rapid must not ask for the deadline of a *testing.T.
		rapid.Check(struct{ testing.TB }{t}, func(t *rapid.T) {
			b := broker.New(broker.Config{})
			defer b.Close()
			x := &machine{b: b, h: b.Join(provider.HostInfo{}), m: &model{instances: map[history.InstanceID]*modelInstance{}}}
			often := []func(*rapid.T){
				x.Deliver, x.Create, x.NextTurn, x.NextTurn, x.Commit, x.Commit, x.Release, x.NextActivity,
				x.EndActivity, x.Pass, x.CommitOfALostTurn, x.EndDetachedWork,
			}
			// Forgetting all too often would leave little to see.
			action := rapid.SampledFrom(append(slices.Repeat(often, 4), x.Drop, x.Detach))
			x.Check(t)
			for range rapid.IntRange(100, 300).Draw(t, "steps") {
				action.Draw(t, "action")(t)
				x.Check(t)
			}
		})
	})
}
