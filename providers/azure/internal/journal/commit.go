package journal

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// commit sends a batch until its outcome is known. It reports whether the
// partition is still ours.
func (j *Journal) commit(ctx context.Context, b *batch) bool {
	assertHead(b)
	if bug.Planted("told-before-commit") {
		b.tell()
		for _, e := range b.entries {
			e.Applied, e.Failed = nil, nil // they have heard enough
		}
	}
	for n := 0; ; n++ {
		etags, err := j.transact(ctx, b.ops)
		if err == nil {
			j.trouble(nil)
			j.applied(b, etags[0]) // J2
			return true
		}
		if r := storage.Rejected(err); r != nil {
			switch {
			case r.Index != 0:
				return j.eject(b, r)
			case r.Reason == storage.Missing:
				return j.lose(b)
			}
		} else if !errors.Is(err, storage.ErrUnknown) {
			// Definitely not applied, and not because of what was sent: the
			// same goes again.
			if errors.Is(err, storage.ErrGone) {
				return j.lose(b)
			}
			if !j.pause(ctx, n, err) {
				return j.abandon(b, err)
			}
			continue
		}
		switch j.settle(ctx, b, n, err) {
		case settledApplied:
			return true
		case settledLost:
			return j.lose(b)
		case settledStopped:
			return j.abandon(b, err) || bug.Planted("unknown-is-failure") && ctx.Err() == nil
		case settledNot: // the identical transaction goes again (J1)
			if bug.Planted("packed-again") {
				j.requeue(b.entries)
				return true
			}
		}
	}
}

func (j *Journal) transact(ctx context.Context, ops []storage.Op) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, j.cfg.Timeout)
	defer cancel()
	return j.cfg.Account.Transact(ctx, j.cfg.Table, j.cfg.Partition, ops)
}

type settled int

const (
	settledApplied settled = iota
	settledNot             // nothing was applied yet: send it again
	settledLost
	settledStopped
)

// settle finds out what became of a batch by reading head.
func (j *Journal) settle(ctx context.Context, b *batch, n int, cause error) settled {
	for ; ; n++ {
		head, err := j.readHead(ctx)
		switch {
		case err == nil && bug.Planted("unknown-is-success"):
			j.applied(b, head.ETag)
			return settledApplied
		case err == nil && bug.Planted("unknown-is-failure"):
			j.etag = head.ETag
			return settledStopped
		case err == nil:
			return j.compare(b, head)
		case storage.Is(err, storage.Missing), errors.Is(err, storage.ErrGone):
			return settledLost // the hub was deleted
		}
		if !j.pause(ctx, n, errors.Join(cause, err)) {
			return settledStopped
		}
	}
}

func (j *Journal) readHead(ctx context.Context) (storage.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, j.cfg.Timeout)
	defer cancel()
	return j.cfg.Account.Get(ctx, j.cfg.Table, j.cfg.Partition, row.Head)
}

func (j *Journal) compare(b *batch, r storage.Row) settled {
	now, err := row.ParseOwner(r.Cells)
	switch {
	case err != nil:
		return settledLost // whoever wrote it is newer than this program
	case now.Owner == b.head.Owner && now.Epoch == b.head.Epoch && now.Commit == b.head.Commit:
		j.trouble(nil)
		j.applied(b, r.ETag)
		return settledApplied
	case r.ETag == j.etag:
		return settledNot
	case bug.Planted("etag-reread"):
		j.etag, b.ops[0].IfMatch = r.ETag, r.ETag
		return settledNot
	}
	return settledLost
}

// eject takes the entry that the service rejected out of the batch; the others
// are packed again, under a new commit number (J7).
func (j *Journal) eject(b *batch, r *storage.Rejection) bool {
	if bug.Planted("rejected-again") {
		j.requeue(b.entries)
		return true
	}
	e, at, op := b.entryOf(r.Index)
	if r.Index < 0 || e == nil {
		return j.bisect(b, r)
	}
	var instead []*Entry // in its old place: what waits behind it may depend on it
	if e.Rejected != nil && op < len(e.Ops)+len(e.Consumed) {
		if i := e.Rejected(op, r); i != nil {
			instead = []*Entry{i}
		}
	}
	j.requeue(slices.Concat(b.entries[:at], instead, b.entries[at+1:]))
	if instead == nil {
		e.failed(r)
	}
	return true
}

// bisect sends a batch that the service rejects as a whole in halves.
func (j *Journal) bisect(b *batch, r *storage.Rejection) bool {
	if len(b.entries) == 1 {
		b.entries[0].failed(r)
		return true
	}
	j.most = len(b.entries) / 2
	j.requeue(b.entries)
	return true
}

// lose gives the partition up: another owns it.
func (j *Journal) lose(b *batch) bool {
	if j.halt() && j.cfg.Lost != nil {
		j.cfg.Lost()
	}
	for _, e := range b.entries {
		e.failed(ErrLost)
	}
	j.failAll(ErrLost)
	return false
}

// abandon ends with a batch whose outcome nobody waits for any more.
func (j *Journal) abandon(b *batch, cause error) bool {
	err := errors.Join(ErrStopped, cause)
	for _, e := range b.entries {
		e.failed(err)
	}
	return false
}

// pause waits before the next try. It reports false if the journal is stopped.
func (j *Journal) pause(ctx context.Context, n int, err error) bool {
	if ctx.Err() != nil {
		return false
	}
	j.trouble(err)
	t := time.NewTimer(storage.RetryAfter(err, j.cfg.Backoff(n)))
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (j *Journal) trouble(err error) {
	if j.cfg.Trouble != nil {
		j.cfg.Trouble(err)
	}
}
