package sdk

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/internal/redact"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// failure is an answer of the service that is none of success: of a request, or
// of one row in a transaction.
type failure struct {
	status  int
	code    string
	message string
	id      string // of the request, for the service's support
	after   time.Duration
	index   int // of the row, -1 if the answer names none
}

func (f *failure) Error() string {
	s := strconv.Itoa(f.status)
	if f.code != "" {
		s += " " + f.code
	}
	if f.message != "" {
		s += ": " + f.message
	}
	if f.id != "" {
		s += " (request " + f.id + ")"
	}
	return s
}

// failureOf reads a failing answer. Its body must have been downloaded.
func failureOf(answer *http.Response) *failure {
	body, err := runtime.Payload(answer)
	if err != nil {
		body = nil
	}
	f := describe(answer.StatusCode, body)
	if code := answer.Header.Get("x-ms-error-code"); code != "" {
		f.code = code
	}
	f.id = answer.Header.Get(requestID)
	f.after = retryAfter(answer.Header)
	return f
}

// describe reads the body of an error: JSON of tables, XML of the others.
func describe(status int, body []byte) *failure {
	f := &failure{status: status, index: -1}
	var j struct {
		Error struct {
			Code    string `json:"code"`
			Message struct {
				Value string `json:"value"`
			} `json:"message"`
		} `json:"odata.error"`
	}
	var x struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
		Detail  string `xml:"AuthenticationErrorDetail"`
	}
	if json.Unmarshal(body, &j) == nil && j.Error.Code != "" {
		f.code, f.message = j.Error.Code, j.Error.Message.Value
	} else if xml.Unmarshal(body, &x) == nil && x.Code != "" {
		f.code, f.message = x.Code, x.Message
		if x.Detail != "" {
			f.message = x.Detail
		}
	}
	// The rest of the lines repeats the request's id and the time.
	f.message, _, _ = strings.Cut(strings.TrimSpace(f.message), "\n")
	f.message = redact.Secrets(strings.TrimSpace(f.message))
	if digits, rest, ok := strings.Cut(f.message, ":"); ok {
		if index, err := strconv.Atoi(digits); err == nil && index >= 0 {
			f.index, f.message = index, rest
		}
	}
	return f
}

func retryAfter(h http.Header) time.Duration {
	for _, name := range []string{"x-ms-retry-after-ms", "retry-after-ms"} {
		if ms, err := strconv.Atoi(h.Get(name)); err == nil && ms > 0 {
			return time.Duration(ms) * time.Millisecond
		}
	}
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && s > 0 {
		return time.Duration(s) * time.Second
	}
	return 0
}

// The codes that decide where the status does not.
var (
	goneCodes  = []string{"TableNotFound", "QueueNotFound", "ContainerNotFound", "TableBeingDeleted", "QueueBeingDeleted", "ContainerBeingDeleted"}
	noneCodes  = []string{"ResourceNotFound", "EntityNotFound", "MessageNotFound", "BlobNotFound"}
	thereCodes = []string{"TableAlreadyExists", "QueueAlreadyExists", "ContainerAlreadyExists", "EntityAlreadyExists", "BlobAlreadyExists"}
	otherCodes = []string{"UpdateConditionNotSatisfied", "ConditionNotMet", "TargetConditionNotMet", "PopReceiptMismatch"}
	largeCodes = []string{
		"EntityTooLarge", "PropertyValueTooLarge", "TooManyProperties", "KeyValueTooLarge", "RequestBodyTooLarge",
		"ContentLengthExceeded", "MessageTooLarge",
	}
	deniedCodes = []string{"AuthenticationFailed", "InvalidAuthenticationInfo", "NoAuthenticationInformation", "AccountIsDisabled"}
)

