package environment_test

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/sqlite"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

func TestAnEnvironmentIsMadeOnceAndTornDown(t *testing.T) {
	inBubble(t, emulator.Config{}, func(w *world, client *core.Client) {
		out := provision(w, client, "alpha", spec())
		w.exactly("alpha")
		if out.Host == "" || out.Principal == "" || out.Storage != plan("alpha").Storage().ID {
			t.Errorf("the outputs are %+v", out)
		}
		var p environment.Progress
		if err := client.CustomStatus(w.ctx, "alpha", &p); err != nil || p.Phase != "done" || len(p.Steps) != len(plan("alpha").Resources()) {
			t.Errorf("the status is %+v: %v", p, err)
		}
		if err := tearDown(w, client, "alpha"); err != nil {
			t.Error(err)
		}
		w.nothing()
		if err := tearDown(w, client, "alpha"); err != nil {
			t.Errorf("what is gone cannot be torn down once more: %v", err)
		}
	})
}

func TestAnEnvironmentIsMadeOnceOnSQLite(t *testing.T) {
	w := newWorld(t, emulator.Config{Pace: 2 * time.Millisecond})
	store, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hub.db"), sqlite.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		w.stop()
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	w.run(store)
	client := core.NewClient(store, core.ClientConfig{})
	s := spec()
	s.Pace = w.pace
	provision(w, client, "alpha", s)
	w.exactly("alpha")
	if err := tearDown(w, client, "alpha"); err != nil {
		t.Error(err)
	}
	w.nothing()
}

func TestWhatTheCloudRefusesForNowIsAskedAgain(t *testing.T) {
	for name, fault := range map[string]emulator.Fault{
		"429 with Retry-After":      {Method: http.MethodPut, Status: http.StatusTooManyRequests, Code: "SubscriptionRequestsThrottled", RetryAfter: 7 * time.Second, Times: 5},
		"429 of polls":              {Method: http.MethodGet, ID: "operations", Status: http.StatusTooManyRequests, Code: "TooManyRequests", RetryAfter: 7 * time.Second, Times: 5},
		"503":                       {Status: http.StatusServiceUnavailable, Code: "ServerBusy", Skip: 3, Times: 9},
		"500 of polls":              {Method: http.MethodGet, ID: "operations", Status: http.StatusInternalServerError, Code: "InternalServerError", Times: 4},
		"409 in progress":           {Method: http.MethodPut, Status: http.StatusConflict, Code: "AnotherOperationInProgress", Times: 4},
		"412":                       {Method: http.MethodPut, Status: http.StatusPreconditionFailed, Code: "PreconditionFailed", Times: 4},
		"a principal not there yet": {Method: http.MethodPut, Kind: "microsoft.authorization/roleassignments", Status: http.StatusBadRequest, Code: "PrincipalNotFound", Times: 20},
		"operations are forgotten":  {Method: http.MethodGet, ID: "operations", Status: http.StatusNotFound, Code: "OperationNotFound", Times: 4},
		"signatures are refused":    {Method: http.MethodGet, ID: "operations", Status: http.StatusForbidden, Code: "AuthenticationFailed", Times: 4},
		"a token has expired":       {Method: http.MethodGet, ID: "operations", Status: http.StatusUnauthorized, Code: "ExpiredAuthenticationToken", Times: 4},
		"answers of PUT lost":       {Method: http.MethodPut, LoseAnswer: true, Times: 12},
		"answers of polls lost":     {Method: http.MethodGet, ID: "operations", LoseAnswer: true, Times: 4},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, emulator.Config{}, func(w *world, client *core.Client) {
				w.cloud.Inject(fault)
				provision(w, client, "alpha", spec())
				w.exactly("alpha")
				if w.cloud.Ledger().Injected == 0 {
					t.Error("the fault did not happen")
				}
			})
		})
	}
}

