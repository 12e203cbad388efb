package waiters_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/internal/waiters"
)

var untilFinal = provider.Until{Final: true}

func add(t *testing.T, s *waiters.Set, id history.InstanceID, until provider.Until) *waiters.Waiter {
	t.Helper()
	w, err := s.Add(id, until)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// woken is what a waiter was woken with; a millisecond passes if it was not.
func woken(t *testing.T, w *waiters.Waiter) (i *provider.Instance, in time.Duration) {
	t.Helper()
	begin := time.Now()
	i, err := w.Await(t.Context(), time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	return i, time.Since(begin)
}

func TestAWaiterIsWokenWithTheInstanceThatSatisfiesItsCondition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s waiters.Set
		final, other := add(t, &s, "a", untilFinal), add(t, &s, "b", untilFinal)
		revision := add(t, &s, "a", provider.Until{StatusRevision: 5})
		s.Changed(&provider.Instance{ID: "a", Status: history.StatusRunning, StatusRevision: 4})
		if i, in := woken(t, final); i != nil || in == 0 {
			t.Errorf("a change that satisfies no condition woke a waiter with %+v", i)
		}
		ended := &provider.Instance{ID: "a", Status: history.StatusCompleted, StatusRevision: 6}
		s.Changed(ended)
		for _, w := range []*waiters.Waiter{final, revision} {
			if i, _ := woken(t, w); i == nil || i.ID != "a" || i == ended {
				t.Errorf("woken with %+v, want a copy of the instance that ended", i)
			}
		}
		if i, in := woken(t, other); i != nil || in == 0 {
			t.Errorf("who waits for another instance was woken with %+v", i)
		}
	})
}

func TestTheNewestStateIsWhatCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s waiters.Set
		w := add(t, &s, "a", untilFinal)
		s.Changed(&provider.Instance{ID: "a", Status: history.StatusFailed})
		s.Look("a") // it was purged
		if i, in := woken(t, w); i != nil || in != 0 {
			t.Errorf("woken after %v with %+v, want at once and to look", in, i)
		}
		if _, in := woken(t, w); in == 0 {
			t.Error("woken twice")
		}
	})
}

func TestEveryoneCanBeMadeToLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s waiters.Set
		a, b, gone := add(t, &s, "a", untilFinal), add(t, &s, "b", untilFinal), add(t, &s, "b", untilFinal)
		s.Remove("b", gone)
		s.Look("a")
		if _, in := woken(t, a); in != 0 {
			t.Error("who waits for the instance does not look")
		}
		if _, in := woken(t, b); in == 0 {
			t.Error("who waits for another instance looks")
		}
		s.LookWhere(func(id history.InstanceID) bool { return id == "b" })
		if _, in := woken(t, a); in == 0 {
			t.Error("who waits for an instance that does not belong there looks")
		}
		if _, in := woken(t, b); in != 0 {
			t.Error("who waits for an instance that belongs there does not look")
		}
		s.LookAll()
		for id, w := range map[string]*waiters.Waiter{"a": a, "b": b} {
			if _, in := woken(t, w); in != 0 {
				t.Errorf("who waits for %s does not look", id)
			}
		}
		if _, in := woken(t, gone); in == 0 {
			t.Error("who has left looks")
		}
	})
}

func TestAClosedSetLetsNobodyWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s waiters.Set
		looked := make(chan error, 1)
		w := add(t, &s, "a", untilFinal)
		go func() {
			_, err := w.Await(context.Background(), 0)
			looked <- err
		}()
		synctest.Wait()
		s.Close()
		if err := <-looked; err != nil {
			t.Errorf("who waited got %v, want to look", err)
		}
		if _, err := s.Add("a", untilFinal); !errors.Is(err, provider.ErrClosed) {
			t.Errorf("joining a closed set: %v, want ErrClosed", err)
		}
	})
}

func TestAWaiterEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s waiters.Set
		w := add(t, &s, "a", untilFinal)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if i, err := w.Await(ctx, 0); i != nil || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("waiting gave %+v, %v; want the end of the context", i, err)
		}
	})
}
