package memory_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/memory"
)

// One message on its way through a store, as the engine sends and takes it.
func Example() {
	ctx := context.Background()
	store := memory.New(memory.Config{})
	host, err := store.Join(ctx, provider.HostInfo{Name: "example"})
	if err != nil {
		panic(err)
	}

	started := &history.ExecutionStarted{Name: "greet"}
	err = store.Send(ctx, provider.Message{
		ID: "start-1", To: "greeting-1",
		Start: &provider.Start{Name: "greet"},
		Data:  started,
	})
	if err != nil {
		panic(err)
	}

	turn, err := host.NextTurn(ctx)
	if err != nil {
		panic(err)
	}
	err = host.CommitTurn(ctx, turn, &provider.Commit{
		Consumed:     len(turn.Messages),
		NewExecution: true,
		Events: []history.Event{
			{ID: 1, Execution: 1, Data: started},
			{ID: 2, Execution: 1, Data: &history.ExecutionCompleted{Output: history.Payload(`"hello"`)}},
		},
		Status: history.StatusCompleted,
		Output: history.Payload(`"hello"`),
	})
	if err != nil {
		panic(err)
	}

	instance, err := store.Wait(ctx, "greeting-1", provider.Until{Final: true})
	if err != nil {
		panic(err)
	}
	fmt.Println(instance.Status, string(instance.Output))
	if err := errors.Join(host.Leave(ctx), store.Close()); err != nil {
		panic(err)
	}
	// Output: completed "hello"
}
