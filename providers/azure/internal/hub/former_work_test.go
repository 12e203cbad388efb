package hub_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// begins is the first commit of an instance that goes on. It opens activities of the
// session, with these names, from event 2 on.
func begins(turn *provider.Turn, session string, names ...string) *provider.Commit {
	c := ends(turn)
	c.Status = history.StatusRunning
	for n, name := range names {
		e := history.Event{Execution: 1, ID: int64(n + 2), Time: time.Now(), Data: &history.ActivityScheduled{Name: name, Tag: "gpu", Session: session}}
		c.Events = append(c.Events, e)
		c.Activities = append(c.Activities, provider.Activity{Scheduled: e, Attempt: 1, Tag: "gpu", Session: session})
	}
	return c
}

func nameOf(task *provider.ActivityTask) string {
	return task.Activity.Scheduled.Data.(*history.ActivityScheduled).Name
}

// TestAnActivityThatLeavesForItsSessionIsNotTheNextInstances: it waits for a turn of its
// instance to end, which is purged meanwhile. The next one of the id has an activity
// with the same event id.
func TestAnActivityThatLeavesForItsSessionIsNotTheNextInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, open := processes(t, hub.Config{Name: "hub", Partitions: 2})
		join := func(s *hub.Store) provider.Host {
			h, err := s.Join(t.Context(), provider.HostInfo{Tags: []string{"gpu"}})
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		send := func(s *hub.Store, m provider.Message) {
			t.Helper()
			if err := s.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		commit := func(h provider.Host, turn *provider.Turn, c *provider.Commit) {
			t.Helper()
			if err := h.CommitTurn(t.Context(), turn, c); err != nil {
				t.Fatal(err)
			}
		}
		next := func(h provider.Host) *provider.Turn {
			t.Helper()
			turn, err := h.NextTurn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return turn
		}
		a := open("a")
		ha := join(a)
		ids := map[int]history.InstanceID{}
		for n := 0; len(ids) < 2; n++ {
			id := history.InstanceID(fmt.Sprint("i", n))
			ids[a.Partition(id)] = id
		}
		for n := range 2 {
			send(a, story(ids[n], "start "+string(ids[n]), ""))
			turn := turnOf(t, ha, ids[n])
			commit(ha, turn, begins(turn, "of "+string(ids[n]), "former"))
		}
		<-time.After(hub.SessionIdle + 3*time.Minute) // the leases of the sessions end
		b := open("b")
		hb := join(b)
		<-time.After(2 * time.Minute) // and b gets a partition
		for n := range 2 {
			send(b, event(ids[n], "event "+string(ids[n])))
		}
		held, other := next(ha), next(hb)
		x := held.Instance.ID
		e := history.Event{Execution: 1, ID: 3, Time: time.Now(), Data: &history.ActivityScheduled{Name: "other", Tag: "gpu", Session: "of " + string(x)}}
		commit(hb, other, &provider.Commit{
			Consumed: 1, Events: []history.Event{e},
			Activities: []provider.Activity{{Scheduled: e, Attempt: 1, Tag: "gpu", Session: "of " + string(x)}},
		}) // and so b has the session of x
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Second)
		if task, err := ha.NextActivity(ctx); err == nil {
			t.Fatalf("a runs %s, whose session b has", nameOf(task))
		}
		stop()
		if err := a.Purge(t.Context(), x, true); err != nil {
			t.Fatal(err)
		}
		send(a, story(x, "start again", "again"))
		turn := turnOf(t, ha, x)
		commit(ha, turn, begins(turn, "", "next"))
		<-time.After(10 * time.Second)
		for {
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			task, err := hb.NextActivity(ctx)
			stop()
			if err != nil {
				break
			}
			if task.ID.Instance == x && nameOf(task) == "former" {
				t.Errorf("b runs %s, of the instance before", task.ID)
			}
		}
		if err := errors.Join(hb.Leave(t.Context()), b.Close(), ha.Leave(t.Context()), a.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestACopyOfACompletionIsNotTakenForOne: the row went with the instance before, and a
// copy of it comes when nobody has the partition.
func TestACopyOfACompletionIsNotTakenForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		join := func() provider.Host {
			h, err := s.Join(t.Context(), provider.HostInfo{Tags: []string{"gpu"}})
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		h := join()
		begin := func(message, request string) {
			t.Helper()
			if err := s.Send(t.Context(), story("x", message, request)); err != nil {
				t.Fatal(err)
			}
			turn := turnOf(t, h, "x")
			if err := h.CommitTurn(t.Context(), turn, begins(turn, "", "activity")); err != nil {
				t.Fatal(err)
			}
		}
		begin("start", "first")
		if err := s.Send(t.Context(), provider.Message{
			ID: "completion", To: "x", Execution: 1, Data: &history.ActivityCompleted{Source: 2, Attempt: 1},
		}); err != nil {
			t.Fatal(err)
		}
		var copies []storage.Op
		for _, r := range account.State().Rows("hub") {
			if row.KindOf(r.Key) == row.KindInbox {
				copies = append(copies, storage.Op{Verb: storage.Insert, Row: storage.Row{Key: r.Key, Cells: r.Cells}})
			}
		}
		if len(copies) != 1 {
			t.Fatalf("there are %d rows in the inbox, want that of the completion", len(copies))
		}
		if err := s.Purge(t.Context(), "x", true); err != nil {
			t.Fatal(err)
		}
		begin("start again", "second")
		if err := h.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := account.Client("late").Transact(t.Context(), "hub", s.PartitionKey(0), copies); err != nil {
			t.Fatal(err)
		}
		h = join()
		ctx, stop := context.WithTimeout(t.Context(), time.Hour)
		defer stop()
		if task, err := h.NextActivity(ctx); err != nil || task.ID.Event != 2 {
			t.Errorf("the activity is %v, %v; want that of event 2", task, err)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}
