package orchestration

import (
	"context"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// InstanceID names an instance within a hub.
type InstanceID = history.InstanceID

// Client is what the handles of this package need of a client. *core.Client
// implements it.
type Client interface {
	// StartInstance starts an instance and returns its id.
	StartInstance(ctx context.Context, name string, input any, o StartOptions) (history.InstanceID, error)
	// Raise raises an event, or puts a message into a queue.
	Raise(ctx context.Context, id history.InstanceID, name string, queue bool, value any) error
	// Result waits for the end of an instance and decodes its output; the error
	// of an instance that did not complete is an [*Error].
	Result(ctx context.Context, id history.InstanceID, output any) error
	// State decodes a value of the instance's state.
	State(ctx context.Context, id history.InstanceID, key string, value any) error
	// Cancel asks an instance to cancel.
	Cancel(ctx context.Context, id history.InstanceID, reason string) error
	// Status reads what is known of an instance.
	Status(ctx context.Context, id history.InstanceID) (*provider.Instance, error)
}

// Reuse says what a start does when its id is taken.
type Reuse = provider.Reuse

// The reuse policies.
const (
	ReuseReject  = provider.ReuseReject  // refuse with provider.ErrExists: the default
	ReuseIgnore  = provider.ReuseIgnore  // leave the existing instance as it is, and take its handle
	ReuseFinal   = provider.ReuseFinal   // replace one that has ended, refuse otherwise
	ReuseReplace = provider.ReuseReplace // replace whatever is there
)

// StartOptions are the options of a start. The zero value starts at once, under
// an id made up.
type StartOptions struct {
	ID      history.InstanceID
	Version string // "" for the newest that the worker has registered
	Tags    map[string]string
	At      time.Time // not before; zero for at once
	// Reuse applies when the id is taken.
	Reuse Reuse
	// RequestID makes a start idempotent: the same start sent again under the
	// same RequestID is the same start. Empty draws one per call.
	RequestID string
	// Headers travel with the instance, its activities and its children.
	Headers map[string]string
}

// Start starts an instance. The handle is good for waiting at once; the
// instance is visible as pending. Invalid ids, oversize input and a taken id
// are errors here.
func (f Func[I, O]) Start(ctx context.Context, client Client, in I, o StartOptions) (*Handle[O], error) {
	if err := history.ValidateName("orchestration", f.name); err != nil {
		return nil, err
	}
	id, err := client.StartInstance(ctx, f.name, in, o)
	if err != nil {
		return nil, err
	}
	return f.Handle(client, id), nil
}

// Handle is a handle to an instance of this orchestration that was started
// elsewhere. It does not check that there is one.
func (f Func[I, O]) Handle(client Client, id history.InstanceID) *Handle[O] {
	return &Handle[O]{client: client, id: id}
}

// Handle is a client's hold on an instance.
type Handle[O any] struct {
	client Client
	id     history.InstanceID
}

// ID is the id of the instance.
func (h *Handle[O]) ID() history.InstanceID { return h.id }

// Wait blocks until the instance has ended and returns its output. The error of
// one that failed or was cancelled is an [*Error]; other errors are those of
// reading, and the end of ctx.
func (h *Handle[O]) Wait(ctx context.Context) (O, error) {
	var out O
	err := h.client.Result(ctx, h.id, &out)
	return out, err
}

// Cancel asks the instance to cancel. It returns when the request is stored.
func (h *Handle[O]) Cancel(ctx context.Context, reason string) error {
	return h.client.Cancel(ctx, h.id, reason)
}

// Status reads what is known of the instance.
func (h *Handle[O]) Status(ctx context.Context) (*provider.Instance, error) {
	return h.client.Status(ctx, h.id)
}