func TestRightsThatAreMissingForPollsAndLooksEndIt(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		network := plan("alpha").Network()
		w.cloud.Inject(emulator.Fault{Method: http.MethodGet, ID: "operations", Status: http.StatusForbidden, Code: "AuthorizationFailed"})
		w.cloud.Inject(emulator.Fault{Method: http.MethodGet, ID: network.ID, Skip: 1, Status: http.StatusForbidden, Code: "AuthorizationFailed", Times: 1})
		if _, err := start(w, client, "alpha", spec()).Wait(w.ctx); code(err) != "AuthorizationFailed" || !strings.Contains(err.Error(), "look at "+network.String()) {
			t.Errorf("it ended with %v", err)
		}
		w.nothing()
	})
}

func TestWhatCannotSucceedIsUndone(t *testing.T) {
	quota := &emulator.OperationFailure{Code: "QuotaExceeded", Message: "no more"}
	for _, r := range plan("alpha").Resources() {
		for name, fault := range map[string]emulator.Fault{
			"refused": {Method: http.MethodPut, ID: r.ID, Status: http.StatusForbidden, Code: "QuotaExceeded"},
			"failed":  {Method: http.MethodPut, ID: r.ID, Operation: quota},
		} {
			kind := strings.ToLower(string(r.Kind))
			if name == "failed" && slices.Contains([]environment.Kind{environment.Group, environment.Identity, environment.RoleAssigning}, r.Kind) {
				continue // it is made at once
			}
			want := "QuotaExceeded"
			if name == "failed" && r.Kind == environment.App {
				want = "Failed" // its state is all that tells
			}
			if r.Kind == environment.Group {
				fault.ID = r.Name()
			}
			t.Run(name+" "+kind, func(t *testing.T) {
				inBubble(t, emulator.Config{}, func(w *world, client *core.Client) {
					w.cloud.Inject(fault)
					_, err := start(w, client, "alpha", spec()).Wait(w.ctx)
					if code(err) != want {
						t.Errorf("it ended with %v, not with %s", err, want)
					}
					w.nothing()
				})
			})
		}
	}
}

func TestNobodyApprovesAndItIsUndone(t *testing.T) {
	for name, decide := range map[string]func(w *world, client *core.Client) string{
		"late": func(*world, *core.Client) string { return "" },
		"refused": func(w *world, client *core.Client) string {
			if err := environment.Approval.Raise(w.ctx, client, "alpha", environment.Decision{By: "bob"}); err != nil {
				w.t.Fatal(err)
			}
			return "bob"
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, emulator.Config{}, func(w *world, client *core.Client) {
				s := spec()
				s.Approval = 48 * time.Hour
				h := start(w, client, "alpha", s)
				by := decide(w, client)
				_, err := h.Wait(w.ctx)
				if refused, ok := errors.AsType[*environment.RefusedError](err); !ok || refused.By != by {
					t.Errorf("it ended with %v", err)
				}
				w.nothing()
			})
		})
	}
}

func TestSomebodyApprovesBeforeItIsAsked(t *testing.T) {
	inBubble(t, emulator.Config{}, func(w *world, client *core.Client) {
		s := spec()
		s.Approval = time.Hour
		h := start(w, client, "alpha", s)
		if err := environment.Approval.Raise(w.ctx, client, "alpha", environment.Decision{Approved: true, By: "ann"}); err != nil {
			t.Fatal(err)
		}
		if out, err := h.Wait(w.ctx); err != nil || out.Approved != "ann" {
			t.Errorf("%+v, %v", out, err)
		}
	})
}

func TestWhatBelongsToOthersIsLeftAlone(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		// Somebody has a group under the name that alpha's will have.
		put(w, plan("alpha").Group().ID, `{"location":"westeurope","tags":{"durable-hub":"other","durable-instance":"alpha"}}`)
		_, err := start(w, client, "alpha", spec()).Wait(w.ctx)
		if code(err) != environment.NotOurs {
			t.Errorf("it ended with %v", err)
		}
		if err := tearDown(w, client, "alpha"); !environment.IsNotOurs(err) {
			t.Errorf("tearing it down ended with %v", err)
		}
		if left := w.cloud.Resources(); len(left) != 1 || left[0].Tags[environment.HubTag] != "other" {
			t.Errorf("left is %+v", left)
		}
	})
}

