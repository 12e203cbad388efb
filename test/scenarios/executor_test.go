package scenarios

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// echoes is an executor that knows no Go code: an orchestration of its ends
// with its input.
type echoes struct{ settled atomic.Int64 }

func (*echoes) Accepts(name, _ string) bool { return name == "echo" }

func (*echoes) Execute(_ context.Context, w core.Work) (*provider.Commit, error) {
	c := &provider.Commit{Consumed: len(w.Turn.Messages)}
	for _, m := range w.Turn.Messages {
		start, ok := m.Data.(*history.ExecutionStarted)
		if !ok {
			continue
		}
		now := w.Now.UTC().Round(0)
		c.Events = []history.Event{
			{ID: 1, Execution: 1, Time: now, Data: start},
			{ID: 2, Execution: 1, Time: now, Data: &history.ExecutionCompleted{Output: start.Input}},
		}
		if p := start.Parent; p != nil {
			c.Send = []provider.Message{{
				ID: string(m.To) + "/outcome", To: p.Instance, Execution: p.Execution, Sent: now,
				Data: &history.ChildCompleted{Source: p.Event, Output: start.Input},
			}}
		}
		c.NewExecution, c.Name, c.Status, c.Output = true, start.Name, history.StatusCompleted, start.Input
	}
	return c, nil
}

func (e *echoes) Settle(history.InstanceID, bool) { e.settled.Add(1) }

func TestAnExecutorRunsWhatIsNotGoCodeHere(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		echo := orchestration.Declare[string, string]("echo")
		caller := orchestration.Declare[string, string]("caller")
		other := &echoes{}
		w.config.Executor = other
		w.run(caller.Func(func(ctx *octx, s string) (string, error) { return echo.Call(ctx, s).Await() }))
		gives(w, begun(w, caller, "hello", start{ID: "caller"}), "hello")
		gives(w, begun(w, echo, "there", start{ID: "echo"}), "there")
		if other.settled.Load() == 0 {
			t.Error("the executor never learnt what became of its commits")
		}
	})
}
