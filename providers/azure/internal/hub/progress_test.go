package hub_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestLateProgressDoesNotReachTheNextInstanceOfItsID: its activity was open when it
// was given, and is that of a purged instance when it could be stored.
func TestLateProgressDoesNotReachTheNextInstanceOfItsID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, account := checked(t)
		h, err := store.Join(t.Context(), provider.HostInfo{Name: "host"})
		if err != nil {
			t.Fatal(err)
		}
		begins := func(message string) *provider.ActivityTask {
			if err := store.Send(t.Context(), story("order", message, "")); err != nil {
				t.Fatal(err)
			}
			turn := turnOf(t, h, "order")
			scheduled := history.Event{Execution: 1, ID: 2, Time: time.Now(), Data: &history.ActivityScheduled{Name: "work"}}
			err := h.CommitTurn(t.Context(), turn, &provider.Commit{
				Consumed: 1, NewExecution: true, Status: history.StatusRunning, Name: "story",
				Events:     []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: turn.Messages[0].Data}, scheduled},
				Activities: []provider.Activity{{Scheduled: scheduled, Attempt: 1}},
			})
			if err != nil {
				t.Fatal(err)
			}
			task, err := h.NextActivity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return task
		}
		first := begins("first")
		account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Kind == simulated.PutBlob {
				return simulated.Fault{Kind: simulated.Slow, Delay: 2 * time.Second}
			}
			return simulated.Fault{}
		})
		done := make(chan error)
		go func() {
			_, err := h.ExtendActivity(t.Context(), first, bulky())
			done <- err
		}()
		synctest.Wait()
		if err := store.Purge(t.Context(), "order", true); err != nil {
			t.Fatal(err)
		}
		second := begins("second")
		if err := <-done; err != nil {
			t.Errorf("extending: %v", err)
		}
		for _, r := range account.State().Rows("hub") {
			if row.KindOf(r.Key) == row.KindProgress {
				t.Errorf("row %s is there, and nothing was heard of activity %v yet", r.Key, second.ID)
			}
		}
		if _, err := h.ExtendActivity(t.Context(), second, history.Payload("1")); err != nil {
			t.Errorf("extending: %v", err)
		}
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestProgressOfAnExecutionIsNotThatOfTheNextOne: there is more of it than one commit
// deletes, and the next owner finds the rest.
func TestProgressOfAnExecutionIsNotThatOfTheNextOne(t *testing.T) {
	const n = 25
	synctest.Test(t, func(t *testing.T) {
		store, _ := checked(t)
		h, err := store.Join(t.Context(), provider.HostInfo{Name: "host"})
		if err != nil {
			t.Fatal(err)
		}
		if err := store.Send(t.Context(), story("order", "start", "")); err != nil {
			t.Fatal(err)
		}
		begins := func(execution int64, again bool) {
			turn := turnOf(t, h, "order")
			started := history.Event{Execution: execution, ID: 1, Time: time.Now(), Data: &history.ExecutionStarted{Name: "story"}}
			c := &provider.Commit{
				Consumed: len(turn.Messages), NewExecution: true, Status: history.StatusRunning, Name: "story", Again: again,
				Events: []history.Event{started},
			}
			for i := range int64(n) {
				e := history.Event{Execution: execution, ID: i + 2, Time: time.Now(), Data: &history.ActivityScheduled{Name: "work"}}
				c.Events, c.Activities = append(c.Events, e), append(c.Activities, provider.Activity{Scheduled: e, Attempt: 1})
			}
			if err := h.CommitTurn(t.Context(), turn, c); err != nil {
				t.Fatal(err)
			}
		}
		begins(1, true)
		for range n {
			task, err := h.NextActivity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := h.ExtendActivity(t.Context(), task, history.Payload("1")); err != nil {
				t.Fatal(err)
			}
		}
		begins(2, false)
		if err := h.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h, err = store.Join(t.Context(), provider.HostInfo{Name: "next"}); err != nil {
			t.Fatal(err)
		}
		for range n {
			task, err := h.NextActivity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if task.ID.Execution != 2 || task.Progress != nil {
				t.Errorf("%v begins with the progress %s", task.ID, task.Progress)
			}
		}
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestProgressGoesWithItsExecution: there is more of it than the commit deletes that ends
// the execution.
func TestProgressGoesWithItsExecution(t *testing.T) {
	for name, after := range map[string]func(turn *provider.Turn) *provider.Commit{
		"the instance ends": func(*provider.Turn) *provider.Commit {
			e := history.Event{Execution: 1, ID: 102, Time: time.Now(), Data: &history.ExecutionCompleted{}}
			return &provider.Commit{Consumed: 1, Status: history.StatusCompleted, Events: []history.Event{e}}
		},
		"it continues as new": func(*provider.Turn) *provider.Commit {
			e := history.Event{Execution: 2, ID: 1, Time: time.Now(), Data: &history.ExecutionStarted{Name: "story"}}
			return &provider.Commit{Consumed: 1, NewExecution: true, Status: history.StatusRunning, Events: []history.Event{e}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, account := checked(t)
				h, err := store.Join(t.Context(), provider.HostInfo{Tags: []string{"gpu"}})
				if err != nil {
					t.Fatal(err)
				}
				if err := store.Send(t.Context(), story("x", "start", "")); err != nil {
					t.Fatal(err)
				}
				turn := turnOf(t, h, "x")
				if err := h.CommitTurn(t.Context(), turn, begins(turn, "", make([]string, 100)...)); err != nil {
					t.Fatal(err)
				}
				for range 100 {
					task, err := h.NextActivity(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if _, err := h.ExtendActivity(t.Context(), task, history.Payload("1")); err != nil {
						t.Fatal(err)
					}
				}
				if err := store.Send(t.Context(), event("x", "event")); err != nil {
					t.Fatal(err)
				}
				turn = turnOf(t, h, "x")
				if err := h.CommitTurn(t.Context(), turn, after(turn)); err != nil {
					t.Fatal(err)
				}
				<-time.After(time.Second)
				left := 0
				for _, r := range account.State().Rows("hub") {
					if row.KindOf(r.Key) == row.KindProgress {
						left++
					}
				}
				if left > 0 {
					t.Errorf("%d rows of progress are left", left)
				}
				if err := h.Leave(t.Context()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestProgressThatIsStoredBesideTheEndOfItsExecutionGoesWithIt: both wait for the commit
// of another instance, and are in one transaction.
func TestProgressThatIsStoredBesideTheEndOfItsExecutionGoesWithIt(t *testing.T) {
	for name, c := range map[string]*provider.Commit{
		"the instance ends": {Status: history.StatusCompleted, Events: []history.Event{{Execution: 1, ID: 3, Data: &history.ExecutionCompleted{}}}},
		"it continues as new": {
			NewExecution: true, Status: history.StatusRunning,
			Events: []history.Event{{Execution: 2, ID: 1, Data: &history.ExecutionStarted{Name: "story"}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			besides(t, provider.HostInfo{Name: "owner"}, provider.Activity{}, 100, func(w *two) {
				task := w.next(w.owner, nil)
				for _, id := range []history.InstanceID{"x", "y"} {
					m := event(id, "event")
					if id == "y" {
						m = story(id, "start", "")
					}
					if err := w.stores[0].Send(w.Context(), m); err != nil {
						w.Fatal(err)
					}
				}
				x, y := turnOf(w.T, w.owner, "x"), turnOf(w.T, w.owner, "y")
				slow := simulated.Nth(1, func(c simulated.Call) bool { return c.Kind == simulated.Transact && c.Partition != row.Management },
					simulated.Fault{Kind: simulated.Slow, Delay: time.Second})
				w.account.Decide(slow)
				var all sync.WaitGroup
				commit := func(turn *provider.Turn, c *provider.Commit) {
					all.Go(func() {
						if err := w.owner.CommitTurn(w.Context(), turn, c); err != nil {
							w.Error(err)
						}
					})
					synctest.Wait()
				}
				commit(y, ends(y))
				c.Consumed, c.Name, c.Events[0].Time = 1, "story", time.Now()
				commit(x, c)
				all.Go(func() {
					if _, err := w.owner.ExtendActivity(w.Context(), task, history.Payload("1")); err != nil {
						w.Error(err)
					}
				})
				all.Wait()
				w.nothingIsLeft()
			})
		})
	}
}
