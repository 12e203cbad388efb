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

func hello(ctx *orchestration.Context, name string) (string, error) {
	all := ""
	for i := range 5 {
		g, err := greet.Call(ctx, fmt.Sprint(name, i)).Await()
		if err != nil {
			return "", err
		}
		all += g
	}
	return all, nil
}

func greeting(_ context.Context, name string) (string, error) { return "hi " + name + ";", nil }

func TestFiveGreetingsInARow(t *testing.T) {
	everywhereAndUnreliable(t, func(t *testing.T, w *world) {
		w.run(hello5.Func(hello), greet.Func(greeting))
		gives(w, begun(w, hello5, "x", start{ID: "h"}), "hi x0;hi x1;hi x2;hi x3;hi x4;")
		if n := w.worker.Stats().Replays; n != 0 && w.faults == nil {
			t.Errorf("%d replays in steady state", n)
		}
		if n := len(w.events("h", 1)); n != 12 {
			t.Errorf("the history has %d events: want its start, its end, and two for each of the five activities", n)
		}
	})
}
