package hub_test

import (
	"context"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// A completion that no turn has taken when its host leaves is kept, also one that
// is too large for a row: its activity does not run again.
func TestACompletionOutlivesItsHost(t *testing.T)      { outlives(t, history.Payload(`1`), nil) }
func TestALargeCompletionOutlivesItsHost(t *testing.T) { outlives(t, bulky(), nil) }

func TestACompletionOfAnActivityWithProgressOutlivesItsHost(t *testing.T) {
	outlives(t, history.Payload(`1`), history.Payload(`"half"`))
}

func outlives(t *testing.T, result, progress history.Payload) {
	t.Helper()
	l := &lab{partitions: 1}
	first := l.open(t, nil)
	h, err := first.Join(t.Context(), provider.HostInfo{})
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Send(t.Context(), story("order", "1", "")); err != nil {
		t.Fatal(err)
	}
	turn := turnOf(t, h, "order")
	called := history.Event{Execution: 1, ID: 2, Data: &history.ActivityScheduled{Name: "draw", Input: history.Payload(`1`)}}
	if err := h.CommitTurn(t.Context(), turn, &provider.Commit{
		Consumed: 1, NewExecution: true, Name: "story", Status: history.StatusRunning,
		Events:     []history.Event{{Execution: 1, ID: 1, Data: turn.Messages[0].Data}, called},
		Activities: []provider.Activity{{Scheduled: called, Attempt: 1}},
	}); err != nil {
		t.Fatal(err)
	}
	task, err := h.NextActivity(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.ExtendActivity(t.Context(), task, progress); err != nil {
		t.Fatal(err)
	}
	if err := h.CompleteActivity(t.Context(), task, provider.Message{
		ID: "drawn", To: "order", Execution: 1, Data: &history.ActivityCompleted{Source: 2, Attempt: 1, Output: result},
	}); err != nil {
		t.Fatal(err)
	}
	second := l.on(t, l.of(first))
	if err := h.Leave(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h, err = second.Join(t.Context(), provider.HostInfo{}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	turn, err = h.NextTurn(ctx)
	if err != nil || len(turn.Messages) != 1 || turn.Messages[0].ID != "drawn" {
		t.Errorf("the next host has the turn %+v, %v; want one with the completion", turn, err)
	}
	soon, stop := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer stop()
	if again, err := h.NextActivity(soon); err == nil {
		t.Errorf("activity %v is offered again", again.ID)
	}
	for _, err := range []error{h.Leave(t.Context()), first.Close(), second.Close()} {
		if err != nil {
			t.Error(err)
		}
	}
	l.done(t)
}
