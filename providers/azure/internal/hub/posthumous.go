package hub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/duroxide/duroxide-go/internal/bug"
	"github.com/duroxide/duroxide-go/providers/azure/internal/journal"
	"github.com/duroxide/duroxide-go/providers/azure/internal/row"
	"github.com/duroxide/duroxide-go/providers/azure/internal/storage"
)

// A start makes its instance by inserting the row, which the tombstone of a purged
// instance prevents. Tombstones go after a day. A copy of a start that was on its
// way for longer, because its sender was stopped in the middle, or the network held
// it back, finds the id free and makes the instance again:
//
//	start ──▶ i:a, ends ──▶ purged ──▶ tombstone ── a day ──▶ gone      i:a again
//	  └───────────────────────── copy ─────────────────────────────────────┘
//
// That of another partition is known by its number, for ever. That of a client is
// known by its age: whatever is younger met the tombstone. What it made is removed.

// lateStart is how long a start of a client may be on its way. A copy of what takes
// longer may come when the tombstone is gone.
const lateStart = tombstoneAge - journal.Late

// posthumous reports whether a letter is a start that made its instance, though it
// may be a copy of one whose instance was purged and forgotten.
func (p *partition) posthumous(l *letter) bool {
	if l.envelope.Born == "" || bug.Planted("late-starts-count") {
		return false
	}
	if _, partition := l.from.Partition(); partition {
		return p.journal.Numbered(l.from, l.seq)
	}
	return l.envelope.Arrived-l.envelope.Sent > int64(lateStart)
}

// undo removes what a start that is posthumous made, and the start.
func (p *partition) undo(ctx context.Context, l *letter) {
	took := time.Duration(l.envelope.Arrived - l.envelope.Sent).Round(time.Second)
	reason := fmt.Sprintf("it arrived %v after it was sent: it may be a copy of a start whose instance has run and was purged since; start it again if it is not", took)
	p.log().Warn("a start came so late that it does not count: what it made is removed", "instance", string(l.to), "reason", reason)
	for n := 0; ctx.Err() == nil; n++ {
		err := p.tryUndo(ctx, l, reason)
		if err == nil || errors.Is(err, errMoved) || errors.Is(err, journal.ErrLost) || errors.Is(err, journal.ErrStopped) {
			return
		}
		pause(ctx, backoff(n))
	}
}

func (p *partition) tryUndo(ctx context.Context, l *letter, reason string) error {
	if err := p.reserve(ctx, l.to); err != nil {
		return err
	}
	defer p.unreserve(l.to)
	if err := p.journal.Settle(ctx); err != nil {
		return err
	}
	got, err := p.store.getSeen(ctx, l.to)
	if err != nil {
		return err
	}
	var ops []storage.Op
	blobs := map[string]string{}
	if got != nil && got.meta.Exists() && got.meta.Born == l.envelope.Born && got.meta.Execution == 0 {
		ops, blobs = []storage.Op{deletion(row.Instance(l.to)), deletion(row.Open(l.to))}, got.blobs
	}
	var dead []int
	if _, partition := l.from.Partition(); !partition && len(ops) > 0 {
		for n := range l.messages {
			dead = append(dead, n)
		}
	}
	err = p.buryWith(ctx, ops, l, dead, reason, p.store.cfg.Now(), func() {
		p.mu.Lock()
		delete(p.instances, l.to)
		p.movesLocked(l.to)
		p.mu.Unlock()
		p.store.waiters.Look(l.to)
		for _, name := range blobs {
			p.store.dropBlobs([]string{name})
		}
	}, nil)
	if len(ops) == 0 && storage.Is(err, storage.Missing) {
		p.dropped(l)
		return nil // it was consumed meanwhile
	}
	return err
}
