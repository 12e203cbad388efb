package overhttp

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
	"github.com/duroxide/duroxide-go/providers/azure/internal/simulated"
)

// Account is a connection string of the account that a [Transport] answers for. The key
// is nobody's.
const Account = "AccountName=simulated;AccountKey=bm90IGEgcmVhbCBrZXksIGJ1dCBhcyBsb25nIGFzIG9uZQ=="

// Transport is a host's way to a simulated account. It implements [http.RoundTripper].
type Transport struct {
	account *simulated.Account
	client  *simulated.Client
	reader  *operation.Reader

	mu    sync.Mutex
	asked map[string]int // how often, by method and address
}

// New makes the transport of a client of the account.
func New(account *simulated.Account, client *simulated.Client) *Transport {
	return &Transport{account: account, client: client, reader: operation.NewReader(), asked: map[string]int{}}
}

var _ http.RoundTripper = (*Transport)(nil)

// exchange is a request, and what is needed to answer it.
type exchange struct {
	*Transport
	operation.Operation
	request *http.Request
	body    []byte
	lot     uint64 // drawn for the request: by what it asks, and how often that was asked
}

// RoundTrip implements [http.RoundTripper].
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	x := &exchange{Transport: t, Operation: t.reader.Read(request), request: request, lot: t.draw(request)}
	if request.Body != nil {
		body, err := io.ReadAll(request.Body)
		if err := errors.Join(err, request.Body.Close()); err != nil {
			return nil, fmt.Errorf("reading the request's body: %w", err)
		}
		x.body = body
	}
	a, err := x.serve(request.Context())
	switch {
	case errors.Is(err, simulated.ErrGarbled):
		return x.garbled(), nil
	case err != nil && !answered(err):
		return nil, broken(request.Context(), err)
	case err != nil:
		a = x.refusal(err)
	}
	return x.response(a), nil
}

// serve does what the request asks.
func (x *exchange) serve(ctx context.Context) (answer, error) {
	switch x.Service {
	case operation.Table:
		return x.table(ctx)
	case operation.Queue:
		return x.queue(ctx)
	case operation.Blob:
		return x.blob(ctx)
	}
	return x.strange("no service has this host")
}

// draw is a number that differs from request to request and is the same whenever a run
// is repeated, whichever of two requests of one instant comes first.
func (t *Transport) draw(request *http.Request) uint64 {
	what := request.Method + " " + request.URL.String()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked[what]++
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, what, " ", t.asked[what]) // A hash takes everything.
	return h.Sum64()
}

// broken is the error of a request that got no answer, as a network shows it.
func broken(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, simulated.ErrReset):
		return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ECONNRESET)}
	}
	return &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}
}
