package providerfault

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Store is a [provider.Store] that fails on purpose.
type Store struct {
	store    provider.Store
	injector *Injector

	life context.Context // ends with the crash
	die  context.CancelFunc
}

var (
	_ provider.Store = (*Store)(nil)
	_ provider.Named = (*Store)(nil)
)

// Wrap makes the store fail as the injector says.
func Wrap(s provider.Store, in *Injector) *Store {
	life, die := context.WithCancel(context.Background())
	return &Store{store: s, injector: in, life: life, die: die}
}

// Unwrap is the store below.
func (s *Store) Unwrap() provider.Store { return s.store }

// Hub implements [provider.Named]: the name is that of the store below.
func (s *Store) Hub() string {
	if named, ok := s.store.(provider.Named); ok {
		return named.Hub()
	}
	return "default"
}

// Crashed is closed when a rule lets the process die.
func (s *Store) Crashed() <-chan struct{} { return s.life.Done() }

// call is one operation on its way.
type call struct {
	s   *Store
	op  Op
	id  history.InstanceID
	v   verdict
	ctx context.Context
	end context.CancelFunc
}

// begin decides about a call and serves what happens before it is applied. On
// an error the store must not be reached.
func (s *Store) begin(ctx context.Context, op Op, id history.InstanceID) (*call, error) {
	if s.dead() {
		return nil, s.closed(op, id)
	}
	c := &call{s: s, op: op, id: id, v: s.injector.judge(op, id, false)}
	if err := s.delay(ctx, c.v.delay); err != nil {
		if s.dead() {
			return nil, s.closed(op, id)
		}
		return nil, err // nothing was applied, and a context that ended says so
	}
	switch c.v.outcome {
	case Before:
		return nil, c.fault(provider.ErrUnavailable)
	case Unknown:
		if op.Reads() {
			return nil, c.fault(provider.ErrUnavailable)
		}
		return nil, c.fault(provider.ErrUnknown)
	case Crash:
		s.die()
		return nil, s.closed(op, id)
	default: // what happens afterwards
	}
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithCancel(ctx)
	stop := context.AfterFunc(s.life, cancel) // the process dies meanwhile
	c.end = func() { stop(); cancel() }
	return c, nil
}

// finish turns what the store answered into what the caller gets.
func (c *call) finish(err error) error {
	c.end()
	if c.v.late() && err == nil {
		if c.v.outcome == CrashAfter {
			c.s.die()
		} else if c.op.Reads() {
			return c.fault(provider.ErrUnavailable)
		} else {
			return c.fault(provider.ErrUnknown)
		}
	}
	if c.s.dead() { // the process died before it learned the answer
		err = c.s.closed(c.op, c.id)
		if !c.op.Reads() {
			err = fmt.Errorf("%w: %w", err, provider.ErrUnknown)
		}
	}
	return err
}

func (s *Store) dead() bool { return s.life.Err() != nil }

