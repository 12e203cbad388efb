package emulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	group   = "/subscriptions/s/resourceGroups/g"
	network = group + "/providers/Microsoft.Network/virtualNetworks/v"
	account = group + "/providers/Microsoft.Storage/storageAccounts/a"
	appEnv  = group + "/providers/Microsoft.App/managedEnvironments/e"
	app     = group + "/providers/Microsoft.App/containerApps/p"
	user    = group + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/u"
	role    = group + "/providers/Microsoft.Authorization/roleAssignments/r"
)

// cloud is an emulator with a clock that the test sets.
type cloud struct {
	t   *testing.T
	s   *emulator.Server
	now time.Time
}

func newCloud(t *testing.T, cfg emulator.Config) *cloud {
	t.Helper()
	c := &cloud{t: t, now: time.Unix(0, 0)}
	cfg.Now = func() time.Time { return c.now }
	c.s = emulator.New(cfg)
	return c
}

// withGroup has the group already.
func withGroup(t *testing.T) *cloud {
	t.Helper()
	c := newCloud(t, emulator.Config{Registered: true})
	c.ask(http.MethodPut, group, `{"location":"x"}`, http.StatusCreated)
	return c
}

type reply struct {
	header http.Header
	body   map[string]any
}

// code is that of the error.
func (r reply) code() string {
	e, _ := r.body["error"].(map[string]any)
	code, _ := e["code"].(string)
	return code
}

func (r reply) state() string {
	p, _ := r.body["properties"].(map[string]any)
	state, _ := p["provisioningState"].(string)
	return state
}

// ask makes a request that must be answered with a status.
func (c *cloud) ask(method, path, body string, status int, header ...string) reply {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.s.ServeHTTP(w, r)
	if w.Code != status {
		c.t.Fatalf("%s %s: %d %s, want %d", method, path, w.Code, w.Body, status)
	}
	got := reply{header: w.Header()}
	if w.Body.Len() > 0 {
		if err := json.Unmarshal(w.Body.Bytes(), &got.body); err != nil {
			c.t.Fatalf("%s %s answers %q", method, path, w.Body)
		}
	}
	return got
}

func (c *cloud) wait(paces int) { c.now = c.now.Add(time.Duration(paces) * time.Second) }

func TestEachTypeHasItsStyleOfLongRunningOperation(t *testing.T) {
	c := withGroup(t)
	async := c.ask(http.MethodPut, network, `{}`, http.StatusCreated).header.Get("Azure-AsyncOperation")
	location := c.ask(http.MethodPut, account, `{}`, http.StatusAccepted).header.Get("Location")
	state := c.ask(http.MethodPut, app, `{}`, http.StatusCreated)
	if state.header.Get("Azure-AsyncOperation") != "" || state.header.Get("Location") != "" || state.state() != "Creating" {
		t.Errorf("an app answers %v %v", state.header, state.body)
	}
	if got := c.ask(http.MethodGet, async, "", http.StatusOK); got.body["status"] != "InProgress" || got.header.Get("Retry-After") == "" {
		t.Errorf("a status is %v %v", got.header, got.body)
	}
	c.ask(http.MethodGet, location, "", http.StatusAccepted)
	c.wait(5)
	if got := c.ask(http.MethodGet, async, "", http.StatusOK); got.body["status"] != "Succeeded" {
		t.Errorf("the status is %v", got.body)
	}
	if got := c.ask(http.MethodGet, location, "", http.StatusOK); got.state() != "Succeeded" {
		t.Errorf("the account is %v", got.body)
	}
	if got := c.ask(http.MethodGet, app, "", http.StatusOK); got.state() != "Succeeded" {
		t.Errorf("the app is %v", got.body)
	}
	c.ask(http.MethodGet, strings.Replace(async, "sig=", "sig=0", 1), "", http.StatusForbidden)
}

func TestAPutIsRepeatable(t *testing.T) {
	c := withGroup(t)
	c.ask(http.MethodPut, user, `{"location":"x"}`, http.StatusCreated)
	c.ask(http.MethodPut, user, `{"location":"x"}`, http.StatusOK)
	c.ask(http.MethodPut, user, `{"location":"x","tags":{"a":"b"}}`, http.StatusOK)
	if l := c.s.Ledger(); l.Count(emulator.Created, user) != 1 || l.Count(emulator.Updated, user) != 1 {
		t.Errorf("%+v", l.Records)
	}
}

func TestWhatIsInProgressRefusesOthers(t *testing.T) {
	c := withGroup(t)
	c.ask(http.MethodPut, network, `{}`, http.StatusCreated)
	if got := c.ask(http.MethodPut, network, `{"a":1}`, http.StatusConflict); got.code() != "AnotherOperationInProgress" {
		t.Errorf("%v", got.body)
	}
	c.ask(http.MethodDelete, network, "", http.StatusConflict)
	c.ask(http.MethodDelete, group, "", http.StatusConflict)
}

