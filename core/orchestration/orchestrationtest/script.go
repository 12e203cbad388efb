package orchestrationtest

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// Activity is a handle of an activity, as activity.Declare returns it.
type Activity interface{ Name() string }

// script is what the test wants to happen to an activity.
type script struct {
	delay    time.Duration
	failures []scriptedFailure
	losses   int
}

type scriptedFailure struct {
	times int
	err   error
}

func (e *Env) script(a Activity) *script {
	s := e.scripts[a.Name()]
	if s == nil {
		s = &script{}
		e.scripts[a.Name()] = s
	}
	return s
}

// Delay says how long every attempt of an activity takes, in virtual time.
// Beyond the activity's timeout it times out. Inline activities take no time.
func (e *Env) Delay(a Activity, d time.Duration) *Env {
	e.script(a).delay = d
	return e
}

// Fail lets the next attempts of an activity fail with an error, instead of
// running it. The error makes the trip through storage. Failures of several
// calls follow one another; then the activity runs.
func (e *Env) Fail(a Activity, times int, err error) *Env {
	e.t.Helper()
	if times < 1 || err == nil {
		e.t.Fatalf("orchestrationtest: Fail(%s, %d, %v): it needs a number of times and an error", a.Name(), times, err)
	}
	s := e.script(a)
	s.failures = append(s.failures, scriptedFailure{times, err})
	return e
}

// Lose lets the worker die that runs the next attempts of an activity: it is
// run, what it returns is lost, and it is delivered again, as the same attempt.
// It shows whether an activity bears being run twice.
func (e *Env) Lose(a Activity, times int) *Env {
	e.script(a).losses += times
	return e
}

func (s *script) nextFailure() error {
	if s == nil || len(s.failures) == 0 {
		return nil
	}
	f := &s.failures[0]
	err := f.err
	if f.times--; f.times <= 0 {
		s.failures = s.failures[1:]
	}
	return err
}

func (s *script) lost() bool {
	if s == nil || s.losses <= 0 {
		return false
	}
	s.losses--
	return true
}

func (s *script) takes() time.Duration {
	if s == nil {
		return 0
	}
	return s.delay
}

// checkScripts finds scripts for activities that do not exist: most often a
// misspelt name, or the handle of an orchestration.
func (e *Env) checkScripts() {
	for _, name := range slices.Sorted(maps.Keys(e.scripts)) {
		if _, found := e.registry.Activity(name); !found {
			e.fatal("activity %q is scripted (Delay, Fail or Lose) and not registered: register it, e.Register(%s.Func(fake)); a child is faked by registering another function for it", name, name)
		}
	}
}

// RaiseAt raises an event for the instance that [Run] or [Start] starts next,
// when it is so old. The handle's own Raise does the same for any instance,
// with [Env.After] as its client.
func RaiseAt[V any](e *Env, age time.Duration, event orchestration.Event[V], value V) {
	e.t.Helper()
	payload := e.encode(fmt.Sprintf("payload of event %q", event.Name()), value)
	e.onStart = append(e.onStart, func(id history.InstanceID) { e.raise(age, id, event.Name(), false, payload) })
}

// PutAt puts a message into a queue, as [RaiseAt].
func PutAt[V any](e *Env, age time.Duration, queue orchestration.Queue[V], value V) {
	e.t.Helper()
	payload := e.encode(fmt.Sprintf("payload of queue %q", queue.Name()), value)
	e.onStart = append(e.onStart, func(id history.InstanceID) { e.raise(age, id, queue.Name(), true, payload) })
}

// CancelAt asks the instance that [Run] or [Start] starts next to cancel, when
// it is so old.
func (e *Env) CancelAt(age time.Duration, reason string) *Env {
	e.onStart = append(e.onStart, func(id history.InstanceID) { e.requestCancel(age, id, reason) })
	return e
}

// encode encodes a value of the test.
func (e *Env) encode(what string, v any) history.Payload {
	e.t.Helper()
	p, err := e.config.Codec.Encode(v)
	if err = errors.Join(err, history.ValidatePayload(what, len(p))); err != nil {
		e.fatal("%s: %v", what, err)
	}
	return p
}
