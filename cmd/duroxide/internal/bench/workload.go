package bench

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

// Workload is a shape of orchestration, with n steps.
type Workload struct {
	Name string
	What string
	// Instances and N are the defaults; FixedN cannot be changed.
	Instances, N int
	FixedN       bool

	function      orchestration.Func[input, int]
	activities    func(n int) int // of one instance
	orchestration func(n int) int // instances that one instance stands for
	events        bool            // the load raises n events
	dtf           func(n int) int // storage transactions of the Durable Task Framework, nil if unknown
}

// Workloads are all there are, in the order of the help text.
var Workloads = []Workload{
	{Name: "hello5", What: "five activities, one after another", Instances: 1000, N: 5, FixedN: true, function: sequence, activities: same, orchestration: one, dtf: dtfSequence},
	{Name: "fanout", What: "n activities at once, then one result", Instances: 1, N: 1000, function: fanout, activities: same, orchestration: one, dtf: func(n int) int { return 518 * n / 100 }},
	{Name: "sequence", What: "n activities, one after another", Instances: 100, N: 100, function: sequence, activities: same, orchestration: one, dtf: dtfSequence},
	{Name: "timers", What: "n durable timers of 1 ms at once", Instances: 100, N: 100, function: timers, activities: none, orchestration: one},
	{Name: "events", What: "n external events, raised by the client, received one by one", Instances: 100, N: 100, function: events, activities: none, orchestration: one, events: true},
	{Name: "children", What: "n child orchestrations at once, which count as orchestrations", Instances: 10, N: 100, function: children, activities: none, orchestration: func(n int) int { return 1 + n }},
	{Name: "continue", What: "n generations by continue-as-new", Instances: 100, N: 100, function: generations, activities: none, orchestration: one},
}

// Find finds a workload by name.
func Find(name string) (Workload, error) {
	var names []string
	for _, w := range Workloads {
		if w.Name == name {
			return w, nil
		}
		names = append(names, w.Name)
	}
	return Workload{}, fmt.Errorf("--workload %s: no workload is called that: choose one of %s", name, strings.Join(names, ", "))
}

// dtfSequence is what a sequence costs on the Durable Task Framework's Azure
// Storage backend, counted in its source: the client's 3, and 9 for each activity
// and for the end.
func dtfSequence(n int) int { return 9*n + 9 }

func same(n int) int { return n }
func none(int) int   { return 0 }
func one(int) int    { return 1 }

// input says how many steps to make, and how large each payload is.
type input struct {
	N     int `json:"n"`
	Bytes int `json:"bytes"`
	Done  int `json:"done,omitempty"` // generations so far
}

var (
	sequence    = orchestration.Declare[input, int]("bench-sequence")
	fanout      = orchestration.Declare[input, int]("bench-fanout")
	timers      = orchestration.Declare[input, int]("bench-timers")
	events      = orchestration.Declare[input, int]("bench-events")
	children    = orchestration.Declare[input, int]("bench-children")
	generations = orchestration.Declare[input, int]("bench-continue")

	child = orchestration.Declare[string, string]("bench-child")
	hello = activity.Declare[string, string]("bench-hello")
	tick  = orchestration.DeclareEvent[string]("bench-tick")
)

// timerDelay is as short as a durable timer can sensibly be.
const timerDelay = time.Millisecond

// handlers are what the worker runs.
func handlers() []core.Handler {
	return []core.Handler{
		hello.Func(func(_ context.Context, text string) (string, error) { return text, nil }),
		child.Func(func(_ *orchestration.Context, text string) (string, error) { return text, nil }),
		sequence.Func(runSequence), fanout.Func(runFanout), timers.Func(runTimers),
		events.Func(runEvents), children.Func(runChildren), generations.Func(runGenerations),
	}
}

// payload is a text of a size.
func payload(size int) string { return strings.Repeat("x", size) }

func runSequence(ctx *orchestration.Context, in input) (int, error) {
	text := payload(in.Bytes)
	for done := range in.N {
		out, err := hello.Call(ctx, text).Await()
		if err != nil || out != text {
			return done, err
		}
	}
	return in.N, nil
}

func runFanout(ctx *orchestration.Context, in input) (int, error) {
	text := payload(in.Bytes)
	calls := make([]*orchestration.Future[string], in.N)
	for i := range calls {
		calls[i] = hello.Call(ctx, text)
	}
	out, err := orchestration.All(calls...).Await()
	return len(out), err
}

func runTimers(ctx *orchestration.Context, in input) (int, error) {
	all := make([]orchestration.Awaitable, in.N)
	for i := range all {
		all[i] = ctx.Timer(timerDelay)
	}
	_, err := orchestration.Join(all...).Await()
	return len(all), err
}

func runEvents(ctx *orchestration.Context, in input) (int, error) {
	for done := range in.N {
		if _, err := tick.Wait(ctx).Await(); err != nil {
			return done, err
		}
	}
	return in.N, nil
}

func runChildren(ctx *orchestration.Context, in input) (int, error) {
	text := payload(in.Bytes)
	calls := make([]*orchestration.Future[string], in.N)
	for i := range calls {
		calls[i] = child.Call(ctx, text)
	}
	out, err := orchestration.All(calls...).Await()
	return len(out), err
}

func runGenerations(ctx *orchestration.Context, in input) (int, error) {
	if in.Done++; in.Done < in.N {
		return generations.ContinueAsNew(ctx, in)
	}
	return in.Done, nil
}
