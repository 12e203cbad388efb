package admit_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/admit"
)

var now = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func valid() provider.Message {
	return provider.Message{
		ID: "m", To: "parent::1", Due: now.Add(history.MaxTimerDelay),
		Start: &provider.Start{Name: "story", Tags: map[string]string{"region": "north"}},
		Data:  &history.ExecutionStarted{Name: "story"},
	}
}

func TestMessagesAreRefusedForWhatTheyBreak(t *testing.T) {
	m := valid()
	if err := admit.Message(&m, now); err != nil {
		t.Fatalf("a valid message was refused: %v", err)
	}
	tags := map[string]string{}
	for n := range history.MaxTags + 1 {
		tags[fmt.Sprint(n)] = ""
	}
	for name, test := range map[string]struct {
		spoil func(m *provider.Message)
		says  string
	}{
		"no id":              {func(m *provider.Message) { m.ID = "" }, "no id"},
		"long id":            {func(m *provider.Message) { m.ID = strings.Repeat("x", admit.MaxMessageID+1) }, "limit of 6000"},
		"no receiver":        {func(m *provider.Message) { m.To = "" }, "instance id is empty"},
		"long receiver":      {func(m *provider.Message) { m.To = history.InstanceID(strings.Repeat("x", 2_001)) }, "limit of 2000"},
		"hostile receiver":   {func(m *provider.Message) { m.To = "a\nb" }, "unprintable"},
		"no data":            {func(m *provider.Message) { m.Data = nil }, "no data"},
		"negative execution": {func(m *provider.Message) { m.Execution = -1 }, "execution -1"},
		"beyond all timers":  {func(m *provider.Message) { m.Due = now.AddDate(101, 0, 0) }, "MaxTimerDelay"},
		"nameless start":     {func(m *provider.Message) { m.Start.Name = "" }, "orchestration name is empty"},
		"long version":       {func(m *provider.Message) { m.Start.Version = strings.Repeat("1", 257) }, "limit of 256"},
		"long request id":    {func(m *provider.Message) { m.Start.RequestID = strings.Repeat("1", 6_001) }, "limit of 6000"},
		"unknown policy":     {func(m *provider.Message) { m.Start.Reuse = 99 }, "policy 99"},
		"many tags":          {func(m *provider.Message) { m.Start.Tags = tags }, "limit of 64"},
		"long tag":           {func(m *provider.Message) { m.Start.Tags = map[string]string{"a": strings.Repeat("x", 257)} }, "limit of 256"},
	} {
		m := valid()
		test.spoil(&m)
		if err := admit.Message(&m, now); !errors.Is(err, provider.ErrInvalid) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want ErrInvalid that says %q", name, err, test.says)
		}
	}
}

func events(ids ...[2]int64) (all []history.Event) {
	for _, id := range ids {
		all = append(all, history.Event{Execution: id[0], ID: id[1], Data: &history.StatusSet{}})
	}
	return all
}

