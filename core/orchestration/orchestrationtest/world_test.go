package orchestrationtest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
	"github.com/duroxide/duroxide-go/core/provider"
)

func TestEventsAndMessagesComeAtTheirTime(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, _ string) (string, error) {
		begun := ctx.Now()
		a, err := Go.Wait(ctx).Await()
		if err != nil {
			return "", err
		}
		first := ctx.Now().Sub(begun)
		b, err := Letter.Receive(ctx).Await() // it came before
		if err != nil {
			return "", err
		}
		c, err := Letter.Receive(ctx).Await()
		return fmt.Sprint(a, first, b, c, ctx.Now().Sub(begun)), err
	})
	orchestrationtest.PutAt(e, 3*time.Hour, Letter, "C")
	orchestrationtest.RaiseAt(e, 2*time.Hour, Go, "A")
	orchestrationtest.PutAt(e, time.Hour, Letter, "B")
	got, err := orchestrationtest.Run(e, Story, "")
	must(t, got, err, "A2h0m0sBC3h0m0s")

	e.Advance(time.Hour) // ages count from the start of the next one
	orchestrationtest.RaiseAt(e, time.Minute, Go, "a")
	orchestrationtest.PutAt(e, 0, Letter, "b")
	orchestrationtest.PutAt(e, 0, Letter, "c")
	got, err = orchestrationtest.Run(e, Story, "")
	must(t, got, err, "a1m0sbc1m0s")
}

func TestCancellationComesAtItsTime(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, in string) (string, error) {
		err := ctx.Sleep(time.Hour)
		if !errors.Is(err, orchestration.ErrCancelled) {
			return "", errors.New("not cancelled")
		}
		return "", errors.Join(err, ctx.Shield(func(ctx *orchestration.Context) error {
			_, err := Echo.Call(ctx, "cleanup").Await()
			return err
		}))
	})
	e.CancelAt(time.Minute, "changed my mind").Delay(Echo, time.Second)
	run := orchestrationtest.Start(e, Story, "")
	_, err := run.Result()
	if !errors.Is(err, orchestration.ErrCancelled) || run.Status() != history.StatusCancelled {
		t.Errorf("the error is %v, the status %s", err, run.Status())
	}
	if d, ok := last(run.Instance).(*history.ExecutionCancelled); !ok || d.Reason != "changed my mind" {
		t.Errorf("the last event is %+v", last(run.Instance))
	}
	if e.Elapsed() != 61*time.Second || len(orchestrationtest.Scheduled(run, Echo)) != 1 {
		t.Errorf("%v have passed, %d cleanups", e.Elapsed(), len(orchestrationtest.Scheduled(run, Echo)))
	}
}

func TestChildrenRunForRealOrAreFaked(t *testing.T) {
	parent := func(ctx *orchestration.Context, in string) (string, error) {
		out, err := Tale.Call(ctx, in, orchestration.ChildOptions{ID: "child"}).Await()
		if failed, ok := errors.AsType[*shortage](err); ok {
			return "without " + failed.Item, nil
		}
		return out, err
	}
	for name, c := range map[string]struct {
		child func(*orchestration.Context, string) (string, error)
		want  string
	}{
		"real": {func(ctx *orchestration.Context, in string) (string, error) { return Echo.Call(ctx, "real "+in).Await() }, "real x"},
		"fake": {func(_ *orchestration.Context, in string) (string, error) { return "fake " + in, nil }, "fake x"},
		"slow": {func(ctx *orchestration.Context, in string) (string, error) {
			return "slow " + in, ctx.Sleep(24 * time.Hour)
		}, "slow x"},
		"failing": {func(*orchestration.Context, string) (string, error) { return "", &shortage{"lamp"} }, "without lamp"},
	} {
		t.Run(name, func(t *testing.T) {
			e := story(t, parent).Register(Tale.Func(c.child))
			run := orchestrationtest.Start(e, Story, "x")
			got, err := run.Result()
			must(t, got, err, c.want)
			outcome := orchestrationtest.Completed
			if name == "failing" {
				outcome = orchestrationtest.Failed
			}
			children := orchestrationtest.Children(run, Tale)
			if len(children) != 1 || children[0].Input != "x" || children[0].ID != "child" || children[0].Outcome != outcome || children[0].Detached {
				t.Errorf("the children are %+v", children)
			}
			if child := e.Instance("child"); child == nil || child.Info().Parent.Instance != run.ID() {
				t.Errorf("the child is %+v", child)
			}
		})
	}
}

