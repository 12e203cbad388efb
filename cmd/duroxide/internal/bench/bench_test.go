package bench

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/cmd/duroxide/internal/stores"
	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/verify"
	"github.com/duroxide/duroxide-go/providers/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func smallConfig(t *testing.T, w Workload) Config {
	t.Helper()
	c := Config{Store: stores.Ref{Kind: stores.Memory}, Workload: w, Instances: 3, Payload: 100, Client: InProcess, Limit: time.Minute}
	if !w.FixedN {
		c.N = 20
	}
	c, err := c.WithDefaults()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The raw limit means something only if the bare loop does what the engine
// does: its histories must be valid, and of the same events and sizes.
func TestTheRawLoopWritesWhatTheEngineWrites(t *testing.T) {
	for _, w := range Workloads {
		t.Run(w.Name, func(t *testing.T) {
			c := smallConfig(t, w)
			raw := written(t, func(store provider.Store) error {
				_, err := rawLoop(t.Context(), c, "x", store)
				return err
			})
			engine := written(t, func(store provider.Store) error {
				ctx, leave := context.WithCancel(t.Context())
				left := make(chan error, 1)
				go func() { left <- core.NewWorker(store, core.WorkerConfig{}).Register(handlers()...).Run(ctx) }()
				_, err := runLoad(ctx, c, "x", newEngine(c, store))
				leave()
				if left := <-left; left != nil {
					return left
				}
				return err
			})
			if raw.kinds != engine.kinds {
				t.Errorf("events differ\nraw    %s\nengine %s", raw.kinds, engine.kinds)
			}
			if d := float64(raw.bytes) / float64(engine.bytes); d < 0.9 || d > 1.1 {
				t.Errorf("the raw loop wrote %d bytes of history, the engine %d", raw.bytes, engine.bytes)
			}
		})
	}
}

type writing struct {
	kinds string // how many of each, over all instances
	bytes int
}

// written is what a run wrote into a fresh store, after an audit of it.
func written(t *testing.T, run func(provider.Store) error) (w writing) {
	t.Helper()
	store := memory.New(memory.Config{})
	defer func() {
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := run(store); err != nil {
		t.Fatal(err)
	}
	report, err := verify.Store(t.Context(), store, verify.Options{Complete: true})
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK() {
		t.Fatalf("the audit failed: %v", report.Findings[:min(3, len(report.Findings))])
	}
	all, err := store.List(t.Context(), provider.Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[history.Kind]int{}
	for _, i := range all {
		for execution := int64(1); execution <= i.Execution; execution++ {
			for e, err := range store.History(t.Context(), i.ID, execution, 0) {
				if err != nil {
					t.Fatal(err)
				}
				kinds[e.Data.Kind()]++
				b, err := history.Marshal(e)
				if err != nil {
					t.Fatal(err)
				}
				w.bytes += len(b)
			}
		}
	}
	w.kinds = fmt.Sprint(kinds)
	return w
}

func TestARunThatTakesTooLongIsAnError(t *testing.T) {
	c := smallConfig(t, Workloads[0])
	c.Instances, c.Limit = maxInstances, 50*time.Millisecond
	if _, err := Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "did not end within 50ms") {
		t.Errorf("got %v", err)
	}
}

func TestAnInterruptEndsARun(t *testing.T) {
	c := smallConfig(t, Workloads[0])
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Run(ctx, c); err == nil {
		t.Error("the run went on")
	}
}

func TestPercentilesAreOfTheNearestRank(t *testing.T) {
	ms := func(n int64) int64 { return n * int64(time.Millisecond) }
	hundred := make([]int64, 100)
	for i := range hundred {
		hundred[i] = ms(int64(i + 1))
	}
	for _, c := range []struct {
		sorted []int64
		want   Latency
	}{
		{hundred, Latency{50, 90, 99, 100}},
		{[]int64{ms(7)}, Latency{7, 7, 7, 7}},
		{[]int64{ms(1), ms(2)}, Latency{1, 2, 2, 2}},
	} {
		if got := latencies(c.sorted); got != c.want {
			t.Errorf("got %+v, want %+v", got, c.want)
		}
	}
}

func TestAClientProcessEndsWithItsParent(t *testing.T) {
	parent, life := io.Pipe()
	ctx, cancel := WithLife(t.Context(), parent)
	defer cancel()
	if err := life.Close(); err != nil {
		t.Fatal(err)
	}
	<-ctx.Done()
}
