package failure

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"github.com/duroxide/duroxide-go/core/history"
)

type declined struct {
	Code  string
	Cents int
}

func (d *declined) Error() string { return "declined " + d.Code }

type code string

const errOutOfStock code = "out of stock"

func (c code) Error() string { return string(c) }

type secret struct{ text string }

func (s *secret) Error() string { return s.text }

type point struct{ X, Y int }

func (p point) Error() string { return fmt.Sprint(p.X, ",", p.Y) }

var errSoldOut = sentinelAs("sold-out", "sold out")

func sentinelAs(code, text string) error {
	err := errors.New(text)
	Register(code, err)
	return err
}

// travel sends an error through storage and back.
func travel(t *testing.T, err error) *history.Failure {
	t.Helper()
	stored, fail := json.Marshal(Of(err))
	if fail != nil {
		t.Fatalf("the failure cannot be stored: %v", fail)
	}
	var f history.Failure
	if err := json.Unmarshal(stored, &f); err != nil {
		t.Fatal(err)
	}
	return &f
}

func TestAUserTypeSurvivesUnregistered(t *testing.T) {
	for name, err := range map[string]error{
		"alone":            &declined{"42", 100},
		"wrapped":          fmt.Errorf("charging: %w", &declined{"42", 100}),
		"wrapped thrice":   fmt.Errorf("a: %w", fmt.Errorf("b: %w", fmt.Errorf("c: %w", &declined{"42", 100}))),
		"joined":           errors.Join(io.EOF, &declined{"42", 100}),
		"among others":     fmt.Errorf("%w and %w", errSoldOut, &declined{"42", 100}),
		"marked":           NonRetryable(&declined{"42", 100}),
		"from an old trip": fmt.Errorf("again: %w", Error(Of(&declined{"42", 100}))),
	} {
		f := travel(t, err)
		got, ok := errors.AsType[*declined](Error(f))
		if !ok || *got != (declined{"42", 100}) {
			t.Errorf("%s: errors.AsType gave %v, %v, want the declined error", name, got, ok)
		}
		if f.Message != err.Error() {
			t.Errorf("%s: message %q, want %q", name, f.Message, err.Error())
		}
	}
}

func TestValuesAndConstantsSurvive(t *testing.T) {
	if p, ok := errors.AsType[point](Error(travel(t, point{3, 4}))); !ok || p != (point{3, 4}) {
		t.Errorf("a struct error by value came back as %v, %v", p, ok)
	}
	f := travel(t, fmt.Errorf("order 7: %w", errOutOfStock))
	if !errors.Is(Error(f), errOutOfStock) {
		t.Errorf("errors.Is does not find a constant error in %+v", f)
	}
	if errors.Is(Error(f), code("something else")) {
		t.Error("errors.Is finds another constant of the type")
	}
	if !errors.Is(Error(travel(t, syscall.ENOENT)), syscall.ENOENT) {
		t.Error("errors.Is does not find an error number")
	}
}

func TestATypeThatShowsNothingKeepsItsMessageAlone(t *testing.T) {
	f := travel(t, &secret{"hidden"})
	if f.Message != "hidden" || f.Details != nil || !strings.HasSuffix(f.Type, "failure.secret") {
		t.Errorf("got %+v, want the message, the type and no details", f)
	}
	if got, ok := errors.AsType[*secret](Error(f)); ok {
		t.Errorf("errors.As invented %+v of a type that cannot be decoded", got)
	}
}

func TestAWrapperGetsItsCauseBack(t *testing.T) {
	f := travel(t, &fs.PathError{Op: "open", Path: "orders.csv", Err: errSoldOut})
	got, ok := errors.AsType[*fs.PathError](Error(f))
	if !ok || got.Error() != "open orders.csv: sold out" {
		t.Fatalf("errors.AsType gave %v, %v", got, ok)
	}
	if !errors.Is(got, errSoldOut) {
		t.Error("the cause of the decoded wrapper does not match its sentinel")
	}
}

func TestSentinelsAreFoundByTheirCode(t *testing.T) {
	f := travel(t, fmt.Errorf("order 7: %w", errSoldOut))
	if !errors.Is(Error(f), errSoldOut) {
		t.Errorf("errors.Is does not find the registered sentinel in %+v", f)
	}
	if errors.Is(Error(f), io.EOF) {
		t.Error("errors.Is finds a sentinel that was not there")
	}
	if errors.Is(Error(travel(t, io.EOF)), io.EOF) {
		t.Error("errors.Is finds a sentinel that nobody registered")
	}
}

