package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/core/orchestration"
	"github.com/duroxide/duroxide-go/core/provider"
)

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

var godparent = orchestration.Declare[family, int]("godparent")

// family is a child that a parent starts again and again, while others purge it
// and start it, too.
type family struct {
	Child  string `json:"child"`
	Rounds int    `json:"rounds"`
}

// runGodparent counts the children that it had. Every start is answered: also one
// that waited at an instance which was purged.
func runGodparent(c *octx, f family) (int, error) {
	had := 0
	for i := range f.Rounds {
		child := sequence.Call(c, 1, orchestration.ChildOptions{ID: history.InstanceID(f.Child), ParentClose: orchestration.ParentCloseAbandon})
		got, err := child.Await()
		switch {
		case err == nil && got == 1:
			had++
		case err == nil:
			return had, fmt.Errorf("child %d gave %d", i, got)
		case !errors.Is(err, orchestration.ErrExists):
			return had, err
		}
		if err := c.Sleep(time.Duration(i*300) * time.Millisecond); err != nil {
			return had, err
		}
	}
	return had, nil
}

// parents has two instances start children under one id, which is purged and
// started by clients meanwhile. Whoever has the id in the end keeps it.
func parents(ctx context.Context, c *clients, id string, r *rand.Rand) {
	child := history.InstanceID("p-" + id + "-child")
	done := make(chan none, 2)
	for i := range cap(done) {
		f := family{string(child), 1 + r.IntN(6)}
		h, err := begun(ctx, c, godparent, f, orchestration.StartOptions{ID: history.InstanceID(fmt.Sprintf("p-%s-%d", id, i))})
		if err != nil {
			return
		}
		go func() {
			gives(ctx, c, h, func(n int) bool { return n >= 0 && n <= f.Rounds })
			done <- none{}
		}()
	}
	for served, n := 0, 0; served < cap(done); n++ {
		select {
		case <-done:
			served++
			continue
		default:
		}
		err := c.persist(ctx, func() error { return c.client.Purge(ctx, child) })
		if err == nil {
			c.w.count("child purged")
		} else if ctx.Err() == nil && !errors.Is(err, provider.ErrNotFound) && !errors.Is(err, provider.ErrConflict) {
			c.w.failed("purging %s: %v", child, err)
		}
		if r.IntN(4) == 0 {
			_, _ = begun(ctx, c, sequence, 2, orchestration.StartOptions{ID: child, RequestID: fmt.Sprint(id, "-", n)}) // what fails is reported there
		}
		if !c.w.wait(ctx, time.Duration(r.Int64N(int64(2*time.Second)))) {
			return
		}
	}
	_, _ = begun(ctx, c, sequence, 2, orchestration.StartOptions{ID: child, RequestID: id + "-last"}) // as above
	_, _ = sequence.Handle(c.client, child).Wait(ctx)                                                 // it ended well, if it is one of ours
	c.saw(ctx, child)
}
