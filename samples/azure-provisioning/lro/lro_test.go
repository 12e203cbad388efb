package lro_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	azfake "github.com/Azure/azure-sdk-for-go/sdk/azcore/fake"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/storage/armstorage/fake"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// The operation under test makes a storage account; the SDK's fake is the service.
var (
	account = lro.Declare[string, string]("account")
	main    = orchestration.Declare[time.Duration, string]("main")
)

type service struct {
	t      *testing.T
	e      *orchestrationtest.Env
	server fake.AccountsServer
	begins int
	looks  int
	// transport reaches the service; nil for the fake.
	transport policy.Transporter
	sealer    *lro.Sealer
	limit     time.Duration
	ifMatch   string

	// What the service answers: how often an operation is in progress, and what it
	// ends with.
	polls   int
	ends    func(*azfake.PollerResponder[armstorage.AccountsClientCreateResponse])
	refusal []func(*azfake.ErrorResponder) // of the first begins
	seen    func() lro.Reading[string]
	unseen  func() error
	header  http.Header // of the answer to a look

	underWay func() bool // something of others, when it is begun
}

func newService(t *testing.T) *service {
	t.Helper()
	s := &service{t: t, e: orchestrationtest.New(t), polls: 3}
	s.sealer = newSealer(t)
	s.ends = func(r *azfake.PollerResponder[armstorage.AccountsClientCreateResponse]) {
		answer := armstorage.AccountsClientCreateResponse{}
		answer.ID = new("/the/account")
		r.SetTerminalResponse(http.StatusOK, answer, nil)
	}
	s.server.BeginCreate = func(context.Context, string, string, armstorage.AccountCreateParameters, *armstorage.AccountsClientBeginCreateOptions) (r azfake.PollerResponder[armstorage.AccountsClientCreateResponse], e azfake.ErrorResponder) {
		s.begins++
		if s.begins <= len(s.refusal) {
			s.refusal[s.begins-1](&e)
			return r, e
		}
		for range s.polls {
			r.AddNonTerminalResponse(http.StatusAccepted, nil)
		}
		s.ends(&r)
		return r, e
	}
	s.implement()
	return s
}

func newSealer(t *testing.T) *lro.Sealer {
	t.Helper()
	sealer, err := lro.NewSealer(lro.NewKey())
	if err != nil {
		t.Fatal(err)
	}
	return sealer
}