type claims struct{ Shop string }

func (c *claims) Error() string        { return "nothing left at " + c.Shop }
func (c *claims) Is(target error) bool { return target == errSoldOut }

func TestASentinelThatATypeClaimsToBeIsFoundToo(t *testing.T) {
	f := travel(t, &claims{"Oslo"})
	if !errors.Is(Error(f), errSoldOut) {
		t.Error("errors.Is does not find the sentinel of the Is method")
	}
	if got, ok := errors.AsType[*claims](Error(f)); !ok || got.Shop != "Oslo" {
		t.Errorf("errors.AsType gave %v, %v", got, ok)
	}
}

func TestRegisteringTwiceNeedsTheSameError(t *testing.T) {
	if err := register("sold-out", errSoldOut); err != nil {
		t.Errorf("registering the same again: %v", err)
	}
	for what, err := range map[string]error{
		"a taken code":           register("sold-out", errors.New("other")),
		"a taken error":          register("sold-out-2", errSoldOut),
		"a nil error":            register("nothing", nil),
		"an incomparable error":  register("incomparable", incomparable{"x"}),
		"an empty code":          register("", errors.New("other")),
		"a code beyond printing": register("a\nb", errors.New("other")),
	} {
		if err == nil {
			t.Errorf("%s was registered", what)
		}
	}
	defer func() {
		if r := recover(); r == nil || !strings.Contains(fmt.Sprint(r), "sold out") {
			t.Errorf("Register panicked with %v, want a text that names both errors", r)
		}
	}()
	Register("sold-out", errors.New("other"))
}

type incomparable []string

func (e incomparable) Error() string { return strings.Join(e, " ") }

func TestContextErrorsGiveTheKind(t *testing.T) {
	for _, c := range []struct {
		err    error
		kind   history.FailureKind
		target error
	}{
		{context.DeadlineExceeded, history.FailureTimeout, context.DeadlineExceeded},
		{fmt.Errorf("asking the bank: %w", context.DeadlineExceeded), history.FailureTimeout, context.DeadlineExceeded},
		{&fs.PathError{Op: "get", Path: "/", Err: context.DeadlineExceeded}, history.FailureTimeout, context.DeadlineExceeded},
		{fmt.Errorf("asking the bank: %w", context.Canceled), history.FailureCancelled, context.Canceled},
		{&history.LimitError{What: "output"}, history.FailureLimit, nil},
		{errSoldOut, history.FailureError, errSoldOut},
	} {
		f := travel(t, c.err)
		if f.Kind != c.kind {
			t.Errorf("%v has kind %q, want %q", c.err, f.Kind, c.kind)
		}
		if c.target != nil && !errors.Is(Error(f), c.target) {
			t.Errorf("errors.Is does not find %v in %+v", c.target, f)
		}
	}
}

// activityError plays the error by which the outcome of another hop is seen.
type activityError struct {
	Activity string
	f        *history.Failure
}

func (e *activityError) Error() string             { return "activity " + e.Activity + ": " + e.f.Message }
func (e *activityError) Failure() *history.Failure { return e.f }

func TestAFailureOfAnEarlierHopIsKeptAsTheCause(t *testing.T) {
	inner := Of(NonRetryable(fmt.Errorf("charging: %w", &declined{"42", 100})))
	inner.Activity, inner.Attempt, inner.Kind = "charge", 3, history.FailureTimeout
	for _, err := range []error{
		&activityError{"charge", inner},
		fmt.Errorf("order 7: %w", &activityError{"charge", inner}),
	} {
		f := travel(t, err)
		if f.Kind != history.FailureError || f.NonRetryable || f.Message != err.Error() {
			t.Errorf("kind %q, non-retryable %v, message %q: the kind and mark of the activity are not those of the one above", f.Kind, f.NonRetryable, f.Message)
		}
		if c := f.Cause; c == nil || c.Activity != "charge" || c.Attempt != 3 || c.Kind != history.FailureTimeout || !c.NonRetryable {
			t.Errorf("the cause is %+v, want the failure of the activity as it was", c)
		}
		if _, ok := errors.AsType[*declined](Error(f)); !ok {
			t.Error("the user's error is lost")
		}
	}
}