func TestAChildWhoseIDIsTakenFails(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, in string) (string, error) {
		_, err := Tale.Call(ctx, in, orchestration.ChildOptions{ID: ctx.Info().ID}).Await()
		return fmt.Sprint(errors.Is(err, orchestration.ErrExists)), nil
	}).Register(Tale.Func(func(_ *orchestration.Context, in string) (string, error) { return in, nil }))
	got, err := orchestrationtest.Run(e, Story, "")
	must(t, got, err, "true")
}

func TestChildrenFollowTheirParentsEnd(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, in string) (string, error) {
		Tale.Call(ctx, in, orchestration.ChildOptions{ID: "follows"})
		Tale.Call(ctx, in, orchestration.ChildOptions{ID: "stays", ParentClose: orchestration.ParentCloseAbandon})
		return "", ctx.Sleep(time.Minute)
	}).Register(Tale.Func(func(ctx *orchestration.Context, in string) (string, error) { return in, ctx.Sleep(time.Hour) }))
	if _, err := orchestrationtest.Run(e, Story, ""); err != nil {
		t.Fatal(err)
	}
	e.Settle()
	if s := e.Instance("follows").Status(); s != history.StatusCancelled {
		t.Errorf("the child that follows is %s", s)
	}
	if s := e.Instance("stays").Status(); s != history.StatusCompleted || e.Elapsed() != time.Hour {
		t.Errorf("the child that stays is %s after %v", s, e.Elapsed())
	}
	for _, c := range orchestrationtest.Children(e, Tale) {
		if c.Outcome != orchestrationtest.Abandoned {
			t.Errorf("the parent did not wait for %+v", c)
		}
	}
}

func TestDetachedOrchestrationsAreRecordedAndRunIfRegistered(t *testing.T) {
	at := func(ctx *orchestration.Context) time.Time { return ctx.Now().Add(time.Hour) }
	parent := func(ctx *orchestration.Context, in string) (string, error) {
		id, err := Tale.Detach(ctx, in, orchestration.DetachOptions{At: at(ctx)})
		return string(id), err
	}
	for _, registered := range []bool{true, false} {
		e := story(t, parent)
		want := history.StatusPending
		if registered {
			e.Register(Tale.Func(func(_ *orchestration.Context, in string) (string, error) { return in, nil }))
			want = history.StatusCompleted
		}
		id, err := orchestrationtest.Run(e, Story, "x")
		if err != nil {
			t.Fatal(err)
		}
		if e.Elapsed() != 0 {
			t.Errorf("the parent ended after %v", e.Elapsed())
		}
		e.Settle()
		children := orchestrationtest.Children(e, Tale)
		if len(children) != 1 || !children[0].Detached || string(children[0].ID) != id || children[0].Input != "x" {
			t.Errorf("the detached ones are %+v", children)
		}
		if got := e.Instance(orchestration.InstanceID(id)).Status(); got != want || e.Elapsed() != time.Hour {
			t.Errorf("registered %t: it is %s after %v, want %s", registered, got, e.Elapsed(), want)
		}
	}
}

