package activity_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// play runs one instance on a store in memory to its end, and prints it.
func play[I, O any](f orchestration.Func[I, O], in I, handlers ...core.Handler) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	store := memory.New(memory.Config{})
	worker := core.NewWorker(store, core.WorkerConfig{Logger: slog.New(slog.DiscardHandler)}).Register(handlers...)
	stopped := make(chan error, 1)
	go func() { stopped <- worker.Run(ctx) }()
	h, err := f.Start(ctx, core.NewClient(store, core.ClientConfig{}), in, orchestration.StartOptions{})
	if err == nil {
		var out O
		if out, err = h.Wait(ctx); err == nil {
			fmt.Println(out)
		}
	}
	cancel()
	if err := errors.Join(err, <-stopped, store.Close()); err != nil {
		fmt.Println(err)
	}
}

// bank is a service in the world that honours idempotency keys, as payment
// services do. Its first answer is lost on the way.
type bank struct {
	mu       sync.Mutex
	receipts map[string]string // by idempotency key
	lost     bool
}

func (b *bank) Charge(key string, cents int) (receipt string, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.receipts[key] == "" {
		b.receipts[key] = fmt.Sprintf("receipt %d for %d cents", len(b.receipts)+1, cents)
	}
	if !b.lost {
		b.lost = true
		return "", errors.New("connection reset by peer")
	}
	return b.receipts[key], nil
}

var (
	Pay    = orchestration.Declare[int, string]("pay")
	Charge = activity.Declare[int, string]("charge")
)

// An activity runs at least once; the idempotency key makes its effect happen
// once.
func Example() {
	b := &bank{receipts: map[string]string{}}

	charge := func(ctx context.Context, cents int) (string, error) {
		info := activity.Info(ctx)
		receipt, err := b.Charge(info.IdempotencyKey, cents) // the same key for every attempt, on every host
		if err != nil {
			return "", fmt.Errorf("charging %d cents: %w", cents, err) // tried again
		}
		return fmt.Sprintf("%s, attempt %d", receipt, info.Attempt), nil
	}
	pay := func(ctx *orchestration.Context, cents int) (string, error) {
		return Charge.Call(ctx, cents, activity.Retry{MaxAttempts: 3, First: time.Millisecond}).Await()
	}
	play(Pay, 4200, Pay.Func(pay), Charge.Func(charge))
	fmt.Println("charges:", len(b.receipts))
	// Output:
	// receipt 1 for 4200 cents, attempt 2
	// charges: 1
}

func ExampleRetry() {
	fetch := activity.Declare[string, string]("fetch")
	mirror := orchestration.Declare[string, string]("mirror")

	_ = mirror.Func(func(ctx *orchestration.Context, url string) (string, error) {
		return fetch.Call(ctx, url,
			activity.Retry{
				MaxAttempts:  8,                           // 1 s, 2 s, 4 s, … between them
				Max:          time.Minute,                 // no longer than this
				Jitter:       0.2,                         // each up to a fifth shorter
				NonRetryable: []string{"shop.NotAllowed"}, // a type of error
			},
			activity.Options{
				Timeout:  10 * time.Second, // of each attempt
				Deadline: 5 * time.Minute,  // of all together, with the waits between
			}).Await()
	})
}

// A long activity tells how far it is, and goes on from there when it runs
// again.
func ExampleHeartbeat() {
	type position struct{ Block int }
	const blocks = 10
	upload := activity.Declare[string, string]("upload")
	backup := orchestration.Declare[string, string]("backup")

	copyBlocks := func(ctx context.Context, file string) (string, error) {
		var at position
		resumed, err := activity.Progress(ctx, &at) // of the attempt before
		if err != nil {
			return "", err
		}
		from := at.Block
		for ; at.Block < blocks; at.Block++ {
			if at.Block == 6 && !resumed {
				return "", errors.New("network gone")
			}
			if err := activity.Heartbeat(ctx, position{Block: at.Block + 1}); err != nil {
				return "", err // the context has ended
			}
		}
		return fmt.Sprintf("%s: %d blocks, from block %d", file, at.Block, from), nil
	}
	play(backup, "disk",
		upload.Func(copyBlocks),
		backup.Func(func(ctx *orchestration.Context, file string) (string, error) {
			return upload.Call(ctx, file, activity.Retry{MaxAttempts: 2, First: time.Millisecond}).Await()
		}))
	// Output: disk: 10 blocks, from block 6
}

