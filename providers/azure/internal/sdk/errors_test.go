package sdk

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

func TestEachFailureIsOneOutcome(t *testing.T) {
	rejected := func(reason storage.Reason) func(error) bool {
		return func(err error) bool { return storage.Is(err, reason) }
	}
	is := func(class error) func(error) bool {
		return func(err error) bool { return errors.Is(err, class) }
	}
	failed := func(status int, code string) error { return &failure{status: status, code: code, index: -1} }
	onRow, onTable := call{what: "row x"}, call{what: "table t", whole: true}
	toBlob := call{what: "blob b", creates: true}
	for _, test := range []struct {
		name  string
		call  call
		err   error
		write func(error) bool
		read  func(error) bool // nil for the same
	}{
		{"a malformed request", onRow, failed(400, "InvalidInput"), rejected(storage.Invalid), nil},
		{"a code nobody knows", onRow, failed(409, "Whatever"), rejected(storage.Invalid), nil},
		{"a row twice", onRow, failed(400, "InvalidDuplicateRow"), rejected(storage.Invalid), nil},
		{"a stale receipt", onRow, failed(400, "PopReceiptMismatch"), rejected(storage.Precondition), nil},
		{"a large property", onRow, failed(400, "PropertyValueTooLarge"), rejected(storage.TooLarge), nil},
		{"a large row", onRow, failed(400, "EntityTooLarge"), rejected(storage.TooLarge), nil},
		{"many properties", onRow, failed(400, "TooManyProperties"), rejected(storage.TooLarge), nil},
		{"a large body", onRow, failed(413, "RequestBodyTooLarge"), rejected(storage.TooLarge), nil},
		{"a large body without a code", onRow, failed(413, ""), rejected(storage.TooLarge), nil},
		{"no right", onRow, failed(403, "AuthorizationPermissionMismatch"), is(storage.ErrDenied), nil},
		{"no token", onRow, failed(401, "NoAuthenticationInformation"), is(storage.ErrDenied), nil},
		{"a bad header of authorization", onRow, failed(400, "InvalidAuthenticationInfo"), is(storage.ErrDenied), nil},
		{"no row", onRow, failed(404, "ResourceNotFound"), rejected(storage.Missing), nil},
		{"no message", onRow, failed(404, "MessageNotFound"), rejected(storage.Missing), nil},
		{"no blob", onRow, failed(404, "BlobNotFound"), rejected(storage.Missing), nil},
		{"no table for a row", onRow, failed(404, "TableNotFound"), is(storage.ErrGone), nil},
		{"no table", onTable, failed(404, "ResourceNotFound"), is(storage.ErrGone), nil},
		{"no queue", onRow, failed(404, "QueueNotFound"), is(storage.ErrGone), nil},
		{"no container", onRow, failed(404, "ContainerNotFound"), is(storage.ErrGone), nil},
		{"somebody else's 404", onRow, failed(404, ""), is(storage.ErrUnknown), is(storage.ErrCorrupt)},
		{"a table being deleted", onTable, failed(409, "TableBeingDeleted"), is(storage.ErrGone), nil},
		{"a queue being deleted", onTable, failed(409, "QueueBeingDeleted"), is(storage.ErrGone), nil},
		{"a container being deleted", onTable, failed(409, "ContainerBeingDeleted"), is(storage.ErrGone), nil},
		{"a table that exists", onTable, failed(409, "TableAlreadyExists"), rejected(storage.Exists), nil},
		{"a row that exists", onRow, failed(409, "EntityAlreadyExists"), rejected(storage.Exists), nil},
		{"a blob that exists", toBlob, failed(409, "BlobAlreadyExists"), rejected(storage.Exists), nil},
		{"a blob that exists, put otherwise", toBlob, failed(412, "ConditionNotMet"), rejected(storage.Exists), nil},
		{"another version", onRow, failed(412, "UpdateConditionNotSatisfied"), rejected(storage.Precondition), nil},
		{"another version without a code", onRow, failed(412, ""), rejected(storage.Precondition), nil},
		{"a timeout of the service", onRow, failed(408, ""), is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"too many requests", onRow, failed(429, "TooManyRequests"), is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"an internal error", onRow, failed(500, "InternalError"), is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"a timeout inside", onRow, failed(500, "OperationTimedOut"), is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"a bad gateway", onRow, failed(502, ""), is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"a busy server", onRow, failed(503, "ServerBusy"), is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"a feature that is missing", onRow, failed(501, "NotImplemented"), rejected(storage.Invalid), nil},
		{"a redirect", onRow, failed(307, ""), is(storage.ErrUnknown), is(storage.ErrCorrupt)},
		{"the SDK's error", onRow, &azcore.ResponseError{StatusCode: 412, ErrorCode: "ConditionNotMet"}, rejected(storage.Precondition), nil},
		{"a connection refused", onRow, &net.OpError{Op: "dial", Err: errors.New("connection refused")}, is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"an unknown host", onRow, &net.DNSError{Name: "name.table.core.windows.net"}, is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"no answer", onRow, errNoAnswer, is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"a caller who left", onRow, context.Canceled, is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"a caller who has no time", onRow, context.DeadlineExceeded, is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"no credential", onRow, tokenError{errors.New("not logged in")}, is(storage.ErrDenied), nil},
		{"a token that did not come", onRow, tokenError{context.DeadlineExceeded}, is(storage.ErrUnknown), is(storage.ErrBusy)},
		{"a date that is none", onRow, &time.ParseError{Value: "x"}, is(storage.ErrUnknown), is(storage.ErrCorrupt)},
	} {
		want := test.write
		for _, writes := range []bool{true, false} {
			c := test.call
			c.verb, c.write = "testing", writes
			if !writes && test.read != nil {
				want = test.read
			}
			got := classify(c, 0, test.err)
			if !want(got) {
				t.Errorf("%s (write: %v) became %v", test.name, writes, got)
			}
			if !writes && errors.Is(got, storage.ErrUnknown) || writes && errors.Is(got, storage.ErrBusy) {
				t.Errorf("%s (write: %v) became %v, which is the other kind's", test.name, writes, got)
			}
			if !strings.Contains(got.Error(), c.what) {
				t.Errorf("%s became %v, which does not name %s", test.name, got, c.what)
			}
			if again := classify(c, 0, got); !errors.Is(again, got) || again.Error() != got.Error() {
				t.Errorf("%s became %v, and that %v", test.name, got, again)
			}
			for _, end := range []error{context.Canceled, context.DeadlineExceeded} {
				if errors.Is(test.err, end) && !errors.Is(got, end) {
					t.Errorf("%s became %v, which does not wrap %v", test.name, got, end)
				}
			}
			if answered, ok := errors.AsType[*azcore.ResponseError](got); ok {
				t.Errorf("%s became %v, with the SDK's %v inside", test.name, got, answered.StatusCode)
			}
		}
	}
}

