package replay_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
	"github.com/duroxide/duroxide-go/core/provider"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// world drives one instance: its machine, the history it has committed, and
// what it sent. After every turn a second machine replays the whole history
// and takes the place of the first.
type world struct {
	t       *testing.T
	fn      replay.Func
	machine *replay.Machine
	now     time.Time
	events  []history.Event
	commits []*provider.Commit
	keep    bool // keep the live machine
}

func start(t *testing.T, fn replay.Func) *world {
	t.Helper()
	w := begin(t, fn)
	w.deliver(w.started())
	return w
}

func begin(t *testing.T, fn replay.Func) *world {
	w := &world{t: t, fn: fn, now: epoch}
	w.machine = w.fresh()
	t.Cleanup(func() { w.machine.Stop() })
	return w
}

func (w *world) fresh() *replay.Machine {
	return replay.New(replay.Config{Instance: "i", Func: w.fn, Trace: true, Inline: func(_ history.ActivityID, d *history.ActivityScheduled, attempt int) (history.Payload, *history.Failure, error) {
		return history.Payload(fmt.Sprintf(`"%s %d"`, d.Name, attempt)), nil, nil
	}})
}

func (w *world) started() history.Data {
	return &history.ExecutionStarted{Name: "test", Seed: strings.Repeat("0", 32), Input: history.Payload(`"in"`)}
}

// deliver takes messages in as one turn, a second after the last.
func (w *world) deliver(data ...history.Data) *provider.Commit {
	w.t.Helper()
	w.now = w.now.Add(time.Second)
	c, err := w.try(data...)
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) try(data ...history.Data) (*provider.Commit, error) {
	m := w.machine
	if err := m.Begin(w.now); err != nil {
		return nil, err
	}
	for i, d := range data {
		if err := m.Receive(&provider.Message{ID: fmt.Sprintf("m%d.%d", len(w.commits), i), To: "i", Data: d}); err != nil {
			return nil, err
		}
	}
	c, err := m.Finish()
	if err != nil {
		return nil, err
	}
	m.Committed()
	w.commits = append(w.commits, c)
	w.events = append(w.events, c.Events...)
	if !w.keep {
		replayed, err := w.replay(w.fn)
		if err != nil {
			return nil, err
		}
		m.Stop()
		w.machine = replayed
	}
	return c, nil
}

// replay feeds the history, after a trip through JSON, to a machine that runs
// fn.
func (w *world) replay(fn replay.Func) (*replay.Machine, error) {
	m := replay.New(replay.Config{Instance: "i", Func: fn, Trace: true, Inline: func(history.ActivityID, *history.ActivityScheduled, int) (history.Payload, *history.Failure, error) {
		w.t.Error("a replay ran an inline activity")
		return nil, nil, nil
	}})
	for _, e := range w.events {
		b, err := history.Marshal(e)
		if err != nil {
			w.t.Fatal(err)
		}
		if e, err = history.Unmarshal(b); err != nil {
			w.t.Fatal(err)
		}
		if err := m.Replay(e); err != nil {
			m.Stop()
			return nil, err
		}
	}
	return m, nil
}

// kinds prints the kinds of all events, for comparison.
func (w *world) kinds() string {
	var kinds []string
	for _, e := range w.events {
		kinds = append(kinds, string(e.Data.Kind()))
	}
	return strings.Join(kinds, " ")
}

func (w *world) wantKinds(want string) {
	w.t.Helper()
	if got := w.kinds(); got != want {
		w.t.Fatalf("history is\n  %s\nwant\n  %s", got, want)
	}
}

// result is the output or the failure of a finished execution.
func (w *world) result() string {
	w.t.Helper()
	switch d := w.events[len(w.events)-1].Data.(type) {
	case *history.ExecutionCompleted:
		return string(d.Output)
	case *history.ExecutionFailed:
		return "failed: " + d.Failure.Message
	case *history.ExecutionCancelled:
		return "cancelled: " + d.Reason
	}
	w.t.Fatalf("the execution has not ended: %s", w.kinds())
	return ""
}

func activity(c *replay.Context, name string) *replay.Task {
	return c.Activity(&history.ActivityScheduled{Name: name, Input: history.Payload(`1`)})
}

// await returns what a task ended with, as text.
func await(t *replay.Task) string {
	if err := t.Await(); err != nil {
		return err.Error()
	}
	output, failure, err := t.Result()
	switch {
	case err != nil:
		return err.Error()
	case failure != nil:
		return failure.Message
	}
	return string(output)
}

func text(s string) (history.Payload, error) {
	b, err := json.Marshal(s)
	return b, err
}

func completed(source int64, output string) history.Data {
	return &history.ActivityCompleted{Source: source, Output: history.Payload(output)}
}

func failedActivity(source int64, attempt int, message string) history.Data {
	return &history.ActivityFailed{Source: source, Attempt: attempt, Failure: &history.Failure{Kind: history.FailureError, Message: message}}
}
