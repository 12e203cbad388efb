package hub_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// handedOver are two hosts. Some of the activities that the former runs are of
// instances that moved to the next.
type handedOver struct {
	*testing.T
	account      *simulated.Account
	client       *simulated.Client // of the former
	stores       []*hub.Store
	former, next provider.Host
	joins        func() // the next one
	tasks        []*provider.ActivityTask
}

// handsOver starts n instances on a host, each with an activity that has reached
// something, and hands half of the partitions over.
func handsOver(t *testing.T, n int, test func(o *handedOver)) {
	t.Helper()
	runsOn(t, n, func(o *handedOver) {
		o.joins()
		test(o)
	})
}

// runsOn is handsOver, before the next host joins.
func runsOn(t *testing.T, n int, test func(o *handedOver)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		cfg := hub.Config{Name: "hub", Partitions: 4, TTL: 3 * time.Second}
		_, account := checkedWith(t, cfg)
		o := &handedOver{T: t, account: account, client: account.Client("former")}
		joins := func(c *simulated.Client, name string) provider.Host {
			store, err := hub.Open(t.Context(), c, cfg)
			if err != nil {
				t.Fatal(err)
			}
			o.stores = append(o.stores, store)
			h, err := store.Join(t.Context(), provider.HostInfo{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		o.former = joins(o.client, "former")
		for i := range n {
			opens(t, o.stores[0], o.former, history.InstanceID(fmt.Sprint("order-", i)), provider.Activity{})
		}
		for range n {
			task, err := o.former.NextActivity(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			o.extend(task, reached(100))
			o.tasks = append(o.tasks, task)
		}
		o.joins = func() {
			o.next = joins(account.Client("next"), "next")
			<-time.After(4 * cfg.TTL)
		}
		test(o)
		if err := o.next.Leave(t.Context()); err != nil {
			t.Error(err)
		}
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = errors.Join(o.stores[1].Close(), o.stores[0].Close()) // of a host that may be dead
		}()
		account.Close() // lets go of the calls of the dead
		<-closed
	})
}

func (o *handedOver) extend(task *provider.ActivityTask, progress history.Payload) {
	o.Helper()
	if s, err := o.former.ExtendActivity(o.Context(), task, progress); err != nil || s.Cancelled {
		o.Errorf("extending %v: %+v, %v", task.ID, s, err)
	}
}

// TestProgressGoesFromAFormerOwnerToTheNext: activities run on where their instances
// were, reach more there, and fail or are given back, or their host dies.
func TestProgressGoesFromAFormerOwnerToTheNext(t *testing.T) {
	const n = 12
	for _, end := range []string{"returned", "failed", "killed"} {
		t.Run(end, func(t *testing.T) {
			handsOver(t, n, func(o *handedOver) {
				if len(served(o.T, o.stores[1], "next")) == 0 {
					o.Error("the next host serves no partition: nothing was handed over")
				}
				ctx, cancel := context.WithTimeout(o.Context(), time.Minute)
				defer cancel()
				for _, h := range []provider.Host{o.former, o.next} {
					go triesAgain(ctx, o.T, h)
				}
				progress := map[history.InstanceID]history.Payload{}
				for i, task := range o.tasks {
					p := reached([]int{100, 20_000, large}[i%3])
					progress[task.ID.Instance] = p
					o.extend(task, p)
					var err error
					switch end {
					case "failed":
						err = o.former.CompleteActivity(o.Context(), task, failure(task))
					case "returned":
						err = o.former.ReleaseActivity(o.Context(), task, provider.Release{})
					}
					if err != nil {
						o.Error(err)
					}
				}
				got := make(chan *provider.ActivityTask, n)
				if end == "killed" {
					<-time.After(time.Second) // what arrived is committed
					o.client.Kill()
				} else {
					go takes(ctx, o.former, got)
				}
				go takes(ctx, o.next, got)
				for range n {
					task := <-got
					if task == nil {
						o.Fatal("not every activity was offered again")
					}
					if id := task.ID.Instance; !bytes.Equal(task.Progress, progress[id]) {
						o.Errorf("%s goes on with %d bytes of progress, want the %d that it had reached", id, len(task.Progress), len(progress[id]))
					}
				}
				cancel()
				synctest.Wait()
				if end == "killed" {
					return
				}
				if err := o.former.Leave(o.Context()); err != nil {
					o.Error(err)
				}
			})
		})
	}
}

// TestProgressThatWasAcknowledgedOutlivesAHandOver: activities reach something all the
// time, and their host dies in the middle of handing their partitions over.
func TestProgressThatWasAcknowledgedOutlivesAHandOver(t *testing.T) {
	const n = 4
	runsOn(t, n, func(o *handedOver) {
		died := false // guarded by the account
		o.account.Decide(func(c simulated.Call) simulated.Fault {
			if c.Client != "former" || died || !slices.ContainsFunc(c.Ops, func(op storage.Op) bool {
				return op.Verb == storage.Put && row.KindOf(op.Row.Key) == row.KindWork // what it still runs
			}) {
				return simulated.Fault{}
			}
			died = true
			return simulated.Fault{Kind: simulated.CrashBefore}
		})
		extending, end := context.WithCancel(o.Context())
		acknowledged := make([]int, n)
		var all sync.WaitGroup
		for i, task := range o.tasks {
			all.Go(func() {
				for k := 1; ; k++ {
					if _, err := o.former.ExtendActivity(extending, task, history.Payload(strconv.Itoa(k))); err != nil {
						return
					}
					acknowledged[i] = k
				}
			})
		}
		o.joins()
		end()
		all.Wait()
		o.account.Decide(nil)
		if !died {
			o.Fatal("it was to die while it hands over")
		}
		ctx, cancel := context.WithTimeout(o.Context(), time.Minute)
		defer cancel()
		got := make(chan *provider.ActivityTask, n)
		go takes(ctx, o.next, got)
		for range n {
			task := <-got
			if task == nil {
				o.Fatal("not every activity was offered again")
			}
			i := slices.IndexFunc(o.tasks, func(t *provider.ActivityTask) bool { return t.ID == task.ID })
			if has, err := strconv.Atoi(string(task.Progress)); err != nil || has < acknowledged[i] {
				o.Errorf("%v goes on with progress %s, want %d, which was acknowledged, or more", task.ID, task.Progress, acknowledged[i])
			}
		}
		cancel()
		synctest.Wait()
	})
}

// TestProgressOfAFormerOwnerThatComesLateIsNotTheLast: what an activity has reached
// since is there, and stays.
func TestProgressOfAFormerOwnerThatComesLateIsNotTheLast(t *testing.T) {
	const n = 4
	handsOver(t, n, func(o *handedOver) {
		late := 0
		o.account.Decide(func(c simulated.Call) simulated.Fault {
			for _, op := range c.Ops {
				if op.Verb == storage.Insert && row.KindOf(op.Row.Key) == row.KindInbox {
					late++
					return simulated.Fault{Kind: simulated.Late, Delay: 20 * time.Second}
				}
			}
			return simulated.Fault{}
		})
		for _, task := range o.tasks {
			_, _ = o.former.ExtendActivity(o.Context(), task, reached(100)) // its outcome is unknown
		}
		o.account.Decide(nil)
		last := reached(200)
		for _, task := range o.tasks {
			o.extend(task, last)
		}
		<-time.After(30 * time.Second)
		if late == 0 {
			o.Error("nothing comes late")
		}
		o.client.Kill()
		ctx, cancel := context.WithTimeout(o.Context(), time.Minute)
		defer cancel()
		for range n {
			task, err := o.next.NextActivity(ctx)
			if err != nil {
				o.Fatal(err)
			}
			if !bytes.Equal(task.Progress, last) {
				o.Errorf("%v goes on with %d bytes of progress, want the last of %d", task.ID, len(task.Progress), len(last))
			}
		}
	})
}

// TestProgressThatIsTakenInWhileItsActivityIsFreedCounts: of what a dead host said last
// the owner learns when it looks for that, and what was there before is read slowly.
func TestProgressThatIsTakenInWhileItsActivityIsFreedCounts(t *testing.T) {
	const n = 4
	handsOver(t, n, func(o *handedOver) {
		for _, task := range o.tasks {
			o.extend(task, reached(large))
		}
		<-time.After(20 * time.Second)
		o.account.Decide(simulated.When(func(c simulated.Call) bool { // nobody is rung
			return c.Client == "former" && c.Kind == simulated.Enqueue
		}, simulated.Fault{Kind: simulated.LostRequest}))
		last := map[history.InstanceID]history.Payload{}
		for _, task := range o.tasks {
			last[task.ID.Instance] = reached(large + 1)
			o.extend(task, last[task.ID.Instance])
		}
		o.account.Decide(simulated.When(func(c simulated.Call) bool {
			return c.Client == "next" && c.Kind == simulated.GetBlob
		}, simulated.Fault{Kind: simulated.Slow, Delay: time.Second}))
		o.client.Kill()
		ctx, cancel := context.WithTimeout(o.Context(), 5*time.Minute)
		defer cancel()
		for range n {
			task, err := o.next.NextActivity(ctx)
			if err != nil {
				o.Fatal(err)
			}
			if !bytes.Equal(task.Progress, last[task.ID.Instance]) {
				o.Errorf("%v goes on with %d bytes of progress, want the last of %d", task.ID, len(task.Progress), len(last[task.ID.Instance]))
			}
		}
		o.account.Decide(nil)
	})
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
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			_ = other.Close() // of a host that may be dead
		}()
		account.Close() // lets go of the calls of the dead
		<-closed
	})
}
