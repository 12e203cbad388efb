package dispatch

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/registry"
	"github.com/duroxide/duroxide-go/core/internal/replay"
	"github.com/duroxide/duroxide-go/core/provider"
)

// generationsPerTurn is how many executions one turn may run through when each
// continues as new at once. Beyond it the next turn goes on, after the other
// instances had theirs.
const generationsPerTurn = 8

// Native is the executor of orchestrations written in Go and registered with
// this process. It keeps live machines between turns: a turn whose instance is
// live at exactly the last committed event goes on without replay.
type Native struct {
	registry *registry.Registry
	env      *registry.Env
	live     *liveCache
	now      func() time.Time

	replays, events atomic.Int64 // machines replayed, and events fed to them
}

// NewNative makes an executor for the handlers of a registry.
func NewNative(r *registry.Registry, env *registry.Env, cache CacheConfig, now func() time.Time) *Native {
	return &Native{registry: r, env: env, live: newLiveCache(cache), now: now}
}

// Replays returns how many times a history was replayed, and how many events
// were fed. In steady state neither grows.
func (n *Native) Replays() (replays, events int64) { return n.replays.Load(), n.events.Load() }

// Live returns how many machines are in memory, and their estimated bytes.
func (n *Native) Live() (count, bytes int) { return n.live.size() }

// Trim stops machines that have been idle for too long.
func (n *Native) Trim(now time.Time) { n.live.trim(now) }

// Close stops all machines. No turn may run.
func (n *Native) Close() { n.live.close() }

// Settle implements [Executor].
func (n *Native) Settle(id history.InstanceID, applied bool) { n.live.settle(id, applied, n.now()) }

// Accepts implements [Executor].
func (n *Native) Accepts(orchestration, version string) bool {
	_, ok := n.registry.Orchestration(orchestration, version)
	return ok
}

// Execute implements [Executor].
func (n *Native) Execute(ctx context.Context, w Work) (*provider.Commit, error) {
	type result struct {
		commit *provider.Commit
		err    error
	}
	// Code that calls runtime.Goexit ends the goroutine that runs it: one made
	// for this turn.
	done := make(chan result, 1)
	go func() {
		r := result{err: &ParkError{Reason: "the orchestration's code called runtime.Goexit (testing.T.FailNow does): return an error instead"}}
		defer func() {
			if p := recover(); p != nil {
				r.err = &ParkError{Reason: fmt.Sprintf("internal error while running the orchestration: %v\n%s", p, debug.Stack())}
			}
			done <- r
		}()
		r.commit, r.err = n.execute(ctx, w)
	}()
	r := <-done
	if r.err != nil {
		n.Settle(w.Turn.Instance.ID, false)
	}
	return r.commit, r.err
}

func (n *Native) execute(ctx context.Context, w Work) (*provider.Commit, error) {
	t := w.Turn
	w.behind = sync.OnceValue(func() []provider.Message { return cancelsBehind(t) })
	live, err := n.live.take(ctx, &t.Instance)
	if err != nil {
		return nil, err
	}
	if t.Instance.Status.Final() {
		n.live.put(t.Instance.ID, nil)
		return answerFinal(w), nil
	}
	m, err := n.machine(ctx, w, live)
	if err != nil {
		return nil, err
	}
	if err := m.Begin(w.Now); err != nil {
		return nil, n.explain(ctx, w, err)
	}
	if t.Instance.Execution > 0 {
		commit, err := n.feed(w, m, 0)
		if err != nil {
			return nil, err
		}
		return n.generations(w, m, commit)
	}
	pinned, err := n.pin(startOf(t))
	if err != nil {
		return nil, err
	}
	if err := m.Start(pinned, 1); err != nil {
		return nil, err
	}
	commit, err := n.feed(w, m, 1) // though it continue as new at once: the start is consumed
	if err != nil {
		return nil, err
	}
	commit.Name, commit.Version = pinned.Name, pinned.Version
	return n.generations(w, m, commit)
}

// feed gives the machine the turn's messages from one on, up to the one at
// which its execution continues as new: the rest is for the next execution.
func (n *Native) feed(w Work, m *replay.Machine, from int) (*provider.Commit, error) {
	messages := w.Turn.Messages
	var refusals []provider.Message
	for ; from < len(messages) && m.Next() == nil; from++ {
		if start, ok := messages[from].Data.(*history.ExecutionStarted); ok {
			refusals = refuse(refusals, w, start)
		} else if err := m.Receive(&messages[from]); err != nil {
			return nil, err
		}
	}
	if m.Continues() {
		for _, waiting := range [][]provider.Message{messages[from:], w.behind()} {
			if err := receiveCancel(m, waiting); err != nil {
				return nil, err
			}
		}
	}
	commit, err := m.Finish()
	if err != nil {
		return nil, err
	}
	commit.Consumed = from
	commit.Send = append(commit.Send, refusals...)
	return commit, nil
}

