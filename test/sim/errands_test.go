package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

func runsSequence(ctx context.Context, c *clients, id string, r *rand.Rand) {
	n := 1 + r.IntN(6)
	runs(ctx, c, sequence, n, "k-"+id, n*(n+1)/2)
}

func runsFan(ctx context.Context, c *clients, id string, r *rand.Rand) {
	n := 1 + r.IntN(6)
	runs(ctx, c, fan, n, "k-"+id, n*(n+1))
}

func retries(ctx context.Context, c *clients, id string, r *rand.Rand) {
	n := r.IntN(100)
	runs(ctx, c, retry, n, "k-"+id, n)
}

// raises sends an event long before the timer: the event must win.
func raises(ctx context.Context, c *clients, id string, r *rand.Rand) {
	h, err := begun(ctx, c, race, time.Hour, orchestration.StartOptions{ID: history.InstanceID("k-" + id)})
	if err != nil || !c.w.wait(ctx, time.Duration(r.Int64N(int64(20*time.Second)))) {
		return
	}
	// Each call of Raise is an event of its own; only the first counts.
	if c.persist(ctx, func() error { return decision.Raise(ctx, c.client, h.ID(), "yes") }) == nil {
		gives(ctx, c, h, is("yes"))
	}
}

// waitsForTimer raises nothing, or about when the timer fires.
func waitsForTimer(ctx context.Context, c *clients, id string, r *rand.Rand) {
	patience := time.Duration(r.Int64N(int64(30 * time.Second)))
	h, err := begun(ctx, c, race, patience, orchestration.StartOptions{ID: history.InstanceID("k-" + id)})
	if err != nil {
		return
	}
	right := is("timer")
	if r.IntN(2) == 0 {
		right = func(s string) bool { return s == "timer" || s == "yes" }
		if !c.w.wait(ctx, patience) || c.persist(ctx, func() error { return decision.Raise(ctx, c.client, h.ID(), "yes") }) != nil {
			return
		}
	}
	gives(ctx, c, h, right)
}

// counts puts numbers into a queue, and wants them back: each that was
// acknowledged once and in order, each other at most once.
func counts(ctx context.Context, c *clients, id string, r *rand.Rand) {
	h, err := begun(ctx, c, counter, tally{Each: 1 + r.IntN(4), Lasts: 1}, orchestration.StartOptions{ID: history.InstanceID("k-" + id)})
	if err != nil {
		return
	}
	var acknowledged []int
	for n := range 3 + r.IntN(10) {
		err := numbers.Put(ctx, c.client, h.ID(), n)
		switch {
		case err == nil:
			acknowledged = append(acknowledged, n)
		case !provider.Retryable(err) && ctx.Err() == nil:
			c.w.failed("putting %d to %s: %v", n, h.ID(), err)
		}
		if !c.w.wait(ctx, time.Duration(r.Int64N(int64(4*time.Second)))) {
			return
		}
	}
	// What was not acknowledged may still come for as long as requests live.
	if !c.w.wait(ctx, time.Minute) || c.persist(ctx, func() error { return numbers.Put(ctx, c.client, h.ID(), last) }) != nil {
		return
	}
	gives(ctx, c, h, func(got []int) bool { return slices.IsSorted(got) && received(got, acknowledged) })
}

// streams has numbers sent from several instances to one: those of each come in
// order.
func streams(ctx context.Context, c *clients, id string, r *rand.Rand) {
	const springs, gap = 6, 100
	h, err := begun(ctx, c, counter, tally{Each: 1 + r.IntN(30), Lasts: springs}, orchestration.StartOptions{ID: history.InstanceID("k-" + id)})
	if err != nil {
		return
	}
	for i := range springs {
		source := history.InstanceID(fmt.Sprintf("k-%s-source-%d", id, i))
		if _, err := begun(ctx, c, stream, spring{string(h.ID()), gap * i}, orchestration.StartOptions{ID: source}); err != nil {
			return
		}
		if !c.w.wait(ctx, time.Duration(r.Int64N(int64(10*time.Second)))) {
			return
		}
	}
	gives(ctx, c, h, func(got []int) bool {
		slices.SortStableFunc(got, func(a, b int) int { return a/gap - b/gap })
		for i := range springs * 9 {
			if len(got) != springs*9 || got[i] != i/9*gap+i%9 {
				return false
			}
		}
		return true
	})
}

// received reports whether got has each of these once, and nothing twice.
func received(got, acknowledged []int) bool {
	times := map[int]int{}
	for _, n := range got {
		if times[n]++; times[n] > 1 {
			return false
		}
	}
	for _, n := range acknowledged {
		if times[n] != 1 {
			return false
		}
	}
	return true
}

func cancels(ctx context.Context, c *clients, id string, r *rand.Rand) {
	h, err := begun(ctx, c, patient, r.IntN(100), orchestration.StartOptions{ID: history.InstanceID("k-" + id)})
	if err != nil || !c.w.wait(ctx, time.Duration(r.Int64N(int64(10*time.Second)))) {
		return
	}
	if err := c.persist(ctx, func() error { return h.Cancel(ctx, "enough") }); err != nil {
		if ctx.Err() == nil {
			c.w.failed("cancelling %s: %v", h.ID(), err)
		}
		return
	}
	_, err = h.Wait(ctx)
	if e, ok := errors.AsType[*orchestration.Error](err); ctx.Err() == nil && (!ok || !errors.Is(e, orchestration.ErrCancelled)) {
		c.w.failed("%s was cancelled and gave %v", h.ID(), err)
	}
	c.saw(ctx, h.ID())
}

// startsTwice lets two clients send the same start at the same time.
func startsTwice(ctx context.Context, c *clients, id string, r *rand.Rand) {
	o := orchestration.StartOptions{ID: history.InstanceID("k-" + id)}
	n := 1 + r.IntN(3)
	other := make(chan none)
	go func() {
		defer close(other)
		if c.w.wait(ctx, time.Duration(r.Int64N(int64(time.Second)))) {
			_, _ = begun(ctx, c, sequence, n, o) // what fails is reported there
		}
	}()
	h, err := begun(ctx, c, sequence, n, o)
	<-other
	if err == nil {
		gives(ctx, c, h, is(n*(n+1)/2))
	}
}
