package activity

import (
	"fmt"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

// Option is an option of a call: [Retry] or [Options].
type Option interface{ apply(*call) }

// Retry is when and how often a failed activity is tried again. It is armed at
// the call: retries of several activities run side by side, no orchestration
// code runs between attempts, and every attempt is in the history. The zero
// value does not retry.
type Retry struct {
	// MaxAttempts counts the first attempt, too. At most 1,000; 0 and 1 mean no
	// retry.
	MaxAttempts int
	// First is the delay before the second attempt; 0 means one second.
	First time.Duration
	// Factor multiplies the delay after each attempt; 0 means 2, and 1 keeps it
	// fixed.
	Factor float64
	// Linear adds First after each attempt instead of multiplying by Factor.
	Linear bool
	// Max bounds the delay; 0 means 5 minutes.
	Max time.Duration
	// Jitter shortens each delay by a random share of it, up to this one: 0 to
	// 1. It is derived from the history, so every replay agrees.
	Jitter float64
	// NonRetryable are the types of errors that are not tried again, as printed
	// by %T without the pointer, with their import path or without
	// ("shop.Declined"), or codes of registered errors. See also
	// [NonRetryable].
	NonRetryable []string
}

// maxAttempts bounds Retry.MaxAttempts: each attempt is two events.
const maxAttempts = 1_000

// Options are the other options of a call.
type Options struct {
	// Timeout bounds each attempt; 0 means none. An attempt that exceeds it
	// fails, and is retried if the policy says so.
	Timeout time.Duration
	// Deadline bounds all attempts and the waits between them, counted from the
	// call; 0 means none.
	Deadline time.Duration
	// Tag routes the activity to workers that serve the tag.
	Tag string
	// Session runs the activity in the process that runs the others of that name
	// and tag, of whatever instance, for as long as that process lives and uses
	// the session now and then: for what is costly to load or to connect. If the
	// process is lost they go on in another, which begins without it. Not with
	// Local, which has the process of its orchestration.
	Session string
	// Local runs the activity inside the turn, on the host that runs the
	// orchestration, and records its result with the commit: the fast way for
	// short steps. While it runs the orchestration does not proceed; its
	// retries follow at once. Timeout and Deadline bound each attempt.
	Local bool
	// Description is a text for people, shown while it runs.
	Description string
}

// call is what the options of a call amount to.
type call struct {
	Retry
	Options
}

func (r Retry) apply(to *call)   { to.Retry = r }
func (o Options) apply(to *call) { to.Options = o }

// policy is the retry policy as it is stored.
func (r Retry) policy() (*history.RetryPolicy, error) {
	switch {
	case r.MaxAttempts < 0 || r.MaxAttempts > maxAttempts:
		return nil, fmt.Errorf("Retry.MaxAttempts is %d: it must be 0 to %d", r.MaxAttempts, maxAttempts)
	case r.First < 0 || r.Max < 0:
		return nil, fmt.Errorf("Retry.First is %v and Retry.Max is %v: they must not be negative", r.First, r.Max)
	case r.Factor < 0 || (r.Factor > 0 && r.Factor < 1):
		return nil, fmt.Errorf("Retry.Factor is %v: it must be at least 1, or 0 for the default", r.Factor)
	case r.Jitter < 0 || r.Jitter > 1:
		return nil, fmt.Errorf("Retry.Jitter is %v: it must be 0 to 1", r.Jitter)
	case r.MaxAttempts <= 1:
		return nil, nil
	}
	or := func(d, otherwise time.Duration) history.Millis {
		if d == 0 {
			d = otherwise
		}
		return history.ToMillis(d)
	}
	p := &history.RetryPolicy{
		MaxAttempts: r.MaxAttempts, First: or(r.First, time.Second), Factor: r.Factor, Linear: r.Linear,
		Max: or(r.Max, 5*time.Minute), Jitter: r.Jitter, NonRetryable: r.NonRetryable,
	}
	if p.Factor == 0 {
		p.Factor = 2
	}
	return p, nil
}

// scheduled is the event that a call with these options becomes.
func (c *call) scheduled(name string, r *replay.Context) (*history.ActivityScheduled, error) {
	if err := history.ValidateName("activity", name); err != nil {
		return nil, err
	}
	policy, err := c.policy()
	if err != nil {
		return nil, fmt.Errorf("activity %q: %w", name, err)
	}
	if c.Timeout < 0 || c.Options.Deadline < 0 {
		return nil, fmt.Errorf("activity %q: Options.Timeout is %v and Options.Deadline is %v: they must not be negative", name, c.Timeout, c.Options.Deadline)
	}
	if c.Tag != "" {
		if err := history.ValidateName("tag", c.Tag); err != nil {
			return nil, fmt.Errorf("activity %q: %w", name, err)
		}
	}
	if c.Session != "" {
		if err := history.ValidateName("session", c.Session); err != nil {
			return nil, fmt.Errorf("activity %q: %w", name, err)
		}
		if c.Local {
			return nil, fmt.Errorf("activity %q: Options.Session is %q and Options.Local is set: choose one", name, c.Session)
		}
	}
	d := &history.ActivityScheduled{
		Name: name, Retry: policy, Timeout: history.ToMillis(c.Timeout), Tag: c.Tag, Session: c.Session,
		Description: c.Description, Headers: r.Started().Headers,
	}
	if len(d.Description) > history.MaxDescriptionLength {
		d.Description = strings.ToValidUTF8(d.Description[:history.MaxDescriptionLength], "")
	}
	if c.Options.Deadline > 0 {
		deadline := r.Now().Add(c.Options.Deadline)
		d.Deadline = &deadline
	}
	return d, nil
}
