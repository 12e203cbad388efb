package hub

import (
	"context"
	"errors"
	"slices"

	"github.com/duroxide/duroxide-go/core/history"
	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// pruneEvery is how many executions of an instance are pruned before the rows of
// their histories are removed, all at once: to look for them is a request.
const pruneEvery = 16

// pruning removes the rows of executions that were pruned. It belongs to one
// instance: it ends when that is removed, since the next of its id has rows under
// the same keys. What it did not get to, whoever owns the partition then removes
// when the instance has pruned so many more.
type pruning struct {
	through int64 // execution; it may grow
}

// prune begins to remove rows when a commit has pruned the next of so many
// executions. The commit is applied, and its turn still held.
func (p *partition) prune(id history.InstanceID, before, through int64) {
	if before/pruneEvery == through/pruneEvery {
		return
	}
	p.mu.Lock()
	job := p.pruning[id]
	switch {
	case job != nil:
		job.through = through // it goes on
		p.mu.Unlock()
		return
	case p.removing[id]:
		p.mu.Unlock()
		return
	}
	job = &pruning{through: through}
	p.pruning[id] = job
	p.mu.Unlock()
	p.begin(func(ctx context.Context) {
		err := p.removePruned(ctx, id, job)
		if err == nil || ctx.Err() != nil || errors.Is(err, errReplaced) || errors.Is(err, journal.ErrLost) || errors.Is(err, journal.ErrStopped) {
			return
		}
		p.log().Warn("rows of executions that were pruned could not be removed; it is tried again when more are", "instance", string(id), "error", err)
	})
}

// errReplaced says that the instance was purged or replaced.
var errReplaced = errors.New("the instance is not the same any more")

// removePruned removes rows until the instance has pruned no more.
func (p *partition) removePruned(ctx context.Context, id history.InstanceID, job *pruning) error {
	done := int64(0)
	for n := 0; ; n++ {
		p.mu.Lock()
		mine, through := p.pruning[id] == job, job.through
		if mine && done == through {
			delete(p.pruning, id)
		}
		p.mu.Unlock()
		if !mine || done == through {
			return nil
		}
		err := p.removeExecutions(ctx, id, through, func() error { return p.prunes(id, job) })
		switch {
		case err == nil:
			done = through
		case transient(err) && n < maxTries:
			pause(ctx, storage.RetryAfter(err, backoff(n)))
		default:
			p.mu.Lock()
			if p.pruning[id] == job {
				delete(p.pruning, id)
			}
			p.mu.Unlock()
			return err
		}
	}
}

// prunes is the Valid of entries that remove rows of an instance.
func (p *partition) prunes(id history.InstanceID, job *pruning) error {
	if err := p.served(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pruning[id] != job {
		return errReplaced
	}
	return nil
}

// removeExecutions removes the rows of the histories of executions up to one.
func (p *partition) removeExecutions(ctx context.Context, id history.InstanceID, through int64, valid func() error) error {
	if bug.Planted("kept-pruned") {
		through++
	}
	return p.store.scan(ctx, p.key, row.ExecutionsTo(id, through), []string{row.BlobsCell}, func(rows []storage.Row) error {
		for some := range slices.Chunk(rows, maxRemoved) {
			e := &journal.Entry{Valid: valid}
			var blobs []string
			for i := range some {
				e.Ops = append(e.Ops, deletion(some[i].Key))
				blobs = append(blobs, row.Blobs(some[i].Cells)...)
			}
			e.Rejected = func(op int, r *storage.Rejection) *journal.Entry {
				if r.Reason != storage.Missing || op >= len(e.Ops) {
					return nil
				}
				again := *e
				again.Ops = slices.Delete(slices.Clone(e.Ops), op, op+1)
				e.Ops = again.Ops
				return &again
			}
			if err := p.commit(ctx, e); err != nil {
				return err
			}
			p.store.dropBlobs(blobs)
		}
		return nil
	})
}