// receiveCancel gives a request to cancel, if there is one, to an execution
// that is about to continue as new: it overtakes other messages, so that an
// instance that never waits, and so consumes nothing, can be cancelled.
func receiveCancel(m *replay.Machine, messages []provider.Message) error {
	for i := range messages {
		if _, ok := messages[i].Data.(*history.CancelRequested); ok {
			if err := m.Receive(&messages[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// cancelsBehind are the requests to cancel that wait behind the messages of a turn.
func cancelsBehind(t *provider.Turn) (found []provider.Message) {
	if t.Behind == nil {
		return nil
	}
	for m := range t.Behind {
		if _, ok := m.Data.(*history.CancelRequested); ok {
			found = append(found, *m)
		}
	}
	return found
}

// pin resolves the version that a start gets.
func (n *Native) pin(start *history.ExecutionStarted) (*history.ExecutionStarted, error) {
	o, found := n.registry.Orchestration(start.Name, start.Version)
	if !found {
		return nil, missingHandler(start.Name, start.Version)
	}
	pinned := *start
	pinned.Version = o.Version
	return &pinned, nil
}

// generations runs on through executions that continue as new, within one
// commit, so that an eternal orchestration does not pay a commit for nothing.
func (n *Native) generations(w Work, m *replay.Machine, commit *provider.Commit) (*provider.Commit, error) {
	id := w.Turn.Instance.ID
	for ran := 1; ; ran++ {
		next := m.Next()
		if next == nil {
			return commit, nil
		}
		o, found := n.registry.Orchestration(next.Name, next.Version)
		if !found {
			return nil, missingHandler(next.Name, next.Version)
		}
		next.Version = o.Version
		execution := m.Execution() + 1
		m = n.newMachine(id, o, false)
		n.live.put(id, m) // in place of the one before, which it stops
		var c *provider.Commit
		var err error
		if ran <= generationsPerTurn {
			c, err = n.runNext(w, m, next, execution, commit.Consumed)
		} else {
			c, err = beginNext(m, next, execution, commit)
		}
		if err != nil {
			return nil, err
		}
		commit = follow(commit, c)
		commit.Name, commit.Version = o.Name, o.Version
		if commit.Again {
			return commit, nil
		}
	}
}

// runNext starts the next execution and gives it the messages from one on.
func (n *Native) runNext(w Work, m *replay.Machine, start *history.ExecutionStarted, execution int64, from int) (*provider.Commit, error) {
	if err := m.Begin(w.Now); err != nil {
		return nil, err
	}
	if err := m.Start(start, execution); err != nil {
		return nil, err
	}
	return n.feed(w, m, from)
}

// beginNext records the first event of the next execution, whose code runs in a
// turn of its own, for which it asks.
func beginNext(m *replay.Machine, start *history.ExecutionStarted, execution int64, before *provider.Commit) (*provider.Commit, error) {
	started := history.Event{ID: 1, Execution: execution, Time: before.Events[len(before.Events)-1].Time, Data: start}
	if err := m.Replay(started); err != nil {
		return nil, err
	}
	return &provider.Commit{
		Consumed: before.Consumed, Events: []history.Event{started}, NewExecution: true, Status: history.StatusRunning, Again: true,
	}, nil
}

// follow joins the commits of two executions of one turn: what the first left
// open is void, what it sent is sent.
func follow(first, second *provider.Commit) *provider.Commit {
	joined := *second
	joined.Events = slices.Concat(first.Events, second.Events)
	joined.State = slices.Concat(first.State, second.State)
	joined.Send = slices.Concat(first.Send, second.Send)
	if joined.CustomStatus == nil {
		joined.CustomStatus = first.CustomStatus
	}
	joined.Name, joined.Version = first.Name, first.Version
	joined.PruneThrough = max(first.PruneThrough, second.PruneThrough)
	return &joined
}

// machine is the live machine of the instance if it stands where the store
// does, or one made by replaying its history.
func (n *Native) machine(ctx context.Context, w Work, live *replay.Machine) (*replay.Machine, error) {
	i := w.Turn.Instance
	if live != nil && live.Execution() == i.Execution && live.LastEvent() == i.LastEvent {
		return live, nil
	}
	name, version := i.Name, i.Version
	if i.Execution == 0 {
		start := startOf(w.Turn)
		if start == nil {
			return nil, &ParkError{Reason: "the instance has never run and its start is missing: purge it and start it again"}
		}
		name, version = start.Name, start.Version
	}
	o, found := n.registry.Orchestration(name, version)
	if !found {
		return nil, missingHandler(name, version)
	}
	m := n.newMachine(i.ID, o, false)
	n.live.put(i.ID, m)
	if i.Execution > 0 {
		if err := n.replay(ctx, w, m); err != nil {
			return nil, n.explain(ctx, w, err)
		}
	}
	return m, nil
}

// startOf is the start with which the first turn of an instance begins.
func startOf(t *provider.Turn) *history.ExecutionStarted {
	if len(t.Messages) == 0 {
		return nil
	}
	start, _ := t.Messages[0].Data.(*history.ExecutionStarted)
	return start
}

func (n *Native) newMachine(id history.InstanceID, o registry.Orchestration, trace bool) *replay.Machine {
	config := replay.Config{Instance: id, Func: o.Run, Env: n.env, Trace: trace, Inline: n.inline(o)}
	if n.env.Codec == codec.JSON { // other codecs may encode the same value to other bytes
		config.InputChanged = func(event int64, name string) {
			n.env.Logger.Warn("replayed code gives another input than history recorded; the recorded result stays in force: look whether the code depends on something that replay does not repeat",
				"instance", string(id), "orchestration", o.Name, "event", event, "called", name)
		}
	}
	return replay.New(config)
}

func (n *Native) replay(ctx context.Context, w Work, m *replay.Machine) error {
	n.replays.Add(1)
	fed := int64(0)
	for e, err := range w.History(ctx, 0) {
		if err != nil {
			return err
		}
		if err := m.Replay(e); err != nil {
			return err
		}
		fed++
	}
	n.events.Add(fed)
	if want := w.Turn.Instance.LastEvent; m.LastEvent() != want {
		return fmt.Errorf("%w: the history of instance %q, execution %d, ends at event %d and its status row says %d",
			provider.ErrCorrupt, w.Turn.Instance.ID, w.Turn.Instance.Execution, m.LastEvent(), want)
	}
	return nil
}

// explain turns the errors that only a deploy or an operator can heal into
// reasons to park. Non-determinism is replayed once more, to learn the line.
func (n *Native) explain(ctx context.Context, w Work, err error) error {
	if _, ok := errors.AsType[*replay.NonDeterminismError](err); ok {
		if o, found := n.registry.Orchestration(w.Turn.Instance.Name, w.Turn.Instance.Version); found {
			m := n.newMachine(w.Turn.Instance.ID, o, true)
			for e, historyErr := range w.History(ctx, 0) {
				if historyErr != nil {
					break
				}
				if traced := m.Replay(e); traced != nil {
					err = traced
					break
				}
			}
			m.Stop()
		}
		return &ParkError{Reason: err.Error()}
	}
	if _, ok := errors.AsType[*history.InvalidError](err); ok {
		return &ParkError{Reason: err.Error() + ". The stored history is damaged: restore it from a backup, or purge the instance"}
	}
	return err
}

func missingHandler(name, version string) error {
	if version != "" {
		name += " " + version
	}
	return &ParkError{Reason: fmt.Sprintf("orchestration %s is not registered with this worker: deploy a worker that has it", name)}
}

// answerFinal is the commit for an instance that has ended: its messages mean
// nothing any more, but a parent whose child could not start is told.
func answerFinal(w Work) *provider.Commit {
	c := &provider.Commit{Consumed: len(w.Turn.Messages)}
	for _, msg := range w.Turn.Messages {
		if start, ok := msg.Data.(*history.ExecutionStarted); ok {
			c.Send = refuse(c.Send, w, start)
		}
	}
	return c
}

// refuse answers a start for an instance that exists, unless it is the very
// start that made it.
func refuse(send []provider.Message, w Work, start *history.ExecutionStarted) []provider.Message {
	if start.RequestID == w.Turn.Instance.RequestID {
		return send
	}
	if msg := replay.Refusal(w.Turn.Instance.ID, start, w.Now); msg != nil {
		send = append(send, *msg)
	}
	return send
}

// inline runs inline activities, with a context of their own.
func (n *Native) inline(o registry.Orchestration) replay.Inline {
	return func(id history.ActivityID, s *history.ActivityScheduled, attempt int) (history.Payload, *history.Failure, error) {
		a, found := n.registry.Activity(s.Name)
		if !found {
			return nil, nil, &ParkError{Reason: fmt.Sprintf("inline activity %q is not registered with this worker: deploy a worker that has it", s.Name)}
		}
		ctx, free := limit(context.Background(), s, n.now())
		defer free()
		task := &provider.ActivityTask{
			ID: id, Orchestration: o.Name, Version: o.Version, Delivery: 1,
			Activity: provider.Activity{Attempt: attempt, Scheduled: history.Event{ID: id.Event, Execution: id.Execution, Data: s}},
		}
		done := make(chan result, 1)
		go call(registry.WithInvocation(ctx, registry.NewInvocation(task, n.env)), a, s.Input, done)
		r := <-done
		if r.f == nil {
			return r.output, nil, nil
		}
		if cause := context.Cause(ctx); errors.Is(cause, registry.ErrTimeout) {
			r.f = timedOut(cause, r.f)
		}
		r.f.Activity, r.f.Attempt = s.Name, attempt
		return nil, r.f, nil
	}
}
