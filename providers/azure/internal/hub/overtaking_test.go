package hub_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// A commit that sends to many of its own partition does so by the outbox. What
// the next commit of the same instance sends goes directly otherwise: not while
// the outbox has something for the partition.
func TestAMessageDoesNotOvertakeTheOutbox(t *testing.T) {
	l := &lab{partitions: 1}
	s := l.open(t, nil)
	h, err := s.(*settling).Store.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	last := map[history.InstanceID]int64{}
	commit := func(turn *provider.Turn, again bool, sends ...provider.Message) error {
		id := turn.Instance.ID
		c := &provider.Commit{Consumed: len(turn.Messages), NewExecution: last[id] == 0, Name: "story", Status: history.StatusRunning, Again: again, Send: sends}
		for _, m := range turn.Messages {
			last[id]++
			c.Events = append(c.Events, history.Event{Execution: 1, ID: last[id], Data: m.Data})
		}
		return h.CommitTurn(t.Context(), turn, c)
	}
	to := func(id history.InstanceID, message string) provider.Message {
		return provider.Message{ID: message, To: id, Data: &history.EventRaised{Name: "go"}}
	}
	if err := s.Send(t.Context(), story("receiver", "1", "")); err != nil {
		t.Fatal(err)
	}
	if err := commit(turnOf(t, h, "receiver"), false); err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), story("sender", "2", "")); err != nil {
		t.Fatal(err)
	}
	l.of(s).account.Decide(simulated.When(func(c simulated.Call) bool {
		return c.Kind == simulated.Transact && c.Partition != row.Management && c.Ops[0].Row.Key != row.Head
	}, simulated.Fault{Kind: simulated.Slow, Delay: 100 * time.Millisecond})) // relays are slower than commits
	many := []provider.Message{to("receiver", "first")}
	for i := range 20 {
		many = append(many, to(history.InstanceID(fmt.Sprint("other-", i)), fmt.Sprint("other-", i)))
	}
	turn, large := turnOf(t, h, "sender"), make(chan error, 1)
	go func() { large <- commit(turn, true, many...) }()
	if err := commit(turnOf(t, h, "sender"), false, to("receiver", "second")); err != nil { // as soon as it has a turn again
		t.Fatal(err)
	}
	if err := <-large; err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(got) < 2 {
		turn := turnOf(t, h, "receiver")
		for i := range turn.Messages {
			got = append(got, turn.Messages[i].ID)
		}
		if err := commit(turn, false); err != nil {
			t.Fatal(err)
		}
	}
	if got[0] != "first" {
		t.Errorf("the receiver got %q, want them as they were sent", got)
	}
	if err := h.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestWhatArrivesDoesNotOvertakeWhatNobodyRangFor: a host inserts a message for the
// partition of another one, and its wake-up is lost. The other one takes over the sender,
// which sends once more, within the process by now.
func TestWhatArrivesDoesNotOvertakeWhatNobodyRangFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		account, open := processes(t, hub.Config{Name: "hub", Partitions: 2})
		var stores [2]*hub.Store
		var hosts [2]provider.Host
		for n, name := range []string{"one", "two"} {
			stores[n] = open(name)
			h, err := stores[n].Join(t.Context(), provider.HostInfo{Name: name})
			if err != nil {
				t.Fatal(err)
			}
			hosts[n] = h
		}
		<-time.After(time.Minute) // each has a partition
		rows, err := stores[0].HostRows(t.Context())
		if err != nil || len(rows) != 2 || len(rows[0].Serves) != 1 || len(rows[1].Serves) != 1 {
			t.Fatalf("the hosts are %v, %v; want one partition with each", rows, err)
		}
		var ids [2]history.InstanceID // one with each host
		for n := range rows {
			id := history.InstanceID("b" + idIn(stores[0], rows[n].Serves[0].Partition))
			ids[map[string]int{"one": 0, "two": 1}[rows[n].Name]] = id
		}
		sender, receiver := ids[0], ids[1]
		commit := func(h provider.Host, turn *provider.Turn, again bool, sends ...provider.Message) {
			c := &provider.Commit{Consumed: len(turn.Messages), NewExecution: turn.Instance.Execution == 0, Name: "story", Status: history.StatusRunning, Again: again, Send: sends}
			for _, m := range turn.Messages {
				c.Events = append(c.Events, history.Event{Execution: 1, ID: turn.Instance.LastEvent + int64(len(c.Events)) + 1, Time: time.Now(), Data: m.Data})
			}
			if err := h.CommitTurn(t.Context(), turn, c); err != nil {
				t.Fatal(err)
			}
		}
		for n, id := range ids {
			if err := stores[n].Send(t.Context(), story(id, fmt.Sprint("start-", n), "")); err != nil {
				t.Fatal(err)
			}
		}
		commit(hosts[1], turnOf(t, hosts[1], receiver), false)
		account.Decide(simulated.When(func(c simulated.Call) bool { return c.Kind == simulated.Enqueue }, simulated.Fault{Kind: simulated.Reset}))
		message := func(id string) provider.Message {
			return provider.Message{ID: id, To: receiver, Data: &history.EventRaised{Name: "go"}}
		}
		commit(hosts[0], turnOf(t, hosts[0], sender), true, message("first"))
		<-time.After(time.Second)
		if err := errors.Join(hosts[0].Leave(t.Context()), stores[0].Close()); err != nil {
			t.Fatal(err)
		}
		commit(hosts[1], turnOf(t, hosts[1], sender), false, message("second"))
		var got []string
		for len(got) < 2 {
			turn := turnOf(t, hosts[1], receiver)
			for i := range turn.Messages {
				got = append(got, turn.Messages[i].ID)
			}
			commit(hosts[1], turn, false)
		}
		if got[0] != "first" {
			t.Errorf("the receiver got %q, want them as they were sent", got)
		}
		if err := errors.Join(hosts[1].Leave(t.Context()), stores[1].Close()); err != nil {
			t.Error(err)
		}
	})
}
