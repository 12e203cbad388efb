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
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// Messages that are sent again under their ids: each copy is a row of the inbox.

// inbox are the keys of the rows that wait in the hub.
func inbox(account *simulated.Account) (keys []string) {
	for _, r := range account.State().Rows("hub") {
		if row.KindOf(r.Key) == row.KindInbox {
			keys = append(keys, r.Key)
		}
	}
	return keys
}

// TestATurnConsumesHoweverManyCopies: there are more of them than a transaction takes.
// They came one after the other while their receiver had a turn, or while nobody served
// its partition.
func TestATurnConsumesHoweverManyCopies(t *testing.T) {
	for _, c := range []struct {
		messages, times int
		takeover        bool
	}{{1, 120, false}, {50, 2, false}, {1, 120, true}, {50, 3, true}} {
		t.Run(fmt.Sprintf("%d messages %d times, taken over %t", c.messages, c.times, c.takeover), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account, open := processes(t, hub.Config{Name: "hub", Partitions: 1})
				s, client := open("server"), open("client")
				h := ended(t, s, history.StatusRunning)
				held := event("x", "held")
				if err := client.Send(t.Context(), held); err != nil {
					t.Fatal(err)
				}
				turn := turnOf(t, h, "x")
				if c.takeover {
					if err := errors.Join(h.CommitTurn(t.Context(), turn, &provider.Commit{Consumed: 1}), h.Leave(t.Context()), s.Close()); err != nil {
						t.Fatal(err)
					}
				}
				for n := range c.messages {
					for range c.times {
						if err := client.Send(t.Context(), event("x", fmt.Sprint("message ", n))); err != nil {
							t.Fatal(err)
						}
					}
				}
				if c.takeover {
					s = open("heir")
					var err error
					if h, err = s.Join(t.Context(), provider.HostInfo{}); err != nil {
						t.Fatal(err)
					}
				} else {
					<-time.After(time.Minute)
					if err := h.CommitTurn(t.Context(), turn, &provider.Commit{Consumed: 1}); err != nil {
						t.Fatal(err)
					}
				}
				turn = turnOf(t, h, "x")
				if len(turn.Messages) != c.messages {
					t.Errorf("the turn has %d messages, want %d", len(turn.Messages), c.messages)
				}
				if err := h.CommitTurn(t.Context(), turn, &provider.Commit{Consumed: len(turn.Messages)}); err != nil {
					t.Fatalf("the turn with %d messages: %v", len(turn.Messages), err)
				}
				<-time.After(time.Second)
				if left := inbox(account); len(left) > 0 {
					t.Errorf("%d rows are left in the inbox, %s is the first", len(left), left[0])
				}
				ctx, stop := context.WithTimeout(t.Context(), 10*time.Minute)
				defer stop()
				if turn, err := h.NextTurn(ctx); err == nil {
					t.Errorf("there is one more turn, with %d messages", len(turn.Messages))
				}
				if err := errors.Join(h.Leave(t.Context()), s.Close(), client.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestWhatWasBuriedIsNotAppliedToo: the copies of a message that becomes a dead letter
// go with it, however many there are.
func TestWhatWasBuriedIsNotAppliedToo(t *testing.T) {
	for _, times := range []int{2, 120} {
		t.Run(fmt.Sprint(times), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				account, open := processes(t, hub.Config{Name: "hub", Partitions: 1, OrphanAfter: 10 * time.Minute})
				s, client := open("server"), open("client")
				h, err := s.Join(t.Context(), provider.HostInfo{})
				if err != nil {
					t.Fatal(err)
				}
				for range times {
					if err := client.Send(t.Context(), event("x", "early")); err != nil {
						t.Fatal(err)
					}
				}
				<-time.After(15 * time.Minute)
				if dead, err := client.DeadLetters(t.Context(), 10); err != nil || len(dead) != 1 {
					t.Errorf("there are %d dead letters, %v; want 1", len(dead), err)
				}
				if left := inbox(account); len(left) > 0 {
					t.Errorf("%d rows are left in the inbox, %s is the first", len(left), left[0])
				}
				if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
					t.Fatal(err)
				}
				if err := client.Send(t.Context(), story("x", "start", "")); err != nil {
					t.Fatal(err)
				}
				s = open("heir")
				if h, err = s.Join(t.Context(), provider.HostInfo{}); err != nil {
					t.Fatal(err)
				}
				if turn := turnOf(t, h, "x"); len(turn.Messages) != 1 {
					t.Errorf("the first turn has %d messages: %s is a dead letter, too", len(turn.Messages), turn.Messages[1].ID)
				}
				if err := errors.Join(h.Leave(t.Context()), s.Close(), client.Close()); err != nil {
					t.Error(err)
				}
			})
		})
	}
}
