package orchestrationtest_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/orchestration/orchestrationtest"
)

// program is a random orchestration: an operation on what its parts make. It is
// the input of the orchestration that interprets it, so that children and later
// executions get theirs.
type program struct {
	Op    string    `json:"op"`
	N     int       `json:"n,omitempty"`
	Parts []program `json:"parts,omitempty"`
}

var (
	Interpret = orchestration.Declare[program, string]("interpret")
	Step      = activity.Declare[int, int]("step")
	total     = orchestration.DeclareState[int]("total")
	letters   = []orchestration.Event[int]{orchestration.DeclareEvent[int]("a"), orchestration.DeclareEvent[int]("b")}
)

var (
	leaves  = []string{"activity", "activity", "retried", "timed", "timer", "timer", "event", "queue", "inline", "effect", "status", "state", "draw", "send", "panic"}
	inner   = []string{"sequence", "sequence", "branch", "race", "all", "join", "first", "stream", "cancel", "shield", "child", "detach", "ignore"}
	minutes = func(n int) time.Duration { return time.Duration(n) * time.Minute }
)

func draw(t *rapid.T, depth int) program {
	n := rapid.IntRange(0, 6).Draw(t, "n")
	if depth == 0 || rapid.IntRange(0, 5).Draw(t, "leaf") == 5 {
		return program{Op: rapid.SampledFrom(leaves).Draw(t, "op"), N: n}
	}
	p := program{Op: rapid.SampledFrom(inner).Draw(t, "op"), N: n}
	for range 4 - rapid.IntRange(0, 4).Draw(t, "missing") {
		p.Parts = append(p.Parts, draw(t, depth-1))
	}
	return p
}

// interpret runs a program. Its result tells all that code can see.
func interpret(ctx *orchestration.Context, p program) (string, error) {
	switch p.Op {
	case "activity":
		return shown(Step.Call(ctx, p.N))
	case "retried":
		return shown(Step.Call(ctx, p.N, activity.Retry{MaxAttempts: 3, First: time.Minute, Jitter: 0.5}))
	case "timed":
		return shown(Step.Call(ctx, p.N, activity.Options{Timeout: minutes(2), Deadline: minutes(4)}, activity.Retry{MaxAttempts: 3}))
	case "inline":
		return shown(Step.Call(ctx, p.N, activity.Options{Local: true}))
	case "timer":
		return shown(ctx.Timer(minutes(p.N)))
	case "event", "queue":
		if !ctx.Cancelled() && p.N > 4 { // some waits do without a limit: cancellation ends them
			return shown(letters[p.N%2].Wait(ctx))
		}
		var wait orchestration.Awaitable = letters[p.N%2].Wait(ctx)
		if p.Op == "queue" {
			wait = Letter.Receive(ctx)
		}
		won, err := orchestration.Race(wait, ctx.Timer(minutes(3))).Await()
		return fmt.Sprint(won == wait), err
	case "effect":
		return fmt.Sprint(orchestration.SideEffect(ctx, func() int { return p.N })), nil
	case "status":
		return "", ctx.SetStatus(p.N)
	case "state":
		sum, err := total.Get(ctx)
		return fmt.Sprint(sum), errors.Join(err, total.Set(ctx, sum+p.N))
	case "draw":
		ctx.Logger().Info("drawn", "n", p.N)
		return fmt.Sprint(ctx.NewGUID(), ctx.Rand().IntN(100), ctx.Now(), ctx.Info().HistoryLength), nil
	case "send":
		return "", letters[p.N%2].Send(ctx, "root", p.N)
	case "panic":
		if p.N == 0 {
			panic("as the program says")
		}
		return "", nil
	}
	return combined(ctx, p)
}

func combined(ctx *orchestration.Context, p program) (string, error) {
	switch p.Op {
	case "shield":
		var told string
		err := ctx.Shield(func(ctx *orchestration.Context) error {
			for _, part := range p.Parts {
				if part.Op == "event" || part.Op == "queue" || len(part.Parts) > 0 { // nothing that could wait for ever
					continue
				}
				s, err := interpret(ctx, part)
				told += said(s, err)
			}
			return nil
		})
		return told, err
	case "child":
		return shown(Interpret.Call(ctx, program{Op: "sequence", Parts: p.Parts}))
	case "detach":
		id, err := Interpret.Detach(ctx, program{Op: "sequence", Parts: p.Parts}, orchestration.DetachOptions{At: ctx.Now().Add(minutes(p.N))})
		return string(id), err
	case "sequence":
		var told strings.Builder
		for _, part := range p.Parts {
			s, err := interpret(ctx, part)
			told.WriteString(said(s, err))
		}
		return told.String(), nil
	}
	var branches []*orchestration.Future[string]
	var futures []orchestration.Awaitable
	for _, part := range p.Parts {
		b := orchestration.Go(ctx, func(ctx *orchestration.Context) (string, error) { return interpret(ctx, part) })
		branches, futures = append(branches, b), append(futures, b)
	}
	switch p.Op {
	case "branch", "join":
		_, err := orchestration.Join(futures...).Await()
		return all(branches), err
	case "race":
		return shown(orchestration.Race(futures...))
	case "all":
		if p.N%2 == 0 { // nested
			return shown(orchestration.Race(orchestration.All(branches...), ctx.Timer(minutes(p.N))))
		}
		return shown(orchestration.All(branches...))
	case "first":
		won, err := orchestration.First(futures...)
		for i, f := range futures {
			if f == won {
				return fmt.Sprint(i, " first"), err
			}
		}
		return "", err
	case "stream":
		told := ""
		for i, f := range orchestration.AsCompleted(branches...) {
			s, err := f.Await()
			told += fmt.Sprint(i, said(s, err))
			if p.N == 1 {
				break
			}
		}
		return told, nil
	case "cancel":
		err := ctx.Sleep(minutes(p.N % 3))
		for _, b := range branches {
			b.Cancel()
		}
		return all(branches), err
	}
	return "", nil // "ignore": the end closes them
}

