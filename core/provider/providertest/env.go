package providertest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
)

// patience is how long an operation may take before the suite gives up on it.
// It is spent only when a test fails; the tests of the suite have less.
var patience = 30 * time.Second

// far is a delay that no test lives to see.
const far = time.Hour

// env is a property's own hub, with a host that serves everything.
type env struct {
	testing.TB
	h     Harness
	law   law
	store provider.Store
	host  provider.Host

	// more adds to what a failure says, if it is set.
	more func() string

	mu  sync.Mutex
	ids int
}

func newEnv(t testing.TB, h Harness, l law) *env {
	t.Helper()
	e := &env{TB: t, h: h, law: l}
	t.Cleanup(e.close)
	e.use(h.Open(t))
	return e
}

// use makes another hub that of the test.
func (e *env) use(s provider.Store) {
	e.Helper()
	if e.host != nil {
		e.leave(e.host)
		e.wants(e.store.Close(), nil, "closing the hub that is not used")
	}
	e.store = s
	e.host = e.join(s, everything("suite"))
}

func everything(name string) provider.HostInfo { return provider.HostInfo{Name: name} }

// close ends the hub. A provider that panicked may hang for ever: the suite
// waits for its patience and leaves it.
func (e *env) close() {
	done := make(chan error, 1)
	go func() {
		var errs []error
		if e.host != nil {
			ctx, cancel := e.context()
			defer cancel()
			errs = append(errs, e.host.Leave(ctx))
		}
		if e.store != nil {
			errs = append(errs, e.store.Close())
		}
		done <- errors.Join(errs...)
	}()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case err := <-done:
		if err != nil {
			e.Errorf("leaving and closing the store at the end of the test: %v", err)
		}
	case <-limit.C:
		e.Errorf("leaving and closing the store at the end of the test hangs for %v", patience)
	}
}

// reopen closes the hub and opens it again, with a new host.
func (e *env) reopen() {
	e.Helper()
	e.leave(e.host)
	old := e.store
	e.host, e.store = nil, nil
	e.store = e.h.Reopen(e.TB, old)
	e.host = e.join(e.store, everything("suite, again"))
}

// crash drops the hub as kill -9 would and opens it again, with a new host.
func (e *env) crash() {
	e.Helper()
	old := e.store
	e.host, e.store = nil, nil
	e.store = e.h.Crash(e.TB, old)
	e.host = e.join(e.store, everything("suite, after the crash"))
}

// rejoin makes the host leave and joins another, which may do what info says.
func (e *env) rejoin(info provider.HostInfo) {
	e.Helper()
	e.leave(e.host)
	e.host = nil
	e.host = e.join(e.store, info)
}

func (e *env) needsReopen() {
	if e.h.Persists != Yes {
		e.Skip("the provider does not persist: Harness.Persists is No")
	}
}

func (e *env) needsCrash() {
	e.needsReopen()
	if e.h.Crash == nil {
		e.Skip("the harness cannot simulate a crash: Harness.Crash is nil")
	}
}

func (e *env) needsManyHosts() {
	if e.h.ManyHosts != Yes {
		e.Skip("one host at a time: Harness.ManyHosts is No")
	}
}

func (e *env) needsSharedClients() {
	if e.h.SharedClients != Yes {
		e.Skip("one store at a time: Harness.SharedClients is No")
	}
}

// attach opens one more store on the hub, for as long as the test runs.
func (e *env) attach() provider.Store {
	e.Helper()
	s := e.h.Attach(e.TB, e.store)
	e.Cleanup(func() {
		if err := s.Close(); err != nil {
			e.Errorf("closing an attached store: %v", err)
		}
	})
	return s
}

// breaks fails the test, citing the law.
func (e *env) breaks(format string, args ...any) {
	e.Helper()
	what := fmt.Sprintf(format, args...)
	if e.more != nil {
		what += e.more()
	}
	e.Fatalf("breaks %s: %s", e.law, what)
}

// context is for one operation.
func (e *env) context() (context.Context, context.CancelFunc) {
	return deadline(e.TB)
}

// deadline outlives the test's own context a little, so that clean-ups can use
// it.
func deadline(t testing.TB) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(context.WithoutCancel(t.Context()), patience,
		fmt.Errorf("nothing happened for %v", patience))
}

// wants fails the test unless err wraps the sentinel; nil wants success.
func (e *env) wants(err, sentinel error, format string, args ...any) {
	e.Helper()
	what := fmt.Sprintf(format, args...)
	switch {
	case sentinel == nil && err != nil:
		e.breaks("%s: %v", what, explain(err))
	case sentinel != nil && err == nil:
		e.breaks("%s: it succeeded, want the error %q", what, sentinel)
	case !errors.Is(err, sentinel):
		e.breaks("%s: %v, want an error that wraps %q", what, explain(err), sentinel)
	}
}

// wantsAny fails the test unless err wraps one of the sentinels.
func (e *env) wantsAny(err error, what string, sentinels ...error) {
	e.Helper()
	var names []string
	for _, s := range sentinels {
		if errors.Is(err, s) {
			return
		}
		names = append(names, fmt.Sprintf("%q", s))
	}
	e.breaks("%s: %v, want an error that wraps one of %s", what, explain(err), strings.Join(names, ", "))
}

func explain(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("nothing happened for %v: %w", patience, err)
	}
	return err
}

// unique returns an id that the test has not used.
func (e *env) unique(what string) string {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ids++
	return fmt.Sprintf("%s-%d", what, e.ids)
}

// together runs f(0) … f(n-1) at the same time, waits for all, and fails the
// test with the errors they return.
func (e *env) together(n int, f func(i int) error) {
	e.Helper()
	errs := make([]error, n)
	begin := make(chan struct{})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			<-begin
			errs[i] = f(i)
		})
	}
	close(begin)
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		e.breaks("%v", err)
	}
}

// async runs f in the background; the returned function waits for its result.
func async[T any](e *env, f func(ctx context.Context) (T, error)) func() (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	started := make(chan struct{})
	ctx, cancel := e.context()
	go func() {
		close(started)
		v, err := f(ctx)
		done <- result{v, err}
	}()
	<-started
	var wait sync.Once
	var r result
	get := func() (T, error) {
		wait.Do(func() {
			r = <-done
			cancel()
		})
		return r.value, r.err
	}
	e.Cleanup(func() {
		cancel()
		_, _ = get() // The property is decided already: this only waits.
	})
	return get
}

// ids lists instance ids in quotes, for messages.
func quoteIDs(ids []history.InstanceID) string {
	var b strings.Builder
	for i, id := range ids {
		if i == 20 {
			fmt.Fprintf(&b, " … (%d in all)", len(ids))
			break
		}
		fmt.Fprintf(&b, " %q", id)
	}
	return "[" + strings.TrimPrefix(b.String(), " ") + "]"
}
