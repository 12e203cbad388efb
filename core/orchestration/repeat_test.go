package orchestration_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/memory"
)

// A second worker replays what the first one did. Time, ids, random numbers and
// recorded values are those of the first, they leave no events but for the
// recorded value, and what was logged is not logged again.
func TestHelpersRepeatThemselvesAndLinesDoNot(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	store := memory.New(memory.Config{})
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	client := core.NewClient(store, core.ClientConfig{})

	guess := orchestration.Declare[int, string]("guess")
	more := orchestration.DeclareEvent[int]("more")
	runs, drawn := []string{}, 0 // what each run of the code saw before it waited
	code := func(ctx *orchestration.Context, _ int) (string, error) {
		see := func() string {
			drawn := orchestration.SideEffect(ctx, func() int { drawn++; return drawn })
			return fmt.Sprint(ctx.Now().UnixNano(), ctx.NewGUID(), ctx.NewGUID(), ctx.Rand().Uint64(), drawn)
		}
		before := see()
		runs = append(runs, before)
		ctx.Logger().Info("before the wait")
		if err := ctx.SetStatus("waiting"); err != nil {
			return "", err
		}
		if _, err := more.Wait(ctx).Await(); err != nil {
			return "", err
		}
		ctx.Logger().Info("after the wait")
		if after := see(); after == before {
			return "", fmt.Errorf("both times %s", after)
		}
		return before, nil
	}
	var lines bytes.Buffer // written by one worker at a time
	work := func(during func()) {
		ctx, stop := context.WithCancel(ctx)
		worker := core.NewWorker(store, core.WorkerConfig{Logger: slog.New(slog.NewTextHandler(&lines, nil))}).Register(guess.Func(code))
		stopped := make(chan error, 1)
		go func() { stopped <- worker.Run(ctx) }()
		during()
		stop()
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	}

	h, err := guess.Start(ctx, client, 1, orchestration.StartOptions{ID: "guess-1"})
	if err != nil {
		t.Fatal(err)
	}
	work(func() {
		if _, err := client.Wait(ctx, h.ID(), provider.Until{Started: true}); err != nil {
			t.Error(err)
		}
	})
	work(func() {
		if err := more.Raise(ctx, client, h.ID(), 1); err != nil {
			t.Error(err)
		}
		if got, err := h.Wait(ctx); err != nil || got != runs[0] {
			t.Errorf("it gave %s, %v; want what the first run saw, %s", got, err, runs[0])
		}
	})
	if len(runs) != 2 || runs[1] != runs[0] {
		t.Errorf("the code ran as %q, want two equal runs", runs)
	}
	if drawn != 2 {
		t.Errorf("side effects ran %d times, want 2", drawn)
	}
	for _, line := range []string{"before the wait", "after the wait"} {
		if n := strings.Count(lines.String(), line); n != 1 {
			t.Errorf("%q was logged %d times, want once:\n%s", line, n, lines.String())
		}
	}
	var kinds []string
	for e, err := range client.History(ctx, h.ID(), 1) {
		if err != nil {
			t.Fatal(err)
		}
		kinds = append(kinds, string(e.Data.Kind()))
	}
	want := "ExecutionStarted ValueRecorded StatusSet EventAwaited EventRaised ValueRecorded ExecutionCompleted"
	if got := strings.Join(kinds, " "); got != want {
		t.Errorf("the history is %s, want %s", got, want)
	}
}
