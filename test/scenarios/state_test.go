package scenarios

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

// customStatus reads the custom status of an instance.
func customStatus(w *world, id history.InstanceID) string {
	w.t.Helper()
	status := "none"
	if err := w.client.CustomStatus(w.ctx, id, &status); err != nil {
		w.t.Fatal(err)
	}
	return status
}

func TestTheCustomStatusFollowsTheOrchestration(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		body := func(ctx *octx, _ none) (string, error) {
			for _, s := range []any{"a", "b", "b", nil, "c"} { // "b" and nil are overwritten in one turn
				if err := ctx.SetStatus(s); err != nil {
					return "", err
				}
				if s == "b" || s == nil {
					continue
				}
				if _, err := goOn.Wait(ctx).Await(); err != nil {
					return "", err
				}
			}
			return "", errors.Join(ctx.SetStatus("last"), errors.New("broken"))
		}
		w.run(f.Func(body))
		h := begun(w, f, none{}, start{ID: "f"})
		if got := customStatus(w, "f"); got != "none" && got != "a" {
			t.Errorf("the status before is %q", got)
		}
		w.until("a", func() bool { return customStatus(w, "f") == "a" })
		revision := w.instance("f").StatusRevision
		w.run(f.Func(body)) // a replay sets nothing
		if got := w.instance("f").StatusRevision; got != revision {
			t.Errorf("the revision went from %d to %d", revision, got)
		}
		raise(w, goOn, "f", "")
		if i, err := w.client.Wait(w.ctx, "f", provider.Until{StatusRevision: revision + 1}); err != nil || string(i.CustomStatus) != `"c"` {
			t.Errorf("the second status is %s, %v", i.CustomStatus, err)
		}
		raise(w, goOn, "f", "")
		failsWith(w, h, "broken")
		if got := customStatus(w, "f"); got != "last" {
			t.Errorf("the last status is %q", got)
		}
	})
}

// Whoever watches sees the instance as it is, every change that lasts long enough,
// and its end; whoever comes late sees the end.
func TestAWatchSeesEveryChangeUntilTheEnd(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, string]("f")
		w.run(f.Func(func(ctx *octx, _ none) (string, error) {
			for _, s := range []string{"a", "b", "c"} {
				if _, err := goOn.Wait(ctx).Await(); err != nil {
					return "", err
				}
				if err := ctx.SetStatus(s); err != nil {
					return "", err
				}
			}
			return "out", nil
		}))
		for _, err := range w.client.Watch(w.ctx, "f") {
			if !errors.Is(err, provider.ErrNotFound) {
				t.Errorf("a watch of nobody yields %v", err)
			}
		}
		begun(w, f, none{}, start{ID: "f"})
		for _, want := range []string{"none a b c", "c"} {
			var seen []string
			for i, err := range w.client.Watch(w.ctx, "f") {
				status := "none"
				if err == nil {
					err = w.client.Decode(i.CustomStatus, &status)
				}
				if err != nil {
					t.Fatal(err)
				}
				seen = append(seen, status)
				if !i.Status.Final() {
					raise(w, goOn, "f", "")
				}
			}
			if got := strings.Join(seen, " "); got != want {
				t.Errorf("it shows %s, want %s", got, want)
			}
		}
		for i, err := range w.client.Watch(w.ctx, "f") {
			if i == nil || err != nil {
				t.Errorf("a watch that is left yields %v, %v", i, err)
			}
			break
		}
	})
}

func TestAClearedStatusIsNone(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, string]("f")
		w.run(f.Func(func(ctx *octx, n int) (string, error) {
			if n == 1 {
				return "", ctx.SetStatus(nil)
			}
			if err := ctx.SetStatus("set"); err != nil {
				return "", err
			}
			return f.ContinueAsNew(ctx, 1)
		}))
		gives(w, begun(w, f, 0, start{ID: "f"}), "")
		if got := customStatus(w, "f"); got != "none" {
			t.Errorf("the status is %q", got)
		}
	})
}

var cart = orchestration.DeclareState[[]string]("cart")

