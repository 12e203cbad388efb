package providertest

import (
	"context"
	"errors"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Each operation of the contract twice: the plain one expects success, the one
// that is tried returns the error.

func (e *env) join(s provider.Store, info provider.HostInfo) provider.Host {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	h, err := s.Join(ctx, info)
	if err != nil {
		e.Fatalf("joining as %q: %v", info.Name, explain(err))
	}
	return h
}

func (e *env) leave(h provider.Host) {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	if err := h.Leave(ctx); err != nil {
		e.Errorf("leaving: %v", explain(err))
	}
}

func (e *env) send(messages ...provider.Message) {
	e.Helper()
	for _, m := range messages {
		e.wants(e.trySend(m), nil, "sending %s to %q", nameOf(m), m.To)
	}
}

func (e *env) trySend(m provider.Message) error {
	ctx, cancel := e.context()
	defer cancel()
	return e.store.Send(ctx, m)
}

// turn takes the next turn.
func (e *env) turn() *provider.Turn {
	e.Helper()
	t, err := e.tryTurn(e.host)
	e.wants(err, nil, "taking the next turn")
	return t
}

func (e *env) tryTurn(h provider.Host) (*provider.Turn, error) {
	ctx, cancel := e.context()
	defer cancel()
	t, err := h.NextTurn(ctx)
	if err == nil && t == nil {
		return nil, errors.New("NextTurn returned neither a turn nor an error")
	}
	return t, err
}

// turnOf takes the next turn, which must be of the instance.
func (e *env) turnOf(id history.InstanceID) *provider.Turn {
	e.Helper()
	t := e.turn()
	if t.Instance.ID != id {
		e.breaks("the next turn is of %q with %v, want %q", t.Instance.ID, names(t.Messages), id)
	}
	return t
}

// turnWith takes the next turn, which must be of the instance and hand over
// exactly the messages of these names.
func (e *env) turnWith(id history.InstanceID, want ...string) *provider.Turn {
	e.Helper()
	t := e.turnOf(id)
	e.wantNames(t.Messages, want...)
	return t
}

func (e *env) commit(t *provider.Turn, d *draft) {
	e.Helper()
	e.wants(e.tryCommit(t, &d.Commit), nil, "committing a turn of %q", t.Instance.ID)
}

func (e *env) tryCommit(t *provider.Turn, c *provider.Commit) error {
	ctx, cancel := e.context()
	defer cancel()
	return e.host.CommitTurn(ctx, t, c)
}

func (e *env) release(t *provider.Turn, r provider.Release) {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	e.wants(e.host.ReleaseTurn(ctx, t, r), nil, "releasing a turn of %q", t.Instance.ID)
}

// activity takes the next activity.
func (e *env) activity() *provider.ActivityTask {
	e.Helper()
	t, err := e.tryActivity(e.host)
	e.wants(err, nil, "taking the next activity")
	return t
}

func (e *env) tryActivity(h provider.Host) (*provider.ActivityTask, error) {
	ctx, cancel := e.context()
	defer cancel()
	t, err := h.NextActivity(ctx)
	if err == nil && t == nil {
		return nil, errors.New("NextActivity returned neither an activity nor an error")
	}
	return t, err
}

// activityOf takes the next activity, which must be the one scheduled by that
// event of the instance's given execution.
func (e *env) activityOf(id history.InstanceID, execution, event int64) *provider.ActivityTask {
	e.Helper()
	t := e.activity()
	want := history.ActivityID{Instance: id, Execution: execution, Event: event}
	if t.ID != want {
		e.breaks("the next activity is %v, want %v", t.ID, want)
	}
	return t
}

func (e *env) complete(t *provider.ActivityTask) {
	e.Helper()
	e.wants(e.tryComplete(t), nil, "completing activity %v", t.ID)
}

func (e *env) tryComplete(t *provider.ActivityTask) error {
	ctx, cancel := e.context()
	defer cancel()
	return e.host.CompleteActivity(ctx, t, completion(t))
}

// tryFail completes an activity as failed.
func (e *env) tryFail(h provider.Host, t *provider.ActivityTask) error {
	ctx, cancel := e.context()
	defer cancel()
	m := completion(t)
	m.Data = &history.ActivityFailed{Source: t.ID.Event, Attempt: t.Activity.Attempt, Failure: &history.Failure{Kind: history.FailureError, Message: "not yet"}}
	return h.CompleteActivity(ctx, t, m)
}

func (e *env) extend(t *provider.ActivityTask, progress history.Payload) provider.Signals {
	e.Helper()
	s, err := e.tryExtend(t, progress)
	e.wants(err, nil, "extending activity %v", t.ID)
	return s
}

func (e *env) tryExtend(t *provider.ActivityTask, progress history.Payload) (provider.Signals, error) {
	ctx, cancel := e.context()
	defer cancel()
	return e.host.ExtendActivity(ctx, t, progress)
}

func (e *env) releaseActivity(t *provider.ActivityTask, r provider.Release) {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	e.wants(e.host.ReleaseActivity(ctx, t, r), nil, "releasing activity %v", t.ID)
}

func (e *env) instance(id history.InstanceID) *provider.Instance {
	e.Helper()
	i, err := e.tryInstance(id)
	e.wants(err, nil, "reading instance %q", id)
	if i == nil || i.ID != id {
		e.breaks("reading instance %q gave %+v", id, i)
	}
	return i
}

func (e *env) tryInstance(id history.InstanceID) (*provider.Instance, error) {
	ctx, cancel := e.context()
	defer cancel()
	return e.store.Instance(ctx, id)
}

// gone demands that there is no such instance.
func (e *env) gone(id history.InstanceID) {
	e.Helper()
	_, err := e.tryInstance(id)
	e.wants(err, provider.ErrNotFound, "reading instance %q", id)
}

// history reads the current execution.
func (e *env) history(id history.InstanceID) []history.Event {
	e.Helper()
	return e.historyOf(id, 0, 0)
}

func (e *env) historyOf(id history.InstanceID, execution, after int64) []history.Event {
	e.Helper()
	events, err := e.tryHistory(id, execution, after)
	e.wants(err, nil, "reading the history of %q, execution %d after event %d", id, execution, after)
	return events
}

func (e *env) tryHistory(id history.InstanceID, execution, after int64) ([]history.Event, error) {
	ctx, cancel := e.context()
	defer cancel()
	return collect(e.store.History(ctx, id, execution, after))
}

func (e *env) state(id history.InstanceID, key string) history.Payload {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	v, err := e.store.State(ctx, id, key)
	e.wants(err, nil, "reading state %q of %q", key, id)
	return v
}

func (e *env) list(q provider.Query) []provider.Instance {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	page, err := e.store.List(ctx, q)
	e.wants(err, nil, "listing %+v", q)
	return page
}

func (e *env) outstanding(id history.InstanceID) *provider.Outstanding {
	e.Helper()
	ctx, cancel := e.context()
	defer cancel()
	o, err := e.store.Outstanding(ctx, id)
	e.wants(err, nil, "reading what %q waits for", id)
	if o == nil {
		e.breaks("Outstanding of %q returned neither an answer nor an error", id)
	}
	return o
}

func (e *env) purge(id history.InstanceID, force bool) {
	e.Helper()
	e.wants(e.tryPurge(id, force), nil, "purging %q", id)
}

func (e *env) tryPurge(id history.InstanceID, force bool) error {
	ctx, cancel := e.context()
	defer cancel()
	return e.store.Purge(ctx, id, force)
}

// awaitTurn takes a turn in the background.
func (e *env) awaitTurn() func() (*provider.Turn, error) {
	host := e.host
	return async(e, func(ctx context.Context) (*provider.Turn, error) { return host.NextTurn(ctx) })
}

// awaitActivity takes an activity in the background.
func (e *env) awaitActivity() func() (*provider.ActivityTask, error) {
	host := e.host
	return async(e, func(ctx context.Context) (*provider.ActivityTask, error) { return host.NextActivity(ctx) })
}

// noTurn demands that no instance is ready. An instance that is made ready now
// must be the next to get a turn, since those that were ready before come
// first (P6).
func (e *env) noTurn() {
	e.Helper()
	marker := history.InstanceID(e.unique("marker"))
	e.send(e.start(marker))
	t := e.turn()
	if t.Instance.ID != marker {
		e.breaks("%q got a turn with %v, want none", t.Instance.ID, names(t.Messages))
	}
	e.commit(t, take(t).finish())
}

// noActivity demands, likewise, that no activity is on offer.
func (e *env) noActivity() {
	e.Helper()
	marker := history.InstanceID(e.unique("marker"))
	e.send(e.start(marker))
	t := e.turnOf(marker)
	d := take(t)
	d.schedule("marker")
	e.commit(t, d)
	a := e.activity()
	if a.ID.Instance != marker {
		e.breaks("activity %v is offered, want none", a.ID)
	}
	e.complete(a)
	t = e.turnOf(marker)
	e.commit(t, take(t).finish())
}

// noEarlier demands that now is not before due.
func (e *env) noEarlier(due time.Time, what string) {
	e.Helper()
	if now := time.Now(); now.Before(due) {
		e.breaks("%s came %v early", what, due.Sub(now))
	}
}
