package orchestrationtest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/codec"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
)

// unrepeatable are orchestrations that break the rules. Each counts how often
// it runs, which stands for a clock, a random number or a map's order.
var unrepeatable = map[string]struct {
	code func(run int, ctx *orchestration.Context) error
	says []string
}{
	"another name": {func(run int, ctx *orchestration.Context) error {
		if run == 1 {
			return await(Echo.Call(ctx, ""))
		}
		return await(Other.Call(ctx, ""))
	}, []string{`history says activity "echo" scheduled`, `decided activity "other" scheduled`}},
	"another kind": {func(run int, ctx *orchestration.Context) error {
		if run == 1 {
			return ctx.Sleep(time.Hour)
		}
		return await(Other.Call(ctx, ""))
	}, []string{"history says a timer created"}},
	"another order": {func(run int, ctx *orchestration.Context) error {
		names := []activity.Func[string, string]{Echo, Other}
		a, b := names[run%2].Call(ctx, ""), names[1-run%2].Call(ctx, "")
		return await(orchestration.All(a, b))
	}, []string{`(name was other, is echo)`}},
	"another input": {func(run int, ctx *orchestration.Context) error {
		return await(Echo.Call(ctx, fmt.Sprint("at ", run)))
	}, []string{"with other contents", `"at 1"`, `"at 2"`}},
	"another delay": {func(run int, ctx *orchestration.Context) error {
		return ctx.Sleep(time.Duration(run) * time.Hour)
	}, []string{"with other contents", "T01:00:00Z", "T02:00:00Z"}},
	"another result": {func(run int, ctx *orchestration.Context) error {
		return fmt.Errorf("error %d", run)
	}, []string{"with other contents", "error 1", "error 2"}},
	"more than it did": {func(run int, ctx *orchestration.Context) error {
		if run > 1 {
			Other.Call(ctx, "")
		}
		return await(Echo.Call(ctx, ""))
	}, []string{`history says activity "echo" scheduled`, `decided activity "other" scheduled`}},
	"more than it did at the end": {func(run int, ctx *orchestration.Context) error {
		echo := Echo.Call(ctx, "")
		if run > 1 {
			Other.Call(ctx, "")
		}
		return await(echo)
	}, []string{"event 3", "history says nothing", `"name":"other"`}},
	"less than it did": {func(run int, ctx *orchestration.Context) error {
		if run == 1 {
			Other.Call(ctx, "")
		}
		return await(Echo.Call(ctx, ""))
	}, []string{`history says activity "other" scheduled`}},
	"a side effect the first time only": {func(run int, ctx *orchestration.Context) error {
		if run == 1 {
			orchestration.SideEffect(ctx, func() int { return 1 })
		}
		return await(Echo.Call(ctx, ""))
	}, []string{"history says ValueRecorded"}},
	"another child": {func(run int, ctx *orchestration.Context) error {
		return await(Tale.Call(ctx, "", orchestration.ChildOptions{ID: orchestration.InstanceID(fmt.Sprint("child-", run))}))
	}, []string{"instance was child-1, is child-2"}},
	"another status": {func(run int, ctx *orchestration.Context) error {
		if err := ctx.SetStatus(run); err != nil {
			return err
		}
		return ctx.Sleep(time.Hour)
	}, []string{"with other contents", `"status":1`, `"status":2`}},
}

func await[V any](f *orchestration.Future[V]) error {
	_, err := f.Await()
	return err
}

func TestForcedReplayFindsWhatDoesNotRepeat(t *testing.T) {
	for name, c := range unrepeatable {
		t.Run(name, func(t *testing.T) {
			try := func(t orchestrationtest.T, config orchestrationtest.Config) error {
				run := 0
				e := orchestrationtest.New(t, config).Register(Echo.Func(echo), Other.Func(echo),
					Tale.Func(func(_ *orchestration.Context, s string) (string, error) { return s, nil }),
					Story.Func(func(ctx *orchestration.Context, _ string) (string, error) {
						run++
						return "", c.code(run, ctx)
					}))
				_, err := orchestrationtest.Run(e, Story, "")
				return err
			}
			got := fails(t, func(t orchestrationtest.T) { _ = try(t, orchestrationtest.Config{}) })
			says(t, got, append(c.says, "does not repeat itself", "non-determinism", "time.Now")...)
			if !strings.Contains(got, "forced_test.go:") && name != "more than it did at the end" && name != "another result" {
				t.Errorf("it names no line:\n%s", got)
			}
			if err := try(t, orchestrationtest.Config{NoForcedReplay: true}); err != nil && name != "another result" {
				t.Errorf("without forced replay it fails: %v", err)
			}
		})
	}
}

