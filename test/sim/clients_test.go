package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
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
	sent    int // errands

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
	{"busy", keepsBusy},
	{"wide", spreads},
	{"bulk", ships},
	{"flood", floods},
	{"parents", parents},
	{"tour", tours},
	{"loop", keepsFew},
	{"loop again", beginsAgain},
}

// choose draws kinds of errands for a life: it has many of few kinds, or few of
// many.
func (c *clients) choose(most int) (kinds []int) {
	for i, e := range errands {
		if e.name == *only {
			return []int{i}
		}
	}
	r := draw(c.w.seed, "kinds of errands", c.sent)
	kinds = r.Perm(len(errands))
	return kinds[:3+r.IntN(most-2)]
}

// send does n errands of these kinds at random moments within a time.
func (c *clients) send(ctx context.Context, n int, within time.Duration, kinds []int) {
	for range n {
		i := c.sent
		c.sent++
		errand := errands[kinds[i%len(kinds)]]
		r := draw(c.w.seed, "errand ", i)
		c.work.Go(func() {
			if !c.w.wait(ctx, time.Duration(r.Int64N(int64(within)))) {
				return
			}
			errand.run(ctx, c, fmt.Sprintf("%s-%d", errand.name, i), r)
			if ctx.Err() != nil {
				c.w.failed("%s %d was not served in time", errand.name, i)
			}
			c.w.count(errand.name)
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

func runs[I any, O comparable](ctx context.Context, c *clients, f orchestration.Func[I, O], in I, id string, want O) {
	h, err := begun(ctx, c, f, in, orchestration.StartOptions{ID: history.InstanceID(id)})
	if err == nil {
		gives(ctx, c, h, is(want))
	}
}
