package orchestrationtest

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// Client is a client of the world, for the handles' own methods: what it sends
// arrives at once; waiting for a result lets things happen.
//
//	h, err := Fulfil.Start(ctx, e.Client(), order, orchestration.StartOptions{ID: "order-7"})
//	err = Approve.Raise(ctx, e.After(2*time.Hour), "order-7", Decision{By: "ann"})
//	result, err := h.Wait(ctx)
func (e *Env) Client() orchestration.Client { return e.After(0) }

// After is a client whose messages arrive when so much time has passed from
// now.
func (e *Env) After(d time.Duration) orchestration.Client { return &client{e, d} }

type client struct {
	env   *Env
	after time.Duration
}

func (c *client) StartInstance(_ context.Context, name string, input any, o orchestration.StartOptions) (history.InstanceID, error) {
	e := c.env
	e.ids++
	n := e.ids
	if o.ID == "" {
		o.ID = history.InstanceID("test-" + strconv.Itoa(n))
	}
	if err := o.ID.Validate(); err != nil {
		return "", fmt.Errorf("starting orchestration %q: %w", name, err)
	}
	payload, err := c.encode(fmt.Sprintf("input of orchestration %q", name), input)
	if err != nil {
		return "", err
	}
	if o.RequestID == "" {
		o.RequestID = "request-" + strconv.Itoa(n)
	}
	start := &history.ExecutionStarted{
		Name: name, Version: o.Version, Input: payload, RequestID: o.RequestID, Seed: fmt.Sprintf("%032x", n), Tags: o.Tags, Headers: o.Headers,
	}
	if !o.At.IsZero() {
		at := o.At.UTC().Round(0)
		start.Scheduled = &at
	}
	if existing := e.instances[o.ID]; existing != nil && existing.row.RequestID != o.RequestID {
		final := existing.row.Status.Final()
		switch {
		case o.Reuse == provider.ReuseIgnore:
			return o.ID, nil
		case o.Reuse == provider.ReuseReplace, o.Reuse == provider.ReuseFinal && final:
			e.forget(existing)
		default:
			return "", fmt.Errorf("starting orchestration %q as instance %q: %w", name, o.ID, provider.ErrExists)
		}
	}
	due := e.now.Add(c.after)
	if o.At.After(due) {
		due = o.At
	}
	e.send(provider.Message{ID: o.RequestID, To: o.ID, Due: due, Sent: e.now, Data: start, Start: &provider.Start{
		Name: name, Version: o.Version, RequestID: o.RequestID, Tags: o.Tags, Reuse: o.Reuse,
	}})
	return o.ID, nil
}

func (c *client) Raise(_ context.Context, id history.InstanceID, name string, queue bool, value any) error {
	if id == "" {
		return fmt.Errorf("raising %q: the instance id is empty", name)
	}
	payload, err := c.encode(fmt.Sprintf("payload of %q", name), value)
	if err != nil {
		return err
	}
	c.env.raise(c.after, id, name, queue, payload)
	return nil
}

func (c *client) Cancel(_ context.Context, id history.InstanceID, reason string) error {
	if _, err := c.instance(id); err != nil {
		return err
	}
	c.env.requestCancel(c.after, id, reason)
	return nil
}

func (c *client) Result(_ context.Context, id history.InstanceID, output any) error {
	i, err := c.instance(id)
	if err != nil {
		return err
	}
	return i.result(output)
}

func (c *client) State(_ context.Context, id history.InstanceID, key string, value any) error {
	i, err := c.instance(id)
	if err != nil {
		return err
	}
	return c.env.config.Codec.Decode(i.state[key], value)
}

func (c *client) Status(_ context.Context, id history.InstanceID) (*provider.Instance, error) {
	i, err := c.instance(id)
	if err != nil {
		return nil, err
	}
	row := i.row
	return &row, nil
}

func (c *client) instance(id history.InstanceID) (*Instance, error) {
	i := c.env.instances[id]
	if i == nil {
		return nil, fmt.Errorf("instance %q: %w", id, provider.ErrNotFound)
	}
	return i, nil
}

func (c *client) encode(what string, v any) (history.Payload, error) {
	p, err := c.env.config.Codec.Encode(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return p, history.ValidatePayload(what, len(p))
}

func (e *Env) raise(after time.Duration, id history.InstanceID, name string, queue bool, payload history.Payload) {
	e.ids++
	e.send(provider.Message{
		ID: "raised-" + strconv.Itoa(e.ids), To: id, Due: e.now.Add(after), Sent: e.now,
		Data: &history.EventRaised{Name: name, Queue: queue, Payload: payload},
	})
}

func (e *Env) requestCancel(after time.Duration, id history.InstanceID, reason string) {
	e.ids++
	e.send(provider.Message{
		ID: "cancel-" + strconv.Itoa(e.ids), To: id, Due: e.now.Add(after), Sent: e.now,
		Data: &history.CancelRequested{Reason: reason},
	})
}
