package hub_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// TestWhatIsOnItsWayToAPartitionGoesTogether: what turns send while the way there
// is blocked shares a transaction then, and arrives in order.
func TestWhatIsOnItsWayToAPartitionGoesTogether(t *testing.T) {
	const turns = 12
	l := &lab{partitions: 2}
	s := l.open(t, nil)
	store := s.(*settling).Store // a commit does not wait for what it sends
	h, err := store.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	sender, receiver := history.InstanceID("sender"), history.InstanceID("receiver")
	for n := 0; store.Partition(receiver) == store.Partition(sender); n++ {
		receiver = history.InstanceID(fmt.Sprint("receiver-", n))
	}
	var relayed atomic.Int32
	var open atomic.Bool
	l.of(s).account.Decide(func(c simulated.Call) simulated.Fault {
		switch {
		case c.Kind != simulated.Transact || row.KindOf(c.Ops[0].Row.Key) != row.KindInbox:
		case open.Load():
			relayed.Add(1)
		default:
			return simulated.Fault{Kind: simulated.Busy}
		}
		return simulated.Fault{}
	})
	if err := s.Send(t.Context(), story(sender, "1", "")); err != nil {
		t.Fatal(err)
	}
	var sent []string
	for n := range turns {
		turn := turnOf(t, h, sender)
		m := provider.Message{ID: fmt.Sprint("m-", n), To: receiver, Data: &history.EventRaised{Name: "go"}}
		sent = append(sent, m.ID)
		c := &provider.Commit{Consumed: len(turn.Messages), Status: history.StatusRunning, Again: n < turns-1, Send: []provider.Message{m}}
		if n == 0 {
			c.NewExecution, c.Name, c.Events = true, "story", []history.Event{{Execution: 1, ID: 1, Data: turn.Messages[0].Data}}
		}
		if err := h.CommitTurn(t.Context(), turn, c); err != nil {
			t.Fatal(err)
		}
	}
	open.Store(true)
	if err := s.Send(t.Context(), story(receiver, "2", "")); err != nil {
		t.Fatal(err)
	}
	var got []string
	for len(got) < turns+1 {
		turn := turnOf(t, h, receiver)
		c := &provider.Commit{Consumed: len(turn.Messages), Status: history.StatusRunning}
		for _, m := range turn.Messages {
			got = append(got, m.ID)
			c.Events = append(c.Events, history.Event{Execution: 1, ID: int64(len(got)), Data: m.Data})
		}
		c.NewExecution, c.Name = turn.Instance.Execution == 0, "story"
		if err := h.CommitTurn(t.Context(), turn, c); err != nil {
			t.Fatal(err)
		}
	}
	if want := fmt.Sprint(append([]string{"2"}, sent...)); fmt.Sprint(got) != want {
		t.Errorf("it received %v, want %s", got, want)
	}
	if n := relayed.Load(); n > 2 { // it may be tried once more before
		t.Errorf("%d messages took %d transactions, want at most 2", turns, n)
	}
	if err := h.Leave(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	l.done(t)
}
