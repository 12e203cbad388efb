package spans_test

import (
	"cmp"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/spans"
)

// TestSpansAreASetOfActivities compares them, through any commits and through
// the text in which they are stored, with a map.
func TestSpansAreASetOfActivities(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s spans.Set
		model := map[int64]spans.Span{}
		events := rapid.SliceOfN(rapid.Int64Range(1, 40), 0, 12)
		for range rapid.IntRange(1, 20).Draw(t, "commits") {
			c := &provider.Commit{
				NewExecution:        rapid.IntRange(0, 9).Draw(t, "new") == 0,
				CompletedActivities: events.Draw(t, "completed"),
				CancelActivities:    events.Draw(t, "cancelled"),
			}
			for _, event := range events.Draw(t, "opened") {
				c.Activities = append(c.Activities, provider.Activity{
					Scheduled: history.Event{ID: event},
					Attempt:   rapid.IntRange(1, 2).Draw(t, "attempt"),
					Tag:       rapid.SampledFrom([]string{"", "gpu", `"[,`}).Draw(t, "tag"),
					Session:   rapid.SampledFrom([]string{"", "s"}).Draw(t, "session"),
				})
			}
			before := s.Encode()
			next := s.Apply(c)
			if s.Encode() != before {
				t.Fatalf("a commit changed the set before it from %s to %s", before, s.Encode())
			}
			if c.NewExecution {
				clear(model)
			}
			for _, event := range c.CompletedActivities {
				delete(model, event)
			}
			for _, a := range c.Activities {
				model[a.Scheduled.ID] = spans.Span{Attempt: a.Attempt, Tag: a.Tag, Session: a.Session}
			}
			for _, event := range c.CancelActivities {
				delete(model, event)
			}
			decoded, err := spans.Decode(next.Encode())
			if err != nil {
				t.Fatalf("%s cannot be decoded: %v", next.Encode(), err)
			}
			if !slices.Equal(decoded, next) {
				t.Fatalf("%v became %v through %s", next, decoded, next.Encode())
			}
			got := map[int64]spans.Span{}
			order := []int64{}
			decoded.Each(func(event int64, a spans.Span) {
				a.First, a.Last = 0, 0
				got[event] = a
				order = append(order, event)
			})
			if !maps.Equal(got, model) {
				t.Fatalf("the set is %v, want %v", got, model)
			}
			if !slices.IsSortedFunc(order, cmp.Compare) {
				t.Fatalf("out of order: %v", order)
			}
			s = decoded
		}
	})
}

func TestAWideFanOutIsOneSpan(t *testing.T) {
	c := &provider.Commit{}
	for event := range int64(1_000) {
		c.Activities = append(c.Activities, provider.Activity{Scheduled: history.Event{ID: event + 2}, Attempt: 1})
	}
	if got, want := spans.Set(nil).Apply(c).Encode(), "[[2,1001]]"; got != want {
		t.Errorf("a thousand activities are stored as %.80s, want %s", got, want)
	}
}

func TestAFinalStatusClosesAllActivities(t *testing.T) {
	s := spans.Set{{1, 10, 1, "", ""}}
	if got := s.Apply(&provider.Commit{Status: history.StatusFailed}).Encode(); got != "" {
		t.Errorf("open after the end: %s", got)
	}
}

func TestDamagedSpansAreAnError(t *testing.T) {
	for _, text := range []string{"x", "{}", "[[1]]", "[[2,1]]", "[[0,1]]", `[["a",1]]`, "[[1,9000000000]]", "[[5,6],[1,2]]", "[[1,4],[4,6]]", `[[1,2,1,"t","s",0]]`} {
		if s, err := spans.Decode(text); err == nil {
			t.Errorf("%s was read as %v", text, s)
		}
	}
}
