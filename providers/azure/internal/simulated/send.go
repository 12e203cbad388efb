package simulated

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// request is a call under way.
type request struct {
	client *Client
	call   Call
	fault  Fault
	hash   uint64     // of what it asks
	lots   *rand.Rand // all that is drawn for it
	apply  func(*request) (any, error)
	moved  moved // what it moved, once it was applied
	late   bool  // its caller has left

	// The instants of its stations; zero means at once.
	arrives, answered, gaveUp time.Time
}

// send takes a call to the service and back.
func send[T any](ctx context.Context, c *Client, call Call, apply func(*request) (T, error)) (T, error) {
	q := &request{client: c, call: call, apply: func(q *request) (any, error) { return apply(q) }}
	var none T
	answer, err, lost := q.send(ctx)
	switch {
	case lost != nil:
		return none, q.failed(ctx, lost)
	case err != nil:
		return none, err
	}
	return answer.(T), nil
}

// send gives the service's answer, or the reason why none came.
func (q *request) send(ctx context.Context) (answer any, err, lost error) {
	if lost := q.client.running(ctx); lost != nil {
		return nil, nil, lost
	}
	if lost := ctx.Err(); lost != nil {
		return nil, nil, lost
	}
	if lost := q.plan(); lost != nil {
		return nil, nil, lost
	}
	if lost := q.depart(ctx); lost != nil {
		return nil, nil, lost
	}
	answer, err, lost = q.client.a.serve(q)
	if lost != nil {
		return nil, nil, lost
	}
	return answer, err, q.back(ctx)
}

// plan gives the request its numbers, its fault and its times.
func (q *request) plan() error {
	c, a := q.client, q.client.a
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.closed {
		return errClosed
	}
	a.mu.calls++
	c.guarded.calls++
	q.call.Client, q.call.Handle = c.name, c.handle
	q.call.N, q.call.NClient = a.mu.calls, c.guarded.calls
	what := q.call.String()
	c.guarded.asked[what]++
	q.call.Again = c.guarded.asked[what]
	q.hash = q.call.hash()
	q.lots = rand.New(rand.NewPCG(c.stream, q.hash))
	if a.mu.decide != nil {
		q.fault = a.mu.decide(q.call)
	}
	if q.fault.Kind == Late && q.call.Kind.Reads() {
		q.fault = Fault{Kind: Reset}
	}
	a.mu.faults[q.fault.Kind]++
	if c.guarded.cut {
		q.fault = Fault{Kind: LostRequest}
	}

	now, latency := time.Now(), time.Duration(0)
	if a.cfg.Latency != nil {
		latency = a.cfg.Latency(q.call, q.lots)
	}
	arrives := now.Add(latency / 2)
	answered := now.Add(latency)
	if q.fault.Kind == Slow {
		arrives, answered = arrives.Add(q.fault.Delay), answered.Add(q.fault.Delay)
	}
	if arrives.After(now) {
		q.arrives, q.answered = c.instantLocked(arrives, q.hash), c.instantLocked(answered, q.hash)
	}
	if a.cfg.TryTimeout > 0 {
		q.gaveUp = c.instantLocked(now.Add(a.cfg.TryTimeout), q.hash)
	}
	return nil
}

// patient reports whether the client still waits at an instant.
func (q *request) patient(at time.Time) bool { return q.gaveUp.IsZero() || at.Before(q.gaveUp) }

// depart takes the request to the service, or tells why it does not come there
// while its caller waits.
func (q *request) depart(ctx context.Context) error {
	a := q.client.a
	switch {
	case q.fault.Kind == CrashBefore:
		q.client.Kill()
		return a.stray(q, errKilled)
	case q.fault.Kind == LostRequest:
		return a.stray(q, errLost)
	case q.fault.Kind == Late:
		a.later(q, time.Now().Add(q.fault.Delay))
		return ErrReset
	case !q.patient(q.arrives):
		a.later(q, q.arrives)
		return errLost
	}
	if err := q.client.wait(ctx, q.arrives); err != nil {
		if q.lots.IntN(2) == 0 {
			a.later(q, q.arrives) // It had left already.
		}
		return err
	}
	if q.fault.Kind == Reset {
		return a.stray(q, ErrReset)
	}
	return nil
}