// An attempt that takes too long fails with ErrTimeout, and its context says
// so.
func ExampleOptions() {
	wait := activity.Declare[string, string]("wait")
	patient := orchestration.Declare[string, string]("patient")

	play(patient, "x",
		wait.Func(func(ctx context.Context, _ string) (string, error) {
			<-ctx.Done()
			return "", context.Cause(ctx)
		}),
		patient.Func(func(ctx *orchestration.Context, in string) (string, error) {
			_, err := wait.Call(ctx, in, activity.Options{Timeout: time.Millisecond}).Await()
			switch {
			case errors.Is(err, activity.ErrTimeout):
				return "it took too long", nil
			case errors.Is(err, activity.ErrPanicked):
				return "it has a bug", nil
			}
			return "", err
		}))
	// Output: it took too long
}

// OutOfStock is an error with data: its exported fields travel.
type OutOfStock struct {
	Item string
	Left int
}

func (e *OutOfStock) Error() string { return fmt.Sprintf("only %d of %s left", e.Left, e.Item) }

// ErrClosed is a sentinel: it travels under a code, which every program of the
// hub registers when it starts.
var ErrClosed = errors.New("the shop is closed")

// Errors reach the orchestration with their types and their identity.
func ExampleError() {
	pick := activity.Declare[string, int]("pick")
	order := orchestration.Declare[[]string, string]("order")
	activity.RegisterError("shop.closed", ErrClosed)

	play(order, []string{"pen", "lamp", "book"},
		pick.Func(func(_ context.Context, item string) (int, error) {
			switch item {
			case "pen":
				return 0, activity.NonRetryable(&OutOfStock{Item: item, Left: 2})
			case "lamp":
				return 0, fmt.Errorf("on a Sunday: %w", activity.NonRetryable(ErrClosed))
			}
			panic("a bug") // panic: to show what becomes of it
		}),
		order.Func(func(ctx *orchestration.Context, items []string) (string, error) {
			report := ""
			for _, item := range items {
				_, err := pick.Call(ctx, item).Await()
				if short, ok := errors.AsType[*OutOfStock](err); ok {
					report += fmt.Sprintf("%d left; ", short.Left)
				}
				if errors.Is(err, ErrClosed) {
					report += "closed; "
				}
				if e, ok := errors.AsType[*activity.Error](err); ok && errors.Is(err, activity.ErrPanicked) {
					report += fmt.Sprintf("%s panicked, its stack is kept: %t", e.Activity, e.Stack != "")
				}
			}
			return report, nil
		}))
	// Output: 2 left; closed; pick panicked, its stack is kept: true
}

// A short step runs inside the turn: nothing is scheduled, its result is
// committed with the turn.
func ExampleOptions_local() {
	price := activity.Declare[string, int]("price")
	quote := orchestration.Declare[string, int]("quote")

	play(quote, "book",
		price.Func(func(context.Context, string) (int, error) { return 1200, nil }),
		quote.Func(func(ctx *orchestration.Context, item string) (int, error) {
			return price.Call(ctx, item, activity.Options{Local: true}).Await()
		}))
	// Output: 1200
}

// The logger of an activity names the activity, its instance and its attempt.
func ExampleLogger() {
	clean := activity.Declare[string, activity.None]("clean")

	_ = clean.Func(func(ctx context.Context, dir string) (activity.None, error) {
		activity.Logger(ctx).Info("cleaning", "dir", dir)
		return activity.None{}, os.RemoveAll(dir)
	})
}
