package hub_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/hub"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
	"github.com/duroxide/duroxide-go/providers/internal/wire"
)

// Activities of an instance that was purged, and whose id another has by now. They
// have the same event ids there.

// TestAnActivityThatRunsElsewhereDoesNotTouchTheNextInstanceOfItsID: it was taken from
// a work queue, and ends when the next instance waits for its own; or after it was
// purged, and before there is another.
func TestAnActivityThatRunsElsewhereDoesNotTouchTheNextInstanceOfItsID(t *testing.T) {
	for name, pause := range map[string]time.Duration{"waits": 0, "comes later": 2 * time.Minute} {
		t.Run(name, func(t *testing.T) {
			apart(t, 1, func(s *sites) {
				owner := s.host("owner", core.WorkerConfig{})
				busy := gpu
				busy.MaxActivities = 1
				first := s.host("first", busy)
				begin(s, owner, longTag, time.Minute, "a")
				<-time.After(5 * time.Second)
				if err := owner.store.Purge(s.Context(), "a", true); err != nil {
					s.Fatal(err)
				}
				if pause > 0 {
					<-time.After(pause)
					s.leave(first)
				}
				second := begin(s, owner, longTag, 3*time.Minute, "a")
				s.host("second", gpu)
				if host := second(); host != "second" {
					s.Errorf("the activity of the second instance says that it ran on %q, want second", host)
				}
			})
		})
	}
}

// TestAnActivityOfAFormerOwnerDoesNotTouchTheNextInstanceOfItsID: the owner stood still
// for so long that another took its partition over.
func TestAnActivityOfAFormerOwnerDoesNotTouchTheNextInstanceOfItsID(t *testing.T) {
	apart(t, 1, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		begin(s, first, longOne, time.Minute, "a")
		<-time.After(5 * time.Second)
		first.client.Pause()
		second := s.host("second", core.WorkerConfig{})
		<-time.After(10 * time.Second)
		if err := second.store.Purge(s.Context(), "a", true); err != nil {
			s.Fatal(err)
		}
		result := begin(s, second, longOne, 3*time.Minute, "a")
		first.client.Resume()
		if host := result(); host != "second" {
			s.Errorf("the activity of the second instance says that it ran on %q, want second", host)
		}
	})
}

// TestAnActivityOfTheNextInstanceIsNotTakenForDoneAtATakeover: the inbox has the
// completion of one with the same event id.
func TestAnActivityOfTheNextInstanceIsNotTakenForDoneAtATakeover(t *testing.T) {
	apart(t, 1, func(s *sites) {
		first := s.host("first", core.WorkerConfig{})
		begin(s, first, longOne, time.Minute, "a")
		<-time.After(5 * time.Second)
		s.kill(first)
		lines, err := row.Lines([]*provider.Message{{
			ID: "late", To: "a", Execution: 1, Data: &history.ActivityCompleted{Source: 2, Attempt: 1, Output: history.Payload(`"former"`)},
		}})
		if err != nil {
			s.Fatal(err)
		}
		now := time.Now().UnixNano()
		_, err = s.account.Client("former").Transact(s.Context(), "hub", first.store.PartitionKey(0), []storage.Op{{Verb: storage.Insert, Row: storage.Row{
			Key: row.Message("a", row.ClientSender("former"), 1),
			Cells: map[string][]byte{
				row.MessagesCell: row.Pack(lines),
				row.EnvelopeCell: wire.MustJSON(row.Envelope{Format: row.Format, To: "a", Sent: now, Count: 1, Of: "former"}),
			},
		}}})
		if err != nil {
			s.Fatal(err)
		}
		second := s.host("second", core.WorkerConfig{})
		ctx, cancel := context.WithTimeout(s.Context(), 10*time.Minute)
		defer cancel()
		if host, err := longOne.Handle(core.NewClient(second.store, core.ClientConfig{}), "a").Wait(ctx); err != nil || host != "second" {
			s.Errorf("the instance says %q, %v; want that its activity ran on second", host, err)
		}
	})
}

// TestAStartDoesNotReplaceWhatAnotherMakesMeanwhile: the id is that of an instance that
// was purged, and two starts find it free.
func TestAStartDoesNotReplaceWhatAnotherMakesMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, account := checkedWith(t, hub.Config{Name: "hub", Partitions: 1})
		h := ended(t, s, history.StatusCompleted)
		if err := s.Purge(t.Context(), "x", false); err != nil {
			t.Fatal(err)
		}
		if err := s.Send(t.Context(), story("parent", "p", "")); err != nil {
			t.Fatal(err)
		}
		making, once := make(chan bool), false
		account.Decide(func(c simulated.Call) simulated.Fault {
			for _, op := range c.Ops {
				if !once && op.Row.Key == row.Instance("x") && op.Verb == storage.Replace && op.IfMatch != "" {
					once = true
					close(making)
					return simulated.Fault{Kind: simulated.Slow, Delay: time.Second}
				}
			}
			return simulated.Fault{}
		})
		turn := turnOf(t, h, "parent")
		committed := make(chan error, 1)
		go func() { committed <- h.CommitTurn(t.Context(), turn, ends(turn, story("x", "child", ""))) }()
		<-making
		err := s.Send(t.Context(), story("x", "2", ""))
		if !errors.Is(err, provider.ErrExists) {
			t.Errorf("the second start says %v, want that the id is taken", err)
		}
		if err := <-committed; err != nil {
			t.Fatal(err)
		}
		turn = turnOf(t, h, "x")
		if len(turn.Messages) != 1 || turn.Messages[0].ID != "child" {
			t.Errorf("the turn has %+v, want the first start alone", turn.Messages)
		}
		if err := h.CommitTurn(t.Context(), turn, ends(turn)); err != nil {
			t.Error(err)
		}
		if err := h.Leave(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
