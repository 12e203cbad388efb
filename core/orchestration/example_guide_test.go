package orchestration_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/providers/memory"
)

// running runs a worker on a store in memory, and gives a client of it. The
// returned function stops the worker.
func running(handlers ...core.Handler) (context.Context, *core.Client, func()) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	store := memory.New(memory.Config{})
	worker := core.NewWorker(store, core.WorkerConfig{Logger: slog.New(slog.DiscardHandler)}).Register(handlers...)
	stopped := make(chan error, 1)
	go func() { stopped <- worker.Run(ctx) }()
	return ctx, core.NewClient(store, core.ClientConfig{}), func() {
		cancel()
		if err := errors.Join(<-stopped, store.Close()); err != nil {
			fmt.Println(err)
		}
	}
}

// A wait that a timer ends: what loses is given up.
func ExampleFirst() {
	answer := orchestration.DeclareEvent[string]("answer")
	ask := orchestration.Declare[time.Duration, string]("ask")

	ctx, client, stop := running(ask.Func(func(ctx *orchestration.Context, patience time.Duration) (string, error) {
		reply, late := answer.Wait(ctx), ctx.Timer(patience)
		won, err := orchestration.First(reply, late)
		if err != nil {
			return "", err
		}
		if won == late {
			reply.Cancel() // gives up its place in line
			return "nobody answered", nil
		}
		return reply.Await() // it is there already
	}))
	defer stop()

	for _, patience := range []time.Duration{time.Millisecond, time.Hour} {
		h, err := ask.Start(ctx, client, patience, orchestration.StartOptions{})
		if err != nil {
			fmt.Println(err)
			return
		}
		if patience == time.Hour {
			if err := answer.Raise(ctx, client, h.ID(), "yes"); err != nil {
				fmt.Println(err)
				return
			}
		}
		fmt.Println(h.Wait(ctx))
	}
	// Output:
	// nobody answered <nil>
	// yes <nil>
}

// Combinations are futures, so they nest.
func ExampleRace_nested() {
	lookup := activity.Declare[string, string]("lookup")
	search := orchestration.Declare[string, string]("search")

	ctx, client, stop := running(
		search.Func(func(ctx *orchestration.Context, what string) (string, error) {
			both := orchestration.All(lookup.Call(ctx, what+" in the index"), lookup.Call(ctx, what+" in the archive"))
			late := orchestration.Race(ctx.Timer(time.Hour), ctx.Timer(2*time.Hour))
			won, err := orchestration.Race(both, late).Await() // the timers end here
			if err != nil {
				return "", err
			}
			if won == late {
				return "nothing in time", nil
			}
			found, err := both.Await()
			return fmt.Sprint(found), err
		}),
		lookup.Func(func(_ context.Context, where string) (string, error) { return where, nil }))
	defer stop()

	h, err := search.Start(ctx, client, "whales", orchestration.StartOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.Wait(ctx))
	// Output: [whales in the index whales in the archive] <nil>
}

// Join waits for all, whatever becomes of them; AsCompleted takes them as they
// come.
func ExampleJoin() {
	check := activity.Declare[string, string]("check")
	survey := orchestration.Declare[[]string, string]("survey")

	ctx, client, stop := running(
		survey.Func(func(ctx *orchestration.Context, hosts []string) (string, error) {
			var checks []*orchestration.Future[string]
			var all []orchestration.Awaitable
			for _, host := range hosts {
				c := check.Call(ctx, host)
				checks, all = append(checks, c), append(all, c)
			}
			if _, err := orchestration.Join(all...).Await(); err != nil {
				return "", err // cancelled; failures of the checks are not here
			}
			down := 0
			for _, c := range checks {
				if _, err := c.Await(); err != nil {
					down++
				}
			}
			return fmt.Sprintf("%d of %d are down", down, len(hosts)), nil
		}),
		check.Func(func(_ context.Context, host string) (string, error) {
			if host == "b" {
				return "", errors.New("no route to host")
			}
			return "up", nil
		}))
	defer stop()

	h, err := survey.Start(ctx, client, []string{"a", "b", "c"}, orchestration.StartOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.Wait(ctx))
	// Output: 1 of 3 are down <nil>
}

func ExampleAsCompleted() {
	bid := activity.Declare[string, int]("bid")
	auction := orchestration.Declare[[]string, string]("auction")

	_ = auction.Func(func(ctx *orchestration.Context, bidders []string) (string, error) {
		var bids []*orchestration.Future[int]
		for _, b := range bidders {
			bids = append(bids, bid.Call(ctx, b))
		}
		for i, b := range orchestration.AsCompleted(bids...) {
			if cents, err := b.Await(); err == nil && cents > 100_00 {
				return bidders[i], nil // the others are cancelled with the end
			}
		}
		return "", errors.New("nobody bids enough")
	})
}

// Children are orchestrations; their failures are errors of their futures.
func ExampleFunc_Call() {
	square := orchestration.Declare[int, int]("square")
	sum := orchestration.Declare[int, int]("sum")
	report := orchestration.Declare[string, string]("report")

	ctx, client, stop := running(
		square.Func(func(_ *orchestration.Context, n int) (int, error) { return n * n, nil }),
		report.Func(func(_ *orchestration.Context, text string) (string, error) { return text, nil }),
		sum.Func(func(ctx *orchestration.Context, n int) (int, error) {
			var parts []*orchestration.Future[int]
			for i := range n {
				parts = append(parts, square.Call(ctx, i+1))
			}
			squares, err := orchestration.All(parts...).Await()
			if err != nil {
				return 0, err
			}
			total := 0
			for _, s := range squares {
				total += s
			}
			// It goes its own way; nothing of it comes back.
			_, err = report.Detach(ctx, fmt.Sprint("sum: ", total), orchestration.DetachOptions{ID: "report-1"})
			return total, err
		}))
	defer stop()

	h, err := sum.Start(ctx, client, 4, orchestration.StartOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.Wait(ctx))
	fmt.Println(report.Handle(client, "report-1").Wait(ctx))
	// Output:
	// 30 <nil>
	// sum: 30 <nil>
}