func TestEventsSentToOthersArrive(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, in string) (string, error) {
		if in == "sender" {
			return "", Go.Send(ctx, "receiver", "hello")
		}
		return Go.Wait(ctx).Await()
	})
	// It waits for its receiver.
	if _, err := orchestrationtest.Run(e, Story, "sender"); err != nil {
		t.Fatal(err)
	}
	e.Settle()
	got, err := orchestrationtest.Run(e, Story, "receiver", orchestration.StartOptions{ID: "receiver"})
	must(t, got, err, "hello")
	// And it is there for the next.
	if _, err := orchestrationtest.Run(e, Story, "sender"); err != nil {
		t.Fatal(err)
	}
	e.Settle()
	if len(e.Instances()) != 3 || e.Instance("receiver").Status() != history.StatusCompleted {
		t.Errorf("there are %d instances", len(e.Instances()))
	}
}

func TestClientsOfTheWorldBehaveAsClientsDo(t *testing.T) {
	cart := orchestration.DeclareState[int]("cart")
	e := story(t, func(ctx *orchestration.Context, in string) (string, error) {
		if err := cart.Set(ctx, len(in)); err != nil {
			return "", err
		}
		return Go.Wait(ctx).Await()
	})
	ctx, client := t.Context(), e.Client()
	h, err := Story.Start(ctx, client, "abc", orchestration.StartOptions{ID: "i", RequestID: "r", Tags: map[string]string{"k": "v"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Story.Start(ctx, client, "abc", orchestration.StartOptions{ID: "i", RequestID: "r"}); err != nil {
		t.Errorf("the same start again: %v", err)
	}
	if _, err := Story.Start(ctx, client, "abc", orchestration.StartOptions{ID: "i"}); !errors.Is(err, provider.ErrExists) {
		t.Errorf("another start: %v", err)
	}
	if _, err := Story.Start(ctx, client, "abc", orchestration.StartOptions{ID: "i", Reuse: orchestration.ReuseIgnore}); err != nil {
		t.Errorf("another start that ignores: %v", err)
	}
	if _, err := Story.Start(ctx, client, "abc", orchestration.StartOptions{ID: "a::b"}); err == nil {
		t.Error("a reserved id is taken")
	}
	if _, err := Story.Handle(client, "nobody").Status(ctx); !errors.Is(err, provider.ErrNotFound) {
		t.Errorf("nobody: %v", err)
	}
	e.Advance(0)
	if n, err := cart.Read(ctx, client, "i"); err != nil || n != 3 {
		t.Errorf("the state is %d, %v", n, err)
	}
	row, err := h.Status(ctx)
	if err != nil || row.Status != history.StatusRunning || row.Tags["k"] != "v" || row.Version != orchestration.DefaultVersion {
		t.Errorf("the status is %+v, %v", row, err)
	}
	if err := Go.Raise(ctx, e.After(time.Hour), "i", "done"); err != nil {
		t.Fatal(err)
	}
	got, err := h.Wait(ctx)
	must(t, got, err, "done")

	h, err = Story.Start(ctx, client, "", orchestration.StartOptions{ID: "i", Reuse: orchestration.ReuseFinal})
	if err != nil {
		t.Fatal(err)
	}
	e.Advance(0)
	if err := h.Cancel(ctx, "enough"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Wait(ctx); !errors.Is(err, orchestration.ErrCancelled) {
		t.Errorf("the cancelled one: %v", err)
	}
	if len(e.Instances()) != 1 {
		t.Errorf("there are %d instances", len(e.Instances()))
	}
}

func TestAReplacedInstanceTakesNothingOver(t *testing.T) {
	e := story(t, func(ctx *orchestration.Context, in string) (string, error) {
		out, err := Echo.Call(ctx, in).Await()
		if err != nil {
			return "", err
		}
		return out, ctx.Sleep(time.Hour)
	})
	e.Delay(Echo, time.Minute)
	options := orchestration.StartOptions{ID: "i", Reuse: orchestration.ReuseReplace}
	orchestrationtest.Start(e, Story, "first", options)
	e.Advance(time.Second)
	got, err := orchestrationtest.Run(e, Story, "second", options)
	must(t, got, err, "second")
	if e.Elapsed() != time.Hour+time.Minute+time.Second {
		t.Errorf("%v have passed", e.Elapsed())
	}
}

func TestInterceptorsWrapWhatRuns(t *testing.T) {
	var trail []string
	e := orchestrationtest.New(t, orchestrationtest.Config{
		OrchestrationInterceptors: []orchestration.Interceptor{func(c *orchestration.Context, in history.Payload, next func(*orchestration.Context, history.Payload) (history.Payload, error)) (history.Payload, error) {
			c.Logger().Info("intercepted")
			return next(c, in)
		}},
	}).Register(Story.Func(callEcho), Echo.Func(echo))
	_, err := orchestrationtest.Run(e, Story, "x")
	for _, l := range e.Logs() {
		trail = append(trail, l.Message)
	}
	if err != nil || !slices.Equal(trail, []string{"intercepted"}) {
		t.Errorf("%q, %v", trail, err)
	}
}

// Executions that continue as new.

var Count = orchestration.Declare[int, int]("count")

func TestEternalOrchestrationsStopWhereTheTestHasSeenEnough(t *testing.T) {
	for _, wait := range []time.Duration{0, time.Hour} {
		for _, n := range []int{1, 3, 8, 9, 30} {
			e := orchestrationtest.New(t).Register(Echo.Func(echo), Count.Func(func(ctx *orchestration.Context, n int) (int, error) {
				if _, err := Echo.Call(ctx, fmt.Sprint(n), localIf(wait == 0)).Await(); err != nil {
					return 0, err
				}
				if wait > 0 {
					if err := ctx.Sleep(wait); err != nil {
						return 0, err
					}
				}
				return Count.ContinueAsNew(ctx, n+1)
			}))
			run := orchestrationtest.Start(e.StopAfter(n), Count, 1)
			if _, err := run.Result(); !errors.Is(err, orchestrationtest.ErrStopped) {
				t.Fatalf("the error is %v", err)
			}
			if run.Execution() != int64(n) || len(orchestrationtest.Scheduled(run, Echo)) != n || run.Status() != history.StatusRunning {
				t.Errorf("StopAfter(%d), wait %v: execution %d, %d activities", n, wait, run.Execution(), len(orchestrationtest.Scheduled(run, Echo)))
			}
			if _, ok := last(run.Instance).(*history.ContinuedAsNew); !ok {
				t.Errorf("the last event is %+v", last(run.Instance))
			}
			e.Settle()
		}
	}
}

func TestARunawayFailsTheTest(t *testing.T) {
	says(t, fails(t, func(t orchestrationtest.T) {
		e := orchestrationtest.New(t).Register(Count.Func(func(ctx *orchestration.Context, n int) (int, error) {
			return Count.ContinueAsNew(ctx, n+1)
		}))
		_, _ = orchestrationtest.Run(e, Count, 1)
	}), "has continued as new 1000 times", "e.StopAfter(3)")
}

func TestWhatIsLeftCarriesOver(t *testing.T) {
	e := orchestrationtest.New(t).Register(Count.Func(func(ctx *orchestration.Context, n int) (int, error) {
		s, err := Letter.Receive(ctx).Await()
		if err != nil || s == "stop" {
			return n, err
		}
		return Count.ContinueAsNew(ctx, n+len(s))
	}))
	for _, s := range []string{"a", "bb", "ccc", "stop"} {
		orchestrationtest.PutAt(e, time.Hour, Letter, s)
	}
	run := orchestrationtest.Start(e, Count, 0)
	if n, err := run.Result(); err != nil || n != 6 || run.Execution() != 4 {
		t.Errorf("the result is %d, %v, in execution %d", n, err, run.Execution())
	}
}

func TestADeployGoesOnWithRunningInstances(t *testing.T) {
	v1 := func(ctx *orchestration.Context, n int) (int, error) {
		if err := ctx.Sleep(time.Hour); err != nil {
			return 0, err
		}
		return Count.ContinueAsNew(ctx, n+1)
	}
	e := orchestrationtest.New(t).Register(Count.Func(v1))
	run := orchestrationtest.Start(e, Count, 1)
	e.Advance(90 * time.Minute)
	e.Register(Count.Version("2.0.0", func(_ *orchestration.Context, n int) (int, error) { return n * 100, nil }))
	if n, err := run.Result(); err != nil || n != 300 || run.Info().Version != "2.0.0" {
		t.Errorf("the result is %d, %v, by version %s", n, err, run.Info().Version)
	}
}

// What would wait for ever.

func TestWhatWaitsForEverSaysWhatFor(t *testing.T) {
	got := fails(t, func(t orchestrationtest.T) {
		e := story(t, func(ctx *orchestration.Context, in string) (string, error) {
			child := Tale.Call(ctx, in, orchestration.ChildOptions{ID: "inner"})
			if _, err := Go.Wait(ctx).Await(); err != nil {
				return "", err
			}
			approval := Go.Wait(ctx, orchestration.WaitOptions{Description: "the boss's word"})
			won, err := orchestration.First(approval, child)
			return fmt.Sprint(won == approval), err
		})
		e.Register(Tale.Func(func(ctx *orchestration.Context, _ string) (string, error) { return Letter.Receive(ctx).Await() }))
		orchestrationtest.RaiseAt(e, time.Hour, Go, "once")
		_, _ = orchestrationtest.Run(e, Story, "", orchestration.StartOptions{ID: "outer"})
	})
	says(t, got,
		`instance "outer" of orchestration "story" waits for ever`, "2026-01-01T01:00:00Z, 1h0m0s after the beginning",
		`it waits for event "go" (the boss's word)`, `child "tale", instance "inner", which is running`, `it waits for queue "letter"`,
		"parked at ", "world_test.go:", "RaiseAt")
	if n := strings.Count(got, "world_test.go:"); n != 2 {
		t.Errorf("it names %d lines, want that of the parent and that of the child:\n%s", n, got)
	}
	if strings.Contains(got, "event 2: it waits for event") {
		t.Errorf("it names a wait that was answered:\n%s", got)
	}
}

func TestBranchesThatWaitForEverAreNamed(t *testing.T) {
	got := fails(t, func(t orchestrationtest.T) {
		_, _ = orchestrationtest.Run(story(t, func(ctx *orchestration.Context, _ string) (string, error) {
			a := orchestration.Go(ctx, func(ctx *orchestration.Context) (string, error) { return Go.Wait(ctx).Await() })
			b := orchestration.Go(ctx, func(ctx *orchestration.Context) (string, error) { return Letter.Receive(ctx).Await() })
			_, err := orchestration.Join(a, b).Await()
			return "", err
		}), Story, "")
	})
	if n := strings.Count(got, "parked at"); n != 3 {
		t.Errorf("it names %d lines, want 3:\n%s", n, got)
	}
}

func localIf(local bool) activity.Option { return activity.Options{Local: local} }

func TestNothingRunsUnlessTheTestLetsIt(t *testing.T) {
	ran := false
	e := story(t, callEcho)
	e.Register(Echo.Func(func(context.Context, string) (string, error) { ran = true; return "", nil }))
	run := orchestrationtest.Start(e, Story, "")
	if ran || run.Status() != history.StatusPending || run.History(0) != nil {
		t.Errorf("something ran: %s", run.Status())
	}
}

// TestARequestToCancelOvertakesWhatWaits: the instance continues as new at once, and
// receives nothing, as in a store (provider.Turn.Behind).
func TestARequestToCancelOvertakesWhatWaits(t *testing.T) {
	ctx := context.Background()
	e := orchestrationtest.New(t).Register(Count.Func(func(ctx *orchestration.Context, n int) (int, error) {
		return Count.ContinueAsNew(ctx, n+1)
	}))
	h, err := Count.Start(ctx, e.Client(), 1, orchestration.StartOptions{ID: "a", At: e.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Go.Raise(ctx, e.Client(), "a", "nobody receives it"), h.Cancel(ctx, "enough")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Wait(ctx); !errors.Is(err, orchestration.ErrCancelled) {
		t.Errorf("it ended with %v, want %v", err, orchestration.ErrCancelled)
	}
}