// implement registers the activities: a new client of the service, as after a
// restart, except for the fake, whose operations live in its transport.
func (s *service) implement() {
	transport := s.transport
	if transport == nil {
		transport = fake.NewAccountsServerTransport(&s.server)
	}
	client, err := armstorage.NewAccountsClient("sub", &azfake.TokenCredential{}, &arm.ClientOptions{
		ClientOptions: policy.ClientOptions{Transport: transport, Retry: policy.RetryOptions{MaxRetries: -1}},
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.e.Register(account.Implement(lro.Client[string, string]{
		Begin: func(ctx context.Context, name string, resume string) (lro.Poller[string], error) {
			if resume == "" && s.underWay != nil && s.underWay() {
				return nil, lro.ErrUnderWay
			}
			p, err := client.BeginCreate(ctx, "group", name, armstorage.AccountCreateParameters{}, &armstorage.AccountsClientBeginCreateOptions{ResumeToken: resume})
			return lro.From(p, err, func(r armstorage.AccountsClientCreateResponse) string { return *r.ID })
		},
		Look: func(ctx context.Context, _ string) (lro.Reading[string], error) {
			s.looks++
			if s.header != nil {
				r, _ := runtime.NewRequest(ctx, http.MethodGet, "https://management.example/account")
				if _, err := pipeline(s.header).Do(r); err != nil { //nolint:bodyclose // There is none.
					return lro.Reading[string]{}, err
				}
			}
			if s.unseen != nil {
				if err := s.unseen(); err != nil {
					return lro.Reading[string]{}, err
				}
			}
			return s.seen(), nil
		},
	}, s.sealer)...)
	s.e.Register(main.Func(func(ctx *orchestration.Context, limit time.Duration) (string, error) {
		return account.Run(ctx, "acct", lro.Options{Limit: limit, IfMatch: s.ifMatch, Describe: "account acct"})
	}))
}

// pipeline answers every request with a header.
func pipeline(h http.Header) runtime.Pipeline {
	return runtime.NewPipeline("", "", runtime.PipelineOptions{}, &policy.ClientOptions{Transport: headers{h}, Retry: policy.RetryOptions{MaxRetries: -1}})
}

type headers struct{ http.Header }

func (h headers) Do(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Header: h.Header, Request: r, Body: http.NoBody}, nil
}

func (s *service) run() (string, error) {
	return orchestrationtest.Run(s.e, main, s.limit)
}

// refuse answers with an error of the service, and headers.
func refuse(status int, code string) func(*azfake.ErrorResponder) {
	return func(e *azfake.ErrorResponder) { e.SetResponseError(status, code) }
}

func TestAnOperationIsBegunOnceAndPolledByTimers(t *testing.T) {
	s := newService(t)
	id, err := s.run()
	if id != "/the/account" || err != nil || s.begins != 1 {
		t.Fatalf("%q %v after %d begins", id, err, s.begins)
	}
	// The begin and two polls were answered "in progress", and before each poll
	// was a timer: nobody waited but the timers.
	if s.e.Elapsed() != 3*10*time.Second {
		t.Errorf("it took %v", s.e.Elapsed())
	}
}

func TestABrokenPollIsRepeatedAndNothingIsBegunAnew(t *testing.T) {
	s := newService(t)
	s.ends = func(r *azfake.PollerResponder[armstorage.AccountsClientCreateResponse]) {
		r.AddPollingError(errors.New("the connection broke"))
		answer := armstorage.AccountsClientCreateResponse{}
		answer.ID = new("/the/account")
		r.SetTerminalResponse(http.StatusOK, answer, nil)
	}
	if id, err := s.run(); id != "/the/account" || err != nil || s.begins != 1 {
		t.Errorf("%q %v after %d begins", id, err, s.begins)
	}
}

func TestALostWorkerLosesOneRequest(t *testing.T) {
	s := newService(t)
	s.e.Lose(activity.Declare[any, any]("account.poll"), 1)
	if id, err := s.run(); id != "/the/account" || err != nil || s.begins != 1 {
		t.Errorf("%q %v after %d begins", id, err, s.begins)
	}
}

func TestWhatAWaitHealsIsAskedAgain(t *testing.T) {
	for name, refusal := range map[string]func(*azfake.ErrorResponder){
		"throttled":           refuse(http.StatusTooManyRequests, "SubscriptionRequestsThrottled"),
		"unavailable":         refuse(http.StatusServiceUnavailable, "ServerBusy"),
		"gateway":             refuse(http.StatusBadGateway, ""),
		"principal not there": refuse(http.StatusBadRequest, "PrincipalNotFound"),
		"no answer":           func(e *azfake.ErrorResponder) { e.SetError(errors.New("connection reset")) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.refusal = []func(*azfake.ErrorResponder){refusal, refusal}
			if id, err := s.run(); id != "/the/account" || err != nil || s.begins != 3 {
				t.Errorf("%q %v after %d begins", id, err, s.begins)
			}
		})
	}
}

func TestEachBeginIsAdmitted(t *testing.T) {
	const most = 3
	errNoMore := errors.New("no more")
	for name, c := range map[string]struct{ refusals, begins int }{
		"once":                  {0, 1},
		"asked again":           {2, 3},
		"not admitted any more": {9, most},
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			for range c.refusals {
				s.refusal = append(s.refusal, refuse(http.StatusServiceUnavailable, "ServerBusy"))
			}
			admitted := orchestration.Declare[int, int]("admitted")
			s.e.Register(admitted.Func(func(ctx *orchestration.Context, _ int) (n int, err error) {
				_, err = account.Run(ctx, "acct", lro.Options{Admit: func(ctx *orchestration.Context) error {
					if n == most {
						return errNoMore
					}
					n++
					return ctx.Sleep(time.Hour)
				}, Limit: 2 * time.Minute})
				if errors.Is(err, errNoMore) {
					err = nil
				}
				return n, err
			}))
			n, err := orchestrationtest.Run(s.e, admitted, 0)
			if err != nil || n != c.begins || s.begins != c.begins || s.e.Elapsed() < time.Duration(n)*time.Hour {
				t.Errorf("%d admitted, %d begun in %v: %v", n, s.begins, s.e.Elapsed(), err)
			}
		})
	}
}

func TestWhatGoesOnAlreadyIsWaitedForAtTheResource(t *testing.T) {
	for name, refusal := range map[string]func(*azfake.ErrorResponder){
		"409": refuse(http.StatusConflict, "AnotherOperationInProgress"),
		"412": refuse(http.StatusPreconditionFailed, "PreconditionFailed"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newService(t)
			s.refusal = []func(*azfake.ErrorResponder){refusal}
			s.seen = func() lro.Reading[string] {
				state := "Creating"
				if s.looks > 2 {
					state = "Succeeded"
				}
				return lro.Reading[string]{Exists: true, State: state, Wanted: s.looks > 2, Value: "/found"}
			}
			if id, err := s.run(); id != "/found" || err != nil || s.begins != 1 || s.looks != 3 {
				t.Errorf("%q %v after %d begins and %d looks", id, err, s.begins, s.looks)
			}
		})
	}
}

