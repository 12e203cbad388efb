package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
)

// TestProgressGoesFromAFormerOwnerToTheNext: activities run on where their instances
// were, reach more there, and fail or are given back.
func TestProgressGoesFromAFormerOwnerToTheNext(t *testing.T) {
	const n = 12
	for _, fails := range []bool{false, true} {
		t.Run(fmt.Sprintf("fails %t", fails), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := hub.Config{Name: "hub", Partitions: 4, TTL: 3 * time.Second}
				store, account := checkedWith(t, cfg)
				other, err := hub.Open(t.Context(), account.Client("other"), cfg)
				if err != nil {
					t.Fatal(err)
				}
				former, err := store.Join(t.Context(), provider.HostInfo{Name: "former"})
				if err != nil {
					t.Fatal(err)
				}
				for i := range n {
					opens(t, store, former, history.InstanceID(fmt.Sprint("order-", i)), provider.Activity{})
				}
				var tasks []*provider.ActivityTask
				for range n {
					task, err := former.NextActivity(t.Context())
					if err != nil {
						t.Fatal(err)
					}
					if _, err := former.ExtendActivity(t.Context(), task, reached(100)); err != nil {
						t.Fatal(err)
					}
					tasks = append(tasks, task)
				}
				next, err := other.Join(t.Context(), provider.HostInfo{Name: "next"})
				if err != nil {
					t.Fatal(err)
				}
				<-time.After(4 * cfg.TTL) // half of the partitions move to it
				progress := map[history.InstanceID]history.Payload{}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				got := make(chan *provider.ActivityTask, n)
				for _, h := range []provider.Host{former, next} {
					go triesAgain(ctx, t, h)
				}
				for i, task := range tasks {
					p := reached([]int{100, 20_000, large}[i%3])
					progress[task.ID.Instance] = p
					if _, err := former.ExtendActivity(t.Context(), task, p); err != nil {
						t.Error(err)
					}
					if fails {
						err = former.CompleteActivity(t.Context(), task, failure(task))
					} else {
						err = former.ReleaseActivity(t.Context(), task, provider.Release{})
					}
					if err != nil {
						t.Error(err)
					}
				}
				for _, h := range []provider.Host{former, next} {
					go takes(ctx, h, got)
				}
				for range n {
					task := <-got
					if task == nil {
						t.Fatal("not every activity was offered again")
					}
					if id := task.ID.Instance; !bytes.Equal(task.Progress, progress[id]) {
						t.Errorf("%s goes on with %d bytes of progress, want the %d that it had reached", id, len(task.Progress), len(progress[id]))
					}
				}
				if len(served(t, other, "next")) == 0 {
					t.Error("the next host serves no partition: nothing was handed over")
				}
				cancel()
				synctest.Wait()
				if err := errors.Join(former.Leave(t.Context()), next.Leave(t.Context()), other.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// opens starts an instance with an activity.
func opens(t *testing.T, store *hub.Store, h provider.Host, id history.InstanceID, a provider.Activity) {
	t.Helper()
	if err := store.Send(t.Context(), story(id, "start-"+string(id), "")); err != nil {
		t.Fatal(err)
	}
	turn := turnOf(t, h, id)
	a.Scheduled = history.Event{Execution: 1, ID: 2, Time: time.Now(), Data: &history.ActivityScheduled{Name: "work"}}
	a.Attempt = 1
	if err := h.CommitTurn(t.Context(), turn, &provider.Commit{
		Consumed: 1, NewExecution: true, Status: history.StatusRunning, Name: "story",
		Events:     []history.Event{{Execution: 1, ID: 1, Time: time.Now(), Data: turn.Messages[0].Data}, a.Scheduled},
		Activities: []provider.Activity{a},
	}); err != nil {
		t.Fatal(err)
	}
}

// served are the partitions of a host.
func served(t *testing.T, s *hub.Store, name string) map[int]bool {
	t.Helper()
	hosts, err := s.HostRows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]bool{}
	for _, h := range hosts {
		if h.Name == name {
			for _, p := range h.Serves {
				all[p.Partition] = true
			}
		}
	}
	return all
}

// triesAgain has the second attempt of what failed tried, as instances have turns.
func triesAgain(ctx context.Context, t *testing.T, h provider.Host) {
	for {
		turn, err := h.NextTurn(ctx)
		if err != nil {
			return
		}
		scheduled := history.Event{Execution: 1, ID: 2, Time: time.Now(), Data: &history.ActivityScheduled{Name: "work"}}
		if err := h.CommitTurn(ctx, turn, &provider.Commit{
			Consumed: len(turn.Messages), CompletedActivities: []int64{2}, Activities: []provider.Activity{{Scheduled: scheduled, Attempt: 2}},
		}); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}
}

func takes(ctx context.Context, h provider.Host, got chan<- *provider.ActivityTask) {
	for {
		task, err := h.NextActivity(ctx)
		if got <- task; err != nil {
			return
		}
	}
}

// TestProgressOfWhatADeadHostHadIsThereForTheNextOne: the second attempt was on its way to the host
// of its session, which died.
func TestProgressOfWhatADeadHostHadIsThereForTheNextOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := hub.Config{Name: "hub", Partitions: 4, TTL: 3 * time.Second}
		store, account := checkedWith(t, cfg)
		client := account.Client("dies")
		other, err := hub.Open(t.Context(), client, cfg)
		if err != nil {
			t.Fatal(err)
		}
		owner, err := store.Join(t.Context(), provider.HostInfo{Name: "owner"})
		if err != nil {
			t.Fatal(err)
		}
		dies, err := other.Join(t.Context(), provider.HostInfo{Name: "dies"})
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(4 * cfg.TTL)
		theirs := served(t, store, "dies")
		var mine, his history.InstanceID
		for n := 0; mine == "" || his == ""; n++ {
			id := history.InstanceID(fmt.Sprint("order-", n))
			if theirs[store.Partition(id)] {
				his = id
			} else {
				mine = id
			}
		}
		session := provider.Activity{Session: "s"}
		opens(t, other, dies, his, session)
		if _, err := dies.NextActivity(t.Context()); err != nil { // so it has the session
			t.Fatal(err)
		}
		opens(t, store, owner, mine, session)
		task, err := dies.NextActivity(t.Context())
		if err != nil || task.ID.Instance != mine {
			t.Fatalf("the host of the session has %+v, %v", task, err)
		}
		progress := reached(large)
		if _, err := dies.ExtendActivity(t.Context(), task, progress); err != nil {
			t.Fatal(err)
		}
		if err := dies.CompleteActivity(t.Context(), task, failure(task)); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, owner, mine)
		client.Kill()
		if err := owner.CommitTurn(t.Context(), turn, &provider.Commit{
			Consumed: 1, CompletedActivities: []int64{2}, Activities: []provider.Activity{again(task)},
		}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		for {
			task, err := owner.NextActivity(ctx)
			if err != nil {
				t.Fatal(err)
			}
			if task.ID.Instance != mine {
				continue
			}
			if task.Activity.Attempt != 2 || !bytes.Equal(task.Progress, progress) {
				t.Errorf("attempt %d begins with %d bytes of progress, want attempt 2 with %d", task.Activity.Attempt, len(task.Progress), len(progress))
			}
			break
		}
		if err := owner.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		closed := make(chan error)
		go func() { closed <- other.Close() }()
		account.Close() // lets go of the calls of the dead
		<-closed
	})
}
