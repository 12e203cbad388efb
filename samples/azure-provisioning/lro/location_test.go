package lro_test

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"

	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// location is a service that tells of its operations at a Location address, which
// the SDK's fakes do not have. It answers as it is told to, in turn.
type location struct {
	*service
	puts, polls []reply // the last one for ever
	asked       []time.Duration
	conditions  []string // If-Match of the PUTs
}

// reply is an answer; the zero value is that there is none.
type reply struct {
	status int
	code   string // of the error
	after  int    // Retry-After, in seconds
}

var (
	accepted = reply{status: http.StatusAccepted}
	done     = reply{status: http.StatusOK}
	silence  = reply{}
)

func newLocation(t *testing.T, puts, polls []reply) *location {
	t.Helper()
	l := &location{service: newService(t), puts: puts, polls: polls}
	l.seen = func() lro.Reading[string] { return lro.Reading[string]{} } // it is not there
	l.transport = l
	l.implement()
	return l
}

func (l *location) Do(r *http.Request) (*http.Response, error) {
	l.asked = append(l.asked, l.e.Elapsed())
	from := &l.polls
	if r.Method == http.MethodPut {
		l.begins++
		l.conditions = append(l.conditions, r.Header.Get("If-Match"))
		from = &l.puts
	}
	next := (*from)[0]
	if len(*from) > 1 {
		*from = (*from)[1:]
	}
	if next == silence {
		return nil, errors.New("connection refused")
	}
	return next.response(r), nil
}

func (a reply) response(r *http.Request) *http.Response {
	body := `{"id":"/the/account"}`
	if a.code != "" {
		body = `{"error":{"code":"` + a.code + `","message":"it says so"}}`
	}
	h := http.Header{"Content-Type": {"application/json"}}
	if a.status == http.StatusAccepted {
		h.Set("Location", "https://management.example/op?sig=secret")
	}
	if a.after > 0 {
		h.Set("Retry-After", strconv.Itoa(a.after))
	}
	return &http.Response{StatusCode: a.status, Request: r, Body: io.NopCloser(strings.NewReader(body)), Header: h}
}

// succeeds runs it, which must end well after so many begins.
func (l *location) succeeds(what string, begins int) {
	l.t.Helper()
	if id, err := l.run(); id != "/the/account" || err != nil || l.begins != begins {
		l.t.Errorf("%s: %q %v after %d begins, want %d", what, id, err, l.begins, begins)
	}
}

// fails runs it, which must end with a code after so many begins.
func (l *location) fails(what, code string, begins int) *lro.Error {
	l.t.Helper()
	_, err := l.run()
	failed, ok := errors.AsType[*lro.Error](err)
	if !ok || failed.Code != code || l.begins != begins || strings.Contains(err.Error(), "secret") {
		l.t.Fatalf("%s: %v after %d begins, want %s after %d", what, err, l.begins, code, begins)
	}
	return failed
}

// A Location address answers with how the operation has ended.
func TestAnOperationThatFailsAtItsLocationIsAnError(t *testing.T) {
	for code, status := range map[string]int{"AccountNameInvalid": http.StatusBadRequest, "QuotaExceeded": http.StatusConflict} {
		l := newLocation(t, []reply{accepted}, []reply{{status: status, code: code}})
		if failed := l.fails(code, code, 1); failed.Status != status {
			t.Errorf("%s: the status is %d", code, failed.Status)
		}
	}
}

func TestADeniedPollIsNoFailureButTheThirdIs(t *testing.T) {
	no := reply{status: http.StatusForbidden, code: "RequestDisallowedByPolicy"}
	for _, polls := range [][]reply{{done}, {no, done}, {no, no, done}} {
		newLocation(t, []reply{accepted}, polls).succeeds("denied now and then", len(polls))
	}
	if failed := newLocation(t, []reply{accepted}, []reply{no}).fails("denied always", no.code, 3); failed.Status != no.status {
		t.Errorf("the status is %d", failed.Status)
	}
}

