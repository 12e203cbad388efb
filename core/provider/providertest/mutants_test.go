package providertest

import (
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// mutant is a sound provider with one thing broken. A nil field is sound.
type mutant struct {
	name string

	send     func(ctx context.Context, s provider.Store, m provider.Message) error
	commit   func(ctx context.Context, h provider.Host, t *provider.Turn, c *provider.Commit) error
	turn     func(t *provider.Turn)
	release  func(r *provider.Release)
	activity func(t *provider.ActivityTask)
	complete func(ctx context.Context, h provider.Host, t *provider.ActivityTask, m provider.Message) error
	extend   func(progress *history.Payload, s *provider.Signals, err *error)
	query    func(q *provider.Query, page *[]provider.Instance)
	after    func(after int64) int64
	until    func(u *provider.Until)
	purge    func(ctx context.Context, s provider.Store, id history.InstanceID, force bool) error
	info     func(i *provider.HostInfo)
	instance func(i *provider.Instance)
	open     func(o *provider.Outstanding)
}

var counter atomic.Int64

// change makes a mutant that changes each commit on its way, in a copy.
func change(name string, f func(c *provider.Commit)) mutant {
	return mutant{name: name, commit: func(ctx context.Context, h provider.Host, t *provider.Turn, c *provider.Commit) error {
		changed := *c
		f(&changed)
		return h.CommitTurn(ctx, t, &changed)
	}}
}

var mutants = []mutant{
	{name: "every seventh message is lost", send: func(ctx context.Context, s provider.Store, m provider.Message) error {
		if counter.Add(1)%7 == 0 && m.Start == nil {
			return nil
		}
		return s.Send(ctx, m)
	}},
	{name: "messages sent twice come twice", send: func(ctx context.Context, s provider.Store, m provider.Message) error {
		if m.Start == nil {
			m.ID += strings.Repeat("'", int(counter.Add(1)))
		}
		return s.Send(ctx, m)
	}},
	{name: "the due time of messages is ignored", send: func(ctx context.Context, s provider.Store, m provider.Message) error {
		m.Due = m.Sent
		return s.Send(ctx, m)
	}},
	{name: "replacing is ignoring", send: func(ctx context.Context, s provider.Store, m provider.Message) error {
		if m.Start != nil && m.Start.Reuse == provider.ReuseReplace {
			changed := *m.Start
			changed.Reuse = provider.ReuseIgnore
			m.Start = &changed
		}
		return s.Send(ctx, m)
	}},
	{name: "a taken id is ignored", send: func(ctx context.Context, s provider.Store, m provider.Message) error {
		if m.Start != nil && m.Start.Reuse == provider.ReuseReject {
			changed := *m.Start
			changed.Reuse = provider.ReuseIgnore
			m.Start = &changed
		}
		return s.Send(ctx, m)
	}},
	{name: "final instances are replaced, and others too", send: func(ctx context.Context, s provider.Store, m provider.Message) error {
		if m.Start != nil && m.Start.Reuse == provider.ReuseFinal {
			changed := *m.Start
			changed.Reuse = provider.ReuseReplace
			m.Start = &changed
		}
		return s.Send(ctx, m)
	}},
	{name: "a lost lock is no error", commit: func(ctx context.Context, h provider.Host, t *provider.Turn, c *provider.Commit) error {
		err := h.CommitTurn(ctx, t, c)
		if errors.Is(err, provider.ErrLockLost) {
			return nil
		}
		return err
	}},
	{name: "a gap in the history is no error", commit: func(ctx context.Context, h provider.Host, t *provider.Turn, c *provider.Commit) error {
		changed := *c
		changed.Events = slices.Clone(c.Events)
		next := t.Instance.LastEvent
		for n := range changed.Events {
			if n == 0 && changed.Events[n].Execution == t.Instance.Execution || n > 0 && changed.Events[n].Execution == changed.Events[n-1].Execution {
				next++
				changed.Events[n].ID = next
			} else {
				next = changed.Events[n].ID
			}
		}
		return h.CommitTurn(ctx, t, &changed)
	}},
	change("one message less is consumed", func(c *provider.Commit) {
		if c.Consumed > 1 {
			c.Consumed--
		}
	}),
	change("a commit's messages go astray when there are several", func(c *provider.Commit) {
		if len(c.Send) > 1 {
			c.Send = c.Send[:1]
		}
	}),
	change("a commit's messages are reversed", func(c *provider.Commit) { c.Send = slices.Clone(c.Send); slices.Reverse(c.Send) }),
	change("nothing is pruned", func(c *provider.Commit) { c.PruneThrough = 0 }),
	change("too little is pruned", func(c *provider.Commit) { c.PruneThrough = max(0, c.PruneThrough-1) }),
	change("too much is pruned", func(c *provider.Commit) {
		if n := len(c.Events); n > 0 && c.PruneThrough > 0 {
			c.PruneThrough = min(c.PruneThrough+1, c.Events[n-1].Execution-1)
		}
	}),
	change("what cannot be pruned is not, without an error", func(c *provider.Commit) {
		if n := len(c.Events); n > 0 {
			c.PruneThrough = max(0, min(c.PruneThrough, c.Events[n-1].Execution-1))
		}
	}),
	{name: "what was pruned is not shown", instance: func(i *provider.Instance) { i.Pruned = 0 }},
	{name: "turns do not show what was pruned", turn: func(t *provider.Turn) { t.Instance.Pruned = 0 }},
	{name: "nothing is seen behind a turn", turn: func(t *provider.Turn) { t.Behind = nil }},
	change("Again is ignored", func(c *provider.Commit) { c.Again = false }),
	change("Again is for ever", func(c *provider.Commit) { c.Again = c.Status == "" && len(c.Events) == 0 && c.Consumed > 0 }),
	change("cancelled timers fire", func(c *provider.Commit) { c.CancelTimers = nil }),
	change("fired timers stay open", func(c *provider.Commit) { c.FiredTimers = nil }),
	change("timers fire early", func(c *provider.Commit) {
		c.Timers = slices.Clone(c.Timers)
		for n := range c.Timers {
			c.Timers[n].Due = c.Timers[n].Due.Add(-10e6)
		}
	}),
	change("cancelled activities are offered", func(c *provider.Commit) { c.CancelActivities = nil }),
	change("completed activities stay open", func(c *provider.Commit) { c.CompletedActivities = nil }),
	change("activities are offered in the wrong order", func(c *provider.Commit) {
		c.Activities = slices.Clone(c.Activities)
		slices.Reverse(c.Activities)
	}),
	change("tags are ignored", func(c *provider.Commit) {
		c.Activities = slices.Clone(c.Activities)
		for n := range c.Activities {
			c.Activities[n].Tag = ""
		}
	}),
	change("attempts of activities are always the first", func(c *provider.Commit) {
		c.Activities = slices.Clone(c.Activities)
		for n := range c.Activities {
			c.Activities[n].Attempt = 1
		}
	}),
	change("the first change of state counts", func(c *provider.Commit) { c.State = slices.Clone(c.State); slices.Reverse(c.State) }),
	change("a custom status cannot be cleared", func(c *provider.Commit) {
		if c.CustomStatus != nil && *c.CustomStatus == nil {
			c.CustomStatus = nil
		}
	}),
	change("the version is dropped", func(c *provider.Commit) { c.Version = "" }),
	change("the output is dropped", func(c *provider.Commit) { c.Output = nil }),
	change("the failure is dropped", func(c *provider.Commit) { c.Failure = nil }),
	{name: "attempts are not counted", turn: func(t *provider.Turn) { t.Attempt = 1 }},
	{name: "messages come in reverse", turn: func(t *provider.Turn) { slices.Reverse(t.Messages) }},
	{name: "the due time is dropped", turn: func(t *provider.Turn) {
		t.Messages = slices.Clone(t.Messages)
		for n := range t.Messages {
			t.Messages[n].Due = t.Messages[n].Sent
		}
	}},
	{name: "the execution of messages is dropped", turn: func(t *provider.Turn) {
		t.Messages = slices.Clone(t.Messages)
		for n := range t.Messages {
			t.Messages[n].Execution = 0
		}
	}},
	{name: "releases are not delayed", release: func(r *provider.Release) { r.Delay = 0 }},
	{name: "every release counts", release: func(r *provider.Release) { r.Uncounted = false }},
	{name: "no release counts", release: func(r *provider.Release) { r.Uncounted = true }},
	{name: "nobody is parked", release: func(r *provider.Release) { r.Park = "" }},
	{name: "everybody is parked", release: func(r *provider.Release) { r.Park = "always" }},
	{name: "deliveries are not counted", activity: func(t *provider.ActivityTask) { t.Delivery = 1 }},
	{name: "progress is dropped", activity: func(t *provider.ActivityTask) { t.Progress = nil }},
	{name: "the session is dropped", activity: func(t *provider.ActivityTask) { t.Activity.Session = "" }},
	{name: "completions go astray", complete: func(context.Context, provider.Host, *provider.ActivityTask, provider.Message) error { return nil }},
	{name: "stale completions are no error", complete: func(ctx context.Context, h provider.Host, t *provider.ActivityTask, m provider.Message) error {
		_ = h.CompleteActivity(ctx, t, m)
		return nil
	}},
	{name: "a worker never learns of a cancellation", extend: func(_ *history.Payload, s *provider.Signals, _ *error) { s.Cancelled = false }},
	{name: "a worker is always told that it is cancelled", extend: func(_ *history.Payload, s *provider.Signals, _ *error) { s.Cancelled = true }},
	{name: "nil progress clears progress", extend: func(p *history.Payload, _ *provider.Signals, _ *error) {
		if *p == nil {
			*p = history.Payload(`null`)
		}
	}},
	{name: "extending what is lost is no error", extend: func(_ *history.Payload, _ *provider.Signals, err *error) { *err = nil }},
	{name: "a prefix knows no case", query: func(q *provider.Query, page *[]provider.Instance) {
		if page == nil {
			q.Prefix = strings.ToLower(q.Prefix)
		}
	}},
	{name: "pages are one too long", query: func(q *provider.Query, page *[]provider.Instance) {
		if page == nil && q.Limit > 0 && q.Limit < 1_000 {
			q.Limit++
		}
	}},
	{name: "a page begins with the last of the one before", query: func(q *provider.Query, page *[]provider.Instance) {
		if page == nil && q.After != "" {
			q.After = q.After[:len(q.After)-1]
		}
	}},
	{name: "lists are in reverse", query: func(_ *provider.Query, page *[]provider.Instance) {
		if page != nil {
			slices.Reverse(*page)
		}
	}},
	{name: "parked ones are not told from others", query: func(q *provider.Query, _ *[]provider.Instance) { q.Parked = false }},
	{name: "statuses are not told apart", query: func(q *provider.Query, _ *[]provider.Instance) { q.Statuses = nil }},
	{name: "names are not told apart", query: func(q *provider.Query, _ *[]provider.Instance) { q.Name = "" }},
	{name: "histories begin one too early", after: func(after int64) int64 { return max(after-1, 0) }},
	{name: "histories begin one too late", after: func(after int64) int64 { return after + 1 }},
	{name: "a wait does not wait", until: func(u *provider.Until) { *u = provider.Until{} }},
	{name: "a wait waits for the end", until: func(u *provider.Until) { u.Final = true }},
	{name: "a purge takes the children along", purge: func(ctx context.Context, s provider.Store, id history.InstanceID, force bool) error {
		page, err := s.List(ctx, provider.Query{Prefix: string(id) + history.ChildSeparator})
		for _, i := range page {
			_ = s.Purge(ctx, i.ID, true)
		}
		if err != nil {
			return err
		}
		return s.Purge(ctx, id, force)
	}},
	{name: "every purge is by force", purge: func(ctx context.Context, s provider.Store, id history.InstanceID, _ bool) error {
		return s.Purge(ctx, id, true)
	}},
	{name: "purging nothing is no error", purge: func(ctx context.Context, s provider.Store, id history.InstanceID, force bool) error {
		err := s.Purge(ctx, id, force)
		if errors.Is(err, provider.ErrNotFound) {
			return nil
		}
		return err
	}},
	{name: "hosts accept everything", info: func(i *provider.HostInfo) { i.Accepts = nil }},
	{name: "hosts serve no tag", info: func(i *provider.HostInfo) { i.Tags = nil }},
	{name: "tags of instances are dropped", instance: func(i *provider.Instance) { i.Tags = nil }},
	{name: "parents of instances are dropped", instance: func(i *provider.Instance) { i.Parent = nil }},
	{name: "the revision of the status stands still", instance: func(i *provider.Instance) { i.StatusRevision = min(i.StatusRevision, 1) }},
	{name: "the end has no time", instance: func(i *provider.Instance) { i.Finished = i.Finished.Add(-i.Finished.Sub(history.Event{}.Time)) }},
	{name: "open timers are not shown", open: func(o *provider.Outstanding) { o.Timers = nil }},
	{name: "open activities are not shown", open: func(o *provider.Outstanding) { o.Activities = nil }},
	{name: "waiting messages are not shown", open: func(o *provider.Outstanding) { o.Messages = nil }},
}

// mutantStore is the mutant at work.
type mutantStore struct {
	provider.Store
	m mutant
}

func (s *mutantStore) Send(ctx context.Context, m provider.Message) error {
	if s.m.send != nil {
		return s.m.send(ctx, s.Store, m)
	}
	return s.Store.Send(ctx, m)
}

func (s *mutantStore) Instance(ctx context.Context, id history.InstanceID) (*provider.Instance, error) {
	i, err := s.Store.Instance(ctx, id)
	if err == nil && s.m.instance != nil {
		s.m.instance(i)
	}
	return i, err
}

func (s *mutantStore) Wait(ctx context.Context, id history.InstanceID, until provider.Until) (*provider.Instance, error) {
	if s.m.until != nil {
		s.m.until(&until)
	}
	return s.Store.Wait(ctx, id, until)
}

func (s *mutantStore) History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error] {
	if s.m.after != nil {
		after = s.m.after(after)
	}
	return s.Store.History(ctx, id, execution, after)
}