// classify is the one place where what went wrong becomes an error of package
// storage. An error that is one already stays as it is.
func classify(c call, offset time.Duration, err error) error {
	if classified(err) {
		return err
	}
	if token, ok := errors.AsType[tokenError](err); ok {
		return c.tokenless(token)
	}
	f, ok := errors.AsType[*failure](err)
	if !ok {
		answered, ok := errors.AsType[*azcore.ResponseError](err)
		switch {
		case ok && answered.RawResponse != nil:
			f = failureOf(answered.RawResponse)
		case ok:
			f = &failure{status: answered.StatusCode, code: answered.ErrorCode, index: -1}
		case unreadable(err), errors.Is(err, errStranger):
			return c.corrupt(err)
		default:
			return c.lost(err)
		}
	}
	is := func(codes []string) bool { return slices.Contains(codes, f.code) }
	switch {
	case f.status == http.StatusRequestTimeout, f.status == http.StatusTooManyRequests, f.status >= 500 && f.status != http.StatusNotImplemented:
		return &storage.WaitError{After: f.after, Cause: c.lost(f)}
	case f.status == http.StatusUnauthorized, f.status == http.StatusForbidden, is(deniedCodes):
		return c.wrap(storage.ErrDenied, f, c.remedy(f.code, offset))
	case is(goneCodes), c.whole && is(noneCodes):
		return c.wrap(storage.ErrGone, f, "")
	case is(noneCodes):
		return c.reject(storage.Missing, f)
	case is(thereCodes):
		return c.reject(storage.Exists, f)
	case is(otherCodes), f.status == http.StatusPreconditionFailed:
		if c.creates {
			return c.reject(storage.Exists, f)
		}
		return c.reject(storage.Precondition, f)
	case is(largeCodes), f.status == http.StatusRequestEntityTooLarge:
		return c.reject(storage.TooLarge, f)
	case f.status == http.StatusNotFound:
		// Without a code that says what is missing this may be anybody's answer,
		// and taking it for "no such row" could lose a partition.
		return c.corrupt(f)
	case f.status >= 400 && f.status < 500, f.status == http.StatusNotImplemented:
		return c.reject(storage.Invalid, f.advised())
	}
	return c.corrupt(f)
}

// classified reports whether an error is one of package storage already.
func classified(err error) bool {
	for _, class := range []error{storage.ErrUnknown, storage.ErrBusy, storage.ErrDenied, storage.ErrGone, storage.ErrCorrupt, storage.ErrDamaged} {
		if errors.Is(err, class) {
			return true
		}
	}
	return storage.Rejected(err) != nil
}

// lost reports whether an error is none of the service's.
func lost(err error) bool {
	_, answered := errors.AsType[*azcore.ResponseError](err)
	_, inner := errors.AsType[*failure](err)
	return !answered && !inner && !classified(err)
}

func (c call) wrap(class, cause error, hint string) error {
	if hint != "" {
		hint = "; " + hint
	}
	return fmt.Errorf("azure: %s %s: %w: %w%s", c.verb, c.what, class, cause, hint)
}

// lost is for requests whose outcome the service did not say.
func (c call) lost(cause error) error {
	class := storage.ErrBusy
	switch {
	case c.write && bug.Planted("lost-is-refused"):
		return c.reject(storage.Invalid, &failure{index: -1})
	case c.write:
		class = storage.ErrUnknown
	}
	hint := ""
	if dns, ok := errors.AsType[*net.DNSError](cause); ok && dns.IsNotFound {
		hint = "no account has that name, or this machine cannot look names up"
	}
	return c.wrap(class, plainly(cause), hint)
}

// corrupt is for answers that make no sense, or have a damaged row. A write may have
// been applied nevertheless.
func (c call) corrupt(cause error) error {
	if errors.Is(cause, storage.ErrDamaged) {
		return fmt.Errorf("azure: %s %s: %w", c.verb, c.what, cause)
	}
	err := c.wrap(storage.ErrCorrupt, plainly(cause), "")
	if c.write {
		return fmt.Errorf("%w: %w", storage.ErrUnknown, err)
	}
	return err
}

func (c call) reject(reason storage.Reason, f *failure) error {
	return &storage.Rejection{Reason: reason, Index: f.index, What: c.what, Cause: f}
}

// plainly is the error without the SDK's types and without secrets. What ended a
// context is kept.
func plainly(err error) error {
	if f, ok := errors.AsType[*failure](err); ok {
		return f
	}
	for _, end := range []error{context.Canceled, context.DeadlineExceeded, errNoAnswer} {
		if errors.Is(err, end) {
			return end
		}
	}
	return errors.New(redact.Secrets(strings.Join(strings.Fields(err.Error()), " ")))
}

// unreadable reports whether the SDK could not decode an answer.
func unreadable(err error) bool {
	if _, ok := errors.AsType[*xml.SyntaxError](err); ok {
		return true
	}
	if _, ok := errors.AsType[xml.UnmarshalError](err); ok {
		return true
	}
	_, date := errors.AsType[*time.ParseError](err)
	_, number := errors.AsType[*strconv.NumError](err)
	return date || number
}

// tokenless is for requests that were not sent because there was no token.
func (c call) tokenless(err tokenError) error {
	answered, ok := errors.AsType[*azidentity.AuthenticationFailedError](err)
	refused := ok && (answered.RawResponse == nil || answered.RawResponse.StatusCode < 500 && answered.RawResponse.StatusCode != http.StatusTooManyRequests)
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || ok && !refused {
		return c.lost(err)
	}
	return c.wrap(storage.ErrDenied, plainly(err), "no token could be had: log in (az login), assign an identity to this machine, or set the credential's environment variables")
}
