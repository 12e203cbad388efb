package spans

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Span is a run of open activities with consecutive event ids and everything
// else alike.
type Span struct {
	First, Last  int64
	Attempt      int
	Tag, Session string
}

// Set are the open activities of an instance in order of event id. It is a
// value: changes make a new one. Nil is the empty one.
type Set []Span

// Apply is the set after a commit, in the order of its effects: completions,
// what it opens, cancellations.
func (s Set) Apply(c *provider.Commit) Set {
	switch {
	case c.Status.Final():
		return nil
	case c.NewExecution:
		s = nil
	case len(c.CompletedActivities)+len(c.CancelActivities)+len(c.Activities) > 0:
		s = slices.Clone(s)
	}
	for _, event := range c.CompletedActivities {
		s = s.remove(event)
	}
	for i := range c.Activities {
		a := &c.Activities[i]
		s = s.add(Span{a.Scheduled.ID, a.Scheduled.ID, a.Attempt, a.Tag, a.Session})
	}
	for _, event := range c.CancelActivities {
		s = s.remove(event)
	}
	return s
}

// Find is the position of the span that holds the event, or where it would be.
func (s Set) Find(event int64) (int, bool) {
	return slices.BinarySearchFunc(s, event, func(a Span, event int64) int {
		switch {
		case a.Last < event:
			return -1
		case a.First > event:
			return 1
		}
		return 0
	})
}

func (s Set) remove(event int64) Set {
	i, ok := s.Find(event)
	if !ok {
		return s
	}
	switch a := s[i]; {
	case a.First == a.Last:
		return slices.Delete(s, i, i+1)
	case a.First == event:
		s[i].First++
	case a.Last == event:
		s[i].Last--
	default:
		s[i].Last = event - 1
		a.First = event + 1
		return slices.Insert(s, i+1, a)
	}
	return s
}

// add opens one activity, replacing an earlier attempt of it.
func (s Set) add(a Span) Set {
	s = s.remove(a.First)
	i, _ := s.Find(a.First)
	if i > 0 {
		before := &s[i-1]
		if before.Last+1 == a.First && before.Attempt == a.Attempt && before.Tag == a.Tag && before.Session == a.Session {
			before.Last = a.Last
			return s
		}
	}
	return slices.Insert(s, i, a)
}

// Each calls f for every open activity in order of event id.
func (s Set) Each(f func(event int64, a Span)) {
	for _, a := range s {
		for event := a.First; event <= a.Last; event++ {
			f(event, a)
		}
	}
}

// Refs lists the open activities one by one.
func (s Set) Refs() (refs []provider.ActivityRef) {
	s.Each(func(event int64, a Span) {
		refs = append(refs, provider.ActivityRef{Event: event, Attempt: a.Attempt})
	})
	return refs
}

// Encode writes [[first,last,attempt,tag,session],…], leaving off at the end
// of each what is the usual: attempt 1, no tag, no session. None is "".
func (s Set) Encode() string {
	if len(s) == 0 {
		return ""
	}
	b := []byte{'['}
	for i, a := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = strconv.AppendInt(b, a.First, 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, a.Last, 10)
		routed := a.Tag != "" || a.Session != ""
		if a.Attempt != 1 || routed {
			b = append(b, ',')
			b = strconv.AppendInt(b, int64(a.Attempt), 10)
		}
		if routed {
			rest, err := json.Marshal([]string{a.Tag, a.Session})
			if err != nil {
				panic(err) // panic: strings always encode
			}
			b = append(append(b, ','), rest[1:len(rest)-1]...)
		}
		b = append(b, ']')
	}
	return string(append(b, ']'))
}

// Decode reads what [Set.Encode] wrote.
func Decode(text string) (Set, error) {
	if text == "" {
		return nil, nil
	}
	var raw [][]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, err
	}
	s := make(Set, len(raw))
	for i, fields := range raw {
		a := &s[i]
		a.Attempt = 1
		targets := []any{&a.First, &a.Last, &a.Attempt, &a.Tag, &a.Session}
		if len(fields) < 2 || len(fields) > len(targets) {
			return nil, fmt.Errorf("open activities: span %d has %d fields", i, len(fields))
		}
		for j, field := range fields {
			if err := json.Unmarshal(field, targets[j]); err != nil {
				return nil, fmt.Errorf("open activities: span %d: %w", i, err)
			}
		}
		if a.First < 1 || a.Last < a.First || a.Last > history.MaxHistoryEvents {
			return nil, fmt.Errorf("open activities: span %d runs from %d to %d", i, a.First, a.Last)
		}
		if i > 0 && a.First <= s[i-1].Last {
			return nil, fmt.Errorf("open activities: span %d does not follow the one before", i)
		}
	}
	return s, nil
}

// With is the set with the activities of a span of one event in it. The set
// itself does not change.
func (s Set) With(a Span) Set { return slices.Clone(s).add(a) }

// Without is the set without an activity.
func (s Set) Without(event int64) Set { return slices.Clone(s).remove(event) }