func (s *mutantStore) List(ctx context.Context, q provider.Query) ([]provider.Instance, error) {
	if s.m.query != nil {
		s.m.query(&q, nil)
	}
	page, err := s.Store.List(ctx, q)
	if s.m.query != nil {
		s.m.query(&q, &page)
	}
	return page, err
}

func (s *mutantStore) Outstanding(ctx context.Context, id history.InstanceID) (*provider.Outstanding, error) {
	o, err := s.Store.Outstanding(ctx, id)
	if err == nil && s.m.open != nil {
		s.m.open(o)
	}
	return o, err
}

func (s *mutantStore) Purge(ctx context.Context, id history.InstanceID, force bool) error {
	if s.m.purge != nil {
		return s.m.purge(ctx, s.Store, id, force)
	}
	return s.Store.Purge(ctx, id, force)
}

func (s *mutantStore) Join(ctx context.Context, info provider.HostInfo) (provider.Host, error) {
	if s.m.info != nil {
		s.m.info(&info)
	}
	h, err := s.Store.Join(ctx, info)
	if err != nil {
		return nil, err
	}
	return &mutantHost{h, s.m}, nil
}

type mutantHost struct {
	provider.Host
	m mutant
}

func (h *mutantHost) NextTurn(ctx context.Context) (*provider.Turn, error) {
	t, err := h.Host.NextTurn(ctx)
	if err == nil && h.m.turn != nil {
		h.m.turn(t)
	}
	return t, err
}

