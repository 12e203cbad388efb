package sqlite

import (
	"context"
	"runtime"
	"sync"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// TestAnActivityThatWasJustClosedParksNobody: the end of its instance is in the
// file, and the broker is about to hear of it.
func TestAnActivityThatWasJustClosedParksNobody(t *testing.T) {
	s := open(t)
	h := join(t, s)
	for _, id := range []history.InstanceID{"ends", "goes on"} {
		must(t, s.Send(soon(t), startMessage(id)))
		next(t, h, id, func(c *turn) { c.schedule() })
	}
	must(t, h.Leave(context.Background()))
	h = join(t, s) // what its activities need is in the file alone
	must(t, s.Send(soon(t), eventMessage("ends", "last")))
	last, err := h.NextTurn(soon(t))
	must(t, err)

	release := hold(t, s)
	durable, free := make(chan struct{}), make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		if err := s.write(soon(t), &request{op: "waiting", write: func(*conn) error { return nil }, settled: func() {
			close(durable)
			<-free
		}}); err != nil {
			t.Error(err)
		}
	})
	queued(s, 1)
	writing.Go(func() {
		c := takeIn(last)
		c.finish()
		if err := h.CommitTurn(soon(t), last, &c.Commit); err != nil {
			t.Error(err)
		}
	})
	queued(s, 2)
	release()
	<-durable
	got := make(chan *provider.ActivityTask)
	before := s.Stats().Reads
	writing.Go(func() {
		a, err := h.NextActivity(soon(t))
		if err != nil {
			t.Error(err)
		}
		got <- a
	})
	for s.Stats().Reads == before {
		runtime.Gosched()
	}
	close(free)
	if a := <-got; a != nil && a.ID.Instance != "goes on" {
		t.Errorf("offered %v", a.ID)
	}
	writing.Wait()
	i, err := s.Instance(soon(t), "ends")
	must(t, err)
	if i.Status != history.StatusCompleted || i.Parked != nil {
		t.Errorf("the instance is %s and parked: %+v", i.Status, i.Parked)
	}
}

// TestLateProgressIsNotTheNextInstances: an activity was extended, and its instance purged
// and started again before what it has reached was written.
func TestLateProgressIsNotTheNextInstances(t *testing.T) {
	s := open(t)
	h := join(t, s)
	begins := func(request string) *provider.ActivityTask {
		m := startMessage("a")
		m.ID, m.Start.RequestID = request, request
		must(t, s.Send(soon(t), m))
		next(t, h, "a", func(c *turn) { c.schedule() })
		task, err := h.NextActivity(soon(t))
		must(t, err)
		return task
	}
	former := begins("first").Lock.(*workLock).work
	progress := history.Payload(`"half"`)
	if signals, err := former.Extend(progress); err != nil || signals.Cancelled {
		t.Fatalf("extending it says %+v, %v", signals, err)
	}
	must(t, s.Purge(soon(t), "a", true))
	begins("second")
	must(t, h.storeProgress(soon(t), former, progress))
	must(t, h.Leave(context.Background()))
	h = join(t, s)
	task, err := h.NextActivity(soon(t))
	must(t, err)
	if task.Progress != nil {
		t.Errorf("%v begins with the progress %s of the former instance", task.ID, task.Progress)
	}
}