func TestForcedReplayRunsTheCodeAfterEachMessage(t *testing.T) {
	runs := func(config orchestrationtest.Config, steps int) int {
		n := 0
		e := orchestrationtest.New(t, config).Register(Story.Func(func(ctx *orchestration.Context, _ string) (string, error) {
			n++
			for range steps {
				if err := ctx.Sleep(time.Hour); err != nil {
					return "", err
				}
			}
			return "", nil
		}))
		if _, err := orchestrationtest.Run(e, Story, ""); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := runs(orchestrationtest.Config{NoForcedReplay: true}, 10); n != 1 {
		t.Errorf("without forced replay the code runs %d times", n)
	}
	// For each of the 11 turns: the turn itself, and the replay that judges it.
	if n := runs(orchestrationtest.Config{}, 10); n != 22 {
		t.Errorf("with forced replay the code runs %d times, want 22", n)
	}
	// Long histories: the number of replays grows with the logarithm.
	short, long := runs(orchestrationtest.Config{}, 1_000), runs(orchestrationtest.Config{}, 4_000)
	if long-short > 200 || long-short < 20 {
		t.Errorf("%d runs for 2,000 events and %d for 8,000", short, long)
	}
}

func TestExecutionsThatContinueAtOnceAreReplayedToo(t *testing.T) {
	got := fails(t, func(t orchestrationtest.T) {
		runs := 0
		e := orchestrationtest.New(t).Register(Count.Func(func(ctx *orchestration.Context, n int) (int, error) {
			if runs++; n == 2 {
				if err := ctx.SetStatus(runs); err != nil {
					return 0, err
				}
			}
			if n == 4 {
				return n, nil
			}
			return Count.ContinueAsNew(ctx, n+1)
		}))
		_, _ = orchestrationtest.Run(e, Count, 1)
	})
	says(t, got, "execution 2, finds non-determinism at event 2", "StatusSet")
}

func TestALongHistoryIsReplayedAtItsEnd(t *testing.T) {
	got := fails(t, func(t orchestrationtest.T) {
		runs := 0
		e := orchestrationtest.New(t).Register(Story.Func(func(ctx *orchestration.Context, _ string) (string, error) {
			runs++
			for range 500 {
				if err := ctx.Sleep(time.Second); err != nil {
					return "", err
				}
			}
			return fmt.Sprint(runs), nil
		}))
		_, _ = orchestrationtest.Run(e, Story, "")
	})
	says(t, got, "with other contents", "ExecutionCompleted")
}

// salted encodes a value differently each time, as an encrypting codec does.
type salted struct{ n *int }

func (s salted) Encode(v any) (history.Payload, error) {
	*s.n++
	p, err := codec.JSON.Encode(v)
	return fmt.Appendf(nil, `{"salt":%d,"value":%s}`, *s.n, p), err
}

func (s salted) Decode(p history.Payload, v any) error {
	var box struct{ Value history.Payload }
	if err := codec.JSON.Decode(p, &box); err != nil {
		return err
	}
	return codec.JSON.Decode(box.Value, v)
}

func TestACodecMayEncodeDifferentlyEachTime(t *testing.T) {
	e := orchestrationtest.New(t, orchestrationtest.Config{Codec: salted{new(int)}}).Register(Story.Func(callEcho), Echo.Func(echo))
	got, err := orchestrationtest.Run(e, Story, "x")
	must(t, got, err, "x")
	if calls := orchestrationtest.Scheduled(e, Echo); len(calls) != 1 || calls[0].Input != "x" {
		t.Errorf("the calls are %+v", calls)
	}
}

func TestAPanicRepeatsItself(t *testing.T) {
	e := story(t, func(*orchestration.Context, string) (string, error) { panic("no way") })
	run := orchestrationtest.Start(e, Story, "")
	_, err := run.Result()
	if err == nil || run.Status() != history.StatusFailed || !strings.Contains(err.Error(), "no way") {
		t.Errorf("the error is %v", err)
	}
}

func TestCodeThatEndsItsGoroutineFailsTheTest(t *testing.T) {
	got := fails(t, func(inner orchestrationtest.T) {
		_, _ = orchestrationtest.Run(story(inner, func(*orchestration.Context, string) (string, error) {
			inner.Fatalf("not like this")
			return "", nil
		}), Story, "")
	})
	says(t, got, "runtime.Goexit")
}
