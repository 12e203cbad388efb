package hub_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
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
