package lro

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

func TestTheServiceSaysHowLongToWait(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, c := range []struct {
		header http.Header
		want   time.Duration
	}{
		{http.Header{}, 0},
		{http.Header{"Retry-After": {"17"}}, 17 * time.Second},
		{http.Header{"Retry-After": {"17"}, "Retry-After-Ms": {"250"}}, 250 * time.Millisecond},
		{http.Header{"X-Ms-Retry-After-Ms": {"99"}}, 99 * time.Millisecond},
		{http.Header{"Retry-After": {at.Add(time.Minute).Format(http.TimeFormat)}, "Date": {at.Format(http.TimeFormat)}}, time.Minute},
		{http.Header{"Retry-After": {at.Format(http.TimeFormat)}, "Date": {at.Add(time.Minute).Format(http.TimeFormat)}}, 0},
		{http.Header{"Retry-After": {"-5"}}, 0},
		{http.Header{"Retry-After": {"soon"}}, 0},
		{http.Header{"Retry-After": {"99999999999999999999"}}, 0},
		{http.Header{"Retry-After": {"999999999999"}}, longestWait},
		{http.Header{"Retry-After-Ms": {"9999999999999999"}}, longestWait},
	} {
		if got := retryAfter(&http.Response{Header: c.header}); got != c.want {
			t.Errorf("%v: %v, want %v", c.header, got, c.want)
		}
	}
	if retryAfter(nil) != 0 {
		t.Error("no response asks to wait")
	}
}

// response is an error of the SDK, as its clients make it.
func response(status int, body string) error {
	u, _ := url.Parse("https://management.example/op?sig=secret")
	return runtime.NewResponseError(&http.Response{
		StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: &http.Request{Method: http.MethodGet, URL: u},
	})
}

func TestEachRefusalHasItsStep(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
		again  Step
		want   Step // empty for an error
	}{
		{429, "TooManyRequests", Begin, Begin}, {429, "TooManyRequests", Poll, Poll}, {503, "", Poll, Poll}, {500, "InternalServerError", Begin, Begin}, {408, "", Look, Look},
		{409, "AnotherOperationInProgress", Begin, Look}, {409, "anotheroperationinprogress", Begin, Look}, {409, "Conflict", Begin, ""},
		{412, "PreconditionFailed", Begin, Look}, {400, "PrincipalNotFound", Begin, Begin}, {400, "InUseSubnetCannotBeDeleted", Begin, Begin},
		{404, "ResourceGroupNotFound", Begin, ""}, {404, "OperationNotFound", Poll, Look}, {410, "Gone", Poll, Look}, {400, "BadToken", Poll, Look}, {404, "NotFound", Look, Look},
		{400, "InvalidParameter", Begin, ""}, {401, "ExpiredToken", Begin, ""}, {403, "AuthorizationFailed", Poll, Look}, {401, "ExpiredAuthenticationToken", Poll, Look}, {403, "AuthorizationFailed", Begin, ""}, {403, "AuthorizationFailed", Look, ""}, {401, "InvalidAuthenticationToken", Look, ""}, {409, "QuotaExceeded", Begin, ""}, {200, "QuotaExceeded", Look, ""},
	} {
		answer, err := refused[int]("try", response(c.status, `{"error":{"code":"`+c.code+`","message":"it says so"}}`), c.again)
		if answer.Next != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%d %s to a %s: %q, %v; want %q", c.status, c.code, c.again, answer.Next, err, c.want)
		}
		if failed, ok := errors.AsType[*Error](err); err != nil && (!ok || failed.Code != c.code || failed.Status != c.status || failed.Message != "it says so") {
			t.Errorf("%d %s: the error is %#v", c.status, c.code, err)
		}
	}
}

func TestNoErrorContainsAnAddress(t *testing.T) {
	for _, err := range []error{
		response(http.StatusForbidden, `{"error":{"code":"AuthenticationFailed","message":"no"}}`),
		response(http.StatusForbidden, `not JSON`),
		response(http.StatusForbidden, `{"error":{"code":"AuthenticationFailed","message":"the signature of https://management.example/op?sig=secret, is wrong"}}`),
		errors.New(`parse "https://management.example/op?sig=secret": no good`),
		&url.Error{Op: "Get", URL: "https://management.example/op?sig=secret", Err: errors.New("no proxy for https://management.example/op?sig=secret")},
		&url.Error{Op: "Get", URL: "https://management.example/op?sig=secret", Err: errors.New("connection reset")},
	} {
		if _, got := refused[int]("poll it", err, Begin); got == nil || strings.Contains(got.Error(), "secret") || strings.Contains(got.Error(), "management.example") {
			t.Errorf("%v", got)
		}
	}
}

func TestAHugeMessageIsCut(t *testing.T) {
	_, err := refused[int]("try", response(http.StatusBadRequest, `{"error":{"code":"X","message":"`+strings.Repeat("é", 5_000)+`"}}`), Begin)
	if failed, ok := errors.AsType[*Error](err); !ok || len(failed.Message) > longestMessage+len("…") {
		t.Errorf("the message has %d bytes", len(err.Error()))
	}
}

func TestASealedTokenOpensForItsOperationAndKeyOnly(t *testing.T) {
	one, err := NewSealer(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewSealer(NewKey())
	if err != nil {
		t.Fatal(err)
	}
	token := one.seal("vault", "https://management.example/op?sig=secret")
	if got, err := one.open("vault", token); got != "https://management.example/op?sig=secret" || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	for what, open := range map[string]func() (string, error){
		"another operation": func() (string, error) { return one.open("account", token) },
		"another key":       func() (string, error) { return other.open("vault", token) },
		"nothing":           func() (string, error) { return one.open("vault", "") },
		"garbage":           func() (string, error) { return one.open("vault", "§$%&") },
		"a cut token":       func() (string, error) { return one.open("vault", token[:len(token)-4]) },
	} {
		if got, err := open(); err == nil {
			t.Errorf("%s opens as %q", what, got)
		}
	}
	if _, err := NewSealer([]byte("short")); err == nil {
		t.Error("a short key makes a sealer")
	}
}
