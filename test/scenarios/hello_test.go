package scenarios

import (
	"context"
	"fmt"
	"testing"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

var (
	hello5 = orchestration.Declare[string, string]("hello5")
	greet  = activity.Declare[string, string]("greet")
)

func TestFiveGreetingsInARow(t *testing.T) {
	everywhere(t, func(t *testing.T, w *world) {
		w.run(
			hello5.Func(func(ctx *orchestration.Context, name string) (string, error) {
				all := ""
				for i := range 5 {
					g, err := greet.Call(ctx, fmt.Sprint(name, i)).Await()
					if err != nil {
						return "", err
					}
					all += g
				}
				return all, nil
			}),
			greet.Func(func(_ context.Context, name string) (string, error) { return "hi " + name + ";", nil }),
		)
		h, err := hello5.Start(t.Context(), w.client, "x", orchestration.StartOptions{ID: "h"})
		if err != nil {
			t.Fatal(err)
		}
		got, err := h.Wait(w.ctx)
		if err != nil || got != "hi x0;hi x1;hi x2;hi x3;hi x4;" {
			t.Fatal(got, err)
		}
		if n := w.worker.Stats().Replays; n != 0 {
			t.Errorf("%d replays in steady state", n)
		}
	})
}