func TestCommitsAreRefusedForWhatTheyBreak(t *testing.T) {
	at := &provider.Instance{ID: "a", Execution: 2, LastEvent: 7, Status: history.StatusRunning}
	status := history.Payload(strings.Repeat("1", history.MaxStatusBytes+1))
	for name, test := range map[string]struct {
		commit provider.Commit
		want   error // nil: it is admitted
	}{
		"nothing":               {provider.Commit{}, nil},
		"the next events":       {provider.Commit{Consumed: 3, Events: events([2]int64{2, 8}, [2]int64{2, 9})}, nil},
		"the next executions":   {provider.Commit{NewExecution: true, Events: events([2]int64{2, 8}, [2]int64{3, 1}, [2]int64{4, 1})}, nil},
		"a stale memory":        {provider.Commit{Events: events([2]int64{2, 7})}, provider.ErrConflict},
		"a gap":                 {provider.Commit{Events: events([2]int64{2, 9})}, provider.ErrConflict},
		"an old execution":      {provider.Commit{Events: events([2]int64{1, 8})}, provider.ErrConflict},
		"a skipped execution":   {provider.Commit{NewExecution: true, Events: events([2]int64{4, 1})}, provider.ErrConflict},
		"a gap inside":          {provider.Commit{Events: events([2]int64{2, 8}, [2]int64{2, 10})}, provider.ErrInvalid},
		"an undeclared step":    {provider.Commit{Events: events([2]int64{3, 1})}, provider.ErrInvalid},
		"a step without events": {provider.Commit{NewExecution: true}, provider.ErrInvalid},
		"an event without data": {provider.Commit{Events: []history.Event{{Execution: 2, ID: 8}}}, provider.ErrInvalid},
		"a prune":               {provider.Commit{PruneThrough: 1}, nil},
		"a prune of what ends":  {provider.Commit{NewExecution: true, PruneThrough: 3, Events: events([2]int64{3, 1}, [2]int64{4, 1})}, nil},
		"a prune of what runs":  {provider.Commit{PruneThrough: 2}, provider.ErrInvalid},
		"a prune of what comes": {provider.Commit{NewExecution: true, PruneThrough: 3, Events: events([2]int64{3, 1})}, provider.ErrInvalid},
		"a prune of nothing":    {provider.Commit{PruneThrough: -1}, provider.ErrInvalid},
		"too much consumed":     {provider.Commit{Consumed: 4}, provider.ErrInvalid},
		"an unknown status":     {provider.Commit{Status: "lost"}, provider.ErrInvalid},
		"a large status":        {provider.Commit{CustomStatus: &status}, provider.ErrInvalid},
		"a large output":        {provider.Commit{Output: make(history.Payload, history.MaxPayloadBytes+1)}, provider.ErrInvalid},
		"a nameless state":      {provider.Commit{State: []provider.StateChange{{Key: ""}}}, provider.ErrInvalid},
		"a large state":         {provider.Commit{State: []provider.StateChange{{Key: "k", Value: make(history.Payload, history.MaxStateValueBytes+1)}}}, provider.ErrInvalid},
		"attempt 0":             {provider.Commit{Activities: []provider.Activity{{Scheduled: history.Event{ID: 1}}}}, provider.ErrInvalid},
		"a long tag":            {provider.Commit{Activities: []provider.Activity{{Scheduled: history.Event{ID: 1}, Attempt: 1, Tag: strings.Repeat("x", 257)}}}, provider.ErrInvalid},
		"an eventless timer":    {provider.Commit{Timers: []provider.Timer{{Fire: &history.TimerFired{}}}}, provider.ErrInvalid},
		"a dataless timer":      {provider.Commit{Timers: []provider.Timer{{Event: 1}}}, provider.ErrInvalid},
		"an eternal timer":      {provider.Commit{Timers: []provider.Timer{{Event: 1, Due: now.AddDate(101, 0, 0), Fire: &history.TimerFired{}}}}, provider.ErrInvalid},
		"a bad message":         {provider.Commit{Send: []provider.Message{{To: "b"}}}, provider.ErrInvalid},
	} {
		err := admit.Commit(at, 3, &test.commit, now)
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestTheFirstCommitOfAnInstanceBeginsItAndConsumesItsStart(t *testing.T) {
	at := &provider.Instance{ID: "a", Status: history.StatusPending}
	for name, test := range map[string]struct {
		commit provider.Commit
		want   error
	}{
		"the start":            {provider.Commit{Consumed: 1, NewExecution: true, Events: events([2]int64{1, 1})}, nil},
		"all":                  {provider.Commit{Consumed: 3, NewExecution: true, Events: events([2]int64{1, 1}, [2]int64{1, 2}, [2]int64{2, 1})}, nil},
		"not the start":        {provider.Commit{NewExecution: true, Events: events([2]int64{1, 1})}, provider.ErrInvalid},
		"no events":            {provider.Commit{Consumed: 1}, provider.ErrInvalid},
		"nothing":              {provider.Commit{}, provider.ErrInvalid},
		"an end out of hand":   {provider.Commit{Consumed: 1, Status: history.StatusFailed}, provider.ErrInvalid},
		"a stale memory of it": {provider.Commit{Consumed: 1, Events: events([2]int64{1, 2})}, provider.ErrConflict},
	} {
		err := admit.Commit(at, 3, &test.commit, now)
		if !errors.Is(err, test.want) || (err == nil) != (test.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
	}
}

func TestTheWholeStateOfAnInstanceIsBounded(t *testing.T) {
	state := map[string]history.Payload{}
	for n := range history.MaxStateKeys {
		state[fmt.Sprint(n)] = history.Payload("1")
	}
	set := func(key string, size int) provider.StateChange {
		c := provider.StateChange{Key: key}
		if size > 0 {
			c.Value = make(history.Payload, size)
		}
		return c
	}
	var full []provider.StateChange
	for n := range history.MaxStateBytes/history.MaxStateValueBytes + 1 {
		full = append(full, set(fmt.Sprint(n), history.MaxStateValueBytes))
	}
	for name, test := range map[string]struct {
		changes []provider.StateChange
		refused bool
	}{
		"a key in place of one":     {[]provider.StateChange{set("0", 0), set("new", 1)}, false},
		"the same key again":        {[]provider.StateChange{set("0", 1), set("0", 2), set("0", 1)}, false},
		"one key more":              {[]provider.StateChange{set("new", 1)}, true},
		"more bytes than the limit": {full, true},
		"bytes taken back":          {append(full, set("0", 1), set("1", 1)), false},
	} {
		if err := admit.State(state, test.changes); errors.Is(err, provider.ErrInvalid) != test.refused {
			t.Errorf("%s: %v, refused should be %t", name, err, test.refused)
		}
	}
}

func TestWhatIsKeptIsNotTheCallers(t *testing.T) {
	m := valid()
	m.Start.Parent = &history.ParentRef{Instance: "parent"}
	kept := admit.Keep(m)
	m.Start.Name, m.Start.Parent.Instance, m.Start.Tags["region"] = "changed", "changed", "changed"
	if kept.Start.Name != "story" || kept.Start.Parent.Instance != "parent" || kept.Start.Tags["region"] != "north" {
		t.Errorf("the kept start is %+v", kept.Start)
	}
}
