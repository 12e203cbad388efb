package core

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// ClientConfig configures a client. The zero value is good.
type ClientConfig struct {
	// Codec must be that of every worker and client of the hub. Default:
	// codec.JSON.
	Codec codec.Codec
	// RetryFor is how long a message is sent again while storage is unavailable
	// or its answer is lost, unless the context ends first. Default 30 s.
	RetryFor time.Duration
	// Interceptors wrap the sending of every message, the first outermost.
	Interceptors []ClientInterceptor
}

// ClientInterceptor wraps the sending of a message: for tracing, authorisation
// or headers (of a *history.ExecutionStarted). It calls next at most once.
type ClientInterceptor func(ctx context.Context, m *provider.Message, next func(context.Context, *provider.Message) error) error

// Client starts instances, talks to them and reads them. It is safe for
// concurrent use and needs no closing.
type Client struct {
	store  provider.Store
	config ClientConfig
}

var _ orchestration.Client = (*Client)(nil)

// NewClient makes a client of a store.
func NewClient(store provider.Store, config ClientConfig) *Client {
	if config.Codec == nil {
		config.Codec = codec.JSON
	}
	if config.RetryFor <= 0 {
		config.RetryFor = 30 * time.Second
	}
	return &Client{store: store, config: config}
}

// StartInstance starts an instance by the name of its orchestration. The typed
// way is Start of a declared orchestration.
func (c *Client) StartInstance(ctx context.Context, name string, input any, o orchestration.StartOptions) (history.InstanceID, error) {
	id := o.ID
	if id == "" {
		id = history.InstanceID(draw())
	}
	if err := errors.Join(history.ValidateName("orchestration", name), id.Validate(), history.ValidateTags(o.Tags)); err != nil {
		return "", fmt.Errorf("starting orchestration %q: %w", name, err)
	}
	payload, err := c.encode(fmt.Sprintf("input of orchestration %q", name), input)
	if err != nil {
		return "", err
	}
	request := o.RequestID
	message := startOf(id, request)
	if request == "" {
		request = draw()
		message = request
	}
	start := &history.ExecutionStarted{
		Name: name, Version: o.Version, Input: payload, RequestID: request, Seed: draw(), Tags: o.Tags, Headers: o.Headers,
	}
	m := provider.Message{ID: message, To: id, Data: start, Start: &provider.Start{
		Name: name, Version: o.Version, RequestID: request, Tags: o.Tags, Reuse: o.Reuse,
	}}
	if !o.At.IsZero() {
		at := o.At.UTC().Round(0)
		m.Due, start.Scheduled = at, &at
	}
	if err := c.send(ctx, m); err != nil {
		return "", fmt.Errorf("starting orchestration %q as instance %q: %w", name, id, err)
	}
	return id, nil
}

// startOf is the id of the message that starts an instance for a request of the
// user's: one request may start several, and ids of messages are unique.
func startOf(id history.InstanceID, request string) string {
	sum := sha256.Sum256([]byte(string(id) + "\x00" + request)) // an id holds no zero byte
	return hex.EncodeToString(sum[:16])
}

// Raise raises an event for an instance, or puts a message into its queue, by
// name. The typed way is Raise of a declared event, and Put of a queue.
func (c *Client) Raise(ctx context.Context, id history.InstanceID, name string, queue bool, value any) error {
	what := "event"
	if queue {
		what = "queue"
	}
	if err := errors.Join(history.ValidateName(what, name), id.ValidateAny()); err != nil {
		return fmt.Errorf("raising %q: %w", name, err)
	}
	payload, err := c.encode(fmt.Sprintf("payload of %q", name), value)
	if err != nil {
		return err
	}
	err = c.send(ctx, provider.Message{ID: draw(), To: id, Data: &history.EventRaised{Name: name, Queue: queue, Payload: payload}})
	if err != nil {
		return fmt.Errorf("raising %q for instance %q: %w", name, id, err)
	}
	return nil
}

// Cancel asks an instance to cancel. It returns when the request is stored; the
// instance ends in its own time, after its cleanup.
func (c *Client) Cancel(ctx context.Context, id history.InstanceID, reason string) error {
	if len(reason) > history.MaxDescriptionLength {
		return &history.LimitError{What: "the reason to cancel", Size: len(reason), Limit: history.MaxDescriptionLength, Unit: "bytes"}
	}
	if _, err := c.Status(ctx, id); err != nil {
		return err
	}
	if err := c.send(ctx, provider.Message{ID: draw(), To: id, Data: &history.CancelRequested{Reason: reason}}); err != nil {
		return fmt.Errorf("cancelling instance %q: %w", id, err)
	}
	return nil
}

// Result waits for the end of an instance and decodes its output into what
// output points to. See Handle.Wait.
func (c *Client) Result(ctx context.Context, id history.InstanceID, output any) error {
	i, err := c.Wait(ctx, id, provider.Until{Final: true})
	if err != nil {
		return err
	}
	if i.Status != history.StatusCompleted {
		f := i.Failure
		if f == nil {
			f = &history.Failure{Kind: history.FailureError, Message: string(i.Status)}
		}
		return orchestration.NewError(i.Name, id, f)
	}
	if err := c.config.Codec.Decode(i.Output, output); err != nil {
		return fmt.Errorf("output of instance %q: %w", id, err)
	}
	return nil
}