func TestWhatBelongsToOthersIsToldBesideOtherFailures(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		provision(w, client, "alpha", spec())
		w.cloud.Inject(emulator.Fault{Method: http.MethodDelete, ID: plan("alpha").AppEnv().ID, Status: http.StatusForbidden, Code: "ScopeLocked"})
		if err := tearDown(w, client, "alpha"); err == nil || environment.IsNotOurs(err) {
			t.Errorf("it ended with %v", err)
		}
		provision(w, client, "beta", spec())
		w.cloud.Inject(emulator.Fault{Method: http.MethodDelete, ID: plan("beta").AppEnv().ID, Status: http.StatusForbidden, Code: "ScopeLocked"})
		put(w, plan("beta").Storage().ID, `{"location":"westeurope","tags":{"team":"other"}}`)
		err := tearDown(w, client, "beta") // the lock comes first
		if code(err) != "ScopeLocked" || !environment.IsNotOurs(err) || !environment.IsNotOurs(fmt.Errorf("wrapped: %w", errors.Join(errors.New("first"), err))) {
			t.Errorf("it ended with %v", err)
		}
	})
	for _, err := range []error{nil, errors.New("any"), &lro.Error{Code: "ScopeLocked"}} {
		if environment.IsNotOurs(err) {
			t.Errorf("%v", err)
		}
	}
}

func TestAGroupWithSomethingOfOthersStays(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		provision(w, client, "alpha", spec())
		foreign := plan("alpha").Group().ID + "/providers/Microsoft.ManagedIdentity/userAssignedIdentities/foreign"
		put(w, foreign, `{"location":"westeurope"}`)
		if err := tearDown(w, client, "alpha"); !environment.IsNotOurs(err) {
			t.Errorf("it ended with %v", err)
		}
		left := w.cloud.Resources()
		if len(left) != 2 || !strings.EqualFold(left[0].ID, plan("alpha").Group().ID) || left[1].ID != foreign {
			t.Errorf("left is %+v", left)
		}
	})
}

func TestABadSpecificationIsRefusedBeforeAnythingIsMade(t *testing.T) {
	for name, change := range map[string]func(*environment.Spec){
		"subscription": func(s *environment.Spec) { s.Subscription = "mine" },
		"empty":        func(s *environment.Spec) { *s = environment.Spec{} },
		"location":     func(s *environment.Spec) { s.Location = "../../other" },
		"hub":          func(s *environment.Spec) { s.Hub = "" },
		"address":      func(s *environment.Spec) { s.Address = "10.0.0.0/24 or so" },
		"too small":    func(s *environment.Spec) { s.Address = "10.0.0.0/24" },
		"no prefix":    func(s *environment.Spec) { s.Address = "10.0.0.0" },
		"not its own":  func(s *environment.Spec) { s.Address = "10.0.0.1/16" },
		"of version 6": func(s *environment.Spec) { s.Address = "fd00::/16" },
		"approval":     func(s *environment.Spec) { s.Approval = -1 },
		"huge":         func(s *environment.Spec) { s.Subscription = strings.Repeat("0", 1<<20) },
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, emulator.Config{}, func(w *world, client *core.Client) {
				s := spec()
				change(&s)
				if _, err := start(w, client, "alpha", s).Wait(w.ctx); code(err) != "BadSpec" {
					t.Errorf("it ended with %v", err)
				}
				if l := w.cloud.Ledger(); len(l.Records) != 0 {
					t.Errorf("something happened: %+v", l.Records)
				}
			})
		})
	}
}

func TestTwoOfTheSameNameAreOne(t *testing.T) {
	inBubble(t, emulator.Config{}, func(w *world, client *core.Client) {
		h := start(w, client, "alpha", spec())
		if _, err := environment.Provision.Start(w.ctx, client, spec(), orchestration.StartOptions{ID: "alpha"}); !errors.Is(err, provider.ErrExists) {
			t.Errorf("a second start ended with %v", err)
		}
		if _, err := h.Wait(w.ctx); err != nil {
			t.Error(err)
		}
		w.exactly("alpha")
	})
}

// put makes something at the cloud, as somebody else.
func put(w *world, id, body string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.ctx, http.MethodPut, "http://cloud.test"+id, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	resp, err := (&host{world: w}).RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode >= http.StatusBadRequest {
		w.t.Fatal(resp.Status)
	}
}