func TestTheServiceSaysWhenToComeBack(t *testing.T) {
	for _, test := range []struct {
		header, value string
		want          time.Duration
	}{
		{"Retry-After", "7", 7 * time.Second},
		{"x-ms-retry-after-ms", "1500", 1500 * time.Millisecond},
		{"Retry-After", "soon", time.Minute},
		{"Server", "x", time.Minute},
	} {
		s := always(http.StatusServiceUnavailable, "", test.header, test.value)
		err := scripted(t, s, testString).CreateTable(t.Context(), "t")
		if got := storage.RetryAfter(err, time.Minute); got != test.want || !errors.Is(err, storage.ErrUnknown) {
			t.Errorf("%s: %s became %v, %v; want %v", test.header, test.value, got, err, test.want)
		}
	}
}

func TestADeniedRequestSaysWhatToDo(t *testing.T) {
	hour := time.Now().Add(time.Hour).UTC().Format(http.TimeFormat)
	for _, test := range []struct {
		code, date string
		do         func(*Account) error
		want       string
	}{
		{"AuthorizationPermissionMismatch", "", write, `"Storage Table Data Contributor"`},
		{"AuthorizationPermissionMismatch", "", read, `"Storage Table Data Reader"`},
		{"AuthorizationPermissionMismatch", "", func(a *Account) error { return a.Enqueue(context.Background(), "q", nil, 0) }, `"Storage Queue Data Contributor"`},
		{"AuthorizationPermissionMismatch", "", func(a *Account) error { _, err := a.Peek(context.Background(), "q", 1); return err }, `"Storage Queue Data Reader"`},
		{"AuthorizationPermissionMismatch", "", func(a *Account) error { return a.PutBlob(context.Background(), "c", "b", nil) }, `"Storage Blob Data Contributor"`},
		{"AuthorizationPermissionMismatch", "", func(a *Account) error { _, err := a.GetBlob(context.Background(), "c", "b"); return err }, `"Storage Blob Data Reader"`},
		{"AuthorizationFailure", "", write, "network rules"},
		{"KeyBasedAuthenticationNotPermitted", "", write, "accepts no keys"},
		{"AuthenticationFailed", "", write, "key, signature or token is wrong"},
		{"AuthenticationFailed", hour, write, "clock is 1h0m0s behind the service's"},
	} {
		s := always(http.StatusForbidden, tableError(test.code, "No."), "x-ms-error-code", test.code, "Date", test.date)
		err := test.do(scripted(t, s, testString))
		if !errors.Is(err, storage.ErrDenied) || !strings.Contains(strings.Replace(err.Error(), "59m59s", "1h0m0s", 1), test.want) {
			t.Errorf("%s became %v, want a hint of %s", test.code, err, test.want)
		}
		if n := len(s.sent()); n != 1 {
			t.Errorf("%s: %d requests, want one: being denied does not pass", test.code, n)
		}
	}
}

