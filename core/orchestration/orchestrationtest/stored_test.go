package orchestrationtest_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
)

func recorded(ctx *orchestration.Context, in string) (string, error) {
	if _, err := Echo.Call(ctx, in).Await(); err != nil {
		return "", err
	}
	child := Tale.Call(ctx, in)
	if err := ctx.Sleep(time.Hour); err != nil {
		return "", err
	}
	return child.Await()
}

// export runs Story for a while, and exports what happened until then.
func export(t *testing.T, code func(*orchestration.Context, string) (string, error), age time.Duration) []byte {
	t.Helper()
	e := story(t, code).Register(Tale.Func(func(_ *orchestration.Context, in string) (string, error) { return in, nil }))
	run := orchestrationtest.Start(e, Story, "x", orchestration.StartOptions{ID: "order-7"})
	e.Advance(age)
	return run.Export(0)
}

func array(t *testing.T, lines []byte) []byte {
	t.Helper()
	var events []json.RawMessage
	for line := range bytes.Lines(lines) {
		events = append(events, json.RawMessage(line))
	}
	all, err := json.MarshalIndent(events, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestStoredHistoriesReplay(t *testing.T) {
	for _, age := range []time.Duration{0, time.Minute, 2 * time.Hour} {
		lines := export(t, recorded, age)
		orchestrationtest.Replay(t, Story.Func(recorded), lines)
		orchestrationtest.Replay(t, Story.Func(recorded), array(t, lines))
		path := filepath.Join(t.TempDir(), "order-7.jsonl")
		if err := os.WriteFile(path, append([]byte("\n"), lines...), 0o600); err != nil {
			t.Fatal(err)
		}
		orchestrationtest.ReplayFile(t, Story.Func(recorded), path, orchestrationtest.ReplayOptions{Instance: "order-7", Env: orchestrationtest.New(t)})
	}
}

func TestStoredHistoriesFindTheChangeThatCannotBeFollowed(t *testing.T) {
	lines := export(t, recorded, 2*time.Hour)
	changed := func(ctx *orchestration.Context, in string) (string, error) {
		if err := ctx.Sleep(time.Minute); err != nil { // a pause before the first step
			return "", err
		}
		return recorded(ctx, in)
	}
	says(t, fails(t, func(t orchestrationtest.T) { orchestrationtest.Replay(t, Story.Func(changed), lines) }),
		"non-determinism at event 2", `history says activity "echo" scheduled`, "a timer created", "stored_test.go:", "register the new one as a new version")
}

func TestStoredHistoriesAllowWhatRunningInstancesCanFollow(t *testing.T) {
	lines := export(t, recorded, time.Minute) // it sleeps
	longer := func(ctx *orchestration.Context, in string) (string, error) {
		if _, err := Echo.Call(ctx, "another input").Await(); err != nil {
			return "", err
		}
		child := Tale.Call(ctx, in)
		if err := ctx.Sleep(2 * time.Hour); err != nil {
			return "", err
		}
		if _, err := Other.Call(ctx, in).Await(); err != nil { // a step that no instance has reached
			return "", err
		}
		return child.Await()
	}
	orchestrationtest.Replay(t, Story.Func(longer), lines)
}

func TestSeveralExecutionsMayStandInOneFile(t *testing.T) {
	code := Count.Func(func(ctx *orchestration.Context, n int) (int, error) {
		if err := ctx.Sleep(time.Hour); err != nil || n == 3 {
			return n, err
		}
		return Count.ContinueAsNew(ctx, n+1)
	})
	e := orchestrationtest.New(t).Register(code)
	run := orchestrationtest.Start(e, Count, 1)
	if _, err := run.Result(); err != nil {
		t.Fatal(err)
	}
	var all []byte
	for n := range run.Execution() {
		all = append(all, run.Export(n+1)...)
	}
	orchestrationtest.Replay(t, code, all)

	never := Count.Func(func(ctx *orchestration.Context, n int) (int, error) {
		if err := ctx.Sleep(time.Hour); err != nil || n == 2 { // it ends a generation sooner
			return n, err
		}
		return Count.ContinueAsNew(ctx, n+1)
	})
	says(t, fails(t, func(t orchestrationtest.T) { orchestrationtest.Replay(t, never, all) }), "replaying execution 2", "non-determinism")
}

func TestWhatCannotBeReplayedIsExplained(t *testing.T) {
	lines := export(t, recorded, 2*time.Hour)
	first, rest, _ := bytes.Cut(lines, []byte("\n"))
	for name, c := range map[string]struct {
		code   core.Handler
		stored []byte
		says   string
	}{
		"nothing":               {Story.Func(recorded), nil, "the stored history is empty"},
		"an empty array":        {Story.Func(recorded), []byte("[]"), "the stored history is empty"},
		"no JSON":               {Story.Func(recorded), []byte("nonsense"), "line 1"},
		"a broken array":        {Story.Func(recorded), []byte("[{}]"), "reading a stored history"},
		"another orchestration": {Tale.Func(recorded), lines, "of orchestration story@1.0.0, which is not among [tale@1.0.0]"},
		"another version":       {Story.Version("2.0.0", recorded), lines, "story@2.0.0"},
		"a torn history":        {Story.Func(recorded), rest, "must begin with ExecutionStarted"},
		"a hole": {Story.Func(recorded), append(append(bytes.Clone(first), '\n'), rest[bytes.IndexByte(rest, '\n')+1:]...),
			"event 2 is expected"},
		"a nil function": {Story.Func(nil), lines, "its function is nil"},
	} {
		t.Run(name, func(t *testing.T) {
			says(t, fails(t, func(t orchestrationtest.T) { orchestrationtest.Replay(t, c.code, c.stored) }), c.says)
		})
	}
	says(t, fails(t, func(inner orchestrationtest.T) {
		orchestrationtest.ReplayFile(inner, Story.Func(recorded), filepath.Join(t.TempDir(), "missing.json"))
	}), "missing.json")
}

func TestHistoriesAreReadBackFromTheirStoredForm(t *testing.T) {
	e := story(t, callEcho)
	run := orchestrationtest.Start(e, Story, "x")
	if _, err := run.Result(); err != nil {
		t.Fatal(err)
	}
	if want := "Started ActivityScheduled ActivityCompleted Completed"; kinds(run.Instance) != want {
		t.Errorf("the history is %s, want %s", kinds(run.Instance), want)
	}
	if n := strings.Count(string(run.Export(1)), "\n"); n != 4 || run.History(2) != nil || run.History(-1) != nil {
		t.Errorf("%d lines; execution 2 is %v", n, run.History(2))
	}
	var v history.Validator
	for _, event := range run.History(1) {
		if err := v.Next(event); err != nil {
			t.Error(err)
		}
	}
}
