package sim

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/activity"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
)

type (
	octx = orchestration.Context
	none = orchestration.None
)

// The orchestrations, each with an answer that is known.
var (
	sequence = orchestration.Declare[int, int]("sequence") // 1 + … + n, one after another
	fan      = orchestration.Declare[int, int]("fan")      // 1 + … + n by activities, and again by children
	leaf     = orchestration.Declare[int, int]("leaf")     // n
	race     = orchestration.Declare[time.Duration, string]("race")
	wide     = orchestration.Declare[int, int]("wide")        // n activities at once
	stream   = orchestration.Declare[spring, none]("stream")  // sends nine numbers to a counter
	counter  = orchestration.Declare[tally, []int]("counter") // what it received, in order
	retry    = orchestration.Declare[int, int]("retry")       // n, at the third attempt
	patient  = orchestration.Declare[int, string]("patient")  // until it is cancelled
	ticks    = orchestration.Declare[pulse, int]("ticks")     // n, by timers one after another

	step    = activity.Declare[int, int]("step")
	flaky   = activity.Declare[int, int]("flaky")
	cleanUp = activity.Declare[int, int]("clean-up")

	decision = orchestration.DeclareEvent[string]("decision")
	numbers  = orchestration.DeclareQueue[int]("numbers")
)

// effectful are the activities that leave rows in the ledger.
var effectful = []string{step.Name(), flaky.Name(), cleanUp.Name(), watch.Name(), weigh.Name(), visit.Name()}

// pulse is so many timers, each of so long.
type pulse struct {
	N     int           `json:"n"`
	Every time.Duration `json:"every"`
}

// tally is what a counter carries from one execution to the next.
type tally struct {
	Got   []int `json:"got"`
	Each  int   `json:"each"`  // numbers per execution
	Lasts int   `json:"lasts"` // that are still to come
}

// spring is where a stream flows.
type spring struct {
	To    string `json:"to"`
	First int    `json:"first"` // number
}

// last is the number with which a sender ends.
const last = -1

func runSequence(c *octx, n int) (int, error) {
	sum := 0
	for i := 1; i <= n; i++ {
		got, err := step.Call(c, i).Await()
		if err != nil {
			return 0, err
		}
		sum += got
	}
	return sum, nil
}

func runFan(c *octx, n int) (int, error) {
	var all []*orchestration.Future[int]
	for i := 1; i <= n; i++ {
		child := history.InstanceID(fmt.Sprintf("%s-leaf-%d", c.Info().ID, i)) // somewhere else
		all = append(all, step.Call(c, i), leaf.Call(c, i, orchestration.ChildOptions{ID: child}))
	}
	parts, err := orchestration.All(all...).Await()
	sum := 0
	for _, p := range parts {
		sum += p
	}
	return sum, err
}

func runLeaf(c *octx, n int) (int, error) { return step.Call(c, n).Await() }

func runRace(c *octx, patience time.Duration) (string, error) {
	began := c.Now()
	event, late := decision.Wait(c), c.Timer(patience)
	won, err := orchestration.First(event, late)
	if err != nil {
		return "", err
	}
	if won == late {
		if passed := c.Now().Sub(began); passed < patience {
			return "", fmt.Errorf("the timer fired after %v, and should after %v", passed, patience)
		}
		return "timer", nil
	}
	late.Cancel()
	return event.Await()
}

func runTicks(c *octx, p pulse) (int, error) {
	for range p.N {
		if _, err := c.Timer(p.Every).Await(); err != nil {
			return 0, err
		}
	}
	return p.N, nil
}

func runCounter(c *octx, t tally) ([]int, error) {
	for range t.Each {
		n, err := numbers.Receive(c).Await()
		if err != nil {
			return nil, err
		}
		switch {
		case n != last:
			t.Got = append(t.Got, n)
		case t.Lasts == 1:
			return t.Got, nil
		default:
			t.Lasts--
		}
	}
	return counter.ContinueAsNew(c, t)
}

func runWide(c *octx, n int) (int, error) {
	var all []*orchestration.Future[int]
	for range n {
		all = append(all, step.Call(c, 1))
	}
	parts, err := orchestration.All(all...).Await()
	return len(parts), err
}

// runStream sends three numbers a turn, and takes ever more time between turns.
func runStream(c *octx, s spring) (none, error) {
	for n := range 9 {
		if err := numbers.Send(c, history.InstanceID(s.To), s.First+n); err != nil {
			return none{}, err
		}
		if n%3 == 2 {
			if err := c.Sleep(time.Duration(n*n*n) * time.Millisecond); err != nil {
				return none{}, err
			}
		}
	}
	return none{}, numbers.Send(c, history.InstanceID(s.To), last)
}

func runRetry(c *octx, n int) (int, error) {
	return flaky.Call(c, n, activity.Retry{MaxAttempts: 5, First: 700 * time.Millisecond, Factor: 2}).Await()
}

func runPatient(c *octx, n int) (string, error) {
	_, err := decision.Wait(c).Await()
	return "", errors.Join(err, c.Shield(func(c *octx) error {
		_, err := cleanUp.Call(c, n).Await()
		return err
	}))
}

// handlers are the code of a host.
func (h *host) handlers() []core.Handler {
	return []core.Handler{
		sequence.Func(runSequence), fan.Func(runFan), leaf.Func(runLeaf), race.Func(runRace), stream.Func(runStream), wide.Func(runWide),
		counter.Func(runCounter), retry.Func(runRetry), patient.Func(runPatient), ticks.Func(runTicks),
		tour.Func(runTour), visit.Func(h.visit),
		doomed.Func(runDoomed), deadly.Func(h.deadly), suicidal.Func(h.suicidal),
		busy.Func(runBusy), warehouse.Func(runWarehouse), shipper.Func(runShipper), godparent.Func(runGodparent),
		loop.Func(runLoop), contest.Func(runContest), flood.Func(runFlood), still.Func(func(_ *octx, n int) (int, error) { return n, nil }),
		step.Func(h.run), cleanUp.Func(h.run), watch.Func(h.watch), weigh.Func(h.weigh),
		flaky.Func(func(ctx context.Context, n int) (int, error) {
			n, err := h.run(ctx, n)
			if a := activity.Info(ctx).Attempt; err == nil && a < 3 {
				return 0, fmt.Errorf("attempt %d fails after its effect", a)
			}
			return n, err
		}),
	}
}