// An eternal orchestration begins afresh before its history grows long.
func ExampleFunc_ContinueAsNew() {
	type progress struct{ Round, Rounds int }
	sweep := activity.Declare[int, activity.None]("sweep")
	janitor := orchestration.Declare[progress, int]("janitor")

	ctx, client, stop := running(
		janitor.Func(func(ctx *orchestration.Context, p progress) (int, error) {
			if _, err := sweep.Call(ctx, p.Round).Await(); err != nil {
				return 0, err
			}
			if p.Round == p.Rounds {
				return p.Round, nil
			}
			p.Round++
			return janitor.ContinueAsNew(ctx, p)
		}),
		sweep.Func(func(context.Context, int) (activity.None, error) { return activity.None{}, nil }))
	defer stop()

	h, err := janitor.Start(ctx, client, progress{Round: 1, Rounds: 5}, orchestration.StartOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.Wait(ctx))
	i, err := h.Status(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("executions:", i.Execution)
	// Output:
	// 5 <nil>
	// executions: 5
}

// State is for programs, the custom status for people; clients read both.
func ExampleState() {
	type progress struct{ Done, Of int }
	total := orchestration.DeclareState[int]("total")
	add := orchestration.DeclareEvent[int]("add")
	adder := orchestration.Declare[int, int]("adder")

	ctx, client, stop := running(adder.Func(func(ctx *orchestration.Context, count int) (int, error) {
		for i := range count {
			n, err := add.Wait(ctx, orchestration.WaitOptions{Description: "the next number"}).Await()
			if err != nil {
				return 0, err
			}
			sum, err := total.Get(ctx)
			if err != nil {
				return 0, err
			}
			if err := errors.Join(total.Set(ctx, sum+n), ctx.SetStatus(progress{Done: i + 1, Of: count})); err != nil {
				return 0, err
			}
		}
		return total.Get(ctx)
	}))
	defer stop()

	h, err := adder.Start(ctx, client, 2, orchestration.StartOptions{ID: "adder-1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, n := range []int{40, 2} {
		if err := add.Raise(ctx, client, h.ID(), n); err != nil {
			fmt.Println(err)
			return
		}
	}
	// As it is now, after each change of its status, and as it ends.
	var p progress
	for i, err := range client.Watch(ctx, h.ID()) {
		if err == nil {
			err = client.Decode(i.CustomStatus, &p)
		}
		if err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(h.Wait(ctx))
	fmt.Println(p.Done, "of", p.Of)
	fmt.Println(total.Read(ctx, client, h.ID()))
	// Output:
	// 42 <nil>
	// 2 of 2
	// 42 <nil>
}

// A client cancels an instance; its cleanup runs all the same.
func ExampleHandle_Cancel() {
	undo := activity.Declare[string, activity.None]("undo")
	hold := orchestration.Declare[string, string]("hold")

	ctx, client, stop := running(
		hold.Func(func(ctx *orchestration.Context, seat string) (string, error) {
			err := ctx.Sleep(24 * time.Hour)
			if errors.Is(err, orchestration.ErrCancelled) {
				err = errors.Join(err, ctx.Shield(func(ctx *orchestration.Context) error {
					_, err := undo.Call(ctx, seat).Await()
					return err
				}))
			}
			return seat, err
		}),
		undo.Func(func(_ context.Context, seat string) (activity.None, error) {
			fmt.Println("released", seat)
			return activity.None{}, nil
		}))
	defer stop()

	h, err := hold.Start(ctx, client, "12A", orchestration.StartOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := h.Cancel(ctx, "the customer left"); err != nil {
		fmt.Println(err)
		return
	}
	_, err = h.Wait(ctx)
	fmt.Println(errors.Is(err, orchestration.ErrCancelled))
	// Output:
	// released 12A
	// true
}

// Time, ids, random numbers and what only the outside knows, the same in every
// replay.
func ExampleSideEffect() {
	draw := orchestration.Declare[[]string, string]("draw")

	_ = draw.Func(func(ctx *orchestration.Context, names []string) (string, error) {
		ticket := ctx.NewGUID()
		winner := names[ctx.Rand().IntN(len(names))]
		region := orchestration.SideEffect(ctx, currentRegion)
		ctx.Logger().Info("drawn", "ticket", ticket, "region", region)
		return fmt.Sprintf("%s: %s at %s", ticket, winner, ctx.Now().Format(time.DateOnly)), nil
	})
}

func currentRegion() string { return "north" }

// Two versions of one orchestration side by side.
func ExampleFunc_Version() {
	greet := orchestration.Declare[string, string]("greet")

	ctx, client, stop := running(
		greet.Version("1.0.0", func(_ *orchestration.Context, name string) (string, error) { return "Hello, " + name, nil }),
		greet.Version("2.0.0", func(_ *orchestration.Context, name string) (string, error) { return "Good day, " + name, nil }))
	defer stop()

	for _, version := range []string{"", "1.0.0"} {
		h, err := greet.Start(ctx, client, "Ann", orchestration.StartOptions{Version: version})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(h.Wait(ctx))
	}
	// Output:
	// Good day, Ann <nil>
	// Hello, Ann <nil>
}