func all(branches []*orchestration.Future[string]) string {
	told := ""
	for _, b := range branches {
		s, err := b.Await()
		told += said(s, err)
	}
	return told
}

func shown[V any](f *orchestration.Future[V]) (string, error) {
	v, err := f.Await()
	if _, winner := any(v).(orchestration.Winner); winner {
		return "won", err
	}
	return fmt.Sprint(v), err
}

func said(s string, err error) string {
	if err != nil {
		s += "!" + err.Error()
	}
	return "(" + s + ")"
}

// plan is a program and what the world does to it.
type plan struct {
	Programs    []program
	Generations int
	Raised      []int // at this minute, an event; the order makes its name
	Cancel      int
	Delay       int
	Failures    int
	Losses      int
}

func (p plan) run(t orchestrationtest.T, forced bool) *orchestrationtest.Env {
	e := orchestrationtest.New(t, orchestrationtest.Config{NoForcedReplay: !forced})
	e.Register(
		Interpret.Func(func(ctx *orchestration.Context, in program) (string, error) {
			told, err := interpret(ctx, in)
			if in.Op == "sequence" && in.N > 1 && err == nil {
				in.N--
				return Interpret.ContinueAsNew(ctx, in)
			}
			return told, err
		}),
		Step.Func(func(ctx context.Context, n int) (int, error) {
			if n == 6 {
				return 0, fmt.Errorf("step %d fails, attempt %d", n, activity.Info(ctx).Attempt)
			}
			return n, orchestrationtest.Elapse(ctx, minutes(n%4))
		}))
	e.Delay(Step, minutes(p.Delay)).Lose(Step, p.Losses)
	if p.Failures > 0 {
		e.Fail(Step, p.Failures, errors.New("scripted"))
	}
	for n, minute := range p.Raised {
		if n%3 == 2 {
			orchestrationtest.PutAt(e, minutes(minute), Letter, fmt.Sprint(n))
		} else {
			orchestrationtest.RaiseAt(e, minutes(minute), letters[n%3], n)
		}
	}
	e.CancelAt(minutes(p.Cancel), "time is up")
	in := program{Op: "sequence", N: p.Generations, Parts: p.Programs}
	_, _ = orchestrationtest.Run(e, Interpret, in, orchestration.StartOptions{ID: "root"})
	e.Settle()
	return e
}

func (p plan) told(e *orchestrationtest.Env) []byte {
	var all bytes.Buffer
	for _, i := range e.Instances() {
		for n := range i.Execution() {
			fmt.Fprintf(&all, "%s %s\n%s", i.ID(), i.Status(), withoutStacks(i.Export(n+1)))
		}
	}
	for _, l := range e.Logs() {
		fmt.Fprintln(&all, l.Time, l.Instance, l.Message, l.Attrs)
	}
	fmt.Fprintln(&all, e.Elapsed())
	return all.Bytes()
}

// withoutStacks leaves out the stacks of panics: no two are the same.
func withoutStacks(lines []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(lines) {
		if i := bytes.Index(line, []byte(`"stack"`)); i >= 0 {
			line = append(bytes.Clone(line[:i]), '\n')
		}
		kept = append(kept, line...)
	}
	return kept
}

func drawPlan(t *rapid.T) plan {
	var programs []program
	for range 5 - rapid.IntRange(0, 4).Draw(t, "missing") {
		programs = append(programs, draw(t, 3))
	}
	return plan{
		Programs:    programs,
		Generations: rapid.IntRange(1, 3).Draw(t, "generations"),
		Raised:      rapid.SliceOfN(rapid.IntRange(0, 12), 0, 6).Draw(t, "raised"),
		Cancel:      rapid.SampledFrom([]int{0, 1, 3, 6, 1_000}).Draw(t, "cancel"),
		Delay:       rapid.IntRange(0, 3).Draw(t, "delay"),
		Failures:    rapid.IntRange(0, 3).Draw(t, "failures"),
		Losses:      rapid.IntRange(0, 2).Draw(t, "losses"),
	}
}

func TestRandomProgramsRepeatThemselves(t *testing.T) {
	longest := 0
	statuses := map[history.Status]int{}
	check := func(t *rapid.T) {
		p := drawPlan(t)
		replayed := p.run(t, true)
		live := p.run(t, false)
		a, b := p.told(replayed), p.told(live)
		if !bytes.Equal(a, b) {
			t.Fatalf("with forced replay:\n%s\nwithout:\n%s", a, b)
		}
		for _, i := range live.Instances() {
			statuses[i.Status()]++
			longest = max(longest, len(i.History(0)))
			var v history.Validator
			for _, event := range i.History(0) {
				if err := v.Next(event); err != nil {
					t.Fatalf("instance %q: %v", i.ID(), err)
				}
			}
		}
	}
	tame := func() bool {
		return longest < 50 || statuses[history.StatusCompleted] == 0 || statuses[history.StatusCancelled]+statuses[history.StatusFailed] == 0
	}
	for range 10 { // a round may have short programs only
		if rapid.Check(t, check); t.Failed() || !tame() {
			break
		}
	}
	t.Logf("longest history: %d events; statuses: %v", longest, statuses)
	if tame() {
		t.Error("the programs are too tame")
	}
}
