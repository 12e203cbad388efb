package replay_test

import (
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

// What is kept counts from the execution that begins, and is the business of the
// turn that begins it: history does not record it.
func TestAnExecutionThatContinuesSaysWhatItKeeps(t *testing.T) {
	for _, test := range []struct {
		execution int64
		keep      int
		want      int64
	}{
		{1, 0, 0}, {1, 1, 1}, {1, 2, 0}, {1, 3, 0}, {7, 0, 0}, {7, 1, 7}, {7, 2, 6}, {7, 8, 0}, {7, 1 << 40, 0},
	} {
		w := begin(t, func(*replay.Context, history.Payload) (history.Payload, error) {
			return nil, &replay.ContinueAsNew{Keep: test.keep}
		})
		if err := w.machine.Begin(epoch); err != nil {
			t.Fatal(err)
		}
		if err := w.machine.Start(w.started().(*history.ExecutionStarted), test.execution); err != nil {
			t.Fatal(err)
		}
		c, err := w.machine.Finish()
		if err != nil {
			t.Fatal(err)
		}
		if c.PruneThrough != test.want {
			t.Errorf("execution %d keeps %d: the commit prunes through %d, want %d", test.execution, test.keep, c.PruneThrough, test.want)
		}
	}
}

func TestAnExecutionThatIsCancelledPrunesNothing(t *testing.T) {
	w := begin(t, func(*replay.Context, history.Payload) (history.Payload, error) {
		return nil, &replay.ContinueAsNew{Keep: 1}
	})
	if c := w.deliver(w.started(), &history.CancelRequested{}); c.PruneThrough != 0 || c.Status != history.StatusCancelled {
		t.Errorf("the commit is %+v", c)
	}
}
