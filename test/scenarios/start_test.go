package scenarios

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

func TestManyStartsUnderOneIdRunOnce(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		w.run(hello5.Func(hello), greet.Func(greeting))
		var starters sync.WaitGroup
		results := make(chan error, 20)
		for range cap(results) {
			starters.Go(func() {
				_, err := hello5.Start(w.ctx, w.client, "x", start{ID: "h"})
				results <- err
			})
		}
		starters.Wait()
		close(results)
		won := 0
		for err := range results {
			if err == nil {
				won++
			} else if !errors.Is(err, provider.ErrExists) {
				t.Errorf("a start gave %v", err)
			}
		}
		if won != 1 {
			t.Errorf("%d starts won", won)
		}
		gives(w, hello5.Handle(w.client, "h"), "hi x0;hi x1;hi x2;hi x3;hi x4;")
		if n := len(w.events("h", 1)); n != 12 || w.instance("h").Execution != 1 {
			t.Errorf("%d events", n)
		}
	})
}

func TestTheSameRequestIsTheSameStart(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		w.run(hello5.Func(hello), greet.Func(greeting))
		o := start{ID: "h", RequestID: "order 7"}
		for range 3 {
			gives(w, begun(w, hello5, "x", o), "hi x0;hi x1;hi x2;hi x3;hi x4;") // also after it has ended
		}
	})
}

func TestOneRequestMayStartSeveralInstances(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		w.run(hello5.Func(hello), greet.Func(greeting))
		var all []*orchestration.Handle[string]
		for _, id := range []history.InstanceID{"a", "b", "c"} {
			all = append(all, begun(w, hello5, "x", start{ID: id, RequestID: "order 7"}))
		}
		for _, h := range all {
			gives(w, h, "hi x0;hi x1;hi x2;hi x3;hi x4;")
		}
	})
}

func TestReusePolicies(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.purged = true
		w.run(waiter.Func(waits))
		try := func(reuse orchestration.Reuse) error {
			_, err := waiter.Start(w.ctx, w.client, none{}, start{ID: "w", Reuse: reuse})
			return err
		}
		begun(w, waiter, none{}, start{ID: "w"})
		request := func() string { return w.instance("w").RequestID }
		first := request()
		if a, b, c := try(orchestration.ReuseReject), try(orchestration.ReuseFinal), try(orchestration.ReuseIgnore); !errors.Is(a, provider.ErrExists) || !errors.Is(b, provider.ErrExists) || c != nil || request() != first {
			t.Fatalf("while it runs: %v, %v, %v", a, b, c)
		}
		if err := try(orchestration.ReuseReplace); err != nil || request() == first {
			t.Fatalf("replacing gave %v", err)
		}
		second := request()
		raise(w, goOn, "w", "1")
		gives(w, waiter.Handle(w.client, "w"), "1")
		if a, b := try(orchestration.ReuseReject), try(orchestration.ReuseIgnore); !errors.Is(a, provider.ErrExists) || b != nil || request() != second {
			t.Fatalf("after the end: %v, %v", a, b)
		}
		if err := try(orchestration.ReuseFinal); err != nil || request() == second {
			t.Fatalf("replacing what has ended gave %v", err)
		}
		raise(w, goOn, "w", "2")
		gives(w, waiter.Handle(w.client, "w"), "2")
	})
}

func TestAStartForLaterIsPendingUntilThen(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, time.Time]("f")
		w.run(f.Func(func(ctx *octx, _ none) (time.Time, error) { return ctx.Now(), nil }))
		at := time.Now().Add(50 * time.Millisecond)
		h := begun(w, f, none{}, start{ID: "f", At: at})
		begun(w, f, none{}, start{ID: "far", At: time.Now().Add(time.Hour)})
		began, err := h.Wait(w.ctx)
		if err != nil || began.Before(at) {
			t.Errorf("it began at %v, %v; want not before %v", began, err, at)
		}
		if i := w.instance("far"); i.Status != history.StatusPending {
			t.Errorf("the far one is %s", i.Status)
		}
	})
}

