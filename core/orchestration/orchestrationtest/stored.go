package orchestrationtest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
)

// ReplayOptions are the options of [Replay].
type ReplayOptions struct {
	// Instance is the id of the instance that the history is of. It matters to
	// code that looks at its own id. Empty derives it from the ids of children,
	// if the history has any.
	Instance history.InstanceID
	// Env gives the code its codec and interceptors; nil for the defaults.
	Env *Env
}

// Replay holds today's code against a stored history: events as JSON lines, or
// as one JSON array, of one execution or of several, one after the other. It
// fails the test where the code does not do what the history says it did. A
// history may end anywhere: of an instance that still runs, or that has ended.
// Nothing runs but orchestration code.
//
// Let CI replay histories of production, some of each orchestration, and a
// change that running instances cannot follow is found before it is deployed.
func Replay(t T, code core.Handler, stored []byte, options ...ReplayOptions) {
	t.Helper()
	var o ReplayOptions
	for _, option := range options {
		o = option
	}
	if err := replayStored(code, stored, o); err != nil {
		t.Fatalf("orchestrationtest: %v", err)
	}
}

// ReplayFile is [Replay] of a file.
func ReplayFile(t T, code core.Handler, path string, options ...ReplayOptions) {
	t.Helper()
	stored, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("orchestrationtest: reading a stored history: %v", err)
	}
	var o ReplayOptions
	for _, option := range options {
		o = option
	}
	if err := replayStored(code, stored, o); err != nil {
		t.Fatalf("orchestrationtest: %s: %v", path, err)
	}
}

func replayStored(code core.Handler, stored []byte, o ReplayOptions) error {
	r := registry.New()
	code.Register(r)
	if err := r.Err(); err != nil {
		return fmt.Errorf("registering: %w", err)
	}
	env := registry.DefaultEnv
	if o.Env != nil {
		env = o.Env.env
	}
	events, err := parse(stored)
	if err != nil {
		return err
	}
	for len(events) > 0 {
		end := 1
		for end < len(events) && events[end].ID != 1 {
			end++
		}
		execution := events[:end]
		events = events[end:]
		id := o.Instance
		if id == "" {
			id = idFrom(execution)
		}
		m, _, err := feed(r, env, id, execution, false)
		m.Stop()
		if err != nil {
			return fmt.Errorf("replaying execution %d of the stored history: %w", execution[0].Execution, err)
		}
	}
	return nil
}

// parse reads events: a JSON array, or one event a line.
func parse(stored []byte) ([]history.Event, error) {
	stored = bytes.TrimSpace(stored)
	if len(stored) == 0 {
		return nil, errors.New("the stored history is empty")
	}
	var events []history.Event
	if stored[0] == '[' {
		if err := json.Unmarshal(stored, &events); err != nil {
			return nil, fmt.Errorf("reading a stored history: %w", err)
		}
		if len(events) == 0 {
			return nil, errors.New("the stored history is empty")
		}
		return events, nil
	}
	lines := bufio.NewScanner(bytes.NewReader(stored))
	lines.Buffer(nil, len(stored)+1)
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 {
			continue
		}
		event, err := history.Unmarshal(line)
		if err != nil {
			return nil, fmt.Errorf("reading a stored history, line %d: %w", n, err)
		}
		events = append(events, event)
	}
	return events, nil
}

// idFrom is the id of the instance, if the history has a child whose id was
// derived from it.
func idFrom(events []history.Event) history.InstanceID {
	for _, event := range events {
		var child history.InstanceID
		switch d := event.Data.(type) {
		case *history.ChildScheduled:
			child = d.Instance
		case *history.DetachedStarted:
			child = d.Instance
		}
		derived := history.ChildSeparator + strconv.FormatInt(event.Execution, 10) + "." + strconv.FormatInt(event.ID, 10)
		if id, ok := strings.CutSuffix(string(child), derived); ok {
			return history.InstanceID(id)
		}
	}
	return "replayed"
}
