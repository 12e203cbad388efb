package hub_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
)

// Messages of one turn to one instance share rows of its inbox.

// consumes commits a turn that takes all its messages in and adds their ids to got.
func consumes(t *testing.T, h provider.Host, turn *provider.Turn, got *[]string) {
	t.Helper()
	for _, m := range turn.Messages {
		*got = append(*got, m.ID)
	}
	if err := h.CommitTurn(t.Context(), turn, &provider.Commit{Consumed: len(turn.Messages)}); err != nil {
		t.Fatalf("a turn with %d messages: %v", len(turn.Messages), err)
	}
}

// sent has y send messages to x, which runs.
func sent(t *testing.T, s *hub.Store, h provider.Host, sends ...provider.Message) {
	t.Helper()
	if err := s.Send(t.Context(), story("y", "start y", "")); err != nil {
		t.Fatal(err)
	}
	turn := turnOf(t, h, "y")
	if err := h.CommitTurn(t.Context(), turn, ends(turn, sends...)); err != nil {
		t.Fatal(err)
	}
}

// TestADelayedMessageIsNeitherLostNorDoubled: one turn sends it before another that is
// for now. That is consumed first, and the partition gets another owner.
func TestADelayedMessageIsNeitherLostNorDoubled(t *testing.T) {
	for partitions, how := range map[int]string{1: "directly", 2: "by way of the outbox"} {
		t.Run(how, func(t *testing.T) { delayedBetween(t, partitions) })
	}
}

func delayedBetween(t *testing.T, partitions int) {
	synctest.Test(t, func(t *testing.T) {
		_, open := processes(t, hub.Config{Name: "hub", Partitions: partitions})
		s := open("server")
		if partitions == 2 && s.Partition("x") == s.Partition("y") {
			t.Fatal("x and y are in one partition")
		}
		h := ended(t, s, history.StatusRunning)
		later := event("x", "later")
		later.Due = time.Now().Add(time.Hour)
		sent(t, s, h, event("x", "first"), later, event("x", "second"), event("x", "third"))
		var got []string
		consumes(t, h, turnOf(t, h, "x"), &got)
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Fatal(err)
		}
		s = open("heir")
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithTimeout(t.Context(), 3*time.Hour)
		defer stop()
		for {
			turn, err := h.NextTurn(ctx)
			if err != nil {
				break
			}
			consumes(t, h, turn, &got)
		}
		if want := []string{"first", "second", "third", "later"}; !slices.Equal(got, want) {
			t.Errorf("x got %q, want %q", got, want)
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestHoweverMuchATurnSendsToOneInstance: it gets all of it, in order.
func TestHoweverMuchATurnSendsToOneInstance(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
		s := open("server")
		h := ended(t, s, history.StatusRunning)
		sends := make([]provider.Message, 40_000) // their notices do not fit into one row
		for i := range sends {
			sends[i] = event("x", fmt.Sprint("message ", i))
		}
		sent(t, s, h, sends...)
		var got []string
		for len(got) < len(sends) {
			consumes(t, h, turnOf(t, h, "x"), &got)
		}
		for i := range sends {
			if got[i] != sends[i].ID {
				t.Fatalf("message %d of %d is %s, want %s", i, len(got), got[i], sends[i].ID)
			}
		}
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestAMessageOfALetterThatWaitsIsConsumedOnce: a turn takes in the first of some messages
// that share a row, and that is sent again under its id (P4).
func TestAMessageOfALetterThatWaitsIsConsumedOnce(t *testing.T) {
	for _, takeover := range []bool{false, true} {
		t.Run(fmt.Sprintf("taken over %t", takeover), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { sentAgainInPart(t, takeover) })
		})
	}
}

func sentAgainInPart(t *testing.T, takeover bool) {
	_, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
	s, client := open("server"), open("client")
	h := ended(t, s, history.StatusRunning)
	sent(t, s, h, event("x", "first"), event("x", "second"), event("x", "third"))
	turn := turnOf(t, h, "x")
	if err := h.CommitTurn(t.Context(), turn, &provider.Commit{Consumed: 1}); err != nil {
		t.Fatal(err)
	}
	if takeover {
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.Send(t.Context(), event("x", "first")); err != nil {
		t.Fatal(err)
	}
	if takeover {
		s = open("heir")
		var err error
		if h, err = s.Join(t.Context(), provider.HostInfo{}); err != nil {
			t.Fatal(err)
		}
	}
	<-time.After(5 * time.Minute)
	got := []string{"first"}
	consumes(t, h, turnOf(t, h, "x"), &got)
	if want := []string{"first", "second", "third"}; !slices.Equal(got, want) {
		t.Errorf("x got %q, want %q", got, want)
	}
	ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
	defer stop()
	if turn, err := h.NextTurn(ctx); err == nil {
		t.Errorf("there is one more turn, with %d messages", len(turn.Messages))
	}
	if err := errors.Join(h.Leave(t.Context()), s.Close(), client.Close()); err != nil {
		t.Error(err)
	}
}
