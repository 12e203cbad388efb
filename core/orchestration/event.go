package orchestration

import (
	"context"
	"fmt"
	"iter"
	"strings"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/internal/replay"
)

// WaitOptions are the options of a wait or a timer.
type WaitOptions struct {
	// Description tells people what is waited for.
	Description string
}

// WaitOption is an option of a wait: [WaitOptions].
type WaitOption interface{ applyWait(*WaitOptions) }

func (o WaitOptions) applyWait(to *WaitOptions) { *to = o }

func waitOptions(options []WaitOption) WaitOptions {
	var o WaitOptions
	for _, option := range options {
		option.applyWait(&o)
	}
	if len(o.Description) > history.MaxDescriptionLength {
		o.Description = strings.ToValidUTF8(o.Description[:history.MaxDescriptionLength], "")
	}
	return o
}

// Event is a declared external event. The n-th wait receives the n-th event
// raised under the name; an event that comes before its wait is kept for it,
// across continue-as-new, too. A cancelled wait gives up its place in line.
type Event[T any] struct{ name string }

// DeclareEvent declares an event.
func DeclareEvent[T any](name string) Event[T] { return Event[T]{name} }

// Name is the declared name.
func (e Event[T]) Name() string { return e.name }

// Wait waits for the next event of the name.
func (e Event[T]) Wait(c *Context, options ...WaitOption) *Future[T] {
	return wait[T](c, "event", e.name, false, options)
}

// Raise raises the event for an instance. A nil error says that it is stored
// and will be delivered once. Raising for an instance that has ended is no
// error; for one that does not exist yet, the event waits for it.
func (e Event[T]) Raise(ctx context.Context, client Client, id history.InstanceID, value T) error {
	return raise(ctx, client, "event", e.name, false, id, value)
}

// Send raises the event for another instance from within an orchestration. It
// leaves with the commit of the turn.
func (e Event[T]) Send(c *Context, id history.InstanceID, value T) error {
	return send(c, "event", e.name, false, id, value)
}

// Queue is a declared mailbox: messages are received one by one, in the order
// in which they were stored, and survive continue-as-new.
type Queue[T any] struct{ name string }

// DeclareQueue declares a queue.
func DeclareQueue[T any](name string) Queue[T] { return Queue[T]{name} }

// Name is the declared name.
func (q Queue[T]) Name() string { return q.name }

// Receive waits for the next message.
func (q Queue[T]) Receive(c *Context, options ...WaitOption) *Future[T] {
	return wait[T](c, "queue", q.name, true, options)
}

// All yields the messages one after another, for an actor's loop. It ends after
// yielding an error: [ErrCancelled], or a message that cannot be decoded.
func (q Queue[T]) All(c *Context) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for {
			v, err := q.Receive(c).Await()
			if !yield(v, err) || err != nil {
				return
			}
		}
	}
}

// Put puts a message into the queue of an instance, as [Event.Raise].
func (q Queue[T]) Put(ctx context.Context, client Client, id history.InstanceID, value T) error {
	return raise(ctx, client, "queue", q.name, true, id, value)
}

// Send puts a message into the queue of another instance, as [Event.Send].
func (q Queue[T]) Send(c *Context, id history.InstanceID, value T) error {
	return send(c, "queue", q.name, true, id, value)
}

func wait[T any](c *Context, what, name string, queue bool, options []WaitOption) *Future[T] {
	if err := history.ValidateName(what, name); err != nil {
		return failed[T](c, err)
	}
	task := c.r.Wait(name, queue, waitOptions(options).Description)
	return NewFuture(task, func(t *replay.Task) (T, error) {
		var v T
		payload, _, err := t.Result()
		if err != nil {
			return v, err
		}
		if err := c.env.Codec.Decode(payload, &v); err != nil {
			return v, fmt.Errorf("%s %q: %w", what, name, err)
		}
		return v, nil
	})
}

func raise(ctx context.Context, client Client, what, name string, queue bool, id history.InstanceID, value any) error {
	if err := history.ValidateName(what, name); err != nil {
		return err
	}
	return client.Raise(ctx, id, name, queue, value)
}

func send(c *Context, what, name string, queue bool, id history.InstanceID, value any) error {
	if err := history.ValidateName(what, name); err != nil {
		return err
	}
	if err := id.ValidateAny(); err != nil {
		return fmt.Errorf("%s %q: the receiver: %w", what, name, err)
	}
	p, err := encode(c, fmt.Sprintf("payload of %s %q", what, name), value)
	if err != nil {
		return err
	}
	c.r.SendEvent(&history.EventSent{To: id, Name: name, Queue: queue, Payload: p})
	return nil
}
