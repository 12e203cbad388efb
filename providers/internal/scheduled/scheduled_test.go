package scheduled_test

import (
	"errors"
	"iter"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/providers/internal/scheduled"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
)

func events(err error, ids ...int64) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		for _, id := range ids {
			if !yield(history.Event{Execution: 1, ID: id}, nil) {
				return
			}
		}
		if err != nil {
			yield(history.Event{}, err)
		}
	}
}

func useful() bool { return true }

func id(instance string, execution, event int64) history.ActivityID {
	return history.ActivityID{Instance: history.InstanceID(instance), Execution: execution, Event: event}
}

func TestOpenFindsWhatIsOpenAndNothingElse(t *testing.T) {
	open, err := scheduled.Open(events(nil, 1, 2, 3, 4, 5), spans.Set{{First: 2, Last: 3}, {First: 5, Last: 5}, {First: 9, Last: 9}})
	if err != nil || len(open) != 3 || open[2].ID != 2 || open[3].ID != 3 || open[5].ID != 5 {
		t.Errorf("got %v, %v", open, err)
	}
	broken := errors.New("broken")
	if open, err := scheduled.Open(events(broken, 2), spans.Set{{First: 2, Last: 3}}); !errors.Is(err, broken) || open != nil {
		t.Errorf("of a history that breaks off: %v, %v", open, err)
	}
}

func TestWhatIsKeptIsTakenOnceAndByItsExecution(t *testing.T) {
	var es scheduled.Events
	open, err := scheduled.Open(events(nil, 2, 3), spans.Set{{First: 2, Last: 3}})
	if err != nil {
		t.Fatal(err)
	}
	es.Keep("a", open, useful)
	if _, ok := es.Take(id("a", 2, 2)); ok {
		t.Error("another execution had it")
	}
	if _, ok := es.Take(id("b", 1, 2)); ok {
		t.Error("another instance had it")
	}
	if e, ok := es.Take(id("a", 1, 2)); !ok || e.ID != 2 {
		t.Errorf("got %v, %v", e, ok)
	}
	if _, ok := es.Take(id("a", 1, 2)); ok {
		t.Error("it was there a second time")
	}
	if _, ok := es.Take(id("a", 1, 3)); !ok {
		t.Error("the other one was gone")
	}
}

func TestWhatIsDroppedOrOfNoUseIsNotKept(t *testing.T) {
	var es scheduled.Events
	keep := func(instance history.InstanceID, useful func() bool) {
		es.Keep(instance, map[int64]history.Event{2: {Execution: 1, ID: 2}}, useful)
	}
	keep("useless", func() bool { return false })
	keep("dropped", useful)
	keep("elsewhere", useful)
	keep("stays", useful)
	es.Drop("dropped")
	es.DropWhere(func(id history.InstanceID) bool { return id == "elsewhere" })
	for _, gone := range []string{"useless", "dropped", "elsewhere"} {
		if _, ok := es.Take(id(gone, 1, 2)); ok {
			t.Errorf("%s was kept", gone)
		}
	}
	if _, ok := es.Take(id("stays", 1, 2)); !ok {
		t.Error("what nobody dropped was gone")
	}
}