// Nobody asks earlier than the service wants, nor later.
func TestTheServiceSaysWhenItIsAskedNext(t *testing.T) {
	after := func(a reply, seconds int) reply { a.after = seconds; return a }
	l := newLocation(t,
		[]reply{after(reply{status: http.StatusTooManyRequests, code: "TooManyRequests"}, 300), after(accepted, 37)},
		[]reply{after(accepted, 41), after(reply{status: http.StatusServiceUnavailable, code: "ServerBusy"}, 97), after(accepted, 30), done})
	l.succeeds("throttled", 2)
	var waits []time.Duration
	for i := range l.asked[1:] {
		waits = append(waits, l.asked[i+1]-l.asked[i])
	}
	if first := waits[0]; first <= 300*time.Second || first > 310*time.Second { // who was refused comes back spread out
		t.Errorf("it was begun anew after %v", first)
	}
	if want := []time.Duration{37 * time.Second, 41 * time.Second, 97 * time.Second, 30 * time.Second}; !slices.Equal(waits[1:], want) {
		t.Errorf("it was polled after %v, want %v", waits[1:], want)
	}
}

func TestALookWaitsAsLongAsTheServiceWants(t *testing.T) {
	l := newLocation(t, []reply{{status: http.StatusConflict, code: "AnotherOperationInProgress", after: 50}}, nil)
	var asked []time.Duration
	l.header = http.Header{"Retry-After": {"70"}}
	l.unseen = func() error {
		if asked = append(asked, l.e.Elapsed()); len(asked) == 1 {
			r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://management.example/account", http.NoBody)
			return runtime.NewResponseError(reply{http.StatusTooManyRequests, "TooManyRequests", 300}.response(r)) //nolint:bodyclose // Nothing is open.
		}
		return nil
	}
	l.seen = func() lro.Reading[string] {
		if len(asked) == 2 {
			return lro.Reading[string]{Exists: true, State: "Updating", Wanted: true}
		}
		return lro.Reading[string]{Exists: true, Wanted: true, Value: "/the/account"}
	}
	l.succeeds("looked at", 1)
	if want := []time.Duration{50 * time.Second, 350 * time.Second, 420 * time.Second}; !slices.Equal(asked, want) {
		t.Errorf("it was looked at after %v, want %v", asked, want)
	}
}

func TestAnOutageEndsNothingBeforeTheLimit(t *testing.T) {
	outage := slices.Repeat([]reply{silence}, 100)
	newLocation(t, append(slices.Clone(outage), accepted), []reply{done}).succeeds("while it is begun", 101)
	newLocation(t, []reply{accepted}, append(slices.Clone(outage), done)).succeeds("while it is polled", 1)
	l := newLocation(t, []reply{accepted}, []reply{silence})
	if failed := l.fails("for ever", "NotDoneInTime", 1); !strings.Contains(failed.Message, "connection refused") || l.e.Elapsed() < time.Hour {
		t.Errorf("%v after %v", failed, l.e.Elapsed())
	}
}

// However short the waits are that the service asks for, and however long it takes,
// a history stays far from its limit.
func TestALongOperationHasAShortHistory(t *testing.T) {
	l := newLocation(t, []reply{accepted}, []reply{{status: http.StatusAccepted, after: 1}})
	failed := l.fails("for ever", "NotDoneInTime", 1)
	if n := len(l.asked); n > 1_000 || l.e.Elapsed() < time.Hour {
		t.Errorf("%d requests in %v: %v", n, l.e.Elapsed(), failed)
	}
}

func TestABugInTheClientIsNoOutage(t *testing.T) {
	l := newLocation(t, []reply{{status: http.StatusConflict, code: "AnotherOperationInProgress"}}, nil)
	l.seen = func() lro.Reading[string] { panic("a bug") } // panic: as bugs do
	if _, err := l.run(); err == nil || !strings.Contains(err.Error(), "a bug") || l.e.Elapsed() > 10*time.Minute {
		t.Errorf("%v after %v", err, l.e.Elapsed())
	}
}

// A begin that is on its way is not given up: whoever cleans up afterwards knows
// what it came to (L3).
func TestACancellationWaitsForABeginWithoutAnAnswer(t *testing.T) {
	l := newLocation(t, append(slices.Repeat([]reply{silence}, 5), accepted), []reply{accepted})
	l.e.CancelAt(time.Second/2, "enough")
	if _, err := l.run(); !errors.Is(err, orchestration.ErrCancelled) || l.begins != 6 {
		t.Errorf("%v after %d begins", err, l.begins)
	}
}

