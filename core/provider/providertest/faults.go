package providertest

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/core/provider/providerfault"
)

// faultPlans are what goes wrong in the runs of [RunUnderFaults].
var faultPlans = []struct{ name, rules string }{
	{"sends fail before", "send p=0.3 before"},
	{"sends fail, nobody knows how", "send p=0.3 unknown"},
	{"sends succeed and nobody learns it", "send p=0.3 after"},
	{"commits fail before", "commit p=0.2 before"},
	{"commits fail, nobody knows how", "commit p=0.2 unknown"},
	{"commits succeed and nobody learns it", "commit p=0.2 after"},
	{"turns are handed out and lost", "turn p=0.2 after"},
	{"turns cannot be asked for", "turn p=0.2 before"},
	{"turns cannot be given back", "commit p=0.4 before\nrelease p=0.5 before\nrelease p=0.5 after"},
	{"activities are handed out and lost", "activity p=0.2 after"},
	{"completions fail before", "complete p=0.3 before"},
	{"completions fail, nobody knows how", "complete p=0.3 unknown"},
	{"completions succeed and nobody learns it", "complete p=0.3 after"},
	{"progress cannot be stored", "extend p=0.5 before\nextend p=0.5 after"},
	{"histories cannot be read", "history p=0.5 before\nhistory p=0.8 after\ncommit p=0.3 after"},
	{"waits break off", "wait p=0.5 before\nwait p=0.5 after"},
	{"everything is slow now and then", "* p=0.02 delay=3ms"},
	{"everything fails now and then", "* p=0.04 before\n* p=0.04 unknown\n* p=0.04 after\n* p=0.02 delay=1ms"},
	{"one instance fails most of the time", `commit instance="order-1" p=0.7 after` + "\n" + `turn instance="order-1" p=0.3 after` + "\n" + `send instance="order-1" p=0.7 unknown`},
}

// RunUnderFaults runs a workload on the provider while its calls fail, with
// everything tried again as the contract says, and audits the result: exactly
// once, without gaps, whatever went wrong. Then it lets the process die at each
// call of a small workload, and audits what comes of it.
func RunUnderFaults(t *testing.T, h Harness) {
	h.validate(t)
	for n, plan := range faultPlans {
		t.Run(plan.name, func(t *testing.T) {
			in := providerfault.New(uint64(n+1), providerfault.MustParse(plan.rules)...)
			underFaults(t, h, in, StressConfig{Instances: 12, Seed: uint64(n + 1)}.withDefaults())
			for i, rule := range providerfault.MustParse(plan.rules) {
				if in.Fired(i) == 0 && len(plan.rules) < 100 {
					t.Errorf("the rule %q was never applied: the test shows nothing", rule)
				}
			}
			if in.Total() == 0 {
				t.Error("no fault happened: the test shows nothing")
			}
		})
	}
	t.Run("the process dies at each call", func(t *testing.T) { crashEverywhere(t, h) })
}

// small is a workload of few calls.
var small = StressConfig{Instances: 2, Activities: 1, Timers: 1, Events: 1, Executions: 2, Clients: 1, Loops: 1}

// crashEverywhere counts the calls of a small workload, then runs it again and
// again, and lets the process die at one of them, before or after the call is
// applied.
func crashEverywhere(t *testing.T, h Harness) {
	counting := providerfault.New(1)
	cfg := small.withDefaults()
	underFaults(t, h, counting, cfg)
	for _, op := range []providerfault.Op{
		providerfault.Send, providerfault.CommitTurn, providerfault.CompleteActivity, providerfault.NextTurn,
		providerfault.NextActivity, providerfault.ExtendActivity, providerfault.ReadHistory, providerfault.Wait, providerfault.Join,
	} {
		calls := counting.Calls(op)
		if op == providerfault.ReadHistory {
			calls = min(calls, 1)
		}
		stride := 1
		if testing.Short() {
			stride = 3
		}
		for nth := 1; nth <= calls; nth += stride {
			for _, outcome := range []providerfault.Outcome{providerfault.Crash, providerfault.CrashAfter} {
				rule := providerfault.Rule{Op: op, Nth: nth, Outcome: outcome}
				t.Run(rule.String(), func(t *testing.T) {
					underFaults(t, h, providerfault.New(1, rule), cfg)
				})
			}
		}
	}
}

// underFaults runs a workload to its end over a store that fails, through as
// many lives of the process as it takes.
func underFaults(t *testing.T, h Harness, in *providerfault.Injector, cfg StressConfig) {
	t.Helper()
	e := &env{TB: t, h: h, law: p12}
	t.Cleanup(e.close)
	e.store = h.Open(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), cfg.Timeout, errTooLong)
	defer cancel()
	w := newWorkload(cfg)
	const lives = 10
	for life := range lives {
		total, err := live(ctx, e, in, w, cfg)
		if err == nil {
			if err := w.audit(ctx, e.store); err != nil {
				e.breaks("%v (%+v)\n%v", err, total, in)
			}
			return
		}
		if !errors.Is(err, provider.ErrClosed) {
			e.breaks("life %d: %v (%+v)\n%v", life+1, err, total, in)
		}
		afterlife(e)
	}
	t.Errorf("the workload did not end in %d lives of the process\n%v", lives, in)
}

// live is one life of the process. It ends with ErrClosed if the process dies.
func live(ctx context.Context, e *env, in *providerfault.Injector, w *workload, cfg StressConfig) (stats, error) {
	s := providerfault.Wrap(e.store, in)
	var joined provider.Host
	err := insist(ctx, func() (err error) {
		joined, err = s.Join(ctx, everything("fault test"))
		return err
	})
	if err != nil {
		return stats{}, err
	}
	host := joined.(*providerfault.Host)
	e.host = host.Unwrap()
	total, err := drive(ctx, s, []provider.Host{host}, w, cfg)
	select {
	case <-s.Crashed():
		return total, fmt.Errorf("the process died: %w", provider.ErrClosed)
	default:
		return total, err
	}
}

// afterlife opens the hub after the process died. What does not persist cannot
// die: there only the host is gone.
func afterlife(e *env) {
	e.Helper()
	if e.h.Crash != nil {
		old := e.store
		e.store, e.host = nil, nil
		e.store = e.h.Crash(e.TB, old)
		return
	}
	if e.host != nil {
		e.leave(e.host)
		e.host = nil
	}
	if e.h.Persists == Yes {
		old := e.store
		e.store = nil
		e.store = e.h.Reopen(e.TB, old)
	}
}
