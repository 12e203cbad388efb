package memory_test

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/memory"
)

// What the suite cannot see from outside: times that a provider chooses.

func event(to history.InstanceID, id string) provider.Message {
	return provider.Message{ID: id, To: to, Data: &history.EventRaised{Name: "event"}}
}

func start(id history.InstanceID) provider.Message {
	return provider.Message{
		ID: "start " + string(id), To: id,
		Start: &provider.Start{Name: "story"},
		Data:  &history.ExecutionStarted{Name: "story"},
	}
}

// within runs a test with a store and a host in virtual time.
func within(t *testing.T, cfg memory.Config, test func(t *testing.T, s *memory.Store, h provider.Host)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := memory.New(cfg)
		h, err := s.Join(t.Context(), provider.HostInfo{})
		if err != nil {
			t.Fatal(err)
		}
		test(t, s, h)
		if err := errors.Join(h.Leave(t.Context()), s.Close()); err != nil {
			t.Error(err)
		}
	})
}

func send(t *testing.T, s *memory.Store, messages ...provider.Message) {
	t.Helper()
	for _, m := range messages {
		if err := s.Send(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
}

// consume commits the next turn and returns how many messages it had.
func consume(t *testing.T, h provider.Host) int {
	t.Helper()
	turn, err := h.NextTurn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := &provider.Commit{Consumed: len(turn.Messages)}
	if turn.Instance.Execution == 0 {
		c.NewExecution = true
		c.Events = []history.Event{{ID: 1, Execution: 1, Data: turn.Messages[0].Data}}
	}
	if err := h.CommitTurn(t.Context(), turn, c); err != nil {
		t.Fatal(err)
	}
	return len(turn.Messages)
}

func deadLetters(t *testing.T, s *memory.Store) (ids []string) {
	t.Helper()
	letters, err := s.DeadLetters(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range letters {
		ids = append(ids, l.Message.ID)
	}
	return ids
}

func TestAMessageForAnInstanceThatNeverStartsBecomesADeadLetter(t *testing.T) {
	within(t, memory.Config{}, func(t *testing.T, s *memory.Store, h provider.Host) {
		sent := time.Now()
		send(t, s, event("late", "1"), event("in time", "2"))
		<-time.After(time.Hour)
		send(t, s, event("late", "3"))
		<-time.After(23 * time.Hour)
		if got := deadLetters(t, s); got != nil {
			t.Errorf("dead letters after 24 hours: %q, want none yet", got)
		}
		send(t, s, start("in time"))
		if n := consume(t, h); n != 2 {
			t.Errorf("the turn has %d messages, want the start and the one that waited", n)
		}
		<-time.After(time.Nanosecond)
		send(t, s, start("late")) // too late for one of the two
		if n := consume(t, h); n != 2 {
			t.Errorf("the turn has %d messages, want the start and the one whose time was not over", n)
		}
		letters, err := s.DeadLetters(t.Context(), 100)
		if err != nil || len(letters) != 1 {
			t.Fatalf("dead letters: %+v, %v; want one", letters, err)
		}
		if l := letters[0]; l.Message.ID != "1" || !l.Time.Equal(sent.Add(24*time.Hour)) || l.Reason == "" {
			t.Errorf("the dead letter is %+v", l)
		}
	})
}

func TestTheWaitOfOrphansIsConfigurable(t *testing.T) {
	within(t, memory.Config{OrphanAfter: time.Minute}, func(t *testing.T, s *memory.Store, _ provider.Host) {
		send(t, s, event("nobody", "1"))
		<-time.After(time.Minute + 1)
		if got := deadLetters(t, s); fmt.Sprint(got) != "[1]" {
			t.Errorf("dead letters: %q, want [1]", got)
		}
	})
}

func TestConsumedMessagesAreRememberedForAWhile(t *testing.T) {
	within(t, memory.Config{}, func(t *testing.T, s *memory.Store, h provider.Host) {
		send(t, s, start("a"), event("a", "1"))
		consume(t, h)
		<-time.After(15 * time.Minute)
		send(t, s, event("a", "1"), event("a", "2"))
		if n := consume(t, h); n != 1 {
			t.Errorf("%d messages within the time, want the new one alone", n)
		}
		<-time.After(time.Nanosecond)
		send(t, s, event("a", "1")) // nobody sends again that late: it is another
		if n := consume(t, h); n != 1 {
			t.Errorf("%d messages after the time, want 1", n)
		}
	})
}

func TestTheHubHasTheClockItIsGiven(t *testing.T) {
	clock := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	within(t, memory.Config{Now: func() time.Time { return clock }}, func(t *testing.T, s *memory.Store, h provider.Host) {
		later := event("a", "later")
		later.Due = clock.Add(time.Hour)
		send(t, s, start("a"), later)
		if n := consume(t, h); n != 1 {
			t.Errorf("%d messages, want the start alone", n)
		}
		if i, err := s.Instance(t.Context(), "a"); err != nil || !i.Created.Equal(clock) {
			t.Errorf("created %+v, %v; want %v", i, err, clock)
		}
	})
}

func TestClosingEndsWaiting(t *testing.T) {
	within(t, memory.Config{}, func(t *testing.T, s *memory.Store, _ provider.Host) {
		send(t, s, start("a"))
		done := make(chan error)
		go func() {
			_, err := s.Wait(t.Context(), "a", provider.Until{Final: true})
			done <- err
		}()
		synctest.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, provider.ErrClosed) {
			t.Errorf("waiting ended with %v, want ErrClosed", err)
		}
	})
}
