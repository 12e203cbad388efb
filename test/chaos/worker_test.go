package chaos

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/internal/azurite/strict"
	"github.com/duroxide/duroxide-go/internal/ledger"
	"github.com/duroxide/duroxide-go/providers/sqlite"
)

var (
	order   = orchestration.Declare[int, int]("order")
	invoice = orchestration.Declare[int, int]("invoice")
	counter = orchestration.Declare[int, int]("counter")
	confirm = orchestration.DeclareEvent[int]("confirm")
	effect  = activity.Declare[int, int]("effect")
	flaky   = activity.Declare[int, int]("flaky")
	total   = orchestration.DeclareState[int]("total")
)

// runOrder does a bit of everything: a retried activity, a fan-out, a race of
// an event with a timer, a child, a loop that continues as new, state.
func runOrder(ctx *orchestration.Context, n int) (int, error) {
	if _, err := flaky.Call(ctx, n, activity.Retry{MaxAttempts: 3, First: time.Millisecond}).Await(); err != nil {
		return 0, err
	}
	var effects []*orchestration.Future[int]
	for i := range n%5 + 1 {
		effects = append(effects, effect.Call(ctx, i))
	}
	done, err := orchestration.All(effects...).Await()
	if err != nil {
		return 0, err
	}
	if err := total.Set(ctx, len(done)); err != nil {
		return 0, err
	}
	confirmed, late := confirm.Wait(ctx), ctx.Timer(time.Hour)
	won, err := orchestration.Race(confirmed, late).Await()
	if err != nil || won != confirmed {
		return 0, fmt.Errorf("the confirmation was lost: %w", err)
	}
	loops := counter.Call(ctx, n%3)
	invoiced, err := invoice.Call(ctx, n).Await()
	if err != nil {
		return 0, err
	}
	counted, err := loops.Await()
	return len(done)*10_000 + invoiced*100 + counted, err
}

// want is what an order comes to.
func want(n int) int { return (n%5+1)*10_000 + (n%7)*100 }

func runInvoice(ctx *orchestration.Context, n int) (int, error) {
	if err := ctx.Sleep(time.Millisecond); err != nil {
		return 0, err
	}
	_, err := effect.Call(ctx, n).Await()
	return n % 7, err
}

func runCounter(ctx *orchestration.Context, left int) (int, error) {
	if _, err := effect.Call(ctx, left).Await(); err != nil || left == 0 {
		return 0, err
	}
	return counter.ContinueAsNew(ctx, left-1)
}

// worker is the process that is killed. It works on a store until it dies, until
// its standard input ends, or until it is asked to end.
func worker(open func(context.Context) (provider.Store, error), path string, pace time.Duration) error {
	asked, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithCancel(asked)
	defer cancel()
	effects, err := ledger.Open(path + ".ledger")
	if err != nil {
		return err
	}
	store, err := open(ctx)
	if err != nil {
		return err
	}
	apply := func(ctx context.Context, n int) (int, error) {
		i := activity.Info(ctx)
		if pace > 0 {
			select { // so that there is work in the middle of which it can be killed
			case <-time.After(rand.N(pace)):
			case <-ctx.Done():
				return 0, ctx.Err()
			}
		}
		_, err := effects.Apply(ledger.Row{Key: i.IdempotencyKey, Activity: i.Activity, Instance: string(i.Instance), Execution: i.Execution, Event: i.Event, Attempt: i.Attempt})
		return n, err
	}
	go func() { // the parent closes our input to end us gracefully
		var b [1]byte
		_, _ = os.Stdin.Read(b[:])
		cancel()
	}()
	err = core.NewWorker(store, core.WorkerConfig{ShutdownGrace: 5 * time.Second, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))}).Register(
		order.Func(runOrder), invoice.Func(runInvoice), counter.Func(runCounter),
		effect.Func(apply),
		flaky.Func(func(ctx context.Context, n int) (int, error) {
			i := activity.Info(ctx)
			h := fnv.New32a()
			fmt.Fprint(h, i.IdempotencyKey)
			if i.Attempt <= int(h.Sum32()%3) {
				return 0, errors.New("not this time")
			}
			return apply(ctx, n)
		}),
	).Run(ctx)
	return errors.Join(err, store.Close(), effects.Close())
}

// workerVariable makes the test binary a worker, on the store that it names:
// the path of a file, for SQLite.
const workerVariable = "DUROXIDE_CHAOS_STORE"

func TestMain(m *testing.M) {
	path := os.Getenv(workerVariable)
	if path == "" {
		os.Exit(m.Run())
	}
	open, pace := func(ctx context.Context) (provider.Store, error) { return sqlite.Open(ctx, path, sqlite.Config{}) }, time.Duration(0)
	if account := os.Getenv(accountVariable); account != "" {
		open = func(ctx context.Context) (provider.Store, error) {
			return openHub(ctx, account, slog.New(slog.NewTextHandler(os.Stderr, nil)), func(v strict.Violation) {
				fmt.Fprintln(os.Stderr, "worker: Azure would have refused a request:", v)
				os.Exit(1)
			})
		}
		pace = soakPace
	}
	if err := worker(open, path, pace); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}
