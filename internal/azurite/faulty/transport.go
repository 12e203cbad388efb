package faulty

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/internal/azurite/operation"
)

// Transport disturbs what it hands on.
type Transport struct {
	next http.RoundTripper

	mu        sync.Mutex
	decide    Decide
	injected  map[Kind]int
	late      int        // requests that are still to be delivered
	delivered *sync.Cond // told when there are none
}

// New makes a transport over another. A nil decider disturbs nothing.
func New(next http.RoundTripper, decide Decide) *Transport {
	t := &Transport{next: next, decide: decide, injected: map[Kind]int{}}
	t.delivered = sync.NewCond(&t.mu)
	return t
}

// Set replaces the decider, for the requests that begin from now on.
func (t *Transport) Set(decide Decide) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.decide = decide
}

// Injected counts the faults so far, by kind. Delays alone are of kind [None].
func (t *Transport) Injected() map[Kind]int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.injected)
}

// Flush waits until no late request is left to be delivered.
func (t *Transport) Flush() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for t.late > 0 {
		t.delivered.Wait()
	}
}

func (t *Transport) draw(request *http.Request) Fault {
	t.mu.Lock()
	decide := t.decide
	t.mu.Unlock()
	if decide == nil {
		return Fault{}
	}
	f := decide(request)
	if f != (Fault{}) {
		t.mu.Lock()
		t.injected[f.Kind]++
		t.mu.Unlock()
	}
	return f
}

// RoundTrip hands the request on, disturbed or not.
func (t *Transport) RoundTrip(request *http.Request) (*http.Response, error) {
	f := t.draw(request)
	ctx := request.Context()
	if f.Kind == Late {
		if err := t.deliverLate(request, f.Delay); err != nil {
			return nil, err
		}
		return nil, lost(ctx, f)
	}
	if err := wait(ctx, f.Delay); err != nil {
		closeBody(request)
		return nil, err
	}
	switch f.Kind {
	case LoseRequest:
		closeBody(request)
		return nil, lost(ctx, f)
	case Refuse:
		closeBody(request)
		if err := wait(ctx, f.AnswerDelay); err != nil {
			return nil, err
		}
		return f.answer(request), nil
	default:
	}
	answer, err := t.next.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if err := wait(ctx, f.AnswerDelay); err != nil {
		_ = answer.Body.Close()
		return nil, err
	}
	switch f.Kind {
	case LoseAnswer:
		discard(answer)
		return nil, ErrLost
	case RefuseApplied:
		discard(answer)
		return f.answer(request), nil
	case CutAnswer:
		return cut(answer)
	default:
		return answer, nil
	}
}

// deliverLate keeps the request and sends it after the delay, whatever its sender
// does meanwhile.
func (t *Transport) deliverLate(request *http.Request, delay time.Duration) error {
	var body []byte
	if request.Body != nil {
		var err error
		if body, err = io.ReadAll(request.Body); err != nil {
			return fmt.Errorf("reading the request: %w", err)
		}
		closeBody(request)
	}
	kept := request.Clone(context.WithoutCancel(request.Context()))
	if request.Body != nil {
		kept.Body = io.NopCloser(bytes.NewReader(body))
	}
	t.mu.Lock()
	t.late++
	t.mu.Unlock()
	go func() { // Flush waits for it.
		_ = wait(kept.Context(), delay)
		if answer, err := t.next.RoundTrip(kept); err == nil {
			discard(answer)
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.late--; t.late == 0 {
			t.delivered.Broadcast()
		}
	}()
	return nil
}

// lost is the end of a request that nobody answers.
func lost(ctx context.Context, f Fault) error {
	if err := wait(ctx, f.AnswerDelay); err != nil {
		return err
	}
	return ErrLost
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func closeBody(request *http.Request) {
	if request.Body != nil {
		_ = request.Body.Close()
	}
}

// discard reads an answer to its end, so that its connection can be used again.
func discard(answer *http.Response) {
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
}

// cut lets half of an answer through. One without a body is lost altogether.
func cut(answer *http.Response) (*http.Response, error) {
	text, err := io.ReadAll(answer.Body)
	_ = answer.Body.Close()
	if err != nil {
		return nil, err
	}
	if len(text) == 0 {
		return nil, ErrLost
	}
	answer.Body = io.NopCloser(io.MultiReader(bytes.NewReader(text[:len(text)/2]), broken{}))
	return answer, nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, ErrLost }

// codes are what the service calls its own failures.
var codes = map[int]string{
	http.StatusRequestTimeout:      "OperationTimedOut",
	http.StatusTooManyRequests:     "TooManyRequests",
	http.StatusInternalServerError: "InternalError",
	http.StatusServiceUnavailable:  "ServerBusy",
	http.StatusGatewayTimeout:      "OperationTimedOut",
}

// answer is that of a service which does not do as asked, or says so.
func (f Fault) answer(request *http.Request) *http.Response {
	status := f.Status
	if status == 0 {
		status = http.StatusServiceUnavailable
	}
	code := codes[status]
	header := http.Header{"X-Ms-Error-Code": {code}}
	var body string
	if strings.Contains(operation.Header(request.Header, "Accept"), "json") {
		header.Set("Content-Type", "application/json")
		body = `{"odata.error":{"code":"` + code + `","message":{"lang":"en-US","value":"injected"}}}`
	} else {
		header.Set("Content-Type", "application/xml")
		body = xml.Header + "<Error><Code>" + code + "</Code><Message>injected</Message></Error>"
	}
	if f.RetryAfter > 0 {
		header.Set("Retry-After", strconv.FormatInt(int64((f.RetryAfter+time.Second-1)/time.Second), 10))
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: request,
	}
}
