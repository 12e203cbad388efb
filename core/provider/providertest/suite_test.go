package providertest

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core/provider"
	reference "github.com/duroxide/duroxide-go/providers/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder is a test that may fail without failing the one it runs in.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	skipped  bool
	cleanups []func()
	ctx      context.Context
}

func (r *recorder) Helper()                  {}
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Logf(string, ...any)      {}

func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) Error(args ...any) { r.Errorf("%s", fmt.Sprint(args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.Errorf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Fatal(args ...any) { r.Fatalf("%s", fmt.Sprint(args...)) }

func (r *recorder) Skip(...any) {
	r.skipped = true
	runtime.Goexit()
}

// record runs a test to its end, clean-ups included.
func record(t testing.TB, test func(r *recorder)) *recorder {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	r := &recorder{TB: t, ctx: ctx}
	phase := func(f func()) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			f()
		}()
		<-done
	}
	phase(func() { test(r) })
	cancel()
	for _, f := range slices.Backward(r.cleanups) {
		phase(f)
	}
	return r
}

func harnessOf(m mutant) Harness {
	return Harness{
		Open:     func(testing.TB) provider.Store { return &mutantStore{reference.New(reference.Config{}), m} },
		Persists: No, ManyHosts: Yes, SharedClients: No,
	}
}

// impatient shortens what is spent on failures.
func impatient(t *testing.T) {
	old := patience
	patience = 100 * time.Millisecond
	t.Cleanup(func() { patience = old })
}

func TestASoundProviderFailsNoProperty(t *testing.T) {
	for _, a := range areas() {
		for _, p := range a.properties {
			r := record(t, func(r *recorder) { p.test(newEnv(r, harnessOf(mutant{}), p.law)) })
			if len(r.failures) > 0 {
				t.Errorf("%s: %s fails on a sound provider: %s", a.name, p.name, r.failures[0])
			}
		}
	}
}

func TestEveryPlantedBugIsCaught(t *testing.T) {
	impatient(t)
	for _, m := range mutants {
		t.Run(m.name, func(t *testing.T) {
			for _, a := range areas() {
				for _, p := range a.properties {
					r := record(t, func(r *recorder) { p.test(newEnv(r, harnessOf(m), p.law)) })
					if len(r.failures) > 0 {
						first, _, _ := strings.Cut(r.failures[0], "\n")
						t.Logf("caught by %s: %s: %.200s", a.name, p.name, first)
						return
					}
				}
			}
			t.Error("no property fails: the suite would let this bug pass")
		})
	}
}

func TestTheRandomOperationsCatchBugsToo(t *testing.T) {
	impatient(t)
	caught := 0
	for _, m := range mutants {
		for seed := range uint64(3) {
			r := record(t, func(r *recorder) {
				d := newDuel(newEnv(r, harnessOf(m), pX), seed)
				for range 150 {
					d.step()
				}
				d.drain()
			})
			if len(r.failures) > 0 {
				if !strings.Contains(r.failures[0], "seed") {
					t.Errorf("%s: the failure does not name its seed: %s", m.name, r.failures[0])
				}
				caught++
				break
			}
		}
	}
	if caught < len(mutants)/2 {
		t.Errorf("random operations caught %d of %d planted bugs, want at least half", caught, len(mutants))
	}
	t.Logf("random operations caught %d of %d planted bugs", caught, len(mutants))
}

func TestTheSameSeedRunsTheSameOperations(t *testing.T) {
	run := func() []string {
		var log []string
		r := record(t, func(r *recorder) {
			d := newDuel(newEnv(r, harnessOf(mutant{}), pX), 42)
			for range 200 {
				d.step()
			}
			log = d.log
		})
		if len(r.failures) > 0 {
			t.Fatal(r.failures[0])
		}
		return log
	}
	if first, second := run(), run(); strings.Join(first, "\n") != strings.Join(second, "\n") {
		t.Error("two runs with one seed differ")
	}
}

func TestAHarnessMustAnswerEveryQuestion(t *testing.T) {
	open := func(testing.TB) provider.Store { return reference.New(reference.Config{}) }
	for _, test := range []struct {
		h    Harness
		want string
	}{
		{Harness{}, "Open is missing"},
		{Harness{Open: open}, "Persists is not answered"},
		{Harness{Open: open, Persists: Yes}, "Reopen is required"},
		{Harness{Open: open, Persists: No}, "ManyHosts is not answered"},
		{Harness{Open: open, Persists: No, ManyHosts: No}, "SharedClients is not answered"},
		{Harness{Open: open, Persists: No, ManyHosts: No, SharedClients: Yes}, "Attach is required"},
	} {
		r := record(t, func(r *recorder) { test.h.validate(r) })
		if len(r.failures) != 1 || !strings.Contains(r.failures[0], test.want) {
			t.Errorf("failures are %q, want one about %q", r.failures, test.want)
		}
	}
}

func TestEveryPropertyHasANameOfItsOwnAndALaw(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range areas() {
		for _, p := range a.properties {
			if name := a.name + "/" + p.name; seen[name] || p.law == "" || p.test == nil {
				t.Errorf("property %q stands twice, or lacks its law or test", name)
			} else {
				seen[name] = true
			}
		}
	}
	t.Logf("%d properties", len(seen))
}
