package sqlite

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// span is a run of open activities with consecutive event ids and everything
// else alike: a fan-out of a thousand is one span.
type span struct {
	first, last  int64
	attempt      int
	tag, session string
}

// spans are the open activities of an instance in order of event id. It is a
// value: changes make a new one.
type spans []span

// apply is the set after a commit, in the order of its effects: completions,
// what it opens, cancellations.
func (s spans) apply(c *provider.Commit) spans {
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
		s = s.add(span{a.Scheduled.ID, a.Scheduled.ID, a.Attempt, a.Tag, a.Session})
	}
	for _, event := range c.CancelActivities {
		s = s.remove(event)
	}
	return s
}

// find is the position of the span that holds the event, or where it would be.
func (s spans) find(event int64) (int, bool) {
	return slices.BinarySearchFunc(s, event, func(a span, event int64) int {
		switch {
		case a.last < event:
			return -1
		case a.first > event:
			return 1
		}
		return 0
	})
}

func (s spans) remove(event int64) spans {
	i, ok := s.find(event)
	if !ok {
		return s
	}
	switch a := s[i]; {
	case a.first == a.last:
		return slices.Delete(s, i, i+1)
	case a.first == event:
		s[i].first++
	case a.last == event:
		s[i].last--
	default:
		s[i].last = event - 1
		a.first = event + 1
		return slices.Insert(s, i+1, a)
	}
	return s
}

// add opens one activity, replacing an earlier attempt of it.
func (s spans) add(a span) spans {
	s = s.remove(a.first)
	i, _ := s.find(a.first)
	if i > 0 {
		before := &s[i-1]
		if before.last+1 == a.first && before.attempt == a.attempt && before.tag == a.tag && before.session == a.session {
			before.last = a.last
			return s
		}
	}
	return slices.Insert(s, i, a)
}

// each calls f for every open activity in order of event id.
func (s spans) each(f func(event int64, a span)) {
	for _, a := range s {
		for event := a.first; event <= a.last; event++ {
			f(event, a)
		}
	}
}

func (s spans) refs() (refs []provider.ActivityRef) {
	s.each(func(event int64, a span) {
		refs = append(refs, provider.ActivityRef{Event: event, Attempt: a.attempt})
	})
	return refs
}

// encode writes [[first,last,attempt,tag,session],…], leaving off at the end
// of each what is the usual: attempt 1, no tag, no session. None is "".
func (s spans) encode() string {
	if len(s) == 0 {
		return ""
	}
	b := []byte{'['}
	for i, a := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '[')
		b = strconv.AppendInt(b, a.first, 10)
		b = append(b, ',')
		b = strconv.AppendInt(b, a.last, 10)
		routed := a.tag != "" || a.session != ""
		if a.attempt != 1 || routed {
			b = append(b, ',')
			b = strconv.AppendInt(b, int64(a.attempt), 10)
		}
		if routed {
			rest, err := json.Marshal([]string{a.tag, a.session})
			if err != nil {
				panic(err) // panic: strings always encode
			}
			b = append(append(b, ','), rest[1:len(rest)-1]...)
		}
		b = append(b, ']')
	}
	return string(append(b, ']'))
}

func decodeSpans(text string) (spans, error) {
	if text == "" {
		return nil, nil
	}
	var raw [][]json.RawMessage
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return nil, err
	}
	s := make(spans, len(raw))
	for i, fields := range raw {
		a := &s[i]
		a.attempt = 1
		targets := []any{&a.first, &a.last, &a.attempt, &a.tag, &a.session}
		if len(fields) < 2 || len(fields) > len(targets) {
			return nil, fmt.Errorf("open activities: span %d has %d fields", i, len(fields))
		}
		for j, field := range fields {
			if err := json.Unmarshal(field, targets[j]); err != nil {
				return nil, fmt.Errorf("open activities: span %d: %w", i, err)
			}
		}
		if a.first < 1 || a.last < a.first || a.last > history.MaxHistoryEvents {
			return nil, fmt.Errorf("open activities: span %d runs from %d to %d", i, a.first, a.last)
		}
		if i > 0 && a.first <= s[i-1].last {
			return nil, fmt.Errorf("open activities: span %d does not follow the one before", i)
		}
	}
	return s, nil
}
