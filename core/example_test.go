package core_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/memory"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	Greet = orchestration.Declare[string, string]("greet")
	Say   = activity.Declare[string, string]("say")
)

func greet(ctx *orchestration.Context, name string) (string, error) {
	return Say.Call(ctx, name).Await()
}

func say(ctx context.Context, name string) (string, error) {
	return "Hello, " + name + ", from " + activity.Info(ctx).Headers["tenant"], nil
}

// A worker and a client, with all that is usually configured. Interceptors wrap
// what is sent and what runs: here a header goes from the client to the
// activity, and activities are counted.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	store := memory.New(memory.Config{})

	ran := make(chan string, 1)
	worker := core.NewWorker(store, core.WorkerConfig{
		Name:          "web-1",
		Logger:        slog.New(slog.DiscardHandler),
		MaxActivities: 20,
		Cache:         core.CacheConfig{Count: 5_000, Idle: 10 * time.Minute},
		ShutdownGrace: 30 * time.Second,
		ActivityInterceptors: []activity.Interceptor{
			func(ctx context.Context, input history.Payload, next func(context.Context, history.Payload) (history.Payload, error)) (history.Payload, error) {
				output, err := next(ctx, input)
				ran <- activity.Info(ctx).Activity
				return output, err
			},
		},
	}).Register(Greet.Func(greet), Say.Func(say))
	stopped := make(chan error, 1)
	go func() { stopped <- worker.Run(ctx) }()

	client := core.NewClient(store, core.ClientConfig{
		RetryFor: time.Minute, // while the store does not answer
		Interceptors: []core.ClientInterceptor{
			func(ctx context.Context, m *provider.Message, next func(context.Context, *provider.Message) error) error {
				if start, ok := m.Data.(*history.ExecutionStarted); ok {
					start.Headers = map[string]string{"tenant": "north"}
				}
				return next(ctx, m)
			},
		},
	})
	h, err := Greet.Start(ctx, client, "Ann", orchestration.StartOptions{ID: "greeting-1", Tags: map[string]string{"team": "web"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.Wait(ctx))
	fmt.Println("ran", <-ran)
	cancel() // the worker finishes what runs, and leaves
	fmt.Println(<-stopped, store.Close())
	// Output:
	// Hello, Ann, from north <nil>
	// ran say
	// <nil> <nil>
}

// Run reports all problems of registration together, before it touches the
// store.
func ExampleWorker_Run() {
	store := memory.New(memory.Config{})
	worker := core.NewWorker(store, core.WorkerConfig{MaxTurns: -1}).
		Register(Say.Func(say), Say.Func(say), Greet.Version("two", greet))
	fmt.Println(errors.Join(worker.Run(context.Background()), store.Close()))
	// Output:
	// worker not started: WorkerConfig: MaxTurns is -1, MaxActivities is 0, ShutdownGrace is 0s: none may be negative
	// activity "say" is registered twice
	// orchestration "greet": version "two" is not semantic: write major.minor.patch, for example 1.2.0
}

// A client reads instances and their histories.
func ExampleClient() {
	ctx, cancel := context.WithCancel(context.Background())
	store := memory.New(memory.Config{})
	worker := core.NewWorker(store, core.WorkerConfig{Logger: slog.New(slog.DiscardHandler)}).Register(Greet.Func(greet), Say.Func(say))
	stopped := make(chan error, 1)
	go func() { stopped <- worker.Run(ctx) }()
	defer func() {
		cancel()
		if err := errors.Join(<-stopped, store.Close()); err != nil {
			fmt.Println(err)
		}
	}()

	client := core.NewClient(store, core.ClientConfig{})
	// The same id twice is refused, unless StartOptions.Reuse says otherwise.
	for range 2 {
		_, err := Greet.Start(ctx, client, "Ann", orchestration.StartOptions{ID: "greeting-1"})
		fmt.Println(errors.Is(err, provider.ErrExists))
	}
	i, err := client.Wait(ctx, "greeting-1", provider.Until{Final: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(i.Name, i.Version, i.Status)
	for e, err := range client.History(ctx, i.ID, 0) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(e.ID, e.Data.Kind())
	}
	// Output:
	// false
	// true
	// greet 1.0.0 completed
	// 1 ExecutionStarted
	// 2 ActivityScheduled
	// 3 ActivityCompleted
	// 4 ExecutionCompleted
}
