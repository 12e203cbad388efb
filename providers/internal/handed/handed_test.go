package handed_test

import (
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/broker"
	"github.com/duroxide/duroxide-go/providers/internal/handed"
)

func turn(id history.InstanceID, messages ...string) *broker.Turn {
	t := &broker.Turn{Instance: id}
	for _, m := range messages {
		t.Messages = append(t.Messages, provider.Message{ID: m})
		t.Keys = append(t.Keys, int64(len(t.Keys)+1))
	}
	return t
}

func wantAttempts(t *testing.T, co *handed.Counts, id history.InstanceID, message string, want int) {
	t.Helper()
	if got := co.Attempts(id, message); got != want {
		t.Errorf("message %s of %s was handed out %d times, want %d", message, id, got, want)
	}
}

func wantDeliveries(t *testing.T, co *handed.Counts, id history.ActivityID, attempt, want int) {
	t.Helper()
	if got := co.Deliveries(id, attempt); got != want {
		t.Errorf("attempt %d of %v was handed out %d times, want %d", attempt, id, got, want)
	}
}

func TestMessagesThatAreGivenBackAreCounted(t *testing.T) {
	var co handed.Counts
	for _, counted := range []bool{true, false, true} {
		a := turn("a", "1", "2")
		co.Turn(a)
		co.Released(a, counted)
		co.Released(a, counted) // once is enough
	}
	wantAttempts(t, &co, "a", "1", 2)
	wantAttempts(t, &co, "a", "2", 2)
	wantAttempts(t, &co, "b", "1", 0)
}

func TestACommitForgetsWhatItConsumesAndCountsTheRest(t *testing.T) {
	var co handed.Counts
	a := turn("a", "1", "2")
	co.Turn(a)
	co.Released(a, true)
	a = turn("a", "1", "2")
	co.Turn(a)
	co.Committed(a, &provider.Commit{Consumed: 1})
	wantAttempts(t, &co, "a", "1", 0)
	wantAttempts(t, &co, "a", "2", 2)
	co.Left() // holds nothing
	wantAttempts(t, &co, "a", "2", 2)
}

// TestWhatTheBrokerMadeForAnExecutionIsForgottenWithIt: it drops the completions and
// the timers that no turn consumed, which never come again.
func TestWhatTheBrokerMadeForAnExecutionIsForgottenWithIt(t *testing.T) {
	for what, c := range map[string]provider.Commit{
		"continues as new": {Consumed: 1, NewExecution: true},
		"ends":             {Consumed: 1, Status: history.StatusCancelled},
	} {
		var co handed.Counts
		for range 2 {
			a := turn("a", "taken in", "sent", "timer")
			a.Keys[2] = 0
			co.Turn(a)
			co.Released(a, true)
		}
		a := turn("a", "taken in", "sent", "timer")
		a.Keys[2] = 0
		co.Turn(a)
		co.Committed(a, &c)
		for message, want := range map[string]int{"taken in": 0, "sent": 3, "timer": 0} {
			if got := co.Attempts("a", message); got != want {
				t.Errorf("an instance that %s: message %q was handed out %d times, want %d", what, message, got, want)
			}
		}
	}
}

func TestLeavingCountsWhatIsHeld(t *testing.T) {
	var co handed.Counts
	a, b := turn("a", "1"), turn("b", "2")
	co.Turn(a)
	co.Turn(b)
	co.LeftWhere(func(id history.InstanceID) bool { return id == "a" })
	wantAttempts(t, &co, "a", "1", 1)
	wantAttempts(t, &co, "b", "2", 0)
	co.Released(a, true) // too late: it is counted
	co.Left()
	wantAttempts(t, &co, "a", "1", 1)
	wantAttempts(t, &co, "b", "2", 1)
}

func TestDeliveriesAreThoseOfOneAttempt(t *testing.T) {
	var co handed.Counts
	id := history.ActivityID{Instance: "a", Execution: 1, Event: 3}
	co.Out(id, 1, 4)
	co.Out(id, 2, 7)
	wantDeliveries(t, &co, id, 2, 7)
	wantDeliveries(t, &co, id, 1, 0)
	id.Execution = 2
	wantDeliveries(t, &co, id, 2, 0)
}

func TestClosedActivitiesAreForgotten(t *testing.T) {
	for what, c := range map[string]provider.Commit{
		"completed":            {CompletedActivities: []int64{3}},
		"cancelled":            {CancelActivities: []int64{3}},
		"of an execution over": {NewExecution: true},
		"of an instance ended": {Status: history.StatusFailed},
	} {
		var co handed.Counts
		id, other := history.ActivityID{Instance: "a", Execution: 1, Event: 3}, history.ActivityID{Instance: "b", Execution: 1, Event: 3}
		co.Out(id, 1, 4)
		co.Out(other, 1, 5)
		co.Committed(turn("a"), &c)
		if n := co.Deliveries(id, 1); n != 0 {
			t.Errorf("an activity %s is known to be handed out %d times", what, n)
		}
		wantDeliveries(t, &co, other, 1, 5)
	}
}

func TestInstancesThatAreGoneOrHaveNothingOutstandingAreForgotten(t *testing.T) {
	var co handed.Counts
	for _, id := range []history.InstanceID{"gone", "idle", "kept"} {
		one := turn(id, "1")
		co.Turn(one)
		co.Released(one, true)
		co.Out(history.ActivityID{Instance: id, Execution: 1, Event: 3}, 1, 2)
	}
	co.Gone("gone")
	co.Keep(map[history.InstanceID]bool{"gone": true, "kept": true})
	for id, want := range map[history.InstanceID]int{"gone": 0, "idle": 0, "kept": 1} {
		wantAttempts(t, &co, id, "1", want)
		wantDeliveries(t, &co, history.ActivityID{Instance: id, Execution: 1, Event: 3}, 1, 2*want)
	}
}
