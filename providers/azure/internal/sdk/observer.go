package sdk

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/duroxide/duroxide-go/internal/redact"
)

// observer is the end of every pipeline: it sends a request once, follows no
// redirect, shows the clock each answer, and lets no secret come back: what
// fails may be quoted in logs.
type observer struct {
	next  http.RoundTripper
	clock *clock
}

// maxErrorBytes is how much of a failing answer's body is read.
const maxErrorBytes = 64 << 10

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
