package admit

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

const (
	// MaxMessageID is the longest message id, in bytes: derived ones hold up to
	// two instance ids, and some more.
	MaxMessageID = 3 * history.MaxInstanceIDLength

	// clockSlack is how far the clock of whoever computed a due time may be
	// ahead of the provider's.
	clockSlack = 24 * time.Hour
)

// Message checks a message at a time.
func Message(m *provider.Message, now time.Time) error {
	if err := message(m, now); err != nil {
		return fmt.Errorf("%w: message %s to instance %s: %w", provider.ErrInvalid, quote(m.ID), quote(string(m.To)), err)
	}
	return nil
}

func message(m *provider.Message, now time.Time) error {
	if m.ID == "" {
		return errors.New("it has no id: draw one, so that it is applied once however often it is sent")
	}
	if len(m.ID) > MaxMessageID {
		return &history.LimitError{What: "its id", Size: len(m.ID), Limit: MaxMessageID, Unit: "bytes", Hint: "choose a shorter one"}
	}
	if err := m.To.ValidateAny(); err != nil {
		return err
	}
	if m.Execution < 0 {
		return fmt.Errorf("it is for execution %d: executions count from 1, and 0 means the current one", m.Execution)
	}
	if err := due(m.Due, now); err != nil {
		return err
	}
	if m.Start != nil {
		if err := start(m.Start); err != nil {
			return err
		}
	}
	return data(m.Data)
}

// data must be there. What it says is none of a provider's business (P10).
func data(d history.Data) error {
	if d == nil {
		return errors.New("it has no data")
	}
	return nil
}

func due(t, now time.Time) error {
	if latest := now.Add(history.MaxTimerDelay + clockSlack); t.After(latest) {
		return fmt.Errorf("it is due at %s, and nothing can be delayed beyond %s (MaxTimerDelay)",
			t.Format(time.RFC3339), latest.Format(time.RFC3339))
	}
	return nil
}

func start(s *provider.Start) error {
	if err := history.ValidateName("orchestration", s.Name); err != nil {
		return err
	}
	if err := short("the version", s.Version); err != nil {
		return err
	}
	if len(s.RequestID) > MaxMessageID {
		return &history.LimitError{What: "the request id", Size: len(s.RequestID), Limit: MaxMessageID, Unit: "bytes", Hint: "choose a shorter one"}
	}
	if s.Reuse < provider.ReuseReject || s.Reuse > provider.ReuseReplace {
		return fmt.Errorf("reuse policy %d is none that this program knows", s.Reuse)
	}
	if len(s.Tags) > history.MaxTags {
		return &history.LimitError{What: "tags", Size: len(s.Tags), Limit: history.MaxTags, Unit: "tags"}
	}
	for key, value := range s.Tags {
		if err := firstError(short("the tag "+quote(key), key), short("the value of tag "+quote(key), value)); err != nil {
			return err
		}
	}
	return nil
}

func short(what, s string) error {
	if len(s) > history.MaxNameLength {
		return &history.LimitError{What: what, Size: len(s), Limit: history.MaxNameLength, Unit: "bytes", Hint: "choose a shorter one"}
	}
	return nil
}

// Keep is the message as a provider may keep it: it shares nothing with the
// caller that the caller may change.
func Keep(m provider.Message) provider.Message {
	if m.Start != nil {
		s := *m.Start
		s.Tags = maps.Clone(s.Tags)
		if s.Parent != nil {
			parent := *s.Parent
			s.Parent = &parent
		}
		m.Start = &s
	}
	return m
}

// quote prints an id that may be hostile: escaped, and short.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%+q…", s[:most])
	}
	return fmt.Sprintf("%+q", s)
}