func TestConditionsAreHonoured(t *testing.T) {
	c := withGroup(t)
	c.ask(http.MethodPut, network, `{}`, http.StatusCreated)
	c.wait(5)
	etag, _ := c.ask(http.MethodGet, network, "", http.StatusOK).body["etag"].(string)
	c.ask(http.MethodPut, network, `{"a":1}`, http.StatusPreconditionFailed, "If-Match", `W/"other"`)
	c.ask(http.MethodPut, network, `{"a":1}`, http.StatusOK, "If-Match", etag)
	c.wait(5)
	c.ask(http.MethodDelete, network, "", http.StatusPreconditionFailed, "If-Match", etag)
	c.ask(http.MethodDelete, network, "", http.StatusAccepted)
}

func TestAFailedOperationAnswers200(t *testing.T) {
	c := withGroup(t)
	c.s.Inject(emulator.Fault{Method: http.MethodPut, ID: "/v", Operation: &emulator.OperationFailure{Code: "QuotaExceeded"}})
	async := c.ask(http.MethodPut, network, `{}`, http.StatusCreated).header.Get("Azure-AsyncOperation")
	c.wait(5)
	if got := c.ask(http.MethodGet, async, "", http.StatusOK); got.body["status"] != "Failed" || got.code() != "QuotaExceeded" {
		t.Errorf("the status is %v", got.body)
	}
	if got := c.ask(http.MethodGet, network, "", http.StatusOK); got.state() != "Failed" {
		t.Errorf("the network is %v", got.body)
	}
}

func TestAnAnswerIsLostAndWhatWasAskedForIsDone(t *testing.T) {
	c := withGroup(t)
	address := c.ask(http.MethodPut, network, `{}`, http.StatusCreated).header.Get("Azure-Asyncoperation")
	c.s.Inject(emulator.Fault{LoseAnswer: true, Times: 2})
	for _, lost := range []struct{ method, url string }{{http.MethodPut, account}, {http.MethodGet, address}} {
		func() {
			defer func() {
				if err, ok := recover().(error); !ok || !errors.Is(err, http.ErrAbortHandler) {
					t.Errorf("%s %s: %v", lost.method, lost.url, err)
				}
			}()
			c.s.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), lost.method, lost.url, strings.NewReader(`{}`)))
		}()
	}
	if l := c.s.Ledger(); l.Count(emulator.Created, account) != 1 || l.Polls != 1 || l.Injected != 2 {
		t.Errorf("%+v", l)
	}
}

func TestAnAnswerTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := emulator.New(emulator.Config{Latency: time.Minute})
		ask := func(limit time.Duration) (text string, took time.Duration) {
			ctx, cancel := context.WithTimeout(t.Context(), limit)
			defer cancel()
			began, w := time.Now(), httptest.NewRecorder()
			s.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, group, http.NoBody))
			return w.Body.String(), time.Since(began)
		}
		if text, took := ask(time.Hour); !strings.Contains(text, "ResourceGroupNotFound") || took != time.Minute {
			t.Errorf("%q after %v", text, took)
		}
		if text, took := ask(time.Second); text != "" || took != time.Second {
			t.Errorf("%q after %v to one who has left", text, took)
		}
	})
}

