package hub

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/duroxide/duroxide-go/core/provider"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// gatherer sends what clients of this process insert. While a transaction with a
// partition is under way, what else is for the partition waits, and then goes
// together: under load many starts share a transaction, and a lonely one waits
// for nothing.
type gatherer struct {
	store *Store

	mu      sync.Mutex
	busy    map[int]bool // partitions with a transaction under way
	waiting map[int][]*insertion
}

// insertion is what one call inserts, all or nothing.
type insertion struct {
	ops  []storage.Op
	done chan error
}

func newGatherer(s *Store) *gatherer {
	return &gatherer{store: s, busy: map[int]bool{}, waiting: map[int][]*insertion{}}
}

// insert inserts rows into a partition, with what others insert there. Its
// outcome is as if it had been alone.
func (g *gatherer) insert(ctx context.Context, n int, ops []storage.Op) error {
	g.mu.Lock()
	if !g.busy[n] {
		g.busy[n] = true
		g.mu.Unlock()
		defer g.next(n)
		return g.store.transact(ctx, n, ops)
	}
	i := &insertion{ops, make(chan error, 1)}
	g.waiting[n] = append(g.waiting[n], i)
	g.mu.Unlock()
	select {
	case err := <-i.done:
		return err
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	before := len(g.waiting[n])
	g.waiting[n] = slices.DeleteFunc(g.waiting[n], func(w *insertion) bool { return w == i })
	if len(g.waiting[n]) < before {
		return ctx.Err() // it was not sent
	}
	return fmt.Errorf("%w: %w", storage.ErrUnknown, ctx.Err())
}

// next sends what has gathered meanwhile for a partition.
func (g *gatherer) next(n int) {
	g.mu.Lock()
	batch := g.takeLocked(n)
	if len(batch) == 0 {
		delete(g.busy, n)
		delete(g.waiting, n)
	}
	g.mu.Unlock()
	if len(batch) == 0 {
		return
	}
	sends := g.store.background(func(ctx context.Context) {
		defer g.next(n)
		g.send(ctx, n, batch)
	})
	if !sends {
		for _, i := range batch {
			i.done <- provider.ErrClosed
		}
		g.next(n)
	}
}

// takeLocked takes as much of what waits, in its order, as a transaction holds,
// and no row twice.
func (g *gatherer) takeLocked(n int) (batch []*insertion) {
	waiting := g.waiting[n]
	keys := map[string]bool{}
	rows, size := 0, 0
	for len(waiting) > 0 {
		i := waiting[0]
		twice := false
		for _, o := range i.ops {
			twice = twice || keys[o.Row.Key]
			keys[o.Row.Key] = true
			size += o.Row.Size()
		}
		rows += len(i.ops)
		if len(batch) > 0 && (twice || rows > storage.MaxOps || size > storage.MaxTransactBytes) {
			break
		}
		batch, waiting = append(batch, i), waiting[1:]
	}
	g.waiting[n] = waiting
	return batch
}

// send sends a batch. Where a row of it is rejected each insertion goes by
// itself: the others are not to suffer.
func (g *gatherer) send(ctx context.Context, n int, batch []*insertion) {
	var ops []storage.Op
	for _, i := range batch {
		ops = append(ops, i.ops...)
	}
	err := g.store.transact(ctx, n, ops)
	if len(batch) == 1 || storage.Rejected(err) == nil {
		for _, i := range batch {
			i.done <- err
		}
		return
	}
	maybe := errors.Is(err, storage.ErrUnknown) // an earlier try may have been applied
	var all sync.WaitGroup
	for _, i := range batch {
		all.Go(func() {
			err := g.store.transact(ctx, n, i.ops)
			if err != nil && maybe && storage.Rejected(err) == nil {
				err = errors.Join(storage.ErrUnknown, err)
			}
			i.done <- err
		})
	}
	all.Wait()
}