// Wait blocks until a condition holds for an instance: that it has started,
// ended, or changed its custom status. See [Client.Watch] for all changes. While
// the store is unavailable it tries again: only the end of ctx ends that.
func (c *Client) Wait(ctx context.Context, id history.InstanceID, until provider.Until) (*provider.Instance, error) {
	for delay := firstRetry; ; delay = min(2*delay, lastRetry) {
		i, err := c.store.Wait(ctx, id, until)
		if err == nil {
			return i, nil
		}
		if !provider.Retryable(err) || !sleep(ctx, provider.RetryAfter(err, delay)) {
			return nil, fmt.Errorf("waiting for instance %q: %w", id, err)
		}
	}
}

// Watch yields an instance as it is, and again each time its custom status has
// changed, until it has ended: as it ended is the last. Changes that follow each
// other faster than the loop reads are seen as one. It yields one error at most, and
// then stops: provider.ErrNotFound if there is no such instance, or the end of ctx.
func (c *Client) Watch(ctx context.Context, id history.InstanceID) iter.Seq2[*provider.Instance, error] {
	return func(yield func(*provider.Instance, error) bool) {
		for until := (provider.Until{}); ; {
			i, err := c.Wait(ctx, id, until)
			if !yield(i, err) || err != nil || i.Status.Final() {
				return
			}
			until.StatusRevision = i.StatusRevision + 1
		}
	}
}

// Decode decodes a payload of an instance as it was read, such as its custom status
// or its output, into what value points to, which stays as it is if there is none.
func (c *Client) Decode(p history.Payload, value any) error {
	return c.config.Codec.Decode(p, value)
}

// Status reads what is known of an instance.
func (c *Client) Status(ctx context.Context, id history.InstanceID) (*provider.Instance, error) {
	i, err := c.store.Instance(ctx, id)
	if err != nil {
		return nil, fmt.Errorf("reading instance %q: %w", id, err)
	}
	return i, nil
}

// State decodes a value of the instance's state into what value points to,
// which stays as it is if the value is not set.
func (c *Client) State(ctx context.Context, id history.InstanceID, key string, value any) error {
	p, err := c.store.State(ctx, id, key)
	if err == nil {
		err = c.config.Codec.Decode(p, value)
	}
	if err != nil {
		return fmt.Errorf("reading state %q of instance %q: %w", key, id, err)
	}
	return nil
}

// CustomStatus decodes the custom status of an instance into what value points
// to, which stays as it is if none is set.
func (c *Client) CustomStatus(ctx context.Context, id history.InstanceID, value any) error {
	i, err := c.Status(ctx, id)
	if err == nil {
		err = c.config.Codec.Decode(i.CustomStatus, value)
	}
	return err
}

// History streams the events of an execution; 0 means the current one.
func (c *Client) History(ctx context.Context, id history.InstanceID, execution int64) iter.Seq2[history.Event, error] {
	return c.store.History(ctx, id, execution, 0)
}

// List reads a page of instances.
func (c *Client) List(ctx context.Context, q provider.Query) ([]provider.Instance, error) {
	return c.store.List(ctx, q)
}

// Purge removes an instance that has ended and everything that belongs to it. A
// child start that waits for the instance's answer makes the next one of its id.
func (c *Client) Purge(ctx context.Context, id history.InstanceID) error {
	if err := c.store.Purge(ctx, id, false); err != nil {
		return fmt.Errorf("purging instance %q: %w", id, err)
	}
	return nil
}

func (c *Client) encode(what string, v any) (history.Payload, error) {
	p, err := c.config.Codec.Encode(v)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return p, history.ValidatePayload(what, len(p))
}

// The delays between two sends of one message.
const (
	firstRetry = 20 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// send sends a message, again if need be: under its one id it is applied once.
func (c *Client) send(ctx context.Context, m provider.Message) error {
	m.Sent = time.Now().UTC().Round(0)
	deliver := func(ctx context.Context, m *provider.Message) error {
		giveUp := m.Sent.Add(c.config.RetryFor)
		for delay := firstRetry; ; delay = min(2*delay, lastRetry) {
			err := c.store.Send(ctx, *m)
			if err == nil || !provider.Retryable(err) || time.Now().After(giveUp) {
				return err
			}
			if !sleep(ctx, provider.RetryAfter(err, delay)) {
				return err
			}
		}
	}
	for _, interceptor := range slices.Backward(c.config.Interceptors) {
		next := deliver
		deliver = func(ctx context.Context, m *provider.Message) error { return interceptor(ctx, m, next) }
	}
	return deliver(ctx, &m)
}

// sleep waits, unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// draw makes an id that nobody else draws: 128 random bits, in hexadecimal.
func draw() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
