package lro

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/duroxide/duroxide-go/core/activity"
)

const (
	// soon is the wait before looking at a resource whose token was not accepted.
	soon = 500 * time.Millisecond
	// longestWait bounds what a service may ask for.
	longestWait = time.Hour
	// longestMessage bounds what is kept of a service's message.
	longestMessage = 1000
)

// The codes of refusals that a wait heals. They are compared without regard to
// case, as the services write them differently.
var (
	// inProgress: something else changes the resource. It is looked at until
	// that has ended.
	inProgress = []string{
		"AnotherOperationInProgress", "OperationInProgress", "StorageAccountOperationInProgress", "ResourceGroupBeingDeleted",
		"ConcurrentOperationInProgress", "OperationNotAllowedOnResourceInProgress", "ManagedEnvironmentNotReadyForAppCreation",
		"ContainerAppOperationInProgress", "RetryableError", "RetryableErrorDueToAnotherOperation",
	}
	// notYet: what the request refers to is not there yet for the service that
	// answers, or not gone yet. It is asked again.
	notYet = []string{
		"PrincipalNotFound", "InUseSubnetCannotBeDeleted", "NetworkIntentPolicyInUse", "ReferencedResourceNotProvisioned",
		"ManagedEnvironmentNotEmpty",
	}
)

// refused sorts an error of the SDK. What a wait heals becomes an answer; what
// nothing heals becomes an [*Error]; what got no answer becomes an error that the
// activity's retry policy repeats. again is the step for what is merely to be
// asked again.
func refused[O any](what string, err error, again Step) (Answer[O], error) {
	none := Answer[O]{}
	if final, ok := errors.AsType[*Error](err); ok { // the client's own refusal
		return none, activity.NonRetryable(final)
	}
	response, ok := errors.AsType[*azcore.ResponseError](err)
	if !ok {
		return none, fmt.Errorf("%s: %w", what, withoutAddress(err))
	}
	after := retryAfter(response.RawResponse)
	wait := func(next Step, why string) (Answer[O], error) {
		return Answer[O]{Next: next, After: after, Why: why}, nil
	}
	is := func(codes []string) bool {
		return slices.ContainsFunc(codes, func(code string) bool { return strings.EqualFold(code, response.ErrorCode) })
	}
	status := response.StatusCode
	switch {
	case status == http.StatusTooManyRequests:
		return wait(again, "throttled: "+response.ErrorCode)
	case status == http.StatusRequestTimeout || status == http.StatusBadGateway || status == http.StatusServiceUnavailable || status == http.StatusGatewayTimeout || status == http.StatusInternalServerError:
		return wait(again, fmt.Sprintf("HTTP %d", status))
	case is(notYet) && status >= http.StatusBadRequest:
		return wait(again, "not yet: "+response.ErrorCode)
	case status == http.StatusConflict && is(inProgress):
		return wait(Look, "conflict: "+response.ErrorCode)
	case status == http.StatusPreconditionFailed && again != Poll: // it has changed since it was looked at
		return wait(Look, "changed meanwhile: "+response.ErrorCode)
	case again != Begin && (status == http.StatusNotFound || status == http.StatusGone), again == Poll && (status == http.StatusBadRequest || denied(status)): // L4
		answer := Answer[O]{Next: Look, After: cmp.Or(after, soon), Why: "there is nothing: " + response.ErrorCode}
		if again == Poll {
			answer.Why = "the service does not accept the token: " + response.ErrorCode
		}
		if denied(status) {
			answer.Denied = refusal(what, response)
		}
		return answer, nil
	}
	return none, activity.NonRetryable(refusal(what, response))
}

func refusal(what string, e *azcore.ResponseError) *Error {
	return &Error{What: what, Code: cmp.Or(e.ErrorCode, "Failed"), Status: e.StatusCode, Message: message(e)}
}

// denied tells whether a status says that rights are missing. To a poll that means
// the operation's address alone, whose signature expires; if the rights to the
// resource are gone, the look at it says so, for good.
func denied(status int) bool {
	return status == http.StatusUnauthorized || status == http.StatusForbidden
}

// message is what the service says about an error. The SDK's own text of the
// error contains addresses, so it is of no use here (L5).
func message(e *azcore.ResponseError) string {
	if e.RawResponse == nil || e.RawResponse.Body == nil {
		return "no message"
	}
	body, err := io.ReadAll(io.LimitReader(e.RawResponse.Body, 64<<10))
	if err != nil {
		return "no message"
	}
	var said struct {
		Error struct {
			Message string `json:"message"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil || said.Error.Message == "" {
		return "no message"
	}
	text := address.ReplaceAllString(said.Error.Message, "(address)")
	if len(text) > longestMessage {
		return strings.ToValidUTF8(text[:longestMessage], "") + "…"
	}
	return text
}

// address is what signatures may be in.
var address = regexp.MustCompile(`(?i)\b[a-z][a-z0-9+.-]*://[^\s"'<>]+`)

// withoutAddress takes the addresses out of an error that is none of the service.
func withoutAddress(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return fmt.Errorf("%s: %w", strings.ToUpper(u.Op), withoutAddress(u.Err))
	}
	if text := err.Error(); address.MatchString(text) {
		return errors.New(address.ReplaceAllString(text, "(address)"))
	}
	return err
}

// retryAfter is how long a response asks to wait, 0 if it does not. Services say
// it in milliseconds, in seconds, or as a date.
func retryAfter(resp *http.Response) time.Duration {
	if resp == nil {
		return 0
	}
	for _, header := range []string{"Retry-After-Ms", "X-Ms-Retry-After-Ms"} {
		if n, err := strconv.ParseInt(resp.Header.Get(header), 10, 64); err == nil && n > 0 {
			return min(time.Duration(min(n, int64(longestWait/time.Millisecond)))*time.Millisecond, longestWait)
		}
	}
	said := resp.Header.Get("Retry-After")
	if n, err := strconv.ParseInt(said, 10, 64); err == nil && n > 0 {
		return time.Duration(min(n, int64(longestWait/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(said); err == nil {
		now := time.Now()
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			now = date // the service's clock, if it says
		}
		return min(max(at.Sub(now), 0), longestWait)
	}
	return 0
}

// Clean is the error of a single request of the SDK, outside of any operation,
// made fit for a history: without addresses (L5), and marked as one that no retry
// heals if that is so.
func Clean(what string, err error) error {
	answer, refusal := refused[struct{}](what, err, Begin)
	if refusal != nil {
		return refusal
	}
	return fmt.Errorf("%s: %s", what, answer.Why)
}