func TestRulesOfTheCloudHold(t *testing.T) {
	c := newCloud(t, emulator.Config{})
	if got := c.ask(http.MethodPut, user, `{}`, http.StatusNotFound); got.code() != "ResourceGroupNotFound" {
		t.Errorf("without a group: %v", got.body)
	}
	c.ask(http.MethodPut, group, `{}`, http.StatusCreated)
	if got := c.ask(http.MethodPut, user, `{}`, http.StatusConflict); got.code() != "MissingSubscriptionRegistration" {
		t.Errorf("without a registration: %v", got.body)
	}
	c.ask(http.MethodPost, "/subscriptions/s/providers/Microsoft.ManagedIdentity/register", "", http.StatusOK)
	c.wait(2)
	principal := c.ask(http.MethodPut, user, `{}`, http.StatusCreated).body["properties"].(map[string]any)["principalId"]
	body := fmt.Sprintf(`{"properties":{"principalId":%q,"roleDefinitionId":"x"}}`, principal)
	if got := c.ask(http.MethodPut, role, body, http.StatusBadRequest); got.code() != "PrincipalNotFound" {
		t.Errorf("too early: %v", got.body)
	}
	c.wait(60)
	c.ask(http.MethodPut, role, body, http.StatusCreated)
	late := c.ask(http.MethodPut, user+"2", `{}`, http.StatusCreated).body["properties"].(map[string]any)["principalId"]
	c.wait(60)
	for _, status := range []int{http.StatusBadRequest, http.StatusCreated} { // not to the first who looks for it
		c.ask(http.MethodPut, role+"3", fmt.Sprintf(`{"properties":{"principalId":%q,"roleDefinitionId":"x"}}`, late), status)
	}
	if n := c.s.Ledger().Refused["PrincipalNotFound"]; n != 2 {
		t.Errorf("%d refusals were counted", n)
	}
	if got := c.ask(http.MethodPut, role+"2", body, http.StatusConflict); got.code() != "RoleAssignmentExists" {
		t.Errorf("once more: %v", got.body)
	}
	c.ask(http.MethodPost, "/subscriptions/s/providers/Microsoft.App/register", "", http.StatusOK)
	c.wait(2)
	if got := c.ask(http.MethodPut, app, fmt.Sprintf(`{"properties":{"managedEnvironmentId":%q}}`, appEnv), http.StatusBadRequest); got.code() != "InvalidResourceReference" {
		t.Errorf("without its environment: %v", got.body)
	}
	c.ask(http.MethodPut, appEnv, `{}`, http.StatusCreated)
	c.wait(5)
	c.ask(http.MethodPut, app, fmt.Sprintf(`{"properties":{"managedEnvironmentId":%q}}`, appEnv), http.StatusCreated)
	c.wait(5)
	if got := c.ask(http.MethodDelete, appEnv, "", http.StatusConflict); got.code() != "ManagedEnvironmentNotEmpty" {
		t.Errorf("in use: %v", got.body)
	}
	c.ask(http.MethodDelete, group, "", http.StatusAccepted)
	c.wait(5)
	c.ask(http.MethodDelete, group, "", http.StatusNotFound)
	c.ask(http.MethodDelete, app, "", http.StatusNoContent)
	if left := c.s.Resources(); len(left) != 0 {
		t.Errorf("left is %+v", left)
	}
}

func TestWritesAreThrottledAndReadsAreNot(t *testing.T) {
	c := newCloud(t, emulator.Config{WritesPerSecond: 1, Burst: 2})
	c.ask(http.MethodPut, group, `{}`, http.StatusCreated)
	c.ask(http.MethodPut, group, `{}`, http.StatusOK)
	if got := c.ask(http.MethodPut, group, `{}`, http.StatusTooManyRequests); got.header.Get("Retry-After") != "1" {
		t.Errorf("%v", got.header)
	}
	c.ask(http.MethodGet, group, "", http.StatusOK)
	c.ask(http.MethodPut, "/subscriptions/other/resourceGroups/g", `{}`, http.StatusCreated)
	c.wait(1)
	c.ask(http.MethodPut, group, `{}`, http.StatusOK)
}

func TestWrongRequestsAreRefused(t *testing.T) {
	c := withGroup(t)
	for path, body := range map[string]string{
		"/":                        `{}`,
		"/subscriptions":           `{}`,
		group + "/nothing":         `{}`,
		user:                       `not JSON`,
		user + "1":                 `[]`,
		user + "2":                 `{"a":"` + strings.Repeat("x", 2<<20) + `"}`,
		group + "/providers/X/y/z": `{}`,
	} {
		c.ask(http.MethodPut, path, body, http.StatusBadRequest)
	}
	c.ask(http.MethodPatch, user, `{}`, http.StatusMethodNotAllowed)
	if n := len(c.s.Resources()); n != 1 {
		t.Errorf("%d resources", n)
	}
}

func TestAnotherProcessSeesTheLedgerAndChangesThings(t *testing.T) {
	server := httptest.NewServer(withGroup(t).s)
	defer server.Close()
	defer http.DefaultClient.CloseIdleConnections()
	admin := emulator.Admin{URL: server.URL}
	if err := admin.Inject(t.Context(), emulator.Fault{Method: http.MethodGet, Status: http.StatusTeapot, Code: "Tea", Times: 1}); err != nil {
		t.Fatal(err)
	}
	if err := admin.Change(t.Context(), group, nil); err != nil {
		t.Fatal(err)
	}
	if err := admin.Change(t.Context(), group, nil); err == nil {
		t.Error("what does not exist was changed")
	}
	left, err := admin.Resources(t.Context())
	ledger, other := admin.Ledger(t.Context())
	if err != nil || other != nil || len(left) != 0 || ledger.Count(emulator.Deleted, group) != 1 || ledger.Count(emulator.Changed, "") != 1 {
		t.Errorf("%+v %+v %v %v", left, ledger, err, other)
	}
}
