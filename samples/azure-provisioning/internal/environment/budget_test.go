package environment_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/emulator"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/internal/environment"
	"github.com/duroxide/duroxide-go/samples/azure-provisioning/lro"
)

// thrifty is what environments with a budget are like.
func thrifty() environment.Spec {
	s := spec()
	s.Budget = environment.BudgetID(subscription)
	return s
}

// grants starts the budget, and returns what tells how much it has handed out.
func grants(w *world, client *core.Client, perSecond, burst float64) (granted func() int) {
	w.t.Helper()
	id := orchestration.InstanceID(environment.BudgetID(subscription))
	if _, err := environment.Budget.Start(w.ctx, client, environment.BudgetSpec{PerMinute: 60 * perSecond, Burst: burst}, orchestration.StartOptions{ID: id}); err != nil {
		w.t.Fatal(err)
	}
	return func() int {
		w.t.Helper()
		n, err := environment.Granted.Read(w.ctx, client, id)
		if err != nil {
			w.t.Fatal(err)
		}
		return n
	}
}

// counted counts the writes that arrive.
func counted(w *world) (writes func() int) {
	n := 0
	w.hear = func(_ *host, r *http.Request, served bool) {
		if r.Method != http.MethodGet && !served {
			w.mu.Lock()
			n++
			w.mu.Unlock()
		}
	}
	return func() int {
		w.mu.Lock()
		defer w.mu.Unlock()
		return n
	}
}

func TestEveryWriteAsksTheBudget(t *testing.T) {
	all := len(plan("alpha").Resources())
	for name, c := range map[string]struct {
		cfg   emulator.Config
		fault emulator.Fault
		do    func(w *world, client *core.Client)
		least int
	}{
		"making, with registrations": {do: func(w *world, client *core.Client) { provision(w, client, "alpha", thrifty()) }, least: all + 4},
		"asking again": {
			fault: emulator.Fault{Method: http.MethodPut, ID: plan("alpha").Storage().ID, Status: http.StatusServiceUnavailable, Times: 9},
			do:    func(w *world, client *core.Client) { provision(w, client, "alpha", thrifty()) }, least: all + 4 + 9,
		},
		"undoing": {
			cfg:   emulator.Config{Registered: true},
			fault: emulator.Fault{Method: http.MethodPut, ID: plan("alpha").Role("").ID, Status: http.StatusForbidden, Code: "Denied"},
			do: func(w *world, client *core.Client) {
				if _, err := start(w, client, "alpha", thrifty()).Wait(w.ctx); code(err) != "Denied" {
					w.t.Error(err)
				}
				w.nothing()
			}, least: 2*all - 1,
		},
		"repairing": {cfg: emulator.Config{Registered: true}, least: 2 * all, do: func(w *world, client *core.Client) {
			provision(w, client, "alpha", thrifty())
			p := plan("alpha")
			p.Spec = thrifty()
			if _, err := environment.Watch.Start(w.ctx, client, environment.WatchSpec{Plan: p, Every: time.Minute}, orchestration.StartOptions{ID: "watch"}); err != nil {
				w.t.Fatal(err)
			}
			w.cloud.Change(p.Group().ID, nil)
			if seen := drifts(w, client, 3); seen.Repairs != all {
				w.t.Errorf("the watch saw %+v", seen)
			}
		}},
		"sweeping": {cfg: emulator.Config{Registered: true}, least: 2 * all, do: func(w *world, client *core.Client) {
			provision(w, client, "alpha", thrifty())
			if err := client.Purge(w.ctx, "alpha"); err != nil {
				w.t.Fatal(err)
			}
			h, err := environment.Sweep.Start(w.ctx, client, environment.SweepSpec{Each: thrifty(), RemoveUnknown: true}, orchestration.StartOptions{ID: "sweep"})
			if err != nil {
				w.t.Fatal(err)
			}
			if swept, err := h.Wait(w.ctx); err != nil || swept.Removed != 1 {
				w.t.Errorf("it swept %+v: %v", swept, err)
			}
			w.nothing()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			c.cfg.WritesPerSecond, c.cfg.Burst = 1, 10
			inBubble(t, c.cfg, func(w *world, client *core.Client) {
				writes, granted := counted(w), grants(w, client, 1, 10)
				if c.fault.Status != 0 {
					w.cloud.Inject(c.fault)
				}
				c.do(w, client)
				if n := writes(); n < c.least || granted() < n || w.cloud.Ledger().Throttled != 0 {
					t.Errorf("%d writes were made, %d granted, %d throttled", n, granted(), w.cloud.Ledger().Throttled)
				}
			})
		})
	}
}

func TestABudgetThatDoesNotRunIsNamedAndKeepsNothingFromGoing(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		began := time.Now()
		_, err := start(w, client, "alpha", thrifty()).Wait(w.ctx)
		if failed, ok := errors.AsType[*lro.Error](err); !ok || failed.Code != environment.NoBudget || !strings.Contains(failed.Message, environment.BudgetID(subscription)) {
			t.Errorf("it ended with %v", err)
		}
		if took := time.Since(began); took > time.Hour {
			t.Errorf("it took %v", took)
		}
		if n := len(w.cloud.Ledger().Records); n != 0 {
			t.Errorf("%d things happened", n)
		}
		provision(w, client, "beta", spec())
		p := plan("beta")
		p.Spec = thrifty()
		h, err := environment.TearDown.Start(w.ctx, client, p, orchestration.StartOptions{ID: "teardown"})
		if err != nil {
			t.Fatal(err)
		}
		began = time.Now()
		if _, err := h.Wait(w.ctx); err != nil || time.Since(began) > time.Hour {
			t.Errorf("after %v it ended with %v", time.Since(began), err)
		}
		w.nothing()
	})
}

func TestABudgetThatAnswersAtTheLastMomentUndoesNothing(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		h := start(w, client, "alpha", thrifty())
		<-time.After(15*time.Minute + 30*time.Second) // nobody answers: the timer comes first
		grants(w, client, 10, 100)
		if _, err := h.Wait(w.ctx); err != nil {
			t.Fatal(err)
		}
		w.exactly("alpha")
	})
}

func TestABudgetKeepsItsLastTwoExecutions(t *testing.T) {
	inBubble(t, emulator.Config{Registered: true}, func(w *world, client *core.Client) {
		granted, id := grants(w, client, 0, 0), orchestration.InstanceID(environment.BudgetID(subscription))
		demands := orchestration.DeclareQueue[environment.Demand]("demands")
		const all = 3_000
		for range all {
			if err := demands.Put(w.ctx, client, id, environment.Demand{From: "somebody", Writes: 1}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		status, err := client.Status(w.ctx, id)
		if err != nil || granted() != all || status.Execution < 4 || status.Pruned != status.Execution-2 {
			t.Fatalf("it has granted %d, and is %+v, %v", granted(), status, err)
		}
		for n := int64(1); n <= status.Execution; n++ {
			var failed error
			for _, err := range client.History(w.ctx, id, n) {
				failed = err
			}
			if gone := errors.Is(failed, provider.ErrNotFound); gone != (n <= status.Pruned) {
				t.Errorf("reading execution %d of %d: %v", n, status.Execution, failed)
			}
		}
	})
}