func TestPurgeRemovesWhatHasEndedAndFreesItsId(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.purged = true
		w.run(waiter.Func(waits))
		h := begun(w, waiter, none{}, start{ID: "w"})
		other := begun(w, waiter, none{}, start{ID: "other"})
		if err := w.client.Purge(w.ctx, "w"); !errors.Is(err, provider.ErrConflict) {
			t.Errorf("purging what runs gave %v", err)
		}
		raise(w, goOn, "w", "1")
		gives(w, h, "1")
		if err := w.client.Purge(w.ctx, "w"); err != nil {
			t.Fatal(err)
		}
		if _, err := w.client.Status(w.ctx, "w"); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("the status of what is gone gave %v", err)
		}
		if _, err := h.Wait(w.ctx); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("waiting for what is gone gave %v", err)
		}
		if err := w.client.Purge(w.ctx, "w"); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("purging twice gave %v", err)
		}
		h = begun(w, waiter, none{}, start{ID: "w"})
		for id, h := range map[history.InstanceID]*orchestration.Handle[string]{"w": h, "other": other} {
			raise(w, goOn, id, "again")
			gives(w, h, "again")
		}
	})
}

func TestAForcedPurgeStopsWhatRuns(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.purged = true
		began, ended := make(chan none, 1), make(chan none, 1)
		f := orchestration.Declare[none, string]("f")
		w.run(waiter.Func(waits), greet.Func(func(ctx context.Context, _ string) (string, error) {
			began <- none{}
			signal(w, ended)
			return "", nil
		}), f.Func(func(ctx *octx, _ none) (string, error) { return greet.Call(ctx, "x").Await() }))
		begun(w, f, none{}, start{ID: "f"})
		signal(w, began)
		if err := w.store.Purge(w.ctx, "f", true); err != nil {
			t.Fatal(err)
		}
		w.purged = true
		ended <- none{} // its completion has nowhere to go, and harms nobody
		raise(w, goOn, "w", "1")
		gives(w, begun(w, waiter, none{}, start{ID: "w"}), "1")
	})
}

func TestInstancesAreListedWithWhatIsKnownOfThem(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.run(waiter.Func(waits), hello5.Func(hello), greet.Func(greeting))
		for _, id := range []history.InstanceID{"b", "a", "c"} {
			begun(w, waiter, none{}, start{ID: id, Tags: map[string]string{"team": "red"}})
		}
		gives(w, begun(w, hello5, "x", start{ID: "h"}), "hi x0;hi x1;hi x2;hi x3;hi x4;")
		raise(w, goOn, "b", "1")
		w.ended("b")
		list := func(q provider.Query) (ids string) {
			all, err := w.client.List(w.ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range all {
				ids += string(i.ID)
			}
			return ids
		}
		for want, q := range map[string]provider.Query{
			"abch": {}, "abc": {Name: "waiter"}, "bh": {Statuses: []history.Status{history.StatusCompleted}},
			"bc": {After: "a", Limit: 2}, "h": {Prefix: "h"}, "": {Parked: true},
		} {
			if got := list(q); got != want {
				t.Errorf("%+v lists %q, want %q", q, got, want)
			}
		}
		i := w.instance("b")
		if i.Name != "waiter" || i.Version != orchestration.DefaultVersion || i.Tags["team"] != "red" || i.Finished.Before(i.Created) || string(i.Output) != `"1"` {
			t.Errorf("b is %+v", i)
		}
	})
}

func TestWaitsOfClientsEndWithTheirContext(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.run(waiter.Func(waits))
		h := begun(w, waiter, none{}, start{ID: "w"})
		short, cancel := context.WithTimeout(w.ctx, time.Millisecond)
		defer cancel()
		if _, err := h.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the wait gave %v", err)
		}
		if _, err := waiter.Handle(w.client, "nobody").Wait(w.ctx); !errors.Is(err, provider.ErrNotFound) || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("waiting for nobody gave %v", err)
		}
	})
}
