package history_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
)

func TestInstanceIDsAreCheckedWhereTheyEnter(t *testing.T) {
	for name, c := range map[string]struct{ id, want string }{
		"an ordinary one":            {"order-7", ""},
		"any printable text":         {"Bestellung #7 / größte 日本語 🎉 (neu)", ""},
		"one of the longest":         {strings.Repeat("x", history.MaxInstanceIDLength), ""},
		"an empty one":               {"", "instance id is empty"},
		"one that is too long":       {strings.Repeat("x", history.MaxInstanceIDLength+1), "is 2001 bytes, more than the limit of 2000"},
		"a line break":               {"a\nb", "unprintable character U+000A at byte 1"},
		"no UTF-8":                   {"a\xff", "not valid UTF-8"},
		"the separator for children": {"a::b", `contains "::", which is reserved for the ids of children`},
	} {
		t.Run(name, func(t *testing.T) {
			err := history.InstanceID(c.id).Validate()
			if c.want == "" && err != nil {
				t.Error(err)
			}
			if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, want one that says %q", err, c.want)
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("the error repeats %d bytes of a hostile id", len(err.Error()))
			}
		})
	}
}

func TestErrorsOfLimitsSayWhatHowMuchAndTheLimit(t *testing.T) {
	err := history.ValidatePayload(`input of activity "charge"`, history.MaxPayloadBytes+1)
	limit, ok := errors.AsType[*history.LimitError](err)
	if !ok || limit.Size != history.MaxPayloadBytes+1 || limit.Limit != history.MaxPayloadBytes {
		t.Fatalf("error %v", err)
	}
	want := `input of activity "charge" is 16777217 bytes, more than the limit of 16777216: keep the data in a store of its own and pass a reference`
	if err.Error() != want {
		t.Errorf("error %q, want %q", err, want)
	}
	if err := history.ValidatePayload("input", history.MaxPayloadBytes); err != nil {
		t.Errorf("a payload of the limit is refused: %v", err)
	}
}

func TestAStatusIsFinalWhenNothingFollows(t *testing.T) {
	for status, want := range map[history.Status]bool{
		history.StatusPending: false, history.StatusRunning: false, history.StatusSuspended: false,
		history.StatusCompleted: true, history.StatusFailed: true, history.StatusCancelled: true, history.StatusTerminated: true,
	} {
		if status.Final() != want {
			t.Errorf("%s: final is %v", status, status.Final())
		}
	}
}

func TestStoredDurationsAreNeverShorter(t *testing.T) {
	for d, want := range map[time.Duration]history.Millis{0: 0, 1: 1, time.Millisecond: 1, time.Millisecond + 1: 2, time.Second: 1000} {
		if got := history.ToMillis(d); got != want {
			t.Errorf("%v is stored as %d ms, want %d", d, got, want)
		}
	}
	if got := history.Millis(1500).Duration(); got != 1500*time.Millisecond {
		t.Errorf("1500 ms are read as %v", got)
	}
}

func TestActivityIDsReadAsAPath(t *testing.T) {
	id := history.ActivityID{Instance: "order-7", Execution: 2, Event: 5}
	if got := id.String(); got != "order-7/2/5" {
		t.Errorf("%s", got)
	}
}
