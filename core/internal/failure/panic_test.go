package failure

import (
	"errors"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
)

func caught(fn func()) (f *history.Failure) {
	defer func() { f = Panic(recover(), debug.Stack()) }()
	fn()
	return nil
}

func explode(value any) { panic(value) }

func TestAPanicKeepsValueAndPlace(t *testing.T) {
	f := caught(func() { explode("boom") })
	if f.Kind != history.FailurePanic || f.Message != "boom" {
		t.Errorf("got %v, want the panic's value", f)
	}
	lines := strings.Split(f.Stack, "\n")
	if len(lines) < 2 || !strings.Contains(lines[1], "explode") {
		t.Errorf("the stack does not begin where the code panicked:\n%s", f.Stack)
	}
}

func TestAnErrorSurvivesThePanic(t *testing.T) {
	f := caught(func() { explode(&declined{"42", 1}) })
	if got, ok := errors.AsType[*declined](Error(f)); !ok || got.Code != "42" || f.Kind != history.FailurePanic {
		t.Errorf("errors.AsType gave %v, %v of %v", got, ok, f)
	}
}

type unprintable struct{}

func (unprintable) String() string { explode("again"); return "" }

func TestHostilePanicsAreStored(t *testing.T) {
	for _, f := range []*history.Failure{
		Panic(unprintable{}, nil),
		Panic(strings.Repeat("x", 2*history.MaxFailureMessage), []byte(strings.Repeat("y", 2*history.MaxFailureStack))),
		Panic(&broken{}, []byte("goroutine 1 [running]:\nno frames")),
	} {
		if f.Message == "" || len(f.Message) > history.MaxFailureMessage || len(f.Stack) > history.MaxFailureStack {
			t.Errorf("%d bytes of message, %d of stack", len(f.Message), len(f.Stack))
		}
	}
}
