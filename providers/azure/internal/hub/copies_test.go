package hub_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// A copy of a row whose message was consumed, and whose blob is gone with it, does not
// stay in the inbox: nobody can read it.
func TestACopyOfWhatHadABlobDoesNotStay(t *testing.T) {
	for _, by := range []time.Duration{10 * time.Second, 20 * time.Minute} {
		t.Run(by.String(), func(t *testing.T) {
			apart(t, 1, func(s *sites) {
				owner := s.host("owner", core.WorkerConfig{})
				result := begin(s, owner, budgetWaiting, 1, "order")
				<-time.After(time.Second)
				client, err := hub.Open(s.Context(), s.account.Client("client"), s.cfg)
				if err != nil {
					s.Fatal(err)
				}
				s.account.Decide(simulated.Nth(1, func(c simulated.Call) bool {
					return c.Client == "client" && c.Kind == simulated.Transact
				}, simulated.Fault{Kind: simulated.Late, Delay: by}))
				if err := client.Send(s.Context(), provider.Message{ID: "large", To: "order", Data: &history.EventRaised{Name: "other", Payload: bulky()}}); err != nil {
					s.Fatal(err)
				}
				<-time.After(by + 2*time.Minute)
				for _, r := range s.account.State().Rows(s.cfg.Name) {
					if row.KindOf(r.Key) == row.KindInbox {
						s.Errorf("row %s is there", r.Key)
					}
				}
				if err := budgetGo.Raise(s.Context(), core.NewClient(client, core.ClientConfig{}), "order", 1); err != nil {
					s.Fatal(err)
				}
				if got := result(); got != 1 {
					s.Errorf("the result is %d, want 1", got)
				}
				if err := client.Close(); err != nil {
					s.Error(err)
				}
			})
		})
	}
}

// Copies of a message come while the turn that consumes it is committed: it is
// applied once, and the race detector finds nothing.
func TestCopiesComeWhileTheFirstIsConsumed(t *testing.T) {
	l := &lab{partitions: 1}
	s := l.open(t, nil)
	h, err := s.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	m := story("order", "start", "")
	for n := range int64(50) {
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		turn := turnOf(t, h, "order")
		if len(turn.Messages) != 1 || turn.Messages[0].ID != m.ID {
			t.Fatalf("turn %d has %+v, want %s alone", n+1, turn.Messages, m.ID)
		}
		var copies sync.WaitGroup
		for range 3 {
			copies.Go(func() {
				if err := s.Send(t.Context(), m); err != nil {
					t.Error(err)
				}
			})
		}
		err := h.CommitTurn(t.Context(), turn, &provider.Commit{
			Consumed: 1, NewExecution: n == 0, Name: "story", Status: history.StatusRunning,
			Events: []history.Event{{Execution: 1, ID: n + 1, Data: m.Data}},
		})
		if err != nil {
			t.Fatal(err)
		}
		copies.Wait()
		m = provider.Message{ID: fmt.Sprint("event-", n), To: "order", Data: &history.EventRaised{Name: "go"}}
	}
	if err := h.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	l.done(t)
}

// A copy of what another partition sent is known by its number, whether or not its
// blob is there.
func TestACopyOfAParcelThatHadABlobDoesNotStay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, account := checked(t)
		from, to := history.InstanceID("a"), history.InstanceID("b")
		for store.Partition(from) == store.Partition(to) {
			to += "b"
		}
		h, err := store.Join(t.Context(), provider.HostInfo{Name: "host"})
		if err != nil {
			t.Fatal(err)
		}
		late := false
		account.Decide(func(c simulated.Call) simulated.Fault {
			if late || c.Kind != simulated.Transact || !strings.Contains(c.Ops[0].Row.Key, "m:"+string(to)+":p") {
				return simulated.Fault{}
			}
			late = true
			return simulated.Fault{Kind: simulated.Late, Delay: 3 * time.Minute}
		})
		turn := func(id history.InstanceID, execution bool, sends ...provider.Message) {
			turn := turnOf(t, h, id)
			c := &provider.Commit{Consumed: len(turn.Messages), NewExecution: execution, Status: history.StatusRunning, Name: "story", Send: sends}
			for i, m := range turn.Messages {
				c.Events = append(c.Events, history.Event{ID: turn.Instance.LastEvent + int64(i) + 1, Execution: 1, Time: time.Now(), Data: m.Data})
			}
			if err := h.CommitTurn(t.Context(), turn, c); err != nil {
				t.Fatal(err)
			}
		}
		for _, id := range []history.InstanceID{to, from} {
			if err := store.Send(t.Context(), story(id, "start "+string(id), "")); err != nil {
				t.Fatal(err)
			}
		}
		turn(to, true)
		turn(from, true, provider.Message{ID: "large", To: to, Data: &history.EventRaised{Name: "other", Payload: bulky()}})
		turn(to, false)
		<-time.After(2 * time.Minute)
		for name := range account.State().Blobs("hub") { // as the collection does after a day
			if row.Shared(name) {
				if err := account.Client("collector").DeleteBlob(t.Context(), "hub", name); err != nil {
					t.Error(err)
				}
			}
		}
		<-time.After(10 * time.Minute)
		for _, r := range account.State().Rows("hub") {
			if row.KindOf(r.Key) == row.KindInbox {
				t.Errorf("row %s is there", r.Key)
			}
		}
		if !late {
			t.Error("no copy came late")
		}
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
