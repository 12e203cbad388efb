package orchestrationtest_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Handles that many tests use.
var (
	Story  = orchestration.Declare[string, string]("story")
	Tale   = orchestration.Declare[string, string]("tale")
	Echo   = activity.Declare[string, string]("echo")
	Other  = activity.Declare[string, string]("other")
	Go     = orchestration.DeclareEvent[string]("go")
	Letter = orchestration.DeclareQueue[string]("letter")
)

func echo(_ context.Context, s string) (string, error) { return s, nil }

// story runs code as Story, with Echo registered.
func story(t orchestrationtest.T, code func(*orchestration.Context, string) (string, error)) *orchestrationtest.Env {
	return orchestrationtest.New(t).Register(Story.Func(code), Echo.Func(echo), Other.Func(echo))
}

func must(t *testing.T, got string, err error, want string) {
	t.Helper()
	if err != nil || got != want {
		t.Fatalf("the result is %q, %v, want %q", got, err, want)
	}
}

// fails runs what should fail a test, and returns what it is told then.
func fails(t *testing.T, run func(orchestrationtest.T)) string {
	t.Helper()
	broken := &brokenTest{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer broken.cleanUp()
		run(broken)
	}()
	<-done
	if broken.message == "" {
		t.Fatal("the test does not fail")
	}
	return broken.message
}

// says checks that a text holds all the parts.
func says(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("it does not say %q:\n%s", part, text)
		}
	}
}

type brokenTest struct {
	message  string
	cleanups []func()
}

func (b *brokenTest) Helper()             {}
func (b *brokenTest) Logf(string, ...any) {}
func (b *brokenTest) Cleanup(f func())    { b.cleanups = append(b.cleanups, f) }
func (b *brokenTest) Fatalf(format string, args ...any) {
	b.message = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (b *brokenTest) cleanUp() {
	for _, f := range b.cleanups {
		f()
	}
}

func kinds(i *orchestrationtest.Instance) string {
	var all []string
	for _, e := range i.History(0) {
		all = append(all, strings.TrimPrefix(string(e.Data.Kind()), "Execution"))
	}
	return strings.Join(all, " ")
}

func last(i *orchestrationtest.Instance) history.Data {
	events := i.History(0)
	return events[len(events)-1].Data
}
