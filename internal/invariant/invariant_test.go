package invariant_test

import (
	"errors"
	"fmt"
	"regexp"
	"testing"

	"github.com/duroxide/duroxide-go/internal/invariant"
)

// catch plays the engine: it runs f and turns a violation into an error.
func catch(f func()) (err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case *invariant.Violation:
			err = fmt.Errorf("instance stopped: %w", r)
		default:
			panic(r)
		}
	}()
	f()
	return nil
}

func TestHeldInvariantDoesNothing(t *testing.T) {
	if err := catch(func() { invariant.Assert(true, "H1: %d", 1) }); err != nil {
		t.Fatalf("a held invariant panicked: %v", err)
	}
}

func TestBrokenInvariantIsATypedErrorThatNamesValuesAndPlace(t *testing.T) {
	err := catch(func() { invariant.Assert(false, "H1: event %d follows %d", 9, 7) })

	v, ok := errors.AsType[*invariant.Violation](err)
	if !ok {
		t.Fatalf("got %v, want an error that wraps *invariant.Violation", err)
	}
	if want := "H1: event 9 follows 7"; v.Message != want {
		t.Errorf("message %q, want %q", v.Message, want)
	}
	if want := regexp.MustCompile(`^invariant_test\.go:\d+$`); !want.MatchString(v.Where) {
		t.Errorf("place %q, want the caller's file and line without a directory (%s)", v.Where, want)
	}
}

func TestAHeldInvariantDoesNotAllocate(t *testing.T) {
	n := 41
	allocs := testing.AllocsPerRun(100, func() { invariant.Assert(n < 50, "D1: too many") })
	if allocs != 0 {
		t.Errorf("a held assertion made %v allocations, want none", allocs)
	}
}

func Example() {
	last, next := 7, 9
	err := catch(func() {
		invariant.Assert(next == last+1, "H1: event %d follows %d", next, last)
	})

	if v, ok := errors.AsType[*invariant.Violation](err); ok {
		fmt.Println(v.Message)
	}
	// Output: H1: event 9 follows 7
}
