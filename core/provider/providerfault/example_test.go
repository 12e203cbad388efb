package providerfault_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/core/provider/providerfault"
	"github.com/duroxide/duroxide-go/providers/memory"
)

// The second message is stored, and its sender never learns it.
func ExampleInjector() {
	ctx := context.Background()
	faults := providerfault.New(1, providerfault.MustParse(`send nth=2 after`)...)
	store := providerfault.Wrap(memory.New(memory.Config{}), faults)

	for _, id := range []string{"first", "second"} {
		err := store.Send(ctx, provider.Message{
			ID: id, To: history.InstanceID(id), Data: &history.ExecutionStarted{Name: "greet"}, Start: &provider.Start{Name: "greet"},
		})
		_, missing := store.Instance(ctx, history.InstanceID(id))
		fmt.Println(id, "unknown:", errors.Is(err, provider.ErrUnknown), "there:", missing == nil)
	}
	fmt.Println(faults.Total(), store.Close())
	// Output:
	// first unknown: false there: true
	// second unknown: true there: true
	// 1 <nil>
}
