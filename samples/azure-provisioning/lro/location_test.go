package lro_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// location is a service that tells of its operations at a Location address, which
// the SDK's fakes do not have. It answers their polls with these, one an operation.
type location struct {
	*service
	ends []end
}

type end struct {
	status int
	code   string // of the error
}

func newLocation(t *testing.T, ends ...end) *location {
	t.Helper()
	l := &location{newService(t), ends}
	l.seen = func() lro.Reading[string] { return lro.Reading[string]{} } // it is not there
	l.transport = l
	l.implement()
	return l
}

func (l *location) Do(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPut {
		l.begins++
		return answer(r, http.StatusAccepted, ""), nil
	}
	e := l.ends[l.begins-1]
	if e.code != "" {
		return answer(r, e.status, `{"error":{"code":"`+e.code+`","message":"it says so"}}`), nil
	}
	return answer(r, e.status, `{"id":"/the/account"}`), nil
}

func answer(r *http.Request, status int, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Request: r, Body: io.NopCloser(strings.NewReader(body)),
		Header: http.Header{"Location": {"https://management.example/op?sig=secret"}, "Content-Type": {"application/json"}},
	}
}

// A Location address answers with how the operation has ended.
func TestAnOperationThatFailsAtItsLocationIsAnError(t *testing.T) {
	for _, want := range []end{{http.StatusBadRequest, "AccountNameInvalid"}, {http.StatusConflict, "QuotaExceeded"}} {
		l := newLocation(t, want)
		_, err := l.run()
		if failed, ok := errors.AsType[*lro.Error](err); !ok || failed.Code != want.code || failed.Status != want.status || l.begins != 1 {
			t.Errorf("%v after %d begins", err, l.begins)
		}
	}
}

func TestADeniedPollIsNoFailureButTheThirdIs(t *testing.T) {
	no, good := end{http.StatusForbidden, "RequestDisallowedByPolicy"}, end{status: http.StatusOK}
	for _, ends := range [][]end{{good}, {no, good}, {no, no, good}} {
		l := newLocation(t, ends...)
		if id, err := l.run(); id != "/the/account" || err != nil || l.begins != len(ends) {
			t.Errorf("%d operations: %q %v after %d begins", len(ends), id, err, l.begins)
		}
	}
	l := newLocation(t, no, no, no, good)
	_, err := l.run()
	if failed, ok := errors.AsType[*lro.Error](err); !ok || failed.Code != no.code || failed.Status != no.status || l.begins != 3 {
		t.Errorf("%v after %d begins", err, l.begins)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