func TestAnEmulatorThatIsTooOldSaysWhatToDo(t *testing.T) {
	const old = "The API version 2099-01-01 is not supported by Azurite. Please upgrade Azurite to latest version and retry."
	s := always(http.StatusBadRequest, tableError("InvalidHeaderValue", old), "x-ms-error-code", "InvalidHeaderValue")
	err := write(scripted(t, s, testString))
	if !storage.Is(err, storage.Invalid) || !strings.Contains(err.Error(), "start Azurite with --skipApiVersionCheck, or a newer one") {
		t.Errorf("%v, want it to say how to start Azurite", err)
	}
}

func TestASignatureThatSeemsToHaveExpiredIsLeftToTheService(t *testing.T) {
	expired := strings.Replace(testSignature, "2099-01-01T00:00:00Z", "1999-01-01T00:00:00Z", 1)
	s := always(http.StatusForbidden, tableError("AuthenticationFailed", "Signature not valid in the specified time frame"), "x-ms-error-code", "AuthenticationFailed")
	err := write(scripted(t, s, "https://name.blob.core.windows.net/?"+expired))
	if !errors.Is(err, storage.ErrDenied) || len(s.sent()) != 1 {
		t.Errorf("%d requests, %v", len(s.sent()), err)
	}
}

func TestAnAccountThatDoesNotExistIsToldFromAnOutage(t *testing.T) {
	unknown := &url.Error{Op: "Get", URL: "https://x", Err: &net.DNSError{Err: "no such host", Name: "x", IsNotFound: true}}
	for _, c := range []call{{}, {write: true}} {
		if err := classify(c, 0, unknown); !strings.Contains(err.Error(), "no account has that name") {
			t.Errorf("%v, want it to say that no account has that name", err)
		}
		if err := classify(c, 0, &net.OpError{Op: "dial", Err: errors.New("refused")}); strings.Contains(err.Error(), "no account has that name") {
			t.Errorf("%v", err)
		}
	}
}

func write(a *Account) error { return a.CreateTable(context.Background(), "t") }

func read(a *Account) error {
	_, err := a.Get(context.Background(), "t", "p", "k")
	return err
}