func TestStateIsReadAndWrittenByTheOrchestrationAndReadByClients(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		item := orchestration.DeclareQueue[string]("item")
		f := orchestration.Declare[none, int]("f")
		body := func(ctx *octx, _ none) (int, error) {
			for {
				i, err := item.Receive(ctx).Await()
				if err != nil {
					return 0, err
				}
				items, err := cart.Get(ctx)
				if err != nil || i == "" {
					return len(items), err
				}
				if err := cart.Set(ctx, append(items, i)); err != nil {
					return 0, err
				}
			}
		}
		w.run(f.Func(body))
		h := begun(w, f, none{}, start{ID: "f"})
		read := func() string {
			items, err := cart.Read(w.ctx, w.client, "f")
			if err != nil {
				t.Fatal(err)
			}
			return strings.Join(items, " ")
		}
		put(w, item, "f", "pen")
		w.until("pen", func() bool { return read() == "pen" })
		w.run(f.Func(body))
		put(w, item, "f", "book", "lamp")
		w.until("lamp", func() bool { return read() == "pen book lamp" })
		put(w, item, "f", "")
		gives(w, h, 3)
		if got := read(); got != "pen book lamp" {
			t.Errorf("after the end the state is %q", got)
		}
	})
}

func TestStateOfOneInstanceIsNotThatOfAnother(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		child := orchestration.Declare[none, int]("child")
		parent := orchestration.Declare[none, int]("parent")
		w.run(child.Func(func(ctx *octx, _ none) (int, error) {
			before, err := cart.Get(ctx)
			return len(before), errors.Join(err, cart.Set(ctx, []string{"c"}))
		}), parent.Func(func(ctx *octx, in none) (int, error) {
			if err := cart.Set(ctx, []string{"a", "b"}); err != nil {
				return 0, err
			}
			n, err := child.Call(ctx, in, orchestration.ChildOptions{ID: "c"}).Await()
			mine, err2 := cart.Get(ctx)
			return 10*n + len(mine), errors.Join(err, err2)
		}))
		gives(w, begun(w, parent, none{}, start{ID: "p"}), 2)
		if got, err := cart.Read(w.ctx, w.client, "c"); err != nil || len(got) != 1 {
			t.Errorf("the child's state is %v, %v", got, err)
		}
	})
}

func TestClearedStateIsGoneAlsoAfterContinueAsNew(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		a, b := orchestration.DeclareState[int]("a"), orchestration.DeclareState[int]("b")
		f := orchestration.Declare[int, string]("f")
		w.run(f.Func(func(ctx *octx, n int) (string, error) {
			if n == 0 {
				if err := errors.Join(a.Set(ctx, 1), b.Set(ctx, 2), a.Clear(ctx), b.Set(ctx, 3)); err != nil {
					return "", err
				}
				return f.ContinueAsNew(ctx, 1)
			}
			x, err1 := a.Get(ctx)
			y, err2 := b.Get(ctx)
			return fmt.Sprint(x, y), errors.Join(err1, err2, b.Clear(ctx), b.Clear(ctx))
		}))
		gives(w, begun(w, f, 0, start{ID: "f"}), "0 3")
		for _, s := range []orchestration.State[int]{a, b} {
			if got, err := s.Read(w.ctx, w.client, "f"); err != nil || got != 0 {
				t.Errorf("%s is %d, %v", s.Key(), got, err)
			}
		}
	})
}

func TestStateThatDoesNotDecodeIsAnErrorWithItsKey(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[none, none]("f")
		asText := orchestration.DeclareState[string]("cart")
		w.run(f.Func(func(ctx *octx, in none) (none, error) {
			if err := asText.Set(ctx, "text"); err != nil {
				return in, err
			}
			_, err := cart.Get(ctx)
			return in, err
		}))
		failsWith(w, begun(w, f, none{}, start{ID: "f"}), `state "cart"`)
		if _, err := cart.Read(w.ctx, w.client, "f"); err == nil || !strings.Contains(err.Error(), "cart") {
			t.Errorf("the client's error is %v", err)
		}
		if _, err := cart.Read(w.ctx, w.client, "nobody"); !errors.Is(err, provider.ErrNotFound) {
			t.Errorf("the state of nobody gave %v", err)
		}
	})
}

func TestAnOrchestrationReadsItsOwnStatus(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		f := orchestration.Declare[int, string]("f")
		w.run(f.Func(func(ctx *octx, generation int) (string, error) {
			status := "none"
			if err := ctx.Status(&status); err != nil {
				return "", err
			}
			if generation == 2 {
				return status, nil
			}
			if err := ctx.SetStatus(status + "+1"); err != nil {
				return "", err
			}
			if _, err := goOn.Wait(ctx).Await(); err != nil {
				return "", err
			}
			return f.ContinueAsNew(ctx, generation+1)
		}))
		h := begun(w, f, 0, start{ID: "f"})
		first, err := w.client.Wait(w.ctx, "f", provider.Until{StatusRevision: 1})
		if err != nil || string(first.CustomStatus) != `"none+1"` {
			t.Errorf("the first status is %s, %v", first.CustomStatus, err)
		}
		raise(w, goOn, "f", "")
		raise(w, goOn, "f", "")
		gives(w, h, "none+1+1")
	})
}