func TestTheLimitEndsPollsWithoutAnAnswer(t *testing.T) {
	l := newLocation(t, []reply{accepted}, []reply{silence})
	l.limit = time.Minute
	failed := l.fails("a minute", "NotDoneInTime", 1)
	if took := l.e.Elapsed(); took > time.Minute {
		t.Errorf("it took %v to say %v", took, failed)
	}
}

func TestCancelledIsCancelledAlthoughTheLimitIsNear(t *testing.T) {
	l := newLocation(t, []reply{{status: http.StatusTooManyRequests, code: "TooManyRequests", after: 300}}, nil)
	l.limit = 2 * time.Minute
	l.e.CancelAt(0, "enough")
	if _, err := l.run(); !errors.Is(err, orchestration.ErrCancelled) || l.begins > 1 {
		t.Errorf("%v after %d begins", err, l.begins)
	}
}

// What others do is not counted against this one, however often.
func TestWhatIsUnderWayByOthersIsWaitedFor(t *testing.T) {
	l := newLocation(t, []reply{done}, nil)
	others := 5
	l.underWay = func() bool { others--; return others >= 0 }
	l.succeeds("others were there", 1)
}

func TestWhatHasGoneMeanwhileIsAskedForWithoutACondition(t *testing.T) {
	l := newLocation(t, []reply{{status: http.StatusPreconditionFailed, code: "PreconditionFailed"}, done}, nil)
	l.ifMatch = "one"
	l.unseen = func() error {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://management.example/account", http.NoBody)
		return runtime.NewResponseError(reply{status: http.StatusNotFound, code: "ResourceNotFound"}.response(r)) //nolint:bodyclose // Nothing is open.
	}
	l.succeeds("gone meanwhile", 2)
	if want := []string{"one", ""}; !slices.Equal(l.conditions, want) {
		t.Errorf("If-Match was %q, want %q", l.conditions, want)
	}
}

func TestAReadingIsDoneWhenItIsWantedAndComplete(t *testing.T) {
	for _, c := range []struct {
		r             lro.Reading[string]
		done, settled bool
	}{
		{lro.Reading[string]{}, false, true},
		{lro.Reading[string]{Wanted: true}, true, true}, // it is gone
		{lro.Reading[string]{Exists: true, Wanted: true, State: "Succeeded"}, true, true},
		{lro.Reading[string]{Exists: true, Wanted: true, State: "Updating"}, false, false},
		{lro.Reading[string]{Exists: true, Wanted: true, State: "Failed"}, false, true},
		{lro.Reading[string]{Exists: true, State: "Succeeded"}, false, true},
		{lro.Reading[string]{Wanted: true, Unknown: "HTTP 503"}, false, false},
	} {
		if c.r.Done() != c.done || c.r.Settled() != c.settled {
			t.Errorf("%+v: done %v, settled %v", c.r, c.r.Done(), c.r.Settled())
		}
	}
}

func TestWhatHasChangedIsAskedForAnewOnItsNewETag(t *testing.T) {
	l := newLocation(t, []reply{{status: http.StatusPreconditionFailed, code: "PreconditionFailed"}, done}, nil)
	l.ifMatch = "one"
	l.seen = func() lro.Reading[string] { return lro.Reading[string]{Exists: true, ETag: "two"} }
	l.succeeds("changed meanwhile", 2)
	if want := []string{"one", "two"}; !slices.Equal(l.conditions, want) {
		t.Errorf("If-Match was %q, want %q", l.conditions, want)
	}
}

func TestAResourceThatHasFailedIsNoSuccess(t *testing.T) {
	l := newLocation(t, []reply{accepted}, []reply{{status: http.StatusNotFound, code: "OperationNotFound"}})
	l.seen = func() lro.Reading[string] {
		return lro.Reading[string]{Exists: true, State: "Failed", Wanted: true, Value: "/the/account"}
	}
	if failed := l.fails("failed", "NotAsAskedFor", 3); !strings.Contains(failed.Message, "the resource is Failed") {
		t.Errorf("it says %q", failed.Message)
	}
}
