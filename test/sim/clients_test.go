package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/duroxide/duroxide-go/core"
	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/azuretest"
)

// clients are the users of a hub: each of them starts something, and knows what
// must come of it. Ids that begin with k- are kept; others may be purged and
// replaced.
type clients struct {
	w       *world
	process *azuretest.Host
	client  *core.Client
	work    sync.WaitGroup

	mu    sync.Mutex
	ended map[history.InstanceID]provider.Instance // as clients saw the end
}

// enter opens the hub for clients.
func (w *world) enter(ctx context.Context) *clients {
	p := w.open(ctx, "client")
	if p == nil {
		return nil
	}
	c := &clients{w: w, process: p, client: core.NewClient(p, core.ClientConfig{}), ended: map[history.InstanceID]provider.Instance{}}
	w.users = c
	return c
}

// errands are what clients do. Each returns when it was served.
var errands = []struct {
	name string
	run  func(ctx context.Context, c *clients, id string, r *rand.Rand)
}{
	{"sequence", runsSequence},
	{"fan", runsFan},
	{"race", raises},
	{"late race", waitsForTimer},
	{"counter", counts},
	{"retry", retries},
	{"cancel", cancels},
	{"purge", purges},
	{"reuse", reuses},
	{"twins", startsTwice},
	{"stream", streams},
	{"tour", tours},
}

// send does n errands at random moments within a time.
func (c *clients) send(ctx context.Context, n int, within time.Duration) {
	for i := range n {
		errand := errands[i%len(errands)]
		r := draw(c.w.seed, "errand ", i)
		c.work.Go(func() {
			if !c.w.wait(ctx, time.Duration(r.Int64N(int64(within)))) {
				return
			}
			errand.run(ctx, c, fmt.Sprintf("%s-%d", errand.name, i), r)
			if ctx.Err() != nil {
				c.w.failed("%s %d was not served in time", errand.name, i)
			}
			c.w.count("errands")
		})
	}
}

// persist repeats a call until it succeeds or fails for good.
func (c *clients) persist(ctx context.Context, call func() error) error {
	for {
		err := call()
		if err == nil || !provider.Retryable(err) {
			return err
		}
		c.w.count("client repeats")
		if !c.w.wait(ctx, time.Second) {
			return ctx.Err()
		}
	}
}

// begun starts an instance; the start is one however often it is sent.
func begun[I, O any](ctx context.Context, c *clients, f orchestration.Func[I, O], in I, o orchestration.StartOptions) (h *orchestration.Handle[O], err error) {
	if o.RequestID == "" {
		o.RequestID = string(o.ID) + "-first"
	}
	err = c.persist(ctx, func() error {
		h, err = f.Start(ctx, c.client, in, o)
		return err
	})
	if err != nil && ctx.Err() == nil && !errors.Is(err, provider.ErrExists) {
		c.w.failed("starting %s: %v", o.ID, err)
	}
	return h, err
}

// gives waits for the output of an instance and compares it.
func gives[O any](ctx context.Context, c *clients, h *orchestration.Handle[O], right func(O) bool) {
	out, err := h.Wait(ctx)
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		c.w.failed("%s failed: %v", h.ID(), err)
		return
	} else if !right(out) {
		c.w.failed("%s gave %v", h.ID(), out)
	}
	c.saw(ctx, h.ID())
}

// saw remembers how an instance ended: it stays so.
func (c *clients) saw(ctx context.Context, id history.InstanceID) {
	var i *provider.Instance
	err := c.persist(ctx, func() (err error) {
		i, err = c.client.Status(ctx, id)
		return err
	})
	if err != nil {
		if ctx.Err() == nil {
			c.w.failed("reading %s after its end: %v", id, err)
		}
		return
	}
	if !i.Status.Final() {
		c.w.failed("%s has ended and is %s", id, i.Status)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended[id] = *i
}

func is[O comparable](want O) func(O) bool { return func(got O) bool { return got == want } }

func runs[O comparable](ctx context.Context, c *clients, f orchestration.Func[int, O], in int, id string, want O) {
	h, err := begun(ctx, c, f, in, orchestration.StartOptions{ID: history.InstanceID(id)})
	if err == nil {
		gives(ctx, c, h, is(want))
	}
}

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

// purges removes an instance and uses its id anew.
func purges(ctx context.Context, c *clients, id string, r *rand.Rand) {
	o := orchestration.StartOptions{ID: history.InstanceID("p-" + id)}
	n := 1 + r.IntN(3)
	h, err := begun(ctx, c, sequence, n, o)
	if err != nil {
		return
	}
	gives(ctx, c, h, is(n*(n+1)/2))
	err = c.persist(ctx, func() error { return c.client.Purge(ctx, o.ID) })
	if err != nil && !errors.Is(err, provider.ErrNotFound) {
		if ctx.Err() == nil {
			c.w.failed("purging %s: %v", o.ID, err)
		}
		return
	}
	c.absent(ctx, o.ID)
	if r.IntN(2) == 0 { // the first start once more: it resurrects nothing
		if _, err := begun(ctx, c, sequence, n, o); err == nil {
			c.w.wait(ctx, 10*time.Second)
			c.absent(ctx, o.ID)
		}
		return
	}
	o.RequestID = id + "-second"
	if h, err = begun(ctx, c, sequence, n+1, o); err == nil {
		gives(ctx, c, h, is((n+1)*(n+2)/2))
	}
}

// absent checks that an instance does not exist.
func (c *clients) absent(ctx context.Context, id history.InstanceID) {
	err := c.persist(ctx, func() error {
		_, err := c.client.Status(ctx, id)
		return err
	})
	if ctx.Err() == nil && !errors.Is(err, provider.ErrNotFound) {
		c.w.failed("%s was purged, and reading it gives %v", id, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.ended, id)
}

// reuses starts another instance under an id that is taken.
func reuses(ctx context.Context, c *clients, id string, r *rand.Rand) {
	o := orchestration.StartOptions{ID: history.InstanceID("p-" + id)}
	h, err := begun(ctx, c, sequence, 2, o)
	if err != nil {
		return
	}
	o.RequestID = id + "-second"
	if _, err = begun(ctx, c, sequence, 3, o); ctx.Err() == nil && !errors.Is(err, provider.ErrExists) {
		c.w.failed("%s was started twice: %v", o.ID, err)
	}
	o.RequestID = id + "-third"
	o.Reuse = provider.ReuseReplace
	if r.IntN(2) == 0 {
		gives(ctx, c, h, is(3))
		o.Reuse = provider.ReuseFinal
	}
	if h, err = begun(ctx, c, sequence, 4, o); err == nil {
		gives(ctx, c, h, is(10))
	}
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