func (s *Store) delay(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.life.Done():
		return provider.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

// closed is what every call gets after the crash.
func (s *Store) closed(op Op, id history.InstanceID) error {
	return fmt.Errorf("%v %q: the process died in a fault test: %w", op, id, provider.ErrClosed)
}

func (c *call) fault(sentinel error) error {
	return fmt.Errorf("%v %q: %w: a fault test asked for it (%v)", c.op, c.id, sentinel, c.v.rule)
}

// Send implements [provider.Store].
func (s *Store) Send(ctx context.Context, m provider.Message) error {
	c, err := s.begin(ctx, Send, m.To)
	if err != nil {
		return err
	}
	return c.finish(s.store.Send(c.ctx, m))
}

// Instance implements [provider.Store].
func (s *Store) Instance(ctx context.Context, id history.InstanceID) (*provider.Instance, error) {
	return ask(ctx, s, ReadInstance, id, func(ctx context.Context) (*provider.Instance, error) { return s.store.Instance(ctx, id) })
}

// Wait implements [provider.Store].
func (s *Store) Wait(ctx context.Context, id history.InstanceID, until provider.Until) (*provider.Instance, error) {
	return ask(ctx, s, Wait, id, func(ctx context.Context) (*provider.Instance, error) { return s.store.Wait(ctx, id, until) })
}

// History implements [provider.Store]. A fault comes before the first event,
// or, with the outcome After, in place of the last one read.
func (s *Store) History(ctx context.Context, id history.InstanceID, execution, after int64) iter.Seq2[history.Event, error] {
	return s.stream(ctx, id, func(ctx context.Context) iter.Seq2[history.Event, error] {
		return s.store.History(ctx, id, execution, after)
	})
}

// State implements [provider.Store].
func (s *Store) State(ctx context.Context, id history.InstanceID, key string) (history.Payload, error) {
	return ask(ctx, s, ReadState, id, func(ctx context.Context) (history.Payload, error) { return s.store.State(ctx, id, key) })
}

// List implements [provider.Store].
func (s *Store) List(ctx context.Context, q provider.Query) ([]provider.Instance, error) {
	return ask(ctx, s, List, "", func(ctx context.Context) ([]provider.Instance, error) { return s.store.List(ctx, q) })
}

// Outstanding implements [provider.Store].
func (s *Store) Outstanding(ctx context.Context, id history.InstanceID) (*provider.Outstanding, error) {
	return ask(ctx, s, ReadOutstanding, id, func(ctx context.Context) (*provider.Outstanding, error) { return s.store.Outstanding(ctx, id) })
}

// DeadLetters implements [provider.Store].
func (s *Store) DeadLetters(ctx context.Context, limit int) ([]provider.DeadLetter, error) {
	return ask(ctx, s, ReadDeadLetters, "", func(ctx context.Context) ([]provider.DeadLetter, error) { return s.store.DeadLetters(ctx, limit) })
}

// Purge implements [provider.Store].
func (s *Store) Purge(ctx context.Context, id history.InstanceID, force bool) error {
	c, err := s.begin(ctx, Purge, id)
	if err != nil {
		return err
	}
	return c.finish(s.store.Purge(c.ctx, id, force))
}

// Join implements [provider.Store]. A host that joined and whose caller never
// learned it leaves again.
func (s *Store) Join(ctx context.Context, info provider.HostInfo) (provider.Host, error) {
	c, err := s.begin(ctx, Join, "")
	if err != nil {
		return nil, err
	}
	h, err := s.store.Join(c.ctx, info)
	if failed := c.finish(err); failed != nil {
		if err == nil && !s.dead() {
			_ = h.Leave(context.WithoutCancel(ctx)) // The caller gets an error already.
		}
		return nil, failed
	}
	return &Host{host: h, s: s}, nil
}

// Close implements [provider.Store]. The store is closed even if it fails,
// unless the process is dead.
func (s *Store) Close() error {
	c, err := s.begin(context.Background(), Close, "")
	if err != nil {
		if !s.dead() {
			_ = s.store.Close() // The caller gets an error already.
		}
		return err
	}
	return c.finish(s.store.Close())
}

// ask is a read.
func ask[T any](ctx context.Context, s *Store, op Op, id history.InstanceID, read func(context.Context) (T, error)) (T, error) {
	var zero T
	c, err := s.begin(ctx, op, id)
	if err != nil {
		return zero, err
	}
	v, err := read(c.ctx)
	if failed := c.finish(err); failed != nil {
		return zero, failed
	}
	return v, nil
}

func (s *Store) stream(ctx context.Context, id history.InstanceID, read func(context.Context) iter.Seq2[history.Event, error]) iter.Seq2[history.Event, error] {
	return func(yield func(history.Event, error) bool) {
		c, err := s.begin(ctx, ReadHistory, id)
		if err != nil {
			yield(history.Event{}, err)
			return
		}
		defer c.end()
		var held *history.Event // one behind, so that a late fault can take the place of the last event
		for event, err := range read(c.ctx) {
			if s.dead() {
				err = s.closed(ReadHistory, id)
			}
			if err != nil {
				yield(history.Event{}, err)
				return
			}
			if held != nil && !yield(*held, nil) {
				return
			}
			held = &event
		}
		if err := c.finish(nil); err != nil {
			yield(history.Event{}, err)
			return
		}
		if held != nil {
			yield(*held, nil)
		}
	}
}