func TestAResourceThatIsNotAsWantedIsAskedForAnew(t *testing.T) {
	s := newService(t)
	s.refusal = []func(*azfake.ErrorResponder){refuse(http.StatusConflict, "AnotherOperationInProgress")}
	s.seen = func() lro.Reading[string] { return lro.Reading[string]{Exists: true, State: "Failed"} }
	if id, err := s.run(); id != "/the/account" || err != nil || s.begins != 2 {
		t.Errorf("%q %v after %d begins", id, err, s.begins)
	}
}

func TestWhatNoWaitHealsIsAnError(t *testing.T) {
	for code, status := range map[string]int{"QuotaExceeded": http.StatusConflict, "InvalidParameter": http.StatusBadRequest, "AuthorizationFailed": http.StatusForbidden} {
		s := newService(t)
		s.refusal = []func(*azfake.ErrorResponder){refuse(status, code)}
		_, err := s.run()
		failed, ok := errors.AsType[*lro.Error](err)
		if !ok || failed.Code != code || failed.Status != status || s.begins != 1 {
			t.Errorf("%s: %v after %d begins", code, err, s.begins)
		}
	}
}

func TestAFailedOperationIsAnErrorWhateverItsHTTPStatus(t *testing.T) {
	s := newService(t)
	s.ends = func(r *azfake.PollerResponder[armstorage.AccountsClientCreateResponse]) {
		r.SetTerminalError(http.StatusOK, "QuotaExceeded")
	}
	_, err := s.run()
	if failed, ok := errors.AsType[*lro.Error](err); !ok || failed.Code != "QuotaExceeded" || s.begins != 1 {
		t.Errorf("%v after %d begins", err, s.begins)
	}
}

func TestATokenThatNobodyAcceptsIsReplacedByALook(t *testing.T) {
	s := newService(t)
	s.seen = func() lro.Reading[string] {
		return lro.Reading[string]{Exists: true, Wanted: true, Value: "/found"}
	}
	run := orchestrationtest.Start(s.e, main, s.limit)
	s.e.Advance(15 * time.Second) // begun, and polled once
	s.sealer = newSealer(t)       // the workers have another key, as after an upgrade that renames types
	s.implement()
	id, err := run.Result()
	if id != "/found" || err != nil || s.begins != 1 || s.looks != 1 {
		t.Errorf("%q %v after %d begins and %d looks", id, err, s.begins, s.looks)
	}
}

func TestAnOperationThatDoesNotEndIsGivenUpAtItsLimit(t *testing.T) {
	s := newService(t)
	s.polls, s.limit = 1000, 10*time.Minute
	_, err := s.run()
	if failed, ok := errors.AsType[*lro.Error](err); !ok || failed.Code != "NotDoneInTime" || s.e.Elapsed() > 10*time.Minute {
		t.Errorf("%v after %v", err, s.e.Elapsed())
	}
}

func TestCancellationLeavesPollsButNoBegin(t *testing.T) {
	s := newService(t)
	s.e.CancelAt(25*time.Second, "enough")
	if _, err := s.run(); !errors.Is(err, orchestration.ErrCancelled) || s.begins != 1 {
		t.Errorf("%v after %d begins", err, s.begins)
	}
	if s.e.Elapsed() != 25*time.Second {
		t.Errorf("it went on until %v", s.e.Elapsed())
	}
}

func TestTokensShowNowhere(t *testing.T) {
	token := lro.Token("secret")
	for _, text := range []string{token.String(), fmt.Sprintf("%#v", token), fmt.Sprintf("%s %v %q", token, token, token), token.LogValue().String()} {
		if strings.Contains(text, "secret") {
			t.Errorf("a token prints as %q", text)
		}
	}
	s := newService(t)
	run := orchestrationtest.Start(s.e, main, s.limit)
	if _, err := run.Result(); err != nil {
		t.Fatal(err)
	}
	history := string(run.Export(1))
	if !strings.Contains(history, `"token"`) || strings.Contains(history, "fake-resource") || strings.Contains(history, "pollURL") || strings.Contains(history, "asyncURL") {
		t.Errorf("the history shows what is in a token, or has none:\n%s", history)
	}
}
