package lro

import (
	"context"
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/duroxide/duroxide-go/core"
)

// Client is how a worker makes the requests of an operation.
type Client[I, O any] struct {
	// Begin asks for the operation, or, given a resume token, takes up one that
	// was begun before, without a request. Without a poller it says that the
	// request was accepted and the resource is to be looked at; with [ErrUnderWay],
	// that it asked for nothing. Where there is nothing to remove any more (404), it
	// returns a [Completed] poller. The context carries
	// Options.IfMatch to every request: what only reads before takes that out
	// ([Unconditional]).
	Begin func(ctx context.Context, in I, resume string) (Poller[O], error)
	// Look reads the resource. What does not exist is no error, and an error that
	// says so (404) is an empty Reading; of an operation that removes something,
	// Look returns one that is Wanted. While something goes on at the resource its
	// State must say so: one at rest that is not as asked for is asked for anew.
	Look func(ctx context.Context, in I) (Reading[O], error)
}

// ErrUnderWay is what a Begin returns that has asked for nothing, because something
// is under way at the resource already: a request of its own whose answer was lost,
// or of somebody else. When that has ended, it is asked again if need be.
var ErrUnderWay = errors.New("something is under way at the resource")

// Unconditional is the context of a Begin for requests without Options.IfMatch.
func Unconditional(ctx context.Context) context.Context {
	return policy.WithHTTPHeader(ctx, http.Header{})
}

// Poller is an operation that was begun. [From] and [Completed] make them.
type Poller[O any] interface {
	Done() bool
	Poll(ctx context.Context) (*http.Response, error)
	ResumeToken() (string, error)
	Result(ctx context.Context) (O, error)
}

// From makes a Poller of what a Begin method of the Azure SDK returns.
func From[R, O any](p *runtime.Poller[R], err error, value func(R) O) (Poller[O], error) {
	if err != nil {
		return nil, err
	}
	return sdkPoller[R, O]{p, value}, nil
}

type sdkPoller[R, O any] struct {
	*runtime.Poller[R]
	value func(R) O
}

func (p sdkPoller[R, O]) Result(ctx context.Context) (O, error) {
	r, err := p.Poller.Result(ctx)
	if err != nil {
		var none O
		return none, err
	}
	return p.value(r), nil
}

// Completed makes a Poller of what a method of the Azure SDK returns that is done
// at once.
func Completed[R, O any](r R, err error, value func(R) O) (Poller[O], error) {
	if err != nil {
		return nil, err
	}
	return completed[O]{value(r)}, nil
}

type completed[O any] struct{ value O }

func (completed[O]) Done() bool                                   { return true }
func (completed[O]) Poll(context.Context) (*http.Response, error) { return nil, nil }
func (completed[O]) ResumeToken() (string, error)                 { return "", nil }
func (p completed[O]) Result(context.Context) (O, error)          { return p.value, nil }

// Implement makes the activities of the operation.
func (o Operation[I, O]) Implement(c Client[I, O], s *Sealer) []core.Handler {
	w := &worker[I, O]{o.name, c, s}
	return []core.Handler{o.begin.Func(w.begin), o.poll.Func(w.poll), o.look.Func(w.look)}
}

type worker[I, O any] struct {
	name   string
	client Client[I, O]
	sealer *Sealer
}

func (w *worker[I, O]) begin(ctx context.Context, ask request[I]) (Answer[O], error) {
	what := "begin " + ask.What
	var resp *http.Response
	asking := policy.WithCaptureResponse(ctx, &resp)
	if ask.IfMatch != "" {
		asking = policy.WithHTTPHeader(asking, http.Header{"If-Match": {ask.IfMatch}})
	}
	p, err := w.client.Begin(asking, ask.In, "")
	if errors.Is(err, ErrUnderWay) {
		return Answer[O]{Next: Look, After: retryAfter(resp), Why: ErrUnderWay.Error()}, nil
	}
	if err != nil {
		return refused[O](what, err, Begin)
	}
	if p == nil {
		return Answer[O]{Next: Look, Accepted: true, After: retryAfter(resp), Why: "accepted"}, nil
	}
	answer, err := w.state(ctx, what, p, resp)
	answer.Accepted = err == nil
	return answer, err
}

func (w *worker[I, O]) poll(ctx context.Context, ask request[I]) (Answer[O], error) {
	what := "poll " + ask.What
	resume, err := w.sealer.open(w.name, ask.Token)
	if err != nil {
		return Answer[O]{Next: Look, After: soon, Why: err.Error()}, nil //nolint:nilerr // L4
	}
	p, err := w.client.Begin(ctx, ask.In, resume)
	if err != nil || p == nil {
		return Answer[O]{Next: Look, After: soon, Why: "the SDK does not accept the token"}, nil //nolint:nilerr // L4; and the error may contain the token.
	}
	resp, err := p.Poll(ctx) //nolint:bodyclose // The SDK has read and closed it.
	if err != nil {
		answer, err := refused[O](what, err, Poll)
		answer.Token = ask.Token
		return answer, err
	}
	return w.state(ctx, what, p, resp)
}

// state says how an operation stands.
func (w *worker[I, O]) state(ctx context.Context, what string, p Poller[O], resp *http.Response) (Answer[O], error) {
	if p.Done() {
		value, err := p.Result(ctx)
		if err != nil {
			return refused[O](what, err, afterResult(err))
		}
		return Answer[O]{Next: Done, Value: value}, nil
	}
	resume, err := p.ResumeToken()
	if err != nil {
		return Answer[O]{Next: Look, After: retryAfter(resp), Why: "the SDK gives no token"}, nil //nolint:nilerr // L4
	}
	return Answer[O]{Next: Poll, Token: w.sealer.seal(w.name, resume), After: retryAfter(resp), Why: "in progress"}, nil
}

// afterResult is what an operation's bad end is an answer to. The SDK takes for an
// end what is none, too: a poll of a Location address that was denied.
func afterResult(err error) Step {
	if response, ok := errors.AsType[*azcore.ResponseError](err); ok && denied(response.StatusCode) {
		return Poll
	}
	return Look
}

func (w *worker[I, O]) look(ctx context.Context, ask request[I]) (Reading[O], error) {
	var resp *http.Response
	reading, err := w.client.Look(policy.WithCaptureResponse(ctx, &resp), ask.In)
	if err == nil {
		reading.After = retryAfter(resp)
		return reading, nil
	}
	if response, ok := errors.AsType[*azcore.ResponseError](err); ok && response.StatusCode == http.StatusNotFound {
		return Reading[O]{}, nil
	}
	answer, err := refused[O]("look at "+ask.What, err, Look)
	if err != nil {
		return Reading[O]{}, err
	}
	return Reading[O]{Unknown: answer.Why, After: answer.After}, nil
}
