package sdk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/duroxide/duroxide-go/internal/redact"
)

// observer is the end of every pipeline: it sends a request once, follows no
// redirect, shows the clock each answer, and lets no secret come back: what
// fails may be quoted in logs. A success that somebody else tells of is none.
type observer struct {
	next  http.RoundTripper
	clock *clock
}

// maxErrorBytes is how much of a failing answer's body is read.
const maxErrorBytes = 64 << 10

// requestID is in each answer of the service. The SDK takes any page of HTML for an empty
// list.
const requestID = "x-ms-request-id"

// errStranger is an answer that is not the service's, but of somebody between.
var errStranger = errors.New("this is no answer of Azure Storage")

// Do implements the SDK's transporter.
func (o *observer) Do(r *http.Request) (*http.Response, error) {
	sent := time.Now()
	answer, err := o.next.RoundTrip(r)
	if err != nil {
		if text := err.Error(); redact.Secrets(text) != text {
			return nil, errors.New(redact.Secrets(text))
		}
		return nil, err
	}
	if answer.StatusCode < http.StatusBadRequest && answer.Header.Get(requestID) == "" {
		return nil, errors.Join(fmt.Errorf("%w: %d without %s", errStranger, answer.StatusCode, requestID), answer.Body.Close())
	}
	if date, err := http.ParseTime(answer.Header.Get("Date")); err == nil {
		o.clock.sample(sent, time.Now(), date)
	}
	if answer.StatusCode >= http.StatusBadRequest {
		body, err := io.ReadAll(io.LimitReader(answer.Body, maxErrorBytes))
		if err := errors.Join(err, answer.Body.Close()); err != nil {
			return nil, err
		}
		body = []byte(redact.Secrets(string(body)))
		answer.Body, answer.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	}
	return answer, nil
}
