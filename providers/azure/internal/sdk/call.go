package sdk

import (
	"context"
	"errors"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// service is one of the account's services.
type service int

const (
	tables service = iota
	queues
	containers
)

// call is what a caller asked for: all that is needed to say what became of it.
type call struct {
	service service
	verb    string // in the progressive form: "reading"
	what    string // "row x", "table t"
	write   bool
	whole   bool // it concerns a table, queue or container, not what is in it
	creates bool // a failed precondition means that it exists
}

// The waits before a read is tried again. There are few and they are short: a
// caller knows better how long it wants to insist.
var readWaits = []time.Duration{50 * time.Millisecond, 250 * time.Millisecond}

// longestWait is the longest that the service may ask for between two tries of a
// read before the caller is asked instead.
const longestWait = time.Second

// bytesPerSecond is how fast bodies are sent at least, or a request is given up.
const bytesPerSecond = 1 << 20

// budget is how long one try may take that carries so many bytes.
func (a *Account) budget(bytes int64) time.Duration {
	return a.tryTimeout + time.Duration(bytes)*time.Second/bytesPerSecond
}

// write does a write, once.
func (a *Account) write(ctx context.Context, c call, bytes int, do func(context.Context) error) error {
	c.write = true
	return a.try(ctx, c, a.budget(int64(bytes)), do)
}

// read does a read, again if the service is busy.
func (a *Account) read(ctx context.Context, c call, do func(context.Context) error) error {
	for _, wait := range readWaits {
		err := a.try(ctx, c, a.tryTimeout, do)
		if err == nil || !errors.Is(err, storage.ErrBusy) || ctx.Err() != nil {
			return err
		}
		if wait = storage.RetryAfter(err, wait); wait > longestWait {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
	return a.try(ctx, c, a.tryTimeout, do)
}

// errNoAnswer is the end of a try, as opposed to that of the caller's context.
var errNoAnswer = errors.New("no answer in time")

// deadline is where the end of a try stands in its context.
type deadline struct{}

// try does one request.
func (a *Account) try(ctx context.Context, c call, timeout time.Duration, do func(context.Context) error) error {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	end := time.AfterFunc(timeout, func() { cancel(errNoAnswer) })
	defer end.Stop()
	err := do(context.WithValue(within, deadline{}, end))
	if err == nil {
		return nil
	}
	if within.Err() != nil && lost(err) {
		if err = ctx.Err(); err == nil {
			err = errNoAnswer
		}
	}
	return classify(c, a.clock.ahead(), err)
}

// expect moves the end of a try to when so many bytes should have come.
func (a *Account) expect(ctx context.Context, bytes int64) {
	ctx.Value(deadline{}).(*time.Timer).Reset(a.budget(bytes))
}

// tokens marks errors of a credential: nothing was sent when one shows.
type tokens struct{ azcore.TokenCredential }

type tokenError struct{ error }

func (e tokenError) Unwrap() error { return e.error }

// GetToken implements [azcore.TokenCredential].
func (t tokens) GetToken(ctx context.Context, options policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := t.TokenCredential.GetToken(ctx, options)
	if err != nil {
		return token, tokenError{err}
	}
	return token, nil
}