func TestAnErrorThatIsItsFailureIsStoredAsSuch(t *testing.T) {
	own := &history.Failure{Kind: history.FailureInvalid, Message: "bad input", NonRetryable: true}
	if f := Of(Error(own)); f.Kind != own.Kind || !f.NonRetryable || f.Cause != nil {
		t.Errorf("got %+v, want %+v", f, own)
	}
	if f := Of(fmt.Errorf("intercepted: %w", Error(own))); f.Kind != own.Kind || !f.NonRetryable {
		t.Errorf("wrapped it is %+v, want the kind and mark of %+v", f, own)
	}
}

type endless struct{ n int }

func (e endless) Error() string { return "endless" }
func (e endless) Unwrap() []error {
	return []error{endless{e.n + 1}, endless{e.n + 2}}
}

type broken struct{ Code int }

func (*broken) Error() string                { panic("no text") }
func (*broken) Unwrap() error                { panic("no cause") }
func (*broken) Is(error) bool                { panic("no comparison") }
func (*broken) MarshalJSON() ([]byte, error) { panic("no JSON") }

func TestHostileErrorsAreStoredNonetheless(t *testing.T) {
	deep := error(&declined{"root", 1})
	for i := range 50 {
		deep = &fs.PathError{Op: "open", Path: fmt.Sprint(i), Err: deep}
	}
	var typedNil *declined
	for name, err := range map[string]error{
		"a long message":      errors.New(strings.Repeat("ä", history.MaxFailureMessage)),
		"an invalid message":  errors.New("a\xffb"),
		"deep nesting":        deep,
		"endless causes":      endless{},
		"panicking methods":   &broken{},
		"a nil pointer":       typedNil,
		"large details":       &declined{Code: strings.Repeat("x", history.MaxFailureDetails+1)},
		"no comparison":       incomparable{"a", "b"},
		"an uncodable detail": &uncodable{C: make(chan int)},
	} {
		f := travel(t, err)
		depth := -1
		for range All(f) {
			depth++
		}
		if f.Message == "" || len(f.Message) > history.MaxFailureMessage || !utf8.ValidString(f.Message) || depth > history.MaxFailureDepth {
			t.Errorf("%s: %d bytes of message, %d causes", name, len(f.Message), depth)
		}
	}
}

type uncodable struct{ C chan int }

func (*uncodable) Error() string { return "uncodable" }

func TestAsRefusesWhatItCannotSet(t *testing.T) {
	f := Of(&declined{"42", 100})
	var notAnError int
	var anything error
	for what, target := range map[string]any{"nil": nil, "no pointer": declined{}, "no error": &notAnError, "an interface": &anything, "a nil pointer": (**declined)(nil)} {
		if As(f, target) {
			t.Errorf("As accepted %s", what)
		}
	}
	if Is(nil, errSoldOut) || As(nil, &anything) || Is(f, nil) || Of(nil) != nil || Error(nil) != nil {
		t.Error("nothing was found to be something")
	}
}

func TestRetryFollowsMarkKindAndPolicy(t *testing.T) {
	policy := func(names ...string) *history.RetryPolicy { return &history.RetryPolicy{NonRetryable: names} }
	typ := Of(&declined{}).Type
	for _, c := range []struct {
		name   string
		err    error
		policy *history.RetryPolicy
		want   bool
	}{
		{"no policy", errSoldOut, nil, true},
		{"a mark", NonRetryable(errSoldOut), policy(), false},
		{"a wrapped mark", fmt.Errorf("x: %w", NonRetryable(errSoldOut)), nil, false},
		{"a limit", &history.LimitError{}, nil, false},
		{"a code", errSoldOut, policy("sold-out"), false},
		{"a code of a cause", fmt.Errorf("x: %w", errSoldOut), policy("sold-out"), false},
		{"a type", &declined{}, policy(typ), false},
		{"a short type", &declined{}, policy("failure.declined"), false},
		{"a kind", context.DeadlineExceeded, policy("timeout"), false},
		{"other names", &declined{}, policy("sold-out", "timeout", "declined"), true},
	} {
		if got := Retryable(Of(c.err), c.policy); got != c.want {
			t.Errorf("%s: retryable %v, want %v", c.name, got, c.want)
		}
	}
	if err := NonRetryable(errSoldOut); !errors.Is(err, errSoldOut) || err.Error() != errSoldOut.Error() || NonRetryable(nil) != nil {
		t.Error("the mark is not transparent")
	}
}