func (h *mutantHost) CommitTurn(ctx context.Context, t *provider.Turn, c *provider.Commit) error {
	if h.m.commit != nil {
		return h.m.commit(ctx, h.Host, t, c)
	}
	return h.Host.CommitTurn(ctx, t, c)
}

func (h *mutantHost) ReleaseTurn(ctx context.Context, t *provider.Turn, r provider.Release) error {
	if h.m.release != nil {
		h.m.release(&r)
	}
	return h.Host.ReleaseTurn(ctx, t, r)
}

func (h *mutantHost) NextActivity(ctx context.Context) (*provider.ActivityTask, error) {
	t, err := h.Host.NextActivity(ctx)
	if err == nil && h.m.activity != nil {
		h.m.activity(t)
	}
	return t, err
}

func (h *mutantHost) CompleteActivity(ctx context.Context, t *provider.ActivityTask, m provider.Message) error {
	if h.m.complete != nil {
		return h.m.complete(ctx, h.Host, t, m)
	}
	return h.Host.CompleteActivity(ctx, t, m)
}

func (h *mutantHost) ExtendActivity(ctx context.Context, t *provider.ActivityTask, progress history.Payload) (provider.Signals, error) {
	if h.m.extend == nil {
		return h.Host.ExtendActivity(ctx, t, progress)
	}
	h.m.extend(&progress, new(provider.Signals), new(error))
	s, err := h.Host.ExtendActivity(ctx, t, progress)
	h.m.extend(new(history.Payload), &s, &err)
	return s, err
}

func (h *mutantHost) ReleaseActivity(ctx context.Context, t *provider.ActivityTask, r provider.Release) error {
	if h.m.release != nil {
		h.m.release(&r)
	}
	return h.Host.ReleaseActivity(ctx, t, r)
}