// stray records that a request never arrives.
func (a *Account) stray(q *request, why error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.traceLocked(q, "never arrives: "+why.Error())
	return why
}

// later applies a request although its caller has left, unless the caller was
// killed by then or the account is closed first.
func (a *Account) later(q *request, at time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.closed || q.client.guarded.dead {
		return
	}
	at = q.client.instantLocked(at, q.hash)
	a.late.Go(func() {
		if q.client.wait(context.Background(), at) != nil {
			return
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if !a.mu.closed {
			q.late = true
			_, err := a.applyLocked(q)
			a.traceLocked(q, "late: "+outcome(err))
		}
	})
}

// serve is what the service does with a request that arrives. Either it answers,
// or the caller hears nothing, and lost says why.
func (a *Account) serve(q *request) (answer any, err, lost error) {
	c := q.client
	a.mu.Lock()
	defer a.mu.Unlock()
	defer func() {
		told := outcome(err)
		if lost != nil {
			told += ", lost: " + lost.Error()
		}
		a.traceLocked(q, told)
	}()
	switch {
	case a.mu.closed:
		return nil, nil, errClosed
	case c.guarded.dead:
		return nil, nil, errKilled
	case c.guarded.cut:
		return nil, nil, errLost
	case q.fault.Kind == Busy:
		return nil, &storage.WaitError{Cause: q.class(errBusy)}, nil
	case q.fault.Kind == Throttle:
		return nil, &storage.WaitError{After: q.fault.Delay, Cause: q.class(errBusy)}, nil
	case q.fault.Kind == Denied:
		return nil, fmt.Errorf("%v: %w: %w", q.call, storage.ErrDenied, errDenied), nil
	case a.cfg.MaxSkew > 0 && (c.guarded.skew-a.ahead).Abs() > a.cfg.MaxSkew:
		return nil, fmt.Errorf("%v: %w: %w", q.call, storage.ErrDenied, errClock), nil
	}
	answer, err = a.applyLocked(q)
	switch {
	case q.fault.Kind == CrashAfter:
		c.killLocked()
		lost = errKilled
	case q.fault.Kind == LostAnswer:
		lost = errLost
	case q.fault.Kind == ResetAfter:
		lost = ErrReset
	case q.fault.Kind == Garbled && q.call.Kind.Reads():
		return nil, fmt.Errorf("%v: %w", q.call, ErrGarbled), nil
	case q.fault.Kind == Garbled:
		lost = ErrGarbled
	}
	return answer, err, lost
}

// applyLocked applies a request and counts it.
func (a *Account) applyLocked(q *request) (any, error) {
	q.moved = moved{}
	answer, err := q.apply(q)
	own := &q.client.guarded.counts
	a.mu.counts, *own = a.mu.counts.plus(q.call.Kind, q.moved), own.plus(q.call.Kind, q.moved)
	return answer, err
}

// back takes the answer to the caller, or tells why it does not come there.
func (q *request) back(ctx context.Context) error {
	c := q.client
	if !q.answered.IsZero() && !q.patient(q.answered) {
		return errLost
	}
	if err := c.wait(ctx, q.answered); err != nil {
		return err
	}
	if err := c.running(ctx); err != nil {
		return err
	}
	c.a.mu.Lock()
	defer c.a.mu.Unlock()
	if c.guarded.cut || c.guarded.cutAnswers {
		return errLost
	}
	c.guarded.measured, c.guarded.offset = true, c.a.ahead
	return nil
}

// failed is the error of a call that got no answer, when its caller gets it.
func (q *request) failed(ctx context.Context, why error) error {
	if errors.Is(why, errLost) {
		if err := q.client.wait(ctx, q.gaveUp); err != nil {
			why = err
		}
	}
	if err := q.client.running(ctx); err != nil {
		why = err
	}
	return q.class(why)
}

// class is the error of a request whose outcome is not known, or that can be
// repeated.
func (q *request) class(why error) error {
	class := storage.ErrUnknown
	if q.call.Kind.Reads() {
		class = storage.ErrBusy
	}
	return fmt.Errorf("%v: %w: %w", q.call, class, why)
}

func outcome(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}
